#ifndef _NGX_HTTP_APIKEY_ACCESS_H_INCLUDED_
#define _NGX_HTTP_APIKEY_ACCESS_H_INCLUDED_

/* What nginx calls of a request. */

#include "ngx_http_apikey.h"


/* ngx_http_apikey_access.c */

ngx_int_t ngx_http_apikey_location_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_apikey_preaccess_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_apikey_access_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_apikey_passed_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_apikey_ended_handler(ngx_http_request_t *r);

/* ngx_http_apikey_body.c */

ngx_int_t ngx_http_apikey_body_init(ngx_conf_t *cf);

/* ngx_http_apikey_end.c */

/*
 * For its verdict: answered 401 if that can still be, else broken off.  Not
 * within the handler of a reply of Redis; the context may be gone then.
 */
void ngx_http_apikey_end_request(ngx_http_apikey_ctx_t *ctx);

/* ngx_http_apikey_usage.c */

/* In the log phase. */
ngx_int_t ngx_http_apikey_usage_handler(ngx_http_request_t *r);

/* ngx_http_apikey_report.c */

char *ngx_http_apikey_report(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* ngx_http_apikey_variables.c */

ngx_int_t ngx_http_apikey_variables_add(ngx_conf_t *cf);

/* While the configuration is read; NULL: there is none of that name. */
ngx_http_variable_t *ngx_http_apikey_find_variable(ngx_conf_t *cf,
    ngx_str_t *name);


#endif /* _NGX_HTTP_APIKEY_ACCESS_H_INCLUDED_ */
