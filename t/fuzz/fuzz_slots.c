#include "redis/slots.h"
#include "fuzz.h"


#define FUZZ_ELEMENTS  1024


static void fuzz_reply(apikey_text_t bytes);
static void *fuzz_array(const redisReadTask *task, int elements);
static void fuzz_good(const redis_slots_t *slots);


static void  *(*hiredis_array)(const redisReadTask *task, int elements);


/* A name, a newline, an error, a newline, the bytes of a reply. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    redis_slots_t  slots;
    apikey_text_t  name, error, reply;

    name = fuzz_line(&data, &size);
    error = fuzz_line(&data, &size);
    reply = fuzz_copy(data, size);

    must(apikey_slot(name) < APIKEY_SLOTS);

    if (redis_slots_error(&slots, error) != REDIS_SLOTS_NONE) {
        must(slots.first == slots.last);
        fuzz_good(&slots);
    }

    fuzz_reply(reply);

    fuzz_free(name);
    fuzz_free(error);
    fuzz_free(reply);

    return 0;
}


static void
fuzz_reply(apikey_text_t bytes)
{
    size_t                      i;
    void                       *data;
    redisReply                 *reply;
    redisReader                *reader;
    redis_slots_t               slots;
    redisReplyObjectFunctions   functions;

    reader = redisReaderCreate();
    must(reader != NULL);

    hiredis_array = reader->fn->createArray;
    functions = *reader->fn;
    functions.createArray = fuzz_array;
    reader->fn = &functions;

    data = NULL;

    if (redisReaderFeed(reader, bytes.data, bytes.len) == REDIS_OK
        && redisReaderGetReply(reader, &data) == REDIS_OK
        && data != NULL)
    {
        reply = data;

        if (redis_slots_entry(&slots, reply)) {
            fuzz_good(&slots);
        }

        for (i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements;
             i++)
        {
            if (redis_slots_entry(&slots, reply->element[i])) {
                fuzz_good(&slots);
            }
        }

        freeReplyObject(reply);
    }

    redisReaderFree(reader);
}


static void *
fuzz_array(const redisReadTask *task, int elements)
{
    return elements > FUZZ_ELEMENTS ? NULL : hiredis_array(task, elements);
}


static void
fuzz_good(const redis_slots_t *slots)
{
    must(slots->first <= slots->last);
    must(slots->last < APIKEY_SLOTS);
    must(slots->port >= 1 && slots->port <= 65535);
    must(slots->host.len <= REDIS_HOST_MAX);
    must(slots->host.len == 0
         || memchr(slots->host.data, ' ', slots->host.len) == NULL);
    must(slots->host.len == 0
         || memchr(slots->host.data, '\0', slots->host.len) == NULL);
}
