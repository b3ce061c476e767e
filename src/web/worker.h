#ifndef APIKEY_WORKER_H
#define APIKEY_WORKER_H

/*
 * The connection to Redis of a request, or of a stream: it is kept for the
 * next one.
 */

#include "store/store.h"

#include "http.h"


typedef struct worker_s {
    store_t           store;
    uint64_t          now;      /* Redis's clock when it was opened, in
                                   microseconds */
    struct worker_s  *next;
} worker_t;


worker_t *worker_take(console_t *console);

/* One that failed is closed. */
void worker_give(console_t *console, worker_t *worker, int failed);

/* Opens it unless it is open and answers: 0, or -1 and its store's error. */
int worker_open(const console_t *console, worker_t *worker);

/* Its store failed: answers so. */
unsigned worker_failed(request_t *request, const worker_t *worker);

void workers_free(console_t *console);


#endif /* APIKEY_WORKER_H */
