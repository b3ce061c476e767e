#ifndef APIKEY_STORE_USAGE_H
#define APIKEY_STORE_USAGE_H

/*
 * What gateways have counted of keys' use, by days: core/usage.h.  Of many keys
 * it is read in one pass, some thousand days of keys at a time, and nothing is
 * kept but what the visitor keeps.
 */

#include "core/usage.h"

#include "store.h"


#define STORE_USAGE_SUMS  "nld"    /* kinds: without labels, read faster */


typedef struct {
    uint64_t     first;      /* day since 1970 */
    unsigned     days;
    const char  *kinds;      /* of apikey_usage_kind_e; "": all */
} store_usage_span_t;


/* A field of a day of a key: see apikey_usage_read().  All that is of one key
   comes together, its days in their order. */
typedef void (*store_usage_pt)(void *data, const stored_t *key, uint32_t day,
    apikey_text_t name, apikey_text_t value);

/* Is it one of those that are asked for?  Of a deleted key, stored has what
   store_gone.h says. */
typedef int (*store_usage_wanted_pt)(void *data, const stored_t *key,
    int deleted);


/* Of these keys. */
store_rc_e store_usage_read(store_t *store, stored_t *const *keys,
    size_t count, const store_usage_span_t *span, store_usage_pt visit,
    void *data);

/* Of all keys that are wanted, those deleted, too, each once. */
store_rc_e store_usage_all(store_t *store, const store_usage_span_t *span,
    store_usage_wanted_pt wanted, store_usage_pt visit, void *data);


#endif /* APIKEY_STORE_USAGE_H */
