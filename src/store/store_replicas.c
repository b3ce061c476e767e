#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "store_call.h"
#include "store_replicas.h"
#include "store_servers.h"


#define STORE_REPLICAS_ONCE  1000    /* milliseconds: connections wait longer */


typedef struct {
    unsigned   total;
    unsigned   confirmed;
} store_replicated_t;


static void store_replicas_count(store_t *store, store_replicated_t *servers,
    store_replicas_t *replicas);
static int store_replicas_ask(store_t *store, store_replicated_t *servers,
    store_replicas_t *replicas, unsigned time);
static reply_t *store_replicas_reply(store_t *store, unsigned server,
    store_replicas_t *replicas);


void
store_replicas_wait(store_t *store, unsigned time, store_replicas_t *replicas)
{
    unsigned             i;
    uint64_t             now, end;
    store_replicated_t  *servers;

    now = redis_clock() / 1000;
    end = now + time;

    servers = must(calloc(store->acks->server_count + 1,
                          sizeof(store_replicated_t)));

    memset(replicas, 0, sizeof(store_replicas_t));
    store_replicas_count(store, servers, replicas);

    while (now < end
           && store_replicas_ask(store, servers, replicas,
                                 end - now < STORE_REPLICAS_ONCE
                                 ? end - now : STORE_REPLICAS_ONCE))
    {
        now = redis_clock() / 1000;
    }

    for (i = 0; i < store->acks->server_count; i++) {
        replicas->total += servers[i].total;
        replicas->confirmed += servers[i].confirmed;
    }

    free(servers);
}


/* 1 if some haven't got it yet. */

static int
store_replicas_ask(store_t *store, store_replicated_t *servers,
    store_replicas_t *replicas, unsigned time)
{
    int                  missing;
    char                 number[16], limit[16];
    unsigned             i;
    reply_t             *reply;
    apikey_text_t        argv[3];
    store_replicated_t  *server;
    const store_acks_t  *acks;

    acks = store->acks;
    missing = 0;

    snprintf(limit, sizeof(limit), "%u", time);

    argv[0] = store_text("WAIT");
    argv[2] = store_text(limit);

    for (i = 0; i < acks->server_count; i++) {
        server = &servers[i];

        if (server->confirmed < server->total) {
            snprintf(number, sizeof(number), "%u", server->total);
            argv[1] = store_text(number);
            store_server_append(store, acks->servers[i], argv, 3);
        }
    }

    for (i = 0; i < acks->server_count; i++) {
        server = &servers[i];

        if (server->confirmed == server->total) {
            continue;
        }

        reply = store_replicas_reply(store, acks->servers[i], replicas);

        if (reply == NULL) {
            server->confirmed = 0;
            server->total = 0;

        } else if (reply_number(reply) < server->total) {
            server->confirmed = reply_number(reply);
            missing = 1;

        } else {
            server->confirmed = server->total;
        }

        reply_free(reply);
    }

    return missing;
}


/* "master", offset, [[host, port, offset], ...] */

static void
store_replicas_count(store_t *store, store_replicated_t *servers,
    store_replicas_t *replicas)
{
    unsigned             i;
    reply_t             *reply;
    apikey_text_t        argv[1];
    const store_acks_t  *acks;

    acks = store->acks;
    argv[0] = store_text("ROLE");

    for (i = 0; i < acks->server_count; i++) {
        store_server_append(store, acks->servers[i], argv, 1);
    }

    for (i = 0; i < acks->server_count; i++) {
        reply = store_replicas_reply(store, acks->servers[i], replicas);

        if (reply == NULL) {
            continue;
        }

        if (apikey_text_equal(reply_text(reply_at(reply, 0)),
                              store_text("master")))
        {
            servers[i].total = reply_count(reply_at(reply, 2));

        } else {
            replicas->unsure = 1;
        }

        reply_free(reply);
    }
}


/* NULL: it may not be asked, or is gone. */

static reply_t *
store_replicas_reply(store_t *store, unsigned server,
    store_replicas_t *replicas)
{
    reply_t  *reply;

    reply = store_reply(store);

    if (reply == NULL && !store_server_connected(store, server)) {
        replicas->unsure = 1;
    }

    return reply;
}
