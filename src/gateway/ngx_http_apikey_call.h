#ifndef _NGX_HTTP_APIKEY_CALL_H_INCLUDED_
#define _NGX_HTTP_APIKEY_CALL_H_INCLUDED_

/* What is collected for a call of decide.lua, and what is on its way. */


#include "ngx_http_apikey.h"


#define NGX_HTTP_APIKEY_BATCH_MAX    64        /* questions of a call */
#define NGX_HTTP_APIKEY_REV_MAX      32        /* digits, and zeros */

/* As decide.lua has it. */
#define NGX_HTTP_APIKEY_RUN_SIZE     (6 + 1)
#define NGX_HTTP_APIKEY_GROUP_SIZE                                            \
    (1 + 1 + 1 + 5 + 5 + 7 + 1 + 1 + NGX_HTTP_APIKEY_REV_MAX + 6)
#define NGX_HTTP_APIKEY_METER_SIZE                                            \
    (1 + 1 + NGX_HTTP_APIKEY_FIELD_SIZE + APIKEY_WINDOWS_MAX * 10)


typedef enum {
    NGX_HTTP_APIKEY_KEYS_RECORD = 0,
    NGX_HTTP_APIKEY_KEYS_BOTH,
    NGX_HTTP_APIKEY_KEYS_POOL
} ngx_http_apikey_keys_e;


typedef struct ngx_http_apikey_call_s  ngx_http_apikey_call_t;


struct ngx_http_apikey_batch_question_s {
    ngx_queue_t                   queue;       /* of its group, in order */
    ngx_http_apikey_call_t       *call;        /* NULL: not sent yet */
    ngx_http_apikey_batch_handler_pt     handler;     /* NULL: cancelled */
    void                         *data;
    uint64_t                      cost;
    uint64_t                      want;
};


/* Questions, in order, that are decided on one read. */
typedef struct {
    ngx_queue_t                   questions;
    ngx_http_apikey_keys_e        keys;
    ngx_http_apikey_rule_e        rule;
    ngx_uint_t                    meter;       /* 0: none */
    uint64_t                      not_before;
    uint64_t                      until;
    size_t                        rev_len;
    size_t                        record_len;
    size_t                        holder_len;
    u_char                        rev[NGX_HTTP_APIKEY_REV_MAX];
    u_char                        digest[APIKEY_DIGEST_SIZE];
    char                          record[APIKEY_NAME_SIZE];
    char                          holder[APIKEY_NAME_SIZE];
} ngx_http_apikey_batch_group_t;


typedef struct {
    size_t                        len;
    u_char                        data[NGX_HTTP_APIKEY_METER_SIZE];
} ngx_http_apikey_packed_t;


/* On its way: the questions of its groups. */
struct ngx_http_apikey_call_s {
    ngx_queue_t                   queue;
    ngx_http_apikey_batch_t      *batch;
    ngx_redis_command_t          *command;
    uint32_t                      mark;        /* of the first group */
    ngx_uint_t                    live;        /* questions not cancelled */
    ngx_uint_t                    n;
    ngx_queue_t                   groups[NGX_HTTP_APIKEY_BATCH_MAX];
};


struct ngx_http_apikey_batch_s {
    ngx_http_apikey_main_conf_t  *amcf;
    ngx_event_t                   event;       /* posted: the turn ends */
    ngx_queue_t                   calls;       /* on their way */
    ngx_queue_t                   spare_calls;
    ngx_queue_t                   spare_questions;
    uint32_t                      mark;        /* of the next group */

    ngx_uint_t                    nquestions;
    ngx_uint_t                    ngroups;
    ngx_uint_t                    nmeters;
    uint32_t                      hashes[NGX_HTTP_APIKEY_BATCH_MAX];
    ngx_http_apikey_batch_group_t       groups[NGX_HTTP_APIKEY_BATCH_MAX];
    ngx_http_apikey_packed_t      meters[NGX_HTTP_APIKEY_BATCH_MAX];
    u_char                        packed[4 + NGX_HTTP_APIKEY_BATCH_MAX
                                         * (NGX_HTTP_APIKEY_GROUP_SIZE
                                            + NGX_HTTP_APIKEY_RUN_SIZE)];
};


/*
 * Sends n groups, which are then the call's.  NGX_DECLINED: refused, and their
 * questions are where they were.
 */
ngx_int_t ngx_http_apikey_call_send(ngx_http_apikey_batch_t *batch,
    ngx_uint_t first, ngx_uint_t n);

/* The same answer to each question of a group, which is empty then. */
void ngx_http_apikey_call_tell(ngx_http_apikey_batch_t *batch,
    ngx_queue_t *group, ngx_http_apikey_batch_answer_t *answer);

/* ngx_redis_handler_pt, of ngx_http_apikey_call_t, which is spare then. */
void ngx_http_apikey_call_answered(void *data, redisReply *reply);

/* Nobody waits for it any more. */
void ngx_http_apikey_call_cancel(ngx_http_apikey_call_t *call);


#endif /* _NGX_HTTP_APIKEY_CALL_H_INCLUDED_ */
