/* What the client is told of its limits. */

#include "ngx_http_apikey.h"


#define NGX_HTTP_APIKEY_POLICY_SIZE                                           \
    (sizeof(", \"\";q=;w=") + 2 * NGX_INT32_LEN + NGX_INT64_LEN)

#define NGX_HTTP_APIKEY_RATELIMIT_SIZE                                        \
    (sizeof(", \"\";r=;t=") + NGX_INT32_LEN + 2 * NGX_INT64_LEN)


static ngx_int_t ngx_http_apikey_ratelimit_legacy(ngx_http_request_t *r,
    ngx_http_apikey_ctx_t *ctx);
static ngx_int_t ngx_http_apikey_ratelimit_ietf(ngx_http_request_t *r,
    ngx_http_apikey_ctx_t *ctx);


ngx_uint_t
ngx_http_apikey_ratelimit_windows(ngx_http_apikey_ctx_t *ctx)
{
    return ctx->count.metered ? ctx->count.meter.limits->count : 0;
}


void
ngx_http_apikey_ratelimit_window(ngx_http_apikey_ctx_t *ctx, ngx_uint_t i,
    ngx_http_apikey_window_t *window)
{
    uint64_t                now;
    const apikey_limits_t  *limits;

    limits = ctx->count.meter.limits;
    now = ctx->now / 1000000;

    window->seconds = limits->window[i].seconds;
    window->name.data = window->text;
    window->name.len = ngx_sprintf(window->text, "%uD", window->seconds)
                       - window->text;

    window->limit = limits->window[i].limit;
    window->used = apikey_counter_used(&ctx->count.counters[i], limits->sliding,
                                       ctx->now);
    window->remaining = window->limit - ngx_min(window->limit, window->used);

    window->reset = (window->seconds == ctx->count.quota.seconds)
                    ? ctx->count.quota.reset
                    : now - now % window->seconds + window->seconds;
}


ngx_int_t
ngx_http_apikey_ratelimit_add(ngx_http_request_t *r,
    ngx_http_apikey_ctx_t *ctx)
{
    ngx_http_apikey_ratelimit_remove(r);

    if ((ctx->alcf->headers & NGX_HTTP_APIKEY_LEGACY)
        && ngx_http_apikey_ratelimit_legacy(r, ctx) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ctx->alcf->headers & NGX_HTTP_APIKEY_IETF) {
        return ngx_http_apikey_ratelimit_ietf(r, ctx);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_apikey_ratelimit_legacy(ngx_http_request_t *r,
    ngx_http_apikey_ctx_t *ctx)
{
    apikey_quota_t  *quota;

    quota = &ctx->count.quota;

    if (ngx_http_apikey_header_number(r, "X-RateLimit-Limit", quota->limit)
        != NGX_OK
        || ngx_http_apikey_header_number(r, "X-RateLimit-Remaining",
                                         quota->remaining)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_apikey_header_number(r, "X-RateLimit-Reset", quota->reset);
}


/* draft-ietf-httpapi-ratelimit-headers */

static ngx_int_t
ngx_http_apikey_ratelimit_ietf(ngx_http_request_t *r,
    ngx_http_apikey_ctx_t *ctx)
{
    u_char                    *policy, *limits, *p, *l;
    uint64_t                   now;
    ngx_uint_t                 i, n;
    const char                *separator;
    ngx_http_apikey_window_t   window;

    n = ngx_http_apikey_ratelimit_windows(ctx);

    policy = ngx_pnalloc(r->pool, n * (NGX_HTTP_APIKEY_POLICY_SIZE
                                       + NGX_HTTP_APIKEY_RATELIMIT_SIZE));
    if (policy == NULL) {
        return NGX_ERROR;
    }

    limits = policy + n * NGX_HTTP_APIKEY_POLICY_SIZE;

    p = policy;
    l = limits;
    separator = "";
    now = ctx->now / 1000000;

    for (i = 0; i < n; i++) {
        ngx_http_apikey_ratelimit_window(ctx, i, &window);

        p = ngx_sprintf(p, "%s\"%V\";q=%uL;w=%uD", separator, &window.name,
                        window.limit, window.seconds);
        l = ngx_sprintf(l, "%s\"%V\";r=%uL;t=%uL", separator, &window.name,
                        window.remaining, window.reset - now);

        separator = ", ";
    }

    if (ngx_http_apikey_header_add(r, "RateLimit-Policy", policy, p - policy)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_apikey_header_add(r, "RateLimit", limits, l - limits);
}


void
ngx_http_apikey_ratelimit_remove(ngx_http_request_t *r)
{
    ngx_uint_t        i, k;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    static ngx_str_t  names[] = {
        ngx_string("X-RateLimit-Limit"),
        ngx_string("X-RateLimit-Remaining"),
        ngx_string("X-RateLimit-Reset"),
        ngx_string("RateLimit-Policy"),
        ngx_string("RateLimit")
    };

    part = &r->headers_out.headers.part;
    h = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                break;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        for (k = 0; k < sizeof(names) / sizeof(names[0]); k++) {
            if (h[i].key.len == names[k].len
                && ngx_strncasecmp(h[i].key.data, names[k].data, names[k].len)
                   == 0)
            {
                h[i].hash = 0;
            }
        }
    }
}
