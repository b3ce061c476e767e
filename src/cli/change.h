#ifndef APIKEY_CHANGE_H
#define APIKEY_CHANGE_H

/* Changing the record of a key that others may be changing. */

#include "cli.h"


#define CHANGE_NOTHING  -1     /* the record is so already */


typedef struct {
    apikey_field_t   fields[ATTRIBUTE_COUNT];   /* empty: to be removed */
    unsigned         count;
} change_t;


/*
 * Decides what is to be changed in the record as it is now: CLI_DONE,
 * CHANGE_NOTHING, or a status, told on stderr.
 */
typedef int (*change_decide_pt)(cli_t *cli, const stored_t *stored,
    change_t *change, void *data);


void change_set(change_t *change, attribute_e attribute,
    apikey_text_t value);

/*
 * Changes the record that was read, deciding anew whenever somebody else was
 * quicker.  Returns CLI_DONE, with *stored the record as changed, or what
 * was decided, or CLI_REFUSED where the key is gone, or CLI_REDIS.  Where
 * gateways are waited for, they are told of CHANGE_NOTHING too: maybe one
 * didn't answer the last time.
 */
int change_key(cli_t *cli, stored_t **stored, change_decide_pt decide,
    void *data);


/* Is it revoked?  Then says that this is final. */
int change_final(const stored_t *stored);

/* Is the record one of those of If-Match, if that was sent?  Else says so. */
int change_expected(cli_t *cli, const stored_t *stored);


#endif /* APIKEY_CHANGE_H */
