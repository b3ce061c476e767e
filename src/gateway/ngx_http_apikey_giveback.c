/* What of a lease nobody has spent goes back to its windows, where it can. */

#include "ngx_http_apikey_zone.h"


#define NGX_HTTP_APIKEY_LEASE_IDLE    10000    /* milliseconds */
#define NGX_HTTP_APIKEY_LEASE_BATCH   64       /* at a time */


static void ngx_http_apikey_rest_pack(ngx_http_apikey_rest_t *rest,
    uint64_t epoch, const apikey_limits_t *limits,
    const apikey_counter_t *counters, uint64_t amount);
static void ngx_http_apikey_lease_given(void *data, redisReply *reply);
static ngx_uint_t ngx_http_apikey_lease_collect(ngx_http_apikey_zone_t *zone,
    ngx_http_apikey_rest_t *rests, ngx_uint_t all);


/* Leases that had to make room, until the lock is released. */
static ngx_http_apikey_rest_t
    ngx_http_apikey_lease_evicted[NGX_HTTP_APIKEY_ZONE_TRIES];
static ngx_uint_t  ngx_http_apikey_lease_nevicted;


void
ngx_http_apikey_lease_less(apikey_counter_t *counters,
    const apikey_limits_t *limits, uint64_t amount)
{
    unsigned  i;

    for (i = 0; i < limits->count; i++) {
        counters[i].current -= ngx_min(counters[i].current, amount);
    }
}


/* Takes out what is to be given back. */

void
ngx_http_apikey_lease_empty(ngx_http_apikey_zone_t *zone,
    ngx_http_apikey_lease_t *lease, ngx_http_apikey_rest_t *rest)
{
    rest->name_len = lease->name_len;
    ngx_memcpy(rest->name, lease->data, lease->name_len);

    rest->field_len = lease->field_len;
    ngx_memcpy(rest->field, lease->data + lease->name_len, lease->field_len);

    ngx_http_apikey_rest_pack(rest, lease->epoch, &lease->limits,
                              lease->counters, lease->tokens);

    ngx_http_apikey_lease_less(lease->counters, &lease->limits, lease->tokens);

    zone->shared->tokens -= lease->tokens;
    zone->shared->returned += lease->tokens;

    lease->tokens = 0;
    lease->hidden = 0;
}


void
ngx_http_apikey_taken_rest(ngx_http_apikey_taken_t *taken,
    ngx_http_apikey_rest_t *rest)
{
    rest->name_len = taken->name_len;
    ngx_memcpy(rest->name, taken->name, taken->name_len);

    rest->field_len = taken->field_len;
    ngx_memcpy(rest->field, taken->field, taken->field_len);

    ngx_http_apikey_rest_pack(rest, taken->epoch, &taken->limits,
                              taken->counters, taken->amount);
}


static void
ngx_http_apikey_rest_pack(ngx_http_apikey_rest_t *rest,
    uint64_t epoch, const apikey_limits_t *limits,
    const apikey_counter_t *counters, uint64_t amount)
{
    u_char    *p;
    unsigned   i;

    p = apikey_bytes_put(rest->packed, epoch, 7);
    p = apikey_bytes_put(p, amount, 6);

    for (i = 0; i < limits->count; i++) {
        p = apikey_bytes_put(p, counters[i].seconds, 4);
        p = apikey_bytes_put(p, counters[i].start, 5);
    }

    rest->packed_len = amount ? p - rest->packed : 0;
}


void
ngx_http_apikey_lease_give(ngx_http_apikey_main_conf_t *amcf,
    ngx_http_apikey_rest_t *rest)
{
    ngx_redis_args_t  args;

    if (rest->packed_len == 0 || amcf->client == NULL) {
        return;
    }

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, ngx_cycle->log, 0,
                   "apikey lease: %uL returned",
                   apikey_bytes_get((char *) rest->packed + 7, 6));

    args.n = 0;

    ngx_redis_arg(&args, rest->name, rest->name_len);
    ngx_redis_arg(&args, rest->field, rest->field_len);
    ngx_redis_arg(&args, rest->packed, rest->packed_len);

    (void) ngx_redis_eval(amcf->client, &amcf->giveback, &args, 1,
                          ngx_http_apikey_lease_given, NULL);
}


void
ngx_http_apikey_lease_evict(ngx_http_apikey_zone_t *zone, void *data)
{
    ngx_http_apikey_lease_t *lease = data;

    ngx_uint_t  n;

    n = ngx_http_apikey_lease_nevicted++;

    ngx_http_apikey_lease_empty(zone, lease,
                                &ngx_http_apikey_lease_evicted[n]);
}


void
ngx_http_apikey_lease_return(ngx_http_apikey_main_conf_t *amcf)
{
    ngx_uint_t  n;

    while (ngx_http_apikey_lease_nevicted) {
        n = --ngx_http_apikey_lease_nevicted;

        ngx_http_apikey_lease_give(amcf, &ngx_http_apikey_lease_evicted[n]);
    }
}


static void
ngx_http_apikey_lease_given(void *data, redisReply *reply)
{
    /* if it was lost, it is counted until its windows end */
}


void
ngx_http_apikey_lease_sweep(ngx_http_apikey_main_conf_t *amcf, ngx_uint_t all)
{
    ngx_uint_t               i, n;
    ngx_http_apikey_rest_t  *rests;

    rests = ngx_alloc(NGX_HTTP_APIKEY_LEASE_BATCH
                      * sizeof(ngx_http_apikey_rest_t), ngx_cycle->log);
    if (rests == NULL) {
        return;
    }

    do {
        n = ngx_http_apikey_lease_collect(amcf->zone, rests, all);

        for (i = 0; i < n; i++) {
            ngx_http_apikey_lease_give(amcf, &rests[i]);
        }

        if (all && ngx_redis_finish(amcf->client) != NGX_OK) {
            break;
        }

    } while (n == NGX_HTTP_APIKEY_LEASE_BATCH);

    ngx_free(rests);
}


/* Forgets leases that are over, or not used; what they hold is given back. */

static ngx_uint_t
ngx_http_apikey_lease_collect(ngx_http_apikey_zone_t *zone,
    ngx_http_apikey_rest_t *rests, ngx_uint_t all)
{
    ngx_uint_t                n;
    ngx_queue_t              *q, *prev;
    ngx_http_apikey_index_t  *index;
    ngx_http_apikey_lease_t  *lease;

    n = 0;
    index = &zone->shared->leases;

    ngx_shmtx_lock(&zone->shpool->mutex);

    for (q = ngx_queue_last(&index->queue);
         q != ngx_queue_sentinel(&index->queue)
             && n < NGX_HTTP_APIKEY_LEASE_BATCH;
         q = prev)
    {
        prev = ngx_queue_prev(q);

        lease = (ngx_http_apikey_lease_t *)
            ngx_queue_data(q, ngx_http_apikey_node_t, queue);

        if (!all
            && (ngx_msec_int_t) (ngx_current_msec - lease->used)
               < NGX_HTTP_APIKEY_LEASE_IDLE)
        {
            /* so are all before it, but for half a second */
            break;
        }

        if (lease->tokens) {
            ngx_http_apikey_lease_empty(zone, lease, &rests[n++]);
        }

        ngx_http_apikey_index_remove(index, &lease->node);
        ngx_slab_free_locked(zone->shpool, lease);
    }

    ngx_shmtx_unlock(&zone->shpool->mutex);

    return n;
}
