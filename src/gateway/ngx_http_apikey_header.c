/* Headers of responses, added with little work. */

#include "ngx_http_apikey.h"


ngx_int_t
ngx_http_apikey_header_push(ngx_http_request_t *r, const char *name,
    size_t name_len, u_char *value, size_t len)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->hash = 1;
    h->key.data = (u_char *) name;
    h->key.len = name_len;
    h->value.data = value;
    h->value.len = len;

    return NGX_OK;
}


ngx_int_t
ngx_http_apikey_header_push_number(ngx_http_request_t *r, const char *name,
    size_t name_len, uint64_t n)
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

    return ngx_http_apikey_header_push(r, name, name_len, p,
                                       value + NGX_INT64_LEN - p);
}
