#ifndef _NGX_HTTP_APIKEY_USAGE_H_INCLUDED_
#define _NGX_HTTP_APIKEY_USAGE_H_INCLUDED_

/*
 * What is counted of the use of keys: in the log phase, in the worker's memory,
 * a tally for each key that was used (ngx_http_apikey_usage.c), and a second
 * later in Redis, some of them by one call of usage.lua
 * (ngx_http_apikey_usage_send.c).
 */

#include "ngx_http_apikey.h"


#define NGX_HTTP_APIKEY_USAGE_AGE     900      /* milliseconds, to be sent */
#define NGX_HTTP_APIKEY_USAGE_SIZE    (24 * 1024 * 1024)  /* bytes waiting */
#define NGX_HTTP_APIKEY_TALLY_MAX     32768
#define NGX_HTTP_APIKEY_ADDRESS_LEN   45       /* the longest of IPv6 */


struct ngx_http_apikey_usage_s {
    ngx_http_apikey_main_conf_t  *amcf;
    ngx_queue_t                   waiting;    /* ngx_http_apikey_tally_t */
    ngx_queue_t                   flying;     /* ngx_http_apikey_parcel_t */
    ngx_uint_t                    nflying;    /* of ngx_http_apikey_tally_t */
    ngx_uint_t                    together;   /* in one call, at most */
    size_t                        size;       /* of all */
    ngx_event_t                   timer;
    time_t                        now;        /* Redis's clock, heard of */
    time_t                        heard;      /* when */
    uint64_t                      day_number; /* since 1970 */
    uint32_t                      day;        /* the same, YYYYMMDD */
    time_t                        complained; /* 0: never */
    ngx_uint_t                    dropping;
    ngx_uint_t                    ending;     /* nothing waits any more */
    ngx_uint_t                    lost;       /* at the end */
};


/* Where in a tally fields are that most requests count in; 0: not yet there. */
typedef struct {
    u_short                       requests;
    u_short                       bytes;
    u_short                       errors;
    u_short                       latencies[APIKEY_USAGE_BUCKETS];
    u_short                       status;
    u_short                       endpoint;
    ngx_uint_t                    code;       /* of status, the latest */
    ngx_uint_t                    method;     /* of endpoint, the latest */
    ngx_http_apikey_loc_conf_t   *alcf;       /* and its location */
} ngx_http_apikey_marks_t;


/* Of one key on one day, until it is sent. */
struct ngx_http_apikey_tally_s {
    ngx_queue_t                   queue;
    ngx_http_apikey_usage_t      *usage;
    ngx_http_apikey_entry_t      *entry;      /* held */
    ngx_msec_t                    since;
    uint32_t                      day;
    time_t                        used;       /* last, by Redis's clock */
    apikey_tally_t                tally;
    ngx_http_apikey_marks_t       marks;
    u_short                       address_len;
    u_char                        address[NGX_HTTP_APIKEY_ADDRESS_LEN];
};


/* ngx_http_apikey_tally.c */

/* What Redis's clock is likely to say. */
time_t ngx_http_apikey_usage_now(ngx_http_apikey_usage_t *usage);

/* Out of its queue, wherever that is; the entry is released. */
void ngx_http_apikey_tally_free(ngx_http_apikey_tally_t *use);

/* ngx_http_apikey_usage_send.c */

/* Too much is waiting: the oldest goes, to Redis if that is there. */
void ngx_http_apikey_usage_relieve(ngx_http_apikey_usage_t *usage);


#endif /* _NGX_HTTP_APIKEY_USAGE_H_INCLUDED_ */
