/* Tables in shared memory, by key, and in the order of their last use. */

#include "ngx_http_apikey_zone.h"

#include <sodium.h>


static ngx_http_apikey_node_t **ngx_http_apikey_index_bucket(
    ngx_http_apikey_index_t *index, u_char *key);


ngx_int_t
ngx_http_apikey_index_init(ngx_http_apikey_index_t *index,
    ngx_shm_zone_t *shm_zone, size_t each)
{
    ngx_uint_t        n;
    ngx_slab_pool_t  *shpool;

    shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    for (n = 64; n < shm_zone->shm.size / each; n *= 2) { /* void */ }

    index->buckets = ngx_slab_calloc(shpool,
                                     n * sizeof(ngx_http_apikey_node_t *));
    if (index->buckets == NULL) {
        return NGX_ERROR;
    }

    index->mask = n - 1;
    index->count = 0;

    ngx_queue_init(&index->queue);

    return NGX_OK;
}


static ngx_http_apikey_node_t **
ngx_http_apikey_index_bucket(ngx_http_apikey_index_t *index, u_char *key)
{
    ngx_uint_t  hash;

    ngx_memcpy(&hash, key, sizeof(ngx_uint_t));

    return &index->buckets[hash & index->mask];
}


ngx_http_apikey_node_t *
ngx_http_apikey_index_find(ngx_http_apikey_index_t *index, u_char *key)
{
    ngx_http_apikey_node_t  *node;

    node = *ngx_http_apikey_index_bucket(index, key);

    while (node && crypto_verify_32(node->key, key) != 0) {
        node = node->next;
    }

    return node;
}


void
ngx_http_apikey_index_expect(ngx_http_apikey_index_t *index, u_char *key)
{
    __builtin_prefetch(ngx_http_apikey_index_bucket(index, key));
}


void
ngx_http_apikey_index_approach(ngx_http_apikey_index_t *index, u_char *key)
{
    u_char  *node;

    node = (u_char *) *ngx_http_apikey_index_bucket(index, key);

    if (node) {
        __builtin_prefetch(node);
        __builtin_prefetch(node + NGX_CPU_CACHE_LINE);
    }
}


void
ngx_http_apikey_index_insert(ngx_http_apikey_index_t *index,
    ngx_http_apikey_node_t *node, u_char *key)
{
    ngx_http_apikey_node_t  **bucket;

    bucket = ngx_http_apikey_index_bucket(index, key);

    ngx_memcpy(node->key, key, APIKEY_DIGEST_SIZE);

    node->next = *bucket;
    *bucket = node;

    ngx_queue_insert_head(&index->queue, &node->queue);

    index->count++;
}


void
ngx_http_apikey_index_remove(ngx_http_apikey_index_t *index,
    ngx_http_apikey_node_t *node)
{
    ngx_http_apikey_node_t  **p;

    p = ngx_http_apikey_index_bucket(index, node->key);

    while (*p != node) {
        p = &(*p)->next;
    }

    *p = node->next;

    ngx_queue_remove(&node->queue);

    index->count--;
}
