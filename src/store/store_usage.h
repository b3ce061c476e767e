#ifndef APIKEY_STORE_USAGE_H
#define APIKEY_STORE_USAGE_H

/* What gateways have counted of a key's use, by days: core/usage.h. */

#include "core/usage.h"

#include "store.h"


/* Called for each day, in their order, with the reply to HGETALL. */
typedef void (*store_usage_pt)(void *data, uint32_t day,
    const reply_t *reply);


/* So many days up to that of now (Unix seconds), the latest last. */
store_rc_e store_usage_read(store_t *store,
    const unsigned char digest[APIKEY_DIGEST_SIZE], uint64_t now,
    unsigned days, store_usage_pt visit, void *data);

/* The key was deleted: a failure is kept in store->missed. */
void store_usage_deleted(store_t *store, const stored_t *stored);


#endif /* APIKEY_STORE_USAGE_H */
