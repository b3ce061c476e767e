#include "redis/view.h"
#include "fuzz.h"


#define FUZZ_ELEMENTS  1024


#if (HIREDIS_MAJOR >= 1)
typedef size_t  fuzz_elements_t;
#else
typedef int     fuzz_elements_t;
#endif


static void fuzz_reply(apikey_text_t bytes);
static void *fuzz_array(const redisReadTask *task, fuzz_elements_t elements);
static void fuzz_good(const apikey_slots_t *slots);
static void fuzz_name(apikey_text_t name);


static void  *(*hiredis_array)(const redisReadTask *task,
    fuzz_elements_t elements);


/* A name, a newline, an error, a newline, the bytes of a reply. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apikey_slots_t  slots;
    apikey_text_t  name, error, reply;

    name = fuzz_line(&data, &size);
    error = fuzz_line(&data, &size);
    reply = fuzz_copy(data, size);

    must(apikey_slot(name) < APIKEY_SLOTS);

    if (apikey_slots_error(&slots, error) != APIKEY_SLOTS_NONE) {
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
    apikey_slots_t              slots;
    apikey_slots_view_t         map;
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

        redis_view(&map, reply);

        if (apikey_slots_check(&map) == NULL) {
            must(map.count != 0);

            for (i = 0; i < map.count; i++) {
                apikey_slots_range(&slots, &map, i);
                fuzz_good(&slots);
            }
        }

        freeReplyObject(reply);
    }

    redisReaderFree(reader);
}


static void *
fuzz_array(const redisReadTask *task, fuzz_elements_t elements)
{
    return elements > FUZZ_ELEMENTS ? NULL : hiredis_array(task, elements);
}


static void
fuzz_good(const apikey_slots_t *slots)
{
    must(slots->first <= slots->last);
    must(slots->last < APIKEY_SLOTS);
    must(slots->port <= 65535);
    must(slots->port != 0 || slots->host.len == 0);

    fuzz_name(slots->host);
    fuzz_name(slots->id);
}


/* It can be logged. */

static void
fuzz_name(apikey_text_t name)
{
    size_t  i;

    must(name.len <= APIKEY_SLOTS_HOST_MAX);

    for (i = 0; i < name.len; i++) {
        must(name.data[i] > ' ' && name.data[i] < 0x7f);
    }
}
