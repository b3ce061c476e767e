/* The servers of a client: one, or those of a Cluster, which come and go. */

#include "ngx_redis_cluster.h"


#define NGX_REDIS_NAME_SIZE  (APIKEY_SLOTS_HOST_MAX + sizeof("[]:65535"))


static ngx_int_t ngx_redis_node_insert(ngx_redis_t *redis,
    ngx_redis_node_t *node);


ngx_int_t
ngx_redis_nodes_init(ngx_redis_t *redis, ngx_uint_t max, ngx_pool_t *pool)
{
    redis->nodes = ngx_pcalloc(pool, max * sizeof(ngx_redis_node_t *));
    if (redis->nodes == NULL) {
        return NGX_ERROR;
    }

    redis->max = max;

    ngx_rbtree_init(&redis->names, &redis->sentinel,
                    ngx_str_rbtree_insert_value);
    return NGX_OK;
}


ngx_redis_node_t *
ngx_redis_node_add(ngx_redis_t *redis, ngx_redis_server_t *server)
{
    ngx_redis_node_t  *node;

    node = ngx_calloc(sizeof(ngx_redis_node_t), redis->log);
    if (node == NULL) {
        return NULL;
    }

    node->server = server;
    node->name.str = server->name;

    if (ngx_redis_node_insert(redis, node) != NGX_OK) {
        ngx_free(node);
        return NULL;
    }

    return node;
}


ngx_redis_node_t *
ngx_redis_node_at(ngx_redis_t *redis, apikey_text_t host, in_port_t port)
{
    u_char            *p, name[NGX_REDIS_NAME_SIZE];
    ngx_str_t          text, key;
    ngx_redis_node_t  *node;

    text.data = (u_char *) host.data;
    text.len = host.len;

    key.data = name;
    key.len = (ngx_strlchr(text.data, text.data + text.len, ':')
               ? ngx_sprintf(name, "[%V]:%ui", &text, (ngx_uint_t) port)
               : ngx_sprintf(name, "%V:%ui", &text, (ngx_uint_t) port))
              - name;

    node = (ngx_redis_node_t *)
               ngx_str_rbtree_lookup(&redis->names, &key,
                                     ngx_crc32_short(key.data, key.len));
    if (node) {
        return node;
    }

    /* the name and, ended by zero, the host stand behind the node */

    node = ngx_calloc(sizeof(ngx_redis_node_t) + key.len + text.len + 1,
                      redis->log);
    if (node == NULL) {
        return NULL;
    }

    p = (u_char *) &node[1];

    node->server = &node->own;
    node->own.name.data = p;
    node->own.name.len = key.len;
    p = ngx_cpymem(p, key.data, key.len);

    node->own.tls_name.data = p;
    node->own.tls_name.len = text.len;
    ngx_memcpy(p, text.data, text.len);

    node->own.port = port;
    ngx_redis_server_at(&node->own, &node->addr, &node->sockaddr);

    node->name.str = node->own.name;

    if (ngx_redis_node_insert(redis, node) != NGX_OK) {
        ngx_free(node);
        return NULL;
    }

    return node;
}


static ngx_int_t
ngx_redis_node_insert(ngx_redis_t *redis, ngx_redis_node_t *node)
{
    ngx_uint_t  i;

    for (i = 0; i < redis->nnodes && redis->nodes[i]; i++) { /* void */ }

    if (i == redis->max) {
        return NGX_DECLINED;
    }

    redis->nodes[i] = node;
    redis->nnodes = ngx_max(redis->nnodes, i + 1);

    node->number = i;

    node->name.node.key = ngx_crc32_short(node->name.str.data,
                                          node->name.str.len);
    ngx_rbtree_insert(&redis->names, &node->name.node);

    return NGX_OK;
}


ngx_int_t
ngx_redis_node_open(ngx_redis_t *redis, ngx_redis_node_t *node)
{
    if (node->open) {
        return NGX_OK;
    }

    if (redis->own) {
        redis->own(redis, node);
    }

    node->open = 1;

    if (ngx_redis_connection_init(&node->connection, redis->conf, node->server,
                                  redis->log)
        != NGX_OK)
    {
        node->open = 0;
        return NGX_ERROR;
    }

    return NGX_OK;
}


void
ngx_redis_node_close(ngx_redis_node_t *node)
{
    if (node->open) {
        node->open = 0;
        ngx_redis_connection_close(&node->connection);
        ngx_memzero(&node->connection, sizeof(ngx_redis_connection_t));
    }
}


void
ngx_redis_node_remove(ngx_redis_t *redis, ngx_redis_node_t *node)
{
    ngx_redis_node_close(node);

    ngx_rbtree_delete(&redis->names, &node->name.node);
    redis->nodes[node->number] = NULL;

    ngx_free(node);
}
