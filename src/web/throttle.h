#ifndef APIKEY_THROTTLE_H
#define APIKEY_THROTTLE_H

/*
 * Wrong tokens, counted by minute: of whoever gives them, and of all together.
 * Who gave too many isn't heard until the minute is over, right or wrong.  When
 * all together did, who gave a right one before, or is on this machine, still
 * is: who guesses can't lock out those who needn't.
 *
 * "Who" is an address, or a text that stands for a browser.
 */

#include <pthread.h>
#include <stdint.h>


#define THROTTLE_ONE        10      /* a minute */
#define THROTTLE_ALL        100
#define THROTTLE_KNOWN      256     /* of each kind; then the oldest go */
#define THROTTLE_TEXT       64


typedef struct {
    char             who[THROTTLE_TEXT];
    uint64_t         began;         /* seconds, by redis_clock() */
    unsigned         count;
} throttle_count_t;


typedef struct {
    pthread_mutex_t   mutex;
    throttle_count_t  all;
    throttle_count_t  list[THROTTLE_KNOWN];
    throttle_count_t  right[THROTTLE_KNOWN];
} throttle_t;


void throttle_init(throttle_t *throttle);
void throttle_free(throttle_t *throttle);

/* Seconds after which it is heard again; 0: it is heard. */
unsigned throttle_wait(throttle_t *throttle, const char *who);

/* It gave a wrong token, or a right one. */
void throttle_wrong(throttle_t *throttle, const char *who);
void throttle_right(throttle_t *throttle, const char *who);

/* Is that address one of this machine alone? */
int throttle_local(const char *address);


#endif /* APIKEY_THROTTLE_H */
