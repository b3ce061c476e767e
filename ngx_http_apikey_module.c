/*
 * API keys for nginx: the table of contents.
 *
 *   src/gateway/ngx_http_apikey_access.c   the story of a request
 *   src/redis/                             the client it asks
 *   src/core/                              keys, records, scopes, limits
 */

#include "gateway/ngx_http_apikey.h"


static ngx_int_t ngx_http_apikey_init(ngx_conf_t *cf);
static ngx_int_t ngx_http_apikey_init_module(ngx_cycle_t *cycle);
static ngx_int_t ngx_http_apikey_init_process(ngx_cycle_t *cycle);
static void ngx_http_apikey_exit_process(ngx_cycle_t *cycle);


static ngx_conf_enum_t  ngx_http_apikey_enables[] = {
    { ngx_string("off"), NGX_HTTP_APIKEY_OFF },
    { ngx_string("on"), NGX_HTTP_APIKEY_ON },
    { ngx_string("optional"), NGX_HTTP_APIKEY_OPTIONAL },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_apikey_formats[] = {
    { ngx_string("checksum"), NGX_HTTP_APIKEY_CHECKSUM },
    { ngx_string("any"), NGX_HTTP_APIKEY_ANY },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_apikey_limits[] = {
    { ngx_string("off"), NGX_HTTP_APIKEY_LIMIT_OFF },
    { ngx_string("on"), NGX_HTTP_APIKEY_LIMIT_ON },
    { ngx_string("dry_run"), NGX_HTTP_APIKEY_LIMIT_DRY_RUN },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_apikey_limit_failures[] = {
    { ngx_string("deny"), NGX_HTTP_APIKEY_DENY },
    { ngx_string("allow"), NGX_HTTP_APIKEY_ALLOW },
    { ngx_string("local"), NGX_HTTP_APIKEY_LOCAL },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_apikey_header_forms[] = {
    { ngx_string("legacy"), NGX_HTTP_APIKEY_LEGACY },
    { ngx_string("ietf"), NGX_HTTP_APIKEY_IETF },
    { ngx_string("both"), NGX_HTTP_APIKEY_LEGACY|NGX_HTTP_APIKEY_IETF },
    { ngx_string("off"), 0 },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_apikey_errors[] = {
    { ngx_string("off"), NGX_HTTP_APIKEY_ERROR_OFF },
    { ngx_string("json"), NGX_HTTP_APIKEY_ERROR_JSON },
    { ngx_string("problem"), NGX_HTTP_APIKEY_ERROR_PROBLEM },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_apikey_preflights[] = {
    { ngx_string("pass"), NGX_HTTP_APIKEY_PASS },
    { ngx_string("check"), NGX_HTTP_APIKEY_CHECK },
    { ngx_null_string, 0 }
};


#define NGX_HTTP_APIKEY_MSL_CONF                                              \
    (NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF)


static ngx_command_t  ngx_http_apikey_commands[] = {

    { ngx_string("apikey_redis"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_apikey_redis,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("apikey_prefix"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_apikey_prefix,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("apikey_pepper_file"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_apikey_pepper_file,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("apikey_plan"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_2MORE,
      ngx_http_apikey_plan,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("apikey_cache"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_apikey_cache,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("apikey"),
      NGX_HTTP_APIKEY_MSL_CONF|NGX_CONF_TAKE12,
      ngx_http_apikey_enable,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_apikey_loc_conf_t, enable),
      &ngx_http_apikey_enables },

    { ngx_string("apikey_source"),
      NGX_HTTP_APIKEY_MSL_CONF|NGX_CONF_1MORE,
      ngx_http_apikey_source,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("apikey_hide"),
      NGX_HTTP_APIKEY_MSL_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_apikey_loc_conf_t, hide),
      NULL },

    { ngx_string("apikey_shared_cache"),
      NGX_HTTP_APIKEY_MSL_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_apikey_loc_conf_t, shared_cache),
      NULL },

    { ngx_string("apikey_format"),
      NGX_HTTP_APIKEY_MSL_CONF|NGX_CONF_TAKE1,
      ngx_http_apikey_value_enum,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_apikey_loc_conf_t, format),
      &ngx_http_apikey_formats },

    { ngx_string("apikey_methods"),
      NGX_HTTP_APIKEY_MSL_CONF|NGX_CONF_1MORE,
      ngx_http_apikey_methods,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("apikey_resource"),
      NGX_HTTP_APIKEY_MSL_CONF|NGX_CONF_TAKE1,
      ngx_http_apikey_resource,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("apikey_require"),
      NGX_HTTP_APIKEY_MSL_CONF|NGX_CONF_1MORE,
      ngx_http_apikey_require,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("apikey_bind"),
      NGX_HTTP_APIKEY_MSL_CONF|NGX_CONF_TAKE12,
      ngx_http_apikey_bind,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("apikey_default_plan"),
      NGX_HTTP_APIKEY_MSL_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_apikey_loc_conf_t, default_plan_name),
      NULL },

    { ngx_string("apikey_limit"),
      NGX_HTTP_APIKEY_MSL_CONF|NGX_CONF_TAKE1,
      ngx_http_apikey_value_enum,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_apikey_loc_conf_t, limit),
      &ngx_http_apikey_limits },

    { ngx_string("apikey_cost"),
      NGX_HTTP_APIKEY_MSL_CONF|NGX_CONF_TAKE1,
      ngx_http_apikey_amount_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_apikey_loc_conf_t, cost),
      NULL },

    { ngx_string("apikey_charge"),
      NGX_HTTP_APIKEY_MSL_CONF|NGX_CONF_TAKE1,
      ngx_http_apikey_amount_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_apikey_loc_conf_t, charge),
      NULL },

    { ngx_string("apikey_limit_failure"),
      NGX_HTTP_APIKEY_MSL_CONF|NGX_CONF_TAKE1,
      ngx_http_apikey_value_enum,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_apikey_loc_conf_t, limit_failure),
      &ngx_http_apikey_limit_failures },

    { ngx_string("apikey_guard"),
      NGX_HTTP_APIKEY_MSL_CONF|NGX_CONF_TAKE12,
      ngx_http_apikey_guard,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("apikey_headers"),
      NGX_HTTP_APIKEY_MSL_CONF|NGX_CONF_TAKE1,
      ngx_http_apikey_value_enum,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_apikey_loc_conf_t, headers),
      &ngx_http_apikey_header_forms },

    { ngx_string("apikey_error"),
      NGX_HTTP_APIKEY_MSL_CONF|NGX_CONF_TAKE1,
      ngx_http_apikey_value_enum,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_apikey_loc_conf_t, error),
      &ngx_http_apikey_errors },

    { ngx_string("apikey_realm"),
      NGX_HTTP_APIKEY_MSL_CONF|NGX_CONF_TAKE1,
      ngx_http_apikey_realm,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("apikey_preflight"),
      NGX_HTTP_APIKEY_MSL_CONF|NGX_CONF_TAKE1,
      ngx_http_apikey_value_enum,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_apikey_loc_conf_t, preflight),
      &ngx_http_apikey_preflights },

    { ngx_string("apikey_cut"),
      NGX_HTTP_APIKEY_MSL_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_apikey_loc_conf_t, cut),
      NULL },

    { ngx_string("apikey_self"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_apikey_self,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("apikey_status"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS|NGX_CONF_TAKE1,
      ngx_http_apikey_report,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("apikey_usage"),
      NGX_HTTP_APIKEY_MSL_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_apikey_loc_conf_t, usage),
      NULL },

    { ngx_string("apikey_usage_days"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_apikey_usage_days,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("apikey_endpoint"),
      NGX_HTTP_APIKEY_MSL_CONF|NGX_CONF_TAKE1,
      ngx_http_set_complex_value_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_apikey_loc_conf_t, endpoint),
      NULL },

    { ngx_string("apikey_country"),
      NGX_HTTP_APIKEY_MSL_CONF|NGX_CONF_TAKE1,
      ngx_http_set_complex_value_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_apikey_loc_conf_t, country),
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_apikey_module_ctx = {
    ngx_http_apikey_variables_add,         /* preconfiguration */
    ngx_http_apikey_init,                  /* postconfiguration */

    ngx_http_apikey_create_main_conf,      /* create main configuration */
    ngx_http_apikey_init_main_conf,        /* init main configuration */

    ngx_http_apikey_create_srv_conf,       /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_apikey_create_loc_conf,       /* create location configuration */
    ngx_http_apikey_merge_loc_conf         /* merge location configuration */
};


ngx_module_t  ngx_http_apikey_module = {
    NGX_MODULE_V1,
    &ngx_http_apikey_module_ctx,           /* module context */
    ngx_http_apikey_commands,              /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_http_apikey_init_module,           /* init module */
    ngx_http_apikey_init_process,          /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_apikey_exit_process,          /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_int_t
ngx_http_apikey_init(ngx_conf_t *cf)
{
    ngx_uint_t                    i;
    ngx_array_t                  *phase;
    ngx_http_handler_pt          *h;
    ngx_http_core_main_conf_t    *cmcf;
    ngx_http_apikey_main_conf_t  *amcf;

    static struct {
        ngx_http_phases         phase;
        ngx_http_handler_pt     handler;
        ngx_uint_t              first;    /* of those of other modules */
        ngx_uint_t              queries;  /* only where they hold keys */
    } handlers[] = {
        { NGX_HTTP_SERVER_REWRITE_PHASE, ngx_http_apikey_mask_handler, 1, 1 },
        { NGX_HTTP_REWRITE_PHASE, ngx_http_apikey_location_handler, 1, 0 },
        { NGX_HTTP_PREACCESS_PHASE, ngx_http_apikey_preaccess_handler, 0, 0 },
        { NGX_HTTP_ACCESS_PHASE, ngx_http_apikey_access_handler, 0, 0 },
        { NGX_HTTP_PRECONTENT_PHASE, ngx_http_apikey_passed_handler, 1, 0 },
        { NGX_HTTP_PRECONTENT_PHASE, ngx_http_apikey_store_handler, 1, 0 },
        { NGX_HTTP_LOG_PHASE, ngx_http_apikey_ended_handler, 0, 0 },
        { NGX_HTTP_LOG_PHASE, ngx_http_apikey_charge_handler, 0, 0 },
        { NGX_HTTP_LOG_PHASE, ngx_http_apikey_score_handler, 0, 0 },
        { NGX_HTTP_LOG_PHASE, ngx_http_apikey_usage_handler, 0, 0 },
        { NGX_HTTP_LOG_PHASE, ngx_http_apikey_mask_log_handler, 0, 1 }
    };

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    amcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_apikey_module);

    for (i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++) {

        if (handlers[i].queries && amcf->queries.nelts == 0) {
            continue;
        }

        phase = &cmcf->phases[handlers[i].phase].handlers;

        h = ngx_array_push(phase);
        if (h == NULL) {
            return NGX_ERROR;
        }

        /* nginx runs all but those of the log phase from the end */

        if (!handlers[i].first) {
            h = phase->elts;
            ngx_memmove(&h[1], &h[0],
                        (phase->nelts - 1) * sizeof(ngx_http_handler_pt));
        }

        *h = handlers[i].handler;
    }

    if (ngx_http_apikey_hidden_init(cf) != NGX_OK
        || ngx_http_apikey_metrics_add(cf) != NGX_OK
        || ngx_http_apikey_single_keep(cf) != NGX_OK
        || ngx_http_apikey_path_add(cf) != NGX_OK
        || ngx_http_apikey_body_init(cf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_apikey_reply_init(cf);
}


static ngx_int_t
ngx_http_apikey_init_module(ngx_cycle_t *cycle)
{
    ngx_http_apikey_main_conf_t  *amcf;

    amcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_apikey_module);

    if (amcf) {
        ngx_http_apikey_watch_init();
        ngx_http_apikey_metrics_loaded(amcf);

        if (amcf->queries.nelts) {
            ngx_http_apikey_mask_listen(cycle);
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_apikey_init_process(ngx_cycle_t *cycle)
{
    ngx_http_apikey_main_conf_t  *amcf;

    amcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_apikey_module);

    /* processes of caches serve nobody */

    if (amcf == NULL
        || amcf->metrics == NULL
        || (ngx_process != NGX_PROCESS_WORKER
            && ngx_process != NGX_PROCESS_SINGLE))
    {
        return NGX_OK;
    }

    if (amcf->redis == NULL) {
        return ngx_http_apikey_metrics_enter(amcf);
    }

    return ngx_http_apikey_worker_start(amcf);
}


static void
ngx_http_apikey_exit_process(ngx_cycle_t *cycle)
{
    ngx_http_apikey_main_conf_t  *amcf;

    amcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_apikey_module);

    if (amcf) {
        ngx_http_apikey_worker_stop(amcf);
        ngx_http_apikey_metrics_leave(amcf);
    }
}
