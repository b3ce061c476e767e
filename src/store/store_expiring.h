#ifndef APIKEY_STORE_EXPIRING_H
#define APIKEY_STORE_EXPIRING_H

/*
 * When keys expire, by id (core/names.h), for the gateways to tell in time.
 * It is written after the record, and what is missing there costs an event and
 * nothing else: a failure is kept in store->missed.
 */

#include "store.h"


/* Of those that were created. */
void store_expiring_created(store_t *store, const store_new_t *keys,
    unsigned count);

/* The fields are those that have been changed. */
void store_expiring_changed(store_t *store, const stored_t *stored,
    const apikey_field_t *fields, unsigned count);

void store_expiring_deleted(store_t *store, apikey_text_t id);


#endif /* APIKEY_STORE_EXPIRING_H */
