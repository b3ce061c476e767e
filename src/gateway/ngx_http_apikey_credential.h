#ifndef _NGX_HTTP_APIKEY_CREDENTIAL_H_INCLUDED_
#define _NGX_HTTP_APIKEY_CREDENTIAL_H_INCLUDED_

/* The key of a request: found, hidden, masked, and kept out of caches. */

#include "ngx_http_apikey.h"


/* ngx_http_apikey_credential.c */

/*
 * Looks for the key in the location's sources; sets the digest or
 * malformed, hides what is to be hidden, masks what is logged.
 */
ngx_int_t ngx_http_apikey_credential_find(ngx_http_request_t *r,
    ngx_http_apikey_loc_conf_t *alcf, ngx_http_apikey_ctx_t *ctx);

/* ngx_http_apikey_query.c */

/*
 * The value of the parameter, percent-decoded into the request's pool, its
 * name too may have been encoded.  *count: how often it is there with a value.
 */
ngx_int_t ngx_http_apikey_query_value(ngx_pool_t *pool, ngx_str_t *args,
    ngx_str_t *name, ngx_str_t *value, ngx_uint_t *count);

/* A copy without the parameter or, with a mask, with that as its value. */
ngx_int_t ngx_http_apikey_query_rewrite(ngx_pool_t *pool, ngx_str_t *args,
    ngx_str_t *name, ngx_str_t *mask);

/* The same in a URI, or in a request line, in which " HTTP/" ends the query. */
ngx_int_t ngx_http_apikey_query_rewrite_uri(ngx_pool_t *pool, ngx_str_t *uri,
    ngx_str_t *name, ngx_str_t *mask);

/* ngx_http_apikey_path.c */

ngx_int_t ngx_http_apikey_path_add(ngx_conf_t *cf);

/* Before anything is decided by the path. */
ngx_int_t ngx_http_apikey_path_settle(ngx_http_request_t *r);

/* ngx_http_apikey_mask.c: what is logged of a request */

/* Of the location that is being merged: names that its server masks. */
ngx_int_t ngx_http_apikey_mask_add(ngx_conf_t *cf,
    ngx_http_apikey_loc_conf_t *alcf);

/*
 * Masks, in a query and in a URI or request line, what any location of the
 * server takes for keys.  Either may be NULL; what is masked is a copy.
 */
ngx_int_t ngx_http_apikey_mask(ngx_http_request_t *r, ngx_str_t *args,
    ngx_str_t *uri);

/* The request line, before any phase can log it. */
ngx_int_t ngx_http_apikey_mask_handler(ngx_http_request_t *r);

/* All that may be logged of it, first in the log phase. */
ngx_int_t ngx_http_apikey_mask_log_handler(ngx_http_request_t *r);

/* What the error log tells of the requests of these sockets. */
void ngx_http_apikey_mask_listen(ngx_cycle_t *cycle);

/* ngx_http_apikey_hidden.c: what variables tell of a hidden key */

/* Of the location that is being merged: its keys will be hidden. */
ngx_int_t ngx_http_apikey_hidden_add(ngx_conf_t *cf,
    ngx_http_apikey_loc_conf_t *alcf);

/* Once all locations are known. */
ngx_int_t ngx_http_apikey_hidden_init(ngx_conf_t *cf);

/* ngx_http_apikey_store.c: what nginx's caches may store */

/* A variable that tells keys apart has been evaluated, and isn't empty. */
void ngx_http_apikey_store_made(ngx_http_request_t *r,
    ngx_http_apikey_ctx_t *ctx);

/* The upstream's headers are there, and nginx hasn't stored them yet. */
void ngx_http_apikey_store_check(ngx_http_request_t *r);

/* Before the content phase. */
ngx_int_t ngx_http_apikey_store_handler(ngx_http_request_t *r);


#endif /* _NGX_HTTP_APIKEY_CREDENTIAL_H_INCLUDED_ */
