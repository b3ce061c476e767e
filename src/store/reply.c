#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "memory.h"
#include "reply.h"


#define REPLY_ELEMENTS  (1 << 24)    /* of an array */

/* An entry of a stream: its id, then fields and values. */
#define REPLY_ENTRIES  "[*[t[*tt]]]"


#if (HIREDIS_MAJOR >= 1)
typedef size_t  reply_elements_t;
#else
typedef int  reply_elements_t;
#endif


static int reply_words(const char *command, const apikey_text_t *argv,
    unsigned argc);
static int reply_is(const reply_t *reply, const char *shape);
static int reply_is_array(const reply_t *reply, const char *shape);
static void reply_view_element(apikey_slots_view_t *view, const void *list,
    size_t i);
static const char *reply_next(const char *shape);
static const char *reply_name(const reply_t *reply);
static void reply_functions_init(void);
static void *reply_array(const redisReadTask *task, reply_elements_t count);


static const reply_expected_t  reply_expected[] = {
    { "ASKING", "s" },
    { "AUTH", "s" },
    { "CLUSTER INFO", "t" },
    { "CLUSTER SLOTS", "[*_]" },        /* its ranges: core/slots.h */
    { "CONFIG GET", "[*tt]" },
    { "DEL", "u" },
    { "EVAL", "u|t" },
    { "EVALSHA", "u|t" },
    { "EXISTS", "u" },
    { "EXPIRE", "u" },
    { "GET", "t|n" },
    { "HDEL", "u" },
    { "HGET", "t|n" },
    { "HGETALL", "[*tt]" },
    { "HKEYS", "[*t]" },
    { "HSCAN", "[t[*tt]]" },
    { "HSET", "u" },
    { "HSETNX", "u" },
    { "INFO", "t" },
    { "PING", "s" },
    { "PUBLISH", "u" },
    { "ROLE", "[ti[*_]]|[ttiti]|[t[*t]]" },
    { "SELECT", "s" },
    { "SENTINEL CKQUORUM", "s" },
    { "SENTINEL get-master-addr-by-name", "[tt]|n" },
    { "SET", "s|n" },
    { "SUBSCRIBE", "[ttu]" },
    { "TIME", "[tt]" },
    { "TTL", "i" },
    { "WAIT", "u" },
    { "XADD", "t" },
    { "XREAD", "[*[t" REPLY_ENTRIES "]]|n" },
    { "XREVRANGE", REPLY_ENTRIES },
    { "ZADD", "u" },
    { "ZREM", "u" },
    { "command", "_" }
};

#define REPLY_EXPECTED  (sizeof(reply_expected) / sizeof(reply_expected_t))


/* A message, a subscription, the reply to PING. */

const reply_expected_t  reply_message = {
    "SUBSCRIBE", "[ttt]|[ttu]|[tt]"
};

static const reply_t  reply_nil = { .type = REDIS_REPLY_NIL };

static redisReplyObjectFunctions  reply_functions;
static void                    *(*reply_hiredis_array)(
    const redisReadTask *task, reply_elements_t count);


const reply_expected_t *
reply_expect(const apikey_text_t *argv, unsigned argc)
{
    unsigned  i;

    for (i = 0; i < REPLY_EXPECTED - 1; i++) {

        if (reply_words(reply_expected[i].command, argv, argc)) {
            break;
        }
    }

    return &reply_expected[i];
}


/* Types only: what a reply says may be secret. */

int
reply_check(const reply_t *reply, const reply_expected_t *expected,
    char why[REPLY_WHY])
{
    int     len;
    size_t  i;

    if (reply->type == REDIS_REPLY_ERROR
        || reply_fits(reply, expected->shape))
    {
        return 0;
    }

    len = snprintf(why, REPLY_WHY, "unexpected reply to %s: %s",
                   expected->command, reply_name(reply));

    for (i = 0; i < reply_count(reply) && i < 3; i++) {
        len += snprintf(why + len, REPLY_WHY - len, "%s%s", i ? ", " : " of ",
                        reply_name(reply_at(reply, i)));
    }

    if (reply_count(reply) > 3) {
        snprintf(why + len, REPLY_WHY - len, " and %zu more",
                 reply_count(reply) - 3);
    }

    return -1;
}


int
reply_fits(const reply_t *reply, const char *shape)
{
    while (shape != NULL && !reply_is(reply, shape)) {
        shape = strchr(shape, '|');
        shape = shape ? shape + 1 : NULL;
    }

    return shape != NULL;
}


void
reply_free(reply_t *reply)
{
    freeReplyObject(reply);
}


struct redisReader *
reply_reader(void)
{
    redisReader  *reader;

    static pthread_once_t  once = PTHREAD_ONCE_INIT;

    (void) pthread_once(&once, reply_functions_init);

    reader = must(redisReaderCreate());
    reader->fn = &reply_functions;

    return reader;
}


const char *
reply_error(const reply_t *reply)
{
    return (reply->type == REDIS_REPLY_ERROR) ? reply->str : NULL;
}


apikey_text_t
reply_text(const reply_t *reply)
{
    if (reply->type != REDIS_REPLY_STRING
        && reply->type != REDIS_REPLY_STATUS)
    {
        return (apikey_text_t) { NULL, 0 };
    }

    return (apikey_text_t) { reply->str, reply->len };
}


long long
reply_number(const reply_t *reply)
{
    return reply_is_number(reply) ? reply->integer : 0;
}


int
reply_is_number(const reply_t *reply)
{
    return reply->type == REDIS_REPLY_INTEGER;
}


size_t
reply_count(const reply_t *reply)
{
    return (reply->type == REDIS_REPLY_ARRAY) ? reply->elements : 0;
}


const reply_t *
reply_at(const reply_t *reply, size_t i)
{
    return (i < reply_count(reply)) ? reply->element[i] : &reply_nil;
}


void
reply_view(apikey_slots_view_t *view, const reply_t *reply)
{
    memset(view, 0, sizeof(apikey_slots_view_t));

    switch (reply->type) {

    case REDIS_REPLY_NIL:
        view->type = APIKEY_SLOTS_NIL;
        break;

    case REDIS_REPLY_INTEGER:
        view->type = APIKEY_SLOTS_INTEGER;
        view->integer = reply->integer;
        break;

    case REDIS_REPLY_STRING:
        view->type = APIKEY_SLOTS_TEXT;
        view->text = reply_text(reply);
        break;

    case REDIS_REPLY_ARRAY:
        view->type = APIKEY_SLOTS_LIST;
        view->count = reply->elements;
        view->element = reply_view_element;
        view->list = reply;
        break;
    }

    /* else APIKEY_SLOTS_OTHER: it has no place in a map */
}


int
reply_pair(const reply_t *reply, size_t i, apikey_field_t *pair)
{
    if (i >= reply_count(reply) / 2) {
        return 0;
    }

    pair->name = reply_text(reply->element[2 * i]);
    pair->value = reply_text(reply->element[2 * i + 1]);

    return 1;
}


/* "CONFIG GET" are the first two words of CONFIG GET save. */

static int
reply_words(const char *command, const apikey_text_t *argv, unsigned argc)
{
    size_t    len;
    unsigned  i;

    for (i = 0; i < argc; i++) {
        len = strcspn(command, " ");

        if (!apikey_text_equal((apikey_text_t) { command, len }, argv[i])) {
            return 0;
        }

        if (command[len] == '\0') {
            return 1;
        }

        command += len + 1;
    }

    return 0;
}


static void
reply_view_element(apikey_slots_view_t *view, const void *list, size_t i)
{
    reply_view(view, reply_at(list, i));
}


static int
reply_is(const reply_t *reply, const char *shape)
{
    switch (*shape) {

    case 't':
        return reply->type == REDIS_REPLY_STRING;

    case 's':
        return reply->type == REDIS_REPLY_STATUS;

    case 'n':
        return reply->type == REDIS_REPLY_NIL;

    case 'i':
        return reply_is_number(reply);

    case 'u':
        return reply_is_number(reply) && reply->integer >= 0;

    case '[':
        return reply_is_array(reply, shape + 1);

    default: /* '_' */
        return 1;
    }
}


static int
reply_is_array(const reply_t *reply, const char *shape)
{
    int          repeated;
    size_t       i;
    const char  *first;

    if (reply->type != REDIS_REPLY_ARRAY) {
        return 0;
    }

    repeated = (*shape == '*');
    shape += repeated;
    first = shape;

    for (i = 0; i < reply->elements; i++) {

        if (*shape == ']' && repeated) {
            shape = first;
        }

        if (*shape == ']' || !reply_is(reply->element[i], shape)) {
            return 0;
        }

        shape = reply_next(shape);
    }

    return *shape == ']' || (repeated && shape == first);
}


/* Behind a letter, or behind an array with all that is in it. */

static const char *
reply_next(const char *shape)
{
    int  depth;

    depth = 0;

    do {
        depth += (*shape == '[') - (*shape == ']');
        shape++;
    } while (depth != 0);

    return shape;
}


static const char *
reply_name(const reply_t *reply)
{
    switch (reply->type) {

    case REDIS_REPLY_STRING:
        return "string";

    case REDIS_REPLY_STATUS:
        return "status";

    case REDIS_REPLY_ERROR:
        return "error";

    case REDIS_REPLY_INTEGER:
        return "integer";

    case REDIS_REPLY_NIL:
        return "nil";

    case REDIS_REPLY_ARRAY:
        return reply->elements ? "array" : "empty array";

    default:
        return "what isn't RESP2";
    }
}


static void
reply_functions_init(void)
{
    redisReader  *reader;

    reader = must(redisReaderCreate());

    reply_functions = *reader->fn;
    reply_hiredis_array = reply_functions.createArray;
    reply_functions.createArray = reply_array;

    redisReaderFree(reader);
}


/* hiredis allocates whatever number of elements a server announces. */

static void *
reply_array(const redisReadTask *task, reply_elements_t count)
{
    return (count > REPLY_ELEMENTS) ? NULL : reply_hiredis_array(task, count);
}
