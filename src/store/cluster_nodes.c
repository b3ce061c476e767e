#define _GNU_SOURCE   /* asprintf */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster.h"
#include "memory.h"


static int cluster_ask(cluster_t *cluster, unsigned n);
static int cluster_told(cluster_t *cluster, unsigned teller,
    const reply_t *reply);
static void cluster_complain(cluster_t *cluster, unsigned n,
    const char *why);


unsigned
cluster_node_there(cluster_t *cluster, unsigned teller,
    const apikey_slots_t *there)
{
    char           port[16];
    apikey_text_t  host;

    if (there->port == 0) {
        return cluster_node_add(cluster, (apikey_text_t) { NULL, 0 },
                                there->id);
    }

    host = there->host;

    if (host.len == 0) {
        host.data = cluster->nodes[teller].host.name;
        host.len = strlen(host.data);
    }

    snprintf(port, sizeof(port), "%u", there->port);

    return cluster_node_add(cluster, host,
                            (apikey_text_t) { port, strlen(port) });
}


unsigned
cluster_node_add(cluster_t *cluster, apikey_text_t host, apikey_text_t port)
{
    int              rc;
    char            *shown;
    unsigned         n;
    cluster_node_t  *node;

    if (host.data == NULL) {
        rc = asprintf(&shown, "node \"%.*s\"", (int) port.len, port.data);

    } else {
        rc = asprintf(&shown, memchr(host.data, ':', host.len)
                              ? "[%.*s]:%.*s" : "%.*s:%.*s",
                      (int) host.len, host.data, (int) port.len, port.data);
    }

    if (rc == -1) {
        shown = must(NULL);
    }

    for (n = 0; n < cluster->node_count; n++) {

        if (strcmp(cluster->nodes[n].shown, shown) == 0) {
            free(shown);
            return n;
        }
    }

    cluster->nodes = must(realloc(cluster->nodes,
                                  (n + 1) * sizeof(cluster_node_t)));
    node = &cluster->nodes[cluster->node_count++];

    memset(node, 0, sizeof(cluster_node_t));

    node->redis.fd = -1;
    node->shown = shown;

    if (host.data != NULL) {
        node->host.name = must(strndup(host.data, host.len));
        node->host.port = must(strndup(port.data, port.len));
    }

    return n;
}


int
cluster_node_open(cluster_t *cluster, cluster_node_t *node)
{
    if (node->host.name == NULL) {
        return redis_fail(&node->redis, "the Cluster knows no address of it");
    }

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
                && cluster->nodes[i].host.name != NULL
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
    reply_t         *reply;
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

    if (reply_error(reply) != NULL) {
        cluster_complain(cluster, n, reply_error(reply));
        rc = -1;

    } else {
        rc = cluster_told(cluster, n, reply);
    }

    reply_free(reply);

    return rc;
}


/* Nodes whose slots are others' now stay known: one of them may be asked. */

static int
cluster_told(cluster_t *cluster, unsigned teller, const reply_t *reply)
{
    char                 error[REPLY_WHY];
    size_t               i;
    unsigned             n, slot;
    const char          *why;
    apikey_slots_t       range;
    apikey_slots_view_t  map;

    reply_view(&map, reply);
    why = apikey_slots_check(&map);

    if (why != NULL) {
        snprintf(error, sizeof(error), "unexpected reply to CLUSTER SLOTS: %s",
                 why);
        cluster_complain(cluster, teller, error);
        return -1;
    }

    for (n = 0; n < cluster->node_count; n++) {
        cluster->nodes[n].slots = 0;
    }

    for (slot = 0; slot < APIKEY_SLOTS; slot++) {
        cluster->slots[slot] = CLUSTER_NONE;
    }

    for (i = 0; i < map.count; i++) {
        apikey_slots_range(&range, &map, i);

        n = cluster_node_there(cluster, teller, &range);
        cluster->nodes[n].replicas = range.replicas;
        cluster->nodes[n].slots += range.last - range.first + 1;

        for (slot = range.first; slot <= range.last; slot++) {
            cluster->slots[slot] = n;
        }
    }

    cluster->home = teller;
    cluster->stale = 0;

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
