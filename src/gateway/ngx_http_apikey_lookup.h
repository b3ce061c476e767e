#ifndef _NGX_HTTP_APIKEY_LOOKUP_H_INCLUDED_
#define _NGX_HTTP_APIKEY_LOOKUP_H_INCLUDED_

/* What Redis is asked of a request, and what it answers. */

#include "ngx_http_apikey.h"


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
ngx_http_apikey_batch_question_t *ngx_http_apikey_lookup_ask_record(
    ngx_http_apikey_ctx_t *ctx, ngx_http_apikey_batch_handler_pt handler,
    void *data);

/* Asks for ctx->question.more of a lease, which no request waits for. */
void ngx_http_apikey_lookup_ask_lease(ngx_http_apikey_ctx_t *ctx);

/* ngx_http_apikey_answer.c */

/*
 * To the question under way, for a request or for none.  NGX_ERROR: Redis can't
 * answer, and that is logged; else the record is confirmed or unknown.
 */
ngx_int_t ngx_http_apikey_answer_take(ngx_http_apikey_ctx_t *ctx,
    ngx_http_apikey_batch_answer_t *answer, ngx_log_t *log);

/* Of type ngx_http_apikey_batch_handler_pt: */

/* ngx_http_apikey_ctx_t: the request goes on in a posted event. */
void ngx_http_apikey_answer_decision(void *data,
    ngx_http_apikey_batch_answer_t *answer);

/* ngx_http_apikey_taken_t, which is freed: for nobody who waits. */
void ngx_http_apikey_answer_lease(void *data,
    ngx_http_apikey_batch_answer_t *answer);

/* ngx_http_apikey_main_conf_t */
void ngx_http_apikey_answer_added(void *data,
    ngx_http_apikey_batch_answer_t *answer);


#endif /* _NGX_HTTP_APIKEY_LOOKUP_H_INCLUDED_ */
