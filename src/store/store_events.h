#ifndef APIKEY_STORE_EVENTS_H
#define APIKEY_STORE_EVENTS_H

/* The stream of what has happened (core/names.h). */

#include "store.h"


#define STORE_EVENTS_MAX   "100000"    /* about so many are kept */
#define STORE_EVENT_FIELDS  24

/* Room for the id of an event: two numbers, a dash, and a zero. */
#define STORE_EVENT_ID      48


/* Each entry is a list of two: the event's id and the list of its fields. */
typedef struct {
    reply_t        *reply;
    const reply_t  *entries;    /* their array */
    size_t          count;
} store_events_t;


/*
 * Written after what it tells of; a failure is kept in store->missed.  At most
 * STORE_EVENT_FIELDS, of which the empty ones are left out.
 */
void store_event_add(store_t *store, const apikey_field_t *fields,
    unsigned count);

/*
 * At most so many events that came after that id, the oldest first; "0" is
 * before all of them.  Where there are none, waits for so many milliseconds,
 * less than REDIS_TIMEOUT.
 */
store_rc_e store_events_after(store_t *store, store_events_t *events,
    const char *id, unsigned count, unsigned wait);

/* At most so many that came before, the newest first; "+" is after all. */
store_rc_e store_events_before(store_t *store, store_events_t *events,
    const char *id, unsigned count);

void store_events_free(store_events_t *events);

/*
 * How far the webhook of that name has got: STORE_ABSENT, if it is new, or the
 * id of the latest event that it has taken.
 */
store_rc_e store_webhook_read(store_t *store, const char *name,
    char id[STORE_EVENT_ID]);
store_rc_e store_webhook_write(store_t *store, const char *name,
    const char *id);

/* "MS-SEQ", in Unix milliseconds: below 0, 0, or above. */
int store_event_id_compare(const char *one, const char *two);

/* The id right before: 0, or -1 if it isn't one. */
int store_event_id_before(char out[STORE_EVENT_ID], const char *id);


#endif /* APIKEY_STORE_EVENTS_H */
