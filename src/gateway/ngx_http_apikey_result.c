/* What each decision is called, and what the client is told of it. */

#include "ngx_http_apikey.h"


typedef struct {
    ngx_str_t                  name;      /* $apikey_result */
    ngx_uint_t                 status;    /* 0: passes */
    const char                *message;
} ngx_http_apikey_outcome_t;


/* In the order of ngx_http_apikey_result_e. */

static ngx_http_apikey_outcome_t  ngx_http_apikey_outcomes[] = {

    { ngx_string("-"), NGX_HTTP_INTERNAL_SERVER_ERROR, "" },
    { ngx_string("ok"), 0, "" },
    { ngx_string("anonymous"), 0, "" },
    { ngx_string("missing"), NGX_HTTP_UNAUTHORIZED, "Missing API key" },
    { ngx_string("malformed"), NGX_HTTP_UNAUTHORIZED, "Invalid API key" },
    { ngx_string("unknown"), NGX_HTTP_UNAUTHORIZED, "Invalid API key" },
    { ngx_string("revoked"), NGX_HTTP_UNAUTHORIZED, "Invalid API key" },
    { ngx_string("disabled"), NGX_HTTP_UNAUTHORIZED, "Invalid API key" },
    { ngx_string("expired"), NGX_HTTP_UNAUTHORIZED, "Invalid API key" },
    { ngx_string("address"), NGX_HTTP_FORBIDDEN, "Insufficient permissions" },
    { ngx_string("tenant"), NGX_HTTP_FORBIDDEN, "Insufficient permissions" },
    { ngx_string("method"), NGX_HTTP_NOT_ALLOWED, "Method not allowed" },
    { ngx_string("scope"), NGX_HTTP_FORBIDDEN, "Insufficient permissions" },
    { ngx_string("limited"), NGX_HTTP_TOO_MANY_REQUESTS,
      "Rate limit exceeded" },
    { ngx_string("guarded"), NGX_HTTP_TOO_MANY_REQUESTS,
      "Rate limit exceeded" },
    { ngx_string("unavailable"), NGX_HTTP_SERVICE_UNAVAILABLE,
      "API key service unavailable" },
    { ngx_string("dry_run"), 0, "" },
    { ngx_string("preflight"), 0, "" }
};


ngx_uint_t
ngx_http_apikey_result_status(ngx_http_apikey_result_e result)
{
    return ngx_http_apikey_outcomes[result].status;
}


ngx_str_t *
ngx_http_apikey_result_name(ngx_http_apikey_result_e result)
{
    return &ngx_http_apikey_outcomes[result].name;
}


const char *
ngx_http_apikey_result_message(ngx_http_apikey_result_e result)
{
    return ngx_http_apikey_outcomes[result].message;
}
