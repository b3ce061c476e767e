/*
 * What $1 is: what the path of the request gave to the regular expression of
 * its location.  Any other that is tried before or after (of a map, of "if",
 * of a rewrite) would take its place, and may be tried on what the client is
 * free to send.  So the captures are copied first thing in the rewrite phase,
 * directives are evaluated with a copy, and the request keeps what it has.
 */

#include "ngx_http_apikey.h"


#if (NGX_PCRE)

typedef struct {
    int                         *list;
    ngx_uint_t                   n;
    u_char                      *data;
} ngx_http_apikey_captures_t;


static ngx_http_apikey_captures_t *ngx_http_apikey_captures_find(
    ngx_http_request_t *r);
static void ngx_http_apikey_captures_cleanup(void *data);

#endif


ngx_int_t
ngx_http_apikey_captures_keep(ngx_http_request_t *r)
{
#if (NGX_PCRE)

    ngx_pool_cleanup_t          *cln;
    ngx_http_core_loc_conf_t    *clcf;
    ngx_http_apikey_captures_t  *captures;

    if (r->ncaptures == 0 && r->pool->cleanup == NULL) {
        return NGX_OK;
    }

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (clcf->named) {
        /* it was the location before that was chosen by its path */
        return NGX_OK;
    }

    captures = ngx_http_apikey_captures_find(r);

    if (captures) {
        captures->n = 0;
    }

    /* an expression without captures has counted the whole, and kept nothing */

    if (r->captures == NULL
        || r->ncaptures == 0
        || r->captures_data != r->uri.data)
    {
        return NGX_OK;
    }

    if (captures == NULL) {
        cln = ngx_pool_cleanup_add(r->pool,
                                   sizeof(ngx_http_apikey_captures_t));
        if (cln == NULL) {
            return NGX_ERROR;
        }

        cln->handler = ngx_http_apikey_captures_cleanup;
        captures = cln->data;
    }

    captures->list = ngx_palloc(r->pool, r->ncaptures * sizeof(int));
    if (captures->list == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(captures->list, r->captures, r->ncaptures * sizeof(int));

    captures->n = r->ncaptures;
    captures->data = r->captures_data;

#endif

    return NGX_OK;
}


void
ngx_http_apikey_captures_take(ngx_http_request_t *r,
    ngx_http_apikey_ctx_t *ctx)
{
#if (NGX_PCRE)

    ngx_http_apikey_captures_t  *captures;

    captures = ngx_http_apikey_captures_find(r);

    ctx->ncaptures = 0;

    if (captures) {
        ctx->captures = captures->list;
        ctx->ncaptures = captures->n;
        ctx->captures_data = captures->data;
    }

#endif
}


ngx_int_t
ngx_http_apikey_captures_value(ngx_http_request_t *r,
    ngx_http_apikey_ctx_t *ctx, ngx_http_complex_value_t *cv, ngx_str_t *value)
{
#if (NGX_PCRE)

    int                        *captures;
    u_char                     *data;
    ngx_int_t                   rc;
    ngx_uint_t                  n, again;
    ngx_http_core_main_conf_t  *cmcf;

    captures = r->captures;
    n = r->ncaptures;
    data = r->captures_data;
    again = r->realloc_captures;

    /* a copy: a regular expression that is tried meanwhile writes there */

    r->captures = NULL;

    if (ctx->ncaptures) {
        cmcf = ngx_http_get_module_main_conf(r, ngx_http_core_module);

        r->captures = ngx_palloc(r->pool, cmcf->ncaptures * sizeof(int));

        if (r->captures == NULL) {
            r->captures = captures;
            return NGX_ERROR;
        }

        ngx_memcpy(r->captures, ctx->captures, ctx->ncaptures * sizeof(int));
    }

    r->ncaptures = ctx->ncaptures;
    r->captures_data = ctx->captures_data;
    r->realloc_captures = 0;

    rc = ngx_http_complex_value(r, cv, value);

    r->captures = captures;
    r->ncaptures = n;
    r->captures_data = data;
    r->realloc_captures = again;

    return rc;

#else

    return ngx_http_complex_value(r, cv, value);

#endif
}


#if (NGX_PCRE)

static ngx_http_apikey_captures_t *
ngx_http_apikey_captures_find(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t  *cln;

    for (cln = r->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_apikey_captures_cleanup) {
            return cln->data;
        }
    }

    return NULL;
}


/* It only marks what is kept: the pool has the memory. */

static void
ngx_http_apikey_captures_cleanup(void *data)
{
}

#endif
