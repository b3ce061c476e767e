#define _GNU_SOURCE   /* asprintf */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster.h"
#include "memory.h"


static int cluster_ask(cluster_t *cluster, unsigned n);
static int cluster_told(cluster_t *cluster, unsigned teller,
    const redisReply *reply);
static int cluster_told_range(cluster_t *cluster, unsigned teller,
    const redisReply *range);
static void cluster_complain(cluster_t *cluster, unsigned n,
    const char *why);


cluster_node_t *
cluster_node_add(cluster_t *cluster, apikey_text_t host, apikey_text_t port)
{
    unsigned         i;
    cluster_node_t  *node;
    apikey_text_t    name, at;

    for (i = 0; i < cluster->node_count; i++) {
        node = &cluster->nodes[i];
        name = (apikey_text_t) { node->host.name, strlen(node->host.name) };
        at = (apikey_text_t) { node->host.port, strlen(node->host.port) };

        if (apikey_text_equal(name, host) && apikey_text_equal(at, port)) {
            return node;
        }
    }

    cluster->nodes = must(realloc(cluster->nodes, (cluster->node_count + 1)
                                                  * sizeof(cluster_node_t)));
    node = &cluster->nodes[cluster->node_count++];

    memset(node, 0, sizeof(cluster_node_t));

    node->redis.fd = -1;
    node->host.name = must(strndup(host.data, host.len));
    node->host.port = must(strndup(port.data, port.len));

    if (asprintf(&node->shown, strchr(node->host.name, ':') ? "[%s]:%s"
                                                            : "%s:%s",
                 node->host.name, node->host.port)
        == -1)
    {
        node->shown = must(NULL);
    }

    return node;
}


int
cluster_node_open(cluster_t *cluster, cluster_node_t *node)
{
    if (node->redis.fd != -1) {

        if (!node->redis.failed && !redis_closed(&node->redis)) {
            return 0;
        }

        redis_close(&node->redis);
    }

    return redis_open_host(&node->redis, cluster->address, &node->host);
}


void
cluster_nodes_free(cluster_t *cluster)
{
    unsigned         i;
    cluster_node_t  *node;

    for (i = 0; i < cluster->node_count; i++) {
        node = &cluster->nodes[i];

        redis_close(&node->redis);
        free(node->host.name);
        free(node->host.port);
        free(node->shown);
    }

    free(cluster->nodes);
}


/* Those that are connected come first: others may not be there at all. */

int
cluster_refresh(cluster_t *cluster)
{
    int        connected;
    unsigned   i, count;
    uint64_t   end;

    end = redis_clock() + CLUSTER_PATIENCE * 1000;
    count = cluster->node_count;

    cluster->error[0] = '\0';

    if (cluster_ask(cluster, cluster->home) == 0) {
        return 0;
    }

    for (connected = 1; connected >= 0; connected--) {

        for (i = 0; i < count; i++) {

            if ((cluster->nodes[i].redis.fd != -1) == connected
                && (int) i != cluster->home
                && redis_clock() < end
                && cluster_ask(cluster, i) == 0)
            {
                return 0;
            }
        }
    }

    return -1;
}


int
cluster_connect(cluster_t *cluster, redis_t *redis)
{
    int  tries;

    for (tries = 0; /* void */ ; tries++) {

        if (redis_open_host(redis, cluster->address,
                            &cluster->nodes[cluster->home].host)
            == 0)
        {
            return 0;
        }

        if (tries == 1 || cluster_refresh(cluster) != 0) {
            return -1;
        }

        redis_close(redis);
    }
}


static int
cluster_ask(cluster_t *cluster, unsigned n)
{
    int              rc;
    redisReply      *reply;
    cluster_node_t  *node;
    apikey_text_t    argv[] = { apikey_text("CLUSTER"), apikey_text("SLOTS") };

    node = &cluster->nodes[n];
    reply = NULL;

    if (cluster_node_open(cluster, node) == 0) {
        reply = redis_command(&node->redis, argv, 2);
    }

    if (reply == NULL) {
        cluster_complain(cluster, n, node->redis.error);
        redis_close(&node->redis);
        return -1;
    }

    if (reply->type == REDIS_REPLY_ERROR) {
        cluster_complain(cluster, n, reply->str);
        rc = -1;

    } else {
        rc = cluster_told(cluster, n, reply);
    }

    freeReplyObject(reply);

    return rc;
}


/* Nodes whose slots are others' now stay known: one of them may be asked. */

static int
cluster_told(cluster_t *cluster, unsigned teller, const redisReply *reply)
{
    size_t    i;
    unsigned  n;

    for (i = 0; i < APIKEY_SLOTS; i++) {
        cluster->slots[i] = CLUSTER_NONE;
    }

    for (n = 0; n < cluster->node_count; n++) {
        cluster->nodes[n].slots = 0;
    }

    for (i = 0; i < reply->elements; i++) {

        if (cluster_told_range(cluster, teller, reply->element[i]) != 0) {
            cluster_complain(cluster, teller,
                             "its answer to CLUSTER SLOTS can't be read");
            return -1;
        }
    }

    cluster->home = teller;
    cluster->stale = 0;

    return 0;
}


/* First slot, last slot, the master, replicas; a node: host, port, and more. */

static int
cluster_told_range(cluster_t *cluster, unsigned teller,
    const redisReply *range)
{
    long long          slot, first, last;
    char               port[24];
    apikey_text_t      host;
    cluster_node_t    *node;
    const redisReply  *master;

    if (range->type != REDIS_REPLY_ARRAY
        || range->elements < 3
        || range->element[0]->type != REDIS_REPLY_INTEGER
        || range->element[1]->type != REDIS_REPLY_INTEGER
        || range->element[2]->type != REDIS_REPLY_ARRAY)
    {
        return -1;
    }

    first = range->element[0]->integer;
    last = range->element[1]->integer;
    master = range->element[2];

    if (first < 0
        || last >= APIKEY_SLOTS
        || master->elements < 2
        || master->element[1]->type != REDIS_REPLY_INTEGER)
    {
        return -1;
    }

    /* A node that doesn't know what it is called is called as it was asked. */

    host.data = master->element[0]->str;
    host.len = (master->element[0]->type == REDIS_REPLY_STRING)
               ? master->element[0]->len : 0;

    if (host.len == 0 || (host.len == 1 && host.data[0] == '?')) {
        host.data = cluster->nodes[teller].host.name;
        host.len = strlen(host.data);
    }

    snprintf(port, sizeof(port), "%lld", master->element[1]->integer);

    node = cluster_node_add(cluster, host,
                            (apikey_text_t) { port, strlen(port) });

    for (slot = first; slot <= last; slot++) {
        cluster->slots[slot] = node - cluster->nodes;
        node->slots++;
    }

    node->replicas = range->elements - 3;

    return 0;
}


static void
cluster_complain(cluster_t *cluster, unsigned n, const char *why)
{
    size_t  len;

    len = strlen(cluster->error);

    snprintf(cluster->error + len, REDIS_ERROR - len, "%s%s: %s",
             len ? "; " : "", cluster->nodes[n].shown, why);
}
