#ifndef APIKEY_STORE_GONE_H
#define APIKEY_STORE_GONE_H

/*
 * Keys that were deleted and whose usage has not yet expired: core/names.h.
 * One that was made anew since may be among them.
 */

#include "store.h"


/* The visitor frees it; of the record there are a few fields only. */
typedef void (*store_gone_pt)(void *data, stored_t *stored);


/* Before the record is deleted: a failure is kept in store->missed. */
void store_gone_deleted(store_t *store, const stored_t *stored);

/* As store_visit_some(). */
store_rc_e store_gone_visit(store_t *store, store_gone_pt visit,
    store_rc_e (*after)(void *data), void *data);


#endif /* APIKEY_STORE_GONE_H */
