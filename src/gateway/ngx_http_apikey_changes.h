#ifndef _NGX_HTTP_APIKEY_CHANGES_H_INCLUDED_
#define _NGX_HTTP_APIKEY_CHANGES_H_INCLUDED_


#include "ngx_http_apikey.h"


#define NGX_HTTP_APIKEY_CHANGES_SLOTS  4096    /* a power of two */


/* Of a worker. */
struct ngx_http_apikey_changes_s {
    void                       (*handler)(void *data, u_char *digest);
    void                        *data;
    uint32_t                     missed;       /* how often any key's may be */
    uint32_t                     heard[NGX_HTTP_APIKEY_CHANGES_SLOTS];
};


static ngx_inline ngx_uint_t
ngx_http_apikey_changes_slot(u_char *digest)
{
    return (digest[0] << 8 | digest[1]) & (NGX_HTTP_APIKEY_CHANGES_SLOTS - 1);
}


/* Other than before: the key's record may have changed meanwhile. */
static ngx_inline uint32_t
ngx_http_apikey_changes_count(ngx_http_apikey_changes_t *changes,
    u_char *digest)
{
    return changes->missed
           + changes->heard[ngx_http_apikey_changes_slot(digest)];
}


/* Since the record of the request's key was asked for. */
static ngx_inline ngx_uint_t
ngx_http_apikey_changes_since(ngx_http_apikey_ctx_t *ctx)
{
    return ctx->question.heard
           != ngx_http_apikey_changes_count(ctx->amcf->changes,
                                            ctx->credential.digest);
}


ngx_int_t ngx_http_apikey_changes_start(ngx_http_apikey_main_conf_t *amcf,
    ngx_pool_t *pool);

/* A key's record has changed; NULL: any may have.  The handler is called. */
void ngx_http_apikey_changes_hear(ngx_http_apikey_changes_t *changes,
    u_char *digest);


#endif /* _NGX_HTTP_APIKEY_CHANGES_H_INCLUDED_ */
