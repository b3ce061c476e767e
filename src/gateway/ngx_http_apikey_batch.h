#ifndef _NGX_HTTP_APIKEY_BATCH_H_INCLUDED_
#define _NGX_HTTP_APIKEY_BATCH_H_INCLUDED_


/* What is asked in one turn of the event loop, by all requests. */

#include "ngx_http_apikey.h"


/* How the counters are to be decided; as decide.lua has it. */
typedef enum {
    NGX_HTTP_APIKEY_RULE_USUAL = 0,
    NGX_HTTP_APIKEY_RULE_CHARGE,           /* of any rev; what doesn't fit */
    NGX_HTTP_APIKEY_RULE_LEASE             /* want, besides the cost */
} ngx_http_apikey_rule_e;


/* What is asked; all of it is copied. */
typedef struct {
    const u_char                 *digest;      /* of the record; NULL: none */
    apikey_text_t                 rev;         /* empty: it isn't known */
    uint64_t                      not_before;
    uint64_t                      expires;     /* 0: never */
    const apikey_limits_t        *limits;      /* NULL: nothing is counted */
    apikey_text_t                 field;
    apikey_text_t                 holder;      /* empty: with the record */
    uint64_t                      cost;
    uint64_t                      want;
    ngx_http_apikey_rule_e        rule;
} ngx_http_apikey_asked_t;


typedef enum {
    NGX_HTTP_APIKEY_PASSED = 0,
    NGX_HTTP_APIKEY_REFUSED,
    NGX_HTTP_APIKEY_UNTIMELY,
    NGX_HTTP_APIKEY_RECORD,                /* it is another, or there is none */
    NGX_HTTP_APIKEY_FAILED,                /* Redis's error */
    NGX_HTTP_APIKEY_NONSENSE,              /* not an answer to this question */
    NGX_HTTP_APIKEY_LOST                   /* counted or not: none will come */
} ngx_http_apikey_code_e;


/* Lives until the handler returns. */
struct ngx_http_apikey_batch_answer_s {
    ngx_http_apikey_code_e        code;
    const char                   *why;         /* FAILED, NONSENSE */
    uint64_t                      now;         /* microseconds */
    uint64_t                      leased;
    apikey_text_t                 counters;    /* packed, of all windows */
    uint64_t                      later;       /* counted after this question */
    redisReply                   *record;      /* RECORD: fields, values, its
                                                  name, the time */
};


/* Called once for each question that was accepted and not cancelled. */
typedef void (*ngx_http_apikey_batch_handler_pt)(void *data,
    ngx_http_apikey_batch_answer_t *answer);


/* Of a worker, before its client. */
ngx_int_t ngx_http_apikey_batch_create(ngx_http_apikey_main_conf_t *amcf,
    ngx_pool_t *pool);

/* After the client; handlers still outstanding aren't called. */
void ngx_http_apikey_batch_destroy(ngx_http_apikey_main_conf_t *amcf);

/*
 * Asks Redis with all else that is asked in this turn of the event loop.
 * NULL: refused, since it can't be reached; the handler isn't called.
 */
ngx_http_apikey_batch_question_t *ngx_http_apikey_batch_add(
    ngx_http_apikey_main_conf_t *amcf, const ngx_http_apikey_asked_t *asked,
    ngx_http_apikey_batch_handler_pt handler, void *data);

/* Sends what has been asked in this turn. */
void ngx_http_apikey_batch_send(ngx_http_apikey_main_conf_t *amcf);

/* The caller goes away: the answer, when it comes, is dropped. */
void ngx_http_apikey_batch_cancel(ngx_http_apikey_batch_question_t *question);

/* Or it is somebody else's. */
void ngx_http_apikey_batch_pass_on(ngx_http_apikey_batch_question_t *question,
    ngx_http_apikey_batch_handler_pt handler, void *data);

/* In its handler: see ngx_redis_distrust(). */
void ngx_http_apikey_batch_distrust(ngx_http_apikey_batch_question_t *question);


#endif /* _NGX_HTTP_APIKEY_BATCH_H_INCLUDED_ */
