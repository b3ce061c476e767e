/*
 * What $1 is where a request arrives: the location's.  Any regular expression
 * that is tried later (of a map, say) would take its place, so values are told
 * with what it was, and the request keeps what it has.
 */

#include "ngx_http_apikey.h"


void
ngx_http_apikey_captures_keep(ngx_http_request_t *r,
    ngx_http_apikey_ctx_t *ctx)
{
#if (NGX_PCRE)

    ctx->captures = r->captures;
    ctx->ncaptures = r->ncaptures;
    ctx->captures_data = r->captures_data;

    /* nobody else writes there */
    r->realloc_captures = 1;

#endif
}


ngx_int_t
ngx_http_apikey_value(ngx_http_request_t *r, ngx_http_apikey_ctx_t *ctx,
    ngx_http_complex_value_t *cv, ngx_str_t *value)
{
    ngx_int_t    rc;
#if (NGX_PCRE)
    int         *captures;
    u_char      *data;
    ngx_uint_t   n;

    captures = r->captures;
    n = r->ncaptures;
    data = r->captures_data;

    r->captures = ctx->captures;
    r->ncaptures = ctx->ncaptures;
    r->captures_data = ctx->captures_data;
    r->realloc_captures = 1;
#endif

    rc = ngx_http_complex_value(r, cv, value);

#if (NGX_PCRE)
    r->captures = captures;
    r->ncaptures = n;
    r->captures_data = data;
    r->realloc_captures = 1;
#endif

    return rc;
}
