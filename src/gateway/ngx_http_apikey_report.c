/* apikey_status: what the gateway has counted, of all its workers. */

#include "ngx_http_apikey_report.h"


static ngx_int_t ngx_http_apikey_report_handler(ngx_http_request_t *r);


char *
ngx_http_apikey_report(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_apikey_loc_conf_t *alcf = conf;

    ngx_str_t                    *value;
    ngx_http_core_loc_conf_t     *clcf;
    ngx_http_apikey_main_conf_t  *amcf;

    if (alcf->report) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts == 1 || ngx_http_apikey_is(&value[1], "json")) {
        alcf->report = NGX_HTTP_APIKEY_REPORT_JSON;

    } else if (ngx_http_apikey_is(&value[1], "prometheus")) {
        alcf->report = NGX_HTTP_APIKEY_REPORT_PROMETHEUS;

    } else {
        return ngx_http_apikey_value_refuse(cf, cmd, &value[1],
                                "it must be one of \"json\", \"prometheus\"");
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_apikey_report_handler;

    amcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_apikey_module);
    amcf->report = 1;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_apikey_report_handler(ngx_http_request_t *r)
{
    ngx_int_t                    rc;
    ngx_http_apikey_writer_t     w;
    ngx_http_apikey_loc_conf_t  *alcf;
    ngx_http_apikey_snapshot_t   snapshot;

    ngx_http_apikey_main_conf_t  *amcf;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_apikey_module);

    amcf = ngx_http_get_module_main_conf(r, ngx_http_apikey_module);

    if (ngx_http_apikey_snapshot(&snapshot, amcf, r->pool) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memzero(&w, sizeof(ngx_http_apikey_writer_t));
    w.pool = r->pool;

    if (alcf->report == NGX_HTTP_APIKEY_REPORT_JSON) {
        ngx_http_apikey_report_json(&w, &snapshot);
        ngx_str_set(&r->headers_out.content_type, "application/json");

    } else {
        ngx_http_apikey_report_prometheus(&w, &snapshot);
        ngx_str_set(&r->headers_out.content_type,
                    "text/plain; version=0.0.4; charset=utf-8");
    }

    return ngx_http_apikey_print_send(&w, r);
}
