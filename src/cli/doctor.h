#ifndef APIKEY_CLI_DOCTOR_H
#define APIKEY_CLI_DOCTOR_H

/* What doctor's checks share. */

#include "store/store_servers.h"

#include "cli.h"


#define DOCTOR_TEXT  512


typedef struct {
    cli_t       *cli;
    json_t      *checks;
    int          status;

    unsigned    *servers;
    unsigned     server_count;

    unsigned     keys;
    unsigned     dangling;
    unsigned     unreadable;
    char        *ids;        /* of some of the worse finding */
} doctor_t;


/* "ok", "warning", "wrong" or "unknown"; mend is NULL or how. */
typedef struct {
    const char  *result;
    const char  *mend;
    char         text[DOCTOR_TEXT];
} doctor_finding_t;


/*
 * Checks of the servers, each of them by itself, and of a Cluster; -1: it is
 * down, so that nothing else can be told.
 */
int doctor_servers(doctor_t *doctor);

/* The sentinels, and the master's replicas. */
void doctor_sentinels(doctor_t *doctor);

void doctor_say(doctor_t *doctor, const char *check,
    const doctor_finding_t *finding);
void doctor_find(doctor_finding_t *finding, const char *result,
    const char *mend, const char *format, ...)
    __attribute__((format(printf, 4, 5)));


#endif /* APIKEY_CLI_DOCTOR_H */
