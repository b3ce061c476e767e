#include "ngx_http_apikey_fuzz.h"


static void **fuzz_confs(ngx_conf_t *cf, void **confs, void *ours);
static char *fuzz_parse(ngx_conf_t *cf, apikey_text_t text);


/*
 * What stands in http { }; of its directives only this module's are known.
 * What is taken goes through what nginx does at its end.
 */
int
fuzz_directive(const uint8_t *data, size_t size)
{
    void                       *conf, *srv, *loc, *parent;
    ngx_conf_t                  cf;
    ngx_cycle_t                 cycle;
    ngx_module_t               *modules[2];
    apikey_text_t               text;
    ngx_http_conf_ctx_t         ctx, *real;
    ngx_http_core_main_conf_t   cmcf;

    cf = *fuzz_cf;
    cycle = *fuzz_cf->cycle;
    real = fuzz_cf->ctx;

    modules[0] = &ngx_http_apikey_module;
    modules[1] = NULL;

    cf.pool = fuzz_pool_create();
    cf.temp_pool = cf.pool;
    cf.cycle = &cycle;
    cf.ctx = &ctx;
    cf.cmd_type = NGX_HTTP_MAIN_CONF;
    cf.module_type = NGX_HTTP_MODULE;
    cf.args = ngx_array_create(cf.pool, 10, sizeof(ngx_str_t));
    must(cf.args != NULL);

    cycle.pool = cf.pool;
    cycle.modules = modules;
    must(ngx_list_init(&cycle.shared_memory, cf.pool, 1,
                       sizeof(ngx_shm_zone_t))
         == NGX_OK);

    conf = ngx_http_apikey_create_main_conf(&cf);
    srv = ngx_http_apikey_create_srv_conf(&cf);
    loc = ngx_http_apikey_create_loc_conf(&cf);
    parent = ngx_http_apikey_create_loc_conf(&cf);
    must(conf != NULL && srv != NULL && loc != NULL && parent != NULL);

    ctx.main_conf = fuzz_confs(&cf, real->main_conf, conf);
    ctx.srv_conf = fuzz_confs(&cf, real->srv_conf, srv);
    ctx.loc_conf = fuzz_confs(&cf, real->loc_conf, loc);

    /* it remembers the variables */
    cmcf = *(ngx_http_core_main_conf_t *)
           real->main_conf[ngx_http_core_module.ctx_index];
    must(ngx_array_init(&cmcf.variables, cf.pool, 4,
                        sizeof(ngx_http_variable_t))
         == NGX_OK);
    ctx.main_conf[ngx_http_core_module.ctx_index] = &cmcf;

    text = fuzz_copy(data, size);

    if (fuzz_parse(&cf, text) == NGX_CONF_OK
        && ngx_http_apikey_init_main_conf(&cf, conf) == NGX_CONF_OK)
    {
        (void) ngx_http_apikey_merge_loc_conf(&cf, parent, loc);
    }

    fuzz_free(text);
    ngx_destroy_pool(cf.pool);

    return 0;
}


static void **
fuzz_confs(ngx_conf_t *cf, void **confs, void *ours)
{
    void  **copy;

    copy = ngx_pnalloc(cf->pool, sizeof(void *) * ngx_http_max_module);
    must(copy != NULL);

    ngx_memcpy(copy, confs, sizeof(void *) * ngx_http_max_module);
    copy[ngx_http_apikey_module.ctx_index] = ours;

    return copy;
}


/* As nginx reads "-g". */

static char *
fuzz_parse(ngx_conf_t *cf, apikey_text_t text)
{
    ngx_buf_t        b;
    ngx_conf_file_t  file;

    ngx_memzero(&file, sizeof(ngx_conf_file_t));
    ngx_memzero(&b, sizeof(ngx_buf_t));

    b.start = (u_char *) text.data;
    b.pos = b.start;
    b.last = b.start + text.len;
    b.end = b.last;
    b.temporary = 1;

    file.file.fd = NGX_INVALID_FILE;
    file.buffer = &b;
    cf->conf_file = &file;

    return ngx_conf_parse(cf, NULL);
}
