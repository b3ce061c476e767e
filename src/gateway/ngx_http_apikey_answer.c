/* What the gateway makes of the answers of decide.lua. */

#include "ngx_http_apikey.h"


#define NGX_HTTP_APIKEY_QUIET         1                  /* seconds */
#define NGX_HTTP_APIKEY_VERDICT_SIZE  (1 + 7 + 6)        /* and counters */


/* Of decide.lua. */
typedef enum {
    NGX_HTTP_APIKEY_PASSED = 0,
    NGX_HTTP_APIKEY_REFUSED,
    NGX_HTTP_APIKEY_UNTIMELY
} ngx_http_apikey_code_e;


typedef struct {
    ngx_http_apikey_code_e     code;
    uint64_t                   now;     /* microseconds */
    uint64_t                   leased;
} ngx_http_apikey_verdict_t;


static const char *ngx_http_apikey_answer_verdict(ngx_http_apikey_ctx_t *ctx,
    redisReply *reply);
static const char *ngx_http_apikey_answer_record(ngx_http_apikey_ctx_t *ctx,
    redisReply *reply);
static void ngx_http_apikey_answer_forget(ngx_http_apikey_ctx_t *ctx);
static void ngx_http_apikey_answer_keep(ngx_http_apikey_ctx_t *ctx);
static const char *ngx_http_apikey_answer_distrust(ngx_http_apikey_ctx_t *ctx,
    const char *why);
static const char *ngx_http_apikey_answer_parse(
    ngx_http_apikey_verdict_t *verdict, redisReply *reply,
    const apikey_limits_t *limits, apikey_counter_t *counters);
static void ngx_http_apikey_answer_complain(ngx_http_apikey_main_conf_t *amcf,
    ngx_log_t *log, const char *text, size_t len);


/* The request goes on in the posted event, where it may end itself. */

void
ngx_http_apikey_answer_decision(void *data, redisReply *reply)
{
    ngx_http_apikey_ctx_t *ctx = data;

    ngx_connection_t  *c;

    c = ctx->request->connection;

    if (ngx_http_apikey_answer_take(ctx, reply, c->log) != NGX_OK) {

        if (ctx->question.spending
            && ctx->alcf->limit_failure != NGX_HTTP_APIKEY_DENY)
        {
            ctx->count.uncounted = 1;

        } else {
            ctx->question.unavailable = 1;
        }
    }

    ctx->question.command = NULL;

    ngx_post_event(ctx->reading ? c->read : c->write, &ngx_posted_events);
}


ngx_int_t
ngx_http_apikey_answer_take(ngx_http_apikey_ctx_t *ctx, redisReply *reply,
    ngx_log_t *log)
{
    const char  *why;

    if (reply == NULL) {
        why = "";

    } else if (reply->type == REDIS_REPLY_STRING) {
        why = ngx_http_apikey_answer_verdict(ctx, reply);

    } else if (reply->type == REDIS_REPLY_ARRAY) {
        why = ngx_http_apikey_answer_record(ctx, reply);

    } else if (reply->type == REDIS_REPLY_ERROR) {
        why = reply->str;

    } else {
        why = ngx_http_apikey_answer_distrust(ctx, "unexpected type of reply");
    }

    if (why) {
        ngx_log_debug1(NGX_LOG_DEBUG_HTTP, log, 0,
                       "apikey answer: %s", reply ? "unusable" : "none");

        if (reply) {
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
ngx_http_apikey_answer_verdict(ngx_http_apikey_ctx_t *ctx, redisReply *reply)
{
    const char                *why;
    const apikey_limits_t     *limits;
    ngx_http_apikey_taken_t    taken;
    ngx_http_apikey_verdict_t  verdict;

    if (ctx->credential.key && ctx->entry == NULL) {
        return ngx_http_apikey_answer_distrust(ctx, "verdict on no record");
    }

    limits = ctx->question.spending ? ctx->count.meter.limits : NULL;

    why = ngx_http_apikey_answer_parse(&verdict, reply, limits,
                                       ctx->count.counters);
    if (why) {
        return ngx_http_apikey_answer_distrust(ctx, why);
    }

    if (verdict.code == NGX_HTTP_APIKEY_UNTIMELY
        && (!ctx->credential.key
            || apikey_record_usable(ctx->entry->record, verdict.now / 1000000)
               == APIKEY_USABLE))
    {
        return ngx_http_apikey_answer_distrust(ctx,
                                               "verdict against the record");
    }

    ctx->now = verdict.now;
    ctx->question.confirmed = 1;

    ngx_http_apikey_failover_end(ctx->amcf, ctx->question.spending
                                 && verdict.code != NGX_HTTP_APIKEY_UNTIMELY);

    if (ctx->amcf->zone && ctx->credential.key && !ctx->question.apart) {
        ngx_http_apikey_answer_keep(ctx);
    }

    if (!ctx->question.spending || verdict.code == NGX_HTTP_APIKEY_UNTIMELY) {
        return NULL;
    }

    ctx->count.metered = 1;
    ctx->count.limited = verdict.code == NGX_HTTP_APIKEY_REFUSED;
    ctx->count.counted = !ctx->count.limited && ctx->count.cost;

    if (ctx->count.meter.leased) {
        ngx_http_apikey_taken_init(&taken, ctx);

        ngx_memcpy(taken.counters, ctx->count.counters, sizeof(taken.counters));
        taken.now = verdict.now;
        taken.amount = verdict.leased;
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
ngx_http_apikey_answer_record(ngx_http_apikey_ctx_t *ctx, redisReply *reply)
{
    char            key[APIKEY_NAME_SIZE];
    size_t          i, n;
    const char     *why;
    redisReply     *name, *value;
    apikey_text_t   expected;
    apikey_field_t  fields[NGX_HTTP_APIKEY_FIELDS + 1];

    if (!ctx->credential.key || ctx->question.apart
        || reply->elements % 2 || reply->elements < 2)
    {
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

    /* the last one says whose record it is, and when */

    expected.data = key;
    expected.len = apikey_names_record(key,
                                    ngx_http_apikey_text(&ctx->amcf->prefix),
                                    ctx->credential.digest);

    if (!apikey_text_equal(fields[n].name, expected)
        || fields[n].value.len != 7)
    {
        return ngx_http_apikey_answer_distrust(ctx, "record of another key");
    }

    ctx->now = apikey_bytes_get(fields[n].value.data, 7);

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
    ngx_redis_distrust(ctx->question.command);

    return why;
}


/* Reads a verdict of decide.lua and, if there are limits, its counters. */

static const char *
ngx_http_apikey_answer_parse(ngx_http_apikey_verdict_t *verdict,
    redisReply *reply, const apikey_limits_t *limits,
    apikey_counter_t *counters)
{
    apikey_text_t  packed;

    if (reply->len < NGX_HTTP_APIKEY_VERDICT_SIZE
        || (u_char) reply->str[0] > NGX_HTTP_APIKEY_UNTIMELY)
    {
        return "malformed verdict";
    }

    verdict->code = reply->str[0];
    verdict->now = apikey_bytes_get(reply->str + 1, 7);
    verdict->leased = apikey_bytes_get(reply->str + 8, 6);

    if (limits == NULL || verdict->code == NGX_HTTP_APIKEY_UNTIMELY) {
        return NULL;
    }

    packed.data = reply->str + NGX_HTTP_APIKEY_VERDICT_SIZE;
    packed.len = reply->len - NGX_HTTP_APIKEY_VERDICT_SIZE;

    if (packed.len != limits->count * APIKEY_COUNTER_SIZE
        || apikey_counters_unpack(counters, limits, packed, verdict->now)
           != APIKEY_OK)
    {
        return "malformed counters";
    }

    return NULL;
}


void
ngx_http_apikey_answer_lease(void *data, redisReply *reply)
{
    ngx_http_apikey_taken_t *taken = data;

    ngx_http_apikey_verdict_t  verdict;

    if (reply
        && reply->type == REDIS_REPLY_STRING
        && ngx_http_apikey_answer_parse(&verdict, reply, &taken->limits,
                                        taken->counters)
           == NULL
        && verdict.code == NGX_HTTP_APIKEY_PASSED)
    {
        taken->now = verdict.now;
        taken->amount = verdict.leased;
        taken->refused = 0;

        ngx_http_apikey_failover_end(taken->amcf, 1);
        ngx_http_apikey_lease_take(taken);
    }

    ngx_free(taken);
}


void
ngx_http_apikey_answer_added(void *data, redisReply *reply)
{
    ngx_http_apikey_main_conf_t *amcf = data;

    if (reply && reply->type == REDIS_REPLY_ERROR) {
        ngx_http_apikey_answer_complain(amcf, ngx_cycle->log, reply->str,
                                        reply->len);
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
                  (size_t) ngx_min(len, 256), text);

    amcf->refused = ngx_time();
}
