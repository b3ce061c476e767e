/* A connection that listens: SUBSCRIBE, messages, and PING in between. */

#include "ngx_redis_connection.h"


#define NGX_REDIS_PING_INTERVAL  1000   /* milliseconds */
#define NGX_REDIS_UNHEARD        60000  /* nothing yet, for all that counts */


static void ngx_redis_subscription_ask(ngx_redis_connection_t *conn,
    ngx_str_t *channel, ngx_redis_handler_pt handler);
static void ngx_redis_subscription_own(void *data, redisReply *reply);
static void ngx_redis_subscription_answered(void *data, redisReply *reply);
static void ngx_redis_subscription_ping(ngx_event_t *ev);
static void ngx_redis_subscription_pong(void *data, redisReply *reply);


void
ngx_redis_subscription_start(ngx_redis_connection_t *conn)
{
    conn->log.action = "listening to redis";

    conn->pinged = ngx_current_msec;
    conn->pinging = 0;

    conn->ping.handler = ngx_redis_subscription_ping;
    conn->ping.data = conn;
    conn->ping.log = &conn->log;
    conn->ping.cancelable = 1;

    ngx_add_timer(&conn->ping, NGX_REDIS_PING_INTERVAL);

    /* the own one first: nothing comes there before the other is answered */

    if (conn->own.len) {
        ngx_redis_subscription_ask(conn, &conn->own,
                                   ngx_redis_subscription_own);
    }

    ngx_redis_subscription_ask(conn, &conn->subscription->channel,
                               ngx_redis_subscription_answered);
}


static void
ngx_redis_subscription_ask(ngx_redis_connection_t *conn, ngx_str_t *channel,
    ngx_redis_handler_pt handler)
{
    ngx_redis_args_t  args;

    args.n = 0;

    ngx_redis_arg(&args, "SUBSCRIBE", 9);
    ngx_redis_arg(&args, channel->data, channel->len);

    (void) ngx_redis_connection_send(conn, &args, NULL, handler, conn);
}


void
ngx_redis_subscription_stop(ngx_redis_connection_t *conn)
{
    if (conn->ping.timer_set) {
        ngx_del_timer(&conn->ping);
    }

    if (conn->subscribed) {
        conn->subscribed = 0;
        conn->subscription->down(conn->subscription->data);
    }
}


static void
ngx_redis_subscription_own(void *data, redisReply *reply)
{
    /* if it is refused, so is the other, or nothing is heard there */
}


static void
ngx_redis_subscription_answered(void *data, redisReply *reply)
{
    ngx_redis_connection_t *conn = data;

    ngx_uint_t  level;

    if (reply == NULL) {
        return;
    }

    if (reply->type == REDIS_REPLY_ARRAY) {
        ngx_log_debug2(NGX_LOG_DEBUG_EVENT, &conn->log, 0,
                       "redis \"%V\": subscribed to \"%V\"",
                       &conn->server->name, &conn->subscription->channel);

        conn->subscribed = 1;
        conn->subscription->heard = conn->pinged;

        if (conn->own.len) {
            conn->subscription->heard -= NGX_REDIS_UNHEARD;
        }

        conn->unheard = 0;
        conn->subscription->up(conn->subscription->data);

        if (conn->own.len) {
            conn->echo(conn);
        }

        return;
    }

    /* asked again with the next PING */

    level = conn->unheard ? NGX_LOG_INFO : NGX_LOG_ERR;

    ngx_log_error(level, &conn->log, 0,
                  "redis refused the subscription: \"%*s\"",
                  (size_t) ngx_min(reply->len, NGX_REDIS_LOG_MAX),
                  reply->str ? reply->str : "");

    conn->unheard = 1;
}


ngx_uint_t
ngx_redis_subscription_message(ngx_redis_connection_t *conn, redisReply *reply)
{
    ngx_str_t    text;
    redisReply  *kind, *channel, *message;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3) {
        return 0;
    }

    kind = reply->element[0];
    channel = reply->element[1];
    message = reply->element[2];

    if (kind->type != REDIS_REPLY_STRING
        || ngx_strcmp(kind->str, "message") != 0
        || channel->type != REDIS_REPLY_STRING
        || message->type != REDIS_REPLY_STRING)
    {
        return 0;
    }

    text.data = (u_char *) message->str;
    text.len = message->len;

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, &conn->log, 0,
                   "redis \"%V\": message of %uz bytes",
                   &conn->server->name, text.len);

    if (conn->own.len
        && (size_t) channel->len == conn->own.len
        && ngx_memcmp(channel->str, conn->own.data, conn->own.len) == 0)
    {
        conn->echoed(conn, &text);

    } else {
        conn->subscription->message(conn->subscription->data, &text);
    }

    return 1;
}


static void
ngx_redis_subscription_ping(ngx_event_t *ev)
{
    ngx_redis_args_t         args;
    ngx_redis_connection_t  *conn;

    conn = ev->data;

    if (!conn->subscribed) {
        ngx_redis_subscription_start(conn);
        return;
    }

    args.n = 0;
    ngx_redis_arg(&args, "PING", 4);

    if (ev->timer_set) {
        ngx_del_timer(ev);
    }

    ngx_add_timer(ev, NGX_REDIS_PING_INTERVAL);

    if (!conn->pinging) {
        conn->pinged = ngx_current_msec;
        conn->pinging = 1;

        (void) ngx_redis_connection_send(conn, &args, NULL,
                                         ngx_redis_subscription_pong, conn);
    }

    if (conn->own.len) {
        conn->echo(conn);
    }
}


static void
ngx_redis_subscription_pong(void *data, redisReply *reply)
{
    ngx_redis_connection_t *conn = data;

    conn->pinging = 0;

    if (reply && conn->own.len == 0) {
        /* messages come in the order in which they were sent */
        conn->subscription->heard = conn->pinged;
    }
}
