/* What a key may do at a location. */

#include "ngx_http_apikey.h"


static ngx_str_t *ngx_http_apikey_policy_verb(ngx_http_request_t *r);
static ngx_int_t ngx_http_apikey_policy_tenant(ngx_http_request_t *r,
    ngx_http_apikey_loc_conf_t *alcf, ngx_http_apikey_ctx_t *ctx);
static ngx_http_apikey_result_e ngx_http_apikey_policy_scope(
    ngx_http_apikey_loc_conf_t *alcf, ngx_str_t *method,
    apikey_record_t *record);
static ngx_str_t *ngx_http_apikey_policy_need(ngx_http_apikey_loc_conf_t *alcf,
    ngx_str_t *method);
static ngx_uint_t ngx_http_apikey_policy_granted(apikey_record_t *record,
    ngx_str_t *scope);


ngx_http_apikey_result_e
ngx_http_apikey_policy_standing(ngx_http_apikey_ctx_t *ctx)
{
    uint64_t          now;
    apikey_record_t  *record;

    if (ctx->entry == NULL) {
        return NGX_HTTP_APIKEY_NONE;
    }

    record = ctx->entry->record;

    /* before Redis has told the time, the question takes care of it */
    now = ctx->now ? ctx->now / 1000000 : record->not_before;

    switch (apikey_record_usable(record, now)) {

    case APIKEY_IS_REVOKED:
        return NGX_HTTP_APIKEY_REVOKED;

    case APIKEY_IS_DISABLED:
        return NGX_HTTP_APIKEY_DISABLED;

    case APIKEY_IS_EXPIRED:
    case APIKEY_IS_EARLY:
        return NGX_HTTP_APIKEY_EXPIRED;

    default: /* APIKEY_USABLE */
        return NGX_HTTP_APIKEY_OK;
    }
}


ngx_http_apikey_result_e
ngx_http_apikey_policy_judge(ngx_http_request_t *r,
    ngx_http_apikey_loc_conf_t *alcf, ngx_http_apikey_ctx_t *ctx)
{
    size_t            len;
    u_char           *addr;
    apikey_record_t  *record;

    record = ctx->entry->record;
    len = ngx_http_apikey_client_address(r, &addr);

    if (!apikey_record_allows(record, addr, len)) {
        return NGX_HTTP_APIKEY_ADDRESS;
    }

    if (alcf->binds && ngx_http_apikey_policy_tenant(r, alcf, ctx) != NGX_OK) {
        return NGX_HTTP_APIKEY_TENANT;
    }

    if (!ngx_http_apikey_policy_method(r, alcf)) {
        return NGX_HTTP_APIKEY_METHOD;
    }

    return ngx_http_apikey_policy_scope(alcf,
                                        ngx_http_apikey_policy_verb(r),
                                        record);
}


ngx_uint_t
ngx_http_apikey_policy_method(ngx_http_request_t *r,
    ngx_http_apikey_loc_conf_t *alcf)
{
    return alcf->methods == NULL
           || ngx_http_apikey_rule_covers(alcf->methods,
                                          ngx_http_apikey_policy_verb(r));
}


ngx_uint_t
ngx_http_apikey_policy_anonymous(ngx_http_request_t *r,
    ngx_http_apikey_loc_conf_t *alcf)
{
    return alcf->anonymous == NULL
           || ngx_http_apikey_rule_covers(alcf->anonymous,
                                          ngx_http_apikey_policy_verb(r));
}


/* Fetch: OPTIONS with Origin and Access-Control-Request-Method */

ngx_uint_t
ngx_http_apikey_policy_preflight(ngx_http_request_t *r)
{
    ngx_uint_t        i, origin, method;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    if (r->method != NGX_HTTP_OPTIONS) {
        return 0;
    }

    origin = 0;
    method = 0;

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

        if (h[i].value.len == 0) {
            continue;
        }

        if (h[i].key.len == sizeof("Origin") - 1
            && ngx_strncasecmp(h[i].key.data, (u_char *) "Origin",
                               h[i].key.len)
               == 0)
        {
            origin = 1;

        } else if (h[i].key.len == sizeof("Access-Control-Request-Method") - 1
                   && ngx_strncasecmp(h[i].key.data,
                             (u_char *) "Access-Control-Request-Method",
                             h[i].key.len)
                      == 0)
        {
            method = 1;
        }
    }

    return origin && method;
}


/* HEAD is GET. */

static ngx_str_t *
ngx_http_apikey_policy_verb(ngx_http_request_t *r)
{
    static ngx_str_t  get = ngx_string("GET");

    return (r->method == NGX_HTTP_HEAD) ? &get : &r->method_name;
}


/*
 * A key that isn't bound passes.  NGX_DECLINED, also where the value is
 * empty or can't be told.
 */

static ngx_int_t
ngx_http_apikey_policy_tenant(ngx_http_request_t *r,
    ngx_http_apikey_loc_conf_t *alcf, ngx_http_apikey_ctx_t *ctx)
{
    ngx_str_t                value;
    ngx_uint_t               i;
    apikey_text_t            text, *tenant;
    apikey_record_t         *record;
    ngx_http_apikey_bind_t  *bind;

    record = ctx->entry->record;
    bind = alcf->binds->elts;

    for (i = 0; i < alcf->binds->nelts; i++) {

        switch (bind[i].tenant) {

        case NGX_HTTP_APIKEY_ORG:
            tenant = &record->org;
            break;

        case NGX_HTTP_APIKEY_PROJECT:
            tenant = &record->project;
            break;

        default: /* NGX_HTTP_APIKEY_SERVICE */
            tenant = &record->service;
        }

        if (tenant->len == 0) {
            continue;
        }

        if (ngx_http_apikey_captures_value(r, ctx, &bind[i].value,
                                           &value) != NGX_OK) {
            return NGX_DECLINED;
        }

        text.data = (char *) value.data;
        text.len = value.len;

        if (!apikey_text_equal(*tenant, text)) {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


static ngx_http_apikey_result_e
ngx_http_apikey_policy_scope(ngx_http_apikey_loc_conf_t *alcf,
    ngx_str_t *method, apikey_record_t *record)
{
    ngx_str_t               *scope;
    ngx_uint_t               i, k, covered, lacking;
    ngx_http_apikey_rule_t  *rule;

    covered = 0;
    lacking = 0;

    if (alcf->resource.len) {
        covered = 1;
        lacking = !ngx_http_apikey_policy_granted(record,
                                         ngx_http_apikey_policy_need(alcf,
                                                                     method));
    }

    if (alcf->rules == NULL) {
        return lacking ? NGX_HTTP_APIKEY_SCOPE : NGX_HTTP_APIKEY_OK;
    }

    rule = alcf->rules->elts;

    for (i = 0; i < alcf->rules->nelts; i++) {

        if (rule[i].methods && !ngx_http_apikey_rule_covers(rule[i].methods,
                                                            method))
        {
            continue;
        }

        covered = 1;
        scope = rule[i].scopes->elts;

        for (k = 0; k < rule[i].scopes->nelts; k++) {
            lacking |= !ngx_http_apikey_policy_granted(record, &scope[k]);
        }
    }

    if (!covered) {
        return NGX_HTTP_APIKEY_METHOD;
    }

    return lacking ? NGX_HTTP_APIKEY_SCOPE : NGX_HTTP_APIKEY_OK;
}


/* Of apikey_resource. */

static ngx_str_t *
ngx_http_apikey_policy_need(ngx_http_apikey_loc_conf_t *alcf, ngx_str_t *method)
{
    return &alcf->needs[apikey_scope_action(ngx_http_apikey_text(method))];
}


static ngx_uint_t
ngx_http_apikey_policy_granted(apikey_record_t *record, ngx_str_t *scope)
{
    apikey_text_t  required;

    required.data = (char *) scope->data;
    required.len = scope->len;

    return apikey_scope_allows(record->scopes, required);
}
