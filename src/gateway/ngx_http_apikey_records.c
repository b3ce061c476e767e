/*
 * The records a worker has seen, parsed.  None of them is trusted by itself:
 * Redis, or the gateway's zone, confirms the rev of a record with each
 * decision, and sends the record again only when it has changed.  The least
 * recently used records make room for others.
 */

#include "ngx_http_apikey.h"

#include <sodium.h>


#define NGX_HTTP_APIKEY_CACHE_BUCKETS  16384             /* a power of two */
#define NGX_HTTP_APIKEY_CACHE_SIZE     (16 * 1024 * 1024)  /* bytes */
#define NGX_HTTP_APIKEY_CACHE_TOUCH    1000              /* milliseconds */


struct ngx_http_apikey_records_s {
    ngx_queue_t                queue;
    size_t                     size;
    ngx_log_t                 *log;
    ngx_queue_t                buckets[NGX_HTTP_APIKEY_CACHE_BUCKETS];
};


static ngx_queue_t *ngx_http_apikey_records_bucket(
    ngx_http_apikey_records_t *cache, u_char *digest);
static ngx_http_apikey_entry_t *ngx_http_apikey_records_find(
    ngx_http_apikey_records_t *cache, u_char *digest);
static size_t ngx_http_apikey_records_field_size(const apikey_field_t *field);
static u_char *ngx_http_apikey_records_field_pack(u_char *p,
    const apikey_field_t *field);
static void ngx_http_apikey_records_remove(ngx_http_apikey_records_t *cache,
    ngx_http_apikey_entry_t *entry);


ngx_http_apikey_records_t *
ngx_http_apikey_records_create(ngx_log_t *log)
{
    ngx_uint_t                  i;
    ngx_http_apikey_records_t  *cache;

    cache = ngx_alloc(sizeof(ngx_http_apikey_records_t), log);
    if (cache == NULL) {
        return NULL;
    }

    cache->size = 0;
    cache->log = log;

    ngx_queue_init(&cache->queue);

    for (i = 0; i < NGX_HTTP_APIKEY_CACHE_BUCKETS; i++) {
        ngx_queue_init(&cache->buckets[i]);
    }

    return cache;
}


void
ngx_http_apikey_records_destroy(ngx_http_apikey_records_t *cache)
{
    ngx_queue_t              *q;
    ngx_http_apikey_entry_t  *entry;

    while (!ngx_queue_empty(&cache->queue)) {
        q = ngx_queue_head(&cache->queue);
        entry = ngx_queue_data(q, ngx_http_apikey_entry_t, queue);
        ngx_http_apikey_records_remove(cache, entry);
    }

    ngx_free(cache);
}


void
ngx_http_apikey_records_expect(ngx_http_apikey_records_t *cache, u_char *digest)
{
    __builtin_prefetch(ngx_http_apikey_records_bucket(cache, digest));
}


ngx_http_apikey_entry_t *
ngx_http_apikey_records_get(ngx_http_apikey_records_t *cache, u_char *digest)
{
    ngx_http_apikey_entry_t  *entry;

    entry = ngx_http_apikey_records_find(cache, digest);

    if (entry == NULL) {
        return NULL;
    }

    /* seldom, for it takes the neighbours' memory, too */

    if (ngx_current_msec - entry->touched > NGX_HTTP_APIKEY_CACHE_TOUCH) {
        entry->touched = ngx_current_msec;
        ngx_queue_remove(&entry->queue);
        ngx_queue_insert_head(&cache->queue, &entry->queue);
    }

    entry->refs++;

    return entry;
}


ngx_http_apikey_entry_t *
ngx_http_apikey_records_put(ngx_http_apikey_records_t *cache, u_char *digest,
    const apikey_field_t *fields, ngx_uint_t count, const char **why)
{
    u_char                   *p;
    size_t                    packed, head, size;
    ngx_uint_t                i;
    ngx_queue_t              *q;
    ngx_http_apikey_entry_t  *entry;

    ngx_http_apikey_records_drop(cache, digest);

    packed = 0;

    for (i = 0; i < count; i++) {
        packed += ngx_http_apikey_records_field_size(&fields[i]);
    }

    head = ngx_align(sizeof(ngx_http_apikey_entry_t), NGX_ALIGNMENT);
    size = head + ngx_align(apikey_record_size(fields, count), NGX_ALIGNMENT)
           + packed;

    entry = ngx_memalign(ngx_cacheline_size, size, cache->log);
    if (entry == NULL) {
        *why = "no memory";
        return NULL;
    }

    if (apikey_record_parse(&entry->record, (u_char *) entry + head, fields,
                            count, why)
        != APIKEY_OK)
    {
        ngx_free(entry);
        return NULL;
    }

    ngx_memcpy(entry->digest, digest, APIKEY_DIGEST_SIZE);

    p = (u_char *) entry + size - packed;

    entry->size = size;
    entry->touched = ngx_current_msec;
    entry->refs = 1;
    entry->cached = 1;
    entry->packed.data = p;
    entry->packed.len = packed;
    entry->use = NULL;

    for (i = 0; i < count; i++) {
        p = ngx_http_apikey_records_field_pack(p, &fields[i]);
    }

    ngx_queue_insert_head(&cache->queue, &entry->queue);
    ngx_queue_insert_head(ngx_http_apikey_records_bucket(cache, digest),
                          &entry->bucket);

    cache->size += size;

    while (cache->size > NGX_HTTP_APIKEY_CACHE_SIZE) {
        q = ngx_queue_last(&cache->queue);

        ngx_http_apikey_records_remove(cache,
                        ngx_queue_data(q, ngx_http_apikey_entry_t, queue));
    }

    return entry;
}


/* Counters and the last use change all the time and are none of the record. */

static size_t
ngx_http_apikey_records_field_size(const apikey_field_t *field)
{
    if (field->name.len == 0
        || (field->name.data[0] == 'n'
            && (field->name.len == 1 || field->name.data[1] == ':'))
        || ngx_http_apikey_is(&field->name, "used")
        || field->name.len > 0xff
        || field->value.len > 0xffff)
    {
        return 0;
    }

    return 1 + field->name.len + 2 + field->value.len;
}


static u_char *
ngx_http_apikey_records_field_pack(u_char *p, const apikey_field_t *field)
{
    if (ngx_http_apikey_records_field_size(field) == 0) {
        return p;
    }

    *p++ = (u_char) field->name.len;
    p = ngx_cpymem(p, field->name.data, field->name.len);

    *p++ = (u_char) (field->value.len >> 8);
    *p++ = (u_char) field->value.len;

    return ngx_cpymem(p, field->value.data, field->value.len);
}


ngx_uint_t
ngx_http_apikey_records_unpack(ngx_str_t *packed, apikey_field_t *fields,
    ngx_uint_t max)
{
    u_char      *p, *last;
    ngx_uint_t   n;

    p = packed->data;
    last = p + packed->len;

    for (n = 0; p < last && n < max; n++) {
        fields[n].name.len = *p++;
        fields[n].name.data = (char *) p;
        p += fields[n].name.len;

        fields[n].value.len = p[0] << 8 | p[1];
        fields[n].value.data = (char *) p + 2;
        p += 2 + fields[n].value.len;
    }

    return n;
}


void
ngx_http_apikey_records_drop(ngx_http_apikey_records_t *cache, u_char *digest)
{
    ngx_http_apikey_entry_t  *entry;

    entry = ngx_http_apikey_records_find(cache, digest);

    if (entry) {
        ngx_http_apikey_records_remove(cache, entry);
    }
}


void
ngx_http_apikey_records_release(ngx_http_apikey_entry_t *entry)
{
    if (--entry->refs == 0 && !entry->cached) {
        ngx_free(entry);
    }
}


static ngx_http_apikey_entry_t *
ngx_http_apikey_records_find(ngx_http_apikey_records_t *cache, u_char *digest)
{
    ngx_queue_t              *q, *bucket;
    ngx_http_apikey_entry_t  *entry;

    bucket = ngx_http_apikey_records_bucket(cache, digest);

    for (q = ngx_queue_head(bucket);
         q != ngx_queue_sentinel(bucket);
         q = ngx_queue_next(q))
    {
        entry = ngx_queue_data(q, ngx_http_apikey_entry_t, bucket);

        if (crypto_verify_32(entry->digest, digest) == 0) {
            return entry;
        }
    }

    return NULL;
}


/* A digest is as good as random, its first bytes are hash enough. */

static ngx_queue_t *
ngx_http_apikey_records_bucket(ngx_http_apikey_records_t *cache, u_char *digest)
{
    ngx_uint_t  hash;

    hash = (ngx_uint_t) digest[0] << 8 | digest[1];

    return &cache->buckets[hash & (NGX_HTTP_APIKEY_CACHE_BUCKETS - 1)];
}


static void
ngx_http_apikey_records_remove(ngx_http_apikey_records_t *cache,
    ngx_http_apikey_entry_t *entry)
{
    ngx_queue_remove(&entry->queue);
    ngx_queue_remove(&entry->bucket);

    cache->size -= entry->size;
    entry->cached = 0;

    if (entry->refs == 0) {
        ngx_free(entry);
    }
}
