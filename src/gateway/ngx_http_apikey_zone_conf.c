/* The zone of apikey_cache: its directive, and what a reload finds there. */

#include "ngx_http_apikey_zone.h"


static ngx_int_t ngx_http_apikey_zone_init(ngx_shm_zone_t *shm_zone,
    void *data);
static ngx_int_t ngx_http_apikey_zone_check(ngx_http_apikey_zone_t *zone,
    ngx_uint_t db);


char *
ngx_http_apikey_cache(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_apikey_main_conf_t *amcf = conf;

    u_char                  *p;
    ssize_t                  size;
    ngx_int_t                n;
    ngx_str_t               *value, name, s;
    ngx_uint_t               i;
    ngx_http_apikey_zone_t  *zone;

    if (amcf->zone) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_http_apikey_is(&value[1], "off")) {
        return NGX_CONF_OK;
    }

    zone = ngx_pcalloc(cf->pool, sizeof(ngx_http_apikey_zone_t));
    if (zone == NULL) {
        return NGX_CONF_ERROR;
    }

    zone->valid = 10000;
    zone->invalid = 1000;

    size = 0;
    ngx_str_null(&name);

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_http_apikey_begins(&value[i], "zone=")) {

            if (ngx_http_apikey_value_zone(cf, cmd, &value[i], &name, &size)
                != NGX_CONF_OK)
            {
                return NGX_CONF_ERROR;
            }

            continue;
        }

        p = ngx_strlchr(value[i].data, value[i].data + value[i].len, '=');

        if (p) {
            s.data = p + 1;
            s.len = value[i].data + value[i].len - s.data;

            n = ngx_parse_time(&s, 0);

            if (ngx_http_apikey_begins(&value[i], "valid=")) {
                zone->valid = n;

            } else if (ngx_http_apikey_begins(&value[i], "invalid=")) {
                zone->invalid = n;

            } else if (ngx_http_apikey_begins(&value[i], "stale=")) {
                zone->stale = n;

            } else {
                p = NULL;
            }

            if (p && n == NGX_ERROR) {
                return ngx_http_apikey_value_refuse(cf, cmd, &value[i],
                                                    "not a time");
            }
        }

        if (p == NULL) {
            return ngx_http_apikey_value_refuse(cf, cmd, &value[i],
                                                "unknown parameter");
        }
    }

    if (name.len == 0) {
        return "needs zone=NAME:SIZE";
    }

    zone->shm_zone = ngx_shared_memory_add(cf, &name, size,
                                           &ngx_http_apikey_module);
    if (zone->shm_zone == NULL) {
        return NGX_CONF_ERROR;
    }

    if (zone->shm_zone->data) {
        return "names a zone that is in use already";
    }

    zone->shm_zone->init = ngx_http_apikey_zone_init;
    zone->shm_zone->data = zone;

    zone->amcf = amcf;
    zone->evict = ngx_http_apikey_lease_evict;
    amcf->zone = zone;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_apikey_zone_init(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_http_apikey_zone_t *ozone = data;

    ngx_str_t                 *prefix;
    ngx_uint_t                 db;
    ngx_http_apikey_zone_t    *zone;
    ngx_http_apikey_shared_t  *shared;

    zone = shm_zone->data;
    prefix = &zone->amcf->prefix;
    db = zone->amcf->redis ? zone->amcf->redis->db : 0;

    zone->shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (ozone) {
        zone->shared = ozone->shared;

    } else if (shm_zone->shm.exists) {
        zone->shared = zone->shpool->data;
    }

    if (zone->shared) {
        return ngx_http_apikey_zone_check(zone, db);
    }

    shared = ngx_slab_calloc(zone->shpool, sizeof(ngx_http_apikey_shared_t));
    if (shared == NULL) {
        return NGX_ERROR;
    }

    shared->layout = NGX_HTTP_APIKEY_LAYOUT;
    shared->db = db;
    shared->prefix_len = prefix->len;
    ngx_memcpy(shared->prefix, prefix->data, prefix->len);

    if (ngx_http_apikey_index_init(&shared->known, shm_zone,
                                   NGX_HTTP_APIKEY_ZONE_EACH)
        != NGX_OK
        || ngx_http_apikey_index_init(&shared->leases, shm_zone,
                                      NGX_HTTP_APIKEY_ZONE_EACH)
           != NGX_OK
        || ngx_http_apikey_index_init(&shared->locals, shm_zone,
                                      NGX_HTTP_APIKEY_ZONE_EACH)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    zone->shpool->data = shared;
    zone->shared = shared;

    /* a full zone is no news */
    zone->shpool->log_nomem = 0;

    return NGX_OK;
}


/* Is what was left there of use, and of the same keys? */

static ngx_int_t
ngx_http_apikey_zone_check(ngx_http_apikey_zone_t *zone, ngx_uint_t db)
{
    ngx_shm_t                 *shm;
    ngx_str_t                 *prefix;
    ngx_http_apikey_shared_t  *shared;

    shm = &zone->shm_zone->shm;
    shared = zone->shared;
    prefix = &zone->amcf->prefix;

    if (shared->layout != NGX_HTTP_APIKEY_LAYOUT) {
        ngx_log_error(NGX_LOG_EMERG, shm->log, 0,
                      "apikey_cache zone \"%V\" holds what another version "
                      "of the module has left: restart nginx, or give the "
                      "zone another name", &shm->name);
        return NGX_ERROR;
    }

    if (shared->db != db
        || shared->prefix_len != prefix->len
        || ngx_memcmp(shared->prefix, prefix->data, prefix->len) != 0)
    {
        ngx_log_error(NGX_LOG_EMERG, shm->log, 0,
                      "apikey_cache zone \"%V\" holds records of prefix "
                      "\"%*s\" in database %ui: restart nginx, or give the "
                      "zone another name", &shm->name, shared->prefix_len,
                      shared->prefix, shared->db);
        return NGX_ERROR;
    }

    return NGX_OK;
}
