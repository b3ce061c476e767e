#ifndef APIKEY_SNAPSHOT_H
#define APIKEY_SNAPSHOT_H

/*
 * Every key, in memory, as far as the web console searches and sorts by it:
 * about 400 bytes a key.  It is read once, then kept up to date by what is
 * published of each change: before it is looked at, a PING on the connection
 * that hears of changes says, by its answer, that all that was changed before
 * has been heard of.  When that connection ends, everything is read again.
 *
 * When a key was last used isn't published: while somebody looks, keys are read
 * again little by little, each within five minutes.  In a Cluster, where what
 * is published may arrive a little later, or not, all are.
 */

#include <pthread.h>

#include "store/store.h"


#define SNAPSHOT_WHY  (STORE_ERROR + 256)


typedef struct snapshot_key_s {
    struct snapshot_key_s  *next;        /* of those with this hash */
    size_t                  position;    /* in the list */
    unsigned char           digest[APIKEY_DIGEST_SIZE];
    const char             *id;          /* these are "" if absent */
    const char             *name;
    const char             *org;
    const char             *project;
    const char             *service;
    const char             *plan;
    const char             *scopes;
    const char             *hint;
    uint64_t                created;     /* Unix seconds; 0: absent */
    uint64_t                expires;
    uint64_t                not_before;
    uint64_t                used;
    int                     status;      /* apikey_status_e; -1: unreadable */
    char                    texts[];
} snapshot_key_t;


typedef struct {
    pthread_mutex_t     mutex;
    const address_t    *address;
    const char         *prefix;
    store_t             store;           /* a connection of its own */
    uint64_t            now;             /* its clock, microseconds */
    redis_t             changes;         /* and the one that hears */
    char                why[SNAPSHOT_WHY];   /* of the latest failure */
    int                 loaded;
    uint64_t            began;           /* when it was, microseconds */

    snapshot_key_t    **list;
    size_t              count;
    size_t              room;
    snapshot_key_t    **table;           /* by digest */
    size_t              buckets;         /* a power of two */

    size_t              renewed;         /* the next to be read again */
    uint64_t            looked;          /* when somebody did, microseconds */

    pthread_t           keeper;
    pthread_cond_t      stop;
    int                 stopping;
} snapshot_t;


/* Begins to read, in a thread of its own, and goes on until it is stopped. */
void snapshot_start(snapshot_t *snapshot, const address_t *address,
    const char *prefix);
void snapshot_stop(snapshot_t *snapshot);

/*
 * As it is now, and nobody else's until it is closed: 0, or -1 and why, and
 * then it isn't to be closed.
 */
int snapshot_open(snapshot_t *snapshot, char why[SNAPSHOT_WHY]);
void snapshot_close(snapshot_t *snapshot);

/* As stored_status() says it. */
const char *snapshot_status(const snapshot_key_t *key, uint64_t now);


#endif /* APIKEY_SNAPSHOT_H */
