/* What the gateway makes of the answers of decide.lua. */

#include "ngx_http_apikey.h"


#define NGX_HTTP_APIKEY_QUIET  1    /* seconds */


static const char *ngx_http_apikey_answer_verdict(ngx_http_apikey_ctx_t *ctx,
    ngx_http_apikey_batch_answer_t *answer);
static const char *ngx_http_apikey_answer_record(ngx_http_apikey_ctx_t *ctx,
    ngx_http_apikey_batch_answer_t *answer);
static void ngx_http_apikey_answer_forget(ngx_http_apikey_ctx_t *ctx);
static void ngx_http_apikey_answer_keep(ngx_http_apikey_ctx_t *ctx);
static const char *ngx_http_apikey_answer_distrust(ngx_http_apikey_ctx_t *ctx,
    const char *why);
static ngx_int_t ngx_http_apikey_answer_counters(
    ngx_http_apikey_batch_answer_t *answer, const apikey_limits_t *limits,
    apikey_counter_t *counters);
static void ngx_http_apikey_answer_complain(ngx_http_apikey_main_conf_t *amcf,
    ngx_log_t *log, const char *text, size_t len);


/* The request goes on in the posted event, where it may end itself. */

void
ngx_http_apikey_answer_decision(void *data,
    ngx_http_apikey_batch_answer_t *answer)
{
    ngx_http_apikey_ctx_t *ctx = data;

    ngx_connection_t  *c;

    c = ctx->request->connection;

    if (ngx_http_apikey_answer_take(ctx, answer, c->log) != NGX_OK) {

        if (ctx->question.spending
            && ctx->alcf->limit_failure != NGX_HTTP_APIKEY_DENY)
        {
            ctx->count.uncounted = 1;

        } else {
            ctx->question.unavailable = 1;
        }
    }

    ctx->question.pending = NULL;

    ngx_post_event(ctx->reading ? c->read : c->write, &ngx_posted_events);
}


ngx_int_t
ngx_http_apikey_answer_take(ngx_http_apikey_ctx_t *ctx,
    ngx_http_apikey_batch_answer_t *answer, ngx_log_t *log)
{
    const char  *why;

    switch (answer->code) {

    case NGX_HTTP_APIKEY_RECORD:
        why = ngx_http_apikey_answer_record(ctx, answer);
        break;

    case NGX_HTTP_APIKEY_FAILED:
    case NGX_HTTP_APIKEY_NONSENSE:
        why = answer->why;
        break;

    case NGX_HTTP_APIKEY_LOST:
        why = "";
        break;

    default: /* a verdict */
        why = ngx_http_apikey_answer_verdict(ctx, answer);
        break;
    }

    if (why) {
        ngx_log_debug1(NGX_LOG_DEBUG_HTTP, log, 0, "apikey answer: %s",
                       answer->code == NGX_HTTP_APIKEY_LOST ? "none"
                                                            : "unusable");

        if (answer->code != NGX_HTTP_APIKEY_LOST) {
            ngx_http_apikey_answer_complain(ctx->amcf, log, why,
                                            ngx_strlen(why));
        }

        return NGX_ERROR;
    }

    if (ctx->amcf->refused
        && ngx_time() - ctx->amcf->refused > NGX_HTTP_APIKEY_QUIET)
    {
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "redis answers as expected again");
        ctx->amcf->refused = 0;
    }

    ngx_log_debug4(NGX_LOG_DEBUG_HTTP, log, 0,
                   "apikey answer: unknown %d, confirmed %d, counted %d, "
                   "limited %d", ctx->question.unknown,
                   ctx->question.confirmed, ctx->count.counted,
                   ctx->count.limited);

    return NGX_OK;
}


/* The record is as the gateway knows it.  Returns what is wrong, or NULL. */

static const char *
ngx_http_apikey_answer_verdict(ngx_http_apikey_ctx_t *ctx,
    ngx_http_apikey_batch_answer_t *answer)
{
    ngx_uint_t               untimely, counted;
    ngx_http_apikey_taken_t  taken;

    if (ctx->credential.key && ctx->entry == NULL) {
        return ngx_http_apikey_answer_distrust(ctx, "verdict on no record");
    }

    untimely = (answer->code == NGX_HTTP_APIKEY_UNTIMELY);

    if (untimely
        && (!ctx->credential.key
            || apikey_record_usable(ctx->entry->record, answer->now / 1000000)
               == APIKEY_USABLE))
    {
        return ngx_http_apikey_answer_distrust(ctx,
                                               "verdict against the record");
    }

    counted = ctx->question.spending && !untimely;

    if (counted
        && ngx_http_apikey_answer_counters(answer, ctx->count.meter.limits,
                                           ctx->count.counters)
           != NGX_OK)
    {
        return ngx_http_apikey_answer_distrust(ctx, "malformed counters");
    }

    ctx->now = answer->now;
    ctx->question.confirmed = 1;

    ngx_http_apikey_failover_end(ctx->amcf, counted);

    if (ctx->amcf->zone && ctx->credential.key && !ctx->question.apart) {
        ngx_http_apikey_answer_keep(ctx);
    }

    if (!counted) {
        return NULL;
    }

    ctx->count.metered = 1;
    ctx->count.limited = (answer->code == NGX_HTTP_APIKEY_REFUSED);
    ctx->count.counted = !ctx->count.limited && ctx->count.cost;

    if (ctx->count.meter.leased) {
        ngx_http_apikey_taken_init(&taken, ctx);

        ngx_memcpy(taken.counters, ctx->count.counters, sizeof(taken.counters));
        taken.now = answer->now;
        taken.amount = answer->leased;
        taken.refused = ctx->count.limited ? ctx->count.cost : 0;

        ngx_http_apikey_lease_take(&taken);

        ngx_memcpy(ctx->count.counters, taken.counters, sizeof(taken.counters));

        if (taken.spent) {
            ctx->count.limited = 0;
            ctx->count.counted = 1;

        } else if (taken.returned && !ctx->count.returned) {
            /* it may fit now: once more */
            ctx->count.returned = 1;
            ctx->count.metered = 0;
            ctx->count.limited = 0;
        }
    }

    apikey_quota(&ctx->count.quota, ctx->count.meter.limits,
                 ctx->count.counters, ctx->now, ctx->count.cost,
                 ctx->count.limited);

    return NULL;
}


/* The record is another than the gateway knows, or there is none. */

static const char *
ngx_http_apikey_answer_record(ngx_http_apikey_ctx_t *ctx,
    ngx_http_apikey_batch_answer_t *answer)
{
    char            key[APIKEY_NAME_SIZE];
    size_t          i, n;
    const char     *why;
    redisReply     *reply, *name, *value;
    apikey_text_t   expected;
    apikey_field_t  fields[NGX_HTTP_APIKEY_FIELDS + 1];

    reply = answer->record;

    if (!ctx->credential.key || ctx->question.apart) {
        return ngx_http_apikey_answer_distrust(ctx, "malformed record");
    }

    n = reply->elements / 2 - 1;

    if (n > NGX_HTTP_APIKEY_FIELDS) {
        return "record with too many fields";
    }

    for (i = 0; i <= n; i++) {
        name = reply->element[2 * i];
        value = reply->element[2 * i + 1];

        if (name->type != REDIS_REPLY_STRING
            || value->type != REDIS_REPLY_STRING)
        {
            return ngx_http_apikey_answer_distrust(ctx, "malformed record");
        }

        fields[i].name.data = name->str;
        fields[i].name.len = name->len;
        fields[i].value.data = value->str;
        fields[i].value.len = value->len;
    }

    /* the last one says whose record it is */

    expected.data = key;
    expected.len = apikey_names_record(key,
                                    ngx_http_apikey_text(&ctx->amcf->prefix),
                                    ctx->credential.digest);

    if (!apikey_text_equal(fields[n].name, expected)) {
        return ngx_http_apikey_answer_distrust(ctx, "record of another key");
    }

    ctx->now = answer->now;

    ngx_http_apikey_failover_end(ctx->amcf, 0);

    if (ctx->entry) {
        ngx_http_apikey_answer_forget(ctx);
    }

    if (n == 0) {
        ngx_http_apikey_records_drop(ctx->amcf->cache, ctx->credential.digest);
        ctx->question.unknown = 1;

        if (ctx->amcf->zone) {
            ngx_http_apikey_answer_keep(ctx);
        }

        return NULL;
    }

    why = NULL;

    ctx->entry = ngx_http_apikey_records_put(ctx->amcf->cache,
                                             ctx->credential.digest, fields, n,
                                             &why);
    if (ctx->entry == NULL) {
        return why;
    }

    ctx->question.confirmed = 1;

    if (ctx->amcf->zone) {
        ngx_http_apikey_answer_keep(ctx);
    }

    return NULL;
}


/* For all workers of the gateway, in the place of what is used least. */

/* The limits of the meter may be the record's own. */

static void
ngx_http_apikey_answer_forget(ngx_http_apikey_ctx_t *ctx)
{
    if (!ctx->count.metered) {
        ngx_memzero(&ctx->count.meter, sizeof(ngx_http_apikey_meter_t));
        ngx_http_apikey_records_release(ctx->entry);

    } else if (ctx->count.former) {
        ngx_http_apikey_records_release(ctx->entry);

    } else {
        ctx->count.former = ctx->entry;
    }

    ctx->entry = NULL;
    ctx->question.confirmed = 0;
}


static void
ngx_http_apikey_answer_keep(ngx_http_apikey_ctx_t *ctx)
{
    ngx_http_apikey_zone_put(ctx->amcf->zone, ctx);
    ngx_http_apikey_lease_return(ctx->amcf);
}


/* Not the answer to this question; the next ones would be as wrong. */

static const char *
ngx_http_apikey_answer_distrust(ngx_http_apikey_ctx_t *ctx, const char *why)
{
    ngx_http_apikey_batch_distrust(ctx->question.pending);

    return why;
}


/* As they were when the question was decided. */

static ngx_int_t
ngx_http_apikey_answer_counters(ngx_http_apikey_batch_answer_t *answer,
    const apikey_limits_t *limits, apikey_counter_t *counters)
{
    unsigned  i;

    if (answer->counters.len != limits->count * APIKEY_COUNTER_SIZE
        || apikey_counters_unpack(counters, limits, answer->counters,
                                  answer->now)
           != APIKEY_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < limits->count; i++) {
        counters[i].current -= ngx_min(counters[i].current, answer->later);
    }

    return NGX_OK;
}


void
ngx_http_apikey_answer_lease(void *data,
    ngx_http_apikey_batch_answer_t *answer)
{
    ngx_http_apikey_taken_t *taken = data;

    if (answer->code == NGX_HTTP_APIKEY_PASSED
        && ngx_http_apikey_answer_counters(answer, &taken->limits,
                                           taken->counters)
           == NGX_OK)
    {
        taken->now = answer->now;
        taken->amount = answer->leased;
        taken->refused = 0;

        ngx_http_apikey_failover_end(taken->amcf, 1);
        ngx_http_apikey_lease_take(taken);
    }

    ngx_free(taken);
}


void
ngx_http_apikey_answer_added(void *data,
    ngx_http_apikey_batch_answer_t *answer)
{
    ngx_http_apikey_main_conf_t *amcf = data;

    if (answer->code == NGX_HTTP_APIKEY_FAILED) {
        ngx_http_apikey_answer_complain(amcf, ngx_cycle->log, answer->why,
                                        ngx_strlen(answer->why));
    }
}


/*
 * Errors and good answers may alternate: counting fails and reading does not,
 * one record is broken and others are not.  One error is told, until there
 * was none for a while.
 */

static void
ngx_http_apikey_answer_complain(ngx_http_apikey_main_conf_t *amcf,
    ngx_log_t *log, const char *text, size_t len)
{
    ngx_uint_t  level;

    level = amcf->refused ? NGX_LOG_INFO : NGX_LOG_ERR;

    ngx_log_error(level, log, 0, "redis could not decide: \"%*s\"",
                  (size_t) ngx_min(len, NGX_REDIS_LOG_MAX), text);

    amcf->refused = ngx_time();
}
