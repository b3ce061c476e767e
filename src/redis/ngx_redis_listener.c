/*
 * The subscription of a Cluster's client is to any node: what one is told to
 * publish it passes on to all the others, over a bus of their own.  That a
 * node answers doesn't show that it hears the others, so each second
 * something is published through another one of those in use: what doesn't
 * come back makes the client listen elsewhere, and "heard" stands still.
 */

#include "ngx_redis_cluster.h"


#define NGX_REDIS_ECHO_LOST  2000    /* milliseconds */


static ngx_int_t ngx_redis_listener_locate(ngx_redis_connection_t *conn,
    ngx_uint_t late);
static void ngx_redis_listener_echo(ngx_redis_connection_t *conn);
static ngx_redis_node_t *ngx_redis_listener_teller(
    ngx_redis_cluster_t *cluster);
static void ngx_redis_listener_sent(void *data, redisReply *reply);
static void ngx_redis_listener_echoed(ngx_redis_connection_t *conn,
    ngx_str_t *text);


void
ngx_redis_listener_start(ngx_redis_cluster_t *cluster)
{
    ngx_str_t               *channel;
    ngx_redis_connection_t  *conn;

    conn = &cluster->redis->subscriber;
    channel = &conn->subscription->channel;

    conn->own.data = cluster->own;
    conn->own.len = ngx_snprintf(cluster->own, sizeof(cluster->own),
                                 "%V:%08xD%08xD", channel,
                                 (uint32_t) ngx_random(),
                                 (uint32_t) ngx_random())
                    - cluster->own;

    conn->owner = cluster;
    conn->locate = ngx_redis_listener_locate;
    conn->echo = ngx_redis_listener_echo;
    conn->echoed = ngx_redis_listener_echoed;

    if (cluster->mapped) {
        ngx_redis_listener_follow(cluster);
    }
}


void
ngx_redis_listener_follow(ngx_redis_cluster_t *cluster)
{
    ngx_redis_t             *redis;
    ngx_redis_connection_t  *conn;

    redis = cluster->redis;
    conn = &redis->subscriber;

    if (conn->conf == NULL) {
        (void) ngx_redis_connection_init(conn, redis->conf,
                                         redis->conf->servers.elts,
                                         redis->log);

    } else if (cluster->heard && cluster->heard->slots == 0) {
        ngx_redis_leave(conn, "it has no slots any more");
    }
}


/* The next that serves slots, if it can be one that answers. */

static ngx_int_t
ngx_redis_listener_locate(ngx_redis_connection_t *conn, ngx_uint_t late)
{
    ngx_uint_t            i, first, pass;
    ngx_redis_t          *redis;
    ngx_redis_node_t     *node;
    ngx_redis_cluster_t  *cluster;

    cluster = conn->owner;
    redis = cluster->redis;

    cluster->echoing = 0;

    first = cluster->heard ? cluster->heard->number + 1
                           : (ngx_uint_t) ngx_random();

    for (pass = 0; pass < 2; pass++) {
        for (i = 0; i < redis->nnodes; i++) {
            node = redis->nodes[(first + i) % redis->nnodes];

            if (node == NULL
                || node->slots == 0
                || (pass == 0 && node->open && node->connection.failing))
            {
                continue;
            }

            cluster->heard = node;
            ngx_redis_connection_move(conn, node->server);

            return NGX_OK;
        }
    }

    return NGX_OK;
}


static void
ngx_redis_listener_echo(ngx_redis_connection_t *conn)
{
    u_char                text[NGX_INT_T_LEN];
    ngx_redis_args_t      args;
    ngx_redis_node_t     *node;
    ngx_redis_cluster_t  *cluster;

    cluster = conn->owner;

    if (cluster->echoing) {
        if (ngx_current_msec - cluster->echo_sent >= NGX_REDIS_ECHO_LOST) {
            ngx_redis_fail(conn, "it doesn't hear other nodes", 0);
        }

        cluster->echo_again = 1;
        return;
    }

    node = ngx_redis_listener_teller(cluster);

    if (node == NULL
        || ngx_redis_node_open(cluster->redis, node) != NGX_OK)
    {
        return;
    }

    cluster->echo++;
    cluster->echo_again = 0;

    args.n = 0;

    ngx_redis_arg(&args, "PUBLISH", 7);
    ngx_redis_arg(&args, conn->own.data, conn->own.len);
    ngx_redis_arg(&args, text, ngx_sprintf(text, "%ui", cluster->echo) - text);

    cluster->echo_sent = ngx_current_msec;
    cluster->echoing = ngx_redis_connection_send(&node->connection, &args,
                                                 NULL, ngx_redis_listener_sent,
                                                 cluster)
                       != NULL;
}


/*
 * The next of those that are connected, else any other than is listened to,
 * else that one, should it be alone.
 */

static ngx_redis_node_t *
ngx_redis_listener_teller(ngx_redis_cluster_t *cluster)
{
    ngx_uint_t         i, n, pass;
    ngx_redis_t       *redis;
    ngx_redis_node_t  *node;

    redis = cluster->redis;

    for (pass = 0; pass < 2; pass++) {
        for (i = 1; i <= redis->nnodes; i++) {
            n = (cluster->teller + i) % redis->nnodes;
            node = redis->nodes[n];

            if (node
                && node->slots
                && node != cluster->heard
                && (pass || (node->open && node->connection.state
                                           == NGX_REDIS_READY)))
            {
                cluster->teller = n;
                return node;
            }
        }
    }

    return cluster->heard;
}


static void
ngx_redis_listener_sent(void *data, redisReply *reply)
{
    ngx_redis_cluster_t *cluster = data;

    if (reply == NULL || reply->type == REDIS_REPLY_ERROR) {
        /* perhaps it wasn't: another one is asked, in a second */
        cluster->echoing = 0;
    }
}


static void
ngx_redis_listener_echoed(ngx_redis_connection_t *conn, ngx_str_t *text)
{
    ngx_redis_cluster_t  *cluster;

    cluster = conn->owner;

    if (cluster->echoing
        && ngx_atoi(text->data, text->len) == (ngx_int_t) cluster->echo)
    {
        cluster->echoing = 0;
        conn->subscription->heard = cluster->echo_sent;

        if (cluster->echo_again) {
            ngx_redis_listener_echo(conn);
        }
    }
}
