/* Parameters of a query whose names and values may be percent-encoded. */

#include "ngx_http_apikey.h"


static ngx_uint_t ngx_http_apikey_query_next(ngx_str_t *rest,
    ngx_str_t *param);
static ngx_uint_t ngx_http_apikey_query_is(ngx_str_t *param, ngx_str_t *name,
    ngx_str_t *value);
static ngx_uint_t ngx_http_apikey_query_shows(ngx_str_t *value,
    ngx_str_t *mask);
static ngx_int_t ngx_http_apikey_query_byte(u_char **p, u_char *last);


ngx_int_t
ngx_http_apikey_query_value(ngx_pool_t *pool, ngx_str_t *args,
    ngx_str_t *name, ngx_str_t *value, ngx_uint_t *count)
{
    u_char     *p, *last;
    ngx_int_t   byte;
    ngx_str_t   rest, param, raw, found;

    *count = 0;
    rest = *args;
    ngx_str_null(&found);

    while (ngx_http_apikey_query_next(&rest, &param)) {

        if (!ngx_http_apikey_query_is(&param, name, &raw)) {
            continue;
        }

        found = raw;
        (*count)++;
    }

    if (found.len == 0) {
        *value = found;
        return NGX_OK;
    }

    value->len = 0;
    value->data = ngx_pnalloc(pool, found.len);
    if (value->data == NULL) {
        return NGX_ERROR;
    }

    p = found.data;
    last = found.data + found.len;

    while (p < last) {
        byte = ngx_http_apikey_query_byte(&p, last);

        if (byte == NGX_ERROR) {
            /* no key has a zero: what can't be decoded can't be a key */
            byte = '\0';
        }

        value->data[value->len++] = (u_char) byte;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_apikey_query_rewrite(ngx_pool_t *pool, ngx_str_t *args,
    ngx_str_t *name, ngx_str_t *mask)
{
    u_char      *p;
    size_t       len, keep;
    ngx_str_t    rest, param, value;
    ngx_uint_t   found, first;

    found = 0;
    len = 0;
    rest = *args;

    while (ngx_http_apikey_query_next(&rest, &param)) {
        found |= ngx_http_apikey_query_is(&param, name, &value)
                 && (mask == NULL || ngx_http_apikey_query_shows(&value, mask));
        len += param.len + 1 + (mask ? mask->len : 0);
    }

    if (!found) {
        return NGX_OK;
    }

    p = ngx_pnalloc(pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    first = 1;
    rest = *args;
    args->data = p;

    while (ngx_http_apikey_query_next(&rest, &param)) {

        keep = param.len;
        found = ngx_http_apikey_query_is(&param, name, &value);

        if (found) {
            if (mask == NULL) {
                continue;
            }

            keep -= value.len;
        }

        if (!first) {
            *p++ = '&';
        }

        first = 0;
        p = ngx_cpymem(p, param.data, keep);

        if (found && value.len) {
            p = ngx_cpymem(p, mask->data, mask->len);
        }
    }

    args->len = p - args->data;

    return NGX_OK;
}


ngx_int_t
ngx_http_apikey_query_rewrite_uri(ngx_pool_t *pool, ngx_str_t *uri,
    ngx_str_t *name, ngx_str_t *mask)
{
    u_char     *p, *begin, *end, *last;
    ngx_str_t   args;

    if (uri->len == 0) {
        return NGX_OK;
    }

    last = uri->data + uri->len;

    begin = memchr(uri->data, '?', uri->len);
    if (begin == NULL) {
        return NGX_OK;
    }

    /* a query may have spaces that don't belong there */

    for (end = last; end > begin && end[-1] != ' '; end--) { /* void */ }

    if (end == begin
        || last - end < (ssize_t) sizeof("HTTP/") - 1
        || ngx_strncmp(end, "HTTP/", sizeof("HTTP/") - 1) != 0)
    {
        end = last;

    } else {
        end--;
    }

    args.data = begin + 1;
    args.len = end - args.data;

    if (ngx_http_apikey_query_rewrite(pool, &args, name, mask) != NGX_OK) {
        return NGX_ERROR;
    }

    if (args.data == begin + 1) {
        /* as it was */
        return NGX_OK;
    }

    /* without a parameter there is no question mark */

    if (args.len) {
        begin++;
    }

    p = ngx_pnalloc(pool, (begin - uri->data) + args.len + (last - end) + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    begin = ngx_cpymem(p, uri->data, begin - uri->data);
    begin = ngx_cpymem(begin, args.data, args.len);
    begin = ngx_cpymem(begin, end, last - end);

    uri->data = p;
    uri->len = begin - p;

    return NGX_OK;
}


/* The next of the parameters that "&" separates, which may be empty. */

static ngx_uint_t
ngx_http_apikey_query_next(ngx_str_t *rest, ngx_str_t *param)
{
    u_char  *p, *last;

    if (rest->data == NULL) {
        return 0;
    }

    last = rest->data + rest->len;

    p = memchr(rest->data, '&', rest->len);

    param->data = rest->data;

    if (p == NULL) {
        param->len = rest->len;
        ngx_str_null(rest);

    } else {
        param->len = p - rest->data;
        rest->data = p + 1;
        rest->len = last - rest->data;
    }

    return 1;
}


static ngx_uint_t
ngx_http_apikey_query_is(ngx_str_t *param, ngx_str_t *name, ngx_str_t *value)
{
    u_char      *p, *last, *eq;
    ngx_uint_t   i;

    last = param->data + param->len;

    /* a request that is refused for a space is logged, too */

    for (p = param->data; p < last && *p == ' '; p++) { /* void */ }

    if (p == last || (*p != name->data[0] && *p != '%')) {
        return 0;
    }

    eq = memchr(p, '=', last - p);

    for (i = 0; p < (eq ? eq : last); i++) {
        if (i == name->len
            || ngx_http_apikey_query_byte(&p, eq ? eq : last)
               != (ngx_int_t) name->data[i])
        {
            return 0;
        }
    }

    if (i != name->len) {
        return 0;
    }

    value->data = eq ? eq + 1 : last;
    value->len = last - value->data;

    return 1;
}


/* Something other than the mask. */

static ngx_uint_t
ngx_http_apikey_query_shows(ngx_str_t *value, ngx_str_t *mask)
{
    return value->len
           && (value->len != mask->len
               || ngx_strncmp(value->data, mask->data, mask->len) != 0);
}


static ngx_int_t
ngx_http_apikey_query_byte(u_char **p, u_char *last)
{
    ngx_int_t  byte;

    if (**p != '%') {
        return *(*p)++;
    }

    if (last - *p < 3) {
        (*p)++;
        return NGX_ERROR;
    }

    byte = ngx_hextoi(*p + 1, 2);
    *p += byte == NGX_ERROR ? 1 : 3;

    return byte;
}
