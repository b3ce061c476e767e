/* hiredis' reader, and what keeps it from trusting a server. */

#include "ngx_redis_connection.h"


#define NGX_REDIS_ARRAY_MAX     16384   /* each slot of a Cluster by itself */


#if (HIREDIS_MAJOR >= 1)
typedef size_t  ngx_redis_elements_t;
#else
typedef int     ngx_redis_elements_t;
#endif


static void *ngx_redis_create_array(const redisReadTask *task,
    ngx_redis_elements_t elements);


static redisReplyObjectFunctions  ngx_redis_reply_functions;
static void                    *(*ngx_redis_hiredis_array)(
    const redisReadTask *task, ngx_redis_elements_t elements);


ngx_int_t
ngx_redis_check_library(ngx_log_t *log)
{
    void         *data;
    ngx_int_t     rc;
    redisReply   *reply;
    redisReader  *reader;

    static char  canned[] = "*2\r\n$2\r\nok\r\n:7\r\n";

    data = NULL;

    reader = ngx_redis_reader_create();
    if (reader == NULL) {
        return NGX_ERROR;
    }

    rc = NGX_ERROR;

    if (redisReaderFeed(reader, canned, sizeof(canned) - 1) == REDIS_OK
        && redisReaderGetReply(reader, &data) == REDIS_OK
        && data != NULL)
    {
        reply = data;

        if (reply->type == REDIS_REPLY_ARRAY
            && reply->elements == 2
            && reply->element[0]->type == REDIS_REPLY_STRING
            && ngx_strcmp(reply->element[0]->str, "ok") == 0
            && reply->element[1]->type == REDIS_REPLY_INTEGER
            && reply->element[1]->integer == 7)
        {
            rc = NGX_OK;
        }

        freeReplyObject(reply);
    }

    redisReaderFree(reader);

    if (rc != NGX_OK) {
        ngx_log_error(NGX_LOG_EMERG, log, 0,
                      "the hiredis in use is not the one that "
                      "the module was built with");
    }

    return rc;
}


redisReader *
ngx_redis_reader_create(void)
{
    redisReader  *reader;

    reader = redisReaderCreate();
    if (reader == NULL) {
        return NULL;
    }

    if (ngx_redis_hiredis_array == NULL) {
        ngx_redis_reply_functions = *reader->fn;
        ngx_redis_hiredis_array = reader->fn->createArray;
        ngx_redis_reply_functions.createArray = ngx_redis_create_array;
    }

    reader->fn = &ngx_redis_reply_functions;

    return reader;
}


/* hiredis allocates whatever number of elements a server announces */

static void *
ngx_redis_create_array(const redisReadTask *task,
    ngx_redis_elements_t elements)
{
    if (elements > NGX_REDIS_ARRAY_MAX) {
        return NULL;
    }

    return ngx_redis_hiredis_array(task, elements);
}
