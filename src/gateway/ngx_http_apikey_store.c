/*
 * What nginx's caches may store.  A key is hidden before nginx makes a cache
 * key and compares Vary, so to nginx the requests of all keys look alike.  A
 * response to a request with a key is stored only if the response says that it
 * may be shared (RFC 9111, 3.5, with the key in place of Authorization), or
 * if the cache key was made with a variable that tells keys apart.
 *
 * nginx decides whether to store when the headers have been sent, so the header
 * filter is the place to forbid it.  An error that "proxy_intercept_errors"
 * replaces by a page gets no so far: what nginx calls to parse the headers is
 * replaced where that may happen.
 */

#include "ngx_http_apikey.h"
#include "ngx_http_apikey_metrics.h"


#if (NGX_HTTP_CACHE)


/* Of one request or subrequest. */
struct ngx_http_apikey_store_s {
    ngx_http_apikey_store_t      *next;
    ngx_http_request_t           *request;
    ngx_http_cache_t             *made;       /* its key tells keys apart */
    ngx_int_t                   (*process_header)(ngx_http_request_t *r);
    ngx_int_t                   (*reinit_request)(ngx_http_request_t *r);
};


static ngx_http_apikey_store_t *ngx_http_apikey_store_find(
    ngx_http_apikey_ctx_t *ctx, ngx_http_request_t *r);
static ngx_http_apikey_store_t *ngx_http_apikey_store_get(
    ngx_http_apikey_ctx_t *ctx, ngx_http_request_t *r);
static ngx_uint_t ngx_http_apikey_store_apart(ngx_http_apikey_ctx_t *ctx,
    ngx_http_request_t *r);
static ngx_uint_t ngx_http_apikey_store_permitted(ngx_http_upstream_t *u);
static ngx_uint_t ngx_http_apikey_store_varies(ngx_http_apikey_ctx_t *ctx,
    ngx_http_upstream_t *u);
static ngx_uint_t ngx_http_apikey_store_hidden(
    ngx_http_apikey_loc_conf_t *alcf, ngx_str_t *name);
static ngx_table_elt_t *ngx_http_apikey_store_header(ngx_list_part_t **part,
    ngx_uint_t *i, ngx_str_t *name);
static ngx_uint_t ngx_http_apikey_store_item(ngx_str_t *rest,
    ngx_str_t *name, ngx_str_t *value);
static ngx_uint_t ngx_http_apikey_store_is(ngx_str_t *item, const char *word);
static void ngx_http_apikey_store_notice(ngx_http_request_t *r,
    ngx_http_apikey_ctx_t *ctx, const char *why);
static ngx_int_t ngx_http_apikey_store_content(ngx_http_request_t *r);
static ngx_int_t ngx_http_apikey_store_process_header(ngx_http_request_t *r);
static ngx_int_t ngx_http_apikey_store_reinit(ngx_http_request_t *r);


void
ngx_http_apikey_store_made(ngx_http_request_t *r, ngx_http_apikey_ctx_t *ctx)
{
    ngx_http_apikey_store_t  *store;

    /* the cache key is being made: its length is set right after */

    if (r->cache == NULL || r->cache->header_start) {
        return;
    }

    store = ngx_http_apikey_store_get(ctx, r);

    if (store) {
        store->made = r->cache;
    }
}


void
ngx_http_apikey_store_check(ngx_http_request_t *r)
{
    const char                  *why;
    ngx_http_upstream_t         *u;
    ngx_http_apikey_ctx_t       *ctx;
    ngx_http_apikey_loc_conf_t  *alcf;

    u = r->upstream;

    if (u == NULL || !u->cacheable || r->cache == NULL || r->cached) {
        return;
    }

    ctx = ngx_http_apikey_ctx_get(r->main);
    alcf = ngx_http_get_module_loc_conf(r, ngx_http_apikey_module);

    if (ctx == NULL
        || alcf->shared_cache
        || ngx_http_apikey_store_apart(ctx, r))
    {
        return;
    }

    if ((ctx->credential.key || ctx->credential.malformed)
        && !ngx_http_apikey_store_permitted(u))
    {
        why = "nothing says that they may be shared by keys";

    } else if (ngx_http_apikey_store_varies(ctx, u)) {
        why = "\"Vary\" names a header that \"apikey_hide\" removes";

    } else {
        return;
    }

    u->cacheable = 0;

    ngx_http_apikey_store_notice(r, ctx, why);
}


static ngx_http_apikey_store_t *
ngx_http_apikey_store_find(ngx_http_apikey_ctx_t *ctx, ngx_http_request_t *r)
{
    ngx_http_apikey_store_t  *store;

    for (store = ctx->stores; store; store = store->next) {
        if (store->request == r) {
            break;
        }
    }

    return store;
}


static ngx_http_apikey_store_t *
ngx_http_apikey_store_get(ngx_http_apikey_ctx_t *ctx, ngx_http_request_t *r)
{
    ngx_http_apikey_store_t  *store;

    store = ngx_http_apikey_store_find(ctx, r);
    if (store) {
        return store;
    }

    store = ngx_pcalloc(r->pool, sizeof(ngx_http_apikey_store_t));
    if (store == NULL) {
        return NULL;
    }

    store->request = r;
    store->next = ctx->stores;
    ctx->stores = store;

    return store;
}


/*
 * A background update and a slice are clones of the request that they are
 * made for: nginx has kept the value of a map, say, and doesn't ask for what
 * it was made of again.
 */

static ngx_uint_t
ngx_http_apikey_store_apart(ngx_http_apikey_ctx_t *ctx, ngx_http_request_t *r)
{
    ngx_http_request_t       *parent;
    ngx_http_apikey_store_t  *store;

    if (ctx->stores == NULL) {
        return 0;
    }

    store = ngx_http_apikey_store_find(ctx, r);

    if (store && store->made == r->cache) {
        return 1;
    }

    parent = r->parent;

    if (parent == NULL
        || parent->cache == NULL
        || r->loc_conf != parent->loc_conf
        || r->uri.data != parent->uri.data
        || r->args.data != parent->args.data)
    {
        return 0;
    }

    store = ngx_http_apikey_store_find(ctx, parent);

    return store && store->made == parent->cache;
}


/* What forbids it goes before what allows it, wherever it is written. */

static ngx_uint_t
ngx_http_apikey_store_permitted(ngx_http_upstream_t *u)
{
    ngx_str_t         rest, item, value;
    ngx_uint_t        i, permitted;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    static ngx_str_t  name = ngx_string("cache-control");

    i = 0;
    permitted = 0;
    part = &u->headers_in.headers.part;

    while ((h = ngx_http_apikey_store_header(&part, &i, &name)) != NULL) {
        rest = h->value;

        while (ngx_http_apikey_store_item(&rest, &item, &value)) {

            if (ngx_http_apikey_store_is(&item, "private")
                || ngx_http_apikey_store_is(&item, "no-store")
                || ngx_http_apikey_store_is(&item, "no-cache"))
            {
                return 0;
            }

            if (ngx_http_apikey_store_is(&item, "public")
                || ngx_http_apikey_store_is(&item, "must-revalidate")
                || (ngx_http_apikey_store_is(&item, "s-maxage") && value.len))
            {
                permitted = 1;
            }
        }
    }

    return permitted;
}


/* nginx finds a header that is hidden equally absent in all requests. */

static ngx_uint_t
ngx_http_apikey_store_varies(ngx_http_apikey_ctx_t *ctx,
    ngx_http_upstream_t *u)
{
    ngx_str_t         rest, item, value;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    static ngx_str_t  name = ngx_string("vary");

    if (!ctx->alcf->hide
        || (u->conf->ignore_headers & NGX_HTTP_UPSTREAM_IGN_VARY))
    {
        return 0;
    }

    i = 0;
    part = &u->headers_in.headers.part;

    while ((h = ngx_http_apikey_store_header(&part, &i, &name)) != NULL) {
        rest = h->value;

        while (ngx_http_apikey_store_item(&rest, &item, &value)) {
            if (ngx_http_apikey_store_hidden(ctx->alcf, &item)) {
                return 1;
            }
        }
    }

    return 0;
}


static ngx_uint_t
ngx_http_apikey_store_hidden(ngx_http_apikey_loc_conf_t *alcf, ngx_str_t *name)
{
    ngx_uint_t                 i;
    ngx_str_t                 *header;
    ngx_http_apikey_source_t  *source;

    static ngx_str_t  cookie = ngx_string("cookie");

    source = alcf->sources->elts;

    for (i = 0; i < alcf->sources->nelts; i++) {

        switch (source[i].place) {

        case NGX_HTTP_APIKEY_QUERY:
            continue;

        case NGX_HTTP_APIKEY_COOKIE:
            header = &cookie;
            break;

        default: /* NGX_HTTP_APIKEY_HEADER, NGX_HTTP_APIKEY_BEARER */
            header = &source[i].name;
        }

        if (name->len == header->len
            && ngx_strncasecmp(name->data, header->data, name->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


/* The next header of that name, from the i-th of the part on. */

static ngx_table_elt_t *
ngx_http_apikey_store_header(ngx_list_part_t **part, ngx_uint_t *i,
    ngx_str_t *name)
{
    ngx_table_elt_t  *h;

    for ( ;; ) {

        if (*i >= (*part)->nelts) {
            if ((*part)->next == NULL) {
                return NULL;
            }

            *part = (*part)->next;
            *i = 0;
            continue;
        }

        h = (*part)->elts;
        h = &h[(*i)++];

        if (h->key.len == name->len
            && ngx_strncasecmp(h->key.data, name->data, name->len) == 0)
        {
            return h;
        }
    }
}


/* The next of "name, name=value, name="a, b"". */

static ngx_uint_t
ngx_http_apikey_store_item(ngx_str_t *rest, ngx_str_t *name, ngx_str_t *value)
{
    u_char      *p, *last, *end;
    ngx_uint_t   quoted;

    p = rest->data;
    last = p + rest->len;

    while (p < last && (*p == ' ' || *p == '\t' || *p == ',')) {
        p++;
    }

    if (p == last) {
        return 0;
    }

    name->data = p;

    while (p < last && *p != ',' && *p != '=' && *p != ' ' && *p != '\t') {
        p++;
    }

    name->len = p - name->data;

    value->data = p + 1;
    quoted = 0;

    for (end = p; end < last && (quoted || *end != ','); end++) {

        if (*end == '"') {
            quoted = !quoted;

        } else if (quoted && *end == '\\' && end + 1 < last) {
            end++;
        }
    }

    value->len = (p < end && *p == '=') ? end - value->data : 0;

    rest->data = end;
    rest->len = last - end;

    return 1;
}


static ngx_uint_t
ngx_http_apikey_store_is(ngx_str_t *item, const char *word)
{
    return item->len == ngx_strlen(word)
           && ngx_strncasecmp(item->data, (u_char *) word, item->len) == 0;
}


static void
ngx_http_apikey_store_notice(ngx_http_request_t *r, ngx_http_apikey_ctx_t *ctx,
    const char *why)
{
    ngx_atomic_uint_t         loads, told;
    ngx_http_apikey_score_t  *score;

    /* once a location since nginx was started or reloaded */

    score = ctx->alcf->score;
    loads = ctx->amcf->metrics->loads;
    told = score->unstored;

    if (told == loads || !ngx_atomic_cmp_set(&score->unstored, told, loads)) {
        return;
    }

    ngx_log_error(NGX_LOG_NOTICE, r->connection->log, 0,
                  "responses to requests with a key aren't stored in the "
                  "cache: %s, see \"apikey_shared_cache\"", why);
}


ngx_int_t
ngx_http_apikey_store_handler(ngx_http_request_t *r)
{
    ngx_http_apikey_ctx_t       *ctx;
    ngx_http_core_loc_conf_t    *clcf;
    ngx_http_apikey_loc_conf_t  *alcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (clcf->error_pages == NULL
        || clcf->handler == NULL
        || r->content_handler != clcf->handler)
    {
        return NGX_DECLINED;
    }

    ctx = ngx_http_apikey_ctx_get(r->main);
    alcf = ngx_http_get_module_loc_conf(r, ngx_http_apikey_module);

    if (ctx
        && (ctx->credential.key || ctx->credential.malformed)
        && !alcf->shared_cache)
    {
        r->content_handler = ngx_http_apikey_store_content;
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_apikey_store_content(ngx_http_request_t *r)
{
    ngx_int_t                  rc;
    ngx_http_upstream_t       *u;
    ngx_http_apikey_ctx_t     *ctx;
    ngx_http_apikey_store_t   *store;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    rc = clcf->handler(r);

    /* the response is parsed in an event to come */

    u = r->upstream;

    if (u == NULL
        || u->conf == NULL
        || !u->conf->cache
        || !u->conf->intercept_errors
        || u->process_header == NULL
        || u->process_header == ngx_http_apikey_store_process_header)
    {
        return rc;
    }

    ctx = ngx_http_apikey_ctx_get(r->main);
    store = ctx ? ngx_http_apikey_store_get(ctx, r) : NULL;

    if (store == NULL) {
        u->cacheable = 0;
        return rc;
    }

    store->process_header = u->process_header;
    store->reinit_request = u->reinit_request;

    u->process_header = ngx_http_apikey_store_process_header;
    u->reinit_request = ngx_http_apikey_store_reinit;

    return rc;
}


static ngx_int_t
ngx_http_apikey_store_process_header(ngx_http_request_t *r)
{
    ngx_int_t                 rc;
    ngx_http_upstream_t      *u;
    ngx_http_apikey_store_t  *store;

    u = r->upstream;
    store = ngx_http_apikey_store_find(ngx_http_apikey_ctx_get(r->main), r);

    /* it is replaced by what parses the next lines */

    u->process_header = store->process_header;
    rc = u->process_header(r);

    store->process_header = u->process_header;
    u->process_header = ngx_http_apikey_store_process_header;

    if (rc == NGX_OK && u->headers_in.status_n >= NGX_HTTP_SPECIAL_RESPONSE) {
        ngx_http_apikey_store_check(r);
    }

    return rc;
}


static ngx_int_t
ngx_http_apikey_store_reinit(ngx_http_request_t *r)
{
    ngx_int_t                 rc;
    ngx_http_upstream_t      *u;
    ngx_http_apikey_store_t  *store;

    u = r->upstream;
    store = ngx_http_apikey_store_find(ngx_http_apikey_ctx_get(r->main), r);

    rc = store->reinit_request(r);

    store->process_header = u->process_header;
    u->process_header = ngx_http_apikey_store_process_header;

    return rc;
}


#else


void
ngx_http_apikey_store_made(ngx_http_request_t *r, ngx_http_apikey_ctx_t *ctx)
{
}


void
ngx_http_apikey_store_check(ngx_http_request_t *r)
{
}


ngx_int_t
ngx_http_apikey_store_handler(ngx_http_request_t *r)
{
    return NGX_DECLINED;
}


#endif
