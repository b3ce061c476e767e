#ifndef APIKEY_CLI_FILTER_H
#define APIKEY_CLI_FILTER_H

/* Some of all keys: --org, --project, --service, --status. */

#include "cli.h"


#define FILTER_OPTIONS  "org project service status"


/* CLI_DONE, or CLI_USAGE, told on stderr. */
int filter_given(const cli_t *cli);

int filter_matches(const cli_t *cli, const stored_t *stored);


#endif /* APIKEY_CLI_FILTER_H */
