/*
 * Bad keys, counted per client address and shared by all workers.
 *
 * Each address has a bucket that leaks at the given rate and has room for as
 * many bad keys as the rate names: with 20r/m, 20 at once, then one every 3
 * seconds.  Of a bucket only the time is kept at which it will be empty; each
 * bad key moves it on by one interval, at most to where the bucket is full.
 * While there is no room for one more, requests with a key from that address
 * are refused before Redis is asked.  They aren't counted, nor does a bucket
 * overflow: if it is full, it has room again one interval later.
 *
 * A full zone forgets the address that was bad the longest ago.
 */

#include "ngx_http_apikey_zone.h"

#include <sodium.h>


typedef struct {
    ngx_http_apikey_index_t       index;
    u_char                        secret[crypto_shorthash_KEYBYTES];
} ngx_http_apikey_guard_shared_t;


struct ngx_http_apikey_guard_s {
    ngx_shm_zone_t                  *shm_zone;
    ngx_slab_pool_t                 *shpool;
    ngx_http_apikey_guard_shared_t  *shared;
    uint64_t                         interval;  /* microseconds a key */
    uint64_t                         room;      /* of a bucket */
};


typedef struct {
    ngx_http_apikey_node_t        node;
    uint64_t                      empty;       /* when; microseconds */
} ngx_http_apikey_bucket_t;


/* A client that has gone before the answer. */
typedef struct {
    ngx_http_apikey_guard_t      *guard;
    u_char                        key[APIKEY_DIGEST_SIZE];
} ngx_http_apikey_gone_t;


static char *ngx_http_apikey_guard_set_zone(ngx_conf_t *cf,
    ngx_command_t *cmd, ngx_http_apikey_guard_t *guard, ngx_str_t *value,
    ngx_http_apikey_guard_t **known);
static char *ngx_http_apikey_guard_set_rate(ngx_conf_t *cf,
    ngx_command_t *cmd, ngx_http_apikey_guard_t *guard, ngx_str_t *value);
static ngx_int_t ngx_http_apikey_guard_init(ngx_shm_zone_t *shm_zone,
    void *data);
static void ngx_http_apikey_guard_awaited(void *data,
    ngx_http_apikey_batch_answer_t *answer);
static void ngx_http_apikey_guard_add(ngx_http_apikey_guard_t *guard,
    u_char *key);
static void ngx_http_apikey_guard_key(ngx_http_request_t *r,
    ngx_http_apikey_guard_t *guard, u_char *key);
static uint64_t ngx_http_apikey_guard_now(void);


u_char  ngx_http_apikey_guard_tag;


char *
ngx_http_apikey_guard(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_apikey_loc_conf_t *alcf = conf;

    char                     *rv;
    ngx_str_t                *value;
    ngx_uint_t                i;
    ngx_http_apikey_guard_t  *guard, *known, **listed;

    ngx_http_apikey_main_conf_t  *amcf;

    amcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_apikey_module);

    if (alcf->guard != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_http_apikey_is(&value[1], "off")) {
        alcf->guard = NULL;
        return NGX_CONF_OK;
    }

    guard = ngx_pcalloc(cf->pool, sizeof(ngx_http_apikey_guard_t));
    if (guard == NULL) {
        return NGX_CONF_ERROR;
    }

    known = NULL;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_http_apikey_begins(&value[i], "zone=")) {
            rv = ngx_http_apikey_guard_set_zone(cf, cmd, guard, &value[i],
                                                &known);

        } else if (ngx_http_apikey_begins(&value[i], "rate=")) {
            rv = ngx_http_apikey_guard_set_rate(cf, cmd, guard, &value[i]);

        } else {
            rv = ngx_http_apikey_value_refuse(cf, cmd, &value[i],
                                              "unknown parameter");
        }

        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    if (guard->shm_zone == NULL || guard->room == 0) {
        return "needs zone=NAME:SIZE and rate=RATE";
    }

    if (known == NULL) {
        guard->shm_zone->init = ngx_http_apikey_guard_init;
        guard->shm_zone->data = guard;
        known = guard;

        listed = ngx_array_push(&amcf->guards);
        if (listed == NULL) {
            return NGX_CONF_ERROR;
        }

        *listed = guard;
    }

    if (known->room != guard->room || known->interval != guard->interval) {
        return ngx_http_apikey_value_refuse(cf, cmd, &guard->shm_zone->shm.name,
                                     "the zone has another rate elsewhere");
    }

    alcf->guard = known;

    return NGX_CONF_OK;
}


/* *known: the guard whose zone it is already. */

static char *
ngx_http_apikey_guard_set_zone(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_http_apikey_guard_t *guard, ngx_str_t *value,
    ngx_http_apikey_guard_t **known)
{
    ssize_t    size;
    ngx_str_t  name;

    if (guard->shm_zone) {
        return ngx_http_apikey_value_refuse(cf, cmd, value,
                                            "it is duplicate");
    }

    if (ngx_strlchr(value->data, value->data + value->len, ':')) {

        if (ngx_http_apikey_value_zone(cf, cmd, value, &name, &size)
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }

    } else {
        /* the size stands where the zone was used first */

        name.data = value->data + sizeof("zone=") - 1;
        name.len = value->data + value->len - name.data;
        size = 0;
    }

    guard->shm_zone = ngx_shared_memory_add(cf, &name, size,
                                            &ngx_http_apikey_guard_tag);
    if (guard->shm_zone == NULL) {
        return NGX_CONF_ERROR;
    }

    *known = guard->shm_zone->data;

    if (*known == NULL && size == 0) {
        return ngx_http_apikey_value_refuse(cf, cmd, value,
                                            "not zone=NAME:SIZE");
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_apikey_guard_set_rate(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_http_apikey_guard_t *guard, ngx_str_t *value)
{
    uint64_t          microseconds;
    const char       *why;
    apikey_text_t     text;
    apikey_window_t   window;

    if (guard->room) {
        return ngx_http_apikey_value_refuse(cf, cmd, value,
                                            "it is duplicate");
    }

    text.data = (char *) value->data + sizeof("rate=") - 1;
    text.len = value->len - (sizeof("rate=") - 1);

    if (apikey_window_parse(&window, text, &why) != APIKEY_OK) {
        return ngx_http_apikey_value_refuse(cf, cmd, value, why);
    }

    microseconds = (uint64_t) window.seconds * 1000000;

    if (window.limit > microseconds) {
        return ngx_http_apikey_value_refuse(cf, cmd, value,
                                            "over a million a second");
    }

    guard->interval = microseconds / window.limit;
    guard->room = guard->interval * window.limit;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_apikey_guard_init(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_http_apikey_guard_t *old = data;

    ngx_http_apikey_guard_t         *guard;
    ngx_http_apikey_guard_shared_t  *shared;

    guard = shm_zone->data;

    guard->shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (old) {
        guard->shared = old->shared;
        return NGX_OK;
    }

    if (shm_zone->shm.exists) {
        guard->shared = guard->shpool->data;
        return NGX_OK;
    }

    shared = ngx_slab_calloc(guard->shpool,
                             sizeof(ngx_http_apikey_guard_shared_t));
    if (shared == NULL) {
        return NGX_ERROR;
    }

    /* some four addresses in each of the table's buckets, when it is full */

    if (ngx_http_apikey_index_init(&shared->index, shm_zone,
                                   4 * sizeof(ngx_http_apikey_bucket_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* nobody can choose addresses that meet in one of them */
    randombytes_buf(shared->secret, sizeof(shared->secret));

    guard->shpool->data = shared;
    guard->shared = shared;

    /* a full zone is no news */
    guard->shpool->log_nomem = 0;

    return NGX_OK;
}


ngx_uint_t
ngx_http_apikey_guard_wait(ngx_http_request_t *r,
    ngx_http_apikey_guard_t *guard)
{
    uint64_t                   now, empty, free;
    ngx_http_apikey_bucket_t  *bucket;
    u_char                     key[APIKEY_DIGEST_SIZE];

    ngx_http_apikey_guard_key(r, guard, key);

    now = ngx_http_apikey_guard_now();
    empty = 0;

    ngx_shmtx_lock(&guard->shpool->mutex);

    bucket = (ngx_http_apikey_bucket_t *)
                 ngx_http_apikey_index_find(&guard->shared->index, key);

    if (bucket) {
        /* before a reload there may have been more room */
        bucket->empty = ngx_min(bucket->empty, now + guard->room);
        empty = bucket->empty;
    }

    ngx_shmtx_unlock(&guard->shpool->mutex);

    free = now + guard->room - guard->interval;

    return empty > free ? (empty - free + 999999) / 1000000 : 0;
}


void
ngx_http_apikey_guard_count(ngx_http_request_t *r,
    ngx_http_apikey_guard_t *guard)
{
    u_char  key[APIKEY_DIGEST_SIZE];

    ngx_http_apikey_guard_key(r, guard, key);
    ngx_http_apikey_guard_add(guard, key);
}


ngx_int_t
ngx_http_apikey_guard_await(ngx_http_apikey_ctx_t *ctx)
{
    ngx_http_apikey_gone_t  *gone;

    gone = ngx_alloc(sizeof(ngx_http_apikey_gone_t), ngx_cycle->log);
    if (gone == NULL) {
        return NGX_ERROR;
    }

    gone->guard = ctx->alcf->guard;
    ngx_http_apikey_guard_key(ctx->request, gone->guard, gone->key);

    ngx_http_apikey_batch_pass_on(ctx->question.pending,
                                  ngx_http_apikey_guard_awaited, gone);

    return NGX_OK;
}


static void
ngx_http_apikey_guard_awaited(void *data,
    ngx_http_apikey_batch_answer_t *answer)
{
    ngx_http_apikey_gone_t *gone = data;

    if (answer->code == NGX_HTTP_APIKEY_RECORD
        && answer->record->elements == 2)
    {
        /* the name of a record, and that there is none */
        ngx_http_apikey_guard_add(gone->guard, gone->key);
    }

    ngx_free(gone);
}


static void
ngx_http_apikey_guard_add(ngx_http_apikey_guard_t *guard, u_char *key)
{
    uint64_t                   now;
    ngx_queue_t               *q;
    ngx_http_apikey_node_t    *node;
    ngx_http_apikey_index_t   *index;
    ngx_http_apikey_bucket_t  *bucket;

    now = ngx_http_apikey_guard_now();
    index = &guard->shared->index;

    ngx_shmtx_lock(&guard->shpool->mutex);

    bucket = (ngx_http_apikey_bucket_t *)
                 ngx_http_apikey_index_find(index, key);

    if (bucket) {
        ngx_queue_remove(&bucket->node.queue);
        ngx_queue_insert_head(&index->queue, &bucket->node.queue);

    } else {
        bucket = ngx_slab_alloc_locked(guard->shpool,
                                       sizeof(ngx_http_apikey_bucket_t));

        if (bucket == NULL && !ngx_queue_empty(&index->queue)) {

            q = ngx_queue_last(&index->queue);
            node = ngx_queue_data(q, ngx_http_apikey_node_t, queue);

            ngx_http_apikey_index_remove(index, node);
            bucket = (ngx_http_apikey_bucket_t *) node;
        }

        if (bucket == NULL) {
            goto done;
        }

        bucket->empty = 0;

        ngx_http_apikey_index_insert(index, &bucket->node, key);
    }

    bucket->empty = ngx_min(ngx_max(bucket->empty, now) + guard->interval,
                            now + guard->room);

done:

    ngx_shmtx_unlock(&guard->shpool->mutex);
}


ngx_str_t *
ngx_http_apikey_guard_known(ngx_http_apikey_guard_t *guard,
    ngx_uint_t *addresses)
{
    *addresses = guard->shared->index.count;

    return &guard->shm_zone->shm.name;
}


static void
ngx_http_apikey_guard_key(ngx_http_request_t *r,
    ngx_http_apikey_guard_t *guard, u_char *key)
{
    u_char  *addr;
    size_t   len;

    len = ngx_http_apikey_client_network(r, &addr);

    /* begins with what the table is hashed by */

    ngx_memzero(key, APIKEY_DIGEST_SIZE);

    crypto_shorthash(key, addr, len, guard->shared->secret);

    key[crypto_shorthash_BYTES] = (u_char) len;
    ngx_memcpy(key + crypto_shorthash_BYTES + 1, addr, len);
}


static uint64_t
ngx_http_apikey_guard_now(void)
{
    return (uint64_t) ngx_current_msec * 1000;
}
