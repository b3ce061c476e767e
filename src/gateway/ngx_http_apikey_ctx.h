#ifndef _NGX_HTTP_APIKEY_CTX_H_INCLUDED_
#define _NGX_HTTP_APIKEY_CTX_H_INCLUDED_

/* What is known of a request while it lasts. */

#include "ngx_http_apikey.h"


/* Where the counters of a request are, and what they are checked against. */
typedef struct {
    const apikey_limits_t        *limits;      /* NULL: unlimited */
    ngx_str_t                     plan;
    ngx_str_t                     field;
    ngx_str_t                     holder;      /* empty: with the record */
    const u_char                 *owner;       /* digest; NULL: many keys' */
    uint64_t                      epoch;       /* since they were forgotten */
    ngx_uint_t                    leased;
} ngx_http_apikey_meter_t;


/* Called once, when the request's pool is destroyed. */
typedef void (*ngx_http_apikey_ended_pt)(ngx_http_apikey_ctx_t *ctx);


/* The key of a request, and what of it may be seen. */
typedef struct {
    u_char                        digest[APIKEY_DIGEST_SIZE];
    ngx_str_t                     args;      /* the query, its key masked */
    ngx_str_t                     uri;       /* the same with the path */
    uint64_t                      hidden;    /* variables of hidden keys */
    ngx_str_t                     standin;   /* what they are instead */

    unsigned                      key:1;     /* There is one; digest is set. */
    unsigned                      own:1;     /* It has the form of our keys. */
    unsigned                      malformed:1;  /* It can't be a key. */
    unsigned                      masked:1;  /* args and uri are set. */
} ngx_http_apikey_credential_t;


/* What Redis is asked of the key, and what is known of its record. */
typedef struct {
    ngx_http_apikey_batch_question_t  *pending;   /* NULL: none */
    ngx_uint_t                    asked;     /* how often */
    ngx_http_apikey_stamp_t       stamp;     /* of the zone, when asked */
    uint32_t                      heard;     /* of changes, when asked */
    ngx_msec_t                    sent;
    uint64_t                      want;      /* of a lease, besides cost */
    uint64_t                      more;      /* of it, once this has passed */

    unsigned                      confirmed:1;    /* The record holds. */
    unsigned                      stale:1;   /* It held until Redis went. */
    unsigned                      unknown:1; /* Redis has no such record. */
    unsigned                      unavailable:1;  /* Redis can't answer. */
    unsigned                      spending:1;     /* The question counts. */
    unsigned                      apart:1;   /* It is about counters only. */
} ngx_http_apikey_question_t;


/* What the request is counted in, how much it counts, what came of it. */
typedef struct {
    ngx_http_apikey_meter_t       meter;
    uint64_t                      cost;
    apikey_counter_t              counters[APIKEY_WINDOWS_MAX];
    apikey_quota_t                quota;
    ngx_http_apikey_entry_t      *former;    /* by which it was counted */

    unsigned                      priced:1;  /* cost is set, or priceless is. */
    unsigned                      priceless:1;    /* The cost is no number. */
    unsigned                      metered:1; /* counters and quota are set. */
    unsigned                      counted:1; /* The cost has been added. */
    unsigned                      limited:1; /* The cost didn't fit. */
    unsigned                      uncounted:1;    /* Redis can't count it. */
    unsigned                      allowed:1; /* It passes although uncounted. */
    unsigned                      local:1;   /* It was counted here instead. */
    unsigned                      returned:1;     /* A lease made room. */
} ngx_http_apikey_count_t;


/* What the client is answered. */
typedef struct {
    ngx_http_apikey_result_e      result;
    ngx_uint_t                    status;    /* refused with; 0: passed */
    ngx_str_t                     body;      /* of the refusal */

    unsigned                      written:1; /* The body has been sent. */
} ngx_http_apikey_answer_t;


/* The decision about a client's request. */
struct ngx_http_apikey_ctx_s {
    ngx_http_request_t           *request;
    ngx_http_apikey_ended_pt      ended;
    ngx_http_apikey_main_conf_t  *amcf;
    ngx_http_apikey_loc_conf_t   *alcf;      /* that decides */
    ngx_str_t                     method;    /* as the client sent it */
    ngx_uint_t                    method_bit;     /* NGX_HTTP_GET, ... */

    int                          *captures;  /* $1 where it has arrived */
    ngx_uint_t                    ncaptures;
    u_char                       *captures_data;

    ngx_http_apikey_credential_t  credential;
    ngx_http_apikey_entry_t      *entry;     /* the record; NULL: not known */
    uint64_t                      now;       /* Redis's clock, microseconds */
    ngx_http_apikey_question_t    question;
    ngx_http_apikey_count_t       count;
    ngx_http_apikey_answer_t      answer;

    ngx_msec_t                    started;
    ngx_msec_t                    spent;     /* milliseconds deciding */

    ngx_http_apikey_store_t      *stores;    /* what nginx may cache */
    ngx_chain_t                  *held;      /* of the request's body */

    ngx_queue_t                   live;      /* ngx_http_apikey_cut.c */
    ngx_msec_t                    passed;
    void                         *group;     /* NULL: young, or ending */
    ngx_http_apikey_result_e      verdict;   /* for which it is ended */

    unsigned                      admitted:1;     /* The guard lets it in. */
    unsigned                      bad:1;     /* The guard has counted it. */
    unsigned                      judging:1; /* started is set. */
    unsigned                      reading:1; /* The body is read meanwhile. */
    unsigned                      living:1;  /* live is in a queue. */
};


/* ngx_http_apikey_ctx.c */

/* NULL: no memory. */
ngx_http_apikey_ctx_t *ngx_http_apikey_ctx_create(ngx_http_request_t *r,
    ngx_http_apikey_ended_pt ended);

/* The request's decision, if there is one, redirected or not. */
ngx_http_apikey_ctx_t *ngx_http_apikey_ctx_get(ngx_http_request_t *r);

/* ngx_http_apikey_captures.c */

/*
 * Those of the location, before any other regular expression is tried; and
 * those that were kept, once the location decides.
 */
ngx_int_t ngx_http_apikey_captures_keep(ngx_http_request_t *r);
void ngx_http_apikey_captures_take(ngx_http_request_t *r,
    ngx_http_apikey_ctx_t *ctx);

/* Of a directive of the location at which the request has arrived. */
ngx_int_t ngx_http_apikey_captures_value(ngx_http_request_t *r,
    ngx_http_apikey_ctx_t *ctx, ngx_http_complex_value_t *cv,
    ngx_str_t *value);


#endif /* _NGX_HTTP_APIKEY_CTX_H_INCLUDED_ */
