#ifndef APIKEY_STORE_REPLICAS_H
#define APIKEY_STORE_REPLICAS_H

/*
 * Whether a failover could lose what was written: the replicas of the servers
 * written to, and how many of them have got it.  Redis replicates without
 * waiting for them; WAIT, on the connection that wrote, tells.
 */

#include "store_acks.h"


typedef struct {
    unsigned   total;         /* connected to their masters */
    unsigned   confirmed;
    unsigned   unsure:1;      /* a master went away meanwhile */
} store_replicas_t;


/*
 * Waits until all have got what was written since store_acks_open(), or the
 * time, in ms, is over.  A server that has none, or may not be asked, adds
 * nothing.
 */
void store_replicas_wait(store_t *store, unsigned time,
    store_replicas_t *replicas);


#endif /* APIKEY_STORE_REPLICAS_H */
