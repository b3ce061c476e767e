#include "ngx_redis_connection.h"

#include <poll.h>


#define NGX_REDIS_FINISH  1000    /* milliseconds, at most */


struct ngx_redis_s {
    ngx_redis_connection_t     connection;
    ngx_redis_connection_t     subscriber;
    ngx_redis_conf_t          *conf;
    ngx_log_t                 *log;
};


ngx_redis_t *
ngx_redis_create(ngx_pool_t *pool, ngx_redis_conf_t *conf, ngx_log_t *log)
{
    ngx_redis_t  *redis;

    redis = ngx_pcalloc(pool, sizeof(ngx_redis_t));
    if (redis == NULL) {
        return NULL;
    }

    redis->conf = conf;
    redis->log = log;

    if (ngx_redis_connection_init(&redis->connection, conf,
                                  conf->servers.elts, log)
        != NGX_OK)
    {
        return NULL;
    }

    return redis;
}


void
ngx_redis_destroy(ngx_redis_t *redis)
{
    ngx_redis_connection_close(&redis->connection);

    if (redis->subscriber.subscription) {
        ngx_redis_connection_close(&redis->subscriber);
    }
}


ngx_redis_command_t *
ngx_redis_eval(ngx_redis_t *redis, ngx_redis_script_t *script,
    ngx_redis_args_t *args, ngx_uint_t nkeys, ngx_redis_handler_pt handler,
    void *data)
{
    int               i;
    u_char            keys[NGX_INT_T_LEN];
    ngx_redis_args_t  words;

    words.n = 0;

    ngx_redis_arg(&words, "EVALSHA", 7);
    ngx_redis_arg(&words, script->sha1.data, script->sha1.len);
    ngx_redis_arg(&words, keys, ngx_sprintf(keys, "%ui", nkeys) - keys);

    for (i = 0; i < args->n; i++) {
        ngx_redis_arg(&words, args->value[i], args->len[i]);
    }

    return ngx_redis_connection_send(&redis->connection, &words, script,
                                     handler, data);
}


ngx_redis_command_t *
ngx_redis_command_send(ngx_redis_t *redis, ngx_redis_args_t *args,
    ngx_redis_handler_pt handler, void *data)
{
    return ngx_redis_connection_send(&redis->connection, args, NULL, handler,
                                     data);
}


ngx_int_t
ngx_redis_finish(ngx_redis_t *redis)
{
    ngx_msec_t               end;
    ngx_msec_int_t           left;
    struct pollfd            pfd;
    ngx_connection_t        *c;
    ngx_redis_connection_t  *rc;

    rc = &redis->connection;
    ngx_time_update();
    end = ngx_current_msec + ngx_min(rc->conf->timeout, NGX_REDIS_FINISH);

    while (rc->state == NGX_REDIS_READY && rc->pending) {
        c = rc->peer.connection;

        c->write->ready = 1;
        ngx_redis_flush_handler(&rc->flush);

        left = (ngx_msec_int_t) (end - ngx_current_msec);

        if (rc->state != NGX_REDIS_READY || left < 0) {
            break;
        }

        pfd.fd = c->fd;
        pfd.events = POLLIN | (rc->out_pos < rc->out_last ? POLLOUT : 0);

        if (poll(&pfd, 1, (int) left) == 1 && pfd.revents & ~POLLOUT) {
            /* as epoll would have it */
            c->read->ready = 1;
            c->read->available = -1;
            ngx_redis_read_handler(c->read);
        }

        ngx_time_update();
    }

    return rc->pending ? NGX_ERROR : NGX_OK;
}


ngx_int_t
ngx_redis_subscribe(ngx_redis_t *redis, ngx_redis_subscription_t *subscription)
{
    redis->subscriber.subscription = subscription;

    return ngx_redis_connection_init(&redis->subscriber, redis->conf,
                                     redis->conf->servers.elts, redis->log);
}


void
ngx_redis_subscription_check(ngx_redis_t *redis)
{
    if (redis->subscriber.subscribed) {
        redis->subscriber.ping.handler(&redis->subscriber.ping);
    }
}
