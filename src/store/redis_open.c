/* Connections to Redis: to which server. */

#include "redis.h"
#include "sentinel.h"


int
redis_open(redis_t *redis, const address_t *address)
{
    return address->master ? sentinel_open(redis, address)
                           : redis_open_host(redis, address, address->hosts);
}


int
redis_open_beside(redis_t *redis, const address_t *address,
    const redis_t *other)
{
    address_host_t  host;

    if (other->server == NULL) {
        return redis_open(redis, address);
    }

    host.name = other->server;
    host.port = other->port;

    return redis_open_host(redis, address, &host);
}
