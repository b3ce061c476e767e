/* Where a request carries its key: found, checked, hashed, hidden. */

#include "ngx_http_apikey.h"

#include <sodium.h>


/* What one source holds. */
typedef struct {
    ngx_str_t                  value;
    ngx_uint_t                 count;   /* of headers, parameters, cookies */
} ngx_http_apikey_found_t;


static ngx_int_t ngx_http_apikey_credential_header(ngx_http_request_t *r,
    ngx_http_apikey_source_t *source, ngx_http_apikey_found_t *found,
    ngx_uint_t hide);
static ngx_int_t ngx_http_apikey_credential_query(ngx_http_request_t *r,
    ngx_http_apikey_source_t *source, ngx_http_apikey_found_t *found,
    ngx_uint_t hide);
static ngx_int_t ngx_http_apikey_credential_hide_referer(ngx_http_request_t *r,
    ngx_str_t *name);
static ngx_int_t ngx_http_apikey_credential_cookie(ngx_http_request_t *r,
    ngx_http_apikey_source_t *source, ngx_http_apikey_found_t *found,
    ngx_uint_t hide);
static ngx_uint_t ngx_http_apikey_credential_cookie_next(ngx_str_t *rest,
    ngx_str_t *cookie, ngx_str_t *name, ngx_str_t *value);
static ngx_int_t ngx_http_apikey_credential_hide_cookie(ngx_http_request_t *r,
    ngx_table_elt_t *h, ngx_str_t *hidden);
static ngx_uint_t ngx_http_apikey_credential_is_header(ngx_table_elt_t *h,
    ngx_http_apikey_source_t *source);
static ngx_int_t ngx_http_apikey_credential_remove_header(ngx_http_request_t *r,
    ngx_list_part_t *part, ngx_uint_t i);
static ngx_uint_t ngx_http_apikey_credential_bearer(ngx_str_t *value);
static void ngx_http_apikey_credential_trim(ngx_str_t *value);
static void ngx_http_apikey_credential_take(ngx_http_apikey_ctx_t *ctx,
    ngx_http_apikey_found_t *found);


ngx_int_t
ngx_http_apikey_credential_find(ngx_http_request_t *r,
    ngx_http_apikey_loc_conf_t *alcf, ngx_http_apikey_ctx_t *ctx)
{
    ngx_int_t                  rc;
    ngx_uint_t                 i, done;
    ngx_http_apikey_found_t    found;
    ngx_http_apikey_source_t  *source;

    if (!ctx->credential.masked) {
        ctx->credential.args = r->args;
        ctx->credential.uri = r->unparsed_uri;
        ctx->credential.masked = 1;
    }

    if (ngx_http_apikey_mask(r, &ctx->credential.args,
                             &ctx->credential.uri) != NGX_OK) {
        return NGX_ERROR;
    }

    /* a key that was found before an internal redirect stays the key */
    done = ctx->credential.key || ctx->credential.malformed;

    source = alcf->sources->elts;

    for (i = 0; i < alcf->sources->nelts; i++) {

        ngx_memzero(&found, sizeof(ngx_http_apikey_found_t));

        switch (source[i].place) {

        case NGX_HTTP_APIKEY_QUERY:
            rc = ngx_http_apikey_credential_query(r, &source[i], &found,
                                                  alcf->hide);
            break;

        case NGX_HTTP_APIKEY_COOKIE:
            rc = ngx_http_apikey_credential_cookie(r, &source[i], &found,
                                                   alcf->hide);
            break;

        default: /* NGX_HTTP_APIKEY_HEADER, NGX_HTTP_APIKEY_BEARER */
            rc = ngx_http_apikey_credential_header(r, &source[i], &found,
                                                   alcf->hide);
        }

        if (rc != NGX_OK) {
            return rc;
        }

        if (alcf->hide && found.count) {
            ctx->credential.hidden |= source[i].hidden;
        }

        if (!done && (found.value.len || found.count > 1)) {
            ngx_log_debug2(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                           "apikey credential in \"%V\", %ui times",
                           &source[i].name, found.count);

            ngx_http_apikey_credential_take(ctx, &found);
            done = 1;
        }

        if (source[i].place == NGX_HTTP_APIKEY_QUERY && found.value.len) {
            /* a copy */
            ngx_explicit_memzero(found.value.data, found.value.len);
        }
    }

    return NGX_OK;
}


static void
ngx_http_apikey_credential_take(ngx_http_apikey_ctx_t *ctx,
    ngx_http_apikey_found_t *found)
{
    const apikey_seen_t  *seen;

    seen = NULL;

    if (found->count <= 1) {
        seen = apikey_memo_token(ctx->amcf->memo,
                                 ngx_http_apikey_text(&found->value),
                                 ctx->alcf->format == NGX_HTTP_APIKEY_ANY);
    }

    if (seen == NULL) {
        ctx->credential.malformed = 1;
        return;
    }

    ngx_memcpy(ctx->credential.digest, seen->digest, APIKEY_DIGEST_SIZE);
    ctx->credential.own = seen->own;
    ctx->credential.key = 1;

    if (ctx->amcf->cache) {
        ngx_http_apikey_records_expect(ctx->amcf->cache,
                                       ctx->credential.digest);
    }

    if (ctx->amcf->zone) {
        ngx_http_apikey_zone_expect(ctx->amcf->zone, ctx->credential.digest);
    }
}


static ngx_int_t
ngx_http_apikey_credential_header(ngx_http_request_t *r,
    ngx_http_apikey_source_t *source, ngx_http_apikey_found_t *found,
    ngx_uint_t hide)
{
    ngx_str_t         value;
    ngx_uint_t        i, ours;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    ours = source->place == NGX_HTTP_APIKEY_HEADER;

    part = &r->headers_in.headers.part;
    h = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                break;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        if (!ngx_http_apikey_credential_is_header(&h[i], source)) {
            continue;
        }

        found->count++;
        value = h[i].value;

        if (source->place == NGX_HTTP_APIKEY_BEARER) {

            if (!ngx_http_apikey_credential_bearer(&value)) {
                continue;
            }

            ours = 1;
        }

        ngx_http_apikey_credential_trim(&value);

        if (value.len) {
            found->value = value;
        }

        if (hide) {
            if (r->headers_in.authorization == &h[i]) {
                r->headers_in.authorization = NULL;
            }

            if (ngx_http_apikey_credential_remove_header(r, part,
                                                         i) != NGX_OK) {
                return NGX_ERROR;
            }

            /* what stood behind is found at the same place */

            h = part->elts;
            i--;
        }
    }

    if (!ours) {
        found->count = 0;
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_apikey_credential_is_header(ngx_table_elt_t *h,
    ngx_http_apikey_source_t *source)
{
    return h->hash == source->hash
           && h->key.len == source->name.len
           && ngx_strncasecmp(h->key.data, source->name.data, h->key.len) == 0;
}


/*
 * Upstream modules send every element of the list, so it has to leave the
 * list.  The others mustn't move, for headers_in points at them, and no part
 * but the first may be empty, for nobody expects that.
 */

static ngx_int_t
ngx_http_apikey_credential_remove_header(ngx_http_request_t *r,
    ngx_list_part_t *part, ngx_uint_t i)
{
    ngx_list_t       *list;
    ngx_list_part_t  *other;
    ngx_table_elt_t  *h;

    list = &r->headers_in.headers;
    h = part->elts;

    if (part->nelts == 1 && part != &list->part) {

        for (other = &list->part; other->next != part; other = other->next) {
            /* void */
        }

        other->next = part->next;

        if (list->last == part) {
            list->last = other;
            /* parts to come are of this size, so it mustn't be 0 */
            list->nalloc = ngx_max(other->nelts, 1);
        }

        part->nelts = 0;

        return NGX_OK;
    }

    if (i == part->nelts - 1) {
        part->nelts--;
        return NGX_OK;
    }

    if (i == 0) {
        part->elts = &h[1];
        part->nelts--;

        if (list->last == part) {
            list->nalloc--;
        }

        return NGX_OK;
    }

    other = ngx_palloc(r->pool, sizeof(ngx_list_part_t));
    if (other == NULL) {
        return NGX_ERROR;
    }

    other->elts = &h[i + 1];
    other->nelts = part->nelts - i - 1;
    other->next = part->next;

    if (list->last == part) {
        list->last = other;
        list->nalloc -= i + 1;
    }

    part->nelts = i;
    part->next = other;

    return NGX_OK;
}


/* Cuts off the scheme; 0: it is another one. */

static ngx_uint_t
ngx_http_apikey_credential_bearer(ngx_str_t *value)
{
    size_t  len;

    len = sizeof("Bearer") - 1;

    if (value->len < len
        || ngx_strncasecmp(value->data, (u_char *) "Bearer", len) != 0
        || (value->len > len
            && value->data[len] != ' ' && value->data[len] != '\t'))
    {
        return 0;
    }

    value->data += len;
    value->len -= len;

    return 1;
}


static ngx_int_t
ngx_http_apikey_credential_query(ngx_http_request_t *r,
    ngx_http_apikey_source_t *source, ngx_http_apikey_found_t *found,
    ngx_uint_t hide)
{
    ngx_pool_t  *pool;
    ngx_str_t   *name;

    pool = r->pool;
    name = &source->name;

    if (r->args.len) {

        if (ngx_http_apikey_query_value(pool, &r->args, name, &found->value,
                                        &found->count)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        ngx_http_apikey_credential_trim(&found->value);
    }

    if (!hide) {
        return NGX_OK;
    }

    /*
     * Upstreams are sent either of them; a key that a rewrite has dropped of
     * the one still is in the other.
     */

    if (ngx_http_apikey_query_rewrite(pool, &r->args, name, NULL) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_http_apikey_query_rewrite_uri(pool, &r->unparsed_uri, name, NULL)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return r->headers_in.referer ? ngx_http_apikey_credential_hide_referer(r,
                                                                           name)
                                 : NGX_OK;
}


/* A page whose address has the key sends it along with all that it asks for. */

static ngx_int_t
ngx_http_apikey_credential_hide_referer(ngx_http_request_t *r, ngx_str_t *name)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    static ngx_http_apikey_source_t  header = {
        NGX_HTTP_APIKEY_HEADER, ngx_string("referer"), 0, 0
    };

    header.hash = ngx_hash_key(header.name.data, header.name.len);

    part = &r->headers_in.headers.part;
    h = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                break;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        if (ngx_http_apikey_credential_is_header(&h[i], &header)
            && ngx_http_apikey_query_rewrite_uri(r->pool, &h[i].value, name,
                                                 NULL)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_apikey_credential_cookie(ngx_http_request_t *r,
    ngx_http_apikey_source_t *source, ngx_http_apikey_found_t *found,
    ngx_uint_t hide)
{
    ngx_str_t         rest, cookie, name, value;
    ngx_uint_t        i, here;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    static ngx_http_apikey_source_t  header = {
        NGX_HTTP_APIKEY_HEADER, ngx_string("cookie"), 0, 0
    };

    header.hash = ngx_hash_key(header.name.data, header.name.len);

    part = &r->headers_in.headers.part;
    h = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                break;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        if (!ngx_http_apikey_credential_is_header(&h[i], &header)) {
            continue;
        }

        here = 0;
        rest = h[i].value;

        while (ngx_http_apikey_credential_cookie_next(&rest, &cookie, &name,
                                                      &value)) {

            if (name.len != source->name.len
                || ngx_strncmp(name.data, source->name.data, name.len) != 0)
            {
                continue;
            }

            here++;

            if (value.len) {
                found->value = value;
            }
        }

        found->count += here;

        if (!here || !hide) {
            continue;
        }

        if (ngx_http_apikey_credential_hide_cookie(r, &h[i],
                                                   &source->name) != NGX_OK) {
            return NGX_ERROR;
        }

        if (h[i].value.len == 0) {
            /* $http_cookie still finds it */
            h[i].hash = 0;

            if (ngx_http_apikey_credential_remove_header(r, part,
                                                         i) != NGX_OK) {
                return NGX_ERROR;
            }

            h = part->elts;
            i--;
        }
    }

    return NGX_OK;
}


/* The next of "name=value; name=value": as it stands, and its parts. */

static ngx_uint_t
ngx_http_apikey_credential_cookie_next(ngx_str_t *rest, ngx_str_t *cookie,
    ngx_str_t *name, ngx_str_t *value)
{
    u_char  *p, *last;

    if (rest->data == NULL) {
        return 0;
    }

    last = rest->data + rest->len;
    p = ngx_strlchr(rest->data, last, ';');

    cookie->data = rest->data;
    cookie->len = (p ? p : last) - rest->data;

    if (p) {
        rest->data = p + 1;
        rest->len = last - rest->data;

    } else {
        ngx_str_null(rest);
    }

    last = cookie->data + cookie->len;
    p = ngx_strlchr(cookie->data, last, '=');

    name->data = cookie->data;
    name->len = (p ? p : last) - cookie->data;
    value->data = p ? p + 1 : last;
    value->len = last - value->data;

    ngx_http_apikey_credential_trim(name);
    ngx_http_apikey_credential_trim(value);

    return 1;
}


static ngx_int_t
ngx_http_apikey_credential_hide_cookie(ngx_http_request_t *r,
    ngx_table_elt_t *h, ngx_str_t *hidden)
{
    u_char      *p, *data;
    ngx_str_t    rest, cookie, name, value;
    ngx_uint_t   first;

    data = ngx_pnalloc(r->pool, h->value.len + 1);
    if (data == NULL) {
        return NGX_ERROR;
    }

    first = 1;
    p = data;
    rest = h->value;

    while (ngx_http_apikey_credential_cookie_next(&rest, &cookie, &name,
                                                  &value)) {

        if (name.len == hidden->len
            && ngx_strncmp(name.data, hidden->data, name.len) == 0)
        {
            continue;
        }

        if (!first) {
            *p++ = ';';
        }

        first = 0;
        p = ngx_cpymem(p, cookie.data, cookie.len);
    }

    *p = '\0';

    h->value.data = data;
    h->value.len = p - data;

    ngx_http_apikey_credential_trim(&h->value);

    return NGX_OK;
}


static void
ngx_http_apikey_credential_trim(ngx_str_t *value)
{
    while (value->len
           && (value->data[0] == ' ' || value->data[0] == '\t'))
    {
        value->data++;
        value->len--;
    }

    while (value->len
           && (value->data[value->len - 1] == ' '
               || value->data[value->len - 1] == '\t'))
    {
        value->len--;
    }
}
