/* What the gateway and its workers are and have counted, at one time. */

#include "ngx_http_apikey_report.h"
#include "ngx_http_apikey_zone.h"


static void ngx_http_apikey_snapshot_past(
    ngx_http_apikey_snapshot_t *snapshot, ngx_http_apikey_seat_t *seat);
static ngx_int_t ngx_http_apikey_snapshot_present(
    ngx_http_apikey_snapshot_t *snapshot, ngx_http_apikey_seat_t *seat);
static ngx_http_apikey_server_t *ngx_http_apikey_snapshot_server(
    ngx_http_apikey_snapshot_t *snapshot, ngx_redis_report_t *report);
static void ngx_http_apikey_snapshot_zone(ngx_http_apikey_numbers_t *numbers,
    ngx_http_apikey_zone_t *zone);


ngx_int_t
ngx_http_apikey_snapshot(ngx_http_apikey_snapshot_t *snapshot,
    ngx_http_apikey_main_conf_t *amcf, ngx_pool_t *pool)
{
    ngx_uint_t                  i;
    ngx_http_apikey_score_t    *score;
    ngx_http_apikey_metrics_t  *metrics;

    ngx_memzero(snapshot, sizeof(ngx_http_apikey_snapshot_t));

    if (ngx_array_init(&snapshot->servers, pool, 4,
                       sizeof(ngx_http_apikey_server_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    metrics = amcf->metrics;

    snapshot->amcf = amcf;
    snapshot->numbers.started = metrics->started;
    snapshot->numbers.loaded = metrics->loaded;
    snapshot->numbers.loads = metrics->loads;

    for (score = metrics->scores; score; score = score->next) {
        for (i = 0; i < NGX_HTTP_APIKEY_RESULTS; i++) {
            snapshot->results[i] += score->results[i];
        }
    }

    if (amcf->zone) {
        ngx_http_apikey_snapshot_zone(&snapshot->numbers, amcf->zone);
    }

    if (amcf->watch) {
        ngx_http_apikey_watch_sample(amcf);
    }

    for (i = 0; i < NGX_MAX_PROCESSES; i++) {

        if (metrics->seats[i] == NULL) {
            continue;
        }

        ngx_http_apikey_snapshot_past(snapshot, metrics->seats[i]);

        if (ngx_http_apikey_seat_taken(metrics->seats[i])
            && ngx_http_apikey_snapshot_present(snapshot, metrics->seats[i])
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* What a worker has counted, or who had that seat before. */

static void
ngx_http_apikey_snapshot_past(ngx_http_apikey_snapshot_t *snapshot,
    ngx_http_apikey_seat_t *seat)
{
    ngx_uint_t                  i;
    ngx_http_apikey_numbers_t  *numbers;

    numbers = &snapshot->numbers;

    numbers->accepted += seat->redis.accepted;
    numbers->refused += seat->redis.refused;
    numbers->lost += seat->redis.lost;
    numbers->loaded_scripts += seat->redis.loaded;
    numbers->redirected += seat->redis.redirected;

    for (i = 0; i < NGX_REDIS_ROLES; i++) {
        snapshot->made[i] += seat->redis.made[i];
        snapshot->failed[i] += seat->redis.failed[i];
    }

    for (i = 0; i <= NGX_REDIS_LATENCIES; i++) {
        snapshot->latency.count[i] += seat->decide.count[i];
    }

    snapshot->latency.sum += seat->decide.sum;
    numbers->usage_dropped += seat->usage_dropped;
}


static ngx_int_t
ngx_http_apikey_snapshot_present(ngx_http_apikey_snapshot_t *snapshot,
    ngx_http_apikey_seat_t *seat)
{
    uint64_t                    failing;
    ngx_uint_t                  i;
    ngx_redis_report_t         *report;
    ngx_http_apikey_server_t   *server;
    ngx_http_apikey_numbers_t  *numbers;

    numbers = &snapshot->numbers;

    numbers->workers++;
    numbers->usage_waiting += seat->usage_waiting;

    if (seat->subscribed) {
        numbers->subscribed++;
        numbers->unheard = ngx_max(numbers->unheard,
                                   (uint64_t) (ngx_current_msec
                                               - seat->heard));
    }

    /* one that doesn't even say so hears of nothing */

    if (seat->trusting
        && (ngx_msec_int_t) (ngx_current_msec - seat->sampled)
           < NGX_HTTP_APIKEY_UNHEARD)
    {
        numbers->trusting++;
    }

    for (i = 0; i < seat->nreports; i++) {
        report = &seat->reports[i];

        server = ngx_http_apikey_snapshot_server(snapshot, report);
        if (server == NULL) {
            return NGX_ERROR;
        }

        server->states[report->state]++;

        if (report->role != NGX_REDIS_COMMANDS) {
            continue;
        }

        numbers->pending += report->pending;

        if (report->state == NGX_REDIS_IS_FAILING) {
            failing = ngx_current_msec - report->since;
            numbers->failing = ngx_max(numbers->failing, failing);
        }
    }

    return NGX_OK;
}


static ngx_http_apikey_server_t *
ngx_http_apikey_snapshot_server(ngx_http_apikey_snapshot_t *snapshot,
    ngx_redis_report_t *report)
{
    ngx_uint_t                 i;
    ngx_http_apikey_server_t  *server;

    server = snapshot->servers.elts;

    for (i = 0; i < snapshot->servers.nelts; i++) {
        if (server[i].role == report->role
            && server[i].len == report->len
            && ngx_memcmp(server[i].name, report->name, report->len) == 0)
        {
            return &server[i];
        }
    }

    server = ngx_array_push(&snapshot->servers);
    if (server == NULL) {
        return NULL;
    }

    ngx_memzero(server, sizeof(ngx_http_apikey_server_t));

    server->role = report->role;
    server->len = report->len;
    ngx_memcpy(server->name, report->name, report->len);

    return server;
}


static void
ngx_http_apikey_snapshot_zone(ngx_http_apikey_numbers_t *numbers,
    ngx_http_apikey_zone_t *zone)
{
    ngx_http_apikey_shared_t  *shared;

    shared = zone->shared;

    ngx_shmtx_lock(&zone->shpool->mutex);

    numbers->hits = shared->hits;
    numbers->misses = shared->misses;
    numbers->evicted = shared->evicted;
    numbers->known = shared->known.count;
    numbers->free = (uint64_t) zone->shpool->pfree * ngx_pagesize;
    numbers->leases = shared->leases.count;
    numbers->tokens = shared->tokens;
    numbers->taken = shared->taken;
    numbers->returned = shared->returned;
    numbers->locals = shared->locals.count;

    ngx_shmtx_unlock(&zone->shpool->mutex);

    numbers->size = zone->shm_zone->shm.size;
}
