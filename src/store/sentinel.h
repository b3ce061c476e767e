#ifndef APIKEY_STORE_SENTINEL_H
#define APIKEY_STORE_SENTINEL_H

/*
 * Where a master is, as Redis Sentinel knows it: sentinels are asked in turn,
 * and what they name is used only if it calls itself a master.
 */

#include "redis.h"


#define SENTINEL_PATIENCE  1000     /* milliseconds, for each step */
#define SENTINEL_SEARCH    3000     /* while some sentinel answers */


typedef enum {
    SENTINEL_FOUND = 0,
    SENTINEL_UNKNOWN,      /* it watches over no such master */
    SENTINEL_SILENT        /* see redis->error */
} sentinel_rc_e;


/* As redis_open(); server and port are those of the master. */
int sentinel_open(redis_t *redis, const address_t *address);

/*
 * Asks one sentinel, and stays connected, for more questions, whatever the
 * answer; redis is to be closed, and host to be freed by sentinel_free(), in
 * any case.
 */
sentinel_rc_e sentinel_ask(redis_t *redis, const address_t *address,
    const address_host_t *sentinel, address_host_t *host);
void sentinel_free(address_host_t *host);

int sentinel_same(const address_host_t *one, const address_host_t *other);


#endif /* APIKEY_STORE_SENTINEL_H */
