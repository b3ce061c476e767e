#ifndef _NGX_HTTP_APIKEY_WORKER_H_INCLUDED_
#define _NGX_HTTP_APIKEY_WORKER_H_INCLUDED_

/* What a worker has of its own, and does besides requests. */

#include "ngx_http_apikey.h"


/* ngx_http_apikey_worker.c */

ngx_int_t ngx_http_apikey_worker_start(ngx_http_apikey_main_conf_t *amcf);
void ngx_http_apikey_worker_stop(ngx_http_apikey_main_conf_t *amcf);

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

/* ngx_http_apikey_cut.c */

/* Of a worker; the client is there. */
ngx_int_t ngx_http_apikey_cut_start(ngx_http_apikey_main_conf_t *amcf,
    ngx_cycle_t *cycle);
void ngx_http_apikey_cut_stop(ngx_http_apikey_main_conf_t *amcf);

/* A request with a key passes; and ends. */
void ngx_http_apikey_cut_add(ngx_http_apikey_ctx_t *ctx);
void ngx_http_apikey_cut_remove(ngx_http_apikey_ctx_t *ctx);

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


#endif /* _NGX_HTTP_APIKEY_WORKER_H_INCLUDED_ */
