/* How a request is ended that is under way, wherever in nginx it has got to. */

#include "ngx_http_apikey.h"


static ngx_uint_t ngx_http_apikey_end_refusable(ngx_http_request_t *r);
static void ngx_http_apikey_end_upstream(ngx_http_request_t *r);


void
ngx_http_apikey_end_request(ngx_http_apikey_ctx_t *ctx)
{
    ngx_uint_t           refused;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ctx->request;
    c = r->connection;

    if (!ctx->alcf->cut || ctx->judging || ctx->reading) {
        /* where it is asked for just now, it is refused by the answer */
        return;
    }

    ngx_http_set_log_request(c->log, r);

    ngx_log_error(NGX_LOG_INFO, c->log, 0, "apikey ended the request: %V",
                  ngx_http_apikey_result_name(ctx->verdict));

    refused = ngx_http_apikey_end_refusable(r);

    ngx_http_apikey_end_upstream(r);

    if (refused) {
        ctx->answer.result = ctx->verdict;
        ctx->answer.status = ngx_http_apikey_result_status(ctx->answer.result);

        ngx_http_finalize_request(r, ctx->answer.status);

    } else {
        ngx_http_finalize_request(r, NGX_ERROR);
    }

    ngx_http_run_posted_requests(c);
}


/*
 * Nothing was sent yet, and nothing but its body or an upstream goes on for
 * the request: it can still be answered.
 */

static ngx_uint_t
ngx_http_apikey_end_refusable(ngx_http_request_t *r)
{
    if (r->header_sent
        || r->upstream == NULL
        || r != r->connection->data
        || r->postponed
        || r->blocked)
    {
        return 0;
    }

    if (r->upstream->cleanup) {
        return 1;
    }

    if (r->request_body == NULL || r->request_body->rest <= 0) {
        return 0;
    }

    /* what is left of the body isn't the next request */

    r->keepalive = 0;
    r->lingering_close = 1;

#if (NGX_HTTP_V2)
    if (r->stream) {
        r->stream->skip_data = 1;
    }
#endif

    return 1;
}


/* It gives up the request, too, which goes on. */

static void
ngx_http_apikey_end_upstream(ngx_http_request_t *r)
{
    ngx_http_cleanup_pt  handler;

    if (r->upstream && r->upstream->cleanup) {
        handler = *r->upstream->cleanup;

        r->main->count++;
        handler(r);
    }
}
