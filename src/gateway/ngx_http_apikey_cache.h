#ifndef _NGX_HTTP_APIKEY_CACHE_H_INCLUDED_
#define _NGX_HTTP_APIKEY_CACHE_H_INCLUDED_

/*
 * Records: those of a worker, parsed, and those of the gateway in shared
 * memory, of which ngx_http_apikey_zone.h says what is trusted.
 */

#include "ngx_http_apikey.h"


typedef enum {
    NGX_HTTP_APIKEY_TRUST_NONE = 0,        /* the worker may miss changes */
    NGX_HTTP_APIKEY_TRUST_FRESH,           /* within "valid" */
    NGX_HTTP_APIKEY_TRUST_STALE            /* and, without Redis, "stale" */
} ngx_http_apikey_trust_e;


/* A lease has to make room; the lock of the zone is held. */
typedef void (*ngx_http_apikey_evict_pt)(ngx_http_apikey_zone_t *zone,
    void *lease);


/* apikey_cache: what all workers of the gateway know. */
struct ngx_http_apikey_zone_s {
    ngx_shm_zone_t               *shm_zone;
    ngx_slab_pool_t              *shpool;
    ngx_http_apikey_shared_t     *shared;
    ngx_http_apikey_main_conf_t  *amcf;
    ngx_msec_t                    valid;
    ngx_msec_t                    invalid;
    ngx_msec_t                    stale;
    ngx_http_apikey_evict_pt      evict;
};


/*
 * What had happened when a question was asked: an answer from before a change
 * isn't kept.
 */
typedef struct {
    ngx_uint_t                    generation;
    ngx_uint_t                    changes;
} ngx_http_apikey_stamp_t;


#define NGX_HTTP_APIKEY_QUESTIONS   5        /* to Redis, to decide once */

#define NGX_HTTP_APIKEY_FIELDS      256                       /* of a record */
#define NGX_HTTP_APIKEY_FIELD_SIZE  (2 + APIKEY_LABEL_MAX)    /* "n:PLAN" */


/* A record that Redis has sent, kept by the worker while it is of use. */
typedef struct {
    ngx_queue_t                   bucket;
    u_char                        digest[APIKEY_DIGEST_SIZE];
    apikey_record_t              *record;
    ngx_http_apikey_tally_t      *use;         /* what is counted; NULL */
    ngx_uint_t                    refs;        /* requests that use it */
    ngx_msec_t                    touched;     /* in the queue */
    ngx_queue_t                   queue;       /* last used first */
    ngx_uint_t                    cached;
    size_t                        size;
    ngx_str_t                     packed;      /* its fields, as they came */
} ngx_http_apikey_entry_t;


/* ngx_http_apikey_records.c */

ngx_http_apikey_records_t *ngx_http_apikey_records_create(ngx_log_t *log);
void ngx_http_apikey_records_destroy(ngx_http_apikey_records_t *cache);

/* As ngx_http_apikey_zone_expect(). */
void ngx_http_apikey_records_expect(ngx_http_apikey_records_t *cache,
    u_char *digest);

/* Both hold the entry for the caller, who releases it. */
ngx_http_apikey_entry_t *ngx_http_apikey_records_get(
    ngx_http_apikey_records_t *cache, u_char *digest);
ngx_http_apikey_entry_t *ngx_http_apikey_records_put(
    ngx_http_apikey_records_t *cache, u_char *digest,
    const apikey_field_t *fields, ngx_uint_t count, const char **why);

/* The fields of an entry, which point into packed; returns their number. */
ngx_uint_t ngx_http_apikey_records_unpack(ngx_str_t *packed,
    apikey_field_t *fields, ngx_uint_t max);

void ngx_http_apikey_records_drop(ngx_http_apikey_records_t *cache,
    u_char *digest);
void ngx_http_apikey_records_release(ngx_http_apikey_entry_t *entry);

/* ngx_http_apikey_zone.c; zone may be NULL where amcf is given */

/* The digest will be asked for: a hint to the processor, to fetch ahead. */
void ngx_http_apikey_zone_expect(ngx_http_apikey_zone_t *zone,
    u_char *digest);

/*
 * NGX_OK: the entry is set and can be trusted; NGX_DECLINED: it can't, though
 * it may be set.  Sets unknown if that can be trusted, and the stamp for the
 * question to come.
 */
ngx_int_t ngx_http_apikey_zone_get(ngx_http_apikey_main_conf_t *amcf,
    ngx_http_apikey_ctx_t *ctx, ngx_http_apikey_trust_e trust);

/*
 * Keeps what Redis has said: the entry or, without one, that it is unknown.
 * Leases may make room: call ngx_http_apikey_lease_return().
 */
void ngx_http_apikey_zone_put(ngx_http_apikey_zone_t *zone,
    ngx_http_apikey_ctx_t *ctx);

/* The record has changed. */
void ngx_http_apikey_zone_drop(ngx_http_apikey_zone_t *zone, u_char *digest);

/* Any record may have changed. */
void ngx_http_apikey_zone_doubt(ngx_http_apikey_zone_t *zone);

/* Of a worker; the last to leave is told so. */
void ngx_http_apikey_zone_enter(ngx_http_apikey_zone_t *zone);
ngx_uint_t ngx_http_apikey_zone_leave(ngx_http_apikey_zone_t *zone);


#endif /* _NGX_HTTP_APIKEY_CACHE_H_INCLUDED_ */
