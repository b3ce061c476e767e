#include "ngx_redis_node.h"

#include <poll.h>


#define NGX_REDIS_FINISH      3000    /* milliseconds, at most */
#define NGX_REDIS_FINISH_NOW  1000    /* or nginx would kill the worker */
#define NGX_REDIS_FINISH_LOOK 100     /* at a time */
#define NGX_REDIS_FINISH_FDS  64      /* at a time */
#define NGX_REDIS_FINISH_STEP 10      /* milliseconds, while some are held */


static ngx_int_t ngx_redis_open(ngx_redis_t *redis);
static ngx_uint_t ngx_redis_refused(ngx_redis_connection_t *conn,
    ngx_redis_command_t *cmd, redisReply *error);
static ngx_redis_command_t *ngx_redis_route(ngx_redis_t *redis,
    ngx_redis_args_t *args, int key, ngx_redis_script_t *script,
    ngx_redis_handler_pt handler, void *data);
static ngx_uint_t ngx_redis_pending(ngx_redis_t *redis);
static ngx_int_t ngx_redis_wait(ngx_redis_t *redis, int timeout);


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

    if (ngx_redis_nodes_init(redis, conf->cluster ? NGX_REDIS_NODES_MAX : 1,
                             pool)
        != NGX_OK)
    {
        return NULL;
    }

    if (conf->cluster) {
        redis->cluster = ngx_redis_cluster_create(redis, pool);
        if (redis->cluster) {
            return redis;
        }

    } else if (ngx_redis_open(redis) == NGX_OK) {
        return redis;
    }

    ngx_redis_destroy(redis);

    return NULL;
}


/* The one server, or the master. */

static ngx_int_t
ngx_redis_open(ngx_redis_t *redis)
{
    ngx_redis_node_t    *node;
    ngx_redis_server_t  *server;

    server = redis->conf->servers.elts;

    if (redis->conf->sentinel) {
        redis->sentinels = ngx_redis_sentinel_create(redis->conf, redis->log);
        if (redis->sentinels == NULL) {
            return NGX_ERROR;
        }

        server = ngx_redis_master_unknown(redis->sentinels);
    }

    node = ngx_redis_node_add(redis, server);
    if (node == NULL) {
        return NGX_ERROR;
    }

    if (redis->sentinels) {
        ngx_redis_master_follow(redis->sentinels, &node->connection);

    } else {
        node->connection.owner = redis;
        node->connection.redirect = ngx_redis_refused;
    }

    return ngx_redis_node_open(redis, node);
}


/*
 * READONLY: the name, or what passes connections on, may lead to the master
 * now.  Where it doesn't, a replica is all there is: it goes on answering, and
 * both connections are made again a second later.
 */

static ngx_uint_t
ngx_redis_refused(ngx_redis_connection_t *conn, ngx_redis_command_t *cmd,
    redisReply *error)
{
    ngx_redis_t  *redis;

    redis = conn->owner;

    if (ngx_strstr(error->str, "READONLY ") && ngx_redis_stable(conn)) {
        ngx_log_debug2(NGX_LOG_DEBUG_EVENT, &conn->log, 0,
                       "redis \"%V\": leaving after %ui replies",
                       &conn->server->name, conn->pending);

        conn->state = NGX_REDIS_LEAVING;

        if (redis->subscriber.state == NGX_REDIS_READY) {
            ngx_redis_leave(&redis->subscriber, "it is a replica now");
        }
    }

    return 0;
}


void
ngx_redis_destroy(ngx_redis_t *redis)
{
    ngx_uint_t  i;

    if (redis->subscriber.conf) {
        ngx_redis_connection_close(&redis->subscriber);
    }

    if (redis->cluster) {
        ngx_redis_cluster_close(redis->cluster);
    }

    for (i = 0; i < redis->nnodes; i++) {
        if (redis->nodes[i]) {
            ngx_redis_node_remove(redis, redis->nodes[i]);
        }
    }

    if (redis->sentinels) {
        ngx_redis_sentinel_close(redis->sentinels);
    }

    ngx_redis_commands_free();
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

    return ngx_redis_route(redis, &words, 3, script, handler, data);
}


ngx_redis_command_t *
ngx_redis_command_send(ngx_redis_t *redis, ngx_redis_args_t *args,
    ngx_redis_handler_pt handler, void *data)
{
    return ngx_redis_route(redis, args, 1, NULL, handler, data);
}


/* To the node that has the key. */

static ngx_redis_command_t *
ngx_redis_route(ngx_redis_t *redis, ngx_redis_args_t *args, int key,
    ngx_redis_script_t *script, ngx_redis_handler_pt handler, void *data)
{
    apikey_text_t         name;
    ngx_redis_stats_t    *stats;
    ngx_redis_command_t  *cmd;

    if (redis->cluster == NULL) {
        cmd = ngx_redis_connection_send(&redis->nodes[0]->connection, args,
                                        script, handler, data);

    } else {
        name.data = args->value[key];
        name.len = args->len[key];

        cmd = ngx_redis_cluster_send(redis->cluster, name, args, script,
                                     handler, data);
    }

    stats = redis->conf->stats;

    if (cmd) {
        stats->accepted++;

    } else {
        stats->refused++;
    }

    return cmd;
}


ngx_uint_t
ngx_redis_steady(ngx_redis_t *redis)
{
    ngx_uint_t               i;
    ngx_redis_node_t        *node;
    ngx_redis_connection_t  *conn;

    if (redis->cluster && !ngx_redis_cluster_known(redis->cluster)) {
        return 0;
    }

    for (i = 0; i < redis->nnodes; i++) {
        node = redis->nodes[i];

        if (node && node->open) {
            conn = &node->connection;

            if (conn->state != NGX_REDIS_READY || conn->doubtful) {
                return 0;
            }
        }
    }

    return 1;
}


ngx_int_t
ngx_redis_finish(ngx_redis_t *redis)
{
    ngx_msec_t      began;
    ngx_msec_int_t  left, took;

    left = ngx_terminate ? NGX_REDIS_FINISH_NOW : NGX_REDIS_FINISH;
    left = ngx_min((ngx_msec_int_t) redis->conf->timeout, left);

    while (ngx_redis_pending(redis)) {
        ngx_time_update();
        began = ngx_current_msec;

        if (left <= 0
            || ngx_redis_wait(redis, ngx_min(left, NGX_REDIS_FINISH_LOOK))
               != NGX_OK)
        {
            return NGX_ERROR;
        }

        ngx_time_update();

        /* a machine that stood still is no Redis that is silent */

        took = ngx_current_msec - began;
        left -= ngx_min(took, NGX_REDIS_FINISH_LOOK);

        if (redis->cluster) {
            ngx_redis_cluster_retry(redis->cluster);
        }
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_redis_pending(ngx_redis_t *redis)
{
    ngx_uint_t         i, n;
    ngx_redis_node_t  *node;

    n = redis->cluster ? ngx_redis_cluster_held(redis->cluster) : 0;

    for (i = 0; i < redis->nnodes; i++) {
        node = redis->nodes[i];

        if (node && node->open) {
            n += node->connection.pending;
        }
    }

    return n;
}


/* For whatever comes next, once; NGX_ERROR: nothing can come. */

static ngx_int_t
ngx_redis_wait(ngx_redis_t *redis, int timeout)
{
    ngx_uint_t               i, n;
    struct pollfd            pfd[NGX_REDIS_FINISH_FDS];
    ngx_connection_t        *c;
    ngx_redis_node_t        *node;
    ngx_redis_connection_t  *conn, *waiting[NGX_REDIS_FINISH_FDS];

    n = 0;

    for (i = 0; i < redis->nnodes && n < NGX_REDIS_FINISH_FDS; i++) {
        node = redis->nodes[i];

        if (node == NULL || !node->open || node->connection.pending == 0) {
            continue;
        }

        conn = &node->connection;

        if (conn->state >= NGX_REDIS_READY && conn->out_pos < conn->out_last) {
            conn->peer.connection->write->ready = 1;
            ngx_redis_flush_handler(&conn->flush);
        }

        if (conn->peer.connection == NULL) {
            continue;
        }

        waiting[n] = conn;
        pfd[n].fd = conn->peer.connection->fd;
        pfd[n].events = POLLIN;
        pfd[n].revents = 0;

        if (conn->state == NGX_REDIS_CONNECTING
            || conn->out_pos < conn->out_last)
        {
            pfd[n].events |= POLLOUT;
        }

        n++;
    }

    if (redis->cluster && ngx_redis_cluster_held(redis->cluster)) {
        timeout = ngx_min(timeout, NGX_REDIS_FINISH_STEP);

    } else if (n == 0) {
        return NGX_ERROR;
    }

    (void) poll(pfd, n, timeout);

    /* as epoll would have it */

    for (i = 0; i < n; i++) {
        c = waiting[i]->peer.connection;

        if (c && pfd[i].revents & (POLLOUT|POLLERR|POLLHUP)) {
            c->write->ready = 1;
            c->write->handler(c->write);
            c = waiting[i]->peer.connection;
        }

        if (c && pfd[i].revents & (POLLIN|POLLERR|POLLHUP)) {
            c->read->ready = 1;
            c->read->available = -1;
            c->read->handler(c->read);
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_redis_subscribe(ngx_redis_t *redis, ngx_redis_subscription_t *subscription)
{
    redis->subscriber.role = NGX_REDIS_SUBSCRIPTION;
    redis->subscriber.subscription = subscription;

    if (redis->cluster) {
        ngx_redis_listener_start(redis->cluster);
        return NGX_OK;
    }

    if (redis->sentinels) {
        ngx_redis_master_follow(redis->sentinels, &redis->subscriber);
    }

    return ngx_redis_connection_init(&redis->subscriber, redis->conf,
                                     redis->nodes[0]->server, redis->log);
}


void
ngx_redis_subscription_check(ngx_redis_t *redis)
{
    if (redis->subscriber.subscribed) {
        redis->subscriber.ping.handler(&redis->subscriber.ping);
    }
}
