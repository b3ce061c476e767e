/*
 * A call of decide.lua: its words, and what each question makes of the answer.
 * See decide.lua for the words.
 */

#include "ngx_http_apikey_call.h"


#define NGX_HTTP_APIKEY_VERDICT_SIZE (4 + 1 + 7 + 6 + 1)
#define NGX_HTTP_APIKEY_STAMP_SIZE   (4 + 7)


static ngx_http_apikey_call_t *ngx_http_apikey_call_take(
    ngx_http_apikey_batch_t *batch);
static ngx_uint_t ngx_http_apikey_call_compose(
    ngx_http_apikey_batch_t *batch, ngx_http_apikey_call_t *call,
    ngx_uint_t first, ngx_uint_t n, ngx_redis_args_t *args);
static void ngx_http_apikey_call_drop(ngx_http_apikey_batch_t *batch,
    ngx_http_apikey_batch_group_t *group);
static u_char *ngx_http_apikey_call_pack(u_char *p,
    ngx_http_apikey_batch_group_t *group, ngx_uint_t meter);
static ngx_uint_t ngx_http_apikey_call_run(ngx_queue_t *group,
    ngx_queue_t **q, uint64_t *cost);
static void ngx_http_apikey_call_move(ngx_http_apikey_batch_t *batch,
    ngx_http_apikey_call_t *call, ngx_uint_t first, ngx_uint_t n);
static void ngx_http_apikey_call_read(ngx_http_apikey_batch_answer_t *answer,
    redisReply *reply, uint32_t mark);
static ngx_int_t ngx_http_apikey_call_deal(ngx_http_apikey_batch_t *batch,
    ngx_queue_t *group, ngx_http_apikey_batch_answer_t *answer,
    redisReply *reply);
static void ngx_http_apikey_call_give(ngx_http_apikey_batch_t *batch,
    ngx_http_apikey_batch_question_t *question,
    ngx_http_apikey_batch_answer_t *answer);


ngx_int_t
ngx_http_apikey_call_send(ngx_http_apikey_batch_t *batch, ngx_uint_t first,
    ngx_uint_t n)
{
    ngx_uint_t               keys;
    ngx_redis_args_t         args;
    ngx_http_apikey_call_t  *call;

    call = ngx_http_apikey_call_take(batch);
    if (call == NULL) {
        return NGX_DECLINED;
    }

    call->mark = batch->mark;
    call->n = 0;
    call->live = 0;

    keys = ngx_http_apikey_call_compose(batch, call, first, n, &args);

    if (call->n == 0) {
        ngx_queue_insert_head(&batch->spare_calls, &call->queue);
        return NGX_OK;
    }

    call->command = ngx_redis_eval(batch->amcf->client, &batch->amcf->decide,
                                   &args, keys,
                                   ngx_http_apikey_call_answered, call);

    if (call->command == NULL) {
        ngx_queue_insert_head(&batch->spare_calls, &call->queue);
        return NGX_DECLINED;
    }

    batch->mark += call->n;
    ngx_queue_insert_tail(&batch->calls, &call->queue);

    ngx_http_apikey_call_move(batch, call, first, n);

    return NGX_OK;
}


static ngx_http_apikey_call_t *
ngx_http_apikey_call_take(ngx_http_apikey_batch_t *batch)
{
    ngx_queue_t             *q;
    ngx_http_apikey_call_t  *call;

    if (ngx_queue_empty(&batch->spare_calls)) {
        call = ngx_alloc(sizeof(ngx_http_apikey_call_t), ngx_cycle->log);
        if (call) {
            call->batch = batch;
        }

        return call;
    }

    q = ngx_queue_head(&batch->spare_calls);
    ngx_queue_remove(q);

    return ngx_queue_data(q, ngx_http_apikey_call_t, queue);
}


/* The words, without the questions of those who have gone meanwhile. */

static ngx_uint_t
ngx_http_apikey_call_compose(ngx_http_apikey_batch_t *batch,
    ngx_http_apikey_call_t *call, ngx_uint_t first, ngx_uint_t n,
    ngx_redis_args_t *args)
{
    u_char                         *p;
    ngx_uint_t                      i, keys, meter;
    ngx_http_apikey_batch_group_t  *group;

    args->n = 0;
    p = apikey_bytes_put(batch->packed, call->mark, 4);

    /* in a Cluster, a call has the one meter of its group */
    meter = (n == 1) ? batch->groups[first].meter : 0;

    for (i = first; i < first + n; i++) {
        group = &batch->groups[i];

        ngx_http_apikey_call_drop(batch, group);

        if (ngx_queue_empty(&group->questions)) {
            continue;
        }

        call->n++;

        if (group->keys != NGX_HTTP_APIKEY_KEYS_POOL) {
            ngx_redis_arg(args, group->record, group->record_len);
        }

        if (group->keys != NGX_HTTP_APIKEY_KEYS_RECORD) {
            ngx_redis_arg(args, group->holder, group->holder_len);
        }

        p = ngx_http_apikey_call_pack(p, group, meter ? 1 : group->meter);
    }

    keys = args->n;

    ngx_redis_arg(args, batch->packed, p - batch->packed);

    if (meter) {
        ngx_redis_arg(args, batch->meters[meter - 1].data,
                      batch->meters[meter - 1].len);

    } else if (n > 1) {

        for (i = 0; i < batch->nmeters; i++) {
            ngx_redis_arg(args, batch->meters[i].data, batch->meters[i].len);
        }
    }

    return keys;
}


static void
ngx_http_apikey_call_drop(ngx_http_apikey_batch_t *batch,
    ngx_http_apikey_batch_group_t *group)
{
    ngx_queue_t                       *q, *next;
    ngx_http_apikey_batch_question_t  *question;

    for (q = ngx_queue_head(&group->questions);
         q != ngx_queue_sentinel(&group->questions);
         q = next)
    {
        next = ngx_queue_next(q);
        question = ngx_queue_data(q, ngx_http_apikey_batch_question_t, queue);

        if (question->handler == NULL) {
            ngx_queue_remove(q);
            ngx_queue_insert_head(&batch->spare_questions, q);
        }
    }
}


static u_char *
ngx_http_apikey_call_pack(u_char *p, ngx_http_apikey_batch_group_t *group,
    ngx_uint_t meter)
{
    u_char                            *more;
    uint64_t                           cost;
    ngx_uint_t                         rule, count;
    ngx_queue_t                       *q;
    ngx_http_apikey_batch_question_t  *last;

    q = ngx_queue_last(&group->questions);
    last = ngx_queue_data(q, ngx_http_apikey_batch_question_t, queue);

    rule = group->rule;

    if (rule != NGX_HTTP_APIKEY_RULE_CHARGE) {
        rule = last->want ? NGX_HTTP_APIKEY_RULE_LEASE
                          : NGX_HTTP_APIKEY_RULE_USUAL;
    }

    *p++ = (u_char) group->keys;
    *p++ = (u_char) rule;
    *p++ = (u_char) meter;
    p = apikey_bytes_put(p, group->not_before, 5);
    p = apikey_bytes_put(p, group->until, 5);

    q = ngx_queue_head(&group->questions);
    count = ngx_http_apikey_call_run(&group->questions, &q, &cost);

    p = apikey_bytes_put(p, cost, 6);
    *p++ = (u_char) count;

    more = p++;
    *more = 0;

    *p++ = (u_char) group->rev_len;
    p = ngx_cpymem(p, group->rev, group->rev_len);

    while (q != ngx_queue_sentinel(&group->questions)) {
        count = ngx_http_apikey_call_run(&group->questions, &q, &cost);

        p = apikey_bytes_put(p, cost, 6);
        *p++ = (u_char) count;
        (*more)++;
    }

    if (rule == NGX_HTTP_APIKEY_RULE_LEASE) {
        p = apikey_bytes_put(p, last->want, 6);
    }

    return p;
}


/* How many questions in a row have the same cost; moves q on behind them. */

static ngx_uint_t
ngx_http_apikey_call_run(ngx_queue_t *group, ngx_queue_t **q, uint64_t *cost)
{
    ngx_uint_t                         n;
    ngx_http_apikey_batch_question_t  *question;

    question = ngx_queue_data(*q, ngx_http_apikey_batch_question_t, queue);
    *cost = question->cost;
    n = 0;

    do {
        n++;
        *q = ngx_queue_next(*q);

        if (*q == group) {
            break;
        }

        question = ngx_queue_data(*q, ngx_http_apikey_batch_question_t, queue);

    } while (question->cost == *cost);

    return n;
}


/* The questions are on their way. */

static void
ngx_http_apikey_call_move(ngx_http_apikey_batch_t *batch,
    ngx_http_apikey_call_t *call, ngx_uint_t first, ngx_uint_t n)
{
    ngx_uint_t                         i;
    ngx_queue_t                       *from, *to, *q;
    ngx_http_apikey_batch_question_t  *question;

    to = call->groups;

    for (i = first; i < first + n; i++) {
        from = &batch->groups[i].questions;

        if (ngx_queue_empty(from)) {
            continue;
        }

        for (q = ngx_queue_head(from);
             q != ngx_queue_sentinel(from);
             q = ngx_queue_next(q))
        {
            question = ngx_queue_data(q, ngx_http_apikey_batch_question_t,
                                      queue);
            question->call = call;
            call->live++;
        }

        ngx_queue_init(to);
        ngx_queue_add(to, from);
        to++;
    }
}


void
ngx_http_apikey_call_answered(void *data, redisReply *reply)
{
    ngx_http_apikey_call_t *call = data;

    ngx_uint_t                      i;
    redisReply                     *element;
    ngx_http_apikey_batch_t        *batch;
    ngx_http_apikey_batch_answer_t  answer;

    batch = call->batch;

    /* who is told may end others, which doesn't end the call meanwhile */
    call->live++;

    for (i = 0; i < call->n; i++) {
        ngx_memzero(&answer, sizeof(ngx_http_apikey_batch_answer_t));
        element = reply;

        /* of one group, its answer is all; an error is an answer to all */

        if (reply && call->n > 1 && reply->type != REDIS_REPLY_ERROR) {
            element = (reply->type == REDIS_REPLY_ARRAY
                       && reply->elements == call->n)
                      ? reply->element[i] : NULL;
        }

        if (reply == NULL) {
            answer.code = NGX_HTTP_APIKEY_LOST;

        } else {
            ngx_http_apikey_call_read(&answer, element,
                                       call->mark + (uint32_t) i);
        }

        if (answer.code == NGX_HTTP_APIKEY_PASSED
            && ngx_http_apikey_call_deal(batch, &call->groups[i], &answer,
                                          element)
               == NGX_OK)
        {
            continue;
        }

        if (answer.code == NGX_HTTP_APIKEY_FAILED && element != reply) {
            ngx_redis_command_failed(call->command, element);
        }

        if (answer.code == NGX_HTTP_APIKEY_NONSENSE) {
            ngx_redis_distrust(call->command);
        }

        ngx_http_apikey_call_tell(batch, &call->groups[i], &answer);
    }

    ngx_queue_remove(&call->queue);
    ngx_queue_insert_head(&batch->spare_calls, &call->queue);
}


/* The answer to a group, as far as it is the same for all of its questions. */

static void
ngx_http_apikey_call_read(ngx_http_apikey_batch_answer_t *answer,
    redisReply *reply, uint32_t mark)
{
    const char  *p;
    redisReply  *last;

    answer->code = NGX_HTTP_APIKEY_NONSENSE;

    if (reply == NULL) {
        answer->why = "not an answer to each question";
        return;
    }

    switch (reply->type) {

    case REDIS_REPLY_ERROR:
        answer->code = NGX_HTTP_APIKEY_FAILED;
        answer->why = reply->str;
        return;

    case REDIS_REPLY_STRING:

        if (reply->len < NGX_HTTP_APIKEY_VERDICT_SIZE
            || (u_char) reply->str[4] > 1)
        {
            answer->why = "malformed verdict";
            return;
        }

        p = reply->str;
        break;

    case REDIS_REPLY_ARRAY:
        last = reply->elements ? reply->element[reply->elements - 1] : NULL;

        if (reply->elements % 2
            || last == NULL
            || last->type != REDIS_REPLY_STRING
            || last->len != NGX_HTTP_APIKEY_STAMP_SIZE)
        {
            answer->why = "malformed record";
            return;
        }

        p = last->str;
        break;

    default:
        answer->why = "unexpected type of reply";
        return;
    }

    if (apikey_bytes_get(p, 4) != mark) {
        answer->why = "answer to another question";
        return;
    }

    if (reply->type == REDIS_REPLY_ARRAY) {
        answer->code = NGX_HTTP_APIKEY_RECORD;
        answer->record = reply;
        answer->now = apikey_bytes_get(p + 4, 7);
        return;
    }

    answer->code = p[4] ? NGX_HTTP_APIKEY_UNTIMELY : NGX_HTTP_APIKEY_PASSED;
    answer->now = apikey_bytes_get(p + 5, 7);
    answer->leased = apikey_bytes_get(p + 12, 6);
}


/*
 * To each question of the group its own verdict: the first ones of each run
 * have passed.  NGX_DECLINED: it can't be, and the answer says so.
 */

static ngx_int_t
ngx_http_apikey_call_deal(ngx_http_apikey_batch_t *batch, ngx_queue_t *group,
    ngx_http_apikey_batch_answer_t *answer, redisReply *reply)
{
    u_char                            *passed, *end;
    uint64_t                           cost, leased, later;
    ngx_uint_t                         n, fit;
    ngx_queue_t                       *q, *run;
    ngx_http_apikey_batch_question_t  *question;

    passed = (u_char *) reply->str + NGX_HTTP_APIKEY_VERDICT_SIZE - 1;
    end = (u_char *) reply->str + reply->len;

    leased = answer->leased;
    later = leased;
    q = ngx_queue_head(group);

    while (q != ngx_queue_sentinel(group)) {
        n = ngx_http_apikey_call_run(group, &q, &cost);

        if (passed == end || *passed > n) {
            answer->code = NGX_HTTP_APIKEY_NONSENSE;
            answer->why = "malformed verdict";
            return NGX_DECLINED;
        }

        later += cost * *passed++;
    }

    answer->counters.data = (char *) passed;
    answer->counters.len = end - passed;

    passed = (u_char *) reply->str + NGX_HTTP_APIKEY_VERDICT_SIZE - 1;

    while (!ngx_queue_empty(group)) {
        run = ngx_queue_head(group);
        n = ngx_http_apikey_call_run(group, &run, &cost);

        for (fit = *passed++; n; n--) {
            q = ngx_queue_head(group);
            question = ngx_queue_data(q, ngx_http_apikey_batch_question_t,
                                      queue);

            answer->code = NGX_HTTP_APIKEY_REFUSED;
            answer->leased = 0;

            if (fit) {
                answer->code = NGX_HTTP_APIKEY_PASSED;
                later -= cost;
                fit--;
            }

            if (question->want) {
                answer->leased = leased;
                later -= leased;
            }

            answer->later = later;

            ngx_queue_remove(q);
            ngx_http_apikey_call_give(batch, question, answer);
        }
    }

    return NGX_OK;
}


void
ngx_http_apikey_call_tell(ngx_http_apikey_batch_t *batch, ngx_queue_t *group,
    ngx_http_apikey_batch_answer_t *answer)
{
    ngx_queue_t                       *q;
    ngx_http_apikey_batch_question_t  *question;

    while (!ngx_queue_empty(group)) {
        q = ngx_queue_head(group);
        ngx_queue_remove(q);

        question = ngx_queue_data(q, ngx_http_apikey_batch_question_t, queue);
        ngx_http_apikey_call_give(batch, question, answer);
    }
}


static void
ngx_http_apikey_call_give(ngx_http_apikey_batch_t *batch,
    ngx_http_apikey_batch_question_t *question,
    ngx_http_apikey_batch_answer_t *answer)
{
    if (question->handler) {
        question->handler(question->data, answer);
    }

    ngx_queue_insert_head(&batch->spare_questions, &question->queue);
}


void
ngx_http_apikey_call_cancel(ngx_http_apikey_call_t *call)
{
    ngx_uint_t  i;

    /* what still waits for a connection needn't be sent */

    ngx_redis_cancel(call->command);

    for (i = 0; i < call->n; i++) {
        ngx_http_apikey_call_tell(call->batch, &call->groups[i], NULL);
    }

    ngx_queue_remove(&call->queue);
    ngx_queue_insert_head(&call->batch->spare_calls, &call->queue);
}
