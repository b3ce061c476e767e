/*
 * What variables tell of a key that is hidden.  $http_NAME, $arg_NAME and
 * $cookie_NAME of a source are answered here in place of nginx: with what the
 * client has sent until the key is hidden, then with a stand-in, so that what
 * is cached, hashed or counted by them goes on telling keys apart.  While nginx
 * makes what goes upstream, they are what is left without the key.
 *
 * The stand-in is a keyed hash of the key's digest, 32 hexadecimal digits: the
 * same for a key at all gateways that share the pepper, and of no use without
 * it.
 */

#include "ngx_http_apikey.h"


#define NGX_HTTP_APIKEY_HIDDEN_MAX  64   /* bits of ctx->credential.hidden */


struct ngx_http_apikey_hidden_s {
    ngx_str_t                     name;    /* of the variable */
    uint64_t                      bit;     /* of ctx->credential.hidden */
    ngx_http_get_variable_pt      get;     /* nginx's own */
};


static ngx_int_t ngx_http_apikey_hidden_name(ngx_conf_t *cf,
    ngx_http_apikey_source_t *source, ngx_str_t *name);
static ngx_int_t ngx_http_apikey_hidden_define(ngx_conf_t *cf,
    ngx_http_apikey_hidden_t *hidden);
static ngx_int_t ngx_http_apikey_hidden_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_uint_t ngx_http_apikey_hidden_outgoing(ngx_http_request_t *r);
static ngx_int_t ngx_http_apikey_hidden_standin(ngx_http_apikey_ctx_t *ctx,
    ngx_str_t *standin);


ngx_int_t
ngx_http_apikey_hidden_add(ngx_conf_t *cf, ngx_http_apikey_loc_conf_t *alcf)
{
    ngx_str_t                     name;
    ngx_uint_t                    i, k;
    ngx_http_apikey_hidden_t     *hidden, **known;
    ngx_http_apikey_source_t     *source;
    ngx_http_apikey_main_conf_t  *amcf;

    amcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_apikey_module);
    source = alcf->sources->elts;

    for (i = 0; i < alcf->sources->nelts; i++) {

        if (source[i].hidden) {
            continue;
        }

        if (ngx_http_apikey_hidden_name(cf, &source[i], &name) != NGX_OK) {
            return NGX_ERROR;
        }

        known = amcf->hidden.elts;

        for (k = 0; k < amcf->hidden.nelts; k++) {
            if (known[k]->name.len == name.len
                && ngx_strncmp(known[k]->name.data, name.data, name.len) == 0)
            {
                break;
            }
        }

        if (k < amcf->hidden.nelts) {
            source[i].hidden = known[k]->bit;
            continue;
        }

        hidden = ngx_pcalloc(cf->pool, sizeof(ngx_http_apikey_hidden_t));
        known = ngx_array_push(&amcf->hidden);

        if (hidden == NULL || known == NULL) {
            return NGX_ERROR;
        }

        *known = hidden;

        /* should there be more, they share the last one */

        k = ngx_min(k, NGX_HTTP_APIKEY_HIDDEN_MAX - 1);

        hidden->name = name;
        hidden->bit = (uint64_t) 1 << k;

        source[i].hidden = hidden->bit;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_apikey_hidden_name(ngx_conf_t *cf, ngx_http_apikey_source_t *source,
    ngx_str_t *name)
{
    size_t       i;
    u_char      *p;
    const char  *prefix;

    switch (source->place) {

    case NGX_HTTP_APIKEY_QUERY:
        prefix = "arg_";
        break;

    case NGX_HTTP_APIKEY_COOKIE:
        prefix = "cookie_";
        break;

    default: /* NGX_HTTP_APIKEY_HEADER, NGX_HTTP_APIKEY_BEARER */
        prefix = "http_";
    }

    name->len = ngx_strlen(prefix) + source->name.len;

    name->data = ngx_pnalloc(cf->pool, name->len);
    if (name->data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(name->data, prefix, ngx_strlen(prefix));
    ngx_strlow(p, source->name.data, source->name.len);

    if (ngx_http_apikey_begins(name, "http_")) {
        for (i = 0; i < source->name.len; i++) {
            if (p[i] == '-') {
                p[i] = '_';
            }
        }
    }

    return NGX_OK;
}


/*
 * What nginx keeps of a variable that was used before the key was hidden still
 * has the key, so it has to look again.
 */

ngx_int_t
ngx_http_apikey_hidden_init(ngx_conf_t *cf)
{
    ngx_uint_t                    i;
    ngx_http_variable_t          *v;
    ngx_http_apikey_hidden_t    **hidden;
    ngx_http_apikey_main_conf_t  *amcf;

    static ngx_str_t  kept[] = {
        ngx_string("request_uri"),
        ngx_string("http_referer"),
        ngx_string("http_cookie")
    };

    amcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_apikey_module);
    hidden = amcf->hidden.elts;

    for (i = 0; i < amcf->hidden.nelts; i++) {
        if (ngx_http_apikey_hidden_define(cf, hidden[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    for (i = 0; amcf->hidden.nelts && i < sizeof(kept) / sizeof(kept[0]); i++) {
        v = ngx_http_apikey_find_variable(cf, &kept[i]);

        if (v) {
            v->flags |= NGX_HTTP_VAR_NOCACHEABLE;
        }
    }

    return NGX_OK;
}


/* A variable that nginx or the configuration defines by itself stays that. */

static ngx_int_t
ngx_http_apikey_hidden_define(ngx_conf_t *cf, ngx_http_apikey_hidden_t *hidden)
{
    size_t                      len;
    ngx_uint_t                  i;
    ngx_http_variable_t        *v, *prefix;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    if (ngx_http_apikey_find_variable(cf, &hidden->name)) {
        return NGX_OK;
    }

    len = 0;
    prefix = cmcf->prefix_variables.elts;

    for (i = 0; i < cmcf->prefix_variables.nelts; i++) {
        if (prefix[i].name.len > len
            && prefix[i].name.len < hidden->name.len
            && ngx_strncmp(prefix[i].name.data, hidden->name.data,
                           prefix[i].name.len)
               == 0)
        {
            len = prefix[i].name.len;
            hidden->get = prefix[i].get_handler;
        }
    }

    if (hidden->get == NULL) {
        return NGX_OK;
    }

    v = ngx_http_add_variable(cf, &hidden->name, NGX_HTTP_VAR_NOCACHEABLE);
    if (v == NULL) {
        return NGX_ERROR;
    }

    v->get_handler = ngx_http_apikey_hidden_variable;
    v->data = (uintptr_t) hidden;

    return NGX_OK;
}


static ngx_int_t
ngx_http_apikey_hidden_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_apikey_hidden_t *hidden = (ngx_http_apikey_hidden_t *) data;

    ngx_str_t               standin;
    ngx_http_apikey_ctx_t  *ctx;

    ctx = ngx_http_apikey_ctx_get(r->main);

    if (ctx == NULL
        || !(ctx->credential.hidden & hidden->bit)
        || !(ctx->credential.key || ctx->credential.malformed)
        || ngx_http_apikey_hidden_outgoing(r))
    {
        return hidden->get(r, v, (uintptr_t) &hidden->name);
    }

    if (ngx_http_apikey_hidden_standin(ctx, &standin) != NGX_OK) {
        return NGX_ERROR;
    }

    v->data = standin.data;
    v->len = standin.len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


/*
 * From the evaluation of the upstream's address to the end of the request that
 * is made for it, but for the cache's own questions between.
 */

static ngx_uint_t
ngx_http_apikey_hidden_outgoing(ngx_http_request_t *r)
{
    ngx_http_upstream_t  *u;

    u = r->upstream;

    if (u == NULL) {
        return 0;
    }

    if (u->conf == NULL) {
        return 1;
    }

    if (u->output.pool) {
        /* the request is made */
        return 0;
    }

#if (NGX_HTTP_CACHE)

    if (r->cached || (r->cache && u->cache_status == 0)) {
        return 0;
    }

#endif

    return 1;
}


static ngx_int_t
ngx_http_apikey_hidden_standin(ngx_http_apikey_ctx_t *ctx, ngx_str_t *standin)
{
    u_char     *p, hash[APIKEY_DIGEST_SIZE];
    ngx_str_t   text;

    /* with spaces, as no key has them: it is never a digest itself */
    static const char  of[] = "the stand-in of ";

    u_char  data[sizeof(of) - 1 + APIKEY_DIGEST_SIZE];

    if (ctx->credential.malformed) {
        ngx_str_set(standin, "malformed");
        return NGX_OK;
    }

    if (ctx->credential.standin.len == 0) {
        p = ngx_pnalloc(ctx->request->pool, APIKEY_DIGEST_SIZE);
        if (p == NULL) {
            return NGX_ERROR;
        }

        text.data = data;
        text.len = sizeof(data);

        ngx_memcpy(ngx_cpymem(data, of, sizeof(of) - 1), ctx->credential.digest,
                   APIKEY_DIGEST_SIZE);

        apikey_token_digest(hash, ngx_http_apikey_text(&text),
                            ctx->amcf->pepper);

        ngx_explicit_memzero(data, sizeof(data));

        ctx->credential.standin.data = p;
        ctx->credential.standin.len = ngx_hex_dump(p, hash,
                                                   APIKEY_DIGEST_SIZE / 2) - p;
    }

    *standin = ctx->credential.standin;

    return NGX_OK;
}
