#ifndef APIKEY_STORE_PLANS_H
#define APIKEY_STORE_PLANS_H

/* Plans, as gateways tell them (Pplans, see core/names.h). */

#include "core/limit.h"

#include "store_workers.h"


/* As some gateways have it; others may have another of that name. */
typedef struct {
    apikey_text_t     name;
    apikey_limits_t   limits;
    const char       *per;            /* "key", "org" or "project" */
    unsigned          fallback:1;     /* the default plan of a location */
    apikey_text_t    *gateways;       /* HOST:TAG:PID of a worker of each */
    unsigned          gateway_count;
} store_plan_t;


/* By name; the texts live as long as this. */
typedef struct {
    reply_t         *reply;
    store_workers_t  workers;
    store_plan_t    *list;
    unsigned         count;
} store_plans_t;


/* Those of gateways that have registered within the last minute. */
store_rc_e store_plans_read(store_t *store, store_plans_t *plans);
void store_plans_free(store_plans_t *plans);

/* The first of that name, NULL if there is none, and how many there are. */
const store_plan_t *store_plans_find(const store_plans_t *plans,
    apikey_text_t name, unsigned *count);

/*
 * Is there a plan of that name?  STORE_DONE also where no gateway is there to
 * say; STORE_ABSENT, and the name of one that may be meant, or "".
 */
store_rc_e store_plan_check(store_t *store, apikey_text_t name,
    char nearest[APIKEY_LABEL_MAX + 1]);

/*
 * The counters that the keys of a holder (an org, a project) share: a reply to
 * be freed, a string or nil; or NULL and error.
 */
reply_t *store_holder_read(store_t *store, const char *per,
    apikey_text_t holder, apikey_text_t plan);


#endif /* APIKEY_STORE_PLANS_H */
