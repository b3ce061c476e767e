#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "store_acks.h"
#include "store_call.h"
#include "store_servers.h"


#define STORE_ACKS_LOOK   200000    /* microseconds of silence, at most */
#define STORE_ACKS_PROBE  5000      /* milliseconds */


static void store_acks_add(store_acks_t *acks, uint64_t silent);
static void store_acks_subscribe(store_t *store, store_acks_t *acks);
static void store_acks_written(store_acks_t *acks, unsigned server);
static int store_acks_hear(store_acks_t *acks, uint64_t until);
static void store_acks_count(store_acks_t *acks, const reply_t *message);
static void store_acks_look(store_t *store);
static int store_acks_complete(const store_acks_t *acks);
static void store_acks_deaf(store_acks_t *acks, const char *why);


store_rc_e
store_acks_open(store_t *store)
{
    store_acks_t  *acks;

    acks = must(calloc(1, sizeof(store_acks_t)));

    acks->redis.fd = -1;
    store->acks = acks;

    if (store_workers_settle(store, &acks->workers) != STORE_DONE) {
        return STORE_FAILED;
    }

    acks->list = must(calloc(acks->workers.count + 1, sizeof(store_ack_t)));

    store_acks_add(acks, STORE_WORKER_SILENT);

    if (acks->count == 0) {
        /* they were there a moment ago, and didn't say that they leave */
        store_acks_add(acks, STORE_WORKER_GONE);
    }

    if (acks->count != 0) {
        apikey_token_generate_id(acks->token);
        store_acks_subscribe(store, acks);
    }

    return STORE_DONE;
}


store_rc_e
store_acks_probe(store_t *store, unsigned server)
{
    store_rc_e     rc;
    reply_t       *reply;
    store_acks_t  *acks;
    store_name_t   name;
    apikey_text_t  argv[3];

    acks = must(calloc(1, sizeof(store_acks_t)));

    acks->redis.fd = -1;
    acks->list = must(calloc(1, sizeof(store_ack_t)));
    acks->list[0].name = store_text("probe");
    acks->count = 1;
    acks->expected = 1;

    apikey_token_generate_id(acks->token);

    store->acks = acks;
    store_acks_subscribe(store, acks);

    store_name_acks(store, &name, store_acks_token(store));

    argv[0] = store_text("PUBLISH");
    argv[1] = name.text;
    argv[2] = acks->list[0].name;

    reply = store_server_command(store, server, argv, 3);
    rc = STORE_FAILED;

    if (reply != NULL) {
        reply_free(reply);
        store_acks_wait(store, STORE_ACKS_PROBE);

        if (store_ack_confirmed(acks, &acks->list[0])) {
            rc = STORE_DONE;

        } else {
            snprintf(store->error, STORE_ERROR, "%s",
                     acks->error[0] ? acks->error : "nothing is heard");
        }
    }

    store_acks_free(store);

    return rc;
}


void
store_acks_free(store_t *store)
{
    store_acks_t  *acks;

    acks = store->acks;

    if (acks == NULL) {
        return;
    }

    store_workers_free(&acks->workers);
    redis_close(&acks->redis);
    free(acks->list);
    free(acks->servers);
    free(acks);

    store->acks = NULL;
}


apikey_text_t
store_acks_token(const store_t *store)
{
    if (store->acks == NULL || store->acks->count == 0) {
        return (apikey_text_t) { NULL, 0 };
    }

    return (apikey_text_t) { store->acks->token, APIKEY_ID_SIZE };
}


/* Answers are read as they come, lest Redis has to keep too many. */

void
store_acks_expect(store_t *store, uint64_t began)
{
    store_acks_t  *acks;

    acks = store->acks;

    if (acks == NULL) {
        return;
    }

    acks->expected++;
    acks->began = began;
    store_acks_written(acks, store_server_latest(store));

    while (store_acks_hear(acks, 0)) { /* void */ }
}


void
store_acks_wait(store_t *store, unsigned time)
{
    uint64_t       now, end, look;
    store_acks_t  *acks;

    acks = store->acks;

    now = redis_clock();
    end = now + (uint64_t) time * 1000;
    look = now + STORE_ACKS_LOOK;

    while (!store_acks_complete(acks) && acks->error[0] == '\0' && now < end)
    {
        if (!store_acks_hear(acks, look < end ? look : end)) {
            store_acks_look(store);
            look = redis_clock() + STORE_ACKS_LOOK;
        }

        now = redis_clock();
    }

    /* What came in time counts, though this program was late to read it. */

    while (!store_acks_complete(acks) && store_acks_hear(acks, 0)) {
        /* void */
    }

    acks->ended = now;
}


int
store_ack_confirmed(const store_acks_t *acks, const store_ack_t *ack)
{
    return ack->answers >= acks->expected;
}


/* Those that are silent for no more seconds than that. */

static void
store_acks_add(store_acks_t *acks, uint64_t silent)
{
    unsigned  i;

    for (i = 0; i < acks->workers.count; i++) {

        if (acks->workers.list[i].silent <= silent) {
            acks->list[acks->count++].name = acks->workers.list[i].name;
        }
    }
}


static void
store_acks_subscribe(store_t *store, store_acks_t *acks)
{
    reply_t       *reply;
    store_name_t   name;
    apikey_text_t  argv[2];

    store_name_acks(store, &name, store_acks_token(store));

    argv[0] = store_text("SUBSCRIBE");
    argv[1] = name.text;

    reply = NULL;

    if (store_connect(store, &acks->redis) == 0) {
        reply = redis_command(&acks->redis, argv, 2);
    }

    if (reply == NULL) {
        store_acks_deaf(acks, acks->redis.error);
        return;
    }

    if (reply_error(reply) != NULL) {
        store_acks_deaf(acks, reply_error(reply));
    }

    reply_free(reply);
}


static void
store_acks_written(store_acks_t *acks, unsigned server)
{
    unsigned  i;

    for (i = 0; i < acks->server_count; i++) {

        if (acks->servers[i] == server) {
            return;
        }
    }

    acks->servers = must(realloc(acks->servers, (i + 1) * sizeof(unsigned)));
    acks->servers[i] = server;
    acks->server_count++;
}


/* 1 if there was a message. */

static int
store_acks_hear(store_acks_t *acks, uint64_t until)
{
    reply_t  *reply;

    if (acks->count == 0 || acks->error[0] != '\0') {
        return 0;
    }

    reply = redis_message(&acks->redis, until);

    if (reply == NULL) {

        if (acks->redis.failed) {
            store_acks_deaf(acks, acks->redis.error);
        }

        return 0;
    }

    store_acks_count(acks, reply);
    reply_free(reply);

    return 1;
}


/* "message", channel, HOST:TAG:PID */

static void
store_acks_count(store_acks_t *acks, const reply_t *message)
{
    unsigned       i;
    apikey_text_t  name;

    name = reply_text(reply_at(message, 2));

    for (i = 0; i < acks->count; i++) {

        if (apikey_text_equal(acks->list[i].name, name)) {
            acks->list[i].answers++;
        }
    }
}


/* Who has left? */

static void
store_acks_look(store_t *store)
{
    unsigned          i;
    store_acks_t     *acks;
    store_workers_t   workers;

    acks = store->acks;

    if (store_workers_read(store, &workers) == STORE_DONE) {

        for (i = 0; i < acks->count; i++) {
            acks->list[i].left = (store_workers_find(&workers,
                                                     acks->list[i].name)
                                  == NULL);
        }
    }

    store_workers_free(&workers);
}


static int
store_acks_complete(const store_acks_t *acks)
{
    unsigned  i;

    for (i = 0; i < acks->count; i++) {

        if (!acks->list[i].left
            && !store_ack_confirmed(acks, &acks->list[i]))
        {
            return 0;
        }
    }

    return 1;
}


static void
store_acks_deaf(store_acks_t *acks, const char *why)
{
    snprintf(acks->error, STORE_ERROR, "%s", why);
}
