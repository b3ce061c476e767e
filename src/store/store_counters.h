#ifndef APIKEY_STORE_COUNTERS_H
#define APIKEY_STORE_COUNTERS_H

/*
 * What keys have used: in their own records, but for those that were rotated,
 * whose counters are in the hash of the first of their family (core/record.h),
 * on another node of a Cluster maybe.
 */

#include "store.h"


/*
 * The hash that holds the counters of a key: its own record, or that of the
 * first of its family, or what that has left, maybe nothing.
 */
store_rc_e store_read_counters(store_t *store, const stored_t *stored,
    stored_t **counters);

/*
 * Forgets what a deleted record has left of them.  reset, of 24 bytes, becomes
 * what what was counted ahead before is told apart by.  STORE_CHANGED: there
 * is a record, to be changed.
 */
store_rc_e store_forget(store_t *store,
    const unsigned char digest[APIKEY_DIGEST_SIZE], char *reset);

/*
 * Before limits or a plan are set: what is used goes on, as change.lua has it
 * for counters in the record itself.
 */
store_rc_e store_carry(store_t *store, const stored_t *stored,
    const apikey_field_t *fields, unsigned count);


#endif /* APIKEY_STORE_COUNTERS_H */
