/*
 * What is judged is what is sent.  nginx chooses the location by a path
 * without dot segments, and sends the one that the client has sent.  Where
 * that has some, in whatever spelling, it becomes the one that was judged: for
 * upstreams and in $request_uri.  Any other stays as it is, with its "%2F".
 */

#include "ngx_http_apikey.h"


static ngx_uint_t ngx_http_apikey_path_dotted(ngx_str_t *uri);
static ngx_int_t ngx_http_apikey_path_build(ngx_http_request_t *r,
    ngx_str_t *uri);


ngx_int_t
ngx_http_apikey_path_add(ngx_conf_t *cf)
{
    ngx_http_apikey_main_conf_t  *amcf;

    static ngx_str_t  name = ngx_string("request_uri");

    amcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_apikey_module);

    amcf->request_uri = ngx_http_get_variable_index(cf, &name);

    return amcf->request_uri == NGX_ERROR ? NGX_ERROR : NGX_OK;
}


ngx_int_t
ngx_http_apikey_path_settle(ngx_http_request_t *r)
{
    ngx_http_variable_value_t    *vv;
    ngx_http_apikey_main_conf_t  *amcf;

    if ((!r->complex_uri && !r->quoted_uri)
        || !ngx_http_apikey_path_dotted(&r->unparsed_uri))
    {
        return NGX_OK;
    }

    if (ngx_http_apikey_path_build(r, &r->unparsed_uri) != NGX_OK) {
        return NGX_ERROR;
    }

    /* something may have read it already */

    amcf = ngx_http_get_module_main_conf(r, ngx_http_apikey_module);
    vv = &r->variables[amcf->request_uri];

    vv->valid = 0;
    vv->not_found = 0;

    return NGX_OK;
}


/* As nginx parses it: "%2e" is a dot and "%2f" a slash; "%252e" is neither. */

static ngx_uint_t
ngx_http_apikey_path_dotted(ngx_str_t *uri)
{
    u_char      *p, *last, ch;
    ngx_int_t    n;
    ngx_uint_t   len, dots;

    len = 0;
    dots = 0;

    last = uri->data + uri->len;

    for (p = uri->data; p < last && *p != '?' && *p != '#'; p++) {
        ch = *p;

        if (ch == '%' && last - p > 2) {
            n = ngx_hextoi(p + 1, 2);

            if (n != NGX_ERROR) {
                ch = (u_char) n;
                p += 2;
            }
        }

        if (ch != '/') {
            len++;
            dots += (ch == '.');
            continue;
        }

        if (len && len <= 2 && dots == len) {
            return 1;
        }

        len = 0;
        dots = 0;
    }

    return len && len <= 2 && dots == len;
}


static ngx_int_t
ngx_http_apikey_path_build(ngx_http_request_t *r, ngx_str_t *uri)
{
    u_char     *p;
    uintptr_t   escape;

    escape = ngx_escape_uri(NULL, r->uri.data, r->uri.len, NGX_ESCAPE_URI);

    p = ngx_pnalloc(r->pool, r->uri.len + 2 * escape + 1 + r->args.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    uri->data = p;

    p = (u_char *) ngx_escape_uri(p, r->uri.data, r->uri.len, NGX_ESCAPE_URI);

    if (r->args.len) {
        *p++ = '?';
        p = ngx_cpymem(p, r->args.data, r->args.len);
    }

    uri->len = p - uri->data;

    return NGX_OK;
}
