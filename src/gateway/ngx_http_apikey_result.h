#ifndef _NGX_HTTP_APIKEY_RESULT_H_INCLUDED_
#define _NGX_HTTP_APIKEY_RESULT_H_INCLUDED_

/* What has been decided of a request. */

#include "ngx_http_apikey.h"


/* In the order of the table of ngx_http_apikey_result.c. */
typedef enum {
    NGX_HTTP_APIKEY_NONE = 0,
    NGX_HTTP_APIKEY_OK,
    NGX_HTTP_APIKEY_ANONYMOUS,
    NGX_HTTP_APIKEY_MISSING,
    NGX_HTTP_APIKEY_MALFORMED,
    NGX_HTTP_APIKEY_UNKNOWN,
    NGX_HTTP_APIKEY_REVOKED,
    NGX_HTTP_APIKEY_DISABLED,
    NGX_HTTP_APIKEY_EXPIRED,
    NGX_HTTP_APIKEY_ADDRESS,
    NGX_HTTP_APIKEY_TENANT,
    NGX_HTTP_APIKEY_METHOD,
    NGX_HTTP_APIKEY_SCOPE,
    NGX_HTTP_APIKEY_LIMITED,
    NGX_HTTP_APIKEY_GUARDED,
    NGX_HTTP_APIKEY_UNAVAILABLE,
    NGX_HTTP_APIKEY_DRY_RUN,
    NGX_HTTP_APIKEY_PREFLIGHT,
    NGX_HTTP_APIKEY_RESULTS
} ngx_http_apikey_result_e;


/* The header that goes with a refusal. */
typedef enum {
    NGX_HTTP_APIKEY_WITH_NOTHING = 0,
    NGX_HTTP_APIKEY_WITH_CHALLENGE,
    NGX_HTTP_APIKEY_WITH_ALLOW,
    NGX_HTTP_APIKEY_WITH_RETRY_AFTER
} ngx_http_apikey_with_e;


typedef struct {
    ngx_uint_t                    status;
    ngx_uint_t                    grpc_status;
    const char                   *title;       /* of a problem */
    const char                   *message;
    ngx_http_apikey_with_e        with;
} ngx_http_apikey_refusal_t;


/* ngx_http_apikey_result.c */

/* NULL: the request passes. */
const ngx_http_apikey_refusal_t *ngx_http_apikey_result_refusal(
    ngx_http_apikey_result_e result);

/* The status of a refusal; 0: the request passes. */
ngx_uint_t ngx_http_apikey_result_status(ngx_http_apikey_result_e result);

/* As $apikey_result has it. */
ngx_str_t *ngx_http_apikey_result_name(ngx_http_apikey_result_e result);


#endif /* _NGX_HTTP_APIKEY_RESULT_H_INCLUDED_ */
