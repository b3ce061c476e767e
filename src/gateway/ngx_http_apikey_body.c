/*
 * A request is judged before its body, which may come in slowly.  If its key
 * may have changed meanwhile Redis is asked once more before anything goes on
 * to the upstream: when the body is whole, or with each piece of one that isn't
 * buffered.  Until the answer comes what was read is held.
 */

#include "ngx_http_apikey_changes.h"


static ngx_int_t ngx_http_apikey_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
static ngx_uint_t ngx_http_apikey_body_matters(ngx_http_request_t *r,
    ngx_http_apikey_ctx_t *ctx, ngx_chain_t *in);
static ngx_int_t ngx_http_apikey_body_hold(ngx_http_request_t *r,
    ngx_http_apikey_ctx_t *ctx, ngx_chain_t *in);
static ngx_int_t ngx_http_apikey_body_judge(ngx_http_request_t *r,
    ngx_http_apikey_ctx_t *ctx);


static ngx_http_request_body_filter_pt  ngx_http_next_request_body_filter;


ngx_int_t
ngx_http_apikey_body_init(ngx_conf_t *cf)
{
    ngx_http_next_request_body_filter = ngx_http_top_request_body_filter;
    ngx_http_top_request_body_filter = ngx_http_apikey_body_filter;

    return NGX_OK;
}


static ngx_int_t
ngx_http_apikey_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_int_t                 rc;
    ngx_chain_t              *out;
    ngx_http_apikey_ctx_t    *ctx;

    ctx = ngx_http_apikey_ctx_get(r);

    if (ctx == NULL
        || !ctx->credential.key
        || ngx_http_apikey_result_status(ctx->answer.result)
        || (!ctx->reading && !ngx_http_apikey_body_matters(r, ctx, in)))
    {
        return ngx_http_next_request_body_filter(r, in);
    }

    if (ngx_http_apikey_body_hold(r, ctx, in) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->question.pending) {
        return NGX_OK;
    }

    rc = ngx_http_apikey_body_judge(r, ctx);

    if (rc == NGX_AGAIN) {
        return NGX_OK;
    }

    ctx->reading = 0;

    if (rc == NGX_HTTP_APIKEY_OK) {
        out = ctx->held;
        ctx->held = NULL;

        return ngx_http_next_request_body_filter(r, out);
    }

    /* rc is a result */

    ctx->answer.result = rc;
    ctx->answer.status = ngx_http_apikey_result_status(rc);

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "apikey refused the request after its body: %V",
                  ngx_http_apikey_result_name(rc));

    return ctx->answer.status;
}


static ngx_uint_t
ngx_http_apikey_body_matters(ngx_http_request_t *r,
    ngx_http_apikey_ctx_t *ctx, ngx_chain_t *in)
{
    if (!ctx->question.confirmed || !ngx_http_apikey_changes_since(ctx)) {
        return 0;
    }

    if (r->request_body_no_buffering) {
        return in != NULL;
    }

    for ( /* void */ ; in; in = in->next) {
        if (in->buf->last_buf) {
            return 1;
        }
    }

    return 0;
}


/* nginx frees its links, but not what they hold while it isn't consumed. */

static ngx_int_t
ngx_http_apikey_body_hold(ngx_http_request_t *r, ngx_http_apikey_ctx_t *ctx,
    ngx_chain_t *in)
{
    if (!ctx->reading) {
        ctx->reading = 1;
        ctx->question.asked = 0;
        ctx->question.stale = 0;
        ctx->question.unavailable = 0;

        r->request_body->filter_need_buffering = 1;
    }

    return ngx_chain_add_copy(r->pool, &ctx->held, in);
}


/* Returns a result, or NGX_AGAIN while Redis is asked. */

static ngx_int_t
ngx_http_apikey_body_judge(ngx_http_request_t *r, ngx_http_apikey_ctx_t *ctx)
{
    if (ctx->question.unknown) {
        return NGX_HTTP_APIKEY_UNKNOWN;
    }

    if (ctx->question.confirmed && !ngx_http_apikey_changes_since(ctx)) {
        return ngx_http_apikey_policy_standing(ctx);
    }

    ctx->question.confirmed = 0;

    if (!ctx->question.unavailable
        && ctx->question.asked++ < NGX_HTTP_APIKEY_QUESTIONS
        && ngx_http_apikey_lookup_ask(r, ctx, 0) == NGX_AGAIN)
    {
        return NGX_AGAIN;
    }

    return NGX_HTTP_APIKEY_UNAVAILABLE;
}
