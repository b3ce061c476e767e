#include "ngx_http_apikey.h"


static ngx_int_t ngx_http_apikey_record_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_apikey_plan_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_apikey_result_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_apikey_failover_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_apikey_quota_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_apikey_time_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_apikey_args_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_apikey_request_uri_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);

static ngx_http_apikey_ctx_t *ngx_http_apikey_variables_known(
    ngx_http_request_t *r);
static void ngx_http_apikey_variables_set(ngx_http_variable_value_t *v,
    const char *data, size_t len);


static ngx_http_variable_t  ngx_http_apikey_vars[] = {

    { ngx_string("apikey_id"), NULL, ngx_http_apikey_record_variable,
      offsetof(apikey_record_t, id), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("apikey_name"), NULL, ngx_http_apikey_record_variable,
      offsetof(apikey_record_t, name), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("apikey_org"), NULL, ngx_http_apikey_record_variable,
      offsetof(apikey_record_t, org), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("apikey_project"), NULL, ngx_http_apikey_record_variable,
      offsetof(apikey_record_t, project), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("apikey_service"), NULL, ngx_http_apikey_record_variable,
      offsetof(apikey_record_t, service), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("apikey_scopes"), NULL, ngx_http_apikey_record_variable,
      offsetof(apikey_record_t, scopes), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("apikey_plan"), NULL, ngx_http_apikey_plan_variable,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("apikey_result"), NULL, ngx_http_apikey_result_variable,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("apikey_failover"), NULL, ngx_http_apikey_failover_variable,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("apikey_limit"), NULL, ngx_http_apikey_quota_variable,
      offsetof(apikey_quota_t, limit), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("apikey_remaining"), NULL, ngx_http_apikey_quota_variable,
      offsetof(apikey_quota_t, remaining), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("apikey_reset"), NULL, ngx_http_apikey_quota_variable,
      offsetof(apikey_quota_t, reset), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("apikey_time"), NULL, ngx_http_apikey_time_variable,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("apikey_args"), NULL, ngx_http_apikey_args_variable,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("apikey_request_uri"), NULL,
      ngx_http_apikey_request_uri_variable,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


ngx_int_t
ngx_http_apikey_variables_add(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_apikey_vars; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


ngx_http_variable_t *
ngx_http_apikey_find_variable(ngx_conf_t *cf, ngx_str_t *name)
{
    ngx_uint_t                  i;
    ngx_hash_key_t             *key;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    key = cmcf->variables_keys->keys.elts;

    for (i = 0; i < cmcf->variables_keys->keys.nelts; i++) {
        if (key[i].key.len == name->len
            && ngx_strncasecmp(key[i].key.data, name->data, name->len) == 0)
        {
            return key[i].value;
        }
    }

    return NULL;
}


/*
 * Upstreams take these for the identity of the client, so they speak of
 * no key but one that is genuine and may be used now, from here.
 */

static ngx_http_apikey_ctx_t *
ngx_http_apikey_variables_known(ngx_http_request_t *r)
{
    ngx_http_apikey_ctx_t  *ctx;

    ctx = ngx_http_apikey_ctx_get(r->main);

    if (ctx == NULL || ctx->entry == NULL || !ctx->question.confirmed) {
        return NULL;
    }

    switch (ctx->answer.result) {

    case NGX_HTTP_APIKEY_OK:
    case NGX_HTTP_APIKEY_DRY_RUN:
    case NGX_HTTP_APIKEY_TENANT:
    case NGX_HTTP_APIKEY_METHOD:
    case NGX_HTTP_APIKEY_SCOPE:
    case NGX_HTTP_APIKEY_LIMITED:
        return ctx;

    default:
        return NULL;
    }
}


static ngx_int_t
ngx_http_apikey_record_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    apikey_text_t          *text;
    ngx_http_apikey_ctx_t  *ctx;

    ctx = ngx_http_apikey_variables_known(r);

    if (ctx == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    text = (apikey_text_t *) ((u_char *) ctx->entry->record + data);

    ngx_http_apikey_variables_set(v, text->data, text->len);

    if (text->len
        && (data == offsetof(apikey_record_t, id)
            || data == offsetof(apikey_record_t, org)
            || data == offsetof(apikey_record_t, project)
            || data == offsetof(apikey_record_t, service)))
    {
        ngx_http_apikey_store_made(r, ctx);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_apikey_plan_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t              *plan;
    ngx_http_apikey_ctx_t  *ctx;

    ctx = ngx_http_apikey_ctx_get(r->main);

    if (ctx && ctx->count.meter.limits
        && (ctx->answer.result == NGX_HTTP_APIKEY_ANONYMOUS
            || ngx_http_apikey_variables_known(r)))
    {
        plan = &ctx->count.meter.plan;
        ngx_http_apikey_variables_set(v, (char *) plan->data, plan->len);
        return NGX_OK;
    }

    return ngx_http_apikey_record_variable(r, v,
                                           offsetof(apikey_record_t, plan));
}


static ngx_int_t
ngx_http_apikey_result_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t              *name;
    ngx_http_apikey_ctx_t  *ctx;

    ctx = ngx_http_apikey_ctx_get(r->main);

    name = ngx_http_apikey_result_name(ctx ? ctx->answer.result
                                           : NGX_HTTP_APIKEY_NONE);

    ngx_http_apikey_variables_set(v, (char *) name->data, name->len);

    return NGX_OK;
}


/* "stale", "allow", "local", or the first and one of the others. */

static ngx_int_t
ngx_http_apikey_failover_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                 *p;
    ngx_uint_t              by;
    ngx_http_apikey_ctx_t  *ctx;

    ctx = ngx_http_apikey_ctx_get(r->main);

    p = ngx_pnalloc(r->pool, sizeof("stale,allow,local") - 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_http_apikey_variables_set(v, (char *) p, 0);

    for (by = 0; ctx && by < NGX_HTTP_APIKEY_FAILOVERS; by++) {
        if (ngx_http_apikey_failover_served(ctx, by)) {
            p = ngx_sprintf(p, "%s%s", v->len ? "," : "",
                            ngx_http_apikey_failover_name(by));
            v->len = p - v->data;
        }
    }

    if (v->len == 0) {
        ngx_http_apikey_variables_set(v, "-", 1);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_apikey_quota_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                 *p;
    uint64_t                n;
    ngx_http_apikey_ctx_t  *ctx;

    ctx = ngx_http_apikey_ctx_get(r->main);

    if (ctx == NULL || !ctx->count.metered) {
        v->not_found = 1;
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, NGX_INT64_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    n = *(uint64_t *) ((u_char *) &ctx->count.quota + data);

    ngx_http_apikey_variables_set(v, (char *) p,
                                  ngx_sprintf(p, "%uL", n) - p);

    return NGX_OK;
}


static ngx_int_t
ngx_http_apikey_time_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                 *p;
    ngx_http_apikey_ctx_t  *ctx;

    ctx = ngx_http_apikey_ctx_get(r->main);

    if (ctx == NULL || ctx->answer.result == NGX_HTTP_APIKEY_NONE) {
        v->not_found = 1;
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, NGX_INT64_LEN + 4);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_http_apikey_variables_set(v, (char *) p,
                        ngx_sprintf(p, "%M.%03M", ctx->spent / 1000,
                                    ctx->spent % 1000) - p);

    return NGX_OK;
}


/* Before the access phase nobody has looked for a key yet. */

static ngx_int_t
ngx_http_apikey_args_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t               args;
    ngx_http_apikey_ctx_t  *ctx;

    ctx = ngx_http_apikey_ctx_get(r->main);

    if (ctx && ctx->credential.masked) {
        args = ctx->credential.args;

    } else {
        args = r->main->args;

        if (ngx_http_apikey_mask(r->main, &args, NULL) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    ngx_http_apikey_variables_set(v, (char *) args.data, args.len);

    return NGX_OK;
}


/* As the client has sent it, but for the key. */

static ngx_int_t
ngx_http_apikey_request_uri_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t               uri;
    ngx_http_apikey_ctx_t  *ctx;

    ctx = ngx_http_apikey_ctx_get(r->main);

    if (ctx && ctx->credential.masked) {
        uri = ctx->credential.uri;

    } else {
        uri = r->main->unparsed_uri;

        if (ngx_http_apikey_mask(r->main, NULL, &uri) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    ngx_http_apikey_variables_set(v, (char *) uri.data, uri.len);

    return NGX_OK;
}


static void
ngx_http_apikey_variables_set(ngx_http_variable_value_t *v, const char *data,
    size_t len)
{
    v->data = (u_char *) data;
    v->len = len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
}
