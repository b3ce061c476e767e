/* What goes with responses: the headers of limits, or a refusal. */

#include "ngx_http_apikey.h"


static ngx_int_t ngx_http_apikey_reply_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_apikey_reply_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
#if (nginx_version >= 1029000)
static ngx_int_t ngx_http_apikey_early_hints_filter(ngx_http_request_t *r);
#endif
static ngx_int_t ngx_http_apikey_reply_refuse(ngx_http_request_t *r,
    ngx_http_apikey_ctx_t *ctx);
static ngx_int_t ngx_http_apikey_reply_headers(ngx_http_request_t *r,
    ngx_http_apikey_ctx_t *ctx);
static ngx_int_t ngx_http_apikey_reply_body(ngx_http_request_t *r,
    ngx_http_apikey_ctx_t *ctx);


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

    if (ctx->answer.status
        && r->headers_out.status == ctx->answer.status
        && ngx_http_apikey_reply_refuse(r, ctx) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ctx->count.metered
        && ctx->alcf->headers
        && (ctx->answer.status == 0
            || ctx->answer.status == NGX_HTTP_TOO_MANY_REQUESTS)
        && ngx_http_apikey_ratelimit_add(r, ctx) != NGX_OK)
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
        ngx_http_apikey_ratelimit_remove(r);
    }

    return ngx_http_next_early_hints_filter(r);
}

#endif


static ngx_int_t
ngx_http_apikey_reply_refuse(ngx_http_request_t *r, ngx_http_apikey_ctx_t *ctx)
{
    if (ngx_http_apikey_reply_headers(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_http_get_module_ctx(r, ngx_http_apikey_module) == NULL) {
        /* an error_page has cleared it, and says the rest */
        return NGX_OK;
    }

    if (ngx_http_apikey_grpc(r)) {
        return ngx_http_apikey_grpc_refuse(r, ctx->answer.result);
    }

    if (ctx->alcf->error == NGX_HTTP_APIKEY_ERROR_OFF) {
        return NGX_OK;
    }

    return ngx_http_apikey_reply_body(r, ctx);
}


static ngx_int_t
ngx_http_apikey_reply_headers(ngx_http_request_t *r,
    ngx_http_apikey_ctx_t *ctx)
{
    ngx_int_t    rc;
    ngx_str_t   *value;
    ngx_uint_t   wait;

    switch (ngx_http_apikey_result_refusal(ctx->answer.result)->with) {

    case NGX_HTTP_APIKEY_WITH_CHALLENGE:
        value = &ctx->alcf->challenge;
        rc = ngx_http_apikey_header_add(r, "WWW-Authenticate", value->data,
                                        value->len);
        break;

    case NGX_HTTP_APIKEY_WITH_ALLOW:
        value = &ctx->alcf->allow;
        rc = ngx_http_apikey_header_add(r, "Allow", value->data, value->len);
        break;

    case NGX_HTTP_APIKEY_WITH_RETRY_AFTER:
        wait = (ctx->answer.status == NGX_HTTP_TOO_MANY_REQUESTS)
               ? ctx->count.quota.retry_after : 0;
        rc = ngx_http_apikey_header_number(r, "Retry-After",
                                           ngx_max(wait, 1));
        break;

    default: /* NGX_HTTP_APIKEY_WITH_NOTHING */
        rc = NGX_OK;
    }

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_apikey_header_add(r, "Cache-Control",
                                      (u_char *) "no-store",
                                      sizeof("no-store") - 1);
}


/* JSON, or a problem as of RFC 9457. */

static ngx_int_t
ngx_http_apikey_reply_body(ngx_http_request_t *r, ngx_http_apikey_ctx_t *ctx)
{
    size_t   len;
    u_char  *p;

    const ngx_http_apikey_refusal_t  *refusal;

    static const char  json[] = "{\"statusCode\":%ui,\"message\":\"%s\"}";
    static const char  problem[] = "{\"type\":\"about:blank\",\"title\":\"%s\","
                                   "\"status\":%ui,\"detail\":\"%s\"}";

    refusal = ngx_http_apikey_result_refusal(ctx->answer.result);

    len = sizeof(problem) + NGX_INT_T_LEN + ngx_strlen(refusal->title)
          + ngx_strlen(refusal->message);

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ctx->answer.body.data = p;

    if (ctx->alcf->error == NGX_HTTP_APIKEY_ERROR_JSON) {
        p = ngx_snprintf(p, len, json, refusal->status, refusal->message);
        ngx_str_set(&r->headers_out.content_type, "application/json");

    } else {
        p = ngx_snprintf(p, len, problem, refusal->title, refusal->status,
                         refusal->message);
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
