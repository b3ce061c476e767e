/* What directives have in common: values, and why one of them is wrong. */

#include "ngx_http_apikey.h"


#define NGX_HTTP_APIKEY_ZONE_MIN  (8 * ngx_pagesize)


char *
ngx_http_apikey_value_refuse(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *value, const char *why)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid value \"%V\" of \"%V\": "
                       "%s", value, &cmd->name, why);

    return NGX_CONF_ERROR;
}


/* nginx's own doesn't tell the directive, nor what would be right. */

char *
ngx_http_apikey_value_enum(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    u_char           *p, *last, why[128];
    ngx_str_t        *value;
    ngx_conf_enum_t  *e;

    value = cf->args->elts;

    p = ngx_cpymem(why, "it must be one of", sizeof("it must be one of") - 1);
    last = why + sizeof(why) - 1;

    for (e = cmd->post; e->name.len; e++) {

        if (e->name.len == value[1].len
            && ngx_strcasecmp(e->name.data, value[1].data) == 0)
        {
            return ngx_conf_set_enum_slot(cf, cmd, conf);
        }

        p = ngx_slprintf(p, last, "%s \"%V\"",
                         p[-1] == '"' ? "," : "", &e->name);
    }

    *p = '\0';

    return ngx_http_apikey_value_refuse(cf, cmd, &value[1], (char *) why);
}


char *
ngx_http_apikey_value_zone(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *value, ngx_str_t *name, ssize_t *size)
{
    u_char     *p, *last;
    ngx_str_t   s;

    last = value->data + value->len;

    name->data = value->data + sizeof("zone=") - 1;
    p = ngx_strlchr(name->data, last, ':');

    if (p == NULL || p == name->data) {
        return ngx_http_apikey_value_refuse(cf, cmd, value,
                                            "not zone=NAME:SIZE");
    }

    name->len = p - name->data;

    s.data = p + 1;
    s.len = last - s.data;

    *size = ngx_parse_size(&s);

    if (*size == NGX_ERROR) {
        return ngx_http_apikey_value_refuse(cf, cmd, value, "not a size");
    }

    if (*size < (ssize_t) NGX_HTTP_APIKEY_ZONE_MIN) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" of \"%V\": the zone is "
                           "smaller than %uik", value, &cmd->name,
                           NGX_HTTP_APIKEY_ZONE_MIN / 1024);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}
