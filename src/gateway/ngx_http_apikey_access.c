/*
 * The story of a request: is there a key, is it one of ours, what does Redis
 * know of it, what may it do here, how often?  See ngx_http_apikey.h for the
 * parts that answer.
 */

#include "ngx_http_apikey_changes.h"


static ngx_int_t ngx_http_apikey_access_arrive(ngx_http_request_t *r,
    ngx_http_apikey_loc_conf_t *alcf);
static ngx_int_t ngx_http_apikey_access_judge(ngx_http_request_t *r,
    ngx_http_apikey_loc_conf_t *alcf, ngx_http_apikey_ctx_t *ctx);
static ngx_int_t ngx_http_apikey_access_judge_key(ngx_http_request_t *r,
    ngx_http_apikey_loc_conf_t *alcf, ngx_http_apikey_ctx_t *ctx);
static ngx_int_t ngx_http_apikey_access_judge_record(ngx_http_request_t *r,
    ngx_http_apikey_loc_conf_t *alcf, ngx_http_apikey_ctx_t *ctx);
static ngx_int_t ngx_http_apikey_access_judge_anonymous(ngx_http_request_t *r,
    ngx_http_apikey_loc_conf_t *alcf, ngx_http_apikey_ctx_t *ctx);
static void ngx_http_apikey_access_doubt(ngx_http_apikey_ctx_t *ctx);
static void ngx_http_apikey_access_confirm(ngx_http_apikey_ctx_t *ctx);
static void ngx_http_apikey_access_recall(ngx_http_apikey_ctx_t *ctx);
static ngx_int_t ngx_http_apikey_access_stale(ngx_http_apikey_ctx_t *ctx);
static ngx_uint_t ngx_http_apikey_access_guarded(ngx_http_request_t *r,
    ngx_http_apikey_loc_conf_t *alcf, ngx_http_apikey_ctx_t *ctx);
static ngx_int_t ngx_http_apikey_access_ask(ngx_http_request_t *r,
    ngx_http_apikey_ctx_t *ctx, ngx_uint_t spend);
static ngx_int_t ngx_http_apikey_access_conclude(ngx_http_request_t *r,
    ngx_http_apikey_ctx_t *ctx, ngx_http_apikey_result_e result);
static void ngx_http_apikey_access_ended(ngx_http_apikey_ctx_t *ctx);


/*
 * Before any other handler of the rewrite phase: nothing but its path has
 * chosen the location yet.
 */

ngx_int_t
ngx_http_apikey_location_handler(ngx_http_request_t *r)
{
    ngx_http_apikey_loc_conf_t  *alcf;

    if (r != r->main) {
        return NGX_DECLINED;
    }

    if (ngx_http_apikey_captures_keep(r) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_apikey_module);

    if (alcf->enable != NGX_HTTP_APIKEY_OFF
        && ngx_http_apikey_path_settle(r) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return NGX_DECLINED;
}


/*
 * Before any handler of the access phase, so that its subrequests don't carry
 * the key either.  Subrequests themselves are none of ours.
 */

ngx_int_t
ngx_http_apikey_preaccess_handler(ngx_http_request_t *r)
{
    ngx_http_apikey_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_apikey_module);

    if (alcf->enable == NGX_HTTP_APIKEY_OFF
        || r != r->main
        || ngx_http_get_module_ctx(r, ngx_http_apikey_module))
    {
        return NGX_DECLINED;
    }

    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "apikey preaccess handler");

    return ngx_http_apikey_access_arrive(r, alcf) == NGX_OK
           ? NGX_DECLINED : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


/*
 * After any other handler of the access phase: what they refuse isn't counted,
 * and where they are enough, nobody is asked.
 */

ngx_int_t
ngx_http_apikey_access_handler(ngx_http_request_t *r)
{
    ngx_int_t                    rc;
    ngx_http_apikey_ctx_t       *ctx;
    ngx_http_apikey_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_apikey_module);

    if (alcf->enable == NGX_HTTP_APIKEY_OFF) {
        return NGX_DECLINED;
    }

    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "apikey access handler");

    ctx = ngx_http_get_module_ctx(r, ngx_http_apikey_module);

    if (ctx == NULL) {
        /* another module has cut the preaccess phase short */

        if (ngx_http_apikey_access_arrive(r, alcf) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        ctx = ngx_http_get_module_ctx(r, ngx_http_apikey_module);
    }

    if (ctx->question.pending) {
        return NGX_AGAIN;
    }

    if (!ctx->judging) {
        ctx->judging = 1;
        ctx->started = ngx_current_msec;
    }

    rc = ngx_http_apikey_access_judge(r, alcf, ctx);

    if (rc == NGX_AGAIN) {
        /* a client that goes away ends the request, and with it the question */

        if (r->connection->read->ready) {
            /* what it sent last may have been its end */
            ngx_post_event(r->connection->read, &ngx_posted_events);

        } else if (ngx_handle_read_event(r->connection->read, 0) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        r->read_event_handler = ngx_http_test_reading;

        return NGX_AGAIN;
    }

    r->read_event_handler = ngx_http_block_reading;

    if (rc == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* rc is a result */

    return ngx_http_apikey_access_conclude(r, ctx, rc);
}


/*
 * Somebody else's approval brought a request that we refused past the access
 * phase ("satisfy any"): what it is answered isn't our refusal.
 */

ngx_int_t
ngx_http_apikey_passed_handler(ngx_http_request_t *r)
{
    ngx_http_apikey_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_apikey_module);

    if (ctx == NULL || ctx->answer.status == 0) {
        return NGX_DECLINED;
    }

    if (r->err_status == 0) {
        ctx->answer.status = 0;

    } else {
        /* of our refusal, an error_page, which keeps the headers only */
        ngx_http_set_ctx(r, NULL, ngx_http_apikey_module);
    }

    return NGX_DECLINED;
}


/*
 * A request that has ended before its key was hidden is logged, too: by
 * variables that may read the key.
 */

ngx_int_t
ngx_http_apikey_ended_handler(ngx_http_request_t *r)
{
    ngx_http_apikey_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_apikey_module);

    if (alcf->enable != NGX_HTTP_APIKEY_OFF
        && alcf->hide
        && r == r->main
        && ngx_http_apikey_ctx_get(r) == NULL)
    {
        (void) ngx_http_apikey_access_arrive(r, alcf);
    }

    return NGX_OK;
}


/* At a location: for the first time, or redirected from another one. */

static ngx_int_t
ngx_http_apikey_access_arrive(ngx_http_request_t *r,
    ngx_http_apikey_loc_conf_t *alcf)
{
    ngx_uint_t              known;
    ngx_http_apikey_ctx_t  *ctx;

    ctx = ngx_http_apikey_ctx_get(r);

    if (ctx == NULL) {
        ctx = ngx_http_apikey_ctx_create(r, ngx_http_apikey_access_ended);
        if (ctx == NULL) {
            return NGX_ERROR;
        }
    }

    ctx->alcf = alcf;
    ngx_http_apikey_captures_take(r, ctx);

    known = ctx->credential.key;

    if (ngx_http_apikey_credential_find(r, alcf, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_log_debug3(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "apikey credential: key %d, own form %d, malformed %d",
                   ctx->credential.key, ctx->credential.own,
                   ctx->credential.malformed);

    if (ctx->credential.key && !known) {
        /* nothing that was decided of an anonymous request holds for the key */
        ctx->question.confirmed = 0;
        ctx->count.counted = 0;
        ctx->count.limited = 0;
    }

    /* what one location has counted no other counts again */
    ctx->count.metered = ctx->count.counted || ctx->count.limited;
    ctx->count.local = ctx->count.local && ctx->count.metered;
    ctx->count.allowed = 0;
    ctx->count.priced = 0;

    ngx_http_set_ctx(r, ctx, ngx_http_apikey_module);

    return NGX_OK;
}


/* Returns a result, NGX_AGAIN while Redis is asked, or NGX_ERROR. */

static ngx_int_t
ngx_http_apikey_access_judge(ngx_http_request_t *r,
    ngx_http_apikey_loc_conf_t *alcf, ngx_http_apikey_ctx_t *ctx)
{
    if (alcf->preflight == NGX_HTTP_APIKEY_PASS
        && ngx_http_apikey_policy_preflight(r))
    {
        return NGX_HTTP_APIKEY_PREFLIGHT;
    }

    if (ctx->credential.malformed
        || (ctx->credential.key && !ctx->credential.own
            && alcf->format == NGX_HTTP_APIKEY_CHECKSUM))
    {
        return NGX_HTTP_APIKEY_MALFORMED;
    }

    if (ctx->credential.key) {
        return ngx_http_apikey_access_guarded(r, alcf, ctx)
               ? NGX_HTTP_APIKEY_GUARDED
               : ngx_http_apikey_access_judge_key(r, alcf, ctx);
    }

    if (alcf->enable == NGX_HTTP_APIKEY_OPTIONAL
        && !alcf->self
        && ngx_http_apikey_policy_anonymous(r, alcf))
    {
        return ngx_http_apikey_access_judge_anonymous(r, alcf, ctx);
    }

    return NGX_HTTP_APIKEY_MISSING;
}


/* Where Redis can't be asked, a record from before may serve. */

static ngx_int_t
ngx_http_apikey_access_judge_key(ngx_http_request_t *r,
    ngx_http_apikey_loc_conf_t *alcf, ngx_http_apikey_ctx_t *ctx)
{
    ngx_int_t  rc;

    rc = ngx_http_apikey_access_judge_record(r, alcf, ctx);

    if (rc == NGX_DECLINED
        && !ctx->question.stale
        && ngx_http_apikey_access_stale(ctx) == NGX_OK)
    {
        rc = ngx_http_apikey_access_judge_record(r, alcf, ctx);
    }

    if (rc != NGX_DECLINED) {
        return rc;
    }

    if (ctx->question.confirmed
        && ngx_http_apikey_limiter_spend(alcf, ctx) == NGX_OK)
    {
        return ngx_http_apikey_limiter_result(alcf, ctx, NGX_HTTP_APIKEY_OK);
    }

    return NGX_HTTP_APIKEY_UNAVAILABLE;
}


/*
 * The next step, at first and after each answer; NGX_DECLINED: Redis has to be
 * asked, and can't be.
 *
 *   confirmed  verdict   counted  next
 *   no         ok        yes      ask Redis to confirm and to count, at once
 *   no         ok        no       ask Redis to confirm
 *   no         not ok    -        ask Redis to confirm
 *   yes        not ok    -        the verdict is the result
 *   yes        ok        no       passes
 *   yes        ok        yes      passes by a lease, or what stands in for
 *                                 Redis; else ask Redis to count
 *
 * Nothing but a confirmed record decides.  The verdict on no record isn't ok;
 * the answer then has the record.  Counters of another node take a question of
 * their own.
 */

static ngx_int_t
ngx_http_apikey_access_judge_record(ngx_http_request_t *r,
    ngx_http_apikey_loc_conf_t *alcf, ngx_http_apikey_ctx_t *ctx)
{
    ngx_int_t                 rc;
    ngx_uint_t                count;
    ngx_http_apikey_result_e  verdict;

    if (ctx->question.confirmed && ngx_http_apikey_changes_since(ctx)) {
        ngx_http_apikey_access_doubt(ctx);
    }

    if (ctx->question.unavailable
        && !ctx->question.confirmed
        && ngx_http_apikey_access_stale(ctx) != NGX_OK)
    {
        return NGX_HTTP_APIKEY_UNAVAILABLE;
    }

    if (ctx->entry == NULL) {
        ngx_http_apikey_access_recall(ctx);
    }

    if (ctx->question.unknown) {
        return NGX_HTTP_APIKEY_UNKNOWN;
    }

    verdict = ngx_http_apikey_policy_standing(ctx);

    if (verdict == NGX_HTTP_APIKEY_OK) {
        verdict = ngx_http_apikey_policy_judge(r, alcf, ctx);
    }

    ngx_log_debug3(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "apikey verdict \"%V\", confirmed %d, unavailable %d",
                   ngx_http_apikey_result_name(verdict),
                   ctx->question.confirmed, ctx->question.unavailable);

    if (verdict != NGX_HTTP_APIKEY_OK) {
        return ctx->question.confirmed
               ? (ngx_int_t) verdict : ngx_http_apikey_access_ask(r, ctx, 0);
    }

    rc = ngx_http_apikey_limiter_price(r, alcf, ctx);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    /* rc == NGX_OK: it is counted, or NGX_DECLINED: it isn't */

    if (!ctx->question.confirmed) {
        count = rc == NGX_OK
                && !ctx->count.uncounted
                && !ngx_http_apikey_lookup_apart(ctx);

        return ngx_http_apikey_access_ask(r, ctx, count);
    }

    if (rc == NGX_DECLINED
        || ngx_http_apikey_limiter_spend(alcf, ctx) == NGX_OK)
    {
        return ngx_http_apikey_limiter_result(alcf, ctx, NGX_HTTP_APIKEY_OK);
    }

    return ctx->count.uncounted ? NGX_HTTP_APIKEY_UNAVAILABLE
                                : ngx_http_apikey_access_ask(r, ctx, 1);
}


/*
 * The key may have changed since its record was confirmed: while the answer
 * was on its way to here, or before an upstream sent the request elsewhere.
 */

static void
ngx_http_apikey_access_doubt(ngx_http_apikey_ctx_t *ctx)
{
    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, ctx->request->connection->log, 0,
                   "apikey record may have changed since it was confirmed");

    ctx->question.confirmed = 0;
    ctx->question.stale = 0;
    ctx->question.unavailable = 0;
}


static void
ngx_http_apikey_access_confirm(ngx_http_apikey_ctx_t *ctx)
{
    ctx->question.confirmed = 1;
    ctx->question.heard = ngx_http_apikey_changes_count(ctx->amcf->changes,
                                                        ctx->credential.digest);
}


/* What the gateway, or at least the worker, knows of the key. */

static void
ngx_http_apikey_access_recall(ngx_http_apikey_ctx_t *ctx)
{
    ngx_http_apikey_trust_e  trust;

    if (ctx->amcf->zone) {
        trust = ngx_http_apikey_watch_trusted(ctx->amcf)
                ? NGX_HTTP_APIKEY_TRUST_FRESH : NGX_HTTP_APIKEY_TRUST_NONE;

        if (ngx_http_apikey_zone_get(ctx->amcf, ctx, trust) == NGX_OK) {
            ngx_http_apikey_access_confirm(ctx);
        }

    } else if (ctx->amcf->cache) {
        ctx->entry = ngx_http_apikey_records_get(ctx->amcf->cache,
                                                 ctx->credential.digest);
    }
}


/* Redis can't be reached: does what it has said before still serve? */

static ngx_int_t
ngx_http_apikey_access_stale(ngx_http_apikey_ctx_t *ctx)
{
    if (ctx->question.stale) {
        return NGX_OK;
    }

    if (ctx->amcf->zone == NULL || ctx->amcf->zone->stale == 0) {
        return NGX_DECLINED;
    }

    if (ctx->entry) {
        ngx_http_apikey_records_release(ctx->entry);
        ctx->entry = NULL;
    }

    if (ngx_http_apikey_zone_get(ctx->amcf, ctx, NGX_HTTP_APIKEY_TRUST_STALE)
        != NGX_OK)
    {
        return NGX_DECLINED;
    }

    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, ctx->request->connection->log, 0,
                   "apikey record is stale, and serves");

    ngx_http_apikey_access_confirm(ctx);
    ctx->question.stale = 1;

    return NGX_OK;
}


static ngx_int_t
ngx_http_apikey_access_judge_anonymous(ngx_http_request_t *r,
    ngx_http_apikey_loc_conf_t *alcf, ngx_http_apikey_ctx_t *ctx)
{
    ngx_int_t  rc;

    if (!ngx_http_apikey_policy_method(r, alcf)) {
        return NGX_HTTP_APIKEY_METHOD;
    }

    rc = ngx_http_apikey_limiter_price(r, alcf, ctx);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (rc == NGX_DECLINED || ngx_http_apikey_limiter_spend(alcf,
                                                            ctx) == NGX_OK) {
        return ngx_http_apikey_limiter_result(alcf, ctx,
                                              NGX_HTTP_APIKEY_ANONYMOUS);
    }

    if (!ctx->count.uncounted
        && ngx_http_apikey_access_ask(r, ctx, 1) == NGX_AGAIN)
    {
        return NGX_AGAIN;
    }

    if (ngx_http_apikey_limiter_spend(alcf, ctx) == NGX_OK) {
        return ngx_http_apikey_limiter_result(alcf, ctx,
                                              NGX_HTTP_APIKEY_ANONYMOUS);
    }

    return NGX_HTTP_APIKEY_UNAVAILABLE;
}


/* Once a request: what has been counted isn't refused any more. */

static ngx_uint_t
ngx_http_apikey_access_guarded(ngx_http_request_t *r,
    ngx_http_apikey_loc_conf_t *alcf, ngx_http_apikey_ctx_t *ctx)
{
    ngx_uint_t  wait;

    if (ctx->admitted) {
        return 0;
    }

    wait = alcf->guard ? ngx_http_apikey_guard_wait(r, alcf->guard) : 0;

    if (wait) {
        ngx_log_debug1(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                       "apikey guard: %ui seconds to wait", wait);

        ctx->count.quota.retry_after = wait;
        return 1;
    }

    ctx->admitted = 1;

    return 0;
}


static ngx_int_t
ngx_http_apikey_access_ask(ngx_http_request_t *r, ngx_http_apikey_ctx_t *ctx,
    ngx_uint_t spend)
{
    if (ctx->question.unavailable) {
        return NGX_DECLINED;
    }

    if (ctx->question.asked++ == NGX_HTTP_APIKEY_QUESTIONS) {
        goto unavailable;
    }

    if (ctx->amcf->client == NULL
        && ngx_http_apikey_worker_start(ctx->amcf) != NGX_OK)
    {
        /* a single process starts no worker for a new configuration */
        goto unavailable;
    }

    if (ngx_http_apikey_lookup_ask(r, ctx, spend) == NGX_AGAIN) {

        ngx_log_debug3(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                       "apikey question %ui: to count %ui, for a lease %uL",
                       ctx->question.asked, spend, ctx->question.want);

        return NGX_AGAIN;
    }

unavailable:

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "apikey question %ui can't be asked", ctx->question.asked);

    ctx->question.unavailable = 1;

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_apikey_access_conclude(ngx_http_request_t *r,
    ngx_http_apikey_ctx_t *ctx, ngx_http_apikey_result_e result)
{
    ngx_uint_t  status;

    status = ngx_http_apikey_result_status(result);

    ngx_log_debug4(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "apikey result \"%V\", status %ui, key \"%*s\"",
                   ngx_http_apikey_result_name(result), status,
                   ctx->entry ? ctx->entry->record->id.len : 0,
                   ctx->entry ? ctx->entry->record->id.data : "");

    if (ctx->question.more) {
        ngx_http_apikey_lookup_ask_lease(ctx);
    }

    ctx->spent += ngx_current_msec - ctx->started;
    ctx->judging = 0;

    if (status == 0
        && ctx->answer.status
        && ctx->answer.status == r->err_status)
    {
        /* an error_page that may be seen: the refusal is still the answer */
        return NGX_OK;
    }

    ctx->answer.result = result;
    ctx->answer.status = status;

    if (ctx->question.stale && result != NGX_HTTP_APIKEY_UNAVAILABLE) {
        ngx_http_apikey_failover_begin(ctx, NGX_HTTP_APIKEY_BY_STALE);
    }

    if (status == 0) {

        if (ctx->credential.key && ctx->alcf->cut && !ctx->living) {
            ngx_http_apikey_cut_add(ctx);
        }

        return NGX_OK;
    }

    if (ctx->alcf->guard
        && !ctx->bad
        && result >= NGX_HTTP_APIKEY_MALFORMED
        && result <= NGX_HTTP_APIKEY_EXPIRED)
    {
        ctx->bad = 1;
        ngx_http_apikey_guard_count(r, ctx->alcf->guard);
    }

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "apikey refused the request: %V",
                  ngx_http_apikey_result_name(result));

    return ctx->answer.status;
}


/* The request is over, whether Redis has answered or not. */

static void
ngx_http_apikey_access_ended(ngx_http_apikey_ctx_t *ctx)
{
    if (ctx->living) {
        ngx_http_apikey_cut_remove(ctx);
    }

    if (ctx->question.pending) {
        ngx_http_apikey_lookup_abandon(ctx);

    } else if (ctx->question.unknown && !ctx->bad && ctx->alcf->guard) {
        /* answered, but the client had gone */
        ngx_http_apikey_guard_count(ctx->request, ctx->alcf->guard);
    }

    if (ctx->entry) {
        ngx_http_apikey_records_release(ctx->entry);
    }

    if (ctx->count.former) {
        ngx_http_apikey_records_release(ctx->count.former);
    }
}
