/* Numbers of requests that a configuration gives, or its variables do. */

#include "ngx_http_apikey.h"


char *
ngx_http_apikey_amount_slot(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char                      *rv, *p = conf;
    uint64_t                   n;
    ngx_str_t                 *value;
    ngx_http_complex_value_t  *cv;

    rv = ngx_http_set_complex_value_slot(cf, cmd, conf);

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    value = cf->args->elts;
    cv = *(ngx_http_complex_value_t **) (p + cmd->offset);

    if (cv->lengths == NULL
        && apikey_text_number(ngx_http_apikey_text(&value[1]),
                              APIKEY_COUNT_MAX, &n)
           != APIKEY_OK)
    {
        return ngx_http_apikey_value_refuse(cf, cmd, &value[1],
                            "not a whole number from 0 to 140737488355328");
    }

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_apikey_amount_eval(ngx_http_request_t *r, ngx_http_apikey_ctx_t *ctx,
    ngx_http_complex_value_t *cv, const char *directive, uint64_t *amount)
{
    ngx_str_t      value;
    apikey_text_t  text;

    if (ngx_http_apikey_captures_value(r, ctx, cv, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    text.data = (char *) value.data;
    text.len = value.len;

    if (apikey_text_number(text, APIKEY_COUNT_MAX, amount) == APIKEY_OK) {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "invalid value \"%V\" of \"%s\": not a whole number from "
                  "0 to 140737488355328", &value, directive);

    return NGX_DECLINED;
}
