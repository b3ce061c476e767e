/* What the client is told: the headers of limits, and refusals. */

#include "ngx_http_apikey.h"


static ngx_int_t ngx_http_apikey_reply_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_apikey_reply_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
#if (nginx_version >= 1029000)
static ngx_int_t ngx_http_apikey_early_hints_filter(ngx_http_request_t *r);
#endif
static ngx_int_t ngx_http_apikey_reply_headers(ngx_http_request_t *r,
    ngx_http_apikey_ctx_t *ctx);
static ngx_int_t ngx_http_apikey_reply_body(ngx_http_request_t *r,
    ngx_http_apikey_ctx_t *ctx);
static ngx_int_t ngx_http_apikey_reply_limits(ngx_http_request_t *r,
    ngx_http_apikey_ctx_t *ctx);
static ngx_int_t ngx_http_apikey_reply_ietf(ngx_http_request_t *r,
    ngx_http_apikey_ctx_t *ctx);
static void ngx_http_apikey_reply_remove(ngx_http_request_t *r);
static ngx_table_elt_t *ngx_http_apikey_reply_add(ngx_http_request_t *r,
    const char *name, u_char *value, size_t len);
static ngx_int_t ngx_http_apikey_reply_add_number(ngx_http_request_t *r,
    const char *name, uint64_t n);


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;
#if (nginx_version >= 1029000)
static ngx_http_output_header_filter_pt  ngx_http_next_early_hints_filter;
#endif


ngx_int_t
ngx_http_apikey_reply_init(ngx_conf_t *cf)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_apikey_reply_header_filter;

    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_apikey_reply_body_filter;

#if (nginx_version >= 1029000)
    ngx_http_next_early_hints_filter = ngx_http_top_early_hints_filter;
    ngx_http_top_early_hints_filter = ngx_http_apikey_early_hints_filter;
#endif

    return NGX_OK;
}


static ngx_int_t
ngx_http_apikey_reply_header_filter(ngx_http_request_t *r)
{
    ngx_http_apikey_ctx_t  *ctx;

    ngx_http_apikey_store_check(r);

    if (r != r->main) {
        return ngx_http_next_header_filter(r);
    }

    ctx = ngx_http_apikey_ctx_get(r);

    if (ctx == NULL) {
        return ngx_http_next_header_filter(r);
    }

    if (ctx->answer.status && r->headers_out.status == ctx->answer.status) {

        if (ngx_http_apikey_reply_headers(r, ctx) != NGX_OK) {
            return NGX_ERROR;
        }

        /* an error_page has cleared the module's context */

        if (ngx_http_get_module_ctx(r, ngx_http_apikey_module)
            && ctx->alcf->error != NGX_HTTP_APIKEY_ERROR_OFF
            && ngx_http_apikey_reply_body(r, ctx) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (ctx->count.metered
        && ctx->alcf->headers
        && (ctx->answer.status == 0
            || ctx->answer.status == NGX_HTTP_TOO_MANY_REQUESTS)
        && ngx_http_apikey_reply_limits(r, ctx) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_next_header_filter(r);
}


#if (nginx_version >= 1029000)

/* A 103 of the upstream has no limits but those of the final response. */

static ngx_int_t
ngx_http_apikey_early_hints_filter(ngx_http_request_t *r)
{
    ngx_http_apikey_ctx_t  *ctx;

    ctx = ngx_http_apikey_ctx_get(r);

    if (ctx && ctx->count.metered && ctx->alcf->headers) {
        ngx_http_apikey_reply_remove(r);
    }

    return ngx_http_next_early_hints_filter(r);
}

#endif


static ngx_int_t
ngx_http_apikey_reply_headers(ngx_http_request_t *r,
    ngx_http_apikey_ctx_t *ctx)
{
    ngx_str_t        *value;
    ngx_uint_t        seconds;
    ngx_table_elt_t  *h;

    switch (ctx->answer.status) {

    case NGX_HTTP_UNAUTHORIZED:
        value = &ctx->alcf->challenge;

        h = ngx_http_apikey_reply_add(r, "WWW-Authenticate", value->data,
                                      value->len);
        if (h == NULL) {
            return NGX_ERROR;
        }

        break;

    case NGX_HTTP_NOT_ALLOWED:
        value = &ctx->alcf->allow;

        if (ngx_http_apikey_reply_add(r, "Allow", value->data, value->len)
            == NULL)
        {
            return NGX_ERROR;
        }

        break;

    case NGX_HTTP_TOO_MANY_REQUESTS:
        seconds = ngx_max(ctx->count.quota.retry_after, 1);

        if (ngx_http_apikey_reply_add_number(r, "Retry-After", seconds)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        break;

    case NGX_HTTP_SERVICE_UNAVAILABLE:
        if (ngx_http_apikey_reply_add_number(r, "Retry-After", 1) != NGX_OK) {
            return NGX_ERROR;
        }

        break;

    default: /* NGX_HTTP_FORBIDDEN */
        break;
    }

    if (ngx_http_apikey_reply_add(r, "Cache-Control", (u_char *) "no-store",
                                  sizeof("no-store") - 1)
        == NULL)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* JSON, or a problem as of RFC 9457. */

static ngx_int_t
ngx_http_apikey_reply_body(ngx_http_request_t *r, ngx_http_apikey_ctx_t *ctx)
{
    size_t       len;
    u_char      *p;
    ngx_uint_t   status;
    const char  *title, *message;

    static const char  json[] = "{\"statusCode\":%ui,\"message\":\"%s\"}";
    static const char  problem[] = "{\"type\":\"about:blank\",\"title\":\"%s\","
                                   "\"status\":%ui,\"detail\":\"%s\"}";

    status = ctx->answer.status;
    message = ngx_http_apikey_result_message(ctx->answer.result);

    switch (status) {
    case NGX_HTTP_UNAUTHORIZED:
        title = "Unauthorized";
        break;
    case NGX_HTTP_FORBIDDEN:
        title = "Forbidden";
        break;
    case NGX_HTTP_NOT_ALLOWED:
        title = "Method Not Allowed";
        break;
    case NGX_HTTP_TOO_MANY_REQUESTS:
        title = "Too Many Requests";
        break;
    default: /* NGX_HTTP_SERVICE_UNAVAILABLE */
        title = "Service Unavailable";
    }

    len = sizeof(problem) + NGX_INT_T_LEN + ngx_strlen(title)
          + ngx_strlen(message);

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ctx->answer.body.data = p;

    if (ctx->alcf->error == NGX_HTTP_APIKEY_ERROR_JSON) {
        p = ngx_snprintf(p, len, json, status, message);
        ngx_str_set(&r->headers_out.content_type, "application/json");

    } else {
        p = ngx_snprintf(p, len, problem, title, status, message);
        ngx_str_set(&r->headers_out.content_type, "application/problem+json");
    }

    ctx->answer.body.len = p - ctx->answer.body.data;

    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;
    ngx_str_null(&r->headers_out.charset);

    ngx_http_clear_content_length(r);
    ngx_http_clear_last_modified(r);
    ngx_http_clear_accept_ranges(r);
    ngx_http_clear_etag(r);

    r->headers_out.content_length_n = ctx->answer.body.len;

    return NGX_OK;
}


static ngx_int_t
ngx_http_apikey_reply_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_buf_t              *b;
    ngx_chain_t             out, *cl;
    ngx_http_apikey_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_apikey_module);

    if (ctx == NULL
        || ctx->answer.body.len == 0
        || r != r->main
        || in == NULL)
    {
        return ngx_http_next_body_filter(r, in);
    }

    /* nginx's own page is dropped, whatever number of pieces it comes in */

    for (cl = in; cl; cl = cl->next) {
        cl->buf->pos = cl->buf->last;
        cl->buf->file_pos = cl->buf->file_last;
    }

    if (ctx->answer.written) {
        return NGX_OK;
    }

    ctx->answer.written = 1;

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = ctx->answer.body.data;
    b->last = ctx->answer.body.data + ctx->answer.body.len;
    b->memory = 1;
    b->last_buf = 1;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_next_body_filter(r, &out);
}


static ngx_int_t
ngx_http_apikey_reply_limits(ngx_http_request_t *r,
    ngx_http_apikey_ctx_t *ctx)
{
    apikey_quota_t  *quota;

    ngx_http_apikey_reply_remove(r);

    quota = &ctx->count.quota;

    if ((ctx->alcf->headers & NGX_HTTP_APIKEY_LEGACY)
        && (ngx_http_apikey_reply_add_number(r, "X-RateLimit-Limit",
                                             quota->limit)
            != NGX_OK
            || ngx_http_apikey_reply_add_number(r, "X-RateLimit-Remaining",
                                                quota->remaining)
               != NGX_OK
            || ngx_http_apikey_reply_add_number(r, "X-RateLimit-Reset",
                                                quota->reset)
               != NGX_OK))
    {
        return NGX_ERROR;
    }

    if (ctx->alcf->headers & NGX_HTTP_APIKEY_IETF) {
        return ngx_http_apikey_reply_ietf(r, ctx);
    }

    return NGX_OK;
}


/* draft-ietf-httpapi-ratelimit-headers */

static ngx_int_t
ngx_http_apikey_reply_ietf(ngx_http_request_t *r, ngx_http_apikey_ctx_t *ctx)
{
    u_char                 *p, *value;
    uint64_t                now;
    unsigned                i;
    const apikey_limits_t  *limits;

    limits = ctx->count.meter.limits;

    value = ngx_pnalloc(r->pool, limits->count * (sizeof(", \"\";q=;w=")
                                                  + 3 * NGX_INT64_LEN));
    if (value == NULL) {
        return NGX_ERROR;
    }

    p = value;

    for (i = 0; i < limits->count; i++) {
        p = ngx_sprintf(p, "%s\"%uD\";q=%uL;w=%uD", i ? ", " : "",
                        limits->window[i].seconds, limits->window[i].limit,
                        limits->window[i].seconds);
    }

    if (ngx_http_apikey_reply_add(r, "RateLimit-Policy", value, p - value)
        == NULL)
    {
        return NGX_ERROR;
    }

    value = ngx_pnalloc(r->pool, sizeof("\"\";r=;t=") + 3 * NGX_INT64_LEN);
    if (value == NULL) {
        return NGX_ERROR;
    }

    now = ctx->now / 1000000;

    p = ngx_sprintf(value, "\"%uD\";r=%uL;t=%uL", ctx->count.quota.seconds,
                    ctx->count.quota.remaining, ctx->count.quota.reset - now);

    if (ngx_http_apikey_reply_add(r, "RateLimit", value, p - value) == NULL) {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* What the upstream says of limits isn't what holds here. */

static void
ngx_http_apikey_reply_remove(ngx_http_request_t *r)
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


static ngx_table_elt_t *
ngx_http_apikey_reply_add(ngx_http_request_t *r, const char *name,
    u_char *value, size_t len)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NULL;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->hash = 1;
    h->key.data = (u_char *) name;
    h->key.len = ngx_strlen(name);
    h->value.data = value;
    h->value.len = len;

    return h;
}


static ngx_int_t
ngx_http_apikey_reply_add_number(ngx_http_request_t *r, const char *name,
    uint64_t n)
{
    u_char  *value, *p;

    value = ngx_pnalloc(r->pool, NGX_INT64_LEN);
    if (value == NULL) {
        return NGX_ERROR;
    }

    /* with each response, so without ngx_sprintf() */

    p = value + NGX_INT64_LEN;

    do {
        *--p = (u_char) ('0' + n % 10);
        n /= 10;
    } while (n);

    return ngx_http_apikey_reply_add(r, name, p, value + NGX_INT64_LEN - p)
           ? NGX_OK : NGX_ERROR;
}
