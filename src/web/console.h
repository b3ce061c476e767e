#ifndef APIKEY_CONSOLE_H
#define APIKEY_CONSOLE_H

/*
 * The web console's server.  A request (http.h) is judged (gate.h) and
 * answered by a route (api.h), most of which run a command of the program that
 * serves it (task.h), or with one of the page's files (assets.h).
 *
 * A connection has a thread, of which there are not too many.
 */

#include <stdatomic.h>

#include "connections.h"
#include "sessions.h"
#include "snapshot.h"
#include "task.h"
#include "throttle.h"
#include "tokens.h"


#define CONSOLE_STREAMS      16
#define CONSOLE_STREAMS_OWN  8        /* of one token */
#define CONSOLE_TIMEOUT      30       /* seconds without a byte */
#define CONSOLE_BODY         65536
#define CONSOLE_HOSTS        16


typedef struct console_s {
    program_t              program;       /* that serves it */
    const address_t       *address;       /* of Redis */
    const char            *prefix;

    tokens_t               tokens;
    sessions_t             sessions;
    throttle_t             throttle;
    connections_t          connections;
    snapshot_t             snapshot;

    const char            *hosts[CONSOLE_HOSTS];    /* what Host may be */
    unsigned               host_count;
    int                    proxied;       /* by a server on this machine,
                                             maybe */
    atomic_int             stopping;
    atomic_int             streams;       /* open ones */
    atomic_int             doctors;       /* at work */

    pthread_mutex_t        mutex;         /* of idle */
    struct worker_s       *idle;          /* see worker.c */
} console_t;


#endif /* APIKEY_CONSOLE_H */
