/* A connection that listens: SUBSCRIBE, messages, and PING in between. */

#include "ngx_redis_connection.h"


#define NGX_REDIS_PING_INTERVAL  1000   /* milliseconds */
#define NGX_REDIS_UNHEARD        60000  /* nothing yet, for all that counts */


static void ngx_redis_subscription_ask(ngx_redis_connection_t *rc,
    ngx_str_t *channel, ngx_redis_handler_pt handler);
static void ngx_redis_subscription_own(void *data, redisReply *reply);
static void ngx_redis_subscription_answered(void *data, redisReply *reply);
static void ngx_redis_subscription_ping(ngx_event_t *ev);
static void ngx_redis_subscription_pong(void *data, redisReply *reply);


void
ngx_redis_subscription_start(ngx_redis_connection_t *rc)
{
    rc->log.action = "listening to redis";

    rc->pinged = ngx_current_msec;
    rc->pinging = 0;

    rc->ping.handler = ngx_redis_subscription_ping;
    rc->ping.data = rc;
    rc->ping.log = &rc->log;
    rc->ping.cancelable = 1;

    ngx_add_timer(&rc->ping, NGX_REDIS_PING_INTERVAL);

    /* the own one first: nothing comes there before the other is answered */

    if (rc->own.len) {
        ngx_redis_subscription_ask(rc, &rc->own, ngx_redis_subscription_own);
    }

    ngx_redis_subscription_ask(rc, &rc->subscription->channel,
                               ngx_redis_subscription_answered);
}


static void
ngx_redis_subscription_ask(ngx_redis_connection_t *rc, ngx_str_t *channel,
    ngx_redis_handler_pt handler)
{
    ngx_redis_args_t  args;

    args.n = 0;

    ngx_redis_arg(&args, "SUBSCRIBE", 9);
    ngx_redis_arg(&args, channel->data, channel->len);

    (void) ngx_redis_connection_send(rc, &args, NULL, handler, rc);
}


void
ngx_redis_subscription_stop(ngx_redis_connection_t *rc)
{
    if (rc->ping.timer_set) {
        ngx_del_timer(&rc->ping);
    }

    if (rc->subscribed) {
        rc->subscribed = 0;
        rc->subscription->down(rc->subscription->data);
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
    ngx_redis_connection_t *rc = data;

    ngx_uint_t  level;

    if (reply == NULL) {
        return;
    }

    if (reply->type == REDIS_REPLY_ARRAY) {
        rc->subscribed = 1;
        rc->subscription->heard = rc->pinged;

        if (rc->own.len) {
            rc->subscription->heard -= NGX_REDIS_UNHEARD;
        }

        rc->unheard = 0;
        rc->subscription->up(rc->subscription->data);

        if (rc->own.len) {
            rc->echo(rc);
        }

        return;
    }

    /* asked again with the next PING */

    level = rc->unheard ? NGX_LOG_INFO : NGX_LOG_ERR;

    ngx_log_error(level, &rc->log, 0,
                  "redis refused the subscription: \"%*s\"",
                  (size_t) ngx_min(reply->len, 256),
                  reply->str ? reply->str : "");

    rc->unheard = 1;
}


ngx_uint_t
ngx_redis_subscription_message(ngx_redis_connection_t *rc, redisReply *reply)
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

    if (rc->own.len
        && (size_t) channel->len == rc->own.len
        && ngx_memcmp(channel->str, rc->own.data, rc->own.len) == 0)
    {
        rc->echoed(rc, &text);

    } else {
        rc->subscription->message(rc->subscription->data, &text);
    }

    return 1;
}


static void
ngx_redis_subscription_ping(ngx_event_t *ev)
{
    ngx_redis_args_t         args;
    ngx_redis_connection_t  *rc;

    rc = ev->data;

    if (!rc->subscribed) {
        ngx_redis_subscription_start(rc);
        return;
    }

    args.n = 0;
    ngx_redis_arg(&args, "PING", 4);

    if (ev->timer_set) {
        ngx_del_timer(ev);
    }

    ngx_add_timer(ev, NGX_REDIS_PING_INTERVAL);

    if (!rc->pinging) {
        rc->pinged = ngx_current_msec;
        rc->pinging = 1;

        (void) ngx_redis_connection_send(rc, &args, NULL,
                                         ngx_redis_subscription_pong, rc);
    }

    if (rc->own.len) {
        rc->echo(rc);
    }
}


static void
ngx_redis_subscription_pong(void *data, redisReply *reply)
{
    ngx_redis_connection_t *rc = data;

    rc->pinging = 0;

    if (reply && rc->own.len == 0) {
        /* messages come in the order in which they were sent */
        rc->subscription->heard = rc->pinged;
    }
}
