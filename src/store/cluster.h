#ifndef APIKEY_STORE_CLUSTER_H
#define APIKEY_STORE_CLUSTER_H

/*
 * A Redis Cluster as if it were one server: commands are collected, sent when
 * a reply is asked for, each to the node that has the slot of its name, and
 * answered in their order.
 *
 * A command that a node refuses (MOVED, ASK, TRYAGAIN, CLUSTERDOWN), or that
 * finds no node to be sent to, is tried again for CLUSTER_PATIENCE.  One whose
 * connection failed may have been executed: it is never sent again.
 */

#include "core/slots.h"

#include "redis.h"


#define CLUSTER_PATIENCE  5000    /* milliseconds */

#define CLUSTER_NONE  -1


typedef struct {
    address_host_t   host;       /* name NULL: the Cluster knows none */
    char            *shown;      /* HOST:PORT, or its id */
    redis_t          redis;      /* fd -1: not connected */
    unsigned         slots;
    unsigned         replicas;   /* if it has slots */
    unsigned         used;       /* the latest round */
    unsigned         refused;    /* the latest round without a connection */
} cluster_node_t;


typedef struct {
    const address_t         *address;

    cluster_node_t          *nodes;
    unsigned                 node_count;
    int                      home;       /* the latest to tell the slots */
    short                    slots[APIKEY_SLOTS];    /* nodes */
    unsigned                 stale:1;    /* slots are asked for again */

    struct cluster_call_s   *calls;      /* those not yet returned: */
    size_t                   first;
    size_t                   count;
    size_t                   room;

    unsigned                 round;
    unsigned                 pause;      /* before the next, milliseconds */
    unsigned                 waits:1;    /* there is to be one */

    int                      answered;   /* the node of the latest reply */
    unsigned                 lost:1;     /* the command may have been done */
    char                     error[REDIS_ERROR];
} cluster_t;


/* Nodes connect when they are needed.  NULL and error: none tells the slots. */
cluster_t *cluster_open(const address_t *address, char error[REDIS_ERROR]);
void cluster_close(cluster_t *cluster);

/* To the node of its name, or to any if it has none. */
void cluster_append(cluster_t *cluster, const apikey_text_t *argv,
    unsigned argc);

/* To this node. */
void cluster_append_to(cluster_t *cluster, unsigned node,
    const apikey_text_t *argv, unsigned argc);

/* The next reply, to be freed, or NULL, error, and lost or not. */
reply_t *cluster_reply(cluster_t *cluster);


/* cluster_nodes.c: who is there. */

/* The node there, known or not; host.data NULL: port is its id. */
unsigned cluster_node_add(cluster_t *cluster, apikey_text_t host,
    apikey_text_t port);

/* The same; without a host, it is that of the node that says so. */
unsigned cluster_node_there(cluster_t *cluster, unsigned teller,
    const apikey_slots_t *there);

/* Connects unless it is connected: 0, or -1 and its redis.error. */
int cluster_node_open(cluster_t *cluster, cluster_node_t *node);
void cluster_nodes_free(cluster_t *cluster);

/* Asks a node that lives for the slots: 0, or -1 and error. */
int cluster_refresh(cluster_t *cluster);

/* A connection of its own to a node that lives: 0, or -1 and its error. */
int cluster_connect(cluster_t *cluster, redis_t *redis);


#endif /* APIKEY_STORE_CLUSTER_H */
