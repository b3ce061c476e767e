/*
 * Refusals of gRPC: a response of headers only, which says by grpc-status what
 * others say by the status of HTTP.
 */

#include "ngx_http_apikey.h"


ngx_uint_t
ngx_http_apikey_grpc(ngx_http_request_t *r)
{
    u_char     *next;
    ngx_str_t  *type;

    static const char  grpc[] = "application/grpc";

    if (r->headers_in.content_type == NULL) {
        return 0;
    }

    type = &r->headers_in.content_type->value;

    if (type->len < sizeof(grpc) - 1
        || ngx_strncasecmp(type->data, (u_char *) grpc, sizeof(grpc) - 1) != 0)
    {
        return 0;
    }

    /* "+proto", "-web", "-web-text+proto", parameters */

    next = type->data + sizeof(grpc) - 1;

    return type->len == sizeof(grpc) - 1 || ngx_strchr("+-; \t", *next);
}


ngx_int_t
ngx_http_apikey_grpc_refuse(ngx_http_request_t *r,
    ngx_http_apikey_result_e result)
{
    const ngx_http_apikey_refusal_t  *refusal;

    refusal = ngx_http_apikey_result_refusal(result);

    if (ngx_http_apikey_header_number(r, "grpc-status", refusal->grpc_status)
        != NGX_OK
        || ngx_http_apikey_header_add(r, "grpc-message",
                                      (u_char *) refusal->message,
                                      ngx_strlen(refusal->message))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* r->err_status stays, and logs tell it */

    r->headers_out.status = NGX_HTTP_OK;
    ngx_str_null(&r->headers_out.status_line);

    r->headers_out.content_type = r->headers_in.content_type->value;
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;
    ngx_str_null(&r->headers_out.charset);

    ngx_http_clear_content_length(r);
    r->headers_out.content_length_n = 0;
    r->header_only = 1;

    return NGX_OK;
}
