#include <stdlib.h>

#include "store/memory.h"
#include "store/store_acks.h"

#include "worker.h"


worker_t *
worker_take(console_t *console)
{
    worker_t  *worker;

    pthread_mutex_lock(&console->mutex);

    worker = console->idle;

    if (worker != NULL) {
        console->idle = worker->next;
    }

    pthread_mutex_unlock(&console->mutex);

    if (worker == NULL) {
        worker = must(calloc(1, sizeof(worker_t)));
        worker->store.redis.fd = -1;
    }

    return worker;
}


void
worker_give(console_t *console, worker_t *worker, int failed)
{
    store_acks_free(&worker->store);

    if (failed || !worker->store.opened) {
        store_close(&worker->store);
    }

    pthread_mutex_lock(&console->mutex);

    worker->next = console->idle;
    console->idle = worker;

    pthread_mutex_unlock(&console->mutex);
}


int
worker_open(const console_t *console, worker_t *worker)
{
    return (store_keep(&worker->store, console->address, console->prefix,
                       &worker->now)
            == STORE_DONE)
           ? 0 : -1;
}


unsigned
worker_failed(request_t *request, const worker_t *worker)
{
    return http_error(request, 503, NULL, "Redis at %s: %s",
                      request->console->address->shown, worker->store.error);
}


void
workers_free(console_t *console)
{
    worker_t  *worker, *next;

    for (worker = console->idle; worker != NULL; worker = next) {
        next = worker->next;
        store_close(&worker->store);
        free(worker);
    }

    console->idle = NULL;
}
