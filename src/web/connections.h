#ifndef APIKEY_CONNECTIONS_H
#define APIKEY_CONNECTIONS_H

/*
 * The clients of the web console: whoever sends a request, or takes its answer,
 * byte by byte for a minute makes room for others.  (That no byte comes at all
 * is noticed by MHD.)
 */

#include <pthread.h>
#include <stdint.h>


#define CONNECTIONS_MAX   128
#define CONNECTIONS_TIME  60     /* seconds */


typedef struct {
    int        fd;
    int        open;
    uint64_t   due;         /* by redis_clock(); 0: as long as it takes */
} connection_t;


typedef struct {
    pthread_mutex_t   mutex;
    connection_t      list[CONNECTIONS_MAX];
} connections_t;


void connections_init(connections_t *connections);
void connections_free(connections_t *connections);

/* NULL if there are too many. */
connection_t *connections_begin(connections_t *connections, int fd);
void connections_end(connections_t *connections, connection_t *connection);

/* From now on it has a minute; or, with 0, as long as it takes. */
void connections_hurry(connections_t *connections, connection_t *connection,
    int hurry);

/* Shuts down those that are late. */
void connections_sweep(connections_t *connections);


#endif /* APIKEY_CONNECTIONS_H */
