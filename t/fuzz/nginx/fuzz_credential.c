#include "ngx_http_apikey_fuzz.h"


static ngx_http_request_t *fuzz_request(ngx_pool_t *pool, void **loc_conf);
static void fuzz_header(ngx_http_request_t *r, apikey_text_t line);
static ngx_str_t fuzz_string(ngx_pool_t *pool, apikey_text_t text);
static void fuzz_look(ngx_http_request_t *r, ngx_http_apikey_ctx_t *ctx);


/*
 * The location's number as a character, the query, a newline, and the headers
 * as nginx has parsed them, "Name:value", a line each.
 */
int
fuzz_credential(const uint8_t *data, size_t size)
{
    void                   ***loc_conf;
    ngx_pool_t               *pool;
    apikey_text_t             line;
    ngx_http_request_t       *r;
    ngx_http_apikey_ctx_t     first, second;

    if (size == 0) {
        return 0;
    }

    loc_conf = fuzz_conf->locations.elts;
    pool = fuzz_pool_create();
    r = fuzz_request(pool, loc_conf[data[0] % fuzz_conf->locations.nelts]);

    data++;
    size--;

    line = fuzz_line(&data, &size);
    r->args = fuzz_string(pool, line);
    r->unparsed_uri = fuzz_string(pool, line);
    r->request_line = fuzz_string(pool, line);
    fuzz_free(line);

    while (size) {
        line = fuzz_line(&data, &size);
        fuzz_header(r, line);
        fuzz_free(line);
    }

    must(ngx_http_apikey_mask_handler(r) == NGX_DECLINED);

    fuzz_look(r, &first);
    fuzz_look(r, &second);

    must(!first.credential.key || !first.credential.malformed);

    if (first.alcf->hide) {
        /* nothing is left of it */
        must(!second.credential.key && !second.credential.malformed);

    } else {
        must(first.credential.key == second.credential.key);
        must(first.credential.malformed == second.credential.malformed);
        must(!first.credential.key
             || ngx_memcmp(first.credential.digest, second.credential.digest,
                           APIKEY_DIGEST_SIZE)
                == 0);
    }

    must(ngx_http_apikey_mask_log_handler(r) == NGX_OK);

    ngx_destroy_pool(pool);

    return 0;
}


static ngx_http_request_t *
fuzz_request(ngx_pool_t *pool, void **loc_conf)
{
    ngx_connection_t     *c;
    ngx_http_request_t   *r;
    ngx_http_conf_ctx_t  *ctx;

    c = ngx_pcalloc(pool, sizeof(ngx_connection_t));
    r = ngx_pcalloc(pool, sizeof(ngx_http_request_t));
    must(c != NULL && r != NULL);

    c->log = fuzz_cf->log;

    ctx = fuzz_cf->ctx;

    r->connection = c;
    r->pool = pool;
    r->main = r;
    r->main_conf = ctx->main_conf;
    r->srv_conf = ctx->srv_conf;
    r->loc_conf = loc_conf;

    r->ctx = ngx_pcalloc(pool, sizeof(void *) * ngx_http_max_module);
    must(r->ctx != NULL);

    must(ngx_list_init(&r->headers_in.headers, pool, 4,
                       sizeof(ngx_table_elt_t))
         == NGX_OK);

    return r;
}


static void
fuzz_header(ngx_http_request_t *r, apikey_text_t line)
{
    size_t            n;
    const char       *colon;
    apikey_text_t     name, value;
    ngx_table_elt_t  *h;

    colon = line.len ? memchr(line.data, ':', line.len) : NULL;

    if (colon == NULL || colon == line.data) {
        return;
    }

    n = colon - line.data;

    name.data = line.data;
    name.len = n;
    value.data = colon + 1;
    value.len = line.len - n - 1;

    h = ngx_list_push(&r->headers_in.headers);
    must(h != NULL);

    h->key = fuzz_string(r->pool, name);
    h->value = fuzz_string(r->pool, value);
    h->lowcase_key = ngx_pnalloc(r->pool, n);
    must(h->lowcase_key != NULL);

    h->hash = ngx_hash_strlow(h->lowcase_key, h->key.data, n);

#if (nginx_version >= 1023000)
    h->next = NULL;
#endif

    if (n == sizeof("authorization") - 1
        && ngx_strncmp(h->lowcase_key, "authorization", n) == 0)
    {
        r->headers_in.authorization = h;
    }

    if (n == sizeof("referer") - 1
        && ngx_strncmp(h->lowcase_key, "referer", n) == 0)
    {
        r->headers_in.referer = h;
    }
}


/* As nginx has it, with a zero byte behind. */

static ngx_str_t
fuzz_string(ngx_pool_t *pool, apikey_text_t text)
{
    ngx_str_t  s;

    s.len = text.len;
    s.data = ngx_pnalloc(pool, text.len + 1);
    must(s.data != NULL);

    if (text.len) {
        ngx_memcpy(s.data, text.data, text.len);
    }

    s.data[text.len] = '\0';

    return s;
}


static void
fuzz_look(ngx_http_request_t *r, ngx_http_apikey_ctx_t *ctx)
{
    ngx_memzero(ctx, sizeof(ngx_http_apikey_ctx_t));

    ctx->request = r;
    ctx->amcf = ngx_http_get_module_main_conf(r, ngx_http_apikey_module);
    ctx->alcf = ngx_http_get_module_loc_conf(r, ngx_http_apikey_module);

    must(ngx_http_apikey_credential_find(r, ctx->alcf, ctx) == NGX_OK);
}
