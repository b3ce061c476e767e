#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "store_call.h"
#include "store_workers.h"


static store_rc_e store_worker_forget(store_t *store,
    const store_name_t *name, const store_worker_t *worker);
static int store_worker_parse(store_worker_t *worker, const redisReply *name,
    const redisReply *value);
static int store_worker_order(const void *one, const void *two);


store_rc_e
store_workers_read(store_t *store, store_workers_t *workers)
{
    size_t           i;
    uint64_t         now;
    redisReply      *reply;
    store_name_t     name;
    apikey_text_t    argv[2];
    store_worker_t  *worker;

    memset(workers, 0, sizeof(store_workers_t));

    if (store_time(store, &now) != STORE_DONE) {
        return STORE_FAILED;
    }

    store_name_gateways(store, &name);

    argv[0] = store_text("HGETALL");
    argv[1] = name.text;

    reply = store_command(store, argv, 2);

    if (reply == NULL) {
        return STORE_FAILED;
    }

    now /= 1000000;

    workers->reply = reply;
    workers->list = must(calloc(reply->elements / 2 + 1,
                                sizeof(store_worker_t)));

    for (i = 0; i + 1 < reply->elements; i += 2) {
        worker = &workers->list[workers->count];

        if (store_worker_parse(worker, reply->element[i],
                               reply->element[i + 1])
            == 0)
        {
            worker->silent = (worker->heard < now) ? now - worker->heard : 0;
            workers->count++;
        }
    }

    qsort(workers->list, workers->count, sizeof(store_worker_t),
          store_worker_order);

    return STORE_DONE;
}


void
store_workers_free(store_workers_t *workers)
{
    freeReplyObject(workers->reply);
    free(workers->list);
    memset(workers, 0, sizeof(store_workers_t));
}


const store_worker_t *
store_workers_find(const store_workers_t *workers, apikey_text_t name)
{
    store_worker_t  key;

    key.name = name;

    return bsearch(&key, workers->list, workers->count,
                   sizeof(store_worker_t), store_worker_order);
}


store_rc_e
store_workers_prune(store_t *store, const store_workers_t *workers)
{
    unsigned       i;
    store_name_t   gateways, plans;

    store_name_gateways(store, &gateways);
    store_name_plans(store, &plans);

    for (i = 0; i < workers->count; i++) {

        if (workers->list[i].silent > STORE_WORKER_GONE
            && (store_worker_forget(store, &plans, &workers->list[i])
                != STORE_DONE
                || store_worker_forget(store, &gateways, &workers->list[i])
                   != STORE_DONE))
        {
            return STORE_FAILED;
        }
    }

    return STORE_DONE;
}


static store_rc_e
store_worker_forget(store_t *store, const store_name_t *name,
    const store_worker_t *worker)
{
    redisReply     *reply;
    apikey_text_t   argv[3];

    argv[0] = store_text("HDEL");
    argv[1] = name->text;
    argv[2] = worker->name;

    reply = store_command(store, argv, 3);

    if (reply == NULL) {
        return STORE_FAILED;
    }

    freeReplyObject(reply);

    return STORE_DONE;
}


/*
 * "TIME VERSION SINCE", of which a later version may say more.  Names and
 * versions are shown on terminals: others than in ASCII are no worker's.
 */

static int
store_worker_parse(store_worker_t *worker, const redisReply *name,
    const redisReply *value)
{
    size_t          i;
    apikey_text_t   words, time;

    if (name->type != REDIS_REPLY_STRING
        || value->type != REDIS_REPLY_STRING
        || name->len == 0)
    {
        return -1;
    }

    worker->name = (apikey_text_t) { name->str, name->len };
    words = (apikey_text_t) { value->str, value->len };

    for (i = 0; i < worker->name.len; i++) {
        if (name->str[i] <= ' ' || name->str[i] >= 0x7f) {
            return -1;
        }
    }

    for (i = 0; i < words.len; i++) {
        if (value->str[i] < ' ' || value->str[i] >= 0x7f) {
            return -1;
        }
    }

    time = apikey_text_word(&words);
    worker->version = apikey_text_word(&words);

    if (apikey_text_number(time, UINT32_MAX, &worker->heard) != APIKEY_OK
        || apikey_text_number(apikey_text_word(&words), UINT32_MAX,
                              &worker->since)
           != APIKEY_OK)
    {
        return -1;
    }

    return 0;
}


static int
store_worker_order(const void *one, const void *two)
{
    const store_worker_t *a = one, *b = two;

    return store_text_order(a->name, b->name);
}
