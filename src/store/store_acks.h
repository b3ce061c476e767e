#ifndef APIKEY_STORE_ACKS_H
#define APIKEY_STORE_ACKS_H

/*
 * How gateways confirm changes.  Before the first write, those workers are
 * noted that are registered, and their answers subscribed to, on a connection
 * of its own.  Each write then carries the same token, and each worker answers
 * each of them, in order, once it has dropped what it had cached: it has
 * confirmed when it has given as many answers as there were writes.
 *
 * A worker that takes itself off the register meanwhile isn't waited for any
 * longer: it trusts nothing cached then.
 */

#include "store_workers.h"


typedef struct {
    apikey_text_t     name;
    unsigned          answers;
    unsigned          left:1;
} store_ack_t;


typedef struct store_acks_s {
    store_workers_t   workers;
    store_ack_t      *list;
    unsigned          count;

    redis_t           redis;
    char              token[APIKEY_ID_SIZE];
    char              error[STORE_ERROR];    /* answers can't be heard */

    unsigned          expected;    /* answers of each */
    uint64_t          began;       /* the latest write, by redis_clock() */
    uint64_t          ended;       /* the waiting */

    unsigned         *servers;     /* that were written to */
    unsigned          server_count;
} store_acks_t;


/*
 * STORE_FAILED: the workers can't be read.  That their answers can't be heard
 * is no reason not to write: they'll be missing.
 */
store_rc_e store_acks_open(store_t *store);
void store_acks_free(store_t *store);

/* Can answers by way of this server be heard?  STORE_FAILED if not. */
store_rc_e store_acks_probe(store_t *store, unsigned server);

/* What writes have to carry, of length 0 if nobody is waited for. */
apikey_text_t store_acks_token(const store_t *store);

/* One more write was done, by the latest reply. */
void store_acks_expect(store_t *store, uint64_t began);

/* Until all have confirmed all writes, or the time, in ms, is over. */
void store_acks_wait(store_t *store, unsigned time);

int store_ack_confirmed(const store_acks_t *acks, const store_ack_t *ack);


#endif /* APIKEY_STORE_ACKS_H */
