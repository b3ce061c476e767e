#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "memory.h"
#include "sentinel.h"


#define SENTINEL_PAUSE  100      /* milliseconds between two rounds */


typedef struct {
    unsigned  answers;           /* that name a master */
    unsigned  unknown;
    char      silent[REDIS_ERROR];
    char      refused[REDIS_ERROR];
} sentinel_round_t;


static int sentinel_round(redis_t *redis, const address_t *address,
    sentinel_round_t *round);
static int sentinel_open_master(redis_t *redis, const address_t *address,
    address_host_t *host, sentinel_round_t *round);
static reply_t *sentinel_question(redis_t *redis,
    const address_t *address);
static void sentinel_note(char note[REDIS_ERROR], const address_host_t *host,
    const char *why);


int
sentinel_open(redis_t *redis, const address_t *address)
{
    uint64_t          until;
    struct timespec   pause;
    sentinel_round_t  round;

    until = redis_clock() + SENTINEL_SEARCH * 1000;

    pause.tv_sec = 0;
    pause.tv_nsec = SENTINEL_PAUSE * 1000000;

    for ( ;; ) {
        if (sentinel_round(redis, address, &round) == 0) {
            return 0;
        }

        /* During a failover the next round may find the new master. */

        if (round.answers == 0 || redis_clock() >= until) {
            break;
        }

        redis_close(redis);
        (void) nanosleep(&pause, NULL);
    }

    if (round.answers != 0) {
        return redis_fail(redis, "%s", round.refused);
    }

    if (round.unknown != 0) {
        return redis_fail(redis, "no sentinel knows the master \"%s\"",
                          address->master);
    }

    return redis_fail(redis, "no sentinel answers: %s", round.silent);
}


sentinel_rc_e
sentinel_ask(redis_t *redis, const address_t *address,
    const address_host_t *sentinel, address_host_t *host)
{
    address_t      login;
    reply_t       *reply;
    sentinel_rc_e  rc;

    memset(host, 0, sizeof(address_host_t));

    /* Without a password, unless it wants one. */

    login = *address;
    login.db = 0;
    login.user = NULL;
    login.password = NULL;

    reply = NULL;

    if (redis_open_within(redis, &login, sentinel, SENTINEL_PATIENCE) == 0) {
        reply = sentinel_question(redis, address);
    }

    if (reply != NULL
        && reply_error(reply) != NULL
        && strncmp(reply_error(reply), "NOAUTH", 6) == 0
        && address->password != NULL)
    {
        reply_free(reply);
        redis_close(redis);
        reply = NULL;

        login.user = address->user;
        login.password = address->password;

        if (redis_open_within(redis, &login, sentinel, SENTINEL_PATIENCE)
            == 0)
        {
            reply = sentinel_question(redis, address);
        }
    }

    if (reply == NULL) {
        return SENTINEL_SILENT;
    }

    rc = SENTINEL_UNKNOWN;

    if (reply_error(reply) != NULL) {
        (void) redis_fail(redis, "%s", reply_error(reply));
        rc = SENTINEL_SILENT;

    } else if (reply_count(reply) != 0) {
        host->name = must(strdup(reply_text(reply_at(reply, 0)).data));
        host->port = must(strdup(reply_text(reply_at(reply, 1)).data));
        rc = SENTINEL_FOUND;
    }

    reply_free(reply);

    return rc;
}


void
sentinel_free(address_host_t *host)
{
    free(host->name);
    free(host->port);

    memset(host, 0, sizeof(address_host_t));
}


int
sentinel_same(const address_host_t *one, const address_host_t *other)
{
    return strcmp(one->name, other->name) == 0
           && strcmp(one->port, other->port) == 0;
}


/* Each sentinel, once; each master that is named, once. */

static int
sentinel_round(redis_t *redis, const address_t *address,
    sentinel_round_t *round)
{
    int             rc;
    unsigned        i;
    sentinel_rc_e   answer;
    address_host_t  host, tried;

    memset(round, 0, sizeof(sentinel_round_t));
    memset(&tried, 0, sizeof(address_host_t));

    rc = -1;

    for (i = 0; rc != 0 && i < address->host_count; i++) {

        if (i != 0) {
            redis_close(redis);
        }

        answer = sentinel_ask(redis, address, &address->hosts[i], &host);

        if (answer == SENTINEL_SILENT) {
            sentinel_note(round->silent, &address->hosts[i], redis->error);

        } else if (answer == SENTINEL_UNKNOWN) {
            round->unknown++;

        } else if (round->answers++ == 0 || !sentinel_same(&host, &tried)) {
            redis_close(redis);
            rc = sentinel_open_master(redis, address, &host, round);

            sentinel_free(&tried);
            tried = host;
            continue;
        }

        sentinel_free(&host);
    }

    sentinel_free(&tried);

    return rc;
}


static int
sentinel_open_master(redis_t *redis, const address_t *address,
    address_host_t *host, sentinel_round_t *round)
{
    reply_t             *reply;
    const char          *why;
    const apikey_text_t  role = apikey_text("ROLE");

    reply = NULL;

    if (redis_open_within(redis, address, host, SENTINEL_PATIENCE) == 0) {
        reply = redis_command(redis, &role, 1);
    }

    why = NULL;

    if (reply == NULL) {
        why = redis->error;

    } else if (reply_error(reply) != NULL) {
        why = reply_error(reply);

    } else if (strcmp(reply_text(reply_at(reply, 0)).data, "master") != 0) {
        why = "it is a replica";
    }

    if (why != NULL) {
        round->refused[0] = '\0';
        sentinel_note(round->refused, host, why);

    } else {
        redis->server = must(strdup(host->name));
        redis->port = must(strdup(host->port));
        redis->patience = REDIS_TIMEOUT;
    }

    reply_free(reply);

    return why ? -1 : 0;
}


static reply_t *
sentinel_question(redis_t *redis, const address_t *address)
{
    apikey_text_t  argv[3];

    argv[0] = (apikey_text_t) apikey_text("SENTINEL");
    argv[1] = (apikey_text_t) apikey_text("get-master-addr-by-name");
    argv[2].data = address->master;
    argv[2].len = strlen(address->master);

    return redis_command(redis, argv, 3);
}


static void
sentinel_note(char note[REDIS_ERROR], const address_host_t *host,
    const char *why)
{
    int     shown;
    size_t  len;

    len = strlen(note);
    shown = REDIS_ERROR - len;

    snprintf(note + len, REDIS_ERROR - len, "%s%s:%s: %.*s", len ? ", " : "",
             host->name, host->port, shown, why);
}
