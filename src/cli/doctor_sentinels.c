/* What doctor looks at where sentinels say which server is the master. */

#include <stdio.h>
#include <string.h>

#include "store/sentinel.h"

#include "doctor.h"


typedef struct {
    unsigned          answers;
    unsigned          differing;           /* that name another master */
    address_host_t    master;              /* what the first has named */
    char              others[DOCTOR_TEXT / 4];    /* one of those */
    char              ignorant[DOCTOR_TEXT / 4];  /* one of those */
    char              silent[DOCTOR_TEXT / 2];    /* one of those, and why */
    char              quorum[DOCTOR_TEXT / 2];    /* why there is none */
} doctor_sentinels_t;


static void doctor_ask(doctor_sentinels_t *found, const address_t *address,
    const address_host_t *sentinel);
static void doctor_quorum(doctor_sentinels_t *found, redis_t *redis,
    const address_t *address);
static void doctor_reserve(store_t *store, doctor_finding_t *finding);
static int doctor_writes_alone(store_t *store);


void
doctor_sentinels(doctor_t *doctor)
{
    unsigned             i;
    const address_t     *address;
    doctor_finding_t     finding;
    doctor_sentinels_t   found;

    memset(&found, 0, sizeof(doctor_sentinels_t));
    address = &doctor->cli->settings->address;

    for (i = 0; i < address->host_count; i++) {
        doctor_ask(&found, address, &address->hosts[i]);
    }

    if (found.differing != 0) {
        doctor_find(&finding, "wrong",
                    "wait for the end of a failover, else SENTINEL RESET on "
                    "the one that is behind",
                    "they name %s:%s and %s as the master",
                    found.master.name, found.master.port, found.others);

    } else if (found.ignorant[0] != '\0') {
        doctor_find(&finding, "wrong", "sentinel monitor in its "
                    "configuration", "%s doesn't know the master \"%s\"",
                    found.ignorant, address->master);

    } else if (found.quorum[0] != '\0') {
        doctor_find(&finding, "wrong",
                    "start more sentinels: more than half of all, and as "
                    "many as sentinel monitor says, must see one another",
                    "a failover can't be made: %s", found.quorum);

    } else if (found.silent[0] != '\0') {
        doctor_find(&finding, "warning",
                    "start it, or take it out of the URL",
                    "%u of %u answer; %s", found.answers, address->host_count,
                    found.silent);

    } else {
        doctor_find(&finding, "ok", NULL,
                    "%u of %u answer, the master is %s:%s", found.answers,
                    address->host_count, found.master.name,
                    found.master.port);
    }

    sentinel_free(&found.master);
    doctor_say(doctor, "sentinels", &finding);

    doctor_reserve(&doctor->cli->store, &finding);
    doctor_say(doctor, "replicas", &finding);
}


static void
doctor_ask(doctor_sentinels_t *found, const address_t *address,
    const address_host_t *sentinel)
{
    redis_t          redis;
    address_host_t   host;

    switch (sentinel_ask(&redis, address, sentinel, &host)) {

    case SENTINEL_SILENT:
        snprintf(found->silent, sizeof(found->silent), "%.80s:%s: %.120s",
                 sentinel->name, sentinel->port, redis.error);
        break;

    case SENTINEL_UNKNOWN:
        snprintf(found->ignorant, sizeof(found->ignorant), "%.80s:%s",
                 sentinel->name, sentinel->port);
        break;

    case SENTINEL_FOUND:

        if (found->answers++ == 0) {
            doctor_quorum(found, &redis, address);
            found->master = host;
            memset(&host, 0, sizeof(address_host_t));

        } else if (!sentinel_same(&host, &found->master)) {
            found->differing++;
            snprintf(found->others, sizeof(found->others), "%.80s:%s",
                     host.name, host.port);
        }

        break;
    }

    sentinel_free(&host);
    redis_close(&redis);
}


/* What a user may not ask isn't wrong. */

static void
doctor_quorum(doctor_sentinels_t *found, redis_t *redis,
    const address_t *address)
{
    reply_t       *reply;
    apikey_text_t  argv[3];

    argv[0] = store_text("SENTINEL");
    argv[1] = store_text("CKQUORUM");
    argv[2] = store_text(address->master);

    reply = redis_command(redis, argv, 3);

    if (reply != NULL
        && reply_error(reply) != NULL
        && strncmp(reply_error(reply), "NOQUORUM", 8) == 0)
    {
        snprintf(found->quorum, sizeof(found->quorum), "%.200s",
                 reply_error(reply));
    }

    reply_free(reply);
}


static void
doctor_reserve(store_t *store, doctor_finding_t *finding)
{
    size_t         count;
    reply_t       *reply;
    apikey_text_t  argv[1];

    argv[0] = store_text("ROLE");
    reply = store_command(store, argv, 1);

    if (reply == NULL) {
        doctor_find(finding, "unknown", "allow this user ROLE", "%s",
                    store->error);
        return;
    }

    count = reply_count(reply_at(reply, 2));
    reply_free(reply);

    if (count == 0) {
        doctor_find(finding, "warning", "start one: replicaof HOST PORT",
                    "none is connected: nobody can take the master's place");

    } else if (count > 1 && doctor_writes_alone(store)) {
        doctor_find(finding, "warning",
                    "CONFIG SET min-replicas-to-write 1, and in the "
                    "configuration file of each Redis too",
                    "%u are connected; a master that is cut off from them "
                    "goes on counting, and that is lost", (unsigned) count);

    } else {
        doctor_find(finding, "ok", NULL, "%u connected", (unsigned) count);
    }
}


static int
doctor_writes_alone(store_t *store)
{
    int            alone;
    reply_t       *reply;
    apikey_text_t  argv[3];

    argv[0] = store_text("CONFIG");
    argv[1] = store_text("GET");
    argv[2] = store_text("min-replicas-to-write");

    reply = store_command(store, argv, 3);

    alone = (reply != NULL
             && apikey_text_equal(reply_text(reply_at(reply, 1)),
                                  store_text("0")));

    reply_free(reply);

    return alone;
}
