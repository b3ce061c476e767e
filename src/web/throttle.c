#include <stdio.h>
#include <string.h>

#include "store/redis.h"

#include "throttle.h"


#define THROTTLE_TIME  60    /* seconds */


static throttle_count_t *throttle_find(throttle_count_t *list,
    const char *who);
static throttle_count_t *throttle_get(throttle_count_t *list,
    const char *who);
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
throttle_wait(throttle_t *throttle, const char *who)
{
    uint64_t           now;
    unsigned           all, one;
    throttle_count_t  *count;

    now = redis_clock() / 1000000;

    pthread_mutex_lock(&throttle->mutex);

    all = throttle_local(who) || throttle_find(throttle->right, who) != NULL
          ? 0 : throttle_left(&throttle->all, THROTTLE_ALL, now);
    count = throttle_find(throttle->list, who);
    one = count ? throttle_left(count, THROTTLE_ONE, now) : 0;

    pthread_mutex_unlock(&throttle->mutex);

    return (all > one) ? all : one;
}


void
throttle_wrong(throttle_t *throttle, const char *who)
{
    uint64_t  now;

    now = redis_clock() / 1000000;

    pthread_mutex_lock(&throttle->mutex);

    throttle_count(throttle_get(throttle->list, who), now);
    throttle_count(&throttle->all, now);

    pthread_mutex_unlock(&throttle->mutex);
}


void
throttle_right(throttle_t *throttle, const char *who)
{
    uint64_t  now;

    now = redis_clock() / 1000000;

    pthread_mutex_lock(&throttle->mutex);

    throttle_get(throttle->right, who)->began = now;

    pthread_mutex_unlock(&throttle->mutex);
}


int
throttle_local(const char *address)
{
    return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0;
}


static throttle_count_t *
throttle_find(throttle_count_t *list, const char *who)
{
    unsigned  i;

    for (i = 0; i < THROTTLE_KNOWN; i++) {
        if (strcmp(list[i].who, who) == 0) {
            return &list[i];
        }
    }

    return NULL;
}


/* If need be, in place of the oldest. */

static throttle_count_t *
throttle_get(throttle_count_t *list, const char *who)
{
    unsigned           i;
    throttle_count_t  *count;

    count = throttle_find(list, who);

    if (count != NULL) {
        return count;
    }

    count = &list[0];

    for (i = 1; i < THROTTLE_KNOWN; i++) {
        if (list[i].began < count->began) {
            count = &list[i];
        }
    }

    memset(count, 0, sizeof(throttle_count_t));
    snprintf(count->who, THROTTLE_TEXT, "%s", who);

    return count;
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
