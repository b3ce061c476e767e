/* What apikey_redis says of TLS. */

#include "ngx_http_apikey.h"


#define NGX_HTTP_APIKEY_TLS_NAME_MAX  255     /* of SNI */


/* Returns what speaks against the parameter, or NULL. */

const char *
ngx_http_apikey_tls_option(ngx_redis_tls_t *tls, ngx_str_t *value,
    ngx_str_t *arg)
{
    size_t  len;

    len = arg->data - value->data;

    if (len == 4 && ngx_strncmp(value->data, "tls=", 4) == 0) {

        if (arg->len == 2 && ngx_strncmp(arg->data, "on", 2) == 0) {
            tls->on = 1;

        } else if (arg->len == 3 && ngx_strncmp(arg->data, "off", 3) == 0) {
            tls->on = 0;

        } else {
            return "neither \"on\" nor \"off\"";
        }

    } else if (len == 7 && ngx_strncmp(value->data, "tls_ca=", 7) == 0) {
        tls->ca = *arg;

    } else if (len == 9 && ngx_strncmp(value->data, "tls_name=", 9) == 0) {

        if (arg->len > NGX_HTTP_APIKEY_TLS_NAME_MAX) {
            return "longer than a name may be";
        }

        tls->name = *arg;

    } else if (len == 9 && ngx_strncmp(value->data, "tls_cert=", 9) == 0) {
        tls->cert = *arg;

    } else if (len == 8 && ngx_strncmp(value->data, "tls_key=", 8) == 0) {
        tls->key = *arg;

    } else {
        return "unknown parameter";
    }

    return NULL;
}


/* All parameters are known. */

char *
ngx_http_apikey_tls(ngx_conf_t *cf, ngx_redis_conf_t *redis)
{
    ngx_uint_t           i;
    ngx_redis_tls_t     *tls;
    ngx_redis_server_t  *server;

    tls = &redis->tls;

    if (tls->on == NGX_CONF_UNSET) {

        if (tls->ca.len || tls->name.len || tls->cert.len || tls->key.len) {
            return "has parameters of TLS without \"tls=on\"";
        }

        tls->on = 0;
    }

    if (tls->cert.len && tls->key.len == 0) {
        return "has \"tls_cert\" without \"tls_key\"";
    }

    if (tls->key.len && tls->cert.len == 0) {
        return "has \"tls_key\" without \"tls_cert\"";
    }

    if (!tls->on) {
        return NGX_CONF_OK;
    }

    server = redis->servers.elts;

    for (i = 0; i < redis->servers.nelts; i++) {
        if (tls->name.len == 0 && server[i].tls_name.len == 0) {
            return "has \"tls=on\" for a unix socket without \"tls_name\"";
        }
    }

#if (NGX_SSL)
    return ngx_redis_tls_init(cf, tls);
#else
    return "has \"tls=on\", but the module was built for nginx without SSL";
#endif
}
