/* What the gateway asks Redis, always by the one script decide.lua. */

#include "ngx_http_apikey_changes.h"


static ngx_http_apikey_batch_question_t *ngx_http_apikey_lookup_pose(
    ngx_http_apikey_ctx_t *ctx, ngx_http_apikey_asked_t *asked,
    ngx_http_apikey_batch_handler_pt handler, void *data);


ngx_uint_t
ngx_http_apikey_lookup_apart(ngx_http_apikey_ctx_t *ctx)
{
    return ctx->amcf->redis->cluster
           && ctx->credential.key
           && ctx->count.meter.holder.len;
}


ngx_int_t
ngx_http_apikey_lookup_ask(ngx_http_request_t *r, ngx_http_apikey_ctx_t *ctx,
    ngx_uint_t spend)
{
    ngx_http_apikey_asked_t  asked;

    ngx_memzero(&asked, sizeof(ngx_http_apikey_asked_t));

    if (spend) {
        asked.limits = ctx->count.meter.limits;
        asked.cost = ctx->count.cost;
    }

    if (asked.limits == NULL || !ctx->count.meter.leased) {
        ctx->question.want = 0;
    }

    if (ctx->question.want) {
        asked.rule = NGX_HTTP_APIKEY_RULE_LEASE;
        asked.want = ctx->question.want;
    }

    if (ctx->entry) {
        asked.rev = ctx->entry->record->rev;
    }

    ctx->question.spending = spend;
    ctx->question.apart = spend && ngx_http_apikey_lookup_apart(ctx);
    ctx->question.sent = ngx_current_msec;

    if (ctx->credential.key && !ctx->question.apart) {
        ctx->question.heard =
            ngx_http_apikey_changes_count(ctx->amcf->changes,
                                          ctx->credential.digest);
    }

    ctx->question.pending = ngx_http_apikey_lookup_pose(ctx, &asked,
                                           ngx_http_apikey_answer_decision,
                                           ctx);

    return ctx->question.pending ? NGX_AGAIN : NGX_DECLINED;
}


void
ngx_http_apikey_lookup_add(ngx_http_apikey_ctx_t *ctx, uint64_t amount)
{
    ngx_http_apikey_asked_t  asked;

    ngx_memzero(&asked, sizeof(ngx_http_apikey_asked_t));

    asked.limits = ctx->count.meter.limits;
    asked.cost = amount;
    asked.rule = NGX_HTTP_APIKEY_RULE_CHARGE;

    (void) ngx_http_apikey_lookup_pose(ctx, &asked,
                                       ngx_http_apikey_answer_added,
                                       ctx->amcf);
}


/* Where the record and the counters are. */

static ngx_http_apikey_batch_question_t *
ngx_http_apikey_lookup_pose(ngx_http_apikey_ctx_t *ctx,
    ngx_http_apikey_asked_t *asked, ngx_http_apikey_batch_handler_pt handler,
    void *data)
{
    apikey_record_t  *record;

    record = ctx->entry ? ctx->entry->record : NULL;

    if (record) {
        asked->not_before = record->not_before;
        asked->expires = record->expires;
    }

    if (asked->limits) {
        asked->field = ngx_http_apikey_text(&ctx->count.meter.field);
        asked->holder = ngx_http_apikey_text(&ctx->count.meter.holder);
    }

    if (ctx->credential.key
        && !(asked->limits && ngx_http_apikey_lookup_apart(ctx)))
    {
        asked->digest = ctx->credential.digest;

    } else {
        asked->rev.len = 0;
    }

    return ngx_http_apikey_batch_add(ctx->amcf, asked, handler, data);
}


/* What is leased with the question isn't lost, nor that the key is bad. */

void
ngx_http_apikey_lookup_abandon(ngx_http_apikey_ctx_t *ctx)
{
    ngx_http_apikey_taken_t  *taken;

    taken = NULL;

    if (ctx->question.want) {
        taken = ngx_alloc(sizeof(ngx_http_apikey_taken_t), ngx_cycle->log);
    }

    if (taken == NULL) {

        if (!ctx->credential.key
            || ctx->alcf->guard == NULL
            || ngx_http_apikey_guard_await(ctx) != NGX_OK)
        {
            ngx_http_apikey_batch_cancel(ctx->question.pending);
        }

        return;
    }

    ngx_http_apikey_taken_init(taken, ctx);
    ngx_http_apikey_batch_pass_on(ctx->question.pending,
                                  ngx_http_apikey_answer_lease, taken);
}


ngx_http_apikey_batch_question_t *
ngx_http_apikey_lookup_ask_record(ngx_http_apikey_ctx_t *ctx,
    ngx_http_apikey_batch_handler_pt handler, void *data)
{
    ngx_http_apikey_asked_t  asked;

    ngx_memzero(&asked, sizeof(ngx_http_apikey_asked_t));

    ctx->question.sent = ngx_current_msec;
    ctx->question.heard = ngx_http_apikey_changes_count(ctx->amcf->changes,
                                                        ctx->credential.digest);

    ctx->question.pending = ngx_http_apikey_lookup_pose(ctx, &asked, handler,
                                                        data);

    return ctx->question.pending;
}


void
ngx_http_apikey_lookup_ask_lease(ngx_http_apikey_ctx_t *ctx)
{
    ngx_http_apikey_asked_t   asked;
    ngx_http_apikey_taken_t  *taken;

    ngx_memzero(&asked, sizeof(ngx_http_apikey_asked_t));

    asked.limits = ctx->count.meter.limits;
    asked.want = ctx->question.more;
    asked.rule = NGX_HTTP_APIKEY_RULE_LEASE;

    ctx->question.more = 0;

    taken = ngx_alloc(sizeof(ngx_http_apikey_taken_t), ngx_cycle->log);
    if (taken == NULL) {
        return;
    }

    ctx->question.sent = ngx_current_msec;
    ngx_http_apikey_taken_init(taken, ctx);
    taken->want = asked.want;

    if (ctx->credential.key) {
        asked.rev = ctx->entry->record->rev;
    }

    if (ngx_http_apikey_lookup_pose(ctx, &asked, ngx_http_apikey_answer_lease,
                                    taken)
        == NULL)
    {
        ngx_free(taken);
    }
}
