#ifndef APIKEY_CLI_NEW_KEY_H
#define APIKEY_CLI_NEW_KEY_H

/* A key that is made, and printed this once. */

#include "cli.h"


#define NEW_KEY_PREFIX  "ak"


/* All zeros at first. */
typedef struct {
    char             text[APIKEY_TOKEN_OWN_MAX + 1];
    store_new_t      stored;
    int              again;      /* the request was sent before */
    stored_t        *made;       /* by it, then; NULL: nothing */
} new_key_t;


/* The text, and what of the record comes of it; the prefix is set. */
void new_key_generate(cli_t *cli, new_key_t *key);

/* CLI_DONE, or another status, told on stderr. */
int new_key_store(cli_t *cli, new_key_t *key);

/* A request that made no key isn't kept as one that did. */
void new_key_refused(cli_t *cli, const new_key_t *key);

/* Deletes it again if it can't be printed. */
int new_key_print(cli_t *cli, const new_key_t *key);

/* Wipes it. */
void new_key_free(new_key_t *key);


#endif /* APIKEY_CLI_NEW_KEY_H */
