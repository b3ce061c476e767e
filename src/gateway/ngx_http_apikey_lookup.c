/* What the gateway asks Redis, always by the one script decide.lua. */

#include "ngx_http_apikey_changes.h"


#define NGX_HTTP_APIKEY_FOREVER   ((uint64_t) 1 << 40)  /* five bytes hold it */

#define NGX_HTTP_APIKEY_SLIDING   1
#define NGX_HTTP_APIKEY_FORCED    2

#define NGX_HTTP_APIKEY_ASK_SIZE  (5 + 5 + 6 + 1 + APIKEY_WINDOWS_MAX * 10)


/* The buffers that the words of a question are in. */
typedef struct {
    ngx_redis_args_t           args;
    ngx_uint_t                 keys;
    char                       record[APIKEY_NAME_SIZE];
    u_char                     packed[NGX_HTTP_APIKEY_ASK_SIZE];
    u_char                     want[NGX_INT64_LEN];
} ngx_http_apikey_words_t;


static void ngx_http_apikey_lookup_compose(ngx_http_apikey_ctx_t *ctx,
    ngx_http_apikey_words_t *q, apikey_text_t rev,
    const apikey_limits_t *limits, uint64_t cost, uint64_t want,
    ngx_uint_t flags);


ngx_uint_t
ngx_http_apikey_lookup_apart(ngx_http_apikey_ctx_t *ctx)
{
    return ctx->amcf->redis->cluster
           && ctx->credential.key
           && ctx->count.meter.pool.len;
}


ngx_int_t
ngx_http_apikey_lookup_ask(ngx_http_request_t *r, ngx_http_apikey_ctx_t *ctx,
    ngx_uint_t spend)
{
    ngx_uint_t               flags;
    apikey_text_t            rev;
    const apikey_limits_t   *limits;
    ngx_http_apikey_words_t  q;

    limits = spend ? ctx->count.meter.limits : NULL;
    flags = (limits && limits->sliding) ? NGX_HTTP_APIKEY_SLIDING : 0;

    if (limits == NULL || !ctx->count.meter.leased) {
        ctx->question.want = 0;
    }

    rev.data = "";
    rev.len = 0;

    if (ctx->entry) {
        rev = ctx->entry->record->rev;
    }

    ngx_http_apikey_lookup_compose(ctx, &q, rev, limits, ctx->count.cost,
                                   ctx->question.want, flags);

    ctx->question.spending = spend;
    ctx->question.apart = spend && ngx_http_apikey_lookup_apart(ctx);
    ctx->question.sent = ngx_current_msec;

    if (ctx->credential.key && !ctx->question.apart) {
        ctx->question.heard =
            ngx_http_apikey_changes_count(ctx->amcf->changes,
                                          ctx->credential.digest);
    }

    ctx->question.command = ngx_redis_eval(ctx->amcf->client,
                                           &ctx->amcf->decide, &q.args, q.keys,
                                           ngx_http_apikey_answer_decision,
                                           ctx);

    return ctx->question.command ? NGX_AGAIN : NGX_DECLINED;
}


void
ngx_http_apikey_lookup_add(ngx_http_apikey_ctx_t *ctx, uint64_t amount)
{
    ngx_http_apikey_words_t  q;

    static const apikey_text_t  any = apikey_text("*");

    ngx_http_apikey_lookup_compose(ctx, &q, any, ctx->count.meter.limits,
                                   amount, 0, NGX_HTTP_APIKEY_FORCED);

    (void) ngx_redis_eval(ctx->amcf->client, &ctx->amcf->decide, &q.args,
                          q.keys, ngx_http_apikey_answer_added, ctx->amcf);
}


/*
 * See decide.lua for the words.  limits is NULL if nothing is counted.  rev
 * counts only if the record is a part of the question.
 */

static void
ngx_http_apikey_lookup_compose(ngx_http_apikey_ctx_t *ctx,
    ngx_http_apikey_words_t *q, apikey_text_t rev,
    const apikey_limits_t *limits, uint64_t cost, uint64_t want,
    ngx_uint_t flags)
{
    u_char                   *p;
    unsigned                  i;
    apikey_text_t             prefix;
    apikey_record_t          *record;
    ngx_http_apikey_meter_t  *meter;

    meter = &ctx->count.meter;
    record = ctx->entry ? ctx->entry->record : NULL;

    q->args.n = 0;

    if (!ctx->credential.key || (limits && ngx_http_apikey_lookup_apart(ctx))) {
        rev.data = "-";
        rev.len = 1;

    } else {
        prefix.data = (char *) ctx->amcf->prefix.data;
        prefix.len = ctx->amcf->prefix.len;

        ngx_redis_arg(&q->args, q->record,
                      apikey_names_record(q->record, prefix,
                                          ctx->credential.digest));
    }

    if (limits && meter->pool.len) {
        ngx_redis_arg(&q->args, meter->pool.data, meter->pool.len);
    }

    q->keys = q->args.n;

    ngx_redis_arg(&q->args, rev.data, rev.len);

    p = q->packed;
    p = apikey_bytes_put(p, record ? record->not_before : 0, 5);
    p = apikey_bytes_put(p, record && record->expires
                            ? ngx_min(record->expires,
                                      NGX_HTTP_APIKEY_FOREVER - 1)
                            : NGX_HTTP_APIKEY_FOREVER - 1, 5);
    p = apikey_bytes_put(p, cost, 6);
    p = apikey_bytes_put(p, flags, 1);

    if (limits == NULL) {
        ngx_redis_arg(&q->args, q->packed, p - q->packed);
        return;
    }

    for (i = 0; i < limits->count; i++) {
        p = apikey_bytes_put(p, limits->window[i].limit, 6);
        p = apikey_bytes_put(p, limits->window[i].seconds, 4);
    }

    ngx_redis_arg(&q->args, q->packed, p - q->packed);
    ngx_redis_arg(&q->args, meter->field.data, meter->field.len);

    if (want) {
        p = ngx_sprintf(q->want, "%uL", want);
        ngx_redis_arg(&q->args, q->want, p - q->want);
    }
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
            ngx_redis_cancel(ctx->question.command);
        }

        return;
    }

    ngx_http_apikey_taken_init(taken, ctx);
    ngx_redis_pass_on(ctx->question.command, ngx_http_apikey_answer_lease,
                      taken);
}


ngx_redis_command_t *
ngx_http_apikey_lookup_ask_record(ngx_http_apikey_ctx_t *ctx,
    ngx_redis_handler_pt handler, void *data)
{
    ngx_http_apikey_words_t  q;

    static const apikey_text_t  none = apikey_text("");

    ngx_http_apikey_lookup_compose(ctx, &q, none, NULL, 0, 0, 0);

    ctx->question.sent = ngx_current_msec;
    ctx->question.heard = ngx_http_apikey_changes_count(ctx->amcf->changes,
                                                        ctx->credential.digest);

    ctx->question.command = ngx_redis_eval(ctx->amcf->client,
                                           &ctx->amcf->decide, &q.args, q.keys,
                                           handler, data);

    return ctx->question.command;
}


void
ngx_http_apikey_lookup_ask_lease(ngx_http_apikey_ctx_t *ctx)
{
    uint64_t                  more;
    ngx_uint_t                flags;
    apikey_text_t             rev;
    const apikey_limits_t    *limits;
    ngx_http_apikey_taken_t  *taken;
    ngx_http_apikey_words_t   q;

    more = ctx->question.more;
    ctx->question.more = 0;

    taken = ngx_alloc(sizeof(ngx_http_apikey_taken_t), ngx_cycle->log);
    if (taken == NULL) {
        return;
    }

    ctx->question.sent = ngx_current_msec;
    ngx_http_apikey_taken_init(taken, ctx);
    taken->want = more;

    limits = ctx->count.meter.limits;

    rev.data = "";
    rev.len = 0;

    if (ctx->credential.key) {
        rev = ctx->entry->record->rev;
    }

    flags = limits->sliding ? NGX_HTTP_APIKEY_SLIDING : 0;

    ngx_http_apikey_lookup_compose(ctx, &q, rev, limits, 0, more, flags);

    if (ngx_redis_eval(ctx->amcf->client, &ctx->amcf->decide, &q.args, q.keys,
                       ngx_http_apikey_answer_lease, taken)
        == NULL)
    {
        ngx_free(taken);
    }
}
