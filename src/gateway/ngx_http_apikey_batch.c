/*
 * What a worker asks Redis in one turn of its event loop goes out as one call
 * of decide.lua; in a Cluster as one for each key.  Questions about the same
 * record and counters form a group, which costs Redis hardly more than one of
 * them.  Each question keeps its own caller and answer, and none is sent twice.
 *
 * What waits for a connection isn't put together: its callers may go away
 * before it is sent, and a server that was slow is asked one thing first.
 */

#include "ngx_http_apikey_call.h"


#define NGX_HTTP_APIKEY_FOREVER  ((uint64_t) 1 << 40)  /* in five bytes */


static ngx_http_apikey_batch_question_t *ngx_http_apikey_batch_question(
    ngx_http_apikey_batch_t *batch);
static ngx_http_apikey_batch_group_t *ngx_http_apikey_batch_group(
    ngx_http_apikey_batch_t *batch, const ngx_http_apikey_asked_t *asked);
static ngx_uint_t ngx_http_apikey_batch_same(
    ngx_http_apikey_batch_group_t *group,
    const ngx_http_apikey_asked_t *asked, ngx_uint_t meter, uint64_t until);
static ngx_uint_t ngx_http_apikey_batch_meter(ngx_http_apikey_batch_t *batch,
    const ngx_http_apikey_asked_t *asked);
static void ngx_http_apikey_batch_handler(ngx_event_t *ev);
static void ngx_http_apikey_batch_free(ngx_queue_t *spare);


ngx_int_t
ngx_http_apikey_batch_create(ngx_http_apikey_main_conf_t *amcf,
    ngx_pool_t *pool)
{
    ngx_http_apikey_batch_t  *batch;

    batch = ngx_pcalloc(pool, sizeof(ngx_http_apikey_batch_t));
    if (batch == NULL) {
        return NGX_ERROR;
    }

    batch->amcf = amcf;

    ngx_queue_init(&batch->calls);
    ngx_queue_init(&batch->spare_calls);
    ngx_queue_init(&batch->spare_questions);

    batch->event.handler = ngx_http_apikey_batch_handler;
    batch->event.data = batch;
    batch->event.log = ngx_cycle->log;

    amcf->batch = batch;

    return NGX_OK;
}


void
ngx_http_apikey_batch_destroy(ngx_http_apikey_main_conf_t *amcf)
{
    ngx_uint_t                i;
    ngx_queue_t              *q;
    ngx_http_apikey_call_t   *call;
    ngx_http_apikey_batch_t  *batch;

    batch = amcf->batch;

    while (!ngx_queue_empty(&batch->calls)) {
        q = ngx_queue_head(&batch->calls);
        ngx_queue_remove(q);

        call = ngx_queue_data(q, ngx_http_apikey_call_t, queue);

        for (i = 0; i < call->n; i++) {
            ngx_http_apikey_batch_free(&call->groups[i]);
        }

        ngx_free(call);
    }

    if (batch->event.posted) {
        ngx_delete_posted_event(&batch->event);
    }

    ngx_http_apikey_batch_free(&batch->spare_calls);
    ngx_http_apikey_batch_free(&batch->spare_questions);

    amcf->batch = NULL;
}


/* What is in a queue begins with its link. */

static void
ngx_http_apikey_batch_free(ngx_queue_t *spare)
{
    ngx_queue_t  *q;

    while (!ngx_queue_empty(spare)) {
        q = ngx_queue_head(spare);
        ngx_queue_remove(q);
        ngx_free(q);
    }
}


ngx_http_apikey_batch_question_t *
ngx_http_apikey_batch_add(ngx_http_apikey_main_conf_t *amcf,
    const ngx_http_apikey_asked_t *asked,
    ngx_http_apikey_batch_handler_pt handler, void *data)
{
    ngx_uint_t                         steady;
    ngx_http_apikey_batch_t           *batch;
    ngx_http_apikey_batch_group_t     *group;
    ngx_http_apikey_batch_question_t  *question;

    batch = amcf->batch;
    steady = ngx_redis_steady(amcf->client);

    if (batch->nquestions == NGX_HTTP_APIKEY_BATCH_MAX
        || (batch->nquestions && !steady))
    {
        ngx_http_apikey_batch_send(amcf);
    }

    question = ngx_http_apikey_batch_question(batch);
    if (question == NULL) {
        return NULL;
    }

    question->call = NULL;
    question->handler = handler;
    question->data = data;
    question->cost = asked->cost;
    question->want = asked->want;

    group = ngx_http_apikey_batch_group(batch, asked);

    ngx_queue_insert_tail(&group->questions, &question->queue);
    batch->nquestions++;

    if (steady) {

        if (batch->nquestions == 1) {
            ngx_post_event(&batch->event, &ngx_posted_events);
        }

        return question;
    }

    batch->nquestions = 0;
    batch->ngroups = 0;
    batch->nmeters = 0;

    if (ngx_http_apikey_call_send(batch, 0, 1) != NGX_OK) {
        ngx_queue_remove(&question->queue);
        ngx_queue_insert_head(&batch->spare_questions, &question->queue);
        return NULL;
    }

    return question;
}


static ngx_http_apikey_batch_question_t *
ngx_http_apikey_batch_question(ngx_http_apikey_batch_t *batch)
{
    ngx_queue_t  *q;

    if (ngx_queue_empty(&batch->spare_questions)) {
        return ngx_alloc(sizeof(ngx_http_apikey_batch_question_t),
                         ngx_cycle->log);
    }

    q = ngx_queue_head(&batch->spare_questions);
    ngx_queue_remove(q);

    return ngx_queue_data(q, ngx_http_apikey_batch_question_t, queue);
}


/* The one that the question is a part of. */

static ngx_http_apikey_batch_group_t *
ngx_http_apikey_batch_group(ngx_http_apikey_batch_t *batch,
    const ngx_http_apikey_asked_t *asked)
{
    uint32_t                        hash;
    uint64_t                        until;
    ngx_uint_t                      i, meter;
    ngx_http_apikey_batch_group_t  *group;

    meter = asked->limits ? ngx_http_apikey_batch_meter(batch, asked) : 0;

    until = asked->expires ? asked->expires : NGX_HTTP_APIKEY_FOREVER;
    until = ngx_min(until, NGX_HTTP_APIKEY_FOREVER - 1);

    if (asked->digest) {
        ngx_memcpy(&hash, asked->digest, sizeof(uint32_t));

    } else {
        hash = ngx_crc32_short((u_char *) asked->holder.data,
                               asked->holder.len);
    }

    /* a question that wants a lease is the last one of its group */

    i = batch->ngroups;

    while (i) {
        group = &batch->groups[--i];

        if (batch->hashes[i] == hash) {

            if (ngx_http_apikey_batch_same(group, asked, meter, until)) {
                group->rule = asked->rule;
                return group;
            }

            break;
        }
    }

    batch->hashes[batch->ngroups] = hash;
    group = &batch->groups[batch->ngroups++];

    ngx_queue_init(&group->questions);

    group->rule = asked->rule;
    group->meter = meter;
    group->not_before = asked->not_before;
    group->until = until;

    group->rev_len = ngx_min(asked->rev.len, NGX_HTTP_APIKEY_REV_MAX);
    ngx_memcpy(group->rev, asked->rev.data, group->rev_len);

    group->holder_len = asked->holder.len;
    ngx_memcpy(group->holder, asked->holder.data, asked->holder.len);

    if (asked->digest == NULL) {
        group->keys = NGX_HTTP_APIKEY_KEYS_POOL;
        group->record_len = 0;
        return group;
    }

    group->keys = asked->holder.len ? NGX_HTTP_APIKEY_KEYS_BOTH
                                  : NGX_HTTP_APIKEY_KEYS_RECORD;

    ngx_memcpy(group->digest, asked->digest, APIKEY_DIGEST_SIZE);
    group->record_len = apikey_names_record(group->record,
                              ngx_http_apikey_text(&batch->amcf->prefix),
                              asked->digest);
    return group;
}


static ngx_uint_t
ngx_http_apikey_batch_same(ngx_http_apikey_batch_group_t *group,
    const ngx_http_apikey_asked_t *asked, ngx_uint_t meter, uint64_t until)
{
    if (group->rule == NGX_HTTP_APIKEY_RULE_LEASE
        || (group->rule == NGX_HTTP_APIKEY_RULE_CHARGE)
           != (asked->rule == NGX_HTTP_APIKEY_RULE_CHARGE)
        || group->meter != meter
        || group->not_before != asked->not_before
        || group->until != until
        || group->rev_len != asked->rev.len
        || group->holder_len != asked->holder.len
        || (group->record_len == 0) != (asked->digest == NULL))
    {
        return 0;
    }

    return ngx_memcmp(group->rev, asked->rev.data, group->rev_len) == 0
           && ngx_memcmp(group->holder, asked->holder.data, group->holder_len)
              == 0
           && (asked->digest == NULL
               || ngx_memcmp(group->digest, asked->digest, APIKEY_DIGEST_SIZE)
                  == 0);
}


/* The number of its meter, which many groups may have. */

static ngx_uint_t
ngx_http_apikey_batch_meter(ngx_http_apikey_batch_t *batch,
    const ngx_http_apikey_asked_t *asked)
{
    size_t                     len;
    u_char                    *p;
    unsigned                   i;
    ngx_uint_t                 n;
    ngx_http_apikey_packed_t  *meter;

    meter = &batch->meters[batch->nmeters];

    p = meter->data;
    *p++ = (u_char) (asked->limits->sliding != 0);
    *p++ = (u_char) asked->field.len;
    p = ngx_cpymem(p, asked->field.data, asked->field.len);

    for (i = 0; i < asked->limits->count; i++) {
        p = apikey_bytes_put(p, asked->limits->window[i].limit, 6);
        p = apikey_bytes_put(p, asked->limits->window[i].seconds, 4);
    }

    len = p - meter->data;

    for (n = 0; n < batch->nmeters; n++) {
        if (batch->meters[n].len == len
            && ngx_memcmp(batch->meters[n].data, meter->data, len) == 0)
        {
            return n + 1;
        }
    }

    meter->len = len;

    return ++batch->nmeters;
}


static void
ngx_http_apikey_batch_handler(ngx_event_t *ev)
{
    ngx_http_apikey_batch_t *batch = ev->data;

    ngx_http_apikey_batch_send(batch->amcf);
}


void
ngx_http_apikey_batch_send(ngx_http_apikey_main_conf_t *amcf)
{
    ngx_uint_t                      i, k, n, step;
    ngx_queue_t                     lost, *questions;
    ngx_http_apikey_batch_answer_t  answer;
    ngx_http_apikey_batch_t        *batch;

    batch = amcf->batch;

    n = batch->ngroups;
    step = amcf->redis->cluster ? 1 : n;

    ngx_queue_init(&lost);

    for (i = 0; i < n; i += step) {

        if (ngx_http_apikey_call_send(batch, i, step) == NGX_OK) {
            continue;
        }

        /* the connection has failed in this turn */

        for (k = i; k < i + step; k++) {
            questions = &batch->groups[k].questions;

            if (!ngx_queue_empty(questions)) {
                ngx_queue_add(&lost, questions);
            }
        }
    }

    batch->nquestions = 0;
    batch->ngroups = 0;
    batch->nmeters = 0;

    /* who is told may ask again */

    ngx_memzero(&answer, sizeof(ngx_http_apikey_batch_answer_t));
    answer.code = NGX_HTTP_APIKEY_LOST;

    ngx_http_apikey_call_tell(batch, &lost, &answer);
}


void
ngx_http_apikey_batch_cancel(ngx_http_apikey_batch_question_t *question)
{
    question->handler = NULL;

    if (question->call && --question->call->live == 0) {
        ngx_http_apikey_call_cancel(question->call);
    }
}


void
ngx_http_apikey_batch_pass_on(ngx_http_apikey_batch_question_t *question,
    ngx_http_apikey_batch_handler_pt handler, void *data)
{
    question->handler = handler;
    question->data = data;
}


void
ngx_http_apikey_batch_distrust(ngx_http_apikey_batch_question_t *question)
{
    ngx_redis_distrust(question->call->command);
}
