/* What each decision is called, and what the client is told of it. */

#include "ngx_http_apikey.h"


typedef struct {
    ngx_str_t                          name;      /* $apikey_result */
    const ngx_http_apikey_refusal_t   *refusal;   /* NULL: passes */
} ngx_http_apikey_outcome_t;


static const ngx_http_apikey_refusal_t  ngx_http_apikey_undecided = {
    NGX_HTTP_INTERNAL_SERVER_ERROR, 13, "Internal Server Error", "",
    NGX_HTTP_APIKEY_WITH_NOTHING
};

static const ngx_http_apikey_refusal_t  ngx_http_apikey_missing = {
    NGX_HTTP_UNAUTHORIZED, 16, "Unauthorized", "Missing API key",
    NGX_HTTP_APIKEY_WITH_CHALLENGE
};

static const ngx_http_apikey_refusal_t  ngx_http_apikey_invalid = {
    NGX_HTTP_UNAUTHORIZED, 16, "Unauthorized", "Invalid API key",
    NGX_HTTP_APIKEY_WITH_CHALLENGE
};

static const ngx_http_apikey_refusal_t  ngx_http_apikey_forbidden = {
    NGX_HTTP_FORBIDDEN, 7, "Forbidden", "Insufficient permissions",
    NGX_HTTP_APIKEY_WITH_NOTHING
};

static const ngx_http_apikey_refusal_t  ngx_http_apikey_not_allowed = {
    NGX_HTTP_NOT_ALLOWED, 12, "Method Not Allowed", "Method not allowed",
    NGX_HTTP_APIKEY_WITH_ALLOW
};

static const ngx_http_apikey_refusal_t  ngx_http_apikey_too_many = {
    NGX_HTTP_TOO_MANY_REQUESTS, 8, "Too Many Requests", "Rate limit exceeded",
    NGX_HTTP_APIKEY_WITH_RETRY_AFTER
};

static const ngx_http_apikey_refusal_t  ngx_http_apikey_unavailable = {
    NGX_HTTP_SERVICE_UNAVAILABLE, 14, "Service Unavailable",
    "API key service unavailable", NGX_HTTP_APIKEY_WITH_RETRY_AFTER
};


/* In the order of ngx_http_apikey_result_e. */

static ngx_http_apikey_outcome_t  ngx_http_apikey_outcomes[] = {

    { ngx_string("-"), &ngx_http_apikey_undecided },
    { ngx_string("ok"), NULL },
    { ngx_string("anonymous"), NULL },
    { ngx_string("missing"), &ngx_http_apikey_missing },
    { ngx_string("malformed"), &ngx_http_apikey_invalid },
    { ngx_string("unknown"), &ngx_http_apikey_invalid },
    { ngx_string("revoked"), &ngx_http_apikey_invalid },
    { ngx_string("disabled"), &ngx_http_apikey_invalid },
    { ngx_string("expired"), &ngx_http_apikey_invalid },
    { ngx_string("address"), &ngx_http_apikey_forbidden },
    { ngx_string("tenant"), &ngx_http_apikey_forbidden },
    { ngx_string("method"), &ngx_http_apikey_not_allowed },
    { ngx_string("scope"), &ngx_http_apikey_forbidden },
    { ngx_string("limited"), &ngx_http_apikey_too_many },
    { ngx_string("guarded"), &ngx_http_apikey_too_many },
    { ngx_string("unavailable"), &ngx_http_apikey_unavailable },
    { ngx_string("dry_run"), NULL },
    { ngx_string("preflight"), NULL }
};


const ngx_http_apikey_refusal_t *
ngx_http_apikey_result_refusal(ngx_http_apikey_result_e result)
{
    return ngx_http_apikey_outcomes[result].refusal;
}


ngx_uint_t
ngx_http_apikey_result_status(ngx_http_apikey_result_e result)
{
    const ngx_http_apikey_refusal_t  *refusal;

    refusal = ngx_http_apikey_outcomes[result].refusal;

    return refusal ? refusal->status : 0;
}


ngx_str_t *
ngx_http_apikey_result_name(ngx_http_apikey_result_e result)
{
    return &ngx_http_apikey_outcomes[result].name;
}
