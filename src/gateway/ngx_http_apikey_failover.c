/*
 * What stands in for Redis while it can't answer, as configured: records from
 * before, limits that nobody counts, limits counted here.  All workers share
 * that state, and each change of it is logged once.
 */

#include "ngx_http_apikey_metrics.h"


#define NGX_HTTP_APIKEY_FAILOVER_QUIET  1000  /* milliseconds */


static void ngx_http_apikey_failover_over(
    ngx_http_apikey_failover_state_t *state, const char *message);


/* In the order of ngx_http_apikey_failover_e. */

static const struct {
    const char    *name;
    const char    *begins;
    const char    *ends;
} ngx_http_apikey_failovers[] = {

    { "stale",
      "redis can't confirm records: those from before serve",
      "records are confirmed by redis again" },

    { "allow",
      "redis can't count: requests pass uncounted",
      "limits are counted in redis again" },

    { "local",
      "redis can't count: limits are counted in the memory of this gateway",
      "limits are counted in redis again" }
};


void
ngx_http_apikey_failover_begin(ngx_http_apikey_ctx_t *ctx,
    ngx_http_apikey_failover_e by)
{
    ngx_atomic_uint_t                  last;
    ngx_http_apikey_failover_state_t  *state;

    state = &ctx->amcf->metrics->failovers[by];
    last = state->last;

    if (ngx_atomic_cmp_set(&state->last, last, ngx_max(ngx_current_msec, 1))
        && last == 0)
    {
        ngx_log_error(NGX_LOG_WARN, ctx->request->connection->log, 0, "%s",
                      ngx_http_apikey_failovers[by].begins);
    }
}


void
ngx_http_apikey_failover_end(ngx_http_apikey_main_conf_t *amcf,
    ngx_uint_t counted)
{
    ngx_uint_t                         by;
    ngx_http_apikey_failover_state_t  *state;

    state = amcf->metrics->failovers;

    for (by = 0; by < NGX_HTTP_APIKEY_FAILOVERS; by++) {
        if (state[by].last && (counted || by == NGX_HTTP_APIKEY_BY_STALE)) {
            ngx_http_apikey_failover_over(&state[by],
                                          ngx_http_apikey_failovers[by].ends);
        }
    }
}


/* Redis may fail for some keys, or come and go: that is one failure. */

static void
ngx_http_apikey_failover_over(ngx_http_apikey_failover_state_t *state,
    const char *message)
{
    ngx_atomic_uint_t  last;

    last = state->last;

    if (last
        && (ngx_msec_int_t) (ngx_current_msec - last)
           > NGX_HTTP_APIKEY_FAILOVER_QUIET
        && ngx_atomic_cmp_set(&state->last, last, 0))
    {
        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0, "%s", message);
    }
}


ngx_uint_t
ngx_http_apikey_failover_active(ngx_http_apikey_metrics_t *metrics,
    ngx_http_apikey_failover_e by)
{
    return metrics->failovers[by].last != 0;
}


ngx_uint_t
ngx_http_apikey_failover_served(ngx_http_apikey_ctx_t *ctx,
    ngx_http_apikey_failover_e by)
{
    if (ctx->answer.result == NGX_HTTP_APIKEY_NONE
        || ctx->answer.result == NGX_HTTP_APIKEY_UNAVAILABLE)
    {
        return 0;
    }

    switch (by) {

    case NGX_HTTP_APIKEY_BY_STALE:
        return ctx->question.stale;

    case NGX_HTTP_APIKEY_BY_ALLOW:
        return ctx->count.allowed;

    default: /* NGX_HTTP_APIKEY_BY_LOCAL */
        return ctx->count.local;
    }
}


const char *
ngx_http_apikey_failover_name(ngx_http_apikey_failover_e by)
{
    return ngx_http_apikey_failovers[by].name;
}
