#ifndef _NGX_HTTP_APIKEY_REPORT_H_INCLUDED_
#define _NGX_HTTP_APIKEY_REPORT_H_INCLUDED_


#include "ngx_http_apikey_metrics.h"


/* Single numbers.  Times are in milliseconds, but for those since the epoch. */
typedef struct {
    uint64_t                      started;
    uint64_t                      loaded;
    uint64_t                      loads;
    uint64_t                      workers;
    uint64_t                      accepted;
    uint64_t                      refused;
    uint64_t                      lost;
    uint64_t                      loaded_scripts;
    uint64_t                      redirected;
    uint64_t                      pending;
    uint64_t                      failing;
    uint64_t                      subscribed;
    uint64_t                      unheard;     /* since when; the oldest */
    uint64_t                      trusting;
    uint64_t                      usage_waiting;
    uint64_t                      usage_dropped;
    uint64_t                      hits;
    uint64_t                      misses;
    uint64_t                      evicted;
    uint64_t                      known;
    uint64_t                      size;
    uint64_t                      free;
    uint64_t                      leases;
    uint64_t                      tokens;
    uint64_t                      taken;
    uint64_t                      returned;
    uint64_t                      locals;
} ngx_http_apikey_numbers_t;


/* Connections of all workers to one server. */
typedef struct {
    size_t                        len;
    u_char                        name[NGX_REDIS_NAME_MAX];
    ngx_redis_role_e              role;
    ngx_uint_t                    states[NGX_REDIS_CONDITIONS];
} ngx_http_apikey_server_t;


typedef struct {
    ngx_http_apikey_main_conf_t  *amcf;
    ngx_http_apikey_numbers_t     numbers;
    uint64_t                      results[NGX_HTTP_APIKEY_RESULTS];
    uint64_t                      made[NGX_REDIS_ROLES];    /* connections */
    uint64_t                      failed[NGX_REDIS_ROLES];
    ngx_redis_latency_t           latency;     /* of decisions */
    ngx_array_t                   servers;     /* ngx_http_apikey_server_t */
} ngx_http_apikey_snapshot_t;


/* How a number is called, in JSON and for Prometheus. */
typedef struct {
    const char                   *group;       /* "": none */
    const char                   *name;
    const char                   *metric;      /* "..._total": a counter */
    const char                   *help;
    size_t                        offset;      /* in the numbers */
    unsigned                      zone:1;      /* of apikey_cache */
    unsigned                      ms:1;        /* shown in seconds */
} ngx_http_apikey_number_t;


/* A text that grows in the request's pool. */
typedef struct {
    ngx_pool_t                   *pool;
    u_char                       *start;
    u_char                       *pos;
    u_char                       *last;
    ngx_uint_t                    failed;      /* no memory */
} ngx_http_apikey_writer_t;


extern const char *const  ngx_http_apikey_roles[NGX_REDIS_ROLES];
extern const char *const  ngx_http_apikey_conditions[NGX_REDIS_CONDITIONS];


/* ngx_http_apikey_snapshot.c */

/* NGX_ERROR: no memory. */
ngx_int_t ngx_http_apikey_snapshot(ngx_http_apikey_snapshot_t *snapshot,
    ngx_http_apikey_main_conf_t *amcf, ngx_pool_t *pool);

/* ngx_http_apikey_report_text.c */

/* Ends with a name that is NULL. */
extern const ngx_http_apikey_number_t  ngx_http_apikey_number_list[];


/* Up to 512 bytes. */
void ngx_http_apikey_print(ngx_http_apikey_writer_t *w, const char *fmt, ...);

/* Of any length, between quotes, as both formats have it. */
void ngx_http_apikey_print_label(ngx_http_apikey_writer_t *w, u_char *data,
    size_t len);

/* As the body of a response of a type that is set.  For a content handler. */
ngx_int_t ngx_http_apikey_print_send(ngx_http_apikey_writer_t *w,
    ngx_http_request_t *r);

void ngx_http_apikey_print_number(ngx_http_apikey_writer_t *w,
    ngx_http_apikey_snapshot_t *snapshot, const ngx_http_apikey_number_t *n);

/* ngx_http_apikey_report_json.c, ngx_http_apikey_report_prometheus.c */

/* The format, whole. */
void ngx_http_apikey_report_json(ngx_http_apikey_writer_t *w,
    ngx_http_apikey_snapshot_t *snapshot);
void ngx_http_apikey_report_prometheus(ngx_http_apikey_writer_t *w,
    ngx_http_apikey_snapshot_t *snapshot);


#endif /* _NGX_HTTP_APIKEY_REPORT_H_INCLUDED_ */
