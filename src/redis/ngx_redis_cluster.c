/*
 * A Redis Cluster: a command goes to the node that has the slot of its key, as
 * the map says, or as that node says when it refuses the command.  What is
 * refused was not executed, so it is sent again; all else is as for a single
 * server, for each node by itself.
 *
 * A command that was refused, or that no node is known for yet, is
 * timed by itself: its caller waits no longer than for any other.
 */

#include "ngx_redis_cluster.h"


#define NGX_REDIS_HOPS_MAX    5
#define NGX_REDIS_HELD_MAX    32768
#define NGX_REDIS_AGAIN       10      /* milliseconds */


static void ngx_redis_cluster_own(ngx_redis_t *redis,
    ngx_redis_node_t *node);
static ngx_redis_command_t *ngx_redis_cluster_hold(
    ngx_redis_cluster_t *cluster, ngx_redis_args_t *args,
    ngx_redis_script_t *script, ngx_redis_handler_pt handler, void *data);
static ngx_uint_t ngx_redis_cluster_redirect(ngx_redis_connection_t *conn,
    ngx_redis_command_t *cmd, redisReply *error);
static ngx_uint_t ngx_redis_cluster_refused(ngx_redis_cluster_t *cluster,
    ngx_redis_command_t *cmd, redisReply *error);
static ngx_uint_t ngx_redis_cluster_begins(redisReply *error,
    const char *word);
static void ngx_redis_cluster_pass(ngx_redis_cluster_t *cluster,
    ngx_redis_command_t *cmd, ngx_redis_node_t *node);
static void ngx_redis_cluster_time(ngx_redis_cluster_t *cluster,
    ngx_redis_command_t *cmd, ngx_msec_t until);
static void ngx_redis_cluster_again(ngx_event_t *ev);
static void ngx_redis_cluster_mapped(ngx_redis_cluster_t *cluster);
static void ngx_redis_cluster_release(ngx_redis_cluster_t *cluster);
static void ngx_redis_cluster_expire(ngx_event_t *ev);
static void ngx_redis_cluster_failed(ngx_redis_connection_t *conn);


ngx_redis_cluster_t *
ngx_redis_cluster_create(ngx_redis_t *redis, ngx_pool_t *pool)
{
    ngx_uint_t            i;
    ngx_redis_node_t     *node;
    ngx_redis_server_t   *server;
    ngx_redis_cluster_t  *cluster;

    cluster = ngx_pcalloc(pool, sizeof(ngx_redis_cluster_t));
    if (cluster == NULL) {
        return NULL;
    }

    cluster->redis = redis;
    cluster->changed = ngx_redis_cluster_mapped;

    redis->own = ngx_redis_cluster_own;

    ngx_queue_init(&cluster->held);
    ngx_queue_init(&cluster->late);

    cluster->again.handler = ngx_redis_cluster_again;
    cluster->again.data = cluster;
    cluster->again.log = redis->log;

    cluster->expire.handler = ngx_redis_cluster_expire;
    cluster->expire.data = cluster;
    cluster->expire.log = redis->log;
    cluster->expire.cancelable = 1;

    server = redis->conf->servers.elts;

    for (i = 0; i < redis->conf->servers.nelts; i++) {
        node = ngx_redis_node_add(redis, &server[i]);
        if (node == NULL) {
            return NULL;
        }

        node->seed = 1;
    }

    ngx_redis_map_init(cluster);

    return cluster;
}


void
ngx_redis_cluster_close(ngx_redis_cluster_t *cluster)
{
    ngx_queue_t          *q;
    ngx_redis_command_t  *cmd;

    ngx_redis_map_close(cluster);

    if (cluster->again.timer_set) {
        ngx_del_timer(&cluster->again);
    }

    if (cluster->expire.timer_set) {
        ngx_del_timer(&cluster->expire);
    }

    while (!ngx_queue_empty(&cluster->held)) {
        q = ngx_queue_head(&cluster->held);
        ngx_queue_remove(q);

        cmd = ngx_queue_data(q, ngx_redis_command_t, queue);
        ngx_redis_command_free(cmd);
    }
}


static void
ngx_redis_cluster_own(ngx_redis_t *redis, ngx_redis_node_t *node)
{
    node->cluster = redis->cluster;
    node->connection.owner = node;
    node->connection.failed = ngx_redis_cluster_failed;
    node->connection.redirect = ngx_redis_cluster_redirect;
}


ngx_redis_command_t *
ngx_redis_cluster_send(ngx_redis_cluster_t *cluster, apikey_text_t key,
    ngx_redis_args_t *args, ngx_redis_script_t *script,
    ngx_redis_handler_pt handler, void *data)
{
    ngx_uint_t            slot, n;
    ngx_redis_node_t     *node;
    ngx_redis_command_t  *cmd;

    cmd = NULL;
    slot = apikey_slot(key);
    n = cluster->slots[slot];

    if (n) {
        node = cluster->redis->nodes[n - 1];

        if (ngx_redis_node_open(cluster->redis, node) == NGX_OK) {
            cmd = ngx_redis_connection_send(&node->connection, args, script,
                                            handler, data);
        }

    } else if (!cluster->mapped && !cluster->failing) {
        cmd = ngx_redis_cluster_hold(cluster, args, script, handler, data);
    }

    if (cmd) {
        cmd->slot = (u_short) slot;

    } else {
        ngx_redis_map_refresh(cluster);
    }

    return cmd;
}


/* No map yet. */

static ngx_redis_command_t *
ngx_redis_cluster_hold(ngx_redis_cluster_t *cluster, ngx_redis_args_t *args,
    ngx_redis_script_t *script, ngx_redis_handler_pt handler, void *data)
{
    ngx_redis_conf_t     *conf;
    ngx_redis_command_t  *cmd;

    if (cluster->nheld >= NGX_REDIS_HELD_MAX) {
        return NULL;
    }

    cmd = ngx_redis_command(args, cluster->redis->log);
    if (cmd == NULL) {
        return NULL;
    }

    ngx_redis_command_set(cmd, script, handler, data);

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, cluster->redis->log, 0,
                   "redis: command %p waits for a map", cmd);

    ngx_queue_insert_tail(&cluster->held, &cmd->queue);
    cluster->nheld++;

    /* a worker that is to exit stays for the map */
    cluster->refresh.cancelable = 0;

    conf = cluster->redis->conf;

    ngx_redis_cluster_time(cluster, cmd,
                           ngx_current_msec + conf->connect_timeout
                           + conf->timeout);

    return cmd;
}


/* Returns 1 if somebody else is to answer, and the command is taken over. */

static ngx_uint_t
ngx_redis_cluster_redirect(ngx_redis_connection_t *conn,
    ngx_redis_command_t *cmd, redisReply *error)
{
    apikey_text_t         text;
    apikey_slots_t        slots;
    ngx_redis_node_t     *node, *teller;
    apikey_slots_error_e  which;
    ngx_redis_cluster_t  *cluster;

    teller = conn->owner;
    cluster = teller->cluster;

    text.data = error->str;
    text.len = error->len;

    which = apikey_slots_error(&slots, text);

    if (which == APIKEY_SLOTS_NONE) {
        return ngx_redis_cluster_refused(cluster, cmd, error);
    }

    if (which == APIKEY_SLOTS_MOVED) {
        ngx_redis_map_refresh(cluster);
    }

    if (cmd->handler == NULL
        || slots.first != cmd->slot
        || cmd->hops++ == NGX_REDIS_HOPS_MAX)
    {
        return 0;
    }

    node = ngx_redis_map_node(cluster, &slots, teller);
    if (node == NULL) {
        return 0;
    }

    if (which == APIKEY_SLOTS_MOVED) {
        ngx_redis_map_set(cluster, cmd->slot, node);
    }

    ngx_log_debug4(NGX_LOG_DEBUG_EVENT, &conn->log, 0,
                   "redis \"%V\": command %p of slot %ud %s",
                   &conn->server->name, cmd, (unsigned) cmd->slot,
                   which == APIKEY_SLOTS_MOVED ? "moved" : "is asked for");

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, &conn->log, 0,
                   "redis \"%V\": command %p goes there",
                   &node->server->name, cmd);

    cluster->redis->conf->stats->redirected++;
    cmd->asking = (which == APIKEY_SLOTS_ASK);

    ngx_redis_cluster_time(cluster, cmd, cmd->deadline);
    ngx_redis_cluster_pass(cluster, cmd, node);

    return 1;
}


static ngx_uint_t
ngx_redis_cluster_refused(ngx_redis_cluster_t *cluster,
    ngx_redis_command_t *cmd, redisReply *error)
{
    if (ngx_redis_cluster_begins(error, "TRYAGAIN")
        && cmd->slot != NGX_REDIS_NO_SLOT
        && cmd->handler)
    {
        cmd->asking = 0;

        ngx_redis_cluster_time(cluster, cmd, cmd->deadline);

        ngx_queue_insert_tail(&cluster->held, &cmd->queue);
        cluster->nheld++;

        if (!cluster->again.timer_set) {
            ngx_add_timer(&cluster->again, NGX_REDIS_AGAIN);
        }

        return 1;
    }

    if (ngx_redis_cluster_begins(error, "CLUSTERDOWN")
        || ngx_redis_cluster_begins(error, "MASTERDOWN")
        || ngx_redis_cluster_begins(error, "READONLY")
        || ngx_redis_cluster_begins(error, "LOADING"))
    {
        ngx_redis_map_refresh(cluster);
    }

    return 0;
}


static ngx_uint_t
ngx_redis_cluster_begins(redisReply *error, const char *word)
{
    return ngx_strncmp(error->str, word, ngx_strlen(word)) == 0;
}


/* To this node, or nobody; NULL: there is none. */

static void
ngx_redis_cluster_pass(ngx_redis_cluster_t *cluster, ngx_redis_command_t *cmd,
    ngx_redis_node_t *node)
{
    if (cmd->handler
        && node
        && (ngx_msec_int_t) (cmd->until - ngx_current_msec) > 0
        && ngx_redis_node_open(cluster->redis, node) == NGX_OK
        && ngx_redis_connection_resend(&node->connection, cmd) == NGX_OK)
    {
        return;
    }

    ngx_redis_map_refresh(cluster);

    if (cmd->handler) {
        cluster->redis->conf->stats->lost++;
        cmd->handler(cmd->data, NULL);
    }

    ngx_redis_command_free(cmd);
}


static void
ngx_redis_cluster_time(ngx_redis_cluster_t *cluster, ngx_redis_command_t *cmd,
    ngx_msec_t until)
{
    ngx_event_t     *ev;
    ngx_msec_int_t   left;

    if (cmd->timed) {
        return;
    }

    cmd->timed = 1;
    cmd->until = until;
    ngx_queue_insert_tail(&cluster->late, &cmd->late);

    ev = &cluster->expire;
    left = (ngx_msec_int_t) (until - ngx_current_msec);

    if (ev->timer_set) {
        if ((ngx_msec_int_t) (ev->timer.key - until) <= 0) {
            return;
        }

        ngx_del_timer(ev);
    }

    ngx_add_timer(ev, (ngx_msec_t) ngx_max(left, 0));
}


static void
ngx_redis_cluster_again(ngx_event_t *ev)
{
    ngx_redis_cluster_release(ev->data);
}


static void
ngx_redis_cluster_mapped(ngx_redis_cluster_t *cluster)
{
    ngx_redis_cluster_release(cluster);

    if (cluster->mapped && cluster->redis->subscriber.subscription) {
        ngx_redis_listener_follow(cluster);
    }
}


/* What is held goes on its way; without a map, if there is none to be had. */

static void
ngx_redis_cluster_release(ngx_redis_cluster_t *cluster)
{
    ngx_uint_t            n, count;
    ngx_queue_t          *q;
    ngx_redis_command_t  *cmd;

    if (!cluster->mapped && !cluster->failing) {
        return;
    }

    cluster->refresh.cancelable = 1;

    /* no more than are held now: they may come back, and callers may ask */

    for (count = cluster->nheld; count && cluster->nheld; count--) {
        q = ngx_queue_head(&cluster->held);
        ngx_queue_remove(q);
        cluster->nheld--;

        cmd = ngx_queue_data(q, ngx_redis_command_t, queue);
        n = cluster->slots[cmd->slot];

        ngx_redis_cluster_pass(cluster, cmd,
                               n ? cluster->redis->nodes[n - 1] : NULL);
    }
}


ngx_uint_t
ngx_redis_cluster_known(ngx_redis_cluster_t *cluster)
{
    return cluster->mapped;
}


ngx_uint_t
ngx_redis_cluster_held(ngx_redis_cluster_t *cluster)
{
    return cluster->nheld;
}


/* In place of the timer, for a worker that waits without the event loop. */

void
ngx_redis_cluster_retry(ngx_redis_cluster_t *cluster)
{
    ngx_event_t  *ev;

    ev = &cluster->again;

    if (ev->timer_set
        && (ngx_msec_int_t) (ev->timer.key - ngx_current_msec) <= 0)
    {
        ngx_del_timer(ev);
        ngx_redis_cluster_release(cluster);
    }
}


static void
ngx_redis_cluster_expire(ngx_event_t *ev)
{
    ngx_queue_t           *q;
    ngx_msec_int_t         left, least;
    ngx_redis_command_t   *cmd;
    ngx_redis_cluster_t   *cluster;
    ngx_redis_handler_pt   handler;

    cluster = ev->data;

again:

    least = NGX_MAX_INT32_VALUE;

    for (q = ngx_queue_head(&cluster->late);
         q != ngx_queue_sentinel(&cluster->late);
         q = ngx_queue_next(q))
    {
        cmd = ngx_queue_data(q, ngx_redis_command_t, late);
        left = (ngx_msec_int_t) (cmd->until - ngx_current_msec);

        if (left > 0) {
            least = ngx_min(least, left);
            continue;
        }

        /* its reply, should one come, is dropped */

        ngx_queue_remove(q);
        cmd->timed = 0;

        handler = cmd->handler;
        cmd->handler = NULL;

        if (handler) {
            cluster->redis->conf->stats->lost++;
            handler(cmd->data, NULL);
        }

        /* it may have changed the queue */
        goto again;
    }

    if (!ngx_queue_empty(&cluster->late) && !ev->timer_set) {
        ngx_add_timer(ev, (ngx_msec_t) least);
    }
}


/* A node can't be used: is there another in its place? */

static void
ngx_redis_cluster_failed(ngx_redis_connection_t *conn)
{
    ngx_redis_node_t  *node;

    node = conn->owner;

    if (node->slots) {
        ngx_redis_map_refresh(node->cluster);
    }
}
