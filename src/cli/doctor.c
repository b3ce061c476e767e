/* doctor: what is wrong with this set-up, and how to mend it. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sodium.h>

#include "cli.h"


#define DOCTOR_TEXT   512
#define DOCTOR_MAJOR  5      /* of Redis, the oldest */
#define DOCTOR_DRIFT  2      /* seconds between two clocks */
#define DOCTOR_IDS    3      /* shown of many */


typedef struct {
    cli_t       *cli;
    json_t      *checks;
    int          status;
    int64_t      drift;      /* microseconds that Redis's clock is ahead */

    unsigned     keys;
    unsigned     dangling;
    unsigned     unreadable;
    char         ids[DOCTOR_IDS * (APIKEY_ID_MAX + 1) + 1];
} doctor_t;

typedef void (*doctor_check_pt)(doctor_t *doctor);


static void doctor_pepper(doctor_t *doctor);
static int doctor_open(doctor_t *doctor);
static void doctor_version(doctor_t *doctor);
static void doctor_rights(doctor_t *doctor);
static store_rc_e doctor_probe(store_t *store, uint64_t now);
static void doctor_gateways(doctor_t *doctor);
static void doctor_eviction(doctor_t *doctor);
static void doctor_persistence(doctor_t *doctor);
static void doctor_clock(doctor_t *doctor);
static void doctor_index(doctor_t *doctor);
static void doctor_visit(void *data, apikey_text_t id, stored_t *stored);
static int doctor_info(doctor_t *doctor, const char *section,
    const char *name, char value[64]);
static void doctor_say(doctor_t *doctor, const char *check,
    const char *result, const char *mend, const char *format, ...)
    __attribute__((format(printf, 5, 6)));


static const doctor_check_pt  doctor_checks[] = {
    doctor_version,
    doctor_rights,
    doctor_gateways,
    doctor_eviction,
    doctor_persistence,
    doctor_clock,
    doctor_index
};


int
command_doctor(cli_t *cli)
{
    int        rc;
    unsigned   i;
    doctor_t   doctor;

    rc = cli_operands(cli, 0, 0, NULL);

    if (rc != CLI_DONE) {
        return rc;
    }

    memset(&doctor, 0, sizeof(doctor));
    doctor.cli = cli;
    doctor.checks = json_array();

    doctor_pepper(&doctor);

    if (doctor_open(&doctor) == 0) {

        for (i = 0; i < sizeof(doctor_checks) / sizeof(doctor_check_pt); i++)
        {
            doctor_checks[i](&doctor);
        }
    }

    if (cli->json) {
        json_print(json_pack("{s:b,s:O}", "ok", doctor.status == CLI_DONE,
                             "checks", doctor.checks));
    }

    json_decref(doctor.checks);

    return doctor.status;
}


static void
doctor_pepper(doctor_t *doctor)
{
    char             why[SETTINGS_WHY];
    cli_t           *cli;
    const char      *mend;

    cli = doctor->cli;

    if (settings_pepper(&cli->settings, &cli->pepper, why, &mend) != 0) {
        doctor_say(doctor, "pepper", "wrong", mend, "%s", why);
        return;
    }

    doctor_say(doctor, "pepper", "ok", NULL, "\"%s\" can be used",
               cli->settings.pepper_file);
}


static int
doctor_open(doctor_t *doctor)
{
    cli_t            *cli;
    struct timespec   ts;

    cli = doctor->cli;

    if (store_open(&cli->store, &cli->settings) != STORE_DONE
        || store_time(&cli->store, &cli->now) != STORE_DONE)
    {
        doctor_say(doctor, "redis", "wrong",
                   "start Redis, or correct --redis, APIKEY_REDIS or redis = "
                   "in " SETTINGS_FILE ", its user or password",
                   "%s: %s", cli->settings.address.shown, cli->store.error);

        doctor->status = CLI_REDIS;
        return -1;
    }

    (void) clock_gettime(CLOCK_REALTIME, &ts);

    doctor->drift = (int64_t) cli->now
                    - ((int64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000);

    doctor_say(doctor, "redis", "ok", NULL, "%s answers",
               cli->settings.address.shown);

    return 0;
}


static void
doctor_version(doctor_t *doctor)
{
    char  value[64];

    if (doctor_info(doctor, "server", "redis_version", value) != 0) {
        doctor_say(doctor, "version", "unknown", "allow this user INFO",
                   "%s", value);
        return;
    }

    if (atoi(value) < DOCTOR_MAJOR) {
        doctor_say(doctor, "version", "wrong",
                   "use Redis 5 or newer, or Valkey", "Redis %s is too old",
                   value);
        return;
    }

    doctor_say(doctor, "version", "ok", NULL, "Redis %s", value);
}


static void
doctor_rights(doctor_t *doctor)
{
    store_t            *store;
    static const char   mend[] =
        "this user needs ~PREFIX* &PREFIX* +@read +@hash +del +eval +evalsha "
        "+publish +subscribe +time; a server that refuses to write must be "
        "mended first";

    store = &doctor->cli->store;

    if (doctor_probe(store, cli_now(doctor->cli)) != STORE_DONE) {
        doctor_say(doctor, "rights", "wrong", mend,
                   "a probe can't be written and deleted: %s", store->error);
        return;
    }

    if (store_acks_probe(store) != STORE_DONE) {
        doctor_say(doctor, "rights", "wrong", mend,
                   "the answers of gateways can't be heard: %s",
                   store->error);
        return;
    }

    doctor_say(doctor, "rights", "ok", NULL,
               "a probe was written, changed and deleted; answers are heard");
}


/* A key that nobody can have: its digest is random. */

static store_rc_e
doctor_probe(store_t *store, uint64_t now)
{
    char             id[APIKEY_ID_SIZE];
    stored_t        *stored;
    store_rc_e       rc, deleted;
    const char      *why;
    store_new_t      key;
    apikey_text_t    id_text;
    apikey_field_t   field;

    memset(&key, 0, sizeof(key));

    randombytes_buf(key.digest, sizeof(key.digest));
    apikey_token_generate_id(id);
    id_text = (apikey_text_t) { id, sizeof(id) };

    (void) attributes_set(&key.attributes, ATTRIBUTE_ID, id_text, &why);
    (void) attributes_set(&key.attributes, ATTRIBUTE_NAME,
                          store_text("probe of apikey doctor"), &why);
    (void) attributes_set(&key.attributes, ATTRIBUTE_STATUS,
                          store_text("disabled"), &why);
    (void) attributes_set_time(&key.attributes, ATTRIBUTE_CREATED, now, &why);

    rc = store_create(store, &key, 1);

    if (rc == STORE_DONE) {
        rc = store_read_id(store, id_text, &stored);

        if (rc == STORE_DONE) {
            field.name = store_text("status");
            field.value = store_text("revoked");

            rc = store_change(store, stored, &field, 1);
            free(stored);
        }

        deleted = store_delete(store, id_text);
        rc = (rc == STORE_DONE) ? deleted : rc;
    }

    attributes_free(&key.attributes);

    return rc;
}


static void
doctor_gateways(doctor_t *doctor)
{
    unsigned          i, count;
    store_t          *store;
    store_workers_t   workers;

    store = &doctor->cli->store;

    if (store_workers_read(store, &workers) != STORE_DONE) {
        doctor_say(doctor, "gateways", "wrong",
                   "allow this user HGETALL on PREFIX*", "%s", store->error);
        store_workers_free(&workers);
        return;
    }

    count = 0;

    for (i = 0; i < workers.count; i++) {
        count += (workers.list[i].silent <= STORE_WORKER_SILENT);
    }

    store_workers_free(&workers);

    if (count == 0) {
        doctor_say(doctor, "gateways", "warning",
                   "start nginx, with the same Redis, database and prefix",
                   "none is registered");
        return;
    }

    doctor_say(doctor, "gateways", "ok", NULL, "%u %s registered", count,
               count == 1 ? "worker is" : "workers are");
}


static void
doctor_eviction(doctor_t *doctor)
{
    char  value[64];

    if (doctor_info(doctor, "memory", "maxmemory_policy", value) != 0) {
        doctor_say(doctor, "eviction", "unknown",
                   "make sure that maxmemory-policy is noeviction", "%s",
                   value);

    } else if (strncmp(value, "allkeys-", 8) == 0) {
        doctor_say(doctor, "eviction", "wrong",
                   "CONFIG SET maxmemory-policy noeviction, and in the "
                   "configuration file too",
                   "maxmemory-policy is %s: keys are lost when memory is full",
                   value);

    } else if (strcmp(value, "noeviction") != 0) {
        doctor_say(doctor, "eviction", "warning",
                   "CONFIG SET maxmemory-policy noeviction",
                   "maxmemory-policy is %s: what keys share of limits may be "
                   "forgotten when memory is full", value);

    } else {
        doctor_say(doctor, "eviction", "ok", NULL, "maxmemory-policy is %s",
                   value);
    }
}


static void
doctor_persistence(doctor_t *doctor)
{
    int             rdb;
    char            aof[64];
    redisReply     *reply;
    apikey_text_t   argv[3];

    if (doctor_info(doctor, "persistence", "aof_enabled", aof) != 0) {
        doctor_say(doctor, "persistence", "unknown",
                   "make sure that appendonly is yes, or save is set",
                   "%s", aof);
        return;
    }

    if (strcmp(aof, "0") != 0) {
        doctor_say(doctor, "persistence", "ok", NULL, "appendonly is on");
        return;
    }

    argv[0] = store_text("CONFIG");
    argv[1] = store_text("GET");
    argv[2] = store_text("save");

    reply = store_command(&doctor->cli->store, argv, 3);

    if (reply == NULL) {
        doctor_say(doctor, "persistence", "unknown",
                   "make sure that appendonly is yes, or save is set",
                   "appendonly is off, and %s", doctor->cli->store.error);
        return;
    }

    rdb = (reply->elements == 2 && reply->element[1]->len != 0);
    freeReplyObject(reply);

    if (!rdb) {
        doctor_say(doctor, "persistence", "warning",
                   "CONFIG SET appendonly yes, and in the configuration file "
                   "too",
                   "neither appendonly nor save: keys are lost with Redis");
        return;
    }

    doctor_say(doctor, "persistence", "ok", NULL, "snapshots are saved");
}


static void
doctor_clock(doctor_t *doctor)
{
    double  seconds;

    seconds = doctor->drift / 1000000.0;

    if (seconds > DOCTOR_DRIFT || seconds < -DOCTOR_DRIFT) {
        doctor_say(doctor, "clock", "warning",
                   "run an NTP service on both machines; Redis's clock is "
                   "what counts",
                   "Redis's clock is %.1f seconds %s this one",
                   seconds < 0 ? -seconds : seconds,
                   seconds < 0 ? "behind" : "ahead of");
        return;
    }

    doctor_say(doctor, "clock", "ok", NULL, "%+.3f seconds from this one",
               seconds);
}


static void
doctor_index(doctor_t *doctor)
{
    if (store_visit(&doctor->cli->store, doctor_visit, doctor) != STORE_DONE)
    {
        doctor_say(doctor, "keys", "wrong",
                   "allow this user HGETALL on PREFIX*", "%s",
                   doctor->cli->store.error);
        return;
    }

    if (doctor->unreadable != 0) {
        doctor_say(doctor, "keys", "wrong",
                   "apikey show ID says why; delete it and make a new key",
                   "%u of %u keys have a record that can't be read: %s",
                   doctor->unreadable, doctor->keys, doctor->ids);

    } else if (doctor->dangling != 0) {
        doctor_say(doctor, "keys", "warning",
                   "apikey delete ID, unless they are being made right now",
                   "%u ids without a key, left by something that was "
                   "interrupted: %s", doctor->dangling, doctor->ids);

    } else {
        doctor_say(doctor, "keys", "ok", NULL, "%u, all of them readable",
                   doctor->keys);
    }
}


static void
doctor_visit(void *data, apikey_text_t id, stored_t *stored)
{
    doctor_t *doctor = data;

    size_t  len;

    if (stored != NULL) {
        doctor->keys++;

        if (strcmp(stored_status(stored, 0), "unreadable") != 0) {
            free(stored);
            return;
        }

        free(stored);

        /* The worse finding is the one whose ids are shown. */

        if (doctor->unreadable++ == 0) {
            doctor->ids[0] = '\0';
        }

    } else {
        doctor->dangling++;

        if (doctor->unreadable != 0) {
            return;
        }
    }

    len = strlen(doctor->ids);

    if (len + 1 + id.len < sizeof(doctor->ids)) {
        snprintf(doctor->ids + len, sizeof(doctor->ids) - len, "%s%.*s",
                 len ? " " : "", (int) id.len, id.data);
    }
}


/* 0 and a line of INFO, or -1 and why there is none. */

static int
doctor_info(doctor_t *doctor, const char *section, const char *name,
    char value[64])
{
    size_t          len;
    const char     *p;
    redisReply     *reply;
    apikey_text_t   argv[2];

    argv[0] = store_text("INFO");
    argv[1] = store_text(section);

    reply = store_command(&doctor->cli->store, argv, 2);

    if (reply == NULL) {
        snprintf(value, 64, "%.63s", doctor->cli->store.error);
        return -1;
    }

    len = strlen(name);
    p = (reply->type == REDIS_REPLY_STRING) ? reply->str : NULL;

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

    freeReplyObject(reply);

    return p ? 0 : -1;
}


static void
doctor_say(doctor_t *doctor, const char *check, const char *result,
    const char *mend, const char *format, ...)
{
    char     text[DOCTOR_TEXT];
    va_list  args;

    va_start(args, format);
    vsnprintf(text, DOCTOR_TEXT, format, args);
    va_end(args);

    if (strcmp(result, "wrong") == 0) {
        doctor->status = CLI_REFUSED;
    }

    json_array_append_new(doctor->checks,
                          json_pack("{s:s,s:s,s:s,s:s?}", "check", check,
                                    "result", result, "text", text,
                                    "mend", mend));

    if (doctor->cli->json) {
        return;
    }

    printf("%-8s %-12s %s\n", result, check, text);

    if (mend != NULL) {
        printf("%-8s %-12s -> %s\n", "", "", mend);
    }
}
