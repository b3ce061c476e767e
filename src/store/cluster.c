#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "cluster.h"
#include "memory.h"


#define CLUSTER_PAUSE         10     /* milliseconds */
#define CLUSTER_PAUSE_MAX     300
#define CLUSTER_REDIRECTIONS  4      /* without a pause */


typedef enum {
    CLUSTER_CALL_NEW = 0,     /* to be sent, or to be sent again */
    CLUSTER_CALL_SENT,
    CLUSTER_CALL_DONE
} cluster_call_e;


typedef struct cluster_call_s {
    apikey_text_t   *argv;      /* a copy, in one piece of memory */
    unsigned         argc;
    int              slot;      /* CLUSTER_NONE: of no name */
    int              only;      /* the only node, or CLUSTER_NONE */
    int              asked;     /* the node that ASK names, or CLUSTER_NONE */

    cluster_call_e   state;
    int              node;      /* it was sent to */
    unsigned         asking:1;  /* and ASKING before it */
    unsigned         lost:1;
    unsigned         tries;
    uint64_t         since;     /* the first try, by redis_clock() */

    reply_t         *reply;     /* NULL: error */
    char            *error;
} cluster_call_t;


static cluster_call_t *cluster_call_add(cluster_t *cluster,
    const apikey_text_t *argv, unsigned argc);
static void cluster_call_free(cluster_call_t *call);
static int cluster_slot(const apikey_text_t *argv, unsigned argc);
static void cluster_round(cluster_t *cluster);
static void cluster_call_send(cluster_t *cluster, cluster_call_t *call);
static void cluster_call_receive(cluster_t *cluster, cluster_call_t *call);
static int cluster_call_refused(cluster_t *cluster, cluster_call_t *call,
    const char *error);
static void cluster_call_again(cluster_t *cluster, cluster_call_t *call,
    const char *who, const char *why, int redirected);
static void cluster_call_fail(cluster_call_t *call, const char *who,
    const char *why);


/* Commands that have no name. */

static const char *const  cluster_nameless[] = {
    "PUBLISH", "INFO", "CONFIG", "CLUSTER", "SCRIPT", "PING", "ACL"
};


cluster_t *
cluster_open(const address_t *address, char error[REDIS_ERROR])
{
    unsigned               i;
    cluster_t             *cluster;
    const address_host_t  *host;

    cluster = must(calloc(1, sizeof(cluster_t)));
    cluster->address = address;

    for (i = 0; i < address->host_count; i++) {
        host = &address->hosts[i];
        (void) cluster_node_add(cluster,
                   (apikey_text_t) { host->name, strlen(host->name) },
                   (apikey_text_t) { host->port, strlen(host->port) });
    }

    if (cluster_refresh(cluster) != 0) {
        memcpy(error, cluster->error, REDIS_ERROR);
        cluster_close(cluster);
        return NULL;
    }

    return cluster;
}


void
cluster_close(cluster_t *cluster)
{
    size_t  i;

    for (i = cluster->first; i < cluster->count; i++) {
        cluster_call_free(&cluster->calls[i]);
    }

    free(cluster->calls);
    cluster_nodes_free(cluster);
    free(cluster);
}


void
cluster_append(cluster_t *cluster, const apikey_text_t *argv, unsigned argc)
{
    cluster_call_t  *call;

    call = cluster_call_add(cluster, argv, argc);
    call->slot = cluster_slot(argv, argc);
    call->only = CLUSTER_NONE;
}


void
cluster_append_to(cluster_t *cluster, unsigned node,
    const apikey_text_t *argv, unsigned argc)
{
    cluster_call_t  *call;

    call = cluster_call_add(cluster, argv, argc);
    call->slot = CLUSTER_NONE;
    call->only = node;
}


reply_t *
cluster_reply(cluster_t *cluster)
{
    reply_t         *reply;
    cluster_call_t  *call;

    while (cluster->calls[cluster->first].state != CLUSTER_CALL_DONE) {
        cluster_round(cluster);
    }

    call = &cluster->calls[cluster->first++];

    reply = call->reply;
    call->reply = NULL;
    cluster->lost = call->lost;
    cluster->answered = call->node;

    if (reply == NULL) {
        snprintf(cluster->error, REDIS_ERROR, "%s", call->error);
    }

    cluster_call_free(call);

    if (cluster->first == cluster->count) {
        cluster->first = 0;
        cluster->count = 0;
    }

    return reply;
}


static cluster_call_t *
cluster_call_add(cluster_t *cluster, const apikey_text_t *argv, unsigned argc)
{
    char            *p;
    size_t           size;
    unsigned         i;
    cluster_call_t  *call;

    if (cluster->count == cluster->room) {
        cluster->room = cluster->room ? cluster->room * 2 : 64;
        cluster->calls = must(realloc(cluster->calls, cluster->room
                                                      * sizeof(*call)));
    }

    call = &cluster->calls[cluster->count++];
    memset(call, 0, sizeof(*call));

    size = argc * sizeof(apikey_text_t);

    for (i = 0; i < argc; i++) {
        size += argv[i].len;
    }

    call->argv = must(malloc(size));
    call->argc = argc;
    call->asked = CLUSTER_NONE;

    p = (char *) (call->argv + argc);

    for (i = 0; i < argc; i++) {
        call->argv[i] = (apikey_text_t) { p, argv[i].len };

        if (argv[i].len != 0) {
            memcpy(p, argv[i].data, argv[i].len);
            p += argv[i].len;
        }
    }

    return call;
}


static void
cluster_call_free(cluster_call_t *call)
{
    reply_free(call->reply);
    free(call->argv);
    free(call->error);
}


/*
 * Of the first name in a command.  A node that is asked wrongly says so: this
 * only has to know what the program sends.
 */

static int
cluster_slot(const apikey_text_t *argv, unsigned argc)
{
    unsigned       i, at;
    apikey_text_t  word;

    at = 1;
    word = argv[0];

    if (word.len >= 4 && strncasecmp(word.data, "EVAL", 4) == 0) {
        at = 3;

    } else if (apikey_text_equal(word, (apikey_text_t) apikey_text("XREAD"))) {

        while (at < argc
               && !apikey_text_equal(argv[at],
                                     (apikey_text_t) apikey_text("STREAMS")))
        {
            at++;
        }

        at++;
    }

    for (i = 0; i < sizeof(cluster_nameless) / sizeof(char *); i++) {

        if (word.len == strlen(cluster_nameless[i])
            && memcmp(word.data, cluster_nameless[i], word.len) == 0)
        {
            return CLUSTER_NONE;
        }
    }

    return (at < argc) ? (int) apikey_slot(argv[at]) : CLUSTER_NONE;
}


/* Sends what is to be sent, to all nodes, and then reads what they answer. */

static void
cluster_round(cluster_t *cluster)
{
    size_t           i;
    struct timespec  pause;

    if (cluster->pause != 0) {
        pause.tv_sec = 0;
        pause.tv_nsec = cluster->pause * 1000000L;
        (void) nanosleep(&pause, NULL);
    }

    /* If nobody can be asked, what is known may still be right. */

    if (cluster->stale) {
        (void) cluster_refresh(cluster);
    }

    cluster->round++;
    cluster->waits = 0;

    for (i = cluster->first; i < cluster->count; i++) {
        if (cluster->calls[i].state == CLUSTER_CALL_NEW) {
            cluster_call_send(cluster, &cluster->calls[i]);
        }
    }

    for (i = 0; i < cluster->node_count; i++) {
        if (cluster->nodes[i].used == cluster->round) {
            (void) redis_flush(&cluster->nodes[i].redis);
        }
    }

    for (i = cluster->first; i < cluster->count; i++) {
        if (cluster->calls[i].state == CLUSTER_CALL_SENT) {
            cluster_call_receive(cluster, &cluster->calls[i]);
        }
    }

    if (!cluster->waits) {
        cluster->pause = 0;

    } else if (cluster->pause == 0) {
        cluster->pause = CLUSTER_PAUSE;

    } else if (cluster->pause < CLUSTER_PAUSE_MAX) {
        cluster->pause *= 2;
    }
}


static void
cluster_call_send(cluster_t *cluster, cluster_call_t *call)
{
    int                   n;
    cluster_node_t       *node;
    const apikey_text_t   asking = apikey_text("ASKING");

    n = call->only;

    if (n == CLUSTER_NONE) {
        n = (call->slot == CLUSTER_NONE) ? cluster->home
                                         : cluster->slots[call->slot];
    }

    call->asking = (call->asked != CLUSTER_NONE);

    if (call->asking) {
        n = call->asked;
        call->asked = CLUSTER_NONE;
    }

    if (n == CLUSTER_NONE) {
        cluster->stale = 1;
        cluster_call_again(cluster, call, NULL, "a slot is on no node", 0);
        return;
    }

    node = &cluster->nodes[n];

    if (node->used != cluster->round && node->refused != cluster->round) {

        if (cluster_node_open(cluster, node) == 0) {
            node->used = cluster->round;

        } else {
            node->refused = cluster->round;
            cluster->stale = 1;
        }
    }

    if (node->refused == cluster->round) {
        cluster_call_again(cluster, call, node->shown, node->redis.error, 0);
        return;
    }

    if (call->asking) {
        redis_append(&node->redis, &asking, 1);
    }

    redis_append(&node->redis, call->argv, call->argc);

    call->node = n;
    call->state = CLUSTER_CALL_SENT;
}


static void
cluster_call_receive(cluster_t *cluster, cluster_call_t *call)
{
    reply_t         *reply, *asking;
    cluster_node_t  *node;

    node = &cluster->nodes[call->node];

    asking = call->asking ? redis_reply(&node->redis) : NULL;
    reply = redis_reply(&node->redis);

    if (reply == NULL) {
        cluster->stale = 1;
        call->lost = 1;
        cluster_call_fail(call, node->shown, node->redis.error);

    } else if (asking != NULL && reply_error(asking) != NULL) {

        /* The node has refused the command itself, too. */

        cluster_call_fail(call, node->shown, reply_error(asking));

    } else if (reply_error(reply) == NULL
               || call->only != CLUSTER_NONE
               || !cluster_call_refused(cluster, call, reply_error(reply)))
    {
        call->state = CLUSTER_CALL_DONE;
        call->reply = reply;
        reply = NULL;
    }

    reply_free(asking);
    reply_free(reply);
}


/* 1 if the command wasn't done and is tried again, or has failed. */

static int
cluster_call_refused(cluster_t *cluster, cluster_call_t *call,
    const char *error)
{
    unsigned        node;
    apikey_slots_t  slots;

    switch (apikey_slots_error(&slots,
                               (apikey_text_t) { error, strlen(error) }))
    {
    case APIKEY_SLOTS_MOVED:
        node = cluster_node_there(cluster, call->node, &slots);
        cluster->slots[slots.first] = node;
        cluster->stale = 1;

        /* Whoever has the slot knows best about the others. */

        if (cluster->nodes[node].host.name != NULL) {
            cluster->home = node;
        }

        break;

    case APIKEY_SLOTS_ASK:
        call->asked = cluster_node_there(cluster, call->node, &slots);
        break;

    default: /* APIKEY_SLOTS_NONE */

        if (strncmp(error, "CLUSTERDOWN", 11) == 0) {
            cluster->stale = 1;

        } else if (strncmp(error, "TRYAGAIN", 8) != 0) {
            return 0;
        }
    }

    cluster_call_again(cluster, call, cluster->nodes[call->node].shown,
                       error, (error[0] == 'M' || error[0] == 'A'));

    return 1;
}


/* Redirections are followed at once, but not in circles. */

static void
cluster_call_again(cluster_t *cluster, cluster_call_t *call, const char *who,
    const char *why, int redirected)
{
    uint64_t  now;

    now = redis_clock();

    if (call->tries++ == 0) {
        call->since = now;
    }

    if (now - call->since > CLUSTER_PATIENCE * 1000) {
        cluster_call_fail(call, who, why);
        return;
    }

    if (!redirected || call->tries > CLUSTER_REDIRECTIONS) {
        cluster->waits = 1;
    }

    call->state = CLUSTER_CALL_NEW;
}


static void
cluster_call_fail(cluster_call_t *call, const char *who, const char *why)
{
    size_t  len;

    len = (who ? strlen(who) : 0) + strlen(why) + 3;

    call->state = CLUSTER_CALL_DONE;
    call->error = must(malloc(len));

    snprintf(call->error, len, "%s%s%s", who ? who : "", who ? ": " : "",
             why);
}
