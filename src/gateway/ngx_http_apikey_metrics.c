/* Counting.  See ngx_http_apikey_metrics.h for what is kept, and where. */

#include "ngx_http_apikey_metrics.h"


/* Only what is used of it takes memory; half of it is for scores. */
#define NGX_HTTP_APIKEY_METRICS_SIZE  (8 * 1024 * 1024)


/* A location that decides requests. */
typedef struct {
    ngx_http_apikey_loc_conf_t   *alcf;
    ngx_str_t                     server;
    ngx_str_t                     location;
} ngx_http_apikey_place_t;


static ngx_int_t ngx_http_apikey_metrics_init(ngx_shm_zone_t *shm_zone,
    void *data);
static ngx_http_apikey_metrics_t *ngx_http_apikey_metrics_create(
    ngx_slab_pool_t *shpool);
static ngx_http_apikey_score_t *ngx_http_apikey_score_get(
    ngx_http_apikey_metrics_t *metrics, ngx_slab_pool_t *shpool,
    ngx_str_t *server, ngx_str_t *location);
static ngx_http_apikey_score_t *ngx_http_apikey_score_create(
    ngx_slab_pool_t *shpool, ngx_str_t *server, ngx_str_t *location);


u_char  ngx_http_apikey_metrics_tag;


ngx_int_t
ngx_http_apikey_metrics_place(ngx_conf_t *cf, ngx_http_apikey_loc_conf_t *alcf)
{
    u_char                       *p;
    const char                   *modifier;
    ngx_http_apikey_place_t      *place;
    ngx_http_core_loc_conf_t     *clcf;
    ngx_http_core_srv_conf_t     *cscf;
    ngx_http_apikey_main_conf_t  *amcf;

    amcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_apikey_module);

    if (amcf->places.elts == NULL
        && ngx_array_init(&amcf->places, cf->pool, 16,
                          sizeof(ngx_http_apikey_place_t))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    place = ngx_array_push(&amcf->places);
    if (place == NULL) {
        return NGX_ERROR;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    cscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module);

    place->alcf = alcf;
    place->server = cscf->server_name;

    if (clcf->name.len == 0) {
        /* of the server, where no location matches */
        ngx_str_set(&place->location, "-");
        return NGX_OK;
    }

    modifier = clcf->exact_match ? "= " : "";

#if (NGX_PCRE)
    if (clcf->regex) {
        modifier = "~ ";
    }
#endif

    place->location.len = ngx_strlen(modifier) + clcf->name.len;
    place->location.data = ngx_pnalloc(cf->pool, place->location.len);
    if (place->location.data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(place->location.data, modifier, ngx_strlen(modifier));
    ngx_memcpy(p, clcf->name.data, clcf->name.len);

    return NGX_OK;
}


ngx_int_t
ngx_http_apikey_metrics_add(ngx_conf_t *cf)
{
    ngx_shm_zone_t               *shm_zone;
    ngx_http_apikey_main_conf_t  *amcf;

    ngx_str_t  name = ngx_string("ngx_http_apikey_metrics");

    amcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_apikey_module);

    if (amcf->places.nelts == 0 && !amcf->report) {
        return NGX_OK;
    }

    shm_zone = ngx_shared_memory_add(cf, &name, NGX_HTTP_APIKEY_METRICS_SIZE,
                                     &ngx_http_apikey_metrics_tag);
    if (shm_zone == NULL) {
        return NGX_ERROR;
    }

    shm_zone->init = ngx_http_apikey_metrics_init;
    shm_zone->data = amcf;

    return NGX_OK;
}


static ngx_int_t
ngx_http_apikey_metrics_init(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_uint_t                    i;
    ngx_slab_pool_t              *shpool;
    ngx_http_apikey_place_t      *place;
    ngx_http_apikey_main_conf_t  *amcf;

    amcf = shm_zone->data;
    shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (data == NULL && !shm_zone->shm.exists) {
        shpool->data = ngx_http_apikey_metrics_create(shpool);
        if (shpool->data == NULL) {
            return NGX_ERROR;
        }
    }

    amcf->metrics = shpool->data;
    place = amcf->places.elts;

    for (i = 0; i < amcf->places.nelts; i++) {
        place[i].alcf->score = ngx_http_apikey_score_get(amcf->metrics, shpool,
                                                         &place[i].server,
                                                         &place[i].location);
    }

    return NGX_OK;
}


static ngx_http_apikey_metrics_t *
ngx_http_apikey_metrics_create(ngx_slab_pool_t *shpool)
{
    ngx_http_apikey_metrics_t  *metrics;

    ngx_str_t  server = ngx_string("-");
    ngx_str_t  others = ngx_string("others");

    metrics = ngx_slab_calloc(shpool, sizeof(ngx_http_apikey_metrics_t));
    if (metrics == NULL) {
        return NULL;
    }

    metrics->started = ngx_time();

    metrics->others = ngx_http_apikey_score_create(shpool, &server, &others);
    if (metrics->others == NULL) {
        return NULL;
    }

    metrics->scores = metrics->others;
    metrics->shpool = shpool;

    return metrics;
}


static ngx_http_apikey_score_t *
ngx_http_apikey_score_get(ngx_http_apikey_metrics_t *metrics,
    ngx_slab_pool_t *shpool, ngx_str_t *server, ngx_str_t *location)
{
    ngx_http_apikey_score_t  *score;

    for (score = metrics->scores; score; score = score->next) {

        if (score->server_len == server->len
            && score->location_len == location->len
            && ngx_memcmp(score->data, server->data, server->len) == 0
            && ngx_memcmp(score->data + server->len, location->data,
                          location->len)
               == 0)
        {
            return score;
        }
    }

    if (shpool->pfree * ngx_pagesize < NGX_HTTP_APIKEY_METRICS_SIZE / 2) {
        return metrics->others;
    }

    score = ngx_http_apikey_score_create(shpool, server, location);
    if (score == NULL) {
        return metrics->others;
    }

    score->next = metrics->scores;

    /* workers may be reading */
    ngx_memory_barrier();

    metrics->scores = score;

    return score;
}


static ngx_http_apikey_score_t *
ngx_http_apikey_score_create(ngx_slab_pool_t *shpool, ngx_str_t *server,
    ngx_str_t *location)
{
    u_char                   *p;
    ngx_http_apikey_score_t  *score;

    score = ngx_slab_calloc(shpool, offsetof(ngx_http_apikey_score_t, data)
                                    + server->len + location->len);
    if (score == NULL) {
        return NULL;
    }

    score->server_len = server->len;
    score->location_len = location->len;

    p = ngx_cpymem(score->data, server->data, server->len);
    ngx_memcpy(p, location->data, location->len);

    return score;
}


void
ngx_http_apikey_metrics_loaded(ngx_http_apikey_main_conf_t *amcf)
{
    if (amcf->metrics) {
        amcf->metrics->loaded = ngx_time();
        amcf->metrics->loads++;
    }
}


ngx_int_t
ngx_http_apikey_metrics_enter(ngx_http_apikey_main_conf_t *amcf)
{
    ngx_http_apikey_seat_t     *seat;
    ngx_http_apikey_metrics_t  *metrics;

    metrics = amcf->metrics;
    seat = metrics->seats[ngx_process_slot];

    if (seat == NULL) {
        seat = ngx_slab_calloc(metrics->shpool,
                               sizeof(ngx_http_apikey_seat_t));

        if (seat) {
            ngx_memory_barrier();
            metrics->seats[ngx_process_slot] = seat;

        } else {
            /* nobody will see what it counts */

            seat = ngx_pcalloc(ngx_cycle->pool,
                               sizeof(ngx_http_apikey_seat_t));
            if (seat == NULL) {
                return NGX_ERROR;
            }
        }
    }

    seat->subscribed = 0;
    seat->trusting = 0;
    seat->heard = 0;
    seat->nreports = 0;
    seat->usage_waiting = 0;
    seat->pid = ngx_pid;

    amcf->seat = seat;
    amcf->decide.latency = &seat->decide;

    if (amcf->redis) {
        amcf->redis->stats = &seat->redis;
    }

    return NGX_OK;
}


void
ngx_http_apikey_metrics_leave(ngx_http_apikey_main_conf_t *amcf)
{
    if (amcf->seat) {
        amcf->seat->pid = 0;
        amcf->seat = NULL;
    }
}


/* A worker that was killed doesn't leave. */

ngx_uint_t
ngx_http_apikey_seat_taken(ngx_http_apikey_seat_t *seat)
{
    return seat
           && seat->pid
           && (kill(seat->pid, 0) == 0 || ngx_errno != NGX_ESRCH);
}


/* Once for each request of a client, whatever locations it went through. */

ngx_int_t
ngx_http_apikey_score_handler(ngx_http_request_t *r)
{
    ngx_uint_t                         by;
    ngx_http_apikey_ctx_t             *ctx;
    ngx_http_apikey_failover_state_t  *failovers;

    if (r != r->main) {
        return NGX_OK;
    }

    ctx = ngx_http_apikey_ctx_get(r);

    if (ctx == NULL || ctx->answer.result == NGX_HTTP_APIKEY_NONE) {
        return NGX_OK;
    }

    (void) ngx_atomic_fetch_add(&ctx->alcf->score->results[ctx->answer.result],
                                1);

    failovers = ctx->amcf->metrics->failovers;

    for (by = 0; by < NGX_HTTP_APIKEY_FAILOVERS; by++) {
        if (ngx_http_apikey_failover_served(ctx, by)) {
            (void) ngx_atomic_fetch_add(&failovers[by].requests, 1);
        }
    }

    return NGX_OK;
}
