/* What is counted of a request, in the tally of its key. */

#include "ngx_http_apikey_usage.h"


#define NGX_HTTP_APIKEY_TALLY_SIZE    128      /* at first */


static ngx_uint_t ngx_http_apikey_usage_counts(ngx_http_apikey_ctx_t *ctx);
static time_t ngx_http_apikey_usage_time(ngx_http_apikey_usage_t *usage,
    ngx_http_apikey_ctx_t *ctx);
static uint32_t ngx_http_apikey_usage_today(ngx_http_apikey_usage_t *usage,
    time_t now);
static ngx_http_apikey_tally_t *ngx_http_apikey_tally_get(
    ngx_http_apikey_usage_t *usage, ngx_http_apikey_entry_t *entry,
    uint32_t day);
static u_short ngx_http_apikey_tally_add(ngx_http_apikey_tally_t *use,
    apikey_usage_kind_e kind, apikey_text_t label, uint64_t amount);
static void ngx_http_apikey_tally_count(ngx_http_apikey_tally_t *use,
    u_short *mark, apikey_usage_kind_e kind, uint64_t amount);
static void ngx_http_apikey_tally_number(ngx_http_apikey_tally_t *use,
    u_short *mark, apikey_usage_kind_e kind, const char *format,
    ngx_uint_t n);
static void ngx_http_apikey_tally_request(ngx_http_apikey_tally_t *use,
    ngx_http_request_t *r, ngx_http_apikey_ctx_t *ctx);
static ngx_uint_t ngx_http_apikey_usage_status(ngx_http_request_t *r);
static void ngx_http_apikey_tally_labels(ngx_http_apikey_tally_t *use,
    ngx_http_request_t *r, ngx_http_apikey_ctx_t *ctx);
static void ngx_http_apikey_tally_location(ngx_http_apikey_tally_t *use,
    ngx_http_apikey_ctx_t *ctx);
static void ngx_http_apikey_tally_label(ngx_http_apikey_tally_t *use,
    ngx_http_request_t *r, ngx_http_apikey_ctx_t *ctx,
    apikey_usage_kind_e kind, ngx_http_complex_value_t *cv);
static void ngx_http_apikey_tally_notices(ngx_http_apikey_tally_t *use,
    ngx_http_apikey_ctx_t *ctx);
static void ngx_http_apikey_tally_windows(ngx_http_apikey_tally_t *use,
    ngx_http_apikey_ctx_t *ctx);


ngx_int_t
ngx_http_apikey_usage_handler(ngx_http_request_t *r)
{
    time_t                    now;
    ngx_http_apikey_ctx_t    *ctx;
    ngx_http_apikey_tally_t  *use;
    ngx_http_apikey_usage_t  *usage;

    if (r != r->main) {
        return NGX_OK;
    }

    ctx = ngx_http_apikey_ctx_get(r);

    if (ctx == NULL || !ngx_http_apikey_usage_counts(ctx)) {
        return NGX_OK;
    }

    usage = ctx->amcf->usage;
    now = ngx_http_apikey_usage_time(usage, ctx);

    use = ngx_http_apikey_tally_get(usage, ctx->entry,
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

    ngx_http_apikey_tally_request(use, r, ctx);
    ngx_http_apikey_tally_labels(use, r, ctx);
    ngx_http_apikey_tally_notices(use, ctx);

    return NGX_OK;
}


/* A request with a key that has, or had, a record, and of which we decided. */

static ngx_uint_t
ngx_http_apikey_usage_counts(ngx_http_apikey_ctx_t *ctx)
{
    if (ctx->entry == NULL || !ctx->alcf->usage || ctx->amcf->usage == NULL) {
        return 0;
    }

    switch (ctx->answer.result) {

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

    return ngx_http_apikey_usage_now(usage);
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


static ngx_http_apikey_tally_t *
ngx_http_apikey_tally_get(ngx_http_apikey_usage_t *usage,
    ngx_http_apikey_entry_t *entry, uint32_t day)
{
    ngx_http_apikey_tally_t  *use;

    use = entry->use;

    if (use && use->day == day) {
        return use;
    }

    if (usage->size > NGX_HTTP_APIKEY_USAGE_SIZE) {
        ngx_http_apikey_usage_relieve(usage);
    }

    use = ngx_calloc(sizeof(ngx_http_apikey_tally_t), ngx_cycle->log);
    if (use == NULL) {
        return NULL;
    }

    use->usage = usage;
    use->entry = entry;
    use->since = ngx_current_msec;
    use->day = day;

    entry->refs++;
    entry->use = use;

    usage->size += sizeof(ngx_http_apikey_tally_t) + entry->size;

    ngx_queue_insert_tail(&usage->waiting, &use->queue);

    if (!usage->timer.timer_set) {
        ngx_add_timer(&usage->timer, NGX_HTTP_APIKEY_USAGE_AGE);
    }

    return use;
}


/* Returns where, as apikey_tally_add(). */

static u_short
ngx_http_apikey_tally_add(ngx_http_apikey_tally_t *use,
    apikey_usage_kind_e kind, apikey_text_t label, uint64_t amount)
{
    size_t           size, at;
    u_char          *data;
    apikey_tally_t  *tally;

    tally = &use->tally;

    at = apikey_tally_add(tally, kind, label, amount);
    if (at) {
        return (u_short) at;
    }

    size = tally->size ? tally->size * 2 : NGX_HTTP_APIKEY_TALLY_SIZE;

    if (size > NGX_HTTP_APIKEY_TALLY_MAX
        || (tally->size && use->usage->size > NGX_HTTP_APIKEY_USAGE_SIZE))
    {
        return 0;
    }

    data = ngx_alloc(size, ngx_cycle->log);
    if (data == NULL) {
        return 0;
    }

    if (tally->data) {
        ngx_memcpy(data, tally->data, tally->len);
        ngx_free(tally->data);
    }

    use->usage->size += size - tally->size;

    tally->data = data;
    tally->size = size;

    return (u_short) apikey_tally_add(tally, kind, label, amount);
}


/*
 * A field that most requests count in: its mark says where it is, so that it is
 * neither named nor looked for again.
 */

static void
ngx_http_apikey_tally_count(ngx_http_apikey_tally_t *use, u_short *mark,
    apikey_usage_kind_e kind, uint64_t amount)
{
    static const apikey_text_t  none = apikey_text("");

    if (*mark) {
        apikey_tally_more(&use->tally, *mark, amount);

    } else {
        *mark = ngx_http_apikey_tally_add(use, kind, none, amount);
    }
}


/* The same, of a field with a number. */

static void
ngx_http_apikey_tally_number(ngx_http_apikey_tally_t *use, u_short *mark,
    apikey_usage_kind_e kind, const char *format, ngx_uint_t n)
{
    u_char         text[NGX_INT_T_LEN];
    apikey_text_t  label;

    if (*mark) {
        apikey_tally_more(&use->tally, *mark, 1);
        return;
    }

    label.data = (char *) text;
    label.len = ngx_sprintf(text, format, n) - text;

    *mark = ngx_http_apikey_tally_add(use, kind, label, 1);
}


static void
ngx_http_apikey_tally_request(ngx_http_apikey_tally_t *use,
    ngx_http_request_t *r, ngx_http_apikey_ctx_t *ctx)
{
    ngx_str_t                *reason;
    ngx_uint_t                status, bucket;
    ngx_time_t               *tp;
    ngx_msec_int_t            ms;
    ngx_http_apikey_marks_t  *marks;

    marks = &use->marks;

    ngx_http_apikey_tally_count(use, &marks->requests, APIKEY_USAGE_REQUESTS,
                                1);
    ngx_http_apikey_tally_count(use, &marks->bytes, APIKEY_USAGE_BYTES,
                                (uint64_t) ngx_max(r->connection->sent, 0));

    status = ngx_http_apikey_usage_status(r);

    if (ngx_http_apikey_result_status(ctx->answer.result)) {
        reason = ngx_http_apikey_result_name(ctx->answer.result);
        (void) ngx_http_apikey_tally_add(use, APIKEY_USAGE_DENIED,
                                         ngx_http_apikey_text(reason), 1);

    } else {

        if (status >= NGX_HTTP_BAD_REQUEST) {
            ngx_http_apikey_tally_count(use, &marks->errors,
                                        APIKEY_USAGE_ERRORS, 1);
        }

        tp = ngx_timeofday();
        ms = (ngx_msec_int_t) ((tp->sec - r->start_sec) * 1000
                               + (tp->msec - r->start_msec));

        bucket = apikey_usage_bucket(ngx_max(ms, 0));

        ngx_http_apikey_tally_number(use, &marks->latencies[bucket],
                                     APIKEY_USAGE_LATENCY, "%ui", bucket);
    }

    if (status) {

        if (marks->code != status) {
            marks->code = status;
            marks->status = 0;
        }

        ngx_http_apikey_tally_number(use, &marks->status, APIKEY_USAGE_STATUS,
                                     "%03ui", status);
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


static void
ngx_http_apikey_tally_labels(ngx_http_apikey_tally_t *use,
    ngx_http_request_t *r, ngx_http_apikey_ctx_t *ctx)
{
    if (ctx->alcf->country) {
        ngx_http_apikey_tally_label(use, r, ctx, APIKEY_USAGE_COUNTRY,
                                    ctx->alcf->country);
    }

    if (ctx->alcf->endpoint) {
        ngx_http_apikey_tally_label(use, r, ctx, APIKEY_USAGE_ENDPOINT,
                                    ctx->alcf->endpoint);

    } else {
        ngx_http_apikey_tally_location(use, ctx);
    }
}


/* "GET /v1/", of the location that has decided, and of the client's method. */

static void
ngx_http_apikey_tally_location(ngx_http_apikey_tally_t *use,
    ngx_http_apikey_ctx_t *ctx)
{
    u_char                    text[2 * APIKEY_USAGE_LABEL_MAX + 1];
    char                      clean[APIKEY_USAGE_LABEL_MAX];
    apikey_text_t             label;
    ngx_http_apikey_marks_t  *marks;

    marks = &use->marks;

    if (marks->endpoint
        && marks->alcf == ctx->alcf
        && marks->method == ctx->method_bit
        && ctx->method_bit != NGX_HTTP_UNKNOWN)
    {
        apikey_tally_more(&use->tally, marks->endpoint, 1);
        return;
    }

    label.data = (char *) text;
    label.len = ngx_snprintf(text, sizeof(text), "%V %V", &ctx->method,
                             &ctx->alcf->location)
                - text;

    label.len = apikey_usage_label(clean, label);
    label.data = clean;

    marks->alcf = ctx->alcf;
    marks->method = ctx->method_bit;
    marks->endpoint = ngx_http_apikey_tally_add(use, APIKEY_USAGE_ENDPOINT,
                                                label, 1);
}


static void
ngx_http_apikey_tally_label(ngx_http_apikey_tally_t *use, ngx_http_request_t *r,
    ngx_http_apikey_ctx_t *ctx, apikey_usage_kind_e kind,
    ngx_http_complex_value_t *cv)
{
    char           clean[APIKEY_USAGE_LABEL_MAX];
    ngx_str_t      value;
    apikey_text_t  label;

    if (ngx_http_apikey_captures_value(r, ctx, cv,
                                       &value) != NGX_OK || value.len == 0) {
        return;
    }

    label.len = apikey_usage_label(clean, ngx_http_apikey_text(&value));
    label.data = clean;

    ngx_http_apikey_tally_add(use, kind, label, 1);
}


static void
ngx_http_apikey_tally_notices(ngx_http_apikey_tally_t *use,
    ngx_http_apikey_ctx_t *ctx)
{
    char              notice;
    apikey_text_t     label;
    apikey_record_t  *record;

    switch (ctx->answer.result) {

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
        if (ctx->count.metered && ctx->count.meter.limits) {
            ngx_http_apikey_tally_windows(use, ctx);
        }

        return;
    }

    label.data = &notice;
    label.len = 1;

    ngx_http_apikey_tally_add(use, APIKEY_USAGE_NOTICE, label, 1);
}


/* Four fifths of a window are near its limit. */

static void
ngx_http_apikey_tally_windows(ngx_http_apikey_tally_t *use,
    ngx_http_apikey_ctx_t *ctx)
{
    char                    notice[APIKEY_NOTICE_MAX];
    unsigned                i;
    uint64_t                used, limit;
    apikey_text_t           label;
    apikey_counter_t       *counter;
    const apikey_limits_t  *limits;

    limits = ctx->count.meter.limits;

    for (i = 0; i < limits->count; i++) {
        counter = &ctx->count.counters[i];
        limit = limits->window[i].limit;

        used = limits->sliding
               ? apikey_counter_used(counter, 1, ctx->now) : counter->current;

        if (used * 5 >= limit * 4) {
            label = apikey_notice_window(notice, APIKEY_NOTICE_NEAR_LIMIT,
                                         counter->seconds,
                                         counter->start + counter->seconds,
                                         limit);
            ngx_http_apikey_tally_add(use, APIKEY_USAGE_NOTICE, label, used);
        }

        if (ctx->count.limited && used + ctx->count.cost > limit) {
            label = apikey_notice_window(notice, APIKEY_NOTICE_LIMIT_REACHED,
                                         counter->seconds,
                                         counter->start + counter->seconds,
                                         limit);
            ngx_http_apikey_tally_add(use, APIKEY_USAGE_NOTICE, label, used);
        }
    }
}
