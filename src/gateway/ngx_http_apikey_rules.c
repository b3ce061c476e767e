/* The rules of a location: which methods, scopes and tenants. */

#include "ngx_http_apikey.h"


static void ngx_http_apikey_rules_warn(ngx_conf_t *cf,
    ngx_http_apikey_loc_conf_t *conf);
static ngx_int_t ngx_http_apikey_rules_allow(ngx_conf_t *cf,
    ngx_http_apikey_loc_conf_t *conf);
static char *ngx_http_apikey_rules_methods(ngx_conf_t *cf, ngx_array_t *methods,
    ngx_str_t *value);
static ngx_uint_t ngx_http_apikey_rules_allows(
    ngx_http_apikey_loc_conf_t *conf, ngx_str_t *method);


char *
ngx_http_apikey_enable(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_apikey_loc_conf_t *alcf = conf;

    char       *rv;
    ngx_str_t  *value, list;

    value = cf->args->elts;

    rv = ngx_http_apikey_value_enum(cf, cmd, conf);

    if (rv != NGX_CONF_OK || cf->args->nelts == 2) {
        return rv;
    }

    if (alcf->enable != NGX_HTTP_APIKEY_OPTIONAL
        || !ngx_http_apikey_begins(&value[2], "methods="))
    {
        return ngx_http_apikey_value_refuse(cf, cmd, &value[2],
                                            "unknown parameter");
    }

    alcf->anonymous = ngx_array_create(cf->pool, 4, sizeof(ngx_str_t));
    if (alcf->anonymous == NULL) {
        return NGX_CONF_ERROR;
    }

    list.data = value[2].data + sizeof("methods=") - 1;
    list.len = value[2].len - (sizeof("methods=") - 1);

    rv = ngx_http_apikey_rules_methods(cf, alcf->anonymous, &list);

    if (rv == NGX_CONF_OK && alcf->anonymous->nelts == 0) {
        rv = "HEAD counts as GET: list GET";
    }

    if (rv != NGX_CONF_OK) {
        return ngx_http_apikey_value_refuse(cf, cmd, &value[2], rv);
    }

    return NGX_CONF_OK;
}


char *
ngx_http_apikey_methods(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_apikey_loc_conf_t *alcf = conf;

    char        *rv;
    ngx_str_t   *value;
    ngx_uint_t   i;

    if (alcf->methods != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_http_apikey_is(&value[1], "all")) {
        alcf->methods = NULL;
        return NGX_CONF_OK;
    }

    alcf->methods = ngx_array_create(cf->pool, 4, sizeof(ngx_str_t));
    if (alcf->methods == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 1; i < cf->args->nelts; i++) {
        rv = ngx_http_apikey_rules_methods(cf, alcf->methods, &value[i]);

        if (rv != NGX_CONF_OK) {
            return ngx_http_apikey_value_refuse(cf, cmd, &value[i], rv);
        }
    }

    if (alcf->methods->nelts == 0) {
        return ngx_http_apikey_value_refuse(cf, cmd, &value[1],
                                            "HEAD counts as GET: list GET");
    }

    return NGX_CONF_OK;
}


/* "GET|POST"; HEAD is not kept, for it counts as GET.  Returns why not. */

static char *
ngx_http_apikey_rules_methods(ngx_conf_t *cf, ngx_array_t *methods,
    ngx_str_t *value)
{
    u_char     *p, *last, *end;
    ngx_str_t   method, *m;

    p = value->data;
    end = value->data + value->len;

    for ( ;; ) {
        last = ngx_strlchr(p, end, '|');
        if (last == NULL) {
            last = end;
        }

        method.data = p;
        method.len = last - p;

        if (method.len == 0) {
            return "a method is empty";
        }

        for ( /* void */ ; p < last; p++) {
            if ((*p < 'A' || *p > 'Z') && *p != '_' && *p != '-') {
                return "a method has other characters than A-Z, \"-\" and "
                       "\"_\"";
            }
        }

        if (!ngx_http_apikey_is(&method, "HEAD")
            && !ngx_http_apikey_rule_covers(methods, &method))
        {
            m = ngx_array_push(methods);
            if (m == NULL) {
                return "no memory";
            }

            *m = method;
        }

        if (last == end) {
            return NGX_CONF_OK;
        }

        p = last + 1;
    }
}


char *
ngx_http_apikey_resource(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_apikey_loc_conf_t *alcf = conf;

    u_char      *p;
    ngx_str_t   *value, scope;
    ngx_uint_t   i;
    const char  *action;

    if (alcf->resource.data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_http_apikey_is(&value[1], "off")) {
        alcf->resource.data = value[1].data;
        return NGX_CONF_OK;
    }

    for (i = 0; i < APIKEY_ACTIONS; i++) {

        action = apikey_scope_action_name(i);

        scope.len = value[1].len + 1 + ngx_strlen(action);
        scope.data = ngx_pnalloc(cf->pool, scope.len);
        if (scope.data == NULL) {
            return NGX_CONF_ERROR;
        }

        p = ngx_cpymem(scope.data, value[1].data, value[1].len);
        *p++ = ':';
        ngx_memcpy(p, action, ngx_strlen(action));

        if (apikey_scope_check(ngx_http_apikey_text(&scope)) != APIKEY_OK) {
            return ngx_http_apikey_value_refuse(cf, cmd, &value[1],
                                                "not the name of a resource");
        }

        alcf->needs[i] = scope;
    }

    alcf->resource = value[1];

    return NGX_CONF_OK;
}


char *
ngx_http_apikey_require(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_apikey_loc_conf_t *alcf = conf;

    char                    *rv;
    ngx_str_t               *value, *scope, list;
    ngx_uint_t               i;
    ngx_http_apikey_rule_t  *rule;

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_http_apikey_is(&value[1], "off")) {
        if (alcf->rules != NGX_CONF_UNSET_PTR) {
            return "is duplicate";
        }

        alcf->rules = NULL;
        return NGX_CONF_OK;
    }

    if (alcf->rules == NULL) {
        return "is duplicate";
    }

    if (alcf->rules == NGX_CONF_UNSET_PTR) {
        alcf->rules = ngx_array_create(cf->pool, 2,
                                       sizeof(ngx_http_apikey_rule_t));
        if (alcf->rules == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    rule = ngx_array_push(alcf->rules);
    if (rule == NULL) {
        return NGX_CONF_ERROR;
    }

    rule->methods = NULL;

    rule->scopes = ngx_array_create(cf->pool, 2, sizeof(ngx_str_t));
    if (rule->scopes == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_http_apikey_begins(&value[i], "methods=")) {

            if (rule->methods) {
                return ngx_http_apikey_value_refuse(cf, cmd, &value[i],
                                                  "the methods are duplicate");
            }

            rule->methods = ngx_array_create(cf->pool, 4, sizeof(ngx_str_t));
            if (rule->methods == NULL) {
                return NGX_CONF_ERROR;
            }

            list.data = value[i].data + sizeof("methods=") - 1;
            list.len = value[i].len - (sizeof("methods=") - 1);

            rv = ngx_http_apikey_rules_methods(cf, rule->methods, &list);

            if (rv == NGX_CONF_OK && rule->methods->nelts == 0) {
                rv = "HEAD counts as GET: list GET";
            }

            if (rv != NGX_CONF_OK) {
                return ngx_http_apikey_value_refuse(cf, cmd, &value[i], rv);
            }

            continue;
        }

        if (apikey_scope_check(ngx_http_apikey_text(&value[i])) != APIKEY_OK) {
            return ngx_http_apikey_value_refuse(cf, cmd, &value[i],
                                                "not RESOURCE:ACTION");
        }

        scope = ngx_array_push(rule->scopes);
        if (scope == NULL) {
            return NGX_CONF_ERROR;
        }

        *scope = value[i];
    }

    if (rule->scopes->nelts == 0) {
        return ngx_http_apikey_value_refuse(cf, cmd, &value[1],
                                            "it requires no scope");
    }

    return NGX_CONF_OK;
}


char *
ngx_http_apikey_bind(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_apikey_loc_conf_t *alcf = conf;

    ngx_str_t                         *value;
    ngx_uint_t                         i;
    ngx_http_apikey_bind_t            *bind, *other;
    ngx_http_apikey_tenant_e           tenant;
    ngx_http_compile_complex_value_t   ccv;

    value = cf->args->elts;

    if (ngx_http_apikey_is(&value[1], "off") && cf->args->nelts == 2) {
        if (alcf->binds != NGX_CONF_UNSET_PTR) {
            return "is duplicate";
        }

        alcf->binds = NULL;
        return NGX_CONF_OK;
    }

    if (alcf->binds == NULL) {
        return "is duplicate";
    }

    if (ngx_http_apikey_is(&value[1], "org")) {
        tenant = NGX_HTTP_APIKEY_ORG;

    } else if (ngx_http_apikey_is(&value[1], "project")) {
        tenant = NGX_HTTP_APIKEY_PROJECT;

    } else if (ngx_http_apikey_is(&value[1], "service")) {
        tenant = NGX_HTTP_APIKEY_SERVICE;

    } else {
        return ngx_http_apikey_value_refuse(cf, cmd, &value[1],
                         "it must be one of \"org\", \"project\", \"service\"");
    }

    if (cf->args->nelts != 3) {
        return "needs a value to bind to";
    }

    if (alcf->binds == NGX_CONF_UNSET_PTR) {
        alcf->binds = ngx_array_create(cf->pool, 2,
                                       sizeof(ngx_http_apikey_bind_t));
        if (alcf->binds == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    other = alcf->binds->elts;

    for (i = 0; i < alcf->binds->nelts; i++) {
        if (other[i].tenant == tenant) {
            return ngx_http_apikey_value_refuse(cf, cmd, &value[1],
                                                "it is bound twice");
        }
    }

    bind = ngx_array_push(alcf->binds);
    if (bind == NULL) {
        return NGX_CONF_ERROR;
    }

    bind->tenant = tenant;

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = &value[2];
    ccv.complex_value = &bind->value;

    if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_apikey_rules_merge(ngx_conf_t *cf, ngx_http_apikey_loc_conf_t *prev,
    ngx_http_apikey_loc_conf_t *conf)
{
    ngx_uint_t                 own;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    /* a server, or a location that inherits only a part: all is said once */

    own = clcf->name.len == 0
          || conf->enable != NGX_CONF_UNSET_UINT
          || conf->rules != NGX_CONF_UNSET_PTR
          || conf->binds != NGX_CONF_UNSET_PTR
          || conf->resource.data;

    if (conf->enable == NGX_CONF_UNSET_UINT) {
        conf->anonymous = prev->anonymous;
    }

    ngx_conf_merge_uint_value(conf->enable, prev->enable, NGX_HTTP_APIKEY_OFF);
    ngx_conf_merge_ptr_value(conf->methods, prev->methods, NULL);
    ngx_conf_merge_ptr_value(conf->rules, prev->rules, NULL);
    ngx_conf_merge_ptr_value(conf->binds, prev->binds, NULL);

    if (conf->resource.data == NULL) {
        conf->resource = prev->resource;
        ngx_memcpy(conf->needs, prev->needs, sizeof(conf->needs));
    }

    if (own
        && conf->enable == NGX_HTTP_APIKEY_OPTIONAL
        && conf->anonymous == NULL)
    {
        ngx_http_apikey_rules_warn(cf, conf);
    }

    return ngx_http_apikey_rules_allow(cf, conf);
}


static void
ngx_http_apikey_rules_warn(ngx_conf_t *cf, ngx_http_apikey_loc_conf_t *conf)
{
    ngx_str_t                 *name;
    const char                *rule;
    ngx_http_core_loc_conf_t  *clcf;
    ngx_http_core_srv_conf_t  *cscf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    cscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module);

    name = clcf->name.len ? &clcf->name : &cscf->server_name;

    if (conf->rules) {
        rule = "apikey_require";

    } else if (conf->resource.len) {
        rule = "apikey_resource";

    } else if (conf->binds) {
        rule = "apikey_bind";

    } else {
        return;
    }

    ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                       "\"apikey optional\" without \"methods=\" in %s \"%V\": "
                       "anonymous requests are not bound by \"%s\"",
                       name == &clcf->name ? "location" : "server", name,
                       rule);
}


/* The methods that any key may use here; empty: any method at all. */

static ngx_int_t
ngx_http_apikey_rules_allow(ngx_conf_t *cf, ngx_http_apikey_loc_conf_t *conf)
{
    u_char                  *p;
    size_t                   len;
    ngx_str_t               *method, *m;
    ngx_uint_t               i, k;
    ngx_array_t              all, *list;
    ngx_http_apikey_rule_t  *rule;

    ngx_str_null(&conf->allow);

    if (ngx_array_init(&all, cf->pool, 8, sizeof(ngx_str_t)) != NGX_OK) {
        return NGX_ERROR;
    }

    list = conf->methods;

    if (conf->rules && conf->methods == NULL && conf->resource.len == 0) {
        rule = conf->rules->elts;

        for (i = 0; i < conf->rules->nelts; i++) {
            if (rule[i].methods == NULL) {
                return NGX_OK;
            }

            method = rule[i].methods->elts;

            for (k = 0; k < rule[i].methods->nelts; k++) {
                if (ngx_http_apikey_rule_covers(&all, &method[k])) {
                    continue;
                }

                m = ngx_array_push(&all);
                if (m == NULL) {
                    return NGX_ERROR;
                }

                *m = method[k];
            }
        }

        list = &all;
    }

    if (list == NULL) {
        return NGX_OK;
    }

    len = 0;
    method = list->elts;

    for (i = 0; i < list->nelts; i++) {
        len += method[i].len + sizeof(", HEAD, ") - 1;
    }

    p = ngx_pnalloc(cf->pool, len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    conf->allow.data = p;

    for (i = 0; i < list->nelts; i++) {
        if (!ngx_http_apikey_rules_allows(conf, &method[i])) {
            continue;
        }

        p = ngx_sprintf(p, "%s%V%s", p == conf->allow.data ? "" : ", ",
                        &method[i],
                        ngx_http_apikey_is(&method[i], "GET") ? ", HEAD" : "");
    }

    conf->allow.len = p - conf->allow.data;

    return NGX_OK;
}


static ngx_uint_t
ngx_http_apikey_rules_allows(ngx_http_apikey_loc_conf_t *conf,
    ngx_str_t *method)
{
    ngx_uint_t               i;
    ngx_http_apikey_rule_t  *rule;

    if (conf->rules == NULL || conf->resource.len) {
        return 1;
    }

    rule = conf->rules->elts;

    for (i = 0; i < conf->rules->nelts; i++) {
        if (rule[i].methods == NULL
            || ngx_http_apikey_rule_covers(rule[i].methods, method))
        {
            return 1;
        }
    }

    return 0;
}


ngx_uint_t
ngx_http_apikey_rule_covers(ngx_array_t *methods, ngx_str_t *method)
{
    ngx_str_t   *m;
    ngx_uint_t   i;

    m = methods->elts;

    for (i = 0; i < methods->nelts; i++) {
        if (m[i].len == method->len
            && ngx_strncmp(m[i].data, method->data, method->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}
