#include <stdio.h>
#include <string.h>

#include "redis.h"
#include "throttle.h"


#define THROTTLE_TIME  60    /* seconds */


static throttle_count_t *throttle_find(throttle_t *throttle,
    const char *address);
static throttle_count_t *throttle_oldest(throttle_t *throttle);
static unsigned throttle_left(const throttle_count_t *count, unsigned max,
    uint64_t now);
static void throttle_count(throttle_count_t *count, uint64_t now);


void
throttle_init(throttle_t *throttle)
{
    memset(throttle, 0, sizeof(throttle_t));
    pthread_mutex_init(&throttle->mutex, NULL);
}


void
throttle_free(throttle_t *throttle)
{
    pthread_mutex_destroy(&throttle->mutex);
}


unsigned
throttle_wait(throttle_t *throttle, const char *address)
{
    uint64_t           now;
    unsigned           all, one;
    throttle_count_t  *count;

    now = redis_clock() / 1000000;

    pthread_mutex_lock(&throttle->mutex);

    all = throttle_left(&throttle->all, THROTTLE_ALL, now);
    count = throttle_find(throttle, address);
    one = count ? throttle_left(count, THROTTLE_ADDRESS, now) : 0;

    pthread_mutex_unlock(&throttle->mutex);

    return (all > one) ? all : one;
}


void
throttle_wrong(throttle_t *throttle, const char *address)
{
    uint64_t           now;
    throttle_count_t  *count;

    now = redis_clock() / 1000000;

    pthread_mutex_lock(&throttle->mutex);

    count = throttle_find(throttle, address);

    if (count == NULL) {
        count = throttle_oldest(throttle);
        memset(count, 0, sizeof(throttle_count_t));
        snprintf(count->address, THROTTLE_TEXT, "%s", address);
    }

    throttle_count(count, now);
    throttle_count(&throttle->all, now);

    pthread_mutex_unlock(&throttle->mutex);
}


static throttle_count_t *
throttle_find(throttle_t *throttle, const char *address)
{
    unsigned  i;

    for (i = 0; i < THROTTLE_ADDRESSES; i++) {
        if (strcmp(throttle->list[i].address, address) == 0) {
            return &throttle->list[i];
        }
    }

    return NULL;
}


static throttle_count_t *
throttle_oldest(throttle_t *throttle)
{
    unsigned           i;
    throttle_count_t  *oldest;

    oldest = &throttle->list[0];

    for (i = 1; i < THROTTLE_ADDRESSES; i++) {
        if (throttle->list[i].began < oldest->began) {
            oldest = &throttle->list[i];
        }
    }

    return oldest;
}


static unsigned
throttle_left(const throttle_count_t *count, unsigned max, uint64_t now)
{
    return (count->count >= max && now - count->began < THROTTLE_TIME)
           ? THROTTLE_TIME - (now - count->began) : 0;
}


static void
throttle_count(throttle_count_t *count, uint64_t now)
{
    if (now - count->began >= THROTTLE_TIME) {
        count->began = now;
        count->count = 0;
    }

    count->count++;
}
