#include "ngx_http_apikey_fuzz.h"
#include "gateway/ngx_http_apikey_call.h"
#include "gateway/ngx_http_apikey_metrics.h"
#include "redis/ngx_redis_connection.h"


static void fuzz_replies(ngx_http_apikey_ctx_t *ctx, apikey_text_t bytes);
static void fuzz_answer(ngx_http_apikey_ctx_t *ctx, redisReply *reply);


/*
 * How many windows the question was about as a character, and the bytes of a
 * Redis, each reply of which is taken for the answer to the same question about
 * the key whose digest is all zeros.
 */
int
fuzz_answer_bytes(const uint8_t *data, size_t size)
{
    ngx_event_t                   write;
    ngx_connection_t              c;
    ngx_http_request_t            r;
    apikey_text_t                 bytes, text;
    apikey_limits_t               limits;
    ngx_http_apikey_ctx_t         ctx;
    ngx_http_apikey_loc_conf_t    alcf;
    ngx_http_apikey_main_conf_t   amcf;

    static ngx_http_apikey_records_t  *cache;
    static ngx_http_apikey_metrics_t   metrics;

    static const apikey_text_t  windows[] = {
        apikey_text("60r/m"), apikey_text("60r/m 1000r/d")
    };

    if (size == 0) {
        return 0;
    }

    amcf = *(ngx_http_apikey_main_conf_t *)
           ngx_http_conf_get_module_main_conf(fuzz_cf, ngx_http_apikey_module);
    if (cache == NULL) {
        cache = ngx_http_apikey_records_create(fuzz_cf->log);
        must(cache != NULL);
    }

    amcf.cache = cache;
    amcf.metrics = &metrics;

    ngx_memzero(&write, sizeof(ngx_event_t));
    ngx_memzero(&c, sizeof(ngx_connection_t));
    ngx_memzero(&r, sizeof(ngx_http_request_t));
    ngx_memzero(&alcf, sizeof(ngx_http_apikey_loc_conf_t));
    ngx_memzero(&ctx, sizeof(ngx_http_apikey_ctx_t));

    c.log = fuzz_cf->log;
    c.write = &write;
    write.log = c.log;
    r.connection = &c;

    ctx.request = &r;
    ctx.amcf = &amcf;
    ctx.alcf = &alcf;
    ctx.credential.key = 1;
    ctx.count.cost = 1;

    text = windows[data[0] & 1];
    must(apikey_limits_parse(&limits, text, NULL) == APIKEY_OK);

    if (data[0] & 2) {
        ctx.count.meter.limits = &limits;
        ctx.question.spending = 1;
    }

    bytes = fuzz_copy(data + 1, size - 1);
    fuzz_replies(&ctx, bytes);
    fuzz_free(bytes);

    if (ctx.entry) {
        ngx_http_apikey_records_release(ctx.entry);
    }

    ngx_http_apikey_records_drop(cache, ctx.credential.digest);

    return 0;
}


static void
fuzz_replies(ngx_http_apikey_ctx_t *ctx, apikey_text_t bytes)
{
    void         *reply;
    redisReader  *reader;

    reader = ngx_redis_reader_create();
    must(reader != NULL);

    if (redisReaderFeed(reader, bytes.data, bytes.len) == REDIS_OK) {

        while (redisReaderGetReply(reader, &reply) == REDIS_OK && reply) {
            fuzz_answer(ctx, reply);
            freeReplyObject(reply);
        }
    }

    redisReaderFree(reader);
}


/* The reply is that to a call of one question, whose mark is 0. */

static void
fuzz_answer(ngx_http_apikey_ctx_t *ctx, redisReply *reply)
{
    ngx_redis_command_t                cmd;
    ngx_redis_connection_t             conn;
    const apikey_limits_t             *limits;
    ngx_http_apikey_batch_question_t   question;

    static ngx_http_apikey_call_t   call;
    static ngx_http_apikey_batch_t  batch;

    ngx_memzero(&cmd, sizeof(ngx_redis_command_t));
    ngx_memzero(&conn, sizeof(ngx_redis_connection_t));

    cmd.connection = &conn;

    batch.amcf = ctx->amcf;
    ngx_queue_init(&batch.calls);
    ngx_queue_init(&batch.spare_calls);
    ngx_queue_init(&batch.spare_questions);

    call.batch = &batch;
    call.command = &cmd;
    call.live = 1;
    call.n = 1;
    ngx_queue_init(&call.groups[0]);
    ngx_queue_insert_tail(&batch.calls, &call.queue);

    question.call = &call;
    question.handler = ngx_http_apikey_answer_decision;
    question.data = ctx;
    question.cost = ctx->question.spending ? ctx->count.cost : 0;
    question.want = 0;
    ngx_queue_insert_tail(&call.groups[0], &question.queue);

    limits = ctx->count.meter.limits;
    ctx->question.pending = &question;
    ctx->question.confirmed = 0;
    ctx->question.unknown = 0;
    ctx->question.unavailable = 0;
    ctx->count.metered = 0;
    ctx->count.limited = 0;
    ctx->count.counted = 0;

    ngx_queue_init(&ngx_posted_events);

    ngx_http_apikey_call_answered(&call, reply);

    must(ctx->question.pending == NULL);
    must(ngx_queue_empty(&call.groups[0]));
    must(!ngx_queue_empty(&batch.spare_calls));
    must(ctx->request->connection->write->posted);
    ngx_delete_posted_event(ctx->request->connection->write);

    /* one of these, and nothing of what the others say */
    must(ctx->question.confirmed
         + ctx->question.unknown
         + ctx->question.unavailable == 1);
    must(!ctx->question.confirmed || ctx->entry);
    must(!ctx->question.unknown || ctx->entry == NULL);
    must(!ctx->count.metered
         || (ctx->question.confirmed && ctx->question.spending));
    must(!ctx->count.counted || (ctx->count.metered && !ctx->count.limited));
    must(conn.distrusted == NULL || ctx->question.unavailable);

    if (ctx->count.meter.limits == NULL && ctx->question.spending) {
        /* another record: it is asked anew */
        ctx->count.meter.limits = limits;
    }
}
