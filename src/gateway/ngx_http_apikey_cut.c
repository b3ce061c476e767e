/*
 * What ends requests that go on for long, once their key is no good any more.
 *
 * Every request with a key that passes waits in a queue, and most end there.
 * What is still there after half a second joins the group of its key: then a
 * change that the worker hears of, an expiry, or the end of a time in which
 * changes may have been missed makes it ask Redis about that key, once for all
 * its requests.  A change that was heard of before a request has joined is
 * found by its counter, as ngx_http_apikey_changes.c keeps them.
 *
 * While Redis doesn't answer nothing is ended, and it is asked again.
 */

#include "ngx_http_apikey_changes.h"


#define NGX_HTTP_APIKEY_CUT_YOUNG   500      /* milliseconds */
#define NGX_HTTP_APIKEY_CUT_TICK    250
#define NGX_HTTP_APIKEY_CUT_FAR     86400    /* seconds: looked at again */
#define NGX_HTTP_APIKEY_CUT_ASKING  128      /* questions at a time */
#define NGX_HTTP_APIKEY_CUT_ENDING  256      /* requests a turn */


/* The requests of a key. */
typedef struct {
    ngx_queue_t                   bucket;
    ngx_queue_t                   requests;    /* ngx_http_apikey_ctx_t */
    ngx_queue_t                   queue;       /* if waiting */
    u_char                        digest[APIKEY_DIGEST_SIZE];
    ngx_event_t                   expiry;
    ngx_http_apikey_cut_t        *cut;
    ngx_http_apikey_ctx_t        *question;    /* under way; NULL: none */
    ngx_uint_t                    waiting;
} ngx_http_apikey_group_t;


struct ngx_http_apikey_cut_s {
    ngx_http_apikey_main_conf_t  *amcf;
    ngx_queue_t                   young;       /* requests, oldest first */
    ngx_queue_t                   waiting;     /* groups to ask about */
    ngx_queue_t                   ending;      /* requests */
    ngx_uint_t                    asking;
    ngx_event_t                   tick;
    ngx_event_t                   end;
    ngx_queue_t                   buckets[NGX_HTTP_APIKEY_CHANGES_SLOTS];
};


static void ngx_http_apikey_cut_tick(ngx_event_t *ev);
static void ngx_http_apikey_cut_settle(ngx_http_apikey_cut_t *cut,
    ngx_http_apikey_ctx_t *ctx);
static ngx_http_apikey_group_t *ngx_http_apikey_group_find(
    ngx_http_apikey_cut_t *cut, u_char *digest);
static ngx_http_apikey_group_t *ngx_http_apikey_group_create(
    ngx_http_apikey_cut_t *cut, ngx_http_apikey_ctx_t *ctx);
static void ngx_http_apikey_group_free(ngx_http_apikey_group_t *group);
static void ngx_http_apikey_group_expires(ngx_http_apikey_group_t *group,
    ngx_http_apikey_ctx_t *ctx, ngx_msec_t since);
static void ngx_http_apikey_group_expired(ngx_event_t *ev);
static void ngx_http_apikey_cut_changed(void *data, u_char *digest);
static void ngx_http_apikey_group_doubt(ngx_http_apikey_group_t *group);
static void ngx_http_apikey_cut_ask(ngx_http_apikey_cut_t *cut);
static ngx_int_t ngx_http_apikey_group_ask(ngx_http_apikey_group_t *group);
static void ngx_http_apikey_group_answered(void *data,
    ngx_http_apikey_batch_answer_t *answer);
static void ngx_http_apikey_group_condemn(ngx_http_apikey_group_t *group,
    ngx_http_apikey_result_e result);
static void ngx_http_apikey_cut_end(ngx_event_t *ev);


ngx_int_t
ngx_http_apikey_cut_start(ngx_http_apikey_main_conf_t *amcf,
    ngx_cycle_t *cycle)
{
    ngx_uint_t              i;
    ngx_http_apikey_cut_t  *cut;

    cut = ngx_pcalloc(cycle->pool, sizeof(ngx_http_apikey_cut_t));
    if (cut == NULL) {
        return NGX_ERROR;
    }

    cut->amcf = amcf;

    ngx_queue_init(&cut->young);
    ngx_queue_init(&cut->waiting);
    ngx_queue_init(&cut->ending);

    for (i = 0; i < NGX_HTTP_APIKEY_CHANGES_SLOTS; i++) {
        ngx_queue_init(&cut->buckets[i]);
    }

    cut->tick.handler = ngx_http_apikey_cut_tick;
    cut->tick.data = cut;
    cut->tick.log = cycle->log;
    cut->tick.cancelable = 1;

    cut->end.handler = ngx_http_apikey_cut_end;
    cut->end.data = cut;
    cut->end.log = cycle->log;

    amcf->cut = cut;
    amcf->changes->handler = ngx_http_apikey_cut_changed;
    amcf->changes->data = cut;

    return NGX_OK;
}


/* Redis isn't asked any more; requests may still end. */

void
ngx_http_apikey_cut_stop(ngx_http_apikey_main_conf_t *amcf)
{
    ngx_uint_t                i;
    ngx_queue_t              *q, *bucket;
    ngx_http_apikey_cut_t    *cut;
    ngx_http_apikey_ctx_t    *ctx;
    ngx_http_apikey_group_t  *group;

    cut = amcf->cut;

    amcf->changes->handler = NULL;

    if (cut->tick.timer_set) {
        ngx_del_timer(&cut->tick);
    }

    if (cut->end.posted) {
        ngx_delete_posted_event(&cut->end);
    }

    for (i = 0; i < NGX_HTTP_APIKEY_CHANGES_SLOTS; i++) {
        bucket = &cut->buckets[i];

        while (!ngx_queue_empty(bucket)) {
            q = ngx_queue_head(bucket);
            group = ngx_queue_data(q, ngx_http_apikey_group_t, bucket);

            while (!ngx_queue_empty(&group->requests)) {
                q = ngx_queue_head(&group->requests);
                ctx = ngx_queue_data(q, ngx_http_apikey_ctx_t, live);

                ngx_queue_remove(&ctx->live);
                ctx->living = 0;
            }

            ngx_http_apikey_group_free(group);
        }
    }
}


void
ngx_http_apikey_cut_add(ngx_http_apikey_ctx_t *ctx)
{
    ngx_http_apikey_cut_t  *cut;

    cut = ctx->amcf->cut;

    ctx->living = 1;
    ctx->passed = ngx_current_msec;
    ngx_queue_insert_tail(&cut->young, &ctx->live);

    if (!cut->tick.timer_set) {
        ngx_add_timer(&cut->tick, NGX_HTTP_APIKEY_CUT_TICK);
    }
}


void
ngx_http_apikey_cut_remove(ngx_http_apikey_ctx_t *ctx)
{
    ngx_http_apikey_group_t  *group;

    group = ctx->group;

    ngx_queue_remove(&ctx->live);

    if (group && ngx_queue_empty(&group->requests)) {
        ngx_http_apikey_group_free(group);
    }
}


static void
ngx_http_apikey_cut_tick(ngx_event_t *ev)
{
    ngx_queue_t            *q;
    ngx_http_apikey_cut_t  *cut;
    ngx_http_apikey_ctx_t  *ctx;

    cut = ev->data;

    while (!ngx_queue_empty(&cut->young)) {
        q = ngx_queue_head(&cut->young);
        ctx = ngx_queue_data(q, ngx_http_apikey_ctx_t, live);

        if (ngx_current_msec - ctx->passed < NGX_HTTP_APIKEY_CUT_YOUNG) {
            break;
        }

        ngx_http_apikey_cut_settle(cut, ctx);
    }

    ngx_http_apikey_cut_ask(cut);

    if (!ev->timer_set && !ngx_queue_empty(&cut->young)) {
        ngx_add_timer(ev, NGX_HTTP_APIKEY_CUT_TICK);
    }
}


static void
ngx_http_apikey_cut_settle(ngx_http_apikey_cut_t *cut,
    ngx_http_apikey_ctx_t *ctx)
{
    ngx_http_apikey_group_t  *group;

    ngx_queue_remove(&ctx->live);

    group = ngx_http_apikey_group_find(cut, ctx->credential.digest);

    if (group == NULL) {
        group = ngx_http_apikey_group_create(cut, ctx);
    }

    if (group == NULL) {
        /* no memory: later */
        ctx->passed = ngx_current_msec;
        ngx_queue_insert_tail(&cut->young, &ctx->live);
        return;
    }

    ctx->group = group;
    ngx_queue_insert_tail(&group->requests, &ctx->live);

    if (ngx_http_apikey_changes_since(ctx)) {
        ngx_http_apikey_group_doubt(group);
    }
}


static ngx_http_apikey_group_t *
ngx_http_apikey_group_find(ngx_http_apikey_cut_t *cut, u_char *digest)
{
    ngx_queue_t              *q, *bucket;
    ngx_http_apikey_group_t  *group;

    bucket = &cut->buckets[ngx_http_apikey_changes_slot(digest)];

    for (q = ngx_queue_head(bucket);
         q != ngx_queue_sentinel(bucket);
         q = ngx_queue_next(q))
    {
        group = ngx_queue_data(q, ngx_http_apikey_group_t, bucket);

        if (ngx_memcmp(group->digest, digest, APIKEY_DIGEST_SIZE) == 0) {
            return group;
        }
    }

    return NULL;
}


static ngx_http_apikey_group_t *
ngx_http_apikey_group_create(ngx_http_apikey_cut_t *cut,
    ngx_http_apikey_ctx_t *ctx)
{
    ngx_uint_t                slot;
    ngx_http_apikey_group_t  *group;

    group = ngx_calloc(sizeof(ngx_http_apikey_group_t), ngx_cycle->log);
    if (group == NULL) {
        return NULL;
    }

    group->cut = cut;
    ngx_memcpy(group->digest, ctx->credential.digest, APIKEY_DIGEST_SIZE);
    ngx_queue_init(&group->requests);

    slot = ngx_http_apikey_changes_slot(group->digest);
    ngx_queue_insert_tail(&cut->buckets[slot], &group->bucket);

    group->expiry.handler = ngx_http_apikey_group_expired;
    group->expiry.data = group;
    group->expiry.log = ngx_cycle->log;
    group->expiry.cancelable = 1;

    ngx_http_apikey_group_expires(group, ctx, ctx->passed);

    return group;
}


static void
ngx_http_apikey_group_free(ngx_http_apikey_group_t *group)
{
    ngx_http_apikey_ctx_t  *question;

    question = group->question;

    if (question) {
        ngx_http_apikey_batch_cancel(question->question.pending);
        group->cut->asking--;
        ngx_free(question);
    }

    if (group->waiting) {
        ngx_queue_remove(&group->queue);
    }

    if (group->expiry.timer_set) {
        ngx_del_timer(&group->expiry);
    }

    ngx_queue_remove(&group->bucket);
    ngx_free(group);
}


/*
 * By Redis's clock, as it was told to the context at the time "since".  Redis
 * is asked then, so that it matters little how well that is known.
 */

static void
ngx_http_apikey_group_expires(ngx_http_apikey_group_t *group,
    ngx_http_apikey_ctx_t *ctx, ngx_msec_t since)
{
    uint64_t  now, expires;

    if (group->expiry.timer_set) {
        ngx_del_timer(&group->expiry);
    }

    if (ctx->entry == NULL || ctx->entry->record->expires == 0) {
        return;
    }

    now = ctx->now / 1000 + (ngx_msec_t) (ngx_current_msec - since);
    expires = ngx_min(ctx->entry->record->expires,
                      now / 1000 + NGX_HTTP_APIKEY_CUT_FAR)
              * 1000;

    ngx_add_timer(&group->expiry, expires > now ? expires - now + 1 : 1);
}


static void
ngx_http_apikey_group_expired(ngx_event_t *ev)
{
    ngx_http_apikey_group_t *group = ev->data;

    ngx_http_apikey_group_doubt(group);
}


static void
ngx_http_apikey_cut_changed(void *data, u_char *digest)
{
    ngx_http_apikey_cut_t *cut = data;

    ngx_uint_t                i;
    ngx_queue_t              *q, *bucket;
    ngx_http_apikey_group_t  *group;

    if (digest) {
        group = ngx_http_apikey_group_find(cut, digest);

        if (group) {
            ngx_http_apikey_group_doubt(group);
        }

        return;
    }

    for (i = 0; i < NGX_HTTP_APIKEY_CHANGES_SLOTS; i++) {
        bucket = &cut->buckets[i];

        for (q = ngx_queue_head(bucket);
             q != ngx_queue_sentinel(bucket);
             q = ngx_queue_next(q))
        {
            group = ngx_queue_data(q, ngx_http_apikey_group_t, bucket);
            ngx_http_apikey_group_doubt(group);
        }
    }
}


/* Asked in the tick: a key may change many times at once. */

static void
ngx_http_apikey_group_doubt(ngx_http_apikey_group_t *group)
{
    ngx_http_apikey_cut_t  *cut;

    cut = group->cut;

    if (!group->waiting) {
        group->waiting = 1;
        ngx_queue_insert_tail(&cut->waiting, &group->queue);
    }

    if (!cut->tick.timer_set) {
        ngx_add_timer(&cut->tick, NGX_HTTP_APIKEY_CUT_TICK);
    }
}


static void
ngx_http_apikey_cut_ask(ngx_http_apikey_cut_t *cut)
{
    ngx_queue_t              *q, *next;
    ngx_http_apikey_group_t  *group;

    for (q = ngx_queue_head(&cut->waiting);
         q != ngx_queue_sentinel(&cut->waiting)
             && cut->asking < NGX_HTTP_APIKEY_CUT_ASKING;
         q = next)
    {
        next = ngx_queue_next(q);
        group = ngx_queue_data(q, ngx_http_apikey_group_t, queue);

        if (group->question) {
            /* that may be from before: again, once it is answered */
            continue;
        }

        if (ngx_http_apikey_group_ask(group) != NGX_OK) {
            break;
        }
    }

    if (!ngx_queue_empty(&cut->waiting) && !cut->tick.timer_set) {
        ngx_add_timer(&cut->tick, NGX_HTTP_APIKEY_CUT_TICK);
    }
}


static ngx_int_t
ngx_http_apikey_group_ask(ngx_http_apikey_group_t *group)
{
    ngx_http_apikey_ctx_t  *question;

    question = ngx_calloc(sizeof(ngx_http_apikey_ctx_t), ngx_cycle->log);
    if (question == NULL) {
        return NGX_ERROR;
    }

    question->amcf = group->cut->amcf;
    question->group = group;
    question->credential.key = 1;
    ngx_memcpy(question->credential.digest, group->digest, APIKEY_DIGEST_SIZE);

    /* the zone doesn't keep the answer */
    question->question.stamp.generation = (ngx_uint_t) -1;

    if (ngx_http_apikey_lookup_ask_record(question,
                                          ngx_http_apikey_group_answered,
                                          question)
        == NULL)
    {
        ngx_free(question);
        return NGX_ERROR;
    }

    group->question = question;
    group->cut->asking++;

    group->waiting = 0;
    ngx_queue_remove(&group->queue);

    return NGX_OK;
}


static void
ngx_http_apikey_group_answered(void *data,
    ngx_http_apikey_batch_answer_t *answer)
{
    ngx_http_apikey_ctx_t *question = data;

    ngx_int_t                  rc;
    ngx_http_apikey_cut_t     *cut;
    ngx_http_apikey_group_t   *group;
    ngx_http_apikey_result_e   result;

    group = question->group;
    cut = group->cut;

    group->question = NULL;
    cut->asking--;

    rc = ngx_http_apikey_answer_take(question, answer, ngx_cycle->log);

    if (rc != NGX_OK) {
        ngx_http_apikey_group_doubt(group);
        ngx_free(question);
        return;
    }

    result = question->question.unknown ? NGX_HTTP_APIKEY_UNKNOWN
                               : ngx_http_apikey_policy_standing(question);

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, ngx_cycle->log, 0,
                   "apikey recheck of requests under way: %V",
                   ngx_http_apikey_result_name(result));

    if (result != NGX_HTTP_APIKEY_OK) {
        ngx_http_apikey_group_condemn(group, result);

    } else {
        ngx_http_apikey_group_expires(group, question, ngx_current_msec);

        if (ngx_http_apikey_changes_since(question)) {
            ngx_http_apikey_group_doubt(group);
        }
    }

    if (question->entry) {
        ngx_http_apikey_records_release(question->entry);
    }

    ngx_free(question);

    ngx_http_apikey_cut_ask(cut);
}


static void
ngx_http_apikey_group_condemn(ngx_http_apikey_group_t *group,
    ngx_http_apikey_result_e result)
{
    ngx_queue_t            *q;
    ngx_http_apikey_cut_t  *cut;
    ngx_http_apikey_ctx_t  *ctx;

    cut = group->cut;

    for (q = ngx_queue_head(&group->requests);
         q != ngx_queue_sentinel(&group->requests);
         q = ngx_queue_next(q))
    {
        ctx = ngx_queue_data(q, ngx_http_apikey_ctx_t, live);

        ctx->group = NULL;
        ctx->verdict = result;
    }

    ngx_queue_add(&cut->ending, &group->requests);
    ngx_queue_init(&group->requests);

    ngx_http_apikey_group_free(group);

    ngx_post_event(&cut->end, &ngx_posted_events);
}


/* Not in the handler of a reply, which requests that end may ask for. */

static void
ngx_http_apikey_cut_end(ngx_event_t *ev)
{
    ngx_uint_t              n;
    ngx_queue_t            *q;
    ngx_http_apikey_cut_t  *cut;
    ngx_http_apikey_ctx_t  *ctx;

    cut = ev->data;

    for (n = 0; !ngx_queue_empty(&cut->ending); n++) {

        if (n == NGX_HTTP_APIKEY_CUT_ENDING) {
            ngx_post_event(ev, &ngx_posted_next_events);
            return;
        }

        q = ngx_queue_head(&cut->ending);
        ctx = ngx_queue_data(q, ngx_http_apikey_ctx_t, live);

        ngx_queue_remove(&ctx->live);
        ctx->living = 0;

        ngx_http_apikey_end_request(ctx);
    }
}
