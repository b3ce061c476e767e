/*
 * What is known of a client's request, wherever in nginx it has got to.  It
 * lives in a cleanup of the request's pool, as the address of realip does,
 * because an internal redirect clears the contexts of modules.
 */

#include "ngx_http_apikey.h"


static void ngx_http_apikey_ctx_cleanup(void *data);


ngx_http_apikey_ctx_t *
ngx_http_apikey_ctx_create(ngx_http_request_t *r,
    ngx_http_apikey_ended_pt ended)
{
    ngx_pool_cleanup_t     *cln;
    ngx_http_apikey_ctx_t  *ctx;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_apikey_ctx_t));
    if (cln == NULL) {
        return NULL;
    }

    ctx = cln->data;
    ngx_memzero(ctx, sizeof(ngx_http_apikey_ctx_t));

    cln->handler = ngx_http_apikey_ctx_cleanup;

    ctx->request = r;
    ctx->ended = ended;
    ctx->amcf = ngx_http_get_module_main_conf(r, ngx_http_apikey_module);
    ctx->method = r->method_name;
    ctx->method_bit = r->method;

    return ctx;
}


ngx_http_apikey_ctx_t *
ngx_http_apikey_ctx_get(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t     *cln;
    ngx_http_apikey_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_apikey_module);

    if (ctx == NULL && (r->internal || r->filter_finalize)) {

        for (cln = r->pool->cleanup; cln; cln = cln->next) {
            if (cln->handler == ngx_http_apikey_ctx_cleanup) {
                return cln->data;
            }
        }
    }

    return ctx;
}


static void
ngx_http_apikey_ctx_cleanup(void *data)
{
    ngx_http_apikey_ctx_t *ctx = data;

    ctx->ended(ctx);
}
