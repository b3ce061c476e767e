/* What a response has turned out to cost, in the log phase. */

#include "ngx_http_apikey.h"


ngx_int_t
ngx_http_apikey_charge_handler(ngx_http_request_t *r)
{
    uint64_t                amount;
    ngx_http_apikey_ctx_t  *ctx;

    if (r != r->main) {
        return NGX_OK;
    }

    ctx = ngx_http_apikey_ctx_get(r);

    if (ctx == NULL
        || !ctx->count.metered
        || ctx->answer.status
        || ctx->alcf->charge == NULL
        || ctx->alcf->limit == NGX_HTTP_APIKEY_LIMIT_OFF)
    {
        return NGX_OK;
    }

    if (ngx_http_apikey_amount_eval(r, ctx, ctx->alcf->charge, "apikey_charge",
                                    &amount)
        == NGX_OK
        && amount)
    {
        ngx_log_debug2(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                       "apikey charge of %uL, local %d", amount,
                       ctx->count.local);

        if (ctx->count.local) {
            ngx_http_apikey_local_charge(ctx, amount);
            return NGX_OK;
        }

        if (ctx->count.meter.leased) {
            amount = ngx_http_apikey_lease_charge(ctx, amount);
        }

        if (amount) {
            ngx_http_apikey_lookup_add(ctx, amount);
        }
    }

    return NGX_OK;
}
