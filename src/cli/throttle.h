#ifndef APIKEY_THROTTLE_H
#define APIKEY_THROTTLE_H

/*
 * Wrong tokens, counted by minute: of an address, and of all together.  Who
 * gave too many isn't heard until the minute is over, right or wrong.  When all
 * together did, an address that a right one has come from before still is: who
 * guesses can't lock out those who needn't.
 */

#include <pthread.h>
#include <stdint.h>


#define THROTTLE_ADDRESS    10      /* a minute */
#define THROTTLE_ALL        100
#define THROTTLE_ADDRESSES  256     /* of each kind; then the oldest go */
#define THROTTLE_TEXT       64


typedef struct {
    char             address[THROTTLE_TEXT];
    uint64_t         began;         /* seconds, by redis_clock() */
    unsigned         count;
} throttle_count_t;


typedef struct {
    pthread_mutex_t   mutex;
    throttle_count_t  all;
    throttle_count_t  list[THROTTLE_ADDRESSES];
    throttle_count_t  right[THROTTLE_ADDRESSES];
} throttle_t;


void throttle_init(throttle_t *throttle);
void throttle_free(throttle_t *throttle);

/* Seconds after which that address is heard again; 0: it is heard. */
unsigned throttle_wait(throttle_t *throttle, const char *address);

/* It gave a wrong token, or a right one. */
void throttle_wrong(throttle_t *throttle, const char *address);
void throttle_right(throttle_t *throttle, const char *address);


#endif /* APIKEY_THROTTLE_H */
