#ifndef _NGX_HTTP_APIKEY_LIMIT_H_INCLUDED_
#define _NGX_HTTP_APIKEY_LIMIT_H_INCLUDED_

/* How often: plans, prices, leases, and who counts without Redis. */

#include "ngx_http_apikey.h"


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


#endif /* _NGX_HTTP_APIKEY_LIMIT_H_INCLUDED_ */
