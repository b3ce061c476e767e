#include <string.h>
#include <sys/socket.h>

#include "store/redis.h"

#include "connections.h"


void
connections_init(connections_t *connections)
{
    memset(connections, 0, sizeof(connections_t));
    pthread_mutex_init(&connections->mutex, NULL);
}


void
connections_free(connections_t *connections)
{
    pthread_mutex_destroy(&connections->mutex);
}


connection_t *
connections_begin(connections_t *connections, int fd)
{
    unsigned       i;
    connection_t  *connection;

    connection = NULL;

    pthread_mutex_lock(&connections->mutex);

    for (i = 0; connection == NULL && i < CONNECTIONS_MAX; i++) {
        if (!connections->list[i].open) {
            connection = &connections->list[i];
            connection->open = 1;
            connection->fd = fd;
            connection->due = redis_clock() + CONNECTIONS_TIME * 1000000ULL;
        }
    }

    pthread_mutex_unlock(&connections->mutex);

    return connection;
}


void
connections_end(connections_t *connections, connection_t *connection)
{
    if (connection != NULL) {
        pthread_mutex_lock(&connections->mutex);
        memset(connection, 0, sizeof(connection_t));
        pthread_mutex_unlock(&connections->mutex);
    }
}


void
connections_hurry(connections_t *connections, connection_t *connection,
    int hurry)
{
    if (connection != NULL) {
        pthread_mutex_lock(&connections->mutex);
        connection->due = hurry ? redis_clock() + CONNECTIONS_TIME * 1000000ULL
                                : 0;
        pthread_mutex_unlock(&connections->mutex);
    }
}


/* Its thread notices, and ends it. */

void
connections_sweep(connections_t *connections)
{
    uint64_t       now;
    unsigned       i;
    connection_t  *connection;

    now = redis_clock();

    pthread_mutex_lock(&connections->mutex);

    for (i = 0; i < CONNECTIONS_MAX; i++) {
        connection = &connections->list[i];

        if (connection->open && connection->due != 0 && now > connection->due) {
            (void) shutdown(connection->fd, SHUT_RDWR);
            connection->due = 0;
        }
    }

    pthread_mutex_unlock(&connections->mutex);
}
