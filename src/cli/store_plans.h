#ifndef APIKEY_STORE_PLANS_H
#define APIKEY_STORE_PLANS_H

/* Plans, as gateways tell them (Pplans, see core/names.h). */

#include "core/limit.h"

#include "store.h"


typedef struct {
    apikey_limits_t   limits;
    const char       *per;      /* "key", "org" or "project" */
} store_plan_t;


/* STORE_ABSENT: no gateway has told of it, or what is there can't be read. */
store_rc_e store_plan_read(store_t *store, apikey_text_t name,
    store_plan_t *plan);

/*
 * Have gateways told of plans, but none of this one?  0, too, if Redis doesn't
 * say.
 */
int store_plan_unknown(store_t *store, apikey_text_t name);

/*
 * The counters that the keys of a holder (an org, a project) share: a reply to
 * be freed, a string or nil; or NULL and error.
 */
redisReply *store_pool_read(store_t *store, const char *per,
    apikey_text_t holder, apikey_text_t plan);


#endif /* APIKEY_STORE_PLANS_H */
