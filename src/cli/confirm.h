#ifndef APIKEY_CONFIRM_H
#define APIKEY_CONFIRM_H

/*
 * Commands that change keys end only when every worker of every gateway has
 * confirmed that it knows, or --wait is over:
 *
 *   confirm_open(), in place of cli_open()
 *   changes; what is said of each is printed at once, or for programs goes
 *   through confirm_print()
 *   confirm_close(), which waits, and prints the rest
 */

#include "cli.h"


/* CLI_DONE, or CLI_USAGE or CLI_REDIS, told on stderr. */
int confirm_open(cli_t *cli);

/* Is there anybody to wait for? */
int confirm_wanted(const cli_t *cli);

/* Kept until it can be printed with "workers" and "replicas", then freed. */
void confirm_print(cli_t *cli, json_t *json);

/* For what can't be kept: waits, and adds both, if it was opened. */
void confirm_add(cli_t *cli, json_t *json);

/*
 * The status of the command, given what it has come to: CLI_REFUSED in place
 * of CLI_DONE if somebody didn't answer.  Does nothing if it wasn't opened.
 */
int confirm_close(cli_t *cli, int status);


#endif /* APIKEY_CONFIRM_H */
