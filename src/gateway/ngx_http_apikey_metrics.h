#ifndef _NGX_HTTP_APIKEY_METRICS_H_INCLUDED_
#define _NGX_HTTP_APIKEY_METRICS_H_INCLUDED_

/*
 * What the gateway counts, for all its workers, in a zone of shared memory that
 * the module adds by itself and that a reload keeps.
 *
 * The zone always has the same size, for nginx makes one of another size anew,
 * and what old workers still counted would be lost.  Each location that asks
 * for keys has a score by the names of server and location, which stays for
 * good: one that is gone still belongs to the totals, and one that comes back
 * goes on.  Scores are added by the master only, and read without a lock.
 * When there is no room for another one, locations share the last.
 *
 * Each worker has a seat, its place in nginx's table of processes.  Only the
 * worker writes there.  Who takes its place goes on counting where it ended.
 */

#include "ngx_http_apikey.h"


struct ngx_http_apikey_score_s {
    ngx_http_apikey_score_t      *next;
    ngx_atomic_t                  results[NGX_HTTP_APIKEY_RESULTS];
    ngx_atomic_t                  unstored;    /* the load that was told of */
    size_t                        server_len;
    size_t                        location_len;
    u_char                        data[1];     /* server, location */
};


#define NGX_HTTP_APIKEY_REPORTS  128   /* connections of a worker */


typedef struct {
    ngx_atomic_t                  requests;
    ngx_atomic_t                  last;        /* ngx_current_msec; 0: over */
} ngx_http_apikey_failover_state_t;


struct ngx_http_apikey_seat_s {
    ngx_pid_t                     pid;         /* 0: nobody sits here */
    ngx_msec_t                    sampled;     /* what stands below it */
    ngx_msec_t                    heard;       /* of changes, by subscription */
    ngx_uint_t                    subscribed;
    ngx_uint_t                    trusting;    /* what is cached */
    size_t                        usage_waiting;
    ngx_uint_t                    nreports;
    ngx_redis_report_t            reports[NGX_HTTP_APIKEY_REPORTS];

    ngx_redis_stats_t             redis;
    ngx_redis_latency_t           decide;
    uint64_t                      usage_dropped;
};


struct ngx_http_apikey_metrics_s {
    ngx_slab_pool_t              *shpool;
    time_t                        started;
    time_t                        loaded;      /* the configuration */
    ngx_uint_t                    loads;
    ngx_http_apikey_score_t      *scores;
    ngx_http_apikey_score_t      *others;
    ngx_http_apikey_failover_state_t
                                  failovers[NGX_HTTP_APIKEY_FAILOVERS];
    ngx_http_apikey_seat_t       *seats[NGX_MAX_PROCESSES];
};


#define NGX_HTTP_APIKEY_UNHEARD     2500   /* of Redis: nothing is trusted */


/* Is there such a worker still? */
ngx_uint_t ngx_http_apikey_seat_taken(ngx_http_apikey_seat_t *seat);


#endif /* _NGX_HTTP_APIKEY_METRICS_H_INCLUDED_ */
