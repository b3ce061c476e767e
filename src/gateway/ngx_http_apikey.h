#ifndef _NGX_HTTP_APIKEY_H_INCLUDED_
#define _NGX_HTTP_APIKEY_H_INCLUDED_


/*
 * All parts of the gateway.  Each has a header, which says what may be called;
 * calls go one way, from the last of these headers to the first.
 */

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


typedef struct ngx_http_apikey_main_conf_s  ngx_http_apikey_main_conf_t;
typedef struct ngx_http_apikey_ctx_s  ngx_http_apikey_ctx_t;
typedef struct ngx_http_apikey_records_s  ngx_http_apikey_records_t;
typedef struct ngx_http_apikey_changes_s  ngx_http_apikey_changes_t;
typedef struct ngx_http_apikey_cut_s  ngx_http_apikey_cut_t;
typedef struct ngx_http_apikey_batch_s  ngx_http_apikey_batch_t;
typedef struct ngx_http_apikey_batch_question_s
    ngx_http_apikey_batch_question_t;
typedef struct ngx_http_apikey_batch_answer_s  ngx_http_apikey_batch_answer_t;
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


#define ngx_http_apikey_text(s)                                               \
    ((apikey_text_t) { (const char *) (s)->data, (s)->len })

#define ngx_http_apikey_is(s, literal)                                        \
    ((s)->len == sizeof(literal) - 1                                          \
     && ngx_strncmp((s)->data, literal, sizeof(literal) - 1) == 0)

#define ngx_http_apikey_begins(s, literal)                                    \
    ((s)->len >= sizeof(literal) - 1                                          \
     && ngx_strncmp((s)->data, literal, sizeof(literal) - 1) == 0)


extern ngx_module_t  ngx_http_apikey_module;


#include "ngx_http_apikey_result.h"
#include "ngx_http_apikey_conf.h"
#include "ngx_http_apikey_cache.h"
#include "ngx_http_apikey_ctx.h"
#include "ngx_http_apikey_batch.h"
#include "ngx_http_apikey_credential.h"
#include "ngx_http_apikey_policy.h"
#include "ngx_http_apikey_limit.h"
#include "ngx_http_apikey_lookup.h"
#include "ngx_http_apikey_worker.h"
#include "ngx_http_apikey_reply.h"
#include "ngx_http_apikey_access.h"


#endif /* _NGX_HTTP_APIKEY_H_INCLUDED_ */
