/*
 * Counting in the gateway's memory while Redis can't, for all workers: the
 * limits of a holder then hold for each gateway by itself.  It goes on from
 * what the holder's lease tells of Redis's counters, else from nothing, and
 * what was counted here isn't told Redis afterwards.
 */

#include "ngx_http_apikey_zone.h"


#define NGX_HTTP_APIKEY_LOCAL_MAX    (((uint64_t) 1 << 48) - 1)  /* 6 bytes */


static ngx_int_t ngx_http_apikey_local_count(ngx_http_apikey_ctx_t *ctx,
    apikey_counter_t *counters, uint64_t amount, ngx_uint_t forced);
static ngx_http_apikey_local_t *ngx_http_apikey_local_get(
    ngx_http_apikey_ctx_t *ctx);
static void ngx_http_apikey_local_put(ngx_http_apikey_local_t *local,
    const apikey_counter_t *counters, unsigned count, uint64_t now);


ngx_int_t
ngx_http_apikey_local_spend(ngx_http_apikey_ctx_t *ctx)
{
    ngx_int_t    rc;
    ngx_time_t  *tp;

    if (ctx->now == 0) {
        /* Redis hasn't told the time */
        tp = ngx_timeofday();
        ctx->now = (uint64_t) tp->sec * 1000000 + tp->msec * 1000;
    }

    rc = ngx_http_apikey_local_count(ctx, ctx->count.counters, ctx->count.cost,
                                     0);

    if (rc == NGX_ERROR) {
        return NGX_DECLINED;
    }

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, ctx->request->connection->log, 0,
                   "apikey counted %uL without redis, rc:%i", ctx->count.cost,
                   rc);

    ctx->count.local = 1;
    ctx->count.metered = 1;
    ctx->count.limited = (rc == NGX_DECLINED);
    ctx->count.counted = !ctx->count.limited && ctx->count.cost;

    apikey_quota(&ctx->count.quota, ctx->count.meter.limits,
                 ctx->count.counters, ctx->now, ctx->count.cost,
                 ctx->count.limited);

    return NGX_OK;
}


void
ngx_http_apikey_local_charge(ngx_http_apikey_ctx_t *ctx, uint64_t amount)
{
    apikey_counter_t  counters[APIKEY_WINDOWS_MAX];

    (void) ngx_http_apikey_local_count(ctx, counters, amount, 1);
}


/*
 * As decide.lua: NGX_OK: counted, NGX_DECLINED: it doesn't fit, and isn't
 * forced; NGX_ERROR: no memory.
 */

static ngx_int_t
ngx_http_apikey_local_count(ngx_http_apikey_ctx_t *ctx,
    apikey_counter_t *counters, uint64_t amount, ngx_uint_t forced)
{
    unsigned                  i;
    uint64_t                  used;
    ngx_int_t                 rc;
    apikey_text_t             packed;
    const apikey_limits_t    *limits;
    ngx_http_apikey_zone_t   *zone;
    ngx_http_apikey_local_t  *local;

    zone = ctx->amcf->zone;
    limits = ctx->count.meter.limits;

    ngx_http_apikey_failover_begin(ctx, NGX_HTTP_APIKEY_BY_LOCAL);

    ngx_shmtx_lock(&zone->shpool->mutex);

    local = ngx_http_apikey_local_get(ctx);

    if (local == NULL) {
        rc = NGX_ERROR;
        goto done;
    }

    packed.data = (char *) local->packed;
    packed.len = local->len;

    if (apikey_counters_unpack(counters, limits, packed, ctx->now)
        != APIKEY_OK)
    {
        rc = NGX_ERROR;
        goto done;
    }

    rc = NGX_OK;

    for (i = 0; i < limits->count; i++) {
        used = apikey_counter_used(&counters[i], limits->sliding, ctx->now);

        if (amount && !forced && used + amount > limits->window[i].limit) {
            rc = NGX_DECLINED;
            amount = 0;
        }
    }

    for (i = 0; i < limits->count; i++) {
        counters[i].current = ngx_min(counters[i].current + amount,
                                      NGX_HTTP_APIKEY_LOCAL_MAX);
    }

    /* what is refused, too: windows that were ahead are of now */

    ngx_http_apikey_local_put(local, counters, limits->count, ctx->now);

done:

    ngx_shmtx_unlock(&zone->shpool->mutex);

    ngx_http_apikey_lease_return(ctx->amcf);

    return rc;
}


/* The holder's counters, with the lock held; NULL: no memory. */

static ngx_http_apikey_local_t *
ngx_http_apikey_local_get(ngx_http_apikey_ctx_t *ctx)
{
    ngx_queue_t              *q;
    ngx_http_apikey_zone_t   *zone;
    ngx_http_apikey_index_t  *index;
    ngx_http_apikey_lease_t  *lease;
    ngx_http_apikey_local_t  *local;
    u_char                    key[APIKEY_DIGEST_SIZE];

    zone = ctx->amcf->zone;
    index = &zone->shared->locals;

    ngx_http_apikey_lease_key(ctx, key);

    local = (ngx_http_apikey_local_t *) ngx_http_apikey_index_find(index, key);

    if (local) {
        ngx_queue_remove(&local->node.queue);
        ngx_queue_insert_head(&index->queue, &local->node.queue);

        if (local->epoch != ctx->count.meter.epoch) {
            local->epoch = ctx->count.meter.epoch;
            local->len = 0;
        }

        return local;
    }

    local = ngx_slab_alloc_locked(zone->shpool,
                                  sizeof(ngx_http_apikey_local_t));

    if (local == NULL && !ngx_queue_empty(&index->queue)) {

        /* rather than a record that can't be had again */

        q = ngx_queue_last(&index->queue);
        local = (ngx_http_apikey_local_t *)
                    ngx_queue_data(q, ngx_http_apikey_node_t, queue);

        ngx_http_apikey_index_remove(index, &local->node);
    }

    if (local == NULL) {
        local = ngx_http_apikey_zone_alloc(zone,
                                           sizeof(ngx_http_apikey_local_t), 0);
        if (local == NULL) {
            return NULL;
        }
    }

    local->epoch = ctx->count.meter.epoch;
    local->len = 0;

    lease = (ngx_http_apikey_lease_t *)
                ngx_http_apikey_index_find(&zone->shared->leases, key);

    if (lease && lease->epoch == ctx->count.meter.epoch) {
        ngx_http_apikey_local_put(local, lease->counters,
                                  lease->limits.count, ctx->now);
    }

    ngx_http_apikey_index_insert(index, &local->node, key);

    return local;
}


/* What isn't asked for stays, too, while it counts. */

static void
ngx_http_apikey_local_put(ngx_http_apikey_local_t *local,
    const apikey_counter_t *counters, unsigned count, uint64_t now)
{
    u_char         packed[sizeof(local->packed)];
    apikey_text_t  before;

    before.data = (char *) local->packed;
    before.len = local->len;

    local->len = apikey_counters_pack(packed, NGX_HTTP_APIKEY_LOCAL_WINDOWS,
                                      counters, count, before, now);

    ngx_memcpy(local->packed, packed, local->len);
}
