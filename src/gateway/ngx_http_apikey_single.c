/*
 * A single process (master_process off) goes on with what it has begun under
 * the configuration before: connections, timers, its client of Redis.  nginx
 * frees zones of shared memory that the next configuration doesn't name, so
 * ours are named by it in any case.
 */

#include "ngx_http_apikey.h"


static ngx_int_t ngx_http_apikey_single_name(ngx_conf_t *cf,
    ngx_shm_zone_t *old);
static ngx_int_t ngx_http_apikey_single_init(ngx_shm_zone_t *shm_zone,
    void *data);


ngx_int_t
ngx_http_apikey_single_keep(ngx_conf_t *cf)
{
    ngx_uint_t        i;
    ngx_cycle_t      *old;
    ngx_list_part_t  *part;
    ngx_shm_zone_t   *zone;

    old = cf->cycle->old_cycle;

    if (ngx_process != NGX_PROCESS_SINGLE || ngx_is_init_cycle(old)) {
        return NGX_OK;
    }

    for (part = &old->shared_memory.part; part; part = part->next) {
        zone = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if ((zone[i].tag == &ngx_http_apikey_module
                 || zone[i].tag == &ngx_http_apikey_guard_tag
                 || zone[i].tag == &ngx_http_apikey_metrics_tag)
                && ngx_http_apikey_single_name(cf, &zone[i]) != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_apikey_single_name(ngx_conf_t *cf, ngx_shm_zone_t *old)
{
    ngx_str_t        name;
    ngx_shm_zone_t  *zone;

    /* the other one ends with its configuration */

    name.len = old->shm.name.len;
    name.data = ngx_pstrdup(cf->pool, &old->shm.name);
    if (name.data == NULL) {
        return NGX_ERROR;
    }

    zone = ngx_shared_memory_add(cf, &name, 0, old->tag);
    if (zone == NULL) {
        return NGX_ERROR;
    }

    if (zone->shm.size == 0) {
        /* nobody else has named it */
        zone->shm.size = old->shm.size;
        zone->init = ngx_http_apikey_single_init;
    }

    if (zone->shm.size != old->shm.size) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "the size of zone \"%V\" can't change while a single "
                      "process goes on: restart nginx", &name);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* Whoever names it again goes on with what is there. */

static ngx_int_t
ngx_http_apikey_single_init(ngx_shm_zone_t *shm_zone, void *data)
{
    shm_zone->data = data;

    return NGX_OK;
}
