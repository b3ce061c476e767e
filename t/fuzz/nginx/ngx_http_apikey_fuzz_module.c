#include "ngx_http_apikey_fuzz.h"


typedef struct {
    ngx_str_t      name;
    int          (*run)(const uint8_t *data, size_t size);
} fuzz_target_t;


int LLVMFuzzerRunDriver(int *argc, char ***argv,
    int (*target)(const uint8_t *data, size_t size));

static void *fuzz_create_conf(ngx_conf_t *cf);
static char *fuzz_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
static char *fuzz_location(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
static ngx_int_t fuzz_run(ngx_conf_t *cf);


static fuzz_target_t  fuzz_targets[] = {
    { ngx_string("credential"), fuzz_credential },
    { ngx_string("directive"), fuzz_directive },
    { ngx_string("answer"), fuzz_answer_bytes },
    { ngx_null_string, NULL }
};


static ngx_command_t  fuzz_commands[] = {

    /* fuzz TARGET ARGUMENT...: the arguments are libFuzzer's */
    { ngx_string("fuzz"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      fuzz_set,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("fuzz_location"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      fuzz_location,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  fuzz_module_ctx = {
    NULL,                                  /* preconfiguration */
    fuzz_run,                              /* postconfiguration */

    fuzz_create_conf,                      /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_apikey_fuzz_module = {
    NGX_MODULE_V1,
    &fuzz_module_ctx,                      /* module context */
    fuzz_commands,                         /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


ngx_conf_t                   *fuzz_cf;
ngx_http_apikey_fuzz_conf_t  *fuzz_conf;


static void *
fuzz_create_conf(ngx_conf_t *cf)
{
    ngx_http_apikey_fuzz_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_http_apikey_fuzz_conf_t));

    if (conf == NULL
        || ngx_array_init(&conf->locations, cf->pool, 4, sizeof(void **))
           != NGX_OK
        || ngx_array_init(&conf->args, cf->pool, 8, sizeof(char *)) != NGX_OK)
    {
        return NULL;
    }

    return conf;
}


static char *
fuzz_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_apikey_fuzz_conf_t *fuzz = conf;

    char        **arg;
    ngx_str_t    *value;
    ngx_uint_t    i;

    value = cf->args->elts;
    fuzz->target = value[1];

    /* the first is the program's name, and NULL ends them */

    for (i = 1; i <= cf->args->nelts; i++) {
        arg = ngx_array_push(&fuzz->args);
        must(arg != NULL);

        *arg = i < cf->args->nelts ? (char *) value[i].data : NULL;
    }

    return NGX_CONF_OK;
}


static char *
fuzz_location(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_apikey_fuzz_conf_t *fuzz = conf;

    void  ***loc_conf;

    loc_conf = ngx_array_push(&fuzz->locations);
    must(loc_conf != NULL);

    *loc_conf = ((ngx_http_conf_ctx_t *) cf->ctx)->loc_conf;

    return NGX_CONF_OK;
}


static ngx_int_t
fuzz_run(ngx_conf_t *cf)
{
    int              argc;
    char           **argv;
    fuzz_target_t   *target;

    fuzz_cf = cf;
    fuzz_conf = ngx_http_conf_get_module_main_conf(cf,
                                                ngx_http_apikey_fuzz_module);

    for (target = fuzz_targets; target->run; target++) {

        if (target->name.len == fuzz_conf->target.len
            && ngx_strncmp(target->name.data, fuzz_conf->target.data,
                           target->name.len)
               == 0)
        {
            argc = fuzz_conf->args.nelts - 1;
            argv = fuzz_conf->args.elts;

            exit(LLVMFuzzerRunDriver(&argc, &argv, target->run));
        }
    }

    return NGX_ERROR;
}


ngx_pool_t *
fuzz_pool_create(void)
{
    ngx_pool_t  *pool;

    pool = ngx_create_pool(4096, fuzz_cf->log);
    must(pool != NULL);

    pool->max = 0;

    return pool;
}
