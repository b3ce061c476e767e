#ifndef REDIS_SLOTS_H
#define REDIS_SLOTS_H

/*
 * What the nodes of a Redis Cluster tell of where its slots are.  Pure: no
 * nginx, and nothing that is told is trusted.
 */

#include <hiredis/hiredis.h>

#include "core/slot.h"
#include "core/text.h"

#define REDIS_HOST_MAX  255


/* Where some slots are, all of them or one that is told by an error. */
typedef struct {
    unsigned       first;
    unsigned       last;
    apikey_text_t  host;     /* empty: of the node that tells it */
    unsigned       port;
} redis_slots_t;


typedef enum {
    REDIS_SLOTS_NONE = 0,    /* an error that tells of no slot */
    REDIS_SLOTS_MOVED,       /* it is there from now on */
    REDIS_SLOTS_ASK          /* or, what was asked for, this time */
} redis_slots_told_e;


/* An entry of CLUSTER SLOTS; 0: it isn't one. */
int redis_slots_entry(redis_slots_t *slots, const redisReply *entry);

/* "MOVED 3999 127.0.0.1:6381", "ASK 3999 127.0.0.1:6381" */
redis_slots_told_e redis_slots_error(redis_slots_t *slots,
    apikey_text_t error);


#endif /* REDIS_SLOTS_H */
