#ifndef _NGX_HTTP_APIKEY_CONF_H_INCLUDED_
#define _NGX_HTTP_APIKEY_CONF_H_INCLUDED_

/* What is configured, and how it is read. */

#include "ngx_http_apikey.h"


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
    ngx_http_apikey_batch_t      *batch;       /* of questions to it */
    ngx_http_apikey_records_t    *cache;
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
    ngx_str_t                     needs[APIKEY_ACTIONS];
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
    ngx_uint_t                    self;        /* apikey_self */
    ngx_flag_t                    usage;
    ngx_http_complex_value_t     *endpoint;    /* NULL: method, location */
    ngx_http_complex_value_t     *country;
    ngx_str_t                     location;    /* its name */
} ngx_http_apikey_loc_conf_t;


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

/* Is it one of them?  HEAD never is: it counts as GET. */
ngx_uint_t ngx_http_apikey_rule_covers(ngx_array_t *methods,
    ngx_str_t *method);

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

/* ngx_http_apikey_single.c */

/* Once all zones are known: those that are in use stay. */
ngx_int_t ngx_http_apikey_single_keep(ngx_conf_t *cf);

/* ngx_http_apikey_zone_conf.c */

char *ngx_http_apikey_cache(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);


#endif /* _NGX_HTTP_APIKEY_CONF_H_INCLUDED_ */
