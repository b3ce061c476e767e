#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "store_call.h"
#include "store_servers.h"


unsigned *
store_servers(const store_t *store, unsigned *count)
{
    unsigned         i, *list;
    const cluster_t  *cluster;

    cluster = store->cluster;

    if (cluster == NULL) {
        *count = 1;
        return must(calloc(1, sizeof(unsigned)));
    }

    *count = 0;
    list = must(calloc(cluster->node_count, sizeof(unsigned)));

    for (i = 0; i < cluster->node_count; i++) {
        if (cluster->nodes[i].slots != 0) {
            list[(*count)++] = i;
        }
    }

    return list;
}


const char *
store_server_name(const store_t *store, unsigned server)
{
    return store->cluster ? store->cluster->nodes[server].shown
                          : store->address->shown;
}


unsigned
store_server_latest(const store_t *store)
{
    return store->cluster ? store->cluster->answered : 0;
}


void
store_server_append(store_t *store, unsigned server,
    const apikey_text_t *argv, unsigned argc)
{
    if (store->cluster != NULL) {
        cluster_append_to(store->cluster, server, argv, argc);

    } else {
        store_append(store, argv, argc);
    }
}


reply_t *
store_server_command(store_t *store, unsigned server,
    const apikey_text_t *argv, unsigned argc)
{
    store_server_append(store, server, argv, argc);

    return store_reply(store);
}


int
store_server_placed(const store_t *store, unsigned server)
{
    return store->cluster == NULL
           || store->cluster->nodes[server].host.name != NULL;
}


int
store_server_answers(store_t *store, unsigned server)
{
    apikey_text_t  argv[1];

    argv[0] = store_text("TIME");
    reply_free(store_server_command(store, server, argv, 1));

    return store_server_connected(store, server);
}


int
store_server_connected(const store_t *store, unsigned server)
{
    const redis_t  *redis;

    redis = store->cluster ? &store->cluster->nodes[server].redis
                           : &store->redis;

    return redis->fd != -1 && !redis->failed;
}


store_rc_e
store_server_time(store_t *store, unsigned server, uint64_t *now)
{
    apikey_text_t  argv[1];

    argv[0] = store_text("TIME");

    return store_time_take(store,
                           store_server_command(store, server, argv, 1), now);
}


int
store_server_has(const store_t *store, unsigned server,
    const unsigned char digest[APIKEY_DIGEST_SIZE])
{
    store_name_t  name;

    if (store->cluster == NULL) {
        return 1;
    }

    store_name_record(store, &name, digest);

    return store->cluster->slots[apikey_slot(name.text)] == (int) server;
}
