#ifndef _NGX_HTTP_APIKEY_ZONE_H_INCLUDED_
#define _NGX_HTTP_APIKEY_ZONE_H_INCLUDED_

/*
 * What is in the gateway's shared memory, under the lock of its slab pool.
 *
 * A record is trusted for "valid" after Redis has confirmed it, if nothing was
 * missed meanwhile.  "generation" grows with each subscription that begins, for
 * what it has missed; "changes" grow with each message, one of many counters by
 * the first bytes of the digest.  An answer is kept only if neither has grown
 * since the question was sent: a look-up that a revocation overtakes leaves no
 * trace.
 *
 * A lease is a number of requests that Redis has counted already.  It may be
 * spent until the shortest window ends, by the gateway's clock, counted from
 * before it was asked for, and of a record with the same epoch: once counters
 * have been forgotten, or their key was made anew, what was leased before is
 * neither spent nor given back.
 *
 * While Redis can't count, "apikey_limit_failure local" counts here, each
 * holder in the packed form of core/limit.h, as Redis would.
 */

#include "ngx_http_apikey.h"


#define NGX_HTTP_APIKEY_LAYOUT      8      /* of all below */
#define NGX_HTTP_APIKEY_ZONE_TRIES  16     /* to make room */
#define NGX_HTTP_APIKEY_ZONE_SLOTS  1024   /* a power of two */
#define NGX_HTTP_APIKEY_ZONE_EACH   1024   /* bytes of the zone a bucket */
#define NGX_HTTP_APIKEY_ZONE_TOUCH  1000   /* milliseconds */
#define NGX_HTTP_APIKEY_ZONE_MAX    0xffff   /* bytes of a record: u_short */

/* Of one holder: so that it takes 512 bytes. */
#define NGX_HTTP_APIKEY_LOCAL_WINDOWS  20


typedef struct ngx_http_apikey_node_s  ngx_http_apikey_node_t;

struct ngx_http_apikey_node_s {
    ngx_http_apikey_node_t       *next;        /* in its bucket */
    ngx_queue_t                   queue;
    u_char                        key[APIKEY_DIGEST_SIZE];
};


typedef struct {
    ngx_http_apikey_node_t        node;
    ngx_uint_t                    generation;
    ngx_msec_t                    confirmed;
    uint64_t                      now;         /* Redis's clock then */
    ngx_msec_t                    touched;     /* in the queue */
    u_short                       rev_len;     /* 0: there is no such key */
    u_short                       len;
    u_char                        data[1];     /* rev, packed fields */
} ngx_http_apikey_known_t;


typedef struct {
    ngx_http_apikey_node_t        node;
    uint64_t                      tokens;      /* counted, not yet spent */
    uint64_t                      hidden;      /* of them, in what is shown */
    ngx_msec_t                    ends;
    ngx_msec_t                    used;
    ngx_msec_t                    asked;       /* for more; 0: nobody does */
    uint64_t                      granted;     /* the last time */
    uint64_t                      want;        /* the next time */
    uint64_t                      now;         /* of the counters */
    ngx_msec_t                    taken;       /* and by our clock */
    apikey_counter_t              counters[APIKEY_WINDOWS_MAX];
    uint64_t                      epoch;       /* of them */
    apikey_limits_t               limits;
    u_short                       name_len;
    u_short                       field_len;
    u_char                        data[1];     /* holder's name, field */
} ngx_http_apikey_lease_t;


typedef struct {
    ngx_http_apikey_node_t        node;
    uint64_t                      epoch;       /* of them */
    size_t                        len;
    u_char                        packed[NGX_HTTP_APIKEY_LOCAL_WINDOWS
                                         * APIKEY_COUNTER_SIZE];
} ngx_http_apikey_local_t;


/* A hash table; the keys are hashes, or begin with one. */
typedef struct {
    ngx_http_apikey_node_t      **buckets;
    ngx_uint_t                    mask;        /* their number, less one */
    ngx_queue_t                   queue;       /* last used first */
    ngx_uint_t                    count;
} ngx_http_apikey_index_t;


/* What nobody has spent. */
typedef struct {
    size_t                     name_len;
    size_t                     field_len;
    size_t                     packed_len;
    char                       name[APIKEY_NAME_SIZE];
    char                       field[NGX_HTTP_APIKEY_FIELD_SIZE];
    u_char                     packed[7 + 6 + APIKEY_WINDOWS_MAX * 9];
} ngx_http_apikey_rest_t;


struct ngx_http_apikey_shared_s {
    ngx_uint_t                    layout;
    ngx_uint_t                    db;          /* where the records are */
    size_t                        prefix_len;
    u_char                        prefix[APIKEY_NAMES_PREFIX_MAX];
    ngx_http_apikey_index_t       known;
    ngx_http_apikey_index_t       leases;
    ngx_http_apikey_index_t       locals;
    ngx_uint_t                    generation;
    uint32_t                      changes[NGX_HTTP_APIKEY_ZONE_SLOTS];
    uint64_t                      hits;
    uint64_t                      misses;
    uint64_t                      evicted;     /* records and leases */
    uint64_t                      tokens;      /* of all leases, now */
    uint64_t                      taken;       /* of them, ever */
    uint64_t                      returned;
    ngx_pid_t                     workers[NGX_MAX_PROCESSES];
};


/* ngx_http_apikey_zone.c */

/*
 * Makes room by forgetting, gently: what is of no use any more; NULL: there is
 * none.  The lock is held; once it isn't, call ngx_http_apikey_lease_return().
 */
void *ngx_http_apikey_zone_alloc(ngx_http_apikey_zone_t *zone, size_t size,
    ngx_uint_t gently);

/* ngx_http_apikey_index.c */

/* A bucket for so many bytes of the zone each. */
ngx_int_t ngx_http_apikey_index_init(ngx_http_apikey_index_t *index,
    ngx_shm_zone_t *shm_zone, size_t each);

/*
 * Hints to the processor, which need no lock: the key will be looked for, so
 * its bucket, and then what is in there, may be fetched meanwhile.
 */
void ngx_http_apikey_index_expect(ngx_http_apikey_index_t *index, u_char *key);
void ngx_http_apikey_index_approach(ngx_http_apikey_index_t *index,
    u_char *key);

/* The lock is held. */

ngx_http_apikey_node_t *ngx_http_apikey_index_find(
    ngx_http_apikey_index_t *index, u_char *key);
void ngx_http_apikey_index_insert(ngx_http_apikey_index_t *index,
    ngx_http_apikey_node_t *node, u_char *key);
void ngx_http_apikey_index_remove(ngx_http_apikey_index_t *index,
    ngx_http_apikey_node_t *node);

/* ngx_http_apikey_lease.c */

/* By what the counters of a request are found. */
void ngx_http_apikey_lease_key(ngx_http_apikey_ctx_t *ctx, u_char *key);

/* ngx_http_apikey_giveback.c */

/* ngx_http_apikey_evict_pt; ngx_http_apikey_lease_return() gives it back */
void ngx_http_apikey_lease_evict(ngx_http_apikey_zone_t *zone, void *data);

/* As if so much had not been counted. */
void ngx_http_apikey_lease_less(apikey_counter_t *counters,
    const apikey_limits_t *limits, uint64_t amount);

/*
 * What is to be given back: of a lease, which has no tokens then, or of an
 * answer that comes too late.  The lock is held.
 */
void ngx_http_apikey_lease_empty(ngx_http_apikey_zone_t *zone,
    ngx_http_apikey_lease_t *lease, ngx_http_apikey_rest_t *rest);
void ngx_http_apikey_taken_rest(ngx_http_apikey_taken_t *taken,
    ngx_http_apikey_rest_t *rest);

/* The lock isn't held. */
void ngx_http_apikey_lease_give(ngx_http_apikey_main_conf_t *amcf,
    ngx_http_apikey_rest_t *rest);


#endif /* _NGX_HTTP_APIKEY_ZONE_H_INCLUDED_ */
