#ifndef APIKEY_STORE_WORKERS_H
#define APIKEY_STORE_WORKERS_H

/* The gateways' workers, as they register in Redis (see core/names.h). */

#include "store.h"


/* Seconds of silence: up to which it is registered, after which forgotten. */
#define STORE_WORKER_SILENT  5
#define STORE_WORKER_GONE    60


typedef struct {
    apikey_text_t   name;         /* HOST:TAG:PID */
    apikey_text_t   version;
    apikey_text_t   pepper;       /* its print; empty: not known */
    uint64_t        since;        /* Unix seconds */
    uint64_t        heard;        /* the last heartbeat */
    uint64_t        silent;       /* seconds since then, or until then */
    int             ahead;        /* until then, and longer than a beat */
} store_worker_t;


/* By name; the texts live as long as this. */
typedef struct {
    reply_t         *reply;
    store_worker_t  *list;
    unsigned         count;
} store_workers_t;


/*
 * All that ever were, unless they left: also those that are silent.  Those that
 * have registered in the future, because Redis's clock was set back, are as
 * silent as if it were the past.
 */
store_rc_e store_workers_read(store_t *store, store_workers_t *workers);

/*
 * The same, but if there are such ones gives them the time to register
 * again: only who doesn't is gone.
 */
store_rc_e store_workers_settle(store_t *store, store_workers_t *workers);
void store_workers_free(store_workers_t *workers);

const store_worker_t *store_workers_find(const store_workers_t *workers,
    apikey_text_t name);

/* A registered one whose pepper has another print, or NULL. */
const store_worker_t *store_workers_peppered(const store_workers_t *workers,
    const char print[APIKEY_PEPPER_PRINT]);

/*
 * Forgets those that went without saying so, with their plans.  One that comes
 * back right now is known again with its next heartbeat.
 */
store_rc_e store_workers_prune(store_t *store,
    const store_workers_t *workers);


#endif /* APIKEY_STORE_WORKERS_H */
