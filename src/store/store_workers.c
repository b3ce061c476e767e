#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memory.h"
#include "store_call.h"
#include "store_workers.h"


#define STORE_WORKER_BEAT  1500000    /* microseconds: more than one */


static store_rc_e store_worker_forget(store_t *store,
    const store_name_t *name, const store_worker_t *worker);
static int store_worker_parse(store_worker_t *worker,
    const apikey_field_t *told);
static int store_worker_order(const void *one, const void *two);


store_rc_e
store_workers_read(store_t *store, store_workers_t *workers)
{
    size_t           i;
    uint64_t         now;
    reply_t         *reply;
    store_name_t     name;
    apikey_text_t    argv[2];
    store_worker_t  *worker;
    apikey_field_t   told;

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
    workers->list = must(calloc(reply_count(reply) / 2 + 1,
                                sizeof(store_worker_t)));

    for (i = 0; reply_pair(reply, i, &told); i++) {
        worker = &workers->list[workers->count];

        if (store_worker_parse(worker, &told) == 0) {
            worker->ahead = (worker->heard > now + STORE_WORKER_SILENT);
            worker->silent = worker->ahead ? worker->heard - now
                             : worker->heard < now ? now - worker->heard : 0;
            workers->count++;
        }
    }

    qsort(workers->list, workers->count, sizeof(store_worker_t),
          store_worker_order);

    return STORE_DONE;
}


store_rc_e
store_workers_settle(store_t *store, store_workers_t *workers)
{
    unsigned  i;

    if (store_workers_read(store, workers) != STORE_DONE) {
        return STORE_FAILED;
    }

    for (i = 0; i < workers->count; i++) {

        if (workers->list[i].ahead) {
            store_workers_free(workers);
            usleep(STORE_WORKER_BEAT);

            return store_workers_read(store, workers) == STORE_DONE
                   ? store_workers_prune(store, workers) : STORE_FAILED;
        }
    }

    return STORE_DONE;
}


void
store_workers_free(store_workers_t *workers)
{
    reply_free(workers->reply);
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


const store_worker_t *
store_workers_peppered(const store_workers_t *workers,
    const char print[APIKEY_PEPPER_PRINT])
{
    unsigned              i;
    apikey_text_t         ours;
    const store_worker_t *worker;

    ours = (apikey_text_t) { print, APIKEY_PEPPER_PRINT };

    for (i = 0; i < workers->count; i++) {
        worker = &workers->list[i];

        if (worker->silent <= STORE_WORKER_SILENT
            && worker->pepper.len == APIKEY_PEPPER_PRINT
            && !apikey_text_equal(worker->pepper, ours))
        {
            return worker;
        }
    }

    return NULL;
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
    reply_t       *reply;
    apikey_text_t  argv[3];

    argv[0] = store_text("HDEL");
    argv[1] = name->text;
    argv[2] = worker->name;

    reply = store_command(store, argv, 3);

    if (reply == NULL) {
        return STORE_FAILED;
    }

    reply_free(reply);

    return STORE_DONE;
}


/*
 * "TIME VERSION SINCE PEPPER", of which a later version may say more.  Names
 * and versions are shown on terminals: others than in ASCII are no worker's.
 */

static int
store_worker_parse(store_worker_t *worker, const apikey_field_t *told)
{
    size_t          i;
    apikey_text_t   words, time;

    worker->name = told->name;
    words = told->value;

    if (worker->name.len == 0) {
        return -1;
    }

    for (i = 0; i < worker->name.len; i++) {
        if (worker->name.data[i] <= ' ' || worker->name.data[i] >= 0x7f) {
            return -1;
        }
    }

    for (i = 0; i < words.len; i++) {
        if (words.data[i] < ' ' || words.data[i] >= 0x7f) {
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

    worker->pepper = apikey_text_word(&words);

    return 0;
}


static int
store_worker_order(const void *one, const void *two)
{
    const store_worker_t *a = one, *b = two;

    return store_text_order(a->name, b->name);
}
