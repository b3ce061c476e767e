/*
 * Where the slots of a Cluster are: asked of a node that answers, else of the
 * configured ones in turn, when something has changed and now and then.
 * An answer is taken whole or not at all.
 */

#include "ngx_redis_cluster.h"


#define NGX_REDIS_MAP_PAUSE   100      /* milliseconds, and as much by chance */
#define NGX_REDIS_MAP_PERIOD  10000    /* the same */
#define NGX_REDIS_MAP_SWEEP   1000


static void ngx_redis_map_schedule(ngx_redis_cluster_t *cluster,
    ngx_msec_t delay);
static void ngx_redis_map_handler(ngx_event_t *ev);
static void ngx_redis_map_ask(ngx_redis_cluster_t *cluster);
static ngx_uint_t ngx_redis_map_candidate(ngx_redis_cluster_t *cluster,
    ngx_redis_node_t *node, ngx_uint_t last);
static void ngx_redis_map_received(void *data, redisReply *reply);
static void ngx_redis_map_install(ngx_redis_cluster_t *cluster,
    const apikey_slots_view_t *map, ngx_redis_node_t *teller);
static void ngx_redis_map_lost(ngx_redis_cluster_t *cluster,
    const apikey_slots_t *slots, ngx_redis_node_t *teller);
static void ngx_redis_map_sweep(ngx_event_t *ev);


void
ngx_redis_map_init(ngx_redis_cluster_t *cluster)
{
    cluster->refresh.handler = ngx_redis_map_handler;
    cluster->refresh.data = cluster;
    cluster->refresh.log = cluster->redis->log;
    cluster->refresh.cancelable = 1;

    cluster->sweep.handler = ngx_redis_map_sweep;
    cluster->sweep.data = cluster;
    cluster->sweep.log = cluster->redis->log;
    cluster->sweep.cancelable = 1;

    ngx_redis_map_schedule(cluster, 0);
}


void
ngx_redis_map_close(ngx_redis_cluster_t *cluster)
{
    if (cluster->refresh.timer_set) {
        ngx_del_timer(&cluster->refresh);
    }

    if (cluster->sweep.timer_set) {
        ngx_del_timer(&cluster->sweep);
    }
}


void
ngx_redis_map_refresh(ngx_redis_cluster_t *cluster)
{
    ngx_msec_int_t  left;

    if (cluster->asked == NULL) {
        left = (ngx_msec_int_t) (cluster->began + cluster->pause
                                 - ngx_current_msec);
        ngx_redis_map_schedule(cluster, ngx_max(left, 0));
    }
}


static void
ngx_redis_map_schedule(ngx_redis_cluster_t *cluster, ngx_msec_t delay)
{
    ngx_event_t  *ev;

    ev = &cluster->refresh;

    if (ev->timer_set) {
        if ((ngx_msec_int_t) (ev->timer.key - ngx_current_msec)
            <= (ngx_msec_int_t) delay)
        {
            return;
        }

        ngx_del_timer(ev);
    }

    ngx_add_timer(ev, delay);
}


static void
ngx_redis_map_handler(ngx_event_t *ev)
{
    ngx_redis_cluster_t  *cluster;

    cluster = ev->data;

    ngx_redis_map_schedule(cluster, NGX_REDIS_MAP_PERIOD
                                    + ngx_random() % NGX_REDIS_MAP_PERIOD);

    if (cluster->asked) {
        return;
    }

    cluster->began = ngx_current_msec;
    cluster->pause = NGX_REDIS_MAP_PAUSE + ngx_random() % NGX_REDIS_MAP_PAUSE;

    cluster->round = cluster->redis->nnodes;
    cluster->first = ngx_random() % cluster->round;
    cluster->tried = 0;

    ngx_redis_map_ask(cluster);
}


/* The next one: first those that serve slots and answer, then all others. */

static void
ngx_redis_map_ask(ngx_redis_cluster_t *cluster)
{
    ngx_uint_t         n;
    ngx_redis_t       *redis;
    ngx_redis_args_t   args;
    ngx_redis_node_t  *node;

    redis = cluster->redis;

    args.n = 0;
    ngx_redis_arg(&args, "CLUSTER", 7);
    ngx_redis_arg(&args, "SLOTS", 5);

    while (cluster->tried < 2 * cluster->round) {

        n = cluster->tried++;
        node = redis->nodes[(cluster->first + n) % cluster->round];

        if (node == NULL
            || !ngx_redis_map_candidate(cluster, node, n >= cluster->round)
            || ngx_redis_node_open(redis, node) != NGX_OK)
        {
            continue;
        }

        node->used = ngx_current_msec;
        cluster->asked = node;

        if (ngx_redis_connection_send(&node->connection, &args, NULL,
                                      ngx_redis_map_received, cluster))
        {
            return;
        }

        cluster->asked = NULL;
    }

    if (!cluster->failing) {
        cluster->failing = 1;
        cluster->since = ngx_current_msec;

        ngx_log_error(NGX_LOG_ERR, redis->log, 0,
                      "no node of the redis cluster tells where its slots are");
    }

    cluster->changed(cluster);
    ngx_redis_map_refresh(cluster);
}


static ngx_uint_t
ngx_redis_map_candidate(ngx_redis_cluster_t *cluster, ngx_redis_node_t *node,
    ngx_uint_t last)
{
    ngx_uint_t  answers;

    answers = node->slots
              && node->open
              && node->connection.state == NGX_REDIS_READY;

    return last ? !answers && (node->slots || node->seed) : answers;
}


static void
ngx_redis_map_received(void *data, redisReply *reply)
{
    ngx_redis_cluster_t *cluster = data;

    const char           *why;
    ngx_uint_t            level;
    ngx_redis_node_t     *node;
    apikey_slots_view_t   map;

    node = cluster->asked;
    cluster->asked = NULL;

    if (reply == NULL) {
        ngx_redis_map_ask(cluster);
        return;
    }

    redis_view(&map, reply);

    why = (reply->type == REDIS_REPLY_ERROR) ? reply->str
                                             : apikey_slots_check(&map);

    if (why == NULL) {
        ngx_redis_map_install(cluster, &map, node);
        return;
    }

    if (reply->type != REDIS_REPLY_ERROR
        && (reply->type != REDIS_REPLY_ARRAY || reply->elements))
    {
        /* it may have been the reply to something else */
        node->connection.distrusted = "a reply to another command";
    }

    level = cluster->logged ? NGX_LOG_INFO : NGX_LOG_ERR;

    ngx_log_error(level, cluster->redis->log, 0,
                  "redis \"%V\" does not tell where the slots of its cluster "
                  "are: \"%*s\"", &node->server->name,
                  ngx_min(ngx_strlen(why), NGX_REDIS_LOG_MAX), why);

    cluster->logged = 1;

    ngx_redis_map_ask(cluster);
}


static void
ngx_redis_map_install(ngx_redis_cluster_t *cluster,
    const apikey_slots_view_t *map, ngx_redis_node_t *teller)
{
    size_t             i;
    unsigned           slot;
    ngx_uint_t         n, lost;
    ngx_redis_t       *redis;
    apikey_slots_t     slots;
    ngx_redis_node_t  *node;

    redis = cluster->redis;

    for (n = 0; n < redis->nnodes; n++) {
        node = redis->nodes[n];

        if (node && node->slots) {
            node->slots = 0;
            node->used = ngx_current_msec;
        }
    }

    ngx_memzero(cluster->slots, sizeof(cluster->slots));

    lost = 0;

    for (i = 0; i < map->count; i++) {
        apikey_slots_range(&slots, map, i);

        node = ngx_redis_map_node(cluster, &slots, teller);
        if (node == NULL) {
            if (slots.port == 0) {
                ngx_redis_map_lost(cluster, &slots, teller);
                lost = 1;
            }

            continue;
        }

        for (slot = slots.first; slot <= slots.last; slot++) {
            ngx_redis_map_set(cluster, slot, node);
        }
    }

    if (cluster->failing) {
        ngx_log_error(NGX_LOG_NOTICE, redis->log, 0,
                      "the redis cluster tells where its slots are again "
                      "after %M ms", ngx_current_msec - cluster->since);
    }

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, redis->log, 0,
                   "redis \"%V\": map of %uz ranges",
                   &teller->server->name, map->count);

    cluster->lost = lost;
    cluster->mapped = 1;
    cluster->failing = 0;
    cluster->logged = 0;

    if (!cluster->sweep.timer_set) {
        ngx_add_timer(&cluster->sweep, NGX_REDIS_MAP_SWEEP);
    }

    cluster->changed(cluster);
}


/* Once, until all have an address. */

static void
ngx_redis_map_lost(ngx_redis_cluster_t *cluster, const apikey_slots_t *slots,
    ngx_redis_node_t *teller)
{
    size_t       len;
    ngx_uint_t   level;
    const char  *id;

    id = slots->id.len ? slots->id.data : "?";
    len = slots->id.len ? slots->id.len : 1;

    level = cluster->lost ? NGX_LOG_INFO : NGX_LOG_ERR;

    ngx_log_error(level, cluster->redis->log, 0,
                  "redis \"%V\" knows no address of node \"%*s\", which has "
                  "the slots %ud to %ud of its cluster",
                  &teller->server->name, len, id, slots->first, slots->last);
}


void
ngx_redis_map_set(ngx_redis_cluster_t *cluster, ngx_uint_t slot,
    ngx_redis_node_t *node)
{
    ngx_redis_node_t  *last;

    if (cluster->slots[slot]) {
        last = cluster->redis->nodes[cluster->slots[slot] - 1];
        last->slots--;
        last->used = ngx_current_msec;
    }

    cluster->slots[slot] = (u_short) (node->number + 1);
    node->slots++;
}


ngx_redis_node_t *
ngx_redis_map_node(ngx_redis_cluster_t *cluster, const apikey_slots_t *slots,
    ngx_redis_node_t *teller)
{
    apikey_text_t      host;
    ngx_redis_node_t  *node;

    if (slots->port == 0) {
        return NULL;
    }

    host = slots->host;

    if (host.len == 0) {
        host.data = (char *) teller->server->tls_name.data;
        host.len = teller->server->tls_name.len;
    }

    node = host.len ? ngx_redis_node_at(cluster->redis, host,
                                        (in_port_t) slots->port)
                    : NULL;

    if (node) {
        node->used = ngx_current_msec;
    }

    return node;
}


/* Nodes that have been of no use for a while are left. */

static void
ngx_redis_map_sweep(ngx_event_t *ev)
{
    ngx_uint_t            i, more;
    ngx_redis_t          *redis;
    ngx_redis_node_t     *node;
    ngx_redis_cluster_t  *cluster;

    cluster = ev->data;
    redis = cluster->redis;
    more = 0;

    for (i = 0; i < redis->nnodes; i++) {
        node = redis->nodes[i];

        if (node == NULL || node->slots || (node->seed && !node->open)) {
            continue;
        }

        if (node == cluster->asked
            || node == cluster->heard
            || (node->open && node->connection.pending)
            || ngx_current_msec - node->used < NGX_REDIS_MAP_SWEEP)
        {
            more = 1;

        } else if (node->seed) {
            ngx_redis_node_close(node);

        } else {
            ngx_redis_node_remove(redis, node);
        }
    }

    if (more) {
        ngx_add_timer(ev, NGX_REDIS_MAP_SWEEP);
    }
}
