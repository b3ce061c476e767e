/*
 * Requests counted ahead: a lease is taken from all windows at once and spent
 * by all workers without asking Redis.  Its size follows the rate at which
 * it is spent, and Redis gives no more than an eighth of what is left, so that
 * leases shrink to nothing as a window empties and the last requests are
 * counted one by one.  See ngx_http_apikey_zone.h for what is kept.
 */

#include "ngx_http_apikey_zone.h"

#include <sodium.h>


#define NGX_HTTP_APIKEY_LEASE_FIRST   8
#define NGX_HTTP_APIKEY_LEASE_MAX     (1 << 20)
#define NGX_HTTP_APIKEY_LEASE_SHORT   500      /* milliseconds: too small */
#define NGX_HTTP_APIKEY_LEASE_LONG    4000     /* too large */
#define NGX_HTTP_APIKEY_LEASE_RETRY   1000     /* asked for again */
#define NGX_HTTP_APIKEY_LEASE_BACK    10       /* seconds: no late answer */


static ngx_http_apikey_lease_t *ngx_http_apikey_lease_find(
    ngx_http_apikey_zone_t *zone, u_char *key);
static ngx_http_apikey_lease_t *ngx_http_apikey_lease_create(
    ngx_http_apikey_zone_t *zone, ngx_http_apikey_taken_t *taken);
static void ngx_http_apikey_lease_begin(ngx_http_apikey_ctx_t *ctx);
static ngx_uint_t ngx_http_apikey_lease_fits(ngx_http_apikey_lease_t *lease,
    const apikey_limits_t *limits, uint64_t epoch);
static ngx_uint_t ngx_http_apikey_lease_same(ngx_http_apikey_lease_t *lease,
    ngx_http_apikey_taken_t *taken);
static ngx_uint_t ngx_http_apikey_lease_older(ngx_http_apikey_lease_t *lease,
    ngx_http_apikey_taken_t *taken);
static void ngx_http_apikey_lease_renew(ngx_http_apikey_lease_t *lease,
    ngx_http_apikey_taken_t *taken);
static void ngx_http_apikey_lease_replace(ngx_http_apikey_zone_t *zone,
    ngx_http_apikey_lease_t *lease, ngx_http_apikey_taken_t *taken,
    ngx_http_apikey_rest_t *rest);
static void ngx_http_apikey_lease_show(ngx_http_apikey_lease_t *lease,
    apikey_counter_t *counters);


ngx_int_t
ngx_http_apikey_lease_spend(ngx_http_apikey_ctx_t *ctx)
{
    ngx_uint_t                    idle;
    ngx_http_apikey_zone_t       *zone;
    ngx_http_apikey_lease_t      *lease;
    u_char                        key[APIKEY_DIGEST_SIZE];

    zone = ctx->amcf->zone;

    ctx->question.want = 0;

    ngx_http_apikey_lease_key(ctx, key);

    ngx_shmtx_lock(&zone->shpool->mutex);

    lease = ngx_http_apikey_lease_find(zone, key);

    /* one question for more at a time */

    idle = lease
           && (lease->asked == 0
               || (ngx_msec_int_t) (ngx_current_msec - lease->asked)
                  > NGX_HTTP_APIKEY_LEASE_RETRY);

    if (lease == NULL
        || !ngx_http_apikey_lease_fits(lease, ctx->count.meter.limits,
                                       ctx->count.meter.epoch)
        || (ngx_msec_int_t) (lease->ends - ngx_current_msec) <= 0
        || lease->tokens < ctx->count.cost)
    {
        if (idle) {
            lease->asked = ngx_current_msec;
            ctx->question.want = lease->want;
        }

        ngx_shmtx_unlock(&zone->shpool->mutex);

        if (lease == NULL) {
            ngx_http_apikey_lease_begin(ctx);
        }

        ngx_log_debug2(NGX_LOG_DEBUG_HTTP, ctx->request->connection->log, 0,
                       "apikey lease: %uL to spend don't fit, %uL to ask for",
                       ctx->count.cost, ctx->question.want);

        return NGX_DECLINED;
    }

    lease->tokens -= ctx->count.cost;
    zone->shared->tokens -= ctx->count.cost;
    lease->hidden -= ngx_min(lease->hidden, ctx->count.cost);

    if ((ngx_msec_int_t) (ngx_current_msec - lease->used)
        > NGX_HTTP_APIKEY_LEASE_SHORT)
    {
        ngx_queue_remove(&lease->node.queue);
        ngx_queue_insert_head(&zone->shared->leases.queue, &lease->node.queue);
        lease->used = ngx_current_msec;
    }

    ngx_http_apikey_lease_show(lease, ctx->count.counters);

    ctx->now = lease->now
               + (uint64_t) (ngx_current_msec - lease->taken) * 1000;

    if (lease->tokens < lease->granted / 2 && idle) {
        lease->asked = ngx_current_msec;
        ctx->question.more = lease->want;
    }

    ngx_shmtx_unlock(&zone->shpool->mutex);

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, ctx->request->connection->log, 0,
                   "apikey lease: %uL spent, %uL more to ask for",
                   ctx->count.cost, ctx->question.more);

    ctx->count.metered = 1;
    ctx->count.counted = ctx->count.cost != 0;

    apikey_quota(&ctx->count.quota, ctx->count.meter.limits,
                 ctx->count.counters, ctx->now, ctx->count.cost, 0);

    return NGX_OK;
}


/* An empty lease, so that others know that somebody asks for it. */

static void
ngx_http_apikey_lease_begin(ngx_http_apikey_ctx_t *ctx)
{
    ngx_http_apikey_zone_t   *zone;
    ngx_http_apikey_lease_t  *lease;
    ngx_http_apikey_taken_t   taken;

    zone = ctx->amcf->zone;

    ngx_http_apikey_taken_init(&taken, ctx);

    ngx_shmtx_lock(&zone->shpool->mutex);

    if (ngx_http_apikey_lease_find(zone, taken.key) == NULL) {
        lease = ngx_http_apikey_lease_create(zone, &taken);

        if (lease) {
            lease->asked = ngx_current_msec;
            ctx->question.want = lease->want;
        }
    }

    ngx_shmtx_unlock(&zone->shpool->mutex);

    ngx_http_apikey_lease_return(ctx->amcf);
}


uint64_t
ngx_http_apikey_lease_charge(ngx_http_apikey_ctx_t *ctx, uint64_t amount)
{
    uint64_t                  n;
    ngx_http_apikey_zone_t   *zone;
    ngx_http_apikey_lease_t  *lease;
    u_char                    key[APIKEY_DIGEST_SIZE];

    zone = ctx->amcf->zone;

    ngx_http_apikey_lease_key(ctx, key);

    ngx_shmtx_lock(&zone->shpool->mutex);

    lease = ngx_http_apikey_lease_find(zone, key);

    if (lease
        && ngx_http_apikey_lease_fits(lease, ctx->count.meter.limits,
                                      ctx->count.meter.epoch)
        && (ngx_msec_int_t) (lease->ends - ngx_current_msec) > 0)
    {
        n = ngx_min(lease->tokens, amount);
        lease->tokens -= n;
        zone->shared->tokens -= n;
        lease->hidden -= ngx_min(lease->hidden, n);
        amount -= n;
    }

    ngx_shmtx_unlock(&zone->shpool->mutex);

    return amount;
}


void
ngx_http_apikey_taken_init(ngx_http_apikey_taken_t *taken,
    ngx_http_apikey_ctx_t *ctx)
{
    apikey_text_t             prefix;
    ngx_http_apikey_meter_t  *meter;

    meter = &ctx->count.meter;

    taken->amcf = ctx->amcf;
    taken->limits = *meter->limits;
    taken->epoch = meter->epoch;
    taken->sent = ctx->question.sent;
    taken->want = ctx->question.want;

    ngx_http_apikey_lease_key(ctx, taken->key);

    if (meter->holder.len) {
        taken->name_len = meter->holder.len;
        ngx_memcpy(taken->name, meter->holder.data, meter->holder.len);

    } else {
        prefix = ngx_http_apikey_text(&ctx->amcf->prefix);
        taken->name_len = apikey_names_record(taken->name, prefix,
                                              ctx->credential.digest);
    }

    taken->field_len = meter->field.len;
    ngx_memcpy(taken->field, meter->field.data, meter->field.len);
}


void
ngx_http_apikey_lease_take(ngx_http_apikey_taken_t *taken)
{
    ngx_uint_t                same, older;
    ngx_http_apikey_zone_t   *zone;
    ngx_http_apikey_lease_t  *lease;
    ngx_http_apikey_rest_t    rest;

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, ngx_cycle->log, 0,
                   "apikey lease: %uL taken of %uL asked for", taken->amount,
                   taken->want);

    zone = taken->amcf->zone;
    taken->spent = 0;
    taken->returned = 0;
    rest.packed_len = 0;

    ngx_shmtx_lock(&zone->shpool->mutex);

    zone->shared->taken += taken->amount;

    lease = ngx_http_apikey_lease_find(zone, taken->key);
    same = lease && ngx_http_apikey_lease_same(lease, taken);

    if (lease == NULL && taken->amount) {
        lease = ngx_http_apikey_lease_create(zone, taken);
    }

    older = lease && ngx_http_apikey_lease_older(lease, taken);

    if (same && older) {

        /*
         * another worker's answer was newer: its counters hold this one, too,
         * and it was shown as used
         */

        lease->tokens += taken->amount;
        lease->hidden += taken->amount;
        zone->shared->tokens += taken->amount;

    } else if (lease && !older) {

        if (!same) {
            ngx_http_apikey_lease_replace(zone, lease, taken, &rest);
        }

        ngx_http_apikey_lease_renew(lease, taken);
        zone->shared->tokens += taken->amount;
        same = 1;
    }

    if (lease && taken->want) {
        lease->asked = 0;
    }

    if (same) {

        if (taken->refused && lease->tokens >= taken->refused) {
            /* another answer has brought it meanwhile */
            lease->tokens -= taken->refused;
            zone->shared->tokens -= taken->refused;
            lease->hidden -= ngx_min(lease->hidden, taken->refused);
            taken->spent = 1;
        }

        ngx_http_apikey_lease_show(lease, taken->counters);

        if (taken->refused && !taken->spent) {

            if (lease->tokens) {
                ngx_http_apikey_lease_empty(zone, lease, &rest);
            }

            /* or what the lease had when it was replaced */
            taken->returned = rest.packed_len != 0;
        }

    } else if (taken->amount) {
        zone->shared->returned += taken->amount;
        ngx_http_apikey_taken_rest(taken, &rest);
        ngx_http_apikey_lease_less(taken->counters, &taken->limits,
                                   taken->amount);
    }

    ngx_shmtx_unlock(&zone->shpool->mutex);

    ngx_http_apikey_lease_give(taken->amcf, &rest);
    ngx_http_apikey_lease_return(taken->amcf);
}


static void
ngx_http_apikey_lease_renew(ngx_http_apikey_lease_t *lease,
    ngx_http_apikey_taken_t *taken)
{
    unsigned    i;
    uint64_t    end, least;

    ngx_msec_int_t  lasted;

    if (taken->amount) {
        lasted = (ngx_msec_int_t) (taken->sent - lease->taken);

        if (lasted < NGX_HTTP_APIKEY_LEASE_SHORT) {
            lease->want = ngx_min(lease->want * 2, NGX_HTTP_APIKEY_LEASE_MAX);

        } else if (lasted > NGX_HTTP_APIKEY_LEASE_LONG) {
            lease->want = ngx_max(lease->want / 2, 1);
        }

        lease->granted = taken->amount;
    }

    least = (uint64_t) -1;

    for (i = 0; i < taken->limits.count; i++) {
        end = (taken->counters[i].start + taken->counters[i].seconds)
              * 1000000;
        end = (end > taken->now) ? end - taken->now : 0;
        least = ngx_min(least, end);
    }

    lease->limits = taken->limits;
    lease->epoch = taken->epoch;
    ngx_memcpy(lease->counters, taken->counters, sizeof(lease->counters));
    lease->now = taken->now;
    lease->taken = taken->sent;
    lease->ends = taken->sent + (ngx_msec_t) (least / 1000);
    lease->tokens += taken->amount;
}


void
ngx_http_apikey_lease_key(ngx_http_apikey_ctx_t *ctx, u_char *key)
{
    crypto_generichash_state   state;
    ngx_http_apikey_meter_t   *meter;

    meter = &ctx->count.meter;

    if (meter->owner && meter->field.len == 1) {
        ngx_memcpy(key, meter->owner, APIKEY_DIGEST_SIZE);
        return;
    }

    crypto_generichash_init(&state, NULL, 0, APIKEY_DIGEST_SIZE);

    if (meter->owner) {
        crypto_generichash_update(&state, meter->owner, APIKEY_DIGEST_SIZE);
        crypto_generichash_update(&state, meter->field.data,
                                  meter->field.len);

    } else {
        crypto_generichash_update(&state, meter->holder.data,
                                  meter->holder.len);
    }

    crypto_generichash_final(&state, key, APIKEY_DIGEST_SIZE);
}


static ngx_http_apikey_lease_t *
ngx_http_apikey_lease_find(ngx_http_apikey_zone_t *zone, u_char *key)
{
    return (ngx_http_apikey_lease_t *)
               ngx_http_apikey_index_find(&zone->shared->leases, key);
}


static ngx_http_apikey_lease_t *
ngx_http_apikey_lease_create(ngx_http_apikey_zone_t *zone,
    ngx_http_apikey_taken_t *taken)
{
    size_t                    size;
    u_char                   *p;
    ngx_http_apikey_lease_t  *lease;

    size = offsetof(ngx_http_apikey_lease_t, data) + taken->name_len
           + taken->field_len;

    lease = ngx_http_apikey_zone_alloc(zone, size, 0);
    if (lease == NULL) {
        return NULL;
    }

    ngx_memzero(lease, size);

    lease->want = NGX_HTTP_APIKEY_LEASE_FIRST;
    lease->used = ngx_current_msec;
    lease->taken = ngx_current_msec;
    lease->name_len = (u_short) taken->name_len;
    lease->field_len = (u_short) taken->field_len;

    p = ngx_cpymem(lease->data, taken->name, taken->name_len);
    ngx_memcpy(p, taken->field, taken->field_len);

    ngx_http_apikey_index_insert(&zone->shared->leases, &lease->node,
                                 taken->key);

    return lease;
}


static ngx_uint_t
ngx_http_apikey_lease_fits(ngx_http_apikey_lease_t *lease,
    const apikey_limits_t *limits, uint64_t epoch)
{
    unsigned  i;

    if (lease->epoch != epoch
        || lease->limits.count != limits->count
        || lease->limits.sliding != limits->sliding)
    {
        return 0;
    }

    for (i = 0; i < limits->count; i++) {
        if (lease->limits.window[i].seconds != limits->window[i].seconds
            || lease->limits.window[i].limit != limits->window[i].limit)
        {
            return 0;
        }
    }

    return 1;
}


/* Do both count in the same windows, since the same time? */

static ngx_uint_t
ngx_http_apikey_lease_same(ngx_http_apikey_lease_t *lease,
    ngx_http_apikey_taken_t *taken)
{
    unsigned  i;

    if (!ngx_http_apikey_lease_fits(lease, &taken->limits, taken->epoch)) {
        return 0;
    }

    for (i = 0; i < taken->limits.count; i++) {
        if (lease->counters[i].start != taken->counters[i].start) {
            return 0;
        }
    }

    return 1;
}


/*
 * Answers to several workers may come in another order than Redis gave them.
 * A clock that was set back gives no older answers.
 */

static ngx_uint_t
ngx_http_apikey_lease_older(ngx_http_apikey_lease_t *lease,
    ngx_http_apikey_taken_t *taken)
{
    return taken->now < lease->now
           && lease->now - taken->now
              < NGX_HTTP_APIKEY_LEASE_BACK * (uint64_t) 1000000;
}


/*
 * Windows are over, or the limits are others, or counting began anew.  What is
 * left of the lease goes back to the windows that are the same still, which
 * have counted it.
 */

static void
ngx_http_apikey_lease_replace(ngx_http_apikey_zone_t *zone,
    ngx_http_apikey_lease_t *lease, ngx_http_apikey_taken_t *taken,
    ngx_http_apikey_rest_t *rest)
{
    unsigned           i, k;
    apikey_counter_t  *counter;

    for (i = 0; i < taken->limits.count; i++) {
        counter = &taken->counters[i];

        for (k = 0; k < lease->limits.count; k++) {
            if (lease->epoch == taken->epoch
                && lease->counters[k].seconds == counter->seconds
                && lease->counters[k].start == counter->start)
            {
                counter->current -= ngx_min(counter->current, lease->tokens);
            }
        }
    }

    ngx_http_apikey_lease_empty(zone, lease, rest);
}


/* What is used, as the client is told: not what the gateway holds. */

static void
ngx_http_apikey_lease_show(ngx_http_apikey_lease_t *lease,
    apikey_counter_t *counters)
{
    ngx_memcpy(counters, lease->counters,
               lease->limits.count * sizeof(apikey_counter_t));

    ngx_http_apikey_lease_less(counters, &lease->limits,
                               lease->tokens - lease->hidden);
}
