#include "ngx_http_apikey.h"
#include "scripts.h"


static char *ngx_http_apikey_conf_merge_plan(ngx_conf_t *cf,
    ngx_http_apikey_loc_conf_t *conf);
static char *ngx_http_apikey_conf_merge_sources(ngx_conf_t *cf,
    ngx_http_apikey_loc_conf_t *conf);
static ngx_int_t ngx_http_apikey_conf_challenge(ngx_conf_t *cf,
    ngx_http_apikey_loc_conf_t *conf);


void *
ngx_http_apikey_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_apikey_main_conf_t  *amcf;

    amcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_apikey_main_conf_t));
    if (amcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&amcf->plans, cf->pool, 4,
                       sizeof(ngx_http_apikey_plan_t))
        != NGX_OK
        || ngx_array_init(&amcf->guards, cf->pool, 1,
                          sizeof(ngx_http_apikey_guard_t *))
           != NGX_OK
        || ngx_array_init(&amcf->hidden, cf->pool, 4,
                          sizeof(ngx_http_apikey_hidden_t *))
           != NGX_OK
        || ngx_array_init(&amcf->queries, cf->pool, 1, sizeof(ngx_str_t))
           != NGX_OK)
    {
        return NULL;
    }

    ngx_str_set(&amcf->decide.text, APIKEY_SCRIPT_DECIDE);
    ngx_str_set(&amcf->decide.sha1, APIKEY_SCRIPT_DECIDE_SHA1);
    ngx_str_set(&amcf->beat.text, APIKEY_SCRIPT_BEAT);
    ngx_str_set(&amcf->beat.sha1, APIKEY_SCRIPT_BEAT_SHA1);
    ngx_str_set(&amcf->expiring.text, APIKEY_SCRIPT_EXPIRING);
    ngx_str_set(&amcf->expiring.sha1, APIKEY_SCRIPT_EXPIRING_SHA1);
    ngx_str_set(&amcf->giveback.text, APIKEY_SCRIPT_GIVEBACK);
    ngx_str_set(&amcf->giveback.sha1, APIKEY_SCRIPT_GIVEBACK_SHA1);
    ngx_str_set(&amcf->usage_script.text, APIKEY_SCRIPT_USAGE);
    ngx_str_set(&amcf->usage_script.sha1, APIKEY_SCRIPT_USAGE_SHA1);

    return amcf;
}


char *
ngx_http_apikey_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_http_apikey_main_conf_t *amcf = conf;

    ngx_uint_t                 i;
    ngx_http_apikey_plan_t    *plan;
    ngx_http_core_loc_conf_t  *clcf;

    const apikey_text_t  anonymous = apikey_text("anonymous");

    if (amcf->prefix.data == NULL) {
        ngx_str_set(&amcf->prefix, APIKEY_NAMES_PREFIX);
    }

    if (amcf->usage_days == 0) {
        amcf->usage_days = APIKEY_USAGE_DAYS;
    }

    amcf->anonymous = ngx_http_apikey_plan_find(amcf, anonymous);

    plan = amcf->plans.elts;

    for (i = 0; i < amcf->plans.nelts; i++) {
        if (plan[i].leased && amcf->zone == NULL) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"mode=leased\" of \"apikey_plan\" \"%V\" needs "
                          "\"apikey_cache\"", &plan[i].name);
            return NGX_CONF_ERROR;
        }
    }

    if (amcf->redis) {
        clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

        /* the http block's; a server's own doesn't count */
        if (clcf->resolver && clcf->resolver->connections.nelts) {
            amcf->redis->resolver = clcf->resolver;
        }

        if (ngx_redis_check_library(cf->log) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


void *
ngx_http_apikey_create_srv_conf(ngx_conf_t *cf)
{
    ngx_http_apikey_srv_conf_t  *ascf;

    ascf = ngx_pcalloc(cf->pool, sizeof(ngx_http_apikey_srv_conf_t));

    if (ascf == NULL
        || ngx_array_init(&ascf->queries, cf->pool, 1, sizeof(ngx_str_t))
           != NGX_OK)
    {
        return NULL;
    }

    return ascf;
}


void *
ngx_http_apikey_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_apikey_loc_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_http_apikey_loc_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     conf->anonymous = NULL;
     *     conf->resource = { 0, NULL };
     *     conf->default_plan_name = { 0, NULL };
     *     conf->cost = NULL;
     *     conf->charge = NULL;
     *     conf->realm = { 0, NULL };
     *     conf->endpoint = NULL;
     *     conf->country = NULL;
     */

    conf->enable = NGX_CONF_UNSET_UINT;
    conf->sources = NGX_CONF_UNSET_PTR;
    conf->hide = NGX_CONF_UNSET;
    conf->shared_cache = NGX_CONF_UNSET;
    conf->format = NGX_CONF_UNSET_UINT;
    conf->methods = NGX_CONF_UNSET_PTR;
    conf->rules = NGX_CONF_UNSET_PTR;
    conf->binds = NGX_CONF_UNSET_PTR;
    conf->limit = NGX_CONF_UNSET_UINT;
    conf->limit_failure = NGX_CONF_UNSET_UINT;
    conf->guard = NGX_CONF_UNSET_PTR;
    conf->headers = NGX_CONF_UNSET_UINT;
    conf->error = NGX_CONF_UNSET_UINT;
    conf->preflight = NGX_CONF_UNSET_UINT;
    conf->cut = NGX_CONF_UNSET;
    conf->usage = NGX_CONF_UNSET;

    return conf;
}


char *
ngx_http_apikey_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_apikey_loc_conf_t *prev = parent;
    ngx_http_apikey_loc_conf_t *conf = child;

    ngx_http_core_loc_conf_t     *clcf;
    ngx_http_apikey_main_conf_t  *amcf;

    if (ngx_http_apikey_self_merge(cf, prev, conf) != NGX_OK
        || ngx_http_apikey_rules_merge(cf, prev, conf) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    ngx_conf_merge_ptr_value(conf->sources, prev->sources, NULL);
    ngx_conf_merge_value(conf->hide, prev->hide, 1);
    ngx_conf_merge_value(conf->shared_cache, prev->shared_cache, 0);
    ngx_conf_merge_uint_value(conf->format, prev->format,
                              NGX_HTTP_APIKEY_CHECKSUM);
    ngx_conf_merge_str_value(conf->default_plan_name, prev->default_plan_name,
                             "off");
    ngx_conf_merge_uint_value(conf->limit, prev->limit,
                              NGX_HTTP_APIKEY_LIMIT_ON);
    ngx_conf_merge_uint_value(conf->limit_failure, prev->limit_failure,
                              NGX_HTTP_APIKEY_DENY);
    ngx_conf_merge_ptr_value(conf->guard, prev->guard, NULL);
    ngx_conf_merge_uint_value(conf->headers, prev->headers,
                              NGX_HTTP_APIKEY_LEGACY);
    ngx_conf_merge_uint_value(conf->error, prev->error,
                              NGX_HTTP_APIKEY_ERROR_JSON);
    ngx_conf_merge_str_value(conf->realm, prev->realm, "api");
    ngx_conf_merge_uint_value(conf->preflight, prev->preflight,
                              NGX_HTTP_APIKEY_PASS);
    ngx_conf_merge_value(conf->cut, prev->cut, 1);

    if (conf->cost == NULL) {
        conf->cost = prev->cost;
    }

    if (conf->charge == NULL) {
        conf->charge = prev->charge;
    }

    ngx_conf_merge_value(conf->usage, prev->usage, 1);

    if (conf->endpoint == NULL) {
        conf->endpoint = prev->endpoint;
    }

    if (conf->country == NULL) {
        conf->country = prev->country;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    conf->location = clcf->name;

    if (ngx_http_apikey_conf_merge_sources(cf, conf) != NGX_CONF_OK
        || ngx_http_apikey_mask_add(cf, conf) != NGX_OK
        || ngx_http_apikey_conf_merge_plan(cf, conf) != NGX_CONF_OK
        || ngx_http_apikey_conf_challenge(cf, conf) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    amcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_apikey_module);

    if (conf->limit_failure == NGX_HTTP_APIKEY_LOCAL && amcf->zone == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"apikey_limit_failure\" \"local\" needs "
                           "\"apikey_cache\"");
        return NGX_CONF_ERROR;
    }

    if (conf->enable == NGX_HTTP_APIKEY_OFF) {
        return NGX_CONF_OK;
    }

    if (amcf->redis == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"apikey\" is enabled, but no \"apikey_redis\" "
                           "is defined");
        return NGX_CONF_ERROR;
    }

    if (amcf->pepper == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"apikey\" is enabled, but no "
                           "\"apikey_pepper_file\" is defined");
        return NGX_CONF_ERROR;
    }

    if (ngx_http_apikey_metrics_place(cf, conf) != NGX_OK
        || (conf->hide && ngx_http_apikey_hidden_add(cf, conf) != NGX_OK))
    {
        return NGX_CONF_ERROR;
    }

    if (conf->usage) {
        amcf->counting = 1;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_apikey_conf_merge_sources(ngx_conf_t *cf,
    ngx_http_apikey_loc_conf_t *conf)
{
    ngx_http_apikey_source_t  *source;

    if (conf->sources) {
        return NGX_CONF_OK;
    }

    conf->sources = ngx_array_create(cf->pool, 1,
                                     sizeof(ngx_http_apikey_source_t));
    if (conf->sources == NULL) {
        return NGX_CONF_ERROR;
    }

    source = ngx_array_push(conf->sources);

    source->place = NGX_HTTP_APIKEY_HEADER;
    source->hidden = 0;
    ngx_str_set(&source->name, "x-api-key");
    source->hash = ngx_hash_key(source->name.data, source->name.len);

    return NGX_CONF_OK;
}


static char *
ngx_http_apikey_conf_merge_plan(ngx_conf_t *cf,
    ngx_http_apikey_loc_conf_t *conf)
{
    ngx_http_apikey_main_conf_t  *amcf;

    if (ngx_http_apikey_is(&conf->default_plan_name, "off")) {
        return NGX_CONF_OK;
    }

    amcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_apikey_module);

    conf->default_plan = ngx_http_apikey_plan_find(amcf,
                            ngx_http_apikey_text(&conf->default_plan_name));

    if (conf->default_plan) {

        if (conf->enable != NGX_HTTP_APIKEY_OFF
            && conf->limit != NGX_HTTP_APIKEY_LIMIT_OFF)
        {
            conf->default_plan->fallback = 1;
        }

        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"apikey_default_plan\" \"%V\" is not defined by "
                       "any \"apikey_plan\"", &conf->default_plan_name);
    return NGX_CONF_ERROR;
}


static ngx_int_t
ngx_http_apikey_conf_challenge(ngx_conf_t *cf, ngx_http_apikey_loc_conf_t *conf)
{
    size_t  len;

    len = sizeof("ApiKey realm=\"\"") - 1 + conf->realm.len;

    conf->challenge.data = ngx_pnalloc(cf->pool, len);
    if (conf->challenge.data == NULL) {
        return NGX_ERROR;
    }

    conf->challenge.len = len;

    ngx_sprintf(conf->challenge.data, "ApiKey realm=\"%V\"", &conf->realm);

    return NGX_OK;
}


char *
ngx_http_apikey_source(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_apikey_loc_conf_t *alcf = conf;

    size_t                     skip;
    ngx_str_t                 *value, name;
    ngx_uint_t                 i, k;
    ngx_http_apikey_source_t  *source, *other;

    if (alcf->sources != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    alcf->sources = ngx_array_create(cf->pool, cf->args->nelts - 1,
                                     sizeof(ngx_http_apikey_source_t));
    if (alcf->sources == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        source = ngx_array_push(alcf->sources);
        if (source == NULL) {
            return NGX_CONF_ERROR;
        }

        ngx_memzero(source, sizeof(ngx_http_apikey_source_t));

        if (ngx_http_apikey_is(&value[i], "bearer")) {
            source->place = NGX_HTTP_APIKEY_BEARER;
            ngx_str_set(&name, "Authorization");
            skip = 0;

        } else {
            name = value[i];

            if (ngx_http_apikey_begins(&value[i], "header:")) {
                source->place = NGX_HTTP_APIKEY_HEADER;
                skip = sizeof("header:") - 1;

            } else if (ngx_http_apikey_begins(&value[i], "query:")) {
                source->place = NGX_HTTP_APIKEY_QUERY;
                skip = sizeof("query:") - 1;

            } else if (ngx_http_apikey_begins(&value[i], "cookie:")) {
                source->place = NGX_HTTP_APIKEY_COOKIE;
                skip = sizeof("cookie:") - 1;

            } else {
                return ngx_http_apikey_value_refuse(cf, cmd, &value[i],
                                   "it must be one of \"header:NAME\", "
                                   "\"bearer\", \"query:NAME\" and "
                                   "\"cookie:NAME\"");
            }
        }

        name.data += skip;
        name.len -= skip;

        if (name.len == 0) {
            return ngx_http_apikey_value_refuse(cf, cmd, &value[i],
                                                "the name is empty");
        }

        for (k = 0; k < name.len; k++) {
            if (name.data[k] <= ' ' || name.data[k] >= 0x7f
                || ngx_strchr("()<>@,;:\\\"/[]?={}&%", name.data[k]))
            {
                return ngx_http_apikey_value_refuse(cf, cmd, &value[i],
                                      "the name has a forbidden character");
            }
        }

        source->name = name;

        if (source->place == NGX_HTTP_APIKEY_HEADER
            || source->place == NGX_HTTP_APIKEY_BEARER)
        {
            source->name.data = ngx_pnalloc(cf->pool, name.len);
            if (source->name.data == NULL) {
                return NGX_CONF_ERROR;
            }

            source->hash = ngx_hash_strlow(source->name.data, name.data,
                                           name.len);
        }

        other = alcf->sources->elts;

        for (k = 0; k < i - 1; k++) {
            if (other[k].place == source->place
                && other[k].name.len == source->name.len
                && ngx_strncmp(other[k].name.data, source->name.data,
                               source->name.len)
                   == 0)
            {
                return ngx_http_apikey_value_refuse(cf, cmd, &value[i],
                                                    "it is duplicate");
            }
        }
    }

    return NGX_CONF_OK;
}


char *
ngx_http_apikey_prefix(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_apikey_main_conf_t *amcf = conf;

    ngx_str_t  *value;

    if (amcf->prefix.data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (apikey_names_prefix_check(ngx_http_apikey_text(&value[1]))
        != APIKEY_OK)
    {
        return ngx_http_apikey_value_refuse(cf, cmd, &value[1],
                          "not 1 to 64 printable ASCII characters without "
                          "space and braces");
    }

    amcf->prefix = value[1];

    return NGX_CONF_OK;
}


char *
ngx_http_apikey_usage_days(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_apikey_main_conf_t *amcf = conf;

    ngx_str_t  *value;

    if (amcf->usage_days) {
        return "is duplicate";
    }

    value = cf->args->elts;

    amcf->usage_days = ngx_atoi(value[1].data, value[1].len);

    if (amcf->usage_days < 1 || amcf->usage_days > APIKEY_USAGE_DAYS_MAX) {
        return ngx_http_apikey_value_refuse(cf, cmd, &value[1],
                                     "not a number of days from 1 to 3650");
    }

    return NGX_CONF_OK;
}


char *
ngx_http_apikey_realm(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_apikey_loc_conf_t *alcf = conf;

    ngx_str_t   *value;
    ngx_uint_t   i;

    if (alcf->realm.data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    for (i = 0; i < value[1].len; i++) {
        if (value[1].data[i] < ' ' || value[1].data[i] >= 0x7f
            || value[1].data[i] == '"' || value[1].data[i] == '\\')
        {
            return ngx_http_apikey_value_refuse(cf, cmd, &value[1],
                                 "it has a character that can't be quoted");
        }
    }

    alcf->realm = value[1];

    return NGX_CONF_OK;
}
