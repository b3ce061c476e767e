#ifndef _NGX_REDIS_NODE_H_INCLUDED_
#define _NGX_REDIS_NODE_H_INCLUDED_


#include "ngx_redis_connection.h"
#include "ngx_redis_sentinel.h"
#include "view.h"


#define NGX_REDIS_NODES_MAX  1024


typedef struct ngx_redis_node_s     ngx_redis_node_t;
typedef struct ngx_redis_cluster_s  ngx_redis_cluster_t;


/* A server, and the worker's connection to it if there is need of one. */
struct ngx_redis_node_s {
    ngx_str_node_t             name;         /* of the server */
    ngx_redis_connection_t     connection;   /* if it is open */
    ngx_redis_server_t        *server;
    ngx_uint_t                 number;       /* its place in nodes */
    unsigned                   open:1;

    /* in a Cluster */
    ngx_redis_cluster_t       *cluster;
    ngx_uint_t                 slots;        /* how many it serves */
    ngx_msec_t                 used;         /* though it serves none */
    unsigned                   seed:1;       /* configured */

    /* of a server that isn't */
    ngx_redis_server_t         own;
    ngx_addr_t                 addr;
    ngx_sockaddr_t             sockaddr;
};


struct ngx_redis_s {
    ngx_redis_conf_t          *conf;
    ngx_log_t                 *log;
    ngx_redis_node_t         **nodes;        /* with holes */
    ngx_uint_t                 nnodes;       /* ever, at a time */
    ngx_uint_t                 max;
    ngx_rbtree_t               names;
    ngx_rbtree_node_t          sentinel;
    ngx_redis_cluster_t       *cluster;      /* NULL: a single server */
    ngx_redis_sentinel_t      *sentinels;    /* NULL: that never moves */
    ngx_redis_connection_t     subscriber;

    /* what a node's connection needs before it is opened; may be NULL */
    void                     (*own)(ngx_redis_t *redis,
        ngx_redis_node_t *node);
};


/* ngx_redis_node.c */

ngx_int_t ngx_redis_nodes_init(ngx_redis_t *redis, ngx_uint_t max,
    ngx_pool_t *pool);

/* A configured server. */
ngx_redis_node_t *ngx_redis_node_add(ngx_redis_t *redis,
    ngx_redis_server_t *server);

/*
 * The node at an address or a host that has to be resolved; it is added if it
 * isn't known yet.  NULL: no memory, or there are too many.
 */
ngx_redis_node_t *ngx_redis_node_at(ngx_redis_t *redis, apikey_text_t host,
    in_port_t port);

/* Starts to connect, unless it has. */
ngx_int_t ngx_redis_node_open(ngx_redis_t *redis, ngx_redis_node_t *node);
void ngx_redis_node_close(ngx_redis_node_t *node);

/* Closes and forgets. */
void ngx_redis_node_remove(ngx_redis_t *redis, ngx_redis_node_t *node);


/*
 * ngx_redis_cluster.c: where the slots are, and what is to be done when they
 * are elsewhere
 */

ngx_redis_cluster_t *ngx_redis_cluster_create(ngx_redis_t *redis,
    ngx_pool_t *pool);
void ngx_redis_cluster_close(ngx_redis_cluster_t *cluster);

/* As ngx_redis_connection_send(), to the node that has the key's slot. */
ngx_redis_command_t *ngx_redis_cluster_send(ngx_redis_cluster_t *cluster,
    apikey_text_t key, ngx_redis_args_t *args, ngx_redis_script_t *script,
    ngx_redis_handler_pt handler, void *data);

/* Is there a map of the slots? */
ngx_uint_t ngx_redis_cluster_known(ngx_redis_cluster_t *cluster);

/* Commands that wait for a node; those that are due go there now. */
ngx_uint_t ngx_redis_cluster_held(ngx_redis_cluster_t *cluster);
void ngx_redis_cluster_retry(ngx_redis_cluster_t *cluster);

/*
 * ngx_redis_listener.c: listens as soon as a node is known; to another when
 * that one fails
 */

void ngx_redis_listener_start(ngx_redis_cluster_t *cluster);


#endif /* _NGX_REDIS_NODE_H_INCLUDED_ */
