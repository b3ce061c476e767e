/* apikey_self: what a client may know of its own key. */

#include "ngx_http_apikey_report.h"


static ngx_int_t ngx_http_apikey_self_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_apikey_self_refuse(ngx_http_apikey_ctx_t *ctx);
static void ngx_http_apikey_self_print(ngx_http_apikey_writer_t *w,
    ngx_http_apikey_ctx_t *ctx);
static void ngx_http_apikey_self_text(ngx_http_apikey_writer_t *w,
    const char *name, const char *data, size_t len);
static void ngx_http_apikey_self_scopes(ngx_http_apikey_writer_t *w,
    apikey_text_t scopes);
static void ngx_http_apikey_self_limits(ngx_http_apikey_writer_t *w,
    ngx_http_apikey_ctx_t *ctx);


static ngx_http_complex_value_t  ngx_http_apikey_self_free = {
    ngx_string("0"), NULL, NULL, NULL, { 0 }
};


char *
ngx_http_apikey_self(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_apikey_loc_conf_t *alcf = conf;

    ngx_http_core_loc_conf_t  *clcf;

    if (alcf->self) {
        return "is duplicate";
    }

    alcf->self = 1;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_apikey_self_handler;

    return NGX_CONF_OK;
}


/*
 * A location of GET alone, which is free, whatever is inherited.  Limits are
 * told as they are around it.
 */

ngx_int_t
ngx_http_apikey_self_merge(ngx_conf_t *cf, ngx_http_apikey_loc_conf_t *prev,
    ngx_http_apikey_loc_conf_t *conf)
{
    ngx_str_t   *method;
    ngx_uint_t   enable;

    if (!conf->self) {
        return NGX_OK;
    }

    enable = (conf->enable == NGX_CONF_UNSET_UINT) ? prev->enable
                                                   : conf->enable;

    if (enable == NGX_HTTP_APIKEY_OFF) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"apikey_self\" needs \"apikey\" \"on\"");
        return NGX_ERROR;
    }

    conf->methods = ngx_array_create(cf->pool, 1, sizeof(ngx_str_t));
    if (conf->methods == NULL) {
        return NGX_ERROR;
    }

    method = ngx_array_push(conf->methods);
    ngx_str_set(method, "GET");

    conf->cost = &ngx_http_apikey_self_free;
    conf->charge = &ngx_http_apikey_self_free;
    conf->limit = prev->limit;

    if (conf->usage == NGX_CONF_UNSET) {
        conf->usage = 0;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_apikey_self_handler(ngx_http_request_t *r)
{
    ngx_int_t                  rc;
    ngx_http_apikey_ctx_t     *ctx;
    ngx_http_apikey_writer_t   w;

    ctx = ngx_http_apikey_ctx_get(r);

    if (ctx == NULL || r != r->main) {
        return NGX_HTTP_FORBIDDEN;
    }

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    /* limited: elsewhere, whose error_page this is */

    if (ctx->answer.result != NGX_HTTP_APIKEY_OK
        && ctx->answer.result != NGX_HTTP_APIKEY_LIMITED)
    {
        return ngx_http_apikey_self_refuse(ctx);
    }

    ngx_memzero(&w, sizeof(ngx_http_apikey_writer_t));
    w.pool = r->pool;

    ngx_http_apikey_self_print(&w, ctx);

    if (ngx_http_apikey_header_add(r, "Cache-Control", (u_char *) "no-store",
                                   sizeof("no-store") - 1)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_str_set(&r->headers_out.content_type, "application/json");

    return ngx_http_apikey_print_send(&w, r);
}


/* A preflight, or what somebody else has approved of ("satisfy any"). */

static ngx_int_t
ngx_http_apikey_self_refuse(ngx_http_apikey_ctx_t *ctx)
{
    if (ctx->answer.result == NGX_HTTP_APIKEY_PREFLIGHT) {
        ctx->answer.result = NGX_HTTP_APIKEY_METHOD;

    } else if (ngx_http_apikey_result_refusal(ctx->answer.result) == NULL
               || ctx->answer.result == NGX_HTTP_APIKEY_NONE)
    {
        ctx->answer.result = NGX_HTTP_APIKEY_MISSING;
    }

    ctx->answer.status = ngx_http_apikey_result_status(ctx->answer.result);

    return ctx->answer.status;
}


static void
ngx_http_apikey_self_print(ngx_http_apikey_writer_t *w,
    ngx_http_apikey_ctx_t *ctx)
{
    ngx_str_t         plan;
    apikey_record_t  *record;

    record = ctx->entry->record;

    ngx_http_apikey_self_text(w, "{\"id\":", record->id.data, record->id.len);
    ngx_http_apikey_self_text(w, ",\"name\":", record->name.data,
                              record->name.len);

    if (ctx->count.meter.limits) {
        plan = ctx->count.meter.plan;

    } else {
        plan.data = (u_char *) record->plan.data;
        plan.len = record->plan.len;
    }

    ngx_http_apikey_self_text(w, ",\"plan\":", (char *) plan.data, plan.len);

    ngx_http_apikey_self_scopes(w, record->scopes);

    if (record->expires) {
        ngx_http_apikey_print(w, ",\"expires\":%uL", record->expires);

    } else {
        ngx_http_apikey_print(w, ",\"expires\":null");
    }

    ngx_http_apikey_self_limits(w, ctx);

    ngx_http_apikey_print(w, "}\n");
}


static void
ngx_http_apikey_self_text(ngx_http_apikey_writer_t *w, const char *name,
    const char *data, size_t len)
{
    ngx_http_apikey_print(w, "%s", name);

    if (len) {
        ngx_http_apikey_print_label(w, (u_char *) data, len);

    } else {
        ngx_http_apikey_print(w, "null");
    }
}


static void
ngx_http_apikey_self_scopes(ngx_http_apikey_writer_t *w, apikey_text_t scopes)
{
    size_t       len;
    const char  *space, *comma;

    ngx_http_apikey_print(w, ",\"scopes\":[");

    for (comma = ""; scopes.len; comma = ",") {
        space = memchr(scopes.data, ' ', scopes.len);
        len = space ? (size_t) (space - scopes.data) : scopes.len;

        ngx_http_apikey_self_text(w, comma, scopes.data, len);

        len += space ? 1 : 0;
        scopes.data += len;
        scopes.len -= len;
    }

    ngx_http_apikey_print(w, "]");
}


static void
ngx_http_apikey_self_limits(ngx_http_apikey_writer_t *w,
    ngx_http_apikey_ctx_t *ctx)
{
    ngx_uint_t                i, n;
    ngx_http_apikey_window_t  window;

    ngx_http_apikey_print(w, ",\"limits\":[");

    n = ngx_http_apikey_ratelimit_windows(ctx);

    for (i = 0; i < n; i++) {
        ngx_http_apikey_ratelimit_window(ctx, i, &window);

        ngx_http_apikey_print(w, "%s{\"window\":\"%V\",\"limit\":%uL,"
                              "\"used\":%uL,\"remaining\":%uL,\"reset\":%uL}",
                              i ? "," : "", &window.name, window.limit,
                              window.used, window.remaining, window.reset);
    }

    ngx_http_apikey_print(w, "]");
}
