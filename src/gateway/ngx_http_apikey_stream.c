/*
 * The stream of events in Redis.  An event waits in the worker until Redis has
 * acknowledged it: one that was sent and not acknowledged is sent again, so it
 * may stand there twice, alike but for its id.  While Redis takes none, the
 * oldest is tried once a second, and leads the others when it gets through.
 */

#include "ngx_http_apikey_metrics.h"


#define NGX_HTTP_APIKEY_STREAM_LEN    "100000"   /* events, about */
#define NGX_HTTP_APIKEY_STREAM_AGAIN  1000       /* milliseconds */
#define NGX_HTTP_APIKEY_STREAM_MANY   1000       /* wait */


typedef struct {
    ngx_queue_t                   queue;
    ngx_http_apikey_stream_t     *stream;
    ngx_redis_command_t          *command;     /* NULL: it waits */
    ngx_redis_args_t              args;
    u_char                        data[1];
} ngx_http_apikey_event_t;


struct ngx_http_apikey_stream_s {
    ngx_http_apikey_main_conf_t  *amcf;
    ngx_queue_t                   waiting;     /* ngx_http_apikey_event_t */
    ngx_queue_t                   flying;
    ngx_uint_t                    count;       /* of both */
    ngx_uint_t                    failing;
    ngx_uint_t                    dropping;
    ngx_event_t                   again;
};


static ngx_http_apikey_event_t *ngx_http_apikey_event_create(
    ngx_http_apikey_stream_t *stream, ngx_redis_args_t *args);
static void ngx_http_apikey_event_free(ngx_http_apikey_event_t *event);
static void ngx_http_apikey_event_added(void *data, redisReply *reply);
static void ngx_http_apikey_stream_send(ngx_http_apikey_stream_t *stream,
    ngx_uint_t max);
static void ngx_http_apikey_stream_again(ngx_event_t *ev);
static void ngx_http_apikey_stream_wake(ngx_http_apikey_stream_t *stream);


ngx_int_t
ngx_http_apikey_stream_start(ngx_http_apikey_main_conf_t *amcf,
    ngx_log_t *log)
{
    ngx_http_apikey_stream_t  *stream;

    stream = ngx_calloc(sizeof(ngx_http_apikey_stream_t), log);
    if (stream == NULL) {
        return NGX_ERROR;
    }

    ngx_queue_init(&stream->waiting);
    ngx_queue_init(&stream->flying);

    stream->amcf = amcf;

    stream->again.handler = ngx_http_apikey_stream_again;
    stream->again.data = stream;
    stream->again.log = log;
    stream->again.cancelable = 1;

    amcf->stream = stream;

    return NGX_OK;
}


void
ngx_http_apikey_stream_stop(ngx_http_apikey_main_conf_t *amcf)
{
    ngx_queue_t               *q;
    ngx_http_apikey_event_t   *event;
    ngx_http_apikey_stream_t  *stream;

    stream = amcf->stream;

    ngx_http_apikey_stream_send(stream, stream->count);
    (void) ngx_redis_finish(amcf->client);

    if (stream->again.timer_set) {
        ngx_del_timer(&stream->again);
    }

    if (stream->count) {
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "%ui events are lost, for this worker ends and redis "
                      "doesn't take them", stream->count);
    }

    while (!ngx_queue_empty(&stream->flying)) {
        q = ngx_queue_head(&stream->flying);
        event = ngx_queue_data(q, ngx_http_apikey_event_t, queue);

        ngx_redis_cancel(event->command);
        ngx_http_apikey_event_free(event);
    }

    while (!ngx_queue_empty(&stream->waiting)) {
        q = ngx_queue_head(&stream->waiting);
        ngx_http_apikey_event_free(ngx_queue_data(q, ngx_http_apikey_event_t,
                                                  queue));
    }

    ngx_free(stream);
    amcf->stream = NULL;
}


void
ngx_http_apikey_stream_add(ngx_http_apikey_main_conf_t *amcf,
    ngx_redis_args_t *fields)
{
    int                        i;
    char                       name[APIKEY_NAME_SIZE];
    ngx_queue_t               *q;
    ngx_redis_args_t           args;
    ngx_http_apikey_event_t   *event;
    ngx_http_apikey_stream_t  *stream;

    stream = amcf->stream;

    if (stream == NULL) {
        /* the worker has ended but for this */
        return;
    }

    args.n = 0;

    ngx_redis_arg(&args, "XADD", 4);
    ngx_redis_arg(&args, name,
                  apikey_names_events(name,
                                      ngx_http_apikey_text(&amcf->prefix)));
    ngx_redis_arg(&args, "MAXLEN", 6);
    ngx_redis_arg(&args, "~", 1);
    ngx_redis_arg(&args, NGX_HTTP_APIKEY_STREAM_LEN,
                  sizeof(NGX_HTTP_APIKEY_STREAM_LEN) - 1);
    ngx_redis_arg(&args, "*", 1);

    for (i = 0; i < fields->n; i++) {
        ngx_redis_arg(&args, fields->value[i], fields->len[i]);
    }

    event = ngx_http_apikey_event_create(stream, &args);
    if (event == NULL) {
        return;
    }

    if (!stream->failing) {
        ngx_http_apikey_stream_send(stream, stream->count);
    }

    if (stream->count <= NGX_HTTP_APIKEY_STREAM_MANY
        || ngx_queue_empty(&stream->waiting))
    {
        return;
    }

    if (!stream->dropping) {
        stream->dropping = 1;

        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "too many events wait for redis: the oldest is dropped");
    }

    q = ngx_queue_head(&stream->waiting);
    ngx_http_apikey_event_free(ngx_queue_data(q, ngx_http_apikey_event_t,
                                              queue));
}


/* It waits, with a copy of the words. */

static ngx_http_apikey_event_t *
ngx_http_apikey_event_create(ngx_http_apikey_stream_t *stream,
    ngx_redis_args_t *args)
{
    int                       i;
    u_char                   *p;
    size_t                    len;
    ngx_http_apikey_event_t  *event;

    len = 0;

    for (i = 0; i < args->n; i++) {
        len += args->len[i];
    }

    event = ngx_alloc(offsetof(ngx_http_apikey_event_t, data) + len,
                      ngx_cycle->log);
    if (event == NULL) {
        return NULL;
    }

    event->stream = stream;
    event->command = NULL;
    event->args.n = 0;

    p = event->data;

    for (i = 0; i < args->n; i++) {
        ngx_redis_arg(&event->args, p, args->len[i]);
        p = ngx_cpymem(p, args->value[i], args->len[i]);
    }

    ngx_queue_insert_tail(&stream->waiting, &event->queue);
    stream->count++;

    return event;
}


static void
ngx_http_apikey_event_free(ngx_http_apikey_event_t *event)
{
    ngx_queue_remove(&event->queue);
    event->stream->count--;

    ngx_free(event);
}


static void
ngx_http_apikey_stream_send(ngx_http_apikey_stream_t *stream, ngx_uint_t max)
{
    ngx_queue_t              *q;
    ngx_http_apikey_event_t  *event;

    while (max-- && !ngx_queue_empty(&stream->waiting)) {
        q = ngx_queue_head(&stream->waiting);
        event = ngx_queue_data(q, ngx_http_apikey_event_t, queue);

        event->command = ngx_redis_command_send(stream->amcf->client,
                                                &event->args,
                                                ngx_http_apikey_event_added,
                                                event);
        if (event->command == NULL) {
            stream->failing = 1;
            ngx_http_apikey_stream_wake(stream);
            return;
        }

        ngx_queue_remove(q);
        ngx_queue_insert_tail(&stream->flying, q);
    }
}


static void
ngx_http_apikey_event_added(void *data, redisReply *reply)
{
    ngx_http_apikey_event_t *event = data;

    ngx_uint_t                 level;
    ngx_http_apikey_stream_t  *stream;

    stream = event->stream;

    if (reply && reply->type != REDIS_REPLY_ERROR) {
        ngx_http_apikey_event_free(event);

        stream->failing = 0;
        stream->dropping = 0;
        ngx_http_apikey_stream_send(stream, stream->count);

        return;
    }

    if (reply) {
        level = stream->failing ? NGX_LOG_INFO : NGX_LOG_ERR;

        ngx_log_error(level, ngx_cycle->log, 0,
                      "redis could not add an event: \"%*s\"",
                      (size_t) ngx_min(reply->len, NGX_REDIS_LOG_MAX),
                      reply->str);
    }

    stream->failing = 1;
    event->command = NULL;

    ngx_queue_remove(&event->queue);
    ngx_queue_insert_tail(&stream->waiting, &event->queue);

    ngx_http_apikey_stream_wake(stream);
}


static void
ngx_http_apikey_stream_again(ngx_event_t *ev)
{
    ngx_http_apikey_stream_send(ev->data, 1);
}


static void
ngx_http_apikey_stream_wake(ngx_http_apikey_stream_t *stream)
{
    if (!stream->again.timer_set) {
        ngx_add_timer(&stream->again, NGX_HTTP_APIKEY_STREAM_AGAIN);
    }
}
