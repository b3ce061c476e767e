#ifndef APIKEY_CLI_RETRY_H
#define APIKEY_CLI_RETRY_H

/*
 * A key that is made by a request with an Idempotency-Key.  Its text is stored
 * nowhere, so that the same answer can't be given twice: sent again, the
 * request gets a new text for the same key, in place of the first.
 */

#include "cli.h"


/*
 * Once the key is generated, and what is asked for has been checked: CLI_DONE,
 * or another status, told on stderr.  *again is set if the request was sent
 * before; the key has the id of then, and *made, to be freed, is its record,
 * or NULL if it hasn't been made.
 */
int retry_begin(cli_t *cli, store_new_t *key, int *again, stored_t **made);

/* In place of the record that was made, if it was: as store_create(). */
store_rc_e retry_create(cli_t *cli, store_new_t *key, const stored_t *made);


#endif /* APIKEY_CLI_RETRY_H */
