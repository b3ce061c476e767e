#ifndef _NGX_HTTP_APIKEY_H_INCLUDED_
#define _NGX_HTTP_APIKEY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "core/limit.h"
#include "core/memo.h"
#include "core/names.h"
#include "core/record.h"
#include "core/scope.h"
#include "core/token.h"
#include "core/usage.h"
#include "redis/ngx_redis.h"
#include "version.h"


#define NGX_HTTP_APIKEY_OFF            0
#define NGX_HTTP_APIKEY_ON             1
#define NGX_HTTP_APIKEY_OPTIONAL       2

#define NGX_HTTP_APIKEY_CHECKSUM       0
#define NGX_HTTP_APIKEY_ANY            1

#define NGX_HTTP_APIKEY_LIMIT_OFF      0
#define NGX_HTTP_APIKEY_LIMIT_ON       1
#define NGX_HTTP_APIKEY_LIMIT_DRY_RUN  2

#define NGX_HTTP_APIKEY_DENY           0
#define NGX_HTTP_APIKEY_ALLOW          1
#define NGX_HTTP_APIKEY_LOCAL          2

#define NGX_HTTP_APIKEY_LEGACY         0x0001
#define NGX_HTTP_APIKEY_IETF           0x0002

#define NGX_HTTP_APIKEY_ERROR_OFF      0
#define NGX_HTTP_APIKEY_ERROR_JSON     1
#define NGX_HTTP_APIKEY_ERROR_PROBLEM  2

#define NGX_HTTP_APIKEY_PASS           0
#define NGX_HTTP_APIKEY_CHECK          1


/* In the order of the table of ngx_http_apikey_result.c. */
typedef enum {
    NGX_HTTP_APIKEY_NONE = 0,
    NGX_HTTP_APIKEY_OK,
    NGX_HTTP_APIKEY_ANONYMOUS,
    NGX_HTTP_APIKEY_MISSING,
    NGX_HTTP_APIKEY_MALFORMED,
    NGX_HTTP_APIKEY_UNKNOWN,
    NGX_HTTP_APIKEY_REVOKED,
    NGX_HTTP_APIKEY_DISABLED,
    NGX_HTTP_APIKEY_EXPIRED,
    NGX_HTTP_APIKEY_ADDRESS,
    NGX_HTTP_APIKEY_TENANT,
    NGX_HTTP_APIKEY_METHOD,
    NGX_HTTP_APIKEY_SCOPE,
    NGX_HTTP_APIKEY_LIMITED,
    NGX_HTTP_APIKEY_GUARDED,
    NGX_HTTP_APIKEY_UNAVAILABLE,
    NGX_HTTP_APIKEY_DRY_RUN,
    NGX_HTTP_APIKEY_PREFLIGHT,
    NGX_HTTP_APIKEY_RESULTS
} ngx_http_apikey_result_e;


typedef enum {
    NGX_HTTP_APIKEY_HEADER = 0,
    NGX_HTTP_APIKEY_BEARER,
    NGX_HTTP_APIKEY_QUERY,
    NGX_HTTP_APIKEY_COOKIE
} ngx_http_apikey_place_e;


/* What stands in for Redis; names in ngx_http_apikey_failover.c, in order. */
typedef enum {
    NGX_HTTP_APIKEY_BY_STALE = 0,          /* records from before */
    NGX_HTTP_APIKEY_BY_ALLOW,              /* limits: none */
    NGX_HTTP_APIKEY_BY_LOCAL,              /* limits: counted here */
    NGX_HTTP_APIKEY_FAILOVERS
} ngx_http_apikey_failover_e;


typedef enum {
    NGX_HTTP_APIKEY_REPORT_OFF = 0,
    NGX_HTTP_APIKEY_REPORT_JSON,
    NGX_HTTP_APIKEY_REPORT_PROMETHEUS
} ngx_http_apikey_report_e;


typedef struct {
    ngx_http_apikey_place_e       place;
    ngx_str_t                     name;    /* of a header in lower case */
    ngx_uint_t                    hash;    /* of a header, as nginx hashes it */
    uint64_t                      hidden;  /* its bit; 0: never */
} ngx_http_apikey_source_t;


typedef enum {
    NGX_HTTP_APIKEY_PER_KEY = 0,
    NGX_HTTP_APIKEY_PER_ORG,
    NGX_HTTP_APIKEY_PER_PROJECT
} ngx_http_apikey_per_e;


typedef struct {
    ngx_str_t                     name;
    ngx_str_t                     field;   /* "n:NAME" */
    apikey_limits_t               limits;
    ngx_http_apikey_per_e         per;
    ngx_uint_t                    leased;
    ngx_uint_t                    fallback;  /* a location's default */
} ngx_http_apikey_plan_t;


/* A line of apikey_require: methods are NULL where it covers all. */
typedef struct {
    ngx_array_t                  *methods; /* ngx_str_t */
    ngx_array_t                  *scopes;  /* ngx_str_t */
} ngx_http_apikey_rule_t;


typedef enum {
    NGX_HTTP_APIKEY_ORG = 0,
    NGX_HTTP_APIKEY_PROJECT,
    NGX_HTTP_APIKEY_SERVICE
} ngx_http_apikey_tenant_e;


typedef struct {
    ngx_http_apikey_tenant_e      tenant;
    ngx_http_complex_value_t      value;
} ngx_http_apikey_bind_t;


typedef struct ngx_http_apikey_main_conf_s  ngx_http_apikey_main_conf_t;
typedef struct ngx_http_apikey_ctx_s  ngx_http_apikey_ctx_t;
typedef struct ngx_http_apikey_records_s  ngx_http_apikey_records_t;
typedef struct ngx_http_apikey_changes_s  ngx_http_apikey_changes_t;
typedef struct ngx_http_apikey_cut_s  ngx_http_apikey_cut_t;
typedef struct ngx_http_apikey_zone_s  ngx_http_apikey_zone_t;
typedef struct ngx_http_apikey_guard_s  ngx_http_apikey_guard_t;
typedef struct ngx_http_apikey_watch_s  ngx_http_apikey_watch_t;
typedef struct ngx_http_apikey_usage_s  ngx_http_apikey_usage_t;
typedef struct ngx_http_apikey_tally_s  ngx_http_apikey_tally_t;
typedef struct ngx_http_apikey_events_s  ngx_http_apikey_events_t;
typedef struct ngx_http_apikey_stream_s  ngx_http_apikey_stream_t;
typedef struct ngx_http_apikey_shared_s  ngx_http_apikey_shared_t;
typedef struct ngx_http_apikey_metrics_s  ngx_http_apikey_metrics_t;
typedef struct ngx_http_apikey_score_s  ngx_http_apikey_score_t;
typedef struct ngx_http_apikey_seat_s  ngx_http_apikey_seat_t;
typedef struct ngx_http_apikey_hidden_s  ngx_http_apikey_hidden_t;
typedef struct ngx_http_apikey_store_s  ngx_http_apikey_store_t;


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


struct ngx_http_apikey_main_conf_s {
    ngx_redis_conf_t             *redis;
    ngx_str_t                     password_file;
    ngx_str_t                     prefix;
    apikey_pepper_t              *pepper;
    apikey_memo_t                *memo;        /* of keys, by that pepper */
    ngx_array_t                   plans;       /* ngx_http_apikey_plan_t */
    ngx_http_apikey_plan_t       *anonymous;
    ngx_redis_script_t            decide;
    ngx_redis_script_t            beat;
    ngx_redis_script_t            expiring;
    ngx_redis_script_t            giveback;
    ngx_redis_script_t            usage_script;
    ngx_http_apikey_zone_t       *zone;        /* NULL: no apikey_cache */
    ngx_array_t                   guards;      /* ngx_http_apikey_guard_t * */
    ngx_array_t                   places;      /* ngx_http_apikey_place_t */
    ngx_uint_t                    report;      /* some location reports */
    ngx_http_apikey_metrics_t    *metrics;     /* NULL: nothing to count */
    ngx_int_t                     usage_days;
    ngx_uint_t                    counting;    /* apikey_usage somewhere */
    ngx_array_t                   hidden;      /* ngx_http_apikey_hidden_t * */
    ngx_array_t                   queries;     /* of all servers */
    ngx_int_t                     request_uri; /* index of the variable */

    /* of the worker */
    ngx_http_apikey_seat_t       *seat;
    ngx_redis_t                  *client;
    ngx_http_apikey_records_t      *cache;
    ngx_http_apikey_changes_t    *changes;
    ngx_http_apikey_cut_t        *cut;
    ngx_http_apikey_watch_t      *watch;
    ngx_http_apikey_usage_t      *usage;       /* NULL: not counting */
    ngx_http_apikey_events_t     *events;      /* NULL: another worker's */
    ngx_http_apikey_stream_t     *stream;      /* NULL: not counting */
    time_t                        refused;     /* Redis's last error; 0: none */
};


/* Of a server and its locations. */
typedef struct {
    ngx_array_t                   queries;     /* ngx_str_t: of query:NAME */
} ngx_http_apikey_srv_conf_t;


typedef struct {
    ngx_uint_t                    enable;
    ngx_array_t                  *anonymous;   /* ngx_str_t; NULL: any method */
    ngx_array_t                  *sources;     /* ngx_http_apikey_source_t */
    ngx_flag_t                    hide;
    ngx_flag_t                    shared_cache;
    ngx_uint_t                    format;

    ngx_array_t                  *methods;     /* ngx_str_t; NULL: all */
    ngx_str_t                     resource;
    ngx_str_t                     needs[4];    /* read, write, delete, any */
    ngx_array_t                  *rules;       /* ngx_http_apikey_rule_t */
    ngx_array_t                  *binds;       /* ngx_http_apikey_bind_t */
    ngx_str_t                     allow;       /* the header of 405 */

    ngx_str_t                     default_plan_name;
    ngx_http_apikey_plan_t       *default_plan;
    ngx_uint_t                    limit;
    ngx_http_complex_value_t     *cost;
    ngx_http_complex_value_t     *charge;
    ngx_uint_t                    limit_failure;
    ngx_http_apikey_guard_t      *guard;

    ngx_uint_t                    headers;
    ngx_uint_t                    error;
    ngx_str_t                     realm;
    ngx_str_t                     challenge;   /* WWW-Authenticate */
    ngx_uint_t                    preflight;
    ngx_flag_t                    cut;

    ngx_http_apikey_score_t      *score;       /* of what is decided here */
    ngx_uint_t                    report;      /* apikey_status */
    ngx_flag_t                    usage;
    ngx_http_complex_value_t     *endpoint;    /* NULL: method, location */
    ngx_http_complex_value_t     *country;
    ngx_str_t                     location;    /* its name */
} ngx_http_apikey_loc_conf_t;


/* A record that Redis has sent, kept by the worker while it is of use. */
typedef struct {
    ngx_queue_t                   bucket;
    u_char                        digest[APIKEY_DIGEST_SIZE];
    apikey_record_t              *record;
    ngx_http_apikey_tally_t        *use;         /* what is counted; NULL */
    ngx_uint_t                    refs;        /* requests that use it */
    ngx_msec_t                    touched;     /* in the queue */
    ngx_queue_t                   queue;       /* last used first */
    ngx_uint_t                    cached;
    size_t                        size;
    ngx_str_t                     packed;      /* its fields, as they came */
} ngx_http_apikey_entry_t;


#define NGX_HTTP_APIKEY_QUESTIONS   5        /* to Redis, to decide once */

#define NGX_HTTP_APIKEY_FIELDS      256                       /* of a record */
#define NGX_HTTP_APIKEY_FIELD_SIZE  (2 + APIKEY_LABEL_MAX)    /* "n:PLAN" */


/* Where the counters of a request are, and what they are checked against. */
typedef struct {
    const apikey_limits_t        *limits;      /* NULL: unlimited */
    ngx_str_t                     plan;
    ngx_str_t                     field;
    ngx_str_t                     pool;        /* empty: with the record */
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
    ngx_redis_command_t          *command;   /* under way; NULL: none */
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


#define ngx_http_apikey_text(s)                                               \
    ((apikey_text_t) { (const char *) (s)->data, (s)->len })

#define ngx_http_apikey_is(s, literal)                                        \
    ((s)->len == sizeof(literal) - 1                                          \
     && ngx_strncmp((s)->data, literal, sizeof(literal) - 1) == 0)

#define ngx_http_apikey_begins(s, literal)                                    \
    ((s)->len >= sizeof(literal) - 1                                          \
     && ngx_strncmp((s)->data, literal, sizeof(literal) - 1) == 0)


/* What Redis has counted for a lease. */
typedef struct {
    ngx_http_apikey_main_conf_t  *amcf;
    apikey_limits_t               limits;
    apikey_counter_t              counters[APIKEY_WINDOWS_MAX];
    uint64_t                      epoch;
    uint64_t                      now;
    uint64_t                      want;        /* what was asked for */
    uint64_t                      amount;
    uint64_t                      refused;     /* cost; 0: it passed */
    ngx_uint_t                    spent;       /* for that, of the lease */
    ngx_uint_t                    returned;    /* or given back, to fit now */
    ngx_msec_t                    sent;
    size_t                        name_len;
    size_t                        field_len;
    u_char                        key[APIKEY_DIGEST_SIZE];
    char                          name[APIKEY_NAME_SIZE];
    char                          field[NGX_HTTP_APIKEY_FIELD_SIZE];
} ngx_http_apikey_taken_t;


extern ngx_module_t  ngx_http_apikey_module;


/* ngx_http_apikey_conf.c */

void *ngx_http_apikey_create_main_conf(ngx_conf_t *cf);
char *ngx_http_apikey_init_main_conf(ngx_conf_t *cf, void *conf);
void *ngx_http_apikey_create_srv_conf(ngx_conf_t *cf);
void *ngx_http_apikey_create_loc_conf(ngx_conf_t *cf);
char *ngx_http_apikey_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
char *ngx_http_apikey_usage_days(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_apikey_source(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_apikey_prefix(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_apikey_realm(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* ngx_http_apikey_value.c */

/* Says why a directive's value is wrong; returns NGX_CONF_ERROR. */
char *ngx_http_apikey_value_refuse(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *value, const char *why);

char *ngx_http_apikey_value_enum(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* The name and size of "zone=NAME:SIZE". */
char *ngx_http_apikey_value_zone(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *value, ngx_str_t *name, ssize_t *size);

/* ngx_http_apikey_rules.c */

char *ngx_http_apikey_enable(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_apikey_methods(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_apikey_resource(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_apikey_require(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_apikey_bind(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* All of them are merged; those of 405 are what they come to. */
ngx_int_t ngx_http_apikey_rules_merge(ngx_conf_t *cf,
    ngx_http_apikey_loc_conf_t *prev, ngx_http_apikey_loc_conf_t *conf);

/* ngx_http_apikey_server.c: what is read of files and resolved */

char *ngx_http_apikey_redis(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_apikey_pepper_file(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* ngx_http_apikey_tls.c */

/* Of "tls_ca=path", arg is the path. */
const char *ngx_http_apikey_tls_option(ngx_redis_tls_t *tls,
    ngx_str_t *value, ngx_str_t *arg);
char *ngx_http_apikey_tls(ngx_conf_t *cf, ngx_redis_conf_t *redis);

/* ngx_http_apikey_access.c */

ngx_int_t ngx_http_apikey_location_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_apikey_preaccess_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_apikey_access_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_apikey_passed_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_apikey_ended_handler(ngx_http_request_t *r);

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

/* ngx_http_apikey_path.c */

ngx_int_t ngx_http_apikey_path_add(ngx_conf_t *cf);

/* Before anything is decided by the path. */
ngx_int_t ngx_http_apikey_path_settle(ngx_http_request_t *r);

/* ngx_http_apikey_body.c */

ngx_int_t ngx_http_apikey_body_init(ngx_conf_t *cf);

/* ngx_http_apikey_end.c */

/*
 * For its verdict: answered 401 if that can still be, else broken off.  Not
 * within the handler of a reply of Redis; the context may be gone then.
 */
void ngx_http_apikey_end_request(ngx_http_apikey_ctx_t *ctx);

/* ngx_http_apikey_cut.c */

/* Of a worker; the client is there. */
ngx_int_t ngx_http_apikey_cut_start(ngx_http_apikey_main_conf_t *amcf,
    ngx_cycle_t *cycle);
void ngx_http_apikey_cut_stop(ngx_http_apikey_main_conf_t *amcf);

/* A request with a key passes; and ends. */
void ngx_http_apikey_cut_add(ngx_http_apikey_ctx_t *ctx);
void ngx_http_apikey_cut_remove(ngx_http_apikey_ctx_t *ctx);

/* ngx_http_apikey_credential.c */

/*
 * Looks for the key in the location's sources; sets the digest or
 * malformed, hides what is to be hidden, masks what is logged.
 */
ngx_int_t ngx_http_apikey_credential_find(ngx_http_request_t *r,
    ngx_http_apikey_loc_conf_t *alcf, ngx_http_apikey_ctx_t *ctx);

/* ngx_http_apikey_query.c */

/*
 * The value of the parameter, percent-decoded into the request's pool, its
 * name too may have been encoded.  *count: how often it is there with a value.
 */
ngx_int_t ngx_http_apikey_query_value(ngx_pool_t *pool, ngx_str_t *args,
    ngx_str_t *name, ngx_str_t *value, ngx_uint_t *count);

/* A copy without the parameter or, with a mask, with that as its value. */
ngx_int_t ngx_http_apikey_query_rewrite(ngx_pool_t *pool, ngx_str_t *args,
    ngx_str_t *name, ngx_str_t *mask);

/* The same in a URI, or in a request line, in which " HTTP/" ends the query. */
ngx_int_t ngx_http_apikey_query_rewrite_uri(ngx_pool_t *pool, ngx_str_t *uri,
    ngx_str_t *name, ngx_str_t *mask);

/* ngx_http_apikey_mask.c: what is logged of a request */

/* Of the location that is being merged: names that its server masks. */
ngx_int_t ngx_http_apikey_mask_add(ngx_conf_t *cf,
    ngx_http_apikey_loc_conf_t *alcf);

/*
 * Masks, in a query and in a URI or request line, what any location of the
 * server takes for keys.  Either may be NULL; what is masked is a copy.
 */
ngx_int_t ngx_http_apikey_mask(ngx_http_request_t *r, ngx_str_t *args,
    ngx_str_t *uri);

/* The request line, before any phase can log it. */
ngx_int_t ngx_http_apikey_mask_handler(ngx_http_request_t *r);

/* All that may be logged of it, first in the log phase. */
ngx_int_t ngx_http_apikey_mask_log_handler(ngx_http_request_t *r);

/* What the error log tells of the requests of these sockets. */
void ngx_http_apikey_mask_listen(ngx_cycle_t *cycle);

/* ngx_http_apikey_hidden.c: what variables tell of a hidden key */

/* Of the location that is being merged: its keys will be hidden. */
ngx_int_t ngx_http_apikey_hidden_add(ngx_conf_t *cf,
    ngx_http_apikey_loc_conf_t *alcf);

/* Once all locations are known. */
ngx_int_t ngx_http_apikey_hidden_init(ngx_conf_t *cf);

/* ngx_http_apikey_store.c: what nginx's caches may store */

/* A variable that tells keys apart has been evaluated, and isn't empty. */
void ngx_http_apikey_store_made(ngx_http_request_t *r,
    ngx_http_apikey_ctx_t *ctx);

/* The upstream's headers are there, and nginx hasn't stored them yet. */
void ngx_http_apikey_store_check(ngx_http_request_t *r);

/* Before the content phase. */
ngx_int_t ngx_http_apikey_store_handler(ngx_http_request_t *r);

/* ngx_http_apikey_worker.c */

ngx_int_t ngx_http_apikey_worker_start(ngx_http_apikey_main_conf_t *amcf);
void ngx_http_apikey_worker_stop(ngx_http_apikey_main_conf_t *amcf);

/* ngx_http_apikey_lookup.c */

/*
 * In a Cluster counters that many keys share are on another node than the
 * record, so there they are a question of their own, once the record is
 * confirmed.
 */
ngx_uint_t ngx_http_apikey_lookup_apart(ngx_http_apikey_ctx_t *ctx);

/*
 * NGX_AGAIN: asked, the request will be resumed by its write event or, if it is
 * reading its body, its read event; NGX_DECLINED: can't.
 */
ngx_int_t ngx_http_apikey_lookup_ask(ngx_http_request_t *r,
    ngx_http_apikey_ctx_t *ctx, ngx_uint_t spend);

/* Adds to the counters of a request that has passed; nobody waits for it. */
void ngx_http_apikey_lookup_add(ngx_http_apikey_ctx_t *ctx, uint64_t amount);

/* The request ends before the answer. */
void ngx_http_apikey_lookup_abandon(ngx_http_apikey_ctx_t *ctx);

/* Asks for the record only, for no request: whatever it is now. */
ngx_redis_command_t *ngx_http_apikey_lookup_ask_record(
    ngx_http_apikey_ctx_t *ctx, ngx_redis_handler_pt handler, void *data);

/* Asks for ctx->question.more of a lease, which no request waits for. */
void ngx_http_apikey_lookup_ask_lease(ngx_http_apikey_ctx_t *ctx);

/* ngx_http_apikey_answer.c: of type ngx_redis_handler_pt */
/* Little-endian. */
u_char *ngx_http_apikey_pack(u_char *p, uint64_t n, ngx_uint_t bytes);

/* ngx_http_apikey_answer.c */

/*
 * To the question of ctx->question.command, for a request or for none.  NGX_ERROR: Redis
 * can't answer, and that is logged; else the record is confirmed or unknown.
 */
ngx_int_t ngx_http_apikey_answer_take(ngx_http_apikey_ctx_t *ctx,
    redisReply *reply, ngx_log_t *log);

/* Of type ngx_redis_handler_pt: */

/* ngx_http_apikey_ctx_t: the request goes on in a posted event. */
void ngx_http_apikey_answer_decision(void *data, redisReply *reply);

/* ngx_http_apikey_taken_t, which is freed: for nobody who waits. */
void ngx_http_apikey_answer_lease(void *data, redisReply *reply);

/* ngx_http_apikey_main_conf_t */
void ngx_http_apikey_answer_added(void *data, redisReply *reply);

/* ngx_http_apikey_zone_conf.c */

char *ngx_http_apikey_cache(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

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

/* ngx_http_apikey_watch.c */

/* Before there are workers: what tells them from those of other gateways. */
void ngx_http_apikey_watch_init(void);

ngx_int_t ngx_http_apikey_watch_start(ngx_http_apikey_main_conf_t *amcf,
    ngx_cycle_t *cycle);
void ngx_http_apikey_watch_stop(ngx_http_apikey_main_conf_t *amcf);

/* Does the worker hear of changes, and does everybody know it? */
ngx_uint_t ngx_http_apikey_watch_trusted(ngx_http_apikey_main_conf_t *amcf);

/* Says so in the worker's seat. */
void ngx_http_apikey_watch_sample(ngx_http_apikey_main_conf_t *amcf);

/* ngx_http_apikey_lease.c */

/*
 * NGX_OK: the request is counted, and more is set if the lease runs out soon;
 * NGX_DECLINED: want is set, ask Redis.
 */
ngx_int_t ngx_http_apikey_lease_spend(ngx_http_apikey_ctx_t *ctx);

/* Returns what is left for Redis to add. */
uint64_t ngx_http_apikey_lease_charge(ngx_http_apikey_ctx_t *ctx,
    uint64_t amount);

/* All but counters, now, amount and refused. */
void ngx_http_apikey_taken_init(ngx_http_apikey_taken_t *taken,
    ngx_http_apikey_ctx_t *ctx);

/*
 * Whatever Redis has answered about counters that leases are taken of.  They
 * become what is to be shown, without what the gateway holds.
 */
void ngx_http_apikey_lease_take(ngx_http_apikey_taken_t *taken);

/* Gives back what was evicted; the lock isn't held. */
void ngx_http_apikey_lease_return(ngx_http_apikey_main_conf_t *amcf);

/* Gives back what is idle, or all. */
void ngx_http_apikey_lease_sweep(ngx_http_apikey_main_conf_t *amcf,
    ngx_uint_t all);

/* ngx_http_apikey_local.c */

/*
 * Decides as Redis would, by what the gateway has counted.  NGX_DECLINED: the
 * zone is full.
 */
ngx_int_t ngx_http_apikey_local_spend(ngx_http_apikey_ctx_t *ctx);
void ngx_http_apikey_local_charge(ngx_http_apikey_ctx_t *ctx,
    uint64_t amount);

/* ngx_http_apikey_failover.c */

/* For a request; logs that it begins. */
void ngx_http_apikey_failover_begin(ngx_http_apikey_ctx_t *ctx,
    ngx_http_apikey_failover_e by);

/* Redis has confirmed a record or, if counted, counted. */
void ngx_http_apikey_failover_end(ngx_http_apikey_main_conf_t *amcf,
    ngx_uint_t counted);

/* Has it stood in for Redis in what was decided of the request? */
ngx_uint_t ngx_http_apikey_failover_served(ngx_http_apikey_ctx_t *ctx,
    ngx_http_apikey_failover_e by);

ngx_uint_t ngx_http_apikey_failover_active(ngx_http_apikey_metrics_t *metrics,
    ngx_http_apikey_failover_e by);
const char *ngx_http_apikey_failover_name(ngx_http_apikey_failover_e by);

/* ngx_http_apikey_metrics.c */

/* Its address tells this zone from others. */
extern u_char  ngx_http_apikey_metrics_tag;

/* Once all locations are known. */
ngx_int_t ngx_http_apikey_metrics_add(ngx_conf_t *cf);

/* The location that is being merged decides requests. */
ngx_int_t ngx_http_apikey_metrics_place(ngx_conf_t *cf,
    ngx_http_apikey_loc_conf_t *alcf);

/* The configuration holds. */
void ngx_http_apikey_metrics_loaded(ngx_http_apikey_main_conf_t *amcf);

/* Of a worker. */
ngx_int_t ngx_http_apikey_metrics_enter(ngx_http_apikey_main_conf_t *amcf);
void ngx_http_apikey_metrics_leave(ngx_http_apikey_main_conf_t *amcf);

/* In the log phase. */
ngx_int_t ngx_http_apikey_score_handler(ngx_http_request_t *r);

/* ngx_http_apikey_report.c */

char *ngx_http_apikey_report(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

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

/* ngx_http_apikey_policy.c */

/* NGX_HTTP_APIKEY_OK, or what the entry's record lacks at this location. */
ngx_http_apikey_result_e ngx_http_apikey_policy_judge(ngx_http_request_t *r,
    ngx_http_apikey_loc_conf_t *alcf, ngx_http_apikey_ctx_t *ctx);

/* Of CORS: a browser asks whether its page may. */
ngx_uint_t ngx_http_apikey_policy_preflight(ngx_http_request_t *r);

/* Of the key by itself, wherever it is used.  NONE: there is no record yet. */
ngx_http_apikey_result_e ngx_http_apikey_policy_standing(
    ngx_http_apikey_ctx_t *ctx);

/* By "methods" of "apikey optional". */
ngx_uint_t ngx_http_apikey_policy_anonymous(ngx_http_request_t *r,
    ngx_http_apikey_loc_conf_t *alcf);

/* By apikey_methods, which hold for anonymous requests, too. */
ngx_uint_t ngx_http_apikey_policy_method(ngx_http_request_t *r,
    ngx_http_apikey_loc_conf_t *alcf);

/*
 * What counts as one client: an IPv4 address, or the 8 bytes of an IPv6
 * network; 0 for a unix socket.
 */
size_t ngx_http_apikey_client_address(ngx_http_request_t *r, u_char **addr);

/* ngx_http_apikey_guard.c */

char *ngx_http_apikey_guard(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* Seconds until the client's keys are looked at again; 0: they are. */
ngx_uint_t ngx_http_apikey_guard_wait(ngx_http_request_t *r,
    ngx_http_apikey_guard_t *guard);

/* The client's key was bad. */
void ngx_http_apikey_guard_count(ngx_http_request_t *r,
    ngx_http_apikey_guard_t *guard);

/*
 * The client goes away: the answer may still say that its key is unknown.
 * NGX_ERROR: no memory, the command is as it was.
 */
ngx_int_t ngx_http_apikey_guard_await(ngx_http_apikey_ctx_t *ctx);

/* The name of its zone; how many addresses are in there. */
ngx_str_t *ngx_http_apikey_guard_known(ngx_http_apikey_guard_t *guard,
    ngx_uint_t *addresses);

/* Its address tells the zones of guards from others. */
extern u_char  ngx_http_apikey_guard_tag;

/* ngx_http_apikey_single.c */

/* Once all zones are known: those that are in use stay. */
ngx_int_t ngx_http_apikey_single_keep(ngx_conf_t *cf);

/* ngx_http_apikey_amount.c */

/* Of a directive with a complex value: 0 to APIKEY_COUNT_MAX. */
char *ngx_http_apikey_amount_slot(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* NGX_DECLINED: not a whole number, and that is logged. */
ngx_int_t ngx_http_apikey_amount_eval(ngx_http_request_t *r,
    ngx_http_apikey_ctx_t *ctx, ngx_http_complex_value_t *cv,
    const char *directive, uint64_t *amount);

/* ngx_http_apikey_charge.c */

/* In the log phase. */
ngx_int_t ngx_http_apikey_charge_handler(ngx_http_request_t *r);

/* ngx_http_apikey_limiter.c */

char *ngx_http_apikey_plan(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* All of them as Pplans has them (names.h), in memory of the pool. */
ngx_int_t ngx_http_apikey_plan_list(ngx_http_apikey_main_conf_t *amcf,
    ngx_pool_t *pool, ngx_str_t *text);

/* NULL: there is none. */
ngx_http_apikey_plan_t *ngx_http_apikey_plan_find(
    ngx_http_apikey_main_conf_t *amcf, apikey_text_t name);

/*
 * NGX_OK: the request is to be counted, and its meter and cost are set;
 * NGX_DECLINED: it isn't; NGX_ERROR: nobody can tell, so it must not pass.
 */
ngx_int_t ngx_http_apikey_limiter_price(ngx_http_request_t *r,
    ngx_http_apikey_loc_conf_t *alcf, ngx_http_apikey_ctx_t *ctx);

/*
 * NGX_OK: the gateway has counted the request by itself, or needn't;
 * NGX_DECLINED: Redis has to, or nobody can.
 */
ngx_int_t ngx_http_apikey_limiter_spend(ngx_http_apikey_loc_conf_t *alcf,
    ngx_http_apikey_ctx_t *ctx);

/* The result of a request that may pass, but for its limits. */
ngx_http_apikey_result_e ngx_http_apikey_limiter_result(
    ngx_http_apikey_loc_conf_t *alcf, ngx_http_apikey_ctx_t *ctx,
    ngx_http_apikey_result_e passed);

/* ngx_http_apikey_usage.c */

/* In the log phase. */
ngx_int_t ngx_http_apikey_usage_handler(ngx_http_request_t *r);

/* ngx_http_apikey_usage_send.c */

/* Of a worker; the client is there. */
ngx_int_t ngx_http_apikey_usage_start(ngx_http_apikey_main_conf_t *amcf,
    ngx_log_t *log);
void ngx_http_apikey_usage_stop(ngx_http_apikey_main_conf_t *amcf);

/* Bytes that wait to be written. */
size_t ngx_http_apikey_usage_waiting(ngx_http_apikey_main_conf_t *amcf);

/* ngx_http_apikey_events.c */

ngx_int_t ngx_http_apikey_events_start(ngx_http_apikey_main_conf_t *amcf,
    ngx_log_t *log);
void ngx_http_apikey_events_stop(ngx_http_apikey_main_conf_t *amcf);

/* What usage.lua has found. */
void ngx_http_apikey_events_found(ngx_http_apikey_main_conf_t *amcf,
    redisReply *reply);

/* ngx_http_apikey_stream.c */

ngx_int_t ngx_http_apikey_stream_start(ngx_http_apikey_main_conf_t *amcf,
    ngx_log_t *log);

/* What waits is sent, as far as Redis takes it in time. */
void ngx_http_apikey_stream_stop(ngx_http_apikey_main_conf_t *amcf);

/* Names and values, which are copied. */
void ngx_http_apikey_stream_add(ngx_http_apikey_main_conf_t *amcf,
    ngx_redis_args_t *fields);

/* ngx_http_apikey_reply.c */

ngx_int_t ngx_http_apikey_reply_init(ngx_conf_t *cf);

/* ngx_http_apikey_result.c */

/* The status of a refusal; 0: the request passes. */
ngx_uint_t ngx_http_apikey_result_status(ngx_http_apikey_result_e result);

/* As $apikey_result has it. */
ngx_str_t *ngx_http_apikey_result_name(ngx_http_apikey_result_e result);

/* In the body of a refusal. */
const char *ngx_http_apikey_result_message(ngx_http_apikey_result_e result);

/* ngx_http_apikey_variables.c */

ngx_int_t ngx_http_apikey_variables_add(ngx_conf_t *cf);

/* While the configuration is read; NULL: there is none of that name. */
ngx_http_variable_t *ngx_http_apikey_find_variable(ngx_conf_t *cf,
    ngx_str_t *name);


#endif /* _NGX_HTTP_APIKEY_H_INCLUDED_ */
