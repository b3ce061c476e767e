#ifndef APIKEY_CLI_SELECTION_H
#define APIKEY_CLI_SELECTION_H

/*
 * The keys that a command is for: its operands, or all that match the filters,
 * once the user at the terminal has seen how many those are, and agrees.
 *
 *   selection_given()
 *   cli_open() or confirm_open()
 *   selection_find()
 *   selection_read() of each
 *   selection_free()
 */

#include "store/filter.h"

#include "cli.h"


#define SELECTION_FILTERS                                                     \
    "org project service status plan scope search unused expires-within"
#define SELECTION_OPTIONS  SELECTION_FILTERS " yes dry-run"

#define SELECTION_OVER    -1     /* nothing is to be done */
#define SELECTION_PASSED  -2     /* it doesn't match any more */


typedef struct {
    filter_t   filter;
    unsigned   filtered:1;
    char     **ids;
    size_t     count;
    size_t     room;
    json_t    *orgs;       /* keys of each organization; "": of none */
} selection_t;


/* The filters that are given: CLI_DONE, or CLI_USAGE, told on stderr. */
int selection_filter(const cli_t *cli, filter_t *filter);

/* Revoked keys, which resist the command, are left out unless asked for. */
#define SELECTION_LASTING  1

/* --plan and --scope are no filters of this command. */
#define SELECTION_EDITED   2

/* Neither is needed: then every key is meant. */
#define SELECTION_ALL  4

/* Operands or filters, one of both, as selection_filter(). */
int selection_given(const cli_t *cli, selection_t *selection,
    unsigned flags);

/*
 * Finds them, and asks: CLI_DONE, or SELECTION_OVER, where they were only to
 * be shown, or another status, told on stderr.  verb: "delete", or NULL, where
 * nothing is done to them that one has to agree with.
 */
int selection_find(cli_t *cli, selection_t *selection, const char *verb);

/* A key as it is by now: CLI_DONE, SELECTION_PASSED, CLI_REFUSED, CLI_REDIS. */
int selection_read(cli_t *cli, const selection_t *selection, size_t i,
    stored_t **stored);

void selection_free(selection_t *selection);


#endif /* APIKEY_CLI_SELECTION_H */
