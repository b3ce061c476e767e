/* What a worker has of its own: a client, records, a watch, usage. */

#include "ngx_http_apikey_changes.h"


static void ngx_http_apikey_worker_cleanup(void *data);


ngx_int_t
ngx_http_apikey_worker_start(ngx_http_apikey_main_conf_t *amcf)
{
    ngx_cycle_t         *cycle;
    ngx_pool_cleanup_t  *cln;

    cycle = (ngx_cycle_t *) ngx_cycle;

    /* before the pool that the client is in */

    cln = ngx_pool_cleanup_add(cycle->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    if (ngx_http_apikey_metrics_enter(amcf) != NGX_OK) {
        return NGX_ERROR;
    }

    amcf->cache = ngx_http_apikey_records_create(cycle->log);
    if (amcf->cache == NULL) {
        return NGX_ERROR;
    }

    if (ngx_http_apikey_batch_create(amcf, cycle->pool) != NGX_OK) {
        ngx_http_apikey_records_destroy(amcf->cache);
        amcf->cache = NULL;
        return NGX_ERROR;
    }

    amcf->client = ngx_redis_create(cycle->pool, amcf->redis, cycle->log);

    if (amcf->client == NULL) {
        ngx_http_apikey_records_destroy(amcf->cache);
        amcf->cache = NULL;
        return NGX_ERROR;
    }

    cln->handler = ngx_http_apikey_worker_cleanup;
    cln->data = amcf;

    if (ngx_http_apikey_changes_start(amcf, cycle->pool) != NGX_OK
        || ngx_http_apikey_cut_start(amcf, cycle) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (amcf->counting
        && (ngx_http_apikey_usage_start(amcf, cycle->log) != NGX_OK
            || ngx_http_apikey_stream_start(amcf, cycle->log) != NGX_OK
            || ngx_http_apikey_events_start(amcf, cycle->log) != NGX_OK))
    {
        return NGX_ERROR;
    }

    if (amcf->zone) {
        ngx_http_apikey_zone_enter(amcf->zone);
    }

    return ngx_http_apikey_watch_start(amcf, cycle);
}


void
ngx_http_apikey_worker_stop(ngx_http_apikey_main_conf_t *amcf)
{
    if (amcf->client == NULL) {
        return;
    }

    if (amcf->watch) {
        ngx_http_apikey_watch_stop(amcf);
    }

    if (amcf->cut) {
        ngx_http_apikey_cut_stop(amcf);
    }

    ngx_http_apikey_events_stop(amcf);

    if (amcf->usage) {
        ngx_http_apikey_usage_stop(amcf);
    }

    if (amcf->stream) {
        ngx_http_apikey_stream_stop(amcf);
    }

    /* the last worker leaves nothing counted that nobody has spent */

    if (amcf->zone && ngx_http_apikey_zone_leave(amcf->zone)) {
        ngx_http_apikey_lease_sweep(amcf, 1);
    }

    ngx_http_apikey_batch_send(amcf);
    (void) ngx_redis_finish(amcf->client);
    ngx_redis_destroy(amcf->client);
    amcf->client = NULL;
    ngx_http_apikey_batch_destroy(amcf);

    ngx_http_apikey_records_destroy(amcf->cache);
    amcf->cache = NULL;
}


static void
ngx_http_apikey_worker_cleanup(void *data)
{
    ngx_http_apikey_worker_stop(data);
}
