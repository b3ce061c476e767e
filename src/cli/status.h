#ifndef APIKEY_CLI_STATUS_H
#define APIKEY_CLI_STATUS_H

/* The status of keys, as enable, disable and revoke change it. */

#include "cli.h"


typedef struct {
    const char    *status;     /* to become */
    const char    *done;       /* what is said then, and the event's type */
    char           time[32];
} status_t;


/* Of all keys that are selected, even where some are unknown. */
int status_keys(cli_t *cli, status_t *status);

/* Of one whose record was read, as change_key(); says what was done. */
int status_key(cli_t *cli, stored_t **stored, status_t *status);


#endif /* APIKEY_CLI_STATUS_H */
