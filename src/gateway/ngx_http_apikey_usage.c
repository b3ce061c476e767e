/*
 * What is counted of the use of keys: in the log phase, in the worker's memory,
 * a tally for each key that was used, and a second later in Redis, by one call
 * of usage.lua.  Tallies wait in a queue, oldest first, and go out a few at a
 * time.  What Redis has refused, or what couldn't be sent, waits on; what was
 * sent and not answered may have been counted, and is never sent again.
 */

#include "ngx_http_apikey_metrics.h"


#define NGX_HTTP_APIKEY_USAGE_AGE     900      /* milliseconds, to be sent */
#define NGX_HTTP_APIKEY_USAGE_SLICE   20       /* between a few and a few */
#define NGX_HTTP_APIKEY_USAGE_FEW     20
#define NGX_HTTP_APIKEY_USAGE_FLYING  1024     /* sent, not answered */
#define NGX_HTTP_APIKEY_USAGE_LAST    256      /* at a time, of a worker's end */
#define NGX_HTTP_APIKEY_USAGE_SIZE    (24 * 1024 * 1024)  /* bytes waiting */
#define NGX_HTTP_APIKEY_USAGE_QUIET   60       /* seconds, between complaints */
#define NGX_HTTP_APIKEY_TALLY_SIZE    128      /* at first */
#define NGX_HTTP_APIKEY_TALLY_MAX     32768
#define NGX_HTTP_APIKEY_ADDRESS_LEN   45       /* the longest of IPv6 */


struct ngx_http_apikey_usage_s {
    ngx_http_apikey_main_conf_t  *amcf;
    ngx_queue_t                   waiting;    /* ngx_http_apikey_use_t */
    ngx_queue_t                   flying;
    ngx_uint_t                    nflying;
    size_t                        size;       /* of all */
    ngx_event_t                   timer;
    time_t                        now;        /* Redis's clock, heard of */
    time_t                        heard;      /* when */
    uint64_t                      day_number; /* since 1970 */
    uint32_t                      day;        /* the same, YYYYMMDD */
    time_t                        complained; /* 0: never */
    ngx_uint_t                    dropping;
    ngx_uint_t                    ending;     /* nothing waits any more */
    ngx_uint_t                    lost;       /* at the end */
};


/* Of one key on one day, until it is sent. */
struct ngx_http_apikey_use_s {
    ngx_queue_t                   queue;
    ngx_http_apikey_usage_t      *usage;
    ngx_http_apikey_entry_t      *entry;      /* held */
    ngx_redis_command_t          *command;    /* that it flies with */
    ngx_msec_t                    since;
    uint32_t                      day;
    time_t                        used;       /* last, by Redis's clock */
    apikey_tally_t                tally;
    u_short                       address_len;
    u_char                        address[NGX_HTTP_APIKEY_ADDRESS_LEN];
};


static ngx_uint_t ngx_http_apikey_usage_counts(ngx_http_apikey_ctx_t *ctx);
static time_t ngx_http_apikey_usage_time(ngx_http_apikey_usage_t *usage,
    ngx_http_apikey_ctx_t *ctx);
static uint32_t ngx_http_apikey_usage_today(ngx_http_apikey_usage_t *usage,
    time_t now);
static ngx_http_apikey_use_t *ngx_http_apikey_use_get(
    ngx_http_apikey_usage_t *usage, ngx_http_apikey_entry_t *entry,
    uint32_t day);
static void ngx_http_apikey_use_free(ngx_http_apikey_use_t *use);
static void ngx_http_apikey_use_add(ngx_http_apikey_use_t *use,
    apikey_usage_kind_e kind, apikey_text_t label, uint64_t amount);
static void ngx_http_apikey_use_request(ngx_http_apikey_use_t *use,
    ngx_http_request_t *r, ngx_http_apikey_ctx_t *ctx);
static void ngx_http_apikey_use_labels(ngx_http_apikey_use_t *use,
    ngx_http_request_t *r, ngx_http_apikey_ctx_t *ctx);
static void ngx_http_apikey_use_label(ngx_http_apikey_use_t *use,
    ngx_http_request_t *r, apikey_usage_kind_e kind,
    ngx_http_complex_value_t *cv);
static void ngx_http_apikey_use_notices(ngx_http_apikey_use_t *use,
    ngx_http_apikey_ctx_t *ctx);
static void ngx_http_apikey_use_windows(ngx_http_apikey_use_t *use,
    ngx_http_apikey_ctx_t *ctx);
static ngx_uint_t ngx_http_apikey_usage_status(ngx_http_request_t *r);
static void ngx_http_apikey_use_lose(ngx_http_apikey_use_t *use);
static void ngx_http_apikey_usage_relieve(ngx_http_apikey_usage_t *usage);
static void ngx_http_apikey_use_drop(ngx_http_apikey_use_t *use);
static void ngx_http_apikey_usage_due(ngx_event_t *ev);
static void ngx_http_apikey_usage_wake(ngx_http_apikey_usage_t *usage);
static ngx_int_t ngx_http_apikey_use_send(ngx_http_apikey_use_t *use);
static void ngx_http_apikey_use_sent(void *data, redisReply *reply);
static void ngx_http_apikey_use_again(ngx_http_apikey_use_t *use);
static void ngx_http_apikey_usage_complain(ngx_http_apikey_usage_t *usage,
    redisReply *reply);
static ngx_uint_t ngx_http_apikey_usage_refused(redisReply *reply);


/* Of the tally that is sent; nothing stays here between calls. */
static u_char  ngx_http_apikey_usage_packed[
                           APIKEY_TALLY_PACKED(NGX_HTTP_APIKEY_TALLY_MAX)];


ngx_int_t
ngx_http_apikey_usage_handler(ngx_http_request_t *r)
{
    time_t                    now;
    ngx_http_apikey_ctx_t    *ctx;
    ngx_http_apikey_use_t    *use;
    ngx_http_apikey_usage_t  *usage;

    if (r != r->main) {
        return NGX_OK;
    }

    ctx = ngx_http_apikey_get_ctx(r);

    if (ctx == NULL || !ngx_http_apikey_usage_counts(ctx)) {
        return NGX_OK;
    }

    usage = ctx->amcf->usage;
    now = ngx_http_apikey_usage_time(usage, ctx);

    use = ngx_http_apikey_use_get(usage, ctx->entry,
                                  ngx_http_apikey_usage_today(usage, now));
    if (use == NULL) {
        return NGX_OK;
    }

    if (now >= use->used) {
        use->used = now;
        use->address_len = (u_short) ngx_min(r->connection->addr_text.len,
                                             NGX_HTTP_APIKEY_ADDRESS_LEN);
        ngx_memcpy(use->address, r->connection->addr_text.data,
                   use->address_len);
    }

    ngx_http_apikey_use_request(use, r, ctx);
    ngx_http_apikey_use_labels(use, r, ctx);
    ngx_http_apikey_use_notices(use, ctx);

    return NGX_OK;
}


/* A request with a key that has, or had, a record, and of which we decided. */

static ngx_uint_t
ngx_http_apikey_usage_counts(ngx_http_apikey_ctx_t *ctx)
{
    if (ctx->entry == NULL || !ctx->alcf->usage || ctx->amcf->usage == NULL) {
        return 0;
    }

    switch (ctx->result) {

    case NGX_HTTP_APIKEY_NONE:
    case NGX_HTTP_APIKEY_ANONYMOUS:
    case NGX_HTTP_APIKEY_MISSING:
    case NGX_HTTP_APIKEY_MALFORMED:
    case NGX_HTTP_APIKEY_UNKNOWN:
    case NGX_HTTP_APIKEY_GUARDED:
    case NGX_HTTP_APIKEY_PREFLIGHT:
        return 0;

    default:
        return 1;
    }
}


/* Of the decision; where Redis hasn't told, what it is likely to be. */

static time_t
ngx_http_apikey_usage_time(ngx_http_apikey_usage_t *usage,
    ngx_http_apikey_ctx_t *ctx)
{
    time_t  now;

    if (ctx->now) {
        now = (time_t) (ctx->now / 1000000);

        if (now > usage->now) {
            usage->now = now;
            usage->heard = ngx_time();
        }

        return now;
    }

    return usage->now ? usage->now + (ngx_time() - usage->heard) : ngx_time();
}


static uint32_t
ngx_http_apikey_usage_today(ngx_http_apikey_usage_t *usage, time_t now)
{
    if (usage->day_number != (uint64_t) now / 86400) {
        usage->day_number = (uint64_t) now / 86400;
        usage->day = apikey_usage_day(now);
    }

    return usage->day;
}


static ngx_http_apikey_use_t *
ngx_http_apikey_use_get(ngx_http_apikey_usage_t *usage,
    ngx_http_apikey_entry_t *entry, uint32_t day)
{
    ngx_http_apikey_use_t  *use;

    use = entry->use;

    if (use && use->day == day) {
        return use;
    }

    if (usage->size > NGX_HTTP_APIKEY_USAGE_SIZE) {
        ngx_http_apikey_usage_relieve(usage);
    }

    use = ngx_calloc(sizeof(ngx_http_apikey_use_t), ngx_cycle->log);
    if (use == NULL) {
        return NULL;
    }

    use->usage = usage;
    use->entry = entry;
    use->since = ngx_current_msec;
    use->day = day;

    entry->refs++;
    entry->use = use;

    usage->size += sizeof(ngx_http_apikey_use_t) + entry->size;

    ngx_queue_insert_tail(&usage->waiting, &use->queue);

    if (!usage->timer.timer_set) {
        ngx_add_timer(&usage->timer, NGX_HTTP_APIKEY_USAGE_AGE);
    }

    return use;
}


static void
ngx_http_apikey_use_free(ngx_http_apikey_use_t *use)
{
    ngx_queue_remove(&use->queue);

    use->usage->size -= sizeof(ngx_http_apikey_use_t) + use->entry->size
                        + use->tally.size;

    if (use->entry->use == use) {
        use->entry->use = NULL;
    }

    ngx_http_apikey_cache_release(use->entry);

    if (use->tally.data) {
        ngx_free(use->tally.data);
    }

    ngx_free(use);
}


static void
ngx_http_apikey_use_add(ngx_http_apikey_use_t *use, apikey_usage_kind_e kind,
    apikey_text_t label, uint64_t amount)
{
    size_t           size;
    u_char          *data;
    apikey_tally_t  *tally;

    tally = &use->tally;

    if (apikey_tally_add(tally, kind, label, amount) == APIKEY_OK) {
        return;
    }

    size = tally->size ? tally->size * 2 : NGX_HTTP_APIKEY_TALLY_SIZE;

    if (size > NGX_HTTP_APIKEY_TALLY_MAX) {
        return;
    }

    data = ngx_alloc(size, ngx_cycle->log);
    if (data == NULL) {
        return;
    }

    if (tally->data) {
        ngx_memcpy(data, tally->data, tally->len);
        ngx_free(tally->data);
    }

    use->usage->size += size - tally->size;

    tally->data = data;
    tally->size = size;

    (void) apikey_tally_add(tally, kind, label, amount);
}


static void
ngx_http_apikey_use_request(ngx_http_apikey_use_t *use, ngx_http_request_t *r,
    ngx_http_apikey_ctx_t *ctx)
{
    u_char          text[NGX_INT_T_LEN];
    ngx_str_t      *reason;
    ngx_uint_t      status;
    ngx_time_t     *tp;
    apikey_text_t   label;
    ngx_msec_int_t  ms;

    label.data = "";
    label.len = 0;

    /* first, see usage.lua */
    ngx_http_apikey_use_add(use, APIKEY_USAGE_REQUESTS, label, 1);
    ngx_http_apikey_use_add(use, APIKEY_USAGE_BYTES, label,
                            (uint64_t) ngx_max(r->connection->sent, 0));

    status = ngx_http_apikey_usage_status(r);

    if (ngx_http_apikey_status(ctx->result)) {
        reason = ngx_http_apikey_result_name(ctx->result);
        ngx_http_apikey_use_add(use, APIKEY_USAGE_DENIED,
                                ngx_http_apikey_text(reason), 1);

    } else {

        if (status >= NGX_HTTP_BAD_REQUEST) {
            ngx_http_apikey_use_add(use, APIKEY_USAGE_ERRORS, label, 1);
        }

        tp = ngx_timeofday();
        ms = (ngx_msec_int_t) ((tp->sec - r->start_sec) * 1000
                               + (tp->msec - r->start_msec));

        label.data = (char *) text;
        label.len = ngx_sprintf(text, "%ud",
                                apikey_usage_bucket(ngx_max(ms, 0)))
                    - text;

        ngx_http_apikey_use_add(use, APIKEY_USAGE_LATENCY, label, 1);
    }

    if (status) {
        label.data = (char *) text;
        label.len = ngx_sprintf(text, "%03ui", status) - text;

        ngx_http_apikey_use_add(use, APIKEY_USAGE_STATUS, label, 1);
    }
}


/* As $status. */

static ngx_uint_t
ngx_http_apikey_usage_status(ngx_http_request_t *r)
{
    if (r->err_status) {
        return r->err_status;
    }

    return r->headers_out.status;
}


/* "GET /v1/", of the location that has decided, and of the client's method. */

static void
ngx_http_apikey_use_labels(ngx_http_apikey_use_t *use, ngx_http_request_t *r,
    ngx_http_apikey_ctx_t *ctx)
{
    u_char         text[2 * APIKEY_USAGE_LABEL_MAX + 1];
    char           clean[APIKEY_USAGE_LABEL_MAX];
    apikey_text_t  label;

    if (ctx->alcf->country) {
        ngx_http_apikey_use_label(use, r, APIKEY_USAGE_COUNTRY,
                                  ctx->alcf->country);
    }

    if (ctx->alcf->endpoint) {
        ngx_http_apikey_use_label(use, r, APIKEY_USAGE_ENDPOINT,
                                  ctx->alcf->endpoint);
        return;
    }

    label.data = (char *) text;
    label.len = ngx_snprintf(text, sizeof(text), "%V %V", &ctx->method,
                             &ctx->alcf->location)
                - text;

    label.len = apikey_usage_label(clean, label);
    label.data = clean;

    ngx_http_apikey_use_add(use, APIKEY_USAGE_ENDPOINT, label, 1);
}


static void
ngx_http_apikey_use_label(ngx_http_apikey_use_t *use, ngx_http_request_t *r,
    apikey_usage_kind_e kind, ngx_http_complex_value_t *cv)
{
    char           clean[APIKEY_USAGE_LABEL_MAX];
    ngx_str_t      value;
    apikey_text_t  label;

    if (ngx_http_complex_value(r, cv, &value) != NGX_OK || value.len == 0) {
        return;
    }

    label.len = apikey_usage_label(clean, ngx_http_apikey_text(&value));
    label.data = clean;

    ngx_http_apikey_use_add(use, kind, label, 1);
}


static void
ngx_http_apikey_use_notices(ngx_http_apikey_use_t *use,
    ngx_http_apikey_ctx_t *ctx)
{
    char              notice;
    apikey_text_t     label;
    apikey_record_t  *record;

    switch (ctx->result) {

    case NGX_HTTP_APIKEY_REVOKED:
        notice = APIKEY_NOTICE_REVOKED_USED;
        break;

    case NGX_HTTP_APIKEY_DISABLED:
        notice = APIKEY_NOTICE_DISABLED_USED;
        break;

    case NGX_HTTP_APIKEY_EXPIRED:
        record = ctx->entry->record;

        if (record->expires == 0 || record->expires > (uint64_t) use->used) {
            /* too early */
            return;
        }

        notice = APIKEY_NOTICE_EXPIRED_USED;
        break;

    default:
        if (ctx->metered && ctx->meter.limits) {
            ngx_http_apikey_use_windows(use, ctx);
        }

        return;
    }

    label.data = &notice;
    label.len = 1;

    ngx_http_apikey_use_add(use, APIKEY_USAGE_NOTICE, label, 1);
}


/* Four fifths of a window are near its limit. */

static void
ngx_http_apikey_use_windows(ngx_http_apikey_use_t *use,
    ngx_http_apikey_ctx_t *ctx)
{
    char                    notice[APIKEY_NOTICE_MAX];
    unsigned                i;
    uint64_t                used, limit;
    apikey_text_t           label;
    apikey_counter_t       *counter;
    const apikey_limits_t  *limits;

    limits = ctx->meter.limits;

    for (i = 0; i < limits->count; i++) {
        counter = &ctx->counters[i];
        limit = limits->window[i].limit;

        used = limits->sliding
               ? apikey_counter_used(counter, 1, ctx->now) : counter->current;

        if (used * 5 >= limit * 4) {
            label = apikey_notice_window(notice, APIKEY_NOTICE_NEAR_LIMIT,
                                         counter->seconds,
                                         counter->start + counter->seconds,
                                         limit);
            ngx_http_apikey_use_add(use, APIKEY_USAGE_NOTICE, label, used);
        }

        if (ctx->limited && used + ctx->cost > limit) {
            label = apikey_notice_window(notice, APIKEY_NOTICE_LIMIT_REACHED,
                                         counter->seconds,
                                         counter->start + counter->seconds,
                                         limit);
            ngx_http_apikey_use_add(use, APIKEY_USAGE_NOTICE, label, used);
        }
    }
}


ngx_int_t
ngx_http_apikey_usage_start(ngx_http_apikey_main_conf_t *amcf, ngx_log_t *log)
{
    ngx_http_apikey_usage_t  *usage;

    usage = ngx_calloc(sizeof(ngx_http_apikey_usage_t), log);
    if (usage == NULL) {
        return NGX_ERROR;
    }

    ngx_queue_init(&usage->waiting);
    ngx_queue_init(&usage->flying);

    usage->amcf = amcf;

    usage->timer.handler = ngx_http_apikey_usage_due;
    usage->timer.data = usage;
    usage->timer.log = log;
    usage->timer.cancelable = 1;

    amcf->usage = usage;

    return NGX_OK;
}


/* What is left is sent, as far as Redis takes it in time. */

void
ngx_http_apikey_usage_stop(ngx_http_apikey_main_conf_t *amcf)
{
    ngx_uint_t                n;
    ngx_queue_t              *q;
    ngx_http_apikey_use_t    *use;
    ngx_http_apikey_usage_t  *usage;

    usage = amcf->usage;
    usage->ending = 1;

    if (usage->timer.timer_set) {
        ngx_del_timer(&usage->timer);
    }

    do {
        for (n = 0;
             n < NGX_HTTP_APIKEY_USAGE_LAST
                 && !ngx_queue_empty(&usage->waiting);
             n++)
        {
            q = ngx_queue_head(&usage->waiting);

            if (ngx_http_apikey_use_send(ngx_queue_data(q,
                                             ngx_http_apikey_use_t, queue))
                != NGX_OK)
            {
                break;
            }
        }

    } while (ngx_redis_finish(amcf->client) == NGX_OK
             && n && !ngx_queue_empty(&usage->waiting));

    while (!ngx_queue_empty(&usage->flying)) {
        q = ngx_queue_head(&usage->flying);
        use = ngx_queue_data(q, ngx_http_apikey_use_t, queue);

        /* its answer may come while other things end */
        ngx_redis_cancel(use->command);

        ngx_http_apikey_use_lose(use);
    }

    while (!ngx_queue_empty(&usage->waiting)) {
        q = ngx_queue_head(&usage->waiting);
        ngx_http_apikey_use_lose(ngx_queue_data(q, ngx_http_apikey_use_t,
                                                queue));
    }

    if (usage->lost) {
        amcf->seat->usage_dropped += usage->lost;

        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "this worker's usage of %ui keys is lost, "
                      "for it ends and redis doesn't take it", usage->lost);
    }

    ngx_free(usage);
    amcf->usage = NULL;
}


static void
ngx_http_apikey_use_lose(ngx_http_apikey_use_t *use)
{
    use->usage->lost++;
    ngx_http_apikey_use_free(use);
}


size_t
ngx_http_apikey_usage_waiting(ngx_http_apikey_main_conf_t *amcf)
{
    return amcf->usage ? amcf->usage->size : 0;
}


/* Too much is waiting: the oldest goes, to Redis if that is there. */

static void
ngx_http_apikey_usage_relieve(ngx_http_apikey_usage_t *usage)
{
    ngx_queue_t            *q;
    ngx_http_apikey_use_t  *use;

    if (ngx_queue_empty(&usage->waiting)) {
        return;
    }

    q = ngx_queue_head(&usage->waiting);
    use = ngx_queue_data(q, ngx_http_apikey_use_t, queue);

    if (ngx_http_apikey_use_send(use) == NGX_OK) {
        return;
    }

    ngx_http_apikey_use_drop(use);
}


static void
ngx_http_apikey_use_drop(ngx_http_apikey_use_t *use)
{
    use->usage->amcf->seat->usage_dropped++;

    if (!use->usage->dropping) {
        use->usage->dropping = 1;

        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "the usage of too many keys waits for redis: "
                      "the oldest is dropped");
    }

    ngx_http_apikey_use_free(use);
}


/* A few at a time, so that neither the worker nor Redis is held up by them. */

static void
ngx_http_apikey_usage_due(ngx_event_t *ev)
{
    ngx_uint_t                n;
    ngx_queue_t              *q;
    ngx_http_apikey_use_t    *use;
    ngx_http_apikey_usage_t  *usage;

    usage = ev->data;

    for (n = 0;
         n < NGX_HTTP_APIKEY_USAGE_FEW && !ngx_queue_empty(&usage->waiting);
         n++)
    {
        q = ngx_queue_head(&usage->waiting);
        use = ngx_queue_data(q, ngx_http_apikey_use_t, queue);

        if (ngx_current_msec - use->since < NGX_HTTP_APIKEY_USAGE_AGE
            || ngx_http_apikey_use_send(use) != NGX_OK)
        {
            break;
        }
    }

    ngx_http_apikey_usage_wake(usage);
}


static void
ngx_http_apikey_usage_wake(ngx_http_apikey_usage_t *usage)
{
    ngx_msec_t              age;
    ngx_queue_t            *q;
    ngx_http_apikey_use_t  *use;

    if (ngx_queue_empty(&usage->waiting)) {
        return;
    }

    q = ngx_queue_head(&usage->waiting);
    use = ngx_queue_data(q, ngx_http_apikey_use_t, queue);

    age = ngx_min(ngx_current_msec - use->since, NGX_HTTP_APIKEY_USAGE_AGE);

    ngx_add_timer(&usage->timer,
                  ngx_max(NGX_HTTP_APIKEY_USAGE_AGE - age,
                          NGX_HTTP_APIKEY_USAGE_SLICE));
}


/* NGX_DECLINED: not now. */

static ngx_int_t
ngx_http_apikey_use_send(ngx_http_apikey_use_t *use)
{
    u_char                       *p;
    apikey_text_t                 prefix;
    ngx_redis_args_t              args;
    ngx_http_apikey_usage_t      *usage;
    ngx_http_apikey_main_conf_t  *amcf;
    char                          record[APIKEY_NAME_SIZE];
    char                          past[APIKEY_NAME_SIZE];
    char                          counts[APIKEY_NAME_SIZE];
    u_char                        day[NGX_INT64_LEN], kept[NGX_INT64_LEN];
    u_char                        used[NGX_TIME_T_LEN + 1
                                       + NGX_HTTP_APIKEY_ADDRESS_LEN];

    usage = use->usage;
    amcf = usage->amcf;

    if (usage->nflying >= NGX_HTTP_APIKEY_USAGE_FLYING) {
        return NGX_DECLINED;
    }

    prefix = ngx_http_apikey_text(&amcf->prefix);

    args.n = 0;

    ngx_redis_arg(&args, record,
                  apikey_names_record(record, prefix, use->entry->digest));
    ngx_redis_arg(&args, past,
                  apikey_names_usage(past, prefix, use->entry->digest, 0));
    ngx_redis_arg(&args, counts,
                  apikey_names_usage(counts, prefix, use->entry->digest,
                                     use->day));

    p = ngx_sprintf(day, "%uD", use->day);
    ngx_redis_arg(&args, day, p - day);

    p = ngx_sprintf(kept, "%i", amcf->usage_days * 86400);
    ngx_redis_arg(&args, kept, p - kept);

    p = ngx_sprintf(used, "%T %*s", use->used, (size_t) use->address_len,
                    use->address);
    ngx_redis_arg(&args, used, p - used);

    ngx_redis_arg(&args, ngx_http_apikey_usage_packed,
                  apikey_tally_pack(ngx_http_apikey_usage_packed,
                                    &use->tally));

    use->command = ngx_redis_eval(amcf->client, &amcf->usage_script, &args, 3,
                                  ngx_http_apikey_use_sent, use);
    if (use->command == NULL) {
        return NGX_DECLINED;
    }

    /* what comes from now on is another one */

    if (use->entry->use == use) {
        use->entry->use = NULL;
    }

    ngx_queue_remove(&use->queue);
    ngx_queue_insert_tail(&usage->flying, &use->queue);
    usage->nflying++;

    return NGX_OK;
}


static void
ngx_http_apikey_use_sent(void *data, redisReply *reply)
{
    ngx_http_apikey_use_t *use = data;

    ngx_http_apikey_usage_t  *usage;

    usage = use->usage;
    usage->nflying--;

    if (reply && reply->type == REDIS_REPLY_ERROR) {
        ngx_http_apikey_usage_complain(usage, reply);

        if (ngx_http_apikey_usage_refused(reply)) {
            ngx_http_apikey_use_again(use);
            return;
        }

    } else if (reply) {
        usage->dropping = 0;

        if (reply->type == REDIS_REPLY_ARRAY) {
            ngx_http_apikey_events_found(usage->amcf, reply);
        }
    }

    ngx_http_apikey_use_free(use);
}


static void
ngx_http_apikey_use_again(ngx_http_apikey_use_t *use)
{
    ngx_http_apikey_usage_t  *usage;

    usage = use->usage;

    if (usage->ending) {
        ngx_http_apikey_use_lose(use);
        return;
    }

    if (usage->size > NGX_HTTP_APIKEY_USAGE_SIZE) {
        ngx_http_apikey_use_drop(use);
        return;
    }

    use->since = ngx_current_msec;

    ngx_queue_remove(&use->queue);
    ngx_queue_insert_tail(&usage->waiting, &use->queue);

    if (!usage->timer.timer_set) {
        ngx_http_apikey_usage_wake(usage);
    }
}


static void
ngx_http_apikey_usage_complain(ngx_http_apikey_usage_t *usage,
    redisReply *reply)
{
    ngx_uint_t  level;

    level = NGX_LOG_INFO;

    if (usage->complained == 0
        || ngx_time() - usage->complained > NGX_HTTP_APIKEY_USAGE_QUIET)
    {
        level = NGX_LOG_ERR;
        usage->complained = ngx_time();
    }

    ngx_log_error(level, ngx_cycle->log, 0,
                  "redis could not count usage: \"%*s\"",
                  (size_t) ngx_min(reply->len, 256), reply->str);
}


/* Nothing was done, and may be later. */

static ngx_uint_t
ngx_http_apikey_usage_refused(redisReply *reply)
{
    ngx_uint_t  i;

    static ngx_str_t  errors[] = {
        ngx_string("BUSY "),
        ngx_string("CLUSTERDOWN "),
        ngx_string("LOADING "),
        ngx_string("MASTERDOWN "),
        ngx_string("MISCONF "),
        ngx_string("NOPERM "),
        ngx_string("NOREPLICAS "),
        ngx_string("OOM "),
        ngx_string("READONLY "),
        ngx_string("TRYAGAIN ")
    };

    for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        if (ngx_strncmp(reply->str, errors[i].data, errors[i].len) == 0) {
            return 1;
        }
    }

    return 0;
}
