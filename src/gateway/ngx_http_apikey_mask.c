/*
 * What is logged of a request has no key of a query.  A request may fail before
 * its location is known, or its server, so the names of keys are those of all
 * locations of the server or, before that is known, of all servers.
 *
 * The access log is written from what the request has: the request line is
 * masked before any phase, all else first in the log phase.  The error log may
 * be written at any time: nginx's function that adds the request to a message
 * is given masked copies.
 */

#include "ngx_http_apikey.h"


/* What is masked for a moment. */
typedef struct {
    ngx_str_t                    *text;    /* NULL: nothing */
    ngx_str_t                     value;
} ngx_http_apikey_kept_t;


static ngx_int_t ngx_http_apikey_mask_name(ngx_array_t *names,
    ngx_str_t *name);
static void ngx_http_apikey_mask_line(ngx_http_request_t *r);
static void ngx_http_apikey_mask_connection(ngx_connection_t *c);
static void ngx_http_apikey_mask_log(ngx_connection_t *c);
static u_char *ngx_http_apikey_mask_error(ngx_log_t *log, u_char *buf,
    size_t len);
static void ngx_http_apikey_mask_text(ngx_http_request_t *r, ngx_str_t *text,
    ngx_http_apikey_kept_t *kept);


static ngx_log_handler_pt  ngx_http_apikey_log_error;     /* nginx's own */


ngx_int_t
ngx_http_apikey_mask_add(ngx_conf_t *cf, ngx_http_apikey_loc_conf_t *alcf)
{
    ngx_uint_t                    i;
    ngx_http_apikey_source_t     *source;
    ngx_http_apikey_srv_conf_t   *ascf;
    ngx_http_apikey_main_conf_t  *amcf;

    amcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_apikey_module);
    ascf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_apikey_module);

    source = alcf->sources->elts;

    for (i = 0; i < alcf->sources->nelts; i++) {
        if (source[i].place == NGX_HTTP_APIKEY_QUERY
            && (ngx_http_apikey_mask_name(&ascf->queries, &source[i].name)
                != NGX_OK
                || ngx_http_apikey_mask_name(&amcf->queries, &source[i].name)
                   != NGX_OK))
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_apikey_mask_name(ngx_array_t *names, ngx_str_t *name)
{
    ngx_str_t   *known;
    ngx_uint_t   i;

    known = names->elts;

    for (i = 0; i < names->nelts; i++) {
        if (known[i].len == name->len
            && ngx_strncmp(known[i].data, name->data, name->len) == 0)
        {
            return NGX_OK;
        }
    }

    known = ngx_array_push(names);
    if (known == NULL) {
        return NGX_ERROR;
    }

    *known = *name;

    return NGX_OK;
}


ngx_int_t
ngx_http_apikey_mask(ngx_http_request_t *r, ngx_str_t *args, ngx_str_t *uri)
{
    ngx_str_t                    *name;
    ngx_uint_t                    i;
    ngx_array_t                  *names;
    ngx_http_apikey_srv_conf_t   *ascf;
    ngx_http_apikey_main_conf_t  *amcf;

    static ngx_str_t  mask = ngx_string("***");

    ascf = ngx_http_get_module_srv_conf(r, ngx_http_apikey_module);
    names = &ascf->queries;

    if (r->headers_in.server.len == 0) {
        amcf = ngx_http_get_module_main_conf(r, ngx_http_apikey_module);
        names = &amcf->queries;
    }

    name = names->elts;

    for (i = 0; i < names->nelts; i++) {

        if (args
            && ngx_http_apikey_query_rewrite(r->pool, args, &name[i], &mask)
               != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (uri
            && ngx_http_apikey_query_rewrite_uri(r->pool, uri, &name[i], &mask)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_apikey_mask_handler(ngx_http_request_t *r)
{
    if (r->internal || r != r->main) {
        return NGX_DECLINED;
    }

    ngx_http_apikey_mask_log(r->connection);

    if (ngx_http_apikey_mask(r, NULL, &r->request_line) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return NGX_DECLINED;
}


ngx_int_t
ngx_http_apikey_mask_log_handler(ngx_http_request_t *r)
{
    ngx_http_apikey_kept_t  kept;

    ngx_http_apikey_mask_line(r);

    if (ngx_http_apikey_mask(r, &r->args, &r->unparsed_uri) != NGX_OK) {
        /* rather nothing than a key */
        r->args.len = 0;
        r->unparsed_uri.len = 0;
    }

    ngx_http_apikey_mask_text(r, &r->request_line, &kept);

    if (r->headers_in.referer) {
        ngx_http_apikey_mask_text(r, &r->headers_in.referer->value, &kept);
    }

    return NGX_OK;
}


/* As nginx finds it where it could not be parsed. */

static void
ngx_http_apikey_mask_line(ngx_http_request_t *r)
{
    u_char  *p;

    if (r->request_line.data || r->request_start == NULL) {
        return;
    }

    for (p = r->request_start; p < r->header_in->last; p++) {
        if (*p == CR || *p == LF) {
            break;
        }
    }

    r->request_line.data = r->request_start;
    r->request_line.len = p - r->request_start;
}


void
ngx_http_apikey_mask_listen(ngx_cycle_t *cycle)
{
    ngx_uint_t        i;
    ngx_listening_t  *ls;

    ls = cycle->listening.elts;

    for (i = 0; i < cycle->listening.nelts; i++) {
        if (ls[i].handler == ngx_http_init_connection
            && ls[i].type == SOCK_STREAM)
        {
            ls[i].handler = ngx_http_apikey_mask_connection;
        }
    }
}


static void
ngx_http_apikey_mask_connection(ngx_connection_t *c)
{
    ngx_uint_t  ready;

    ready = c->read->ready;

    ngx_http_init_connection(c);

    /* one that has sent something already may be over by now */

    if (!ready && c->fd != (ngx_socket_t) -1) {
        ngx_http_apikey_mask_log(c);
    }
}


static void
ngx_http_apikey_mask_log(ngx_connection_t *c)
{
    if (c->log->handler == NULL) {
        return;
    }

    if (ngx_http_apikey_log_error == NULL) {
        ngx_http_apikey_log_error = c->log->handler;
    }

    if (c->log->handler == ngx_http_apikey_log_error) {
        c->log->handler = ngx_http_apikey_mask_error;
    }
}


/* Nothing that is masked here stays so: the request goes on. */

static u_char *
ngx_http_apikey_mask_error(ngx_log_t *log, u_char *buf, size_t len)
{
    ngx_str_t                line;
    ngx_uint_t               i;
    ngx_http_log_ctx_t      *ctx;
    ngx_http_request_t      *r, *sr;
    ngx_http_apikey_kept_t   kept[3];

    static ngx_uint_t  busy;

    ctx = log->data;
    r = ctx->request;
    sr = ctx->current_request;

    if (r == NULL || busy) {
        return ngx_http_apikey_log_error(log, buf, len);
    }

    /* no memory is a reason to log */
    busy = 1;

    line = r->request_line;
    ngx_http_apikey_mask_line(r);

    ngx_http_apikey_mask_text(r, &r->request_line, &kept[0]);
    ngx_http_apikey_mask_text(r, (sr && sr->upstream) ? &sr->upstream->uri
                                                      : NULL, &kept[1]);
    ngx_http_apikey_mask_text(r, r->headers_in.referer
                                 ? &r->headers_in.referer->value : NULL,
                              &kept[2]);

    buf = ngx_http_apikey_log_error(log, buf, len);

    for (i = 0; i < 3; i++) {
        if (kept[i].text) {
            *kept[i].text = kept[i].value;
        }
    }

    r->request_line = line;
    busy = 0;

    return buf;
}


static void
ngx_http_apikey_mask_text(ngx_http_request_t *r, ngx_str_t *text,
    ngx_http_apikey_kept_t *kept)
{
    kept->text = text;

    if (text == NULL) {
        return;
    }

    kept->value = *text;

    if (ngx_http_apikey_mask(r, NULL, text) != NGX_OK) {
        text->len = 0;
    }
}
