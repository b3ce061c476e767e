#ifndef APIKEY_CLI_TELL_H
#define APIKEY_CLI_TELL_H

/*
 * Events of what this program has done (event.h), each written after what it
 * tells of: one that can't be written is no reason to fail.
 */

#include "cli.h"


/* Something was done with a key; the details are fields of the event. */
void tell_key(cli_t *cli, const char *type, const stored_t *stored,
    const apikey_field_t *details, unsigned count);

/* The key of these attributes was made. */
void tell_created(cli_t *cli, const attributes_t *attributes);

void tell_imported(cli_t *cli, unsigned imported, unsigned refused);


#endif /* APIKEY_CLI_TELL_H */
