/* What doctor looks at on each server: one, or the masters of a Cluster. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sodium.h>

#include "store/memory.h"

#include "doctor.h"


#define DOCTOR_MAJOR  5      /* of Redis, the oldest */
#define DOCTOR_DRIFT  2      /* seconds between two clocks */
#define DOCTOR_NAMES  3      /* shown of many */


typedef void (*doctor_check_pt)(store_t *store, unsigned server,
    doctor_finding_t *finding);


static int doctor_each(doctor_t *doctor, const char *check,
    doctor_check_pt look);
static void doctor_group(doctor_t *doctor, const char *check,
    doctor_finding_t *findings, unsigned first);
static void doctor_version(store_t *store, unsigned server,
    doctor_finding_t *finding);
static int doctor_cluster(doctor_t *doctor);
static int doctor_masters(doctor_t *doctor);
static void doctor_state(store_t *store, unsigned server,
    doctor_finding_t *finding);
static void doctor_replicas(store_t *store, unsigned server,
    doctor_finding_t *finding);
static void doctor_rights(store_t *store, unsigned server,
    doctor_finding_t *finding);
static store_rc_e doctor_probe(store_t *store, unsigned server);
static void doctor_eviction(store_t *store, unsigned server,
    doctor_finding_t *finding);
static void doctor_persistence(store_t *store, unsigned server,
    doctor_finding_t *finding);
static void doctor_clock(doctor_t *doctor);
static int64_t doctor_time(void);
static void doctor_clocks(const doctor_t *doctor, const int64_t *drifts,
    doctor_finding_t *finding);
static int doctor_info(store_t *store, unsigned server, const char *section,
    const char *name, char value[64]);


int
doctor_servers(doctor_t *doctor)
{
    int  rc;

    doctor->servers = store_servers(&doctor->cli->store,
                                    &doctor->server_count);

    rc = doctor->cli->store.cluster ? doctor_cluster(doctor) : 0;

    if (doctor->cli->settings->address.master != NULL) {
        doctor_sentinels(doctor);
    }

    (void) doctor_each(doctor, "version", doctor_version);
    (void) doctor_each(doctor, "eviction", doctor_eviction);
    (void) doctor_each(doctor, "persistence", doctor_persistence);
    doctor_clock(doctor);

    if (rc == 0) {
        (void) doctor_each(doctor, "rights", doctor_rights);
    }

    free(doctor->servers);

    return rc;
}


/* Says only once what is true of several.  -1: something is wrong. */

static int
doctor_each(doctor_t *doctor, const char *check, doctor_check_pt look)
{
    int                rc;
    unsigned           i;
    doctor_finding_t  *findings;

    rc = 0;
    findings = must(calloc(doctor->server_count + 1,
                           sizeof(doctor_finding_t)));

    for (i = 0; i < doctor->server_count; i++) {
        look(&doctor->cli->store, doctor->servers[i], &findings[i]);

        if (strcmp(findings[i].result, "wrong") == 0) {
            rc = -1;
        }
    }

    for (i = 0; i < doctor->server_count; i++) {
        if (findings[i].result != NULL) {
            doctor_group(doctor, check, findings, i);
        }
    }

    free(findings);

    return rc;
}


/* The first, and those behind it that are the same. */

static void
doctor_group(doctor_t *doctor, const char *check, doctor_finding_t *findings,
    unsigned first)
{
    char              names[DOCTOR_TEXT / 2];
    size_t            len;
    unsigned          i, count;
    doctor_finding_t  said;

    len = 0;
    count = 0;
    names[0] = '\0';
    said = findings[first];

    for (i = first; i < doctor->server_count; i++) {

        if (strcmp(findings[i].text, said.text) != 0) {
            continue;
        }

        findings[i].result = NULL;

        if (count++ < DOCTOR_NAMES && len < sizeof(names)) {
            len += snprintf(names + len, sizeof(names) - len, "%s%s",
                            len ? ", " : "",
                            store_server_name(&doctor->cli->store,
                                              doctor->servers[i]));
        }
    }

    if (count > DOCTOR_NAMES && len < sizeof(names)) {
        snprintf(names + len, sizeof(names) - len, " and %u more",
                 count - DOCTOR_NAMES);
    }

    if (count != doctor->server_count) {
        doctor_find(&said, said.result, said.mend, "%s: %s", names,
                    findings[first].text);
    }

    doctor_say(doctor, check, &said);
}


static void
doctor_version(store_t *store, unsigned server, doctor_finding_t *finding)
{
    char  value[64];

    /* Valkey has a version of Redis's, too: 7.2.4, whichever it is. */

    if (doctor_info(store, server, "server", "valkey_version", value) == 0) {
        doctor_find(finding, "ok", NULL, "Valkey %s", value);

    } else if (doctor_info(store, server, "server", "redis_version", value)
               != 0)
    {
        doctor_find(finding, "unknown", "allow this user INFO", "%s", value);

    } else if (atoi(value) < DOCTOR_MAJOR) {
        doctor_find(finding, "wrong", "use Redis 5 or newer, or Valkey",
                    "Redis %s is too old", value);

    } else {
        doctor_find(finding, "ok", NULL, "Redis %s", value);
    }
}


static int
doctor_cluster(doctor_t *doctor)
{
    int                rc;
    unsigned           i, missing;
    doctor_finding_t   finding;

    missing = 0;

    for (i = 0; i < APIKEY_SLOTS; i++) {
        missing += (doctor->cli->store.cluster->slots[i] == CLUSTER_NONE);
    }

    if (missing != 0) {
        doctor_find(&finding, "wrong", "redis-cli --cluster fix HOST:PORT",
                    "%u of %d slots %s on no node: what is there can't be "
                    "used", missing, APIKEY_SLOTS,
                    missing == 1 ? "is" : "are");
    } else {
        doctor_find(&finding, "ok", NULL, "all slots are on %u %s",
                    doctor->server_count,
                    doctor->server_count == 1 ? "master" : "masters");
    }

    doctor_say(doctor, "cluster", &finding);

    rc = doctor_masters(doctor);

    if (doctor_each(doctor, "state", doctor_state) != 0) {
        rc = -1;
    }

    (void) doctor_each(doctor, "replicas", doctor_replicas);

    return rc;
}


/* Those that aren't there are told of once, and asked nothing else. */

static int
doctor_masters(doctor_t *doctor)
{
    int                rc;
    unsigned           i, count;
    doctor_finding_t   finding;

    rc = 0;
    count = 0;

    for (i = 0; i < doctor->server_count; i++) {

        if (store_server_answers(&doctor->cli->store, doctor->servers[i])) {
            doctor->servers[count++] = doctor->servers[i];
            continue;
        }

        doctor_find(&finding, "wrong",
                    store_server_placed(&doctor->cli->store,
                                        doctor->servers[i])
                    ? "start it, or CLUSTER FAILOVER TAKEOVER on a replica of "
                      "it"
                    : "start it, with cluster-announce-ip, or a hostname, in "
                      "its configuration",
                    "%s", doctor->cli->store.error);
        doctor_say(doctor, "cluster", &finding);

        rc = -1;
    }

    doctor->server_count = count;

    return rc;
}


static void
doctor_state(store_t *store, unsigned server, doctor_finding_t *finding)
{
    int            ok;
    reply_t       *reply;
    apikey_text_t  argv[2];

    argv[0] = store_text("CLUSTER");
    argv[1] = store_text("INFO");

    reply = store_server_command(store, server, argv, 2);

    if (reply == NULL) {
        doctor_find(finding, "unknown", "allow this user CLUSTER INFO", "%s",
                    store->error);
        return;
    }

    ok = strstr(reply_text(reply).data, "cluster_state:ok") != NULL;
    reply_free(reply);

    if (ok) {
        doctor_find(finding, "ok", NULL, "cluster_state is ok");

    } else {
        doctor_find(finding, "wrong", "redis-cli --cluster check HOST:PORT",
                    "cluster_state isn't ok: nothing is answered");
    }
}


static void
doctor_replicas(store_t *store, unsigned server, doctor_finding_t *finding)
{
    unsigned  count;

    count = store->cluster->nodes[server].replicas;

    if (count != 0) {
        doctor_find(finding, "ok", NULL, "%u in reserve", count);

    } else {
        doctor_find(finding, "warning", "redis-cli --cluster add-node "
                    "HOST:PORT HOST:PORT --cluster-slave",
                    "none in reserve: its keys can't be used when it fails");
    }
}


static void
doctor_rights(store_t *store, unsigned server, doctor_finding_t *finding)
{
    static const char  mend[] =
        "this user needs ~PREFIX* &PREFIX* +ping +select +time +@read +@hash "
        "+set +zadd +zrem +xadd +del +expire +eval +evalsha +publish "
        "+subscribe +role +wait +info +config|get, and in a Cluster "
        "+cluster|slots +cluster|info +asking; a server that refuses to write "
        "must be mended first";

    if (doctor_probe(store, server) != STORE_DONE) {
        doctor_find(finding, "wrong", mend,
                    "a probe can't be written and deleted: %s", store->error);

    } else if (store->missed[0] != '\0') {
        doctor_find(finding, "wrong", mend,
                    "what is written besides a probe isn't: %s",
                    store->missed);
        store->missed[0] = '\0';

    } else if (store_acks_probe(store, server) != STORE_DONE) {
        doctor_find(finding, "wrong", mend,
                    "the answers of gateways can't be heard: %s",
                    store->error);

    } else {
        doctor_find(finding, "ok", NULL, "a probe was written, changed and "
                    "deleted; answers are heard");
    }
}


/* A key that nobody can have: its digest is random. */

static store_rc_e
doctor_probe(store_t *store, unsigned server)
{
    char             id[APIKEY_ID_SIZE];
    uint64_t         now;
    unsigned         tries;
    stored_t        *stored;
    store_rc_e       rc, deleted;
    const char      *why;
    store_new_t      key;
    apikey_text_t    id_text;
    apikey_field_t   field;

    if (store_server_time(store, server, &now) != STORE_DONE) {
        return STORE_FAILED;
    }

    memset(&key, 0, sizeof(key));

    /* A master that has lost its slots meanwhile isn't looked for for ever. */

    for (tries = 0; tries < 64 * APIKEY_SLOTS; tries++) {
        randombytes_buf(key.digest, sizeof(key.digest));

        if (store_server_has(store, server, key.digest)) {
            break;
        }
    }

    apikey_token_generate_id(id);
    id_text = (apikey_text_t) { id, sizeof(id) };

    (void) attributes_set(&key.attributes, ATTRIBUTE_ID, id_text, &why);
    (void) attributes_set(&key.attributes, ATTRIBUTE_NAME,
                          store_text("probe of apikey doctor"), &why);
    (void) attributes_set(&key.attributes, ATTRIBUTE_STATUS,
                          store_text("disabled"), &why);
    (void) attributes_set_time(&key.attributes, ATTRIBUTE_CREATED,
                               now / 1000000, &why);
    (void) attributes_set_time(&key.attributes, ATTRIBUTE_EXPIRES,
                               now / 1000000 + 86400, &why);

    rc = store_create(store, &key, 1);

    if (rc == STORE_DONE) {
        rc = store_read_id(store, id_text, &stored);

        if (rc == STORE_DONE) {
            field.name = store_text("status");
            field.value = store_text("revoked");

            rc = store_change(store, stored, &field, 1);
            free(stored);
        }

        deleted = store_delete(store, id_text, NULL);
        rc = (rc == STORE_DONE) ? deleted : rc;
    }

    attributes_free(&key.attributes);

    return rc;
}


static void
doctor_eviction(store_t *store, unsigned server, doctor_finding_t *finding)
{
    char  value[64];

    if (doctor_info(store, server, "memory", "maxmemory_policy", value) != 0)
    {
        doctor_find(finding, "unknown",
                    "make sure that maxmemory-policy is noeviction", "%s",
                    value);

    } else if (strncmp(value, "allkeys-", 8) == 0) {
        doctor_find(finding, "wrong",
                    "CONFIG SET maxmemory-policy noeviction, and in the "
                    "configuration file too",
                    "maxmemory-policy is %s: keys are lost when memory is "
                    "full", value);

    } else if (strcmp(value, "noeviction") != 0) {
        doctor_find(finding, "warning",
                    "CONFIG SET maxmemory-policy noeviction",
                    "maxmemory-policy is %s: what keys share of limits may "
                    "be forgotten when memory is full", value);

    } else {
        doctor_find(finding, "ok", NULL, "maxmemory-policy is %s", value);
    }
}


static void
doctor_persistence(store_t *store, unsigned server, doctor_finding_t *finding)
{
    int                rdb;
    char               aof[64];
    reply_t           *reply;
    apikey_text_t      argv[3];
    static const char  mend[] = "make sure that appendonly is yes, or save "
                                 "is set";

    if (doctor_info(store, server, "persistence", "aof_enabled", aof) != 0) {
        doctor_find(finding, "unknown", mend, "%s", aof);
        return;
    }

    if (strcmp(aof, "0") != 0) {
        doctor_find(finding, "ok", NULL, "appendonly is on");
        return;
    }

    argv[0] = store_text("CONFIG");
    argv[1] = store_text("GET");
    argv[2] = store_text("save");

    reply = store_server_command(store, server, argv, 3);

    if (reply == NULL) {
        doctor_find(finding, "unknown", mend, "appendonly is off, and %s",
                    store->error);
        return;
    }

    rdb = reply_text(reply_at(reply, 1)).len != 0;
    reply_free(reply);

    if (!rdb) {
        doctor_find(finding, "warning",
                    "CONFIG SET appendonly yes, and in the configuration "
                    "file too",
                    "neither appendonly nor save: keys are lost with Redis");
        return;
    }

    doctor_find(finding, "ok", NULL, "snapshots are saved");
}


static void
doctor_clock(doctor_t *doctor)
{
    int64_t           *drifts, before, after;
    uint64_t           now;
    unsigned           i;
    store_t           *store;
    doctor_finding_t   finding;

    store = &doctor->cli->store;
    drifts = must(calloc(doctor->server_count + 1, sizeof(int64_t)));

    for (i = 0; i < doctor->server_count; i++) {

        before = doctor_time();

        if (store_server_time(store, doctor->servers[i], &now) != STORE_DONE)
        {
            break;
        }

        after = doctor_time();

        /* An answer that takes long is no drift. */

        if ((int64_t) now < before) {
            drifts[i] = (int64_t) now - before;

        } else if ((int64_t) now > after) {
            drifts[i] = (int64_t) now - after;
        }
    }

    if (i < doctor->server_count) {
        doctor_find(&finding, "unknown", "allow this user TIME", "%s",
                    store->error);
    } else {
        doctor_clocks(doctor, drifts, &finding);
    }

    doctor_say(doctor, "clock", &finding);
    free(drifts);
}


/* In microseconds, as Redis has it. */

static int64_t
doctor_time(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_REALTIME, &ts);

    return (int64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}


static void
doctor_clocks(const doctor_t *doctor, const int64_t *drifts,
    doctor_finding_t *finding)
{
    double          least, most, worst;
    unsigned        i, low, high, n;
    const store_t  *store;

    low = 0;
    high = 0;
    store = &doctor->cli->store;

    for (i = 1; i < doctor->server_count; i++) {
        low = (drifts[i] < drifts[low]) ? i : low;
        high = (drifts[i] > drifts[high]) ? i : high;
    }

    /* Whole milliseconds: what is less is no "-0.000". */

    least = drifts[low] / 1000 / 1000.0;
    most = drifts[high] / 1000 / 1000.0;
    n = (-least > most) ? low : high;
    worst = drifts[n] / 1000 / 1000.0;

    if (worst > DOCTOR_DRIFT || worst < -DOCTOR_DRIFT) {
        doctor_find(finding, "warning",
                    "run an NTP service on all machines; Redis's clock is "
                    "what counts",
                    "the clock of %s is %.1f seconds %s this one",
                    store_server_name(store, doctor->servers[n]),
                    worst < 0 ? -worst : worst,
                    worst < 0 ? "behind" : "ahead of");

    } else if (most - least > DOCTOR_DRIFT) {
        doctor_find(finding, "warning",
                    "run an NTP service on all machines: windows jump when a "
                    "key's slot moves",
                    "the clock of %s is %.1f seconds ahead of %s",
                    store_server_name(store, doctor->servers[high]),
                    most - least,
                    store_server_name(store, doctor->servers[low]));

    } else if (doctor->server_count == 1) {
        doctor_find(finding, "ok", NULL, "%+.3f seconds from this one", most);

    } else {
        doctor_find(finding, "ok", NULL, "%+.3f to %+.3f seconds from this "
                    "one", least, most);
    }
}


/* 0 and a line of INFO, or -1 and why there is none. */

static int
doctor_info(store_t *store, unsigned server, const char *section,
    const char *name, char value[64])
{
    size_t         len;
    const char    *p;
    reply_t       *reply;
    apikey_text_t  argv[2];

    argv[0] = store_text("INFO");
    argv[1] = store_text(section);

    reply = store_server_command(store, server, argv, 2);

    if (reply == NULL) {
        snprintf(value, 64, "%.63s", store->error);
        return -1;
    }

    len = strlen(name);
    p = reply_text(reply).data;

    while (p != NULL && (strncmp(p, name, len) != 0 || p[len] != ':')) {
        p = strchr(p, '\n');
        p = p ? p + 1 : NULL;
    }

    if (p != NULL) {
        p += len + 1;
        snprintf(value, 64, "%.*s", (int) strcspn(p, "\r\n"), p);

    } else {
        snprintf(value, 64, "INFO doesn't tell");
    }

    reply_free(reply);

    return p ? 0 : -1;
}
