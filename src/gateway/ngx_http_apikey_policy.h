#ifndef _NGX_HTTP_APIKEY_POLICY_H_INCLUDED_
#define _NGX_HTTP_APIKEY_POLICY_H_INCLUDED_

/* May the key, and the client, do this here? */

#include "ngx_http_apikey.h"


/* ngx_http_apikey_policy.c */

/* NGX_HTTP_APIKEY_OK, or what the entry's record lacks at this location. */
ngx_http_apikey_result_e ngx_http_apikey_policy_judge(ngx_http_request_t *r,
    ngx_http_apikey_loc_conf_t *alcf, ngx_http_apikey_ctx_t *ctx);

/* Of CORS: a browser asks whether its page may. */
ngx_uint_t ngx_http_apikey_policy_preflight(ngx_http_request_t *r);

/* Of the key by itself, wherever it is used.  NONE: there is no record yet. */
ngx_http_apikey_result_e ngx_http_apikey_policy_standing(
    ngx_http_apikey_ctx_t *ctx);

/* By "methods" of "apikey optional". */
ngx_uint_t ngx_http_apikey_policy_anonymous(ngx_http_request_t *r,
    ngx_http_apikey_loc_conf_t *alcf);

/* By apikey_methods, which hold for anonymous requests, too. */
ngx_uint_t ngx_http_apikey_policy_method(ngx_http_request_t *r,
    ngx_http_apikey_loc_conf_t *alcf);

/* ngx_http_apikey_client.c */

/* The client's address: 4 or 16 bytes; 0 for a unix socket. */
size_t ngx_http_apikey_client_address(ngx_http_request_t *r, u_char **addr);

/*
 * What counts as one client: an IPv4 address, or the 8 bytes of an IPv6
 * network; 0 for a unix socket.
 */
size_t ngx_http_apikey_client_network(ngx_http_request_t *r, u_char **addr);

/* Of these bytes, to text of NGX_SOCKADDR_STRLEN; returns its length. */
size_t ngx_http_apikey_client_text(u_char *text, u_char *addr, size_t len);

/* ngx_http_apikey_guard.c */

char *ngx_http_apikey_guard(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* Seconds until the client's keys are looked at again; 0: they are. */
ngx_uint_t ngx_http_apikey_guard_wait(ngx_http_request_t *r,
    ngx_http_apikey_guard_t *guard);

/* The client's key was bad. */
void ngx_http_apikey_guard_count(ngx_http_request_t *r,
    ngx_http_apikey_guard_t *guard);

/*
 * The client goes away: the answer may still say that its key is unknown.
 * NGX_ERROR: no memory, the command is as it was.
 */
ngx_int_t ngx_http_apikey_guard_await(ngx_http_apikey_ctx_t *ctx);

/* The name of its zone; how many addresses are in there. */
ngx_str_t *ngx_http_apikey_guard_known(ngx_http_apikey_guard_t *guard,
    ngx_uint_t *addresses);

/* Its address tells the zones of guards from others. */
extern u_char  ngx_http_apikey_guard_tag;


#endif /* _NGX_HTTP_APIKEY_POLICY_H_INCLUDED_ */
