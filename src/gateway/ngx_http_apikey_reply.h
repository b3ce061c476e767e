#ifndef _NGX_HTTP_APIKEY_REPLY_H_INCLUDED_
#define _NGX_HTTP_APIKEY_REPLY_H_INCLUDED_

/* What the client is told. */

#include "ngx_http_apikey.h"


/* A window as the client is told of it. */
typedef struct {
    ngx_str_t                     name;
    u_char                        text[NGX_INT32_LEN];  /* of the name */
    uint32_t                      seconds;
    uint64_t                      limit;
    uint64_t                      used;        /* a debt makes it more */
    uint64_t                      remaining;
    uint64_t                      reset;       /* Unix seconds */
} ngx_http_apikey_window_t;


/* ngx_http_apikey_header.c */

/* A header whose name is a literal; the value isn't copied. */
#define ngx_http_apikey_header_add(r, name, value, len)                       \
    ngx_http_apikey_header_push(r, name, sizeof(name) - 1, value, len)
#define ngx_http_apikey_header_number(r, name, n)                             \
    ngx_http_apikey_header_push_number(r, name, sizeof(name) - 1, n)

ngx_int_t ngx_http_apikey_header_push(ngx_http_request_t *r, const char *name,
    size_t name_len, u_char *value, size_t len);
ngx_int_t ngx_http_apikey_header_push_number(ngx_http_request_t *r,
    const char *name, size_t name_len, uint64_t n);

/* ngx_http_apikey_ratelimit.c */

/* How many windows the request was counted in, or checked against. */
ngx_uint_t ngx_http_apikey_ratelimit_windows(ngx_http_apikey_ctx_t *ctx);

/* i is below their number; the name points into the window. */
void ngx_http_apikey_ratelimit_window(ngx_http_apikey_ctx_t *ctx,
    ngx_uint_t i, ngx_http_apikey_window_t *window);

/* The headers of a request that has windows, as its location wants them. */
ngx_int_t ngx_http_apikey_ratelimit_add(ngx_http_request_t *r,
    ngx_http_apikey_ctx_t *ctx);

/* What the upstream says of limits isn't what holds here. */
void ngx_http_apikey_ratelimit_remove(ngx_http_request_t *r);

/* ngx_http_apikey_grpc.c */

/* Is it a request of gRPC, or of gRPC-Web? */
ngx_uint_t ngx_http_apikey_grpc(ngx_http_request_t *r);

/* Of a result that refuses: makes the response one of headers only. */
ngx_int_t ngx_http_apikey_grpc_refuse(ngx_http_request_t *r,
    ngx_http_apikey_result_e result);

/* ngx_http_apikey_reply.c */

ngx_int_t ngx_http_apikey_reply_init(ngx_conf_t *cf);

/* ngx_http_apikey_self.c */

char *ngx_http_apikey_self(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* Of a location that is being merged, before its rules are. */
ngx_int_t ngx_http_apikey_self_merge(ngx_conf_t *cf,
    ngx_http_apikey_loc_conf_t *prev, ngx_http_apikey_loc_conf_t *conf);


#endif /* _NGX_HTTP_APIKEY_REPLY_H_INCLUDED_ */
