#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/names.h"

#include "store/memory.h"

#include "snapshot.h"


#define SNAPSHOT_BUCKETS   1024         /* at first */
#define SNAPSHOT_CLUSTER   300000000    /* microseconds, see below */
#define SNAPSHOT_CHANGES   1000         /* more: everything is read again */
#define SNAPSHOT_ROUND     300          /* seconds until all are renewed */
#define SNAPSHOT_RENEWED   500          /* keys a second at least, if need be */
#define SNAPSHOT_LOOKED    600000000    /* microseconds */
#define SNAPSHOT_PATIENCE  5000000      /* for an answer, microseconds */


/* Digests of what was changed. */
typedef struct {
    unsigned char  (*list)[APIKEY_DIGEST_SIZE];
    size_t           count;
} snapshot_changes_t;


static void *snapshot_keep(void *data);
static void snapshot_renew(snapshot_t *snapshot);
static int snapshot_update(snapshot_t *snapshot);
static int snapshot_subscribe(snapshot_t *snapshot);
static int snapshot_hear(snapshot_t *snapshot, snapshot_changes_t *changes);
static int snapshot_apply(snapshot_t *snapshot,
    const snapshot_changes_t *changes);
static int snapshot_read(snapshot_t *snapshot,
    const unsigned char digest[APIKEY_DIGEST_SIZE]);
static void snapshot_visit(void *data, apikey_text_t id, stored_t *stored);
static int snapshot_deaf(snapshot_t *snapshot, const char *why);
static int snapshot_failed(snapshot_t *snapshot);
static void snapshot_clear(snapshot_t *snapshot);
static snapshot_key_t **snapshot_find(const snapshot_t *snapshot,
    const unsigned char digest[APIKEY_DIGEST_SIZE]);
static void snapshot_add(snapshot_t *snapshot, snapshot_key_t *key);
static void snapshot_remove(snapshot_t *snapshot, snapshot_key_t **link);
static void snapshot_grow(snapshot_t *snapshot);
static snapshot_key_t *snapshot_make(const stored_t *stored);
static const char *snapshot_text(char **to, apikey_text_t text);


void
snapshot_start(snapshot_t *snapshot, const address_t *address,
    const char *prefix)
{
    memset(snapshot, 0, sizeof(snapshot_t));

    pthread_mutex_init(&snapshot->mutex, NULL);
    pthread_cond_init(&snapshot->stop, NULL);

    snapshot->address = address;
    snapshot->prefix = prefix;
    snapshot->store.redis.fd = -1;
    snapshot->changes.fd = -1;

    snapshot->buckets = SNAPSHOT_BUCKETS;
    snapshot->table = must(calloc(snapshot->buckets,
                                  sizeof(snapshot_key_t *)));

    if (pthread_create(&snapshot->keeper, NULL, snapshot_keep, snapshot) != 0)
    {
        (void) must(NULL);
    }
}


void
snapshot_stop(snapshot_t *snapshot)
{
    pthread_mutex_lock(&snapshot->mutex);
    snapshot->stopping = 1;
    pthread_cond_signal(&snapshot->stop);
    pthread_mutex_unlock(&snapshot->mutex);

    pthread_join(snapshot->keeper, NULL);

    snapshot_clear(snapshot);
    redis_close(&snapshot->changes);
    store_close(&snapshot->store);

    free(snapshot->list);
    free(snapshot->table);
    pthread_cond_destroy(&snapshot->stop);
    pthread_mutex_destroy(&snapshot->mutex);
}


int
snapshot_open(snapshot_t *snapshot, char why[SNAPSHOT_WHY])
{
    pthread_mutex_lock(&snapshot->mutex);

    if (snapshot_update(snapshot) != 0) {
        memcpy(why, snapshot->why, SNAPSHOT_WHY);
        pthread_mutex_unlock(&snapshot->mutex);
        return -1;
    }

    snapshot->looked = redis_clock();

    return 0;
}


void
snapshot_close(snapshot_t *snapshot)
{
    pthread_mutex_unlock(&snapshot->mutex);
}


const char *
snapshot_status(const snapshot_key_t *key, uint64_t now)
{
    apikey_record_t  record;

    if (key->status < 0) {
        return "unreadable";
    }

    memset(&record, 0, sizeof(record));

    record.status = key->status;
    record.expires = key->expires;
    record.not_before = key->not_before;

    return stored_usable_name(apikey_record_usable(&record, now));
}


/* What happens meanwhile is heard of even if nobody looks. */

static void *
snapshot_keep(void *data)
{
    snapshot_t *snapshot = data;

    struct timespec  ts;

    pthread_mutex_lock(&snapshot->mutex);

    while (!snapshot->stopping) {

        /* What nodes of a Cluster tell each other may be lost on its way. */

        if (snapshot->address->cluster
            && redis_clock() - snapshot->began > SNAPSHOT_CLUSTER)
        {
            snapshot->loaded = 0;
        }

        if (snapshot_update(snapshot) == 0
            && redis_clock() - snapshot->looked < SNAPSHOT_LOOKED)
        {
            snapshot_renew(snapshot);
        }

        (void) clock_gettime(CLOCK_REALTIME, &ts);
        ts.tv_sec++;
        (void) pthread_cond_timedwait(&snapshot->stop, &snapshot->mutex, &ts);
    }

    pthread_mutex_unlock(&snapshot->mutex);

    return NULL;
}


static void
snapshot_renew(snapshot_t *snapshot)
{
    int            rc;
    size_t         n;
    unsigned char  digest[APIKEY_DIGEST_SIZE];

    rc = 0;
    n = snapshot->count / SNAPSHOT_ROUND + 1;

    if (n < SNAPSHOT_RENEWED) {
        n = (snapshot->count < SNAPSHOT_RENEWED) ? snapshot->count
                                                 : SNAPSHOT_RENEWED;
    }

    for ( /* void */ ; rc == 0 && n > 0 && snapshot->count != 0; n--) {
        snapshot->renewed %= snapshot->count;
        memcpy(digest, snapshot->list[snapshot->renewed]->digest,
               APIKEY_DIGEST_SIZE);
        snapshot->renewed++;

        rc = snapshot_read(snapshot, digest);
    }
}


static int
snapshot_update(snapshot_t *snapshot)
{
    int                  rc;
    snapshot_changes_t   changes;

    if (store_keep(&snapshot->store, snapshot->address, snapshot->prefix,
                   &snapshot->now)
        != STORE_DONE)
    {
        return snapshot_failed(snapshot);
    }

    memset(&changes, 0, sizeof(changes));

    if (snapshot->loaded && snapshot_hear(snapshot, &changes) == 0) {
        rc = snapshot_apply(snapshot, &changes);
        free(changes.list);

        return rc;
    }

    free(changes.list);

    snapshot->loaded = 0;
    snapshot_clear(snapshot);

    rc = snapshot_subscribe(snapshot);

    if (rc == 0
        && store_visit(&snapshot->store, snapshot_visit, snapshot)
           != STORE_DONE)
    {
        rc = snapshot_failed(snapshot);
    }

    snapshot->loaded = (rc == 0);
    snapshot->began = redis_clock();

    return rc;
}


static int
snapshot_subscribe(snapshot_t *snapshot)
{
    char           name[APIKEY_NAME_SIZE];
    reply_t       *reply;
    apikey_text_t  argv[2];

    redis_close(&snapshot->changes);

    if (store_connect(&snapshot->store, &snapshot->changes) != 0) {
        return snapshot_deaf(snapshot, snapshot->changes.error);
    }

    argv[0] = store_text("SUBSCRIBE");
    argv[1].data = name;
    argv[1].len = apikey_names_changes(name, snapshot->store.prefix);

    reply = redis_command(&snapshot->changes, argv, 2);

    if (reply == NULL) {
        return snapshot_deaf(snapshot, snapshot->changes.error);
    }

    if (reply_error(reply) != NULL) {
        (void) snapshot_deaf(snapshot, reply_error(reply));
        reply_free(reply);
        return -1;
    }

    reply_free(reply);

    return 0;
}


/* 0, and what was changed, or -1: too much, or the connection ended. */

static int
snapshot_hear(snapshot_t *snapshot, snapshot_changes_t *changes)
{
    int            done;
    uint64_t       end;
    reply_t       *reply;
    apikey_text_t  argv[1], told;

    argv[0] = store_text("PING");
    redis_append(&snapshot->changes, argv, 1);

    if (redis_flush(&snapshot->changes) != 0) {
        return -1;
    }

    changes->list = must(calloc(SNAPSHOT_CHANGES, APIKEY_DIGEST_SIZE));
    end = redis_clock() + SNAPSHOT_PATIENCE;
    done = 0;

    while (!done) {
        reply = redis_message(&snapshot->changes, end);

        if (reply == NULL) {
            return -1;
        }

        told = reply_text(reply_at(reply, 2));

        if (reply_count(reply) == 3) {

            if (changes->count < SNAPSHOT_CHANGES
                && apikey_digest_parse(changes->list[changes->count],
                                       apikey_text_word(&told))
                   == APIKEY_OK)
            {
                changes->count++;
            }

        } else {   /* "pong" */
            done = 1;
        }

        reply_free(reply);
    }

    return (changes->count < SNAPSHOT_CHANGES) ? 0 : -1;
}


static int
snapshot_apply(snapshot_t *snapshot, const snapshot_changes_t *changes)
{
    int     rc;
    size_t  i;

    rc = 0;

    for (i = 0; rc == 0 && i < changes->count; i++) {
        rc = snapshot_read(snapshot, changes->list[i]);
    }

    return rc;
}


/* The record as it is now, if it is there. */

static int
snapshot_read(snapshot_t *snapshot,
    const unsigned char digest[APIKEY_DIGEST_SIZE])
{
    stored_t         *stored;
    store_rc_e        rc;
    snapshot_key_t  **link;

    rc = store_read(&snapshot->store, digest, &stored);

    if (rc == STORE_FAILED) {
        snapshot->loaded = 0;
        return snapshot_failed(snapshot);
    }

    link = snapshot_find(snapshot, digest);

    if (*link != NULL) {
        snapshot_remove(snapshot, link);
    }

    if (rc == STORE_DONE) {
        snapshot_add(snapshot, snapshot_make(stored));
        free(stored);
    }

    return 0;
}


static void
snapshot_visit(void *data, apikey_text_t id, stored_t *stored)
{
    snapshot_t *snapshot = data;

    (void) id;

    if (stored != NULL && *snapshot_find(snapshot, stored->digest) == NULL) {
        snapshot_add(snapshot, snapshot_make(stored));
    }

    free(stored);
}


static int
snapshot_deaf(snapshot_t *snapshot, const char *why)
{
    snprintf(snapshot->why, SNAPSHOT_WHY,
             "Redis at %s: changes can't be heard of: %s",
             snapshot->address->shown, why);

    return -1;
}


static int
snapshot_failed(snapshot_t *snapshot)
{
    snprintf(snapshot->why, SNAPSHOT_WHY, "Redis at %s: %s",
             snapshot->address->shown, snapshot->store.error);
    store_close(&snapshot->store);

    return -1;
}


static void
snapshot_clear(snapshot_t *snapshot)
{
    size_t  i;

    for (i = 0; i < snapshot->count; i++) {
        free(snapshot->list[i]);
    }

    snapshot->count = 0;
    memset(snapshot->table, 0, snapshot->buckets * sizeof(snapshot_key_t *));
}


/* What points at it, or at the NULL where it would be. */

static snapshot_key_t **
snapshot_find(const snapshot_t *snapshot,
    const unsigned char digest[APIKEY_DIGEST_SIZE])
{
    uint64_t          hash;
    snapshot_key_t  **link;

    /* A digest is as random as any hash of it. */

    memcpy(&hash, digest, sizeof(hash));
    link = &snapshot->table[hash & (snapshot->buckets - 1)];

    while (*link != NULL
           && memcmp((*link)->digest, digest, APIKEY_DIGEST_SIZE) != 0)
    {
        link = &(*link)->next;
    }

    return link;
}


static void
snapshot_add(snapshot_t *snapshot, snapshot_key_t *key)
{
    if (snapshot->count == snapshot->room) {
        snapshot->room = snapshot->room ? snapshot->room * 2 : 1024;
        snapshot->list = must(realloc(snapshot->list, snapshot->room
                                                      * sizeof(key)));
    }

    if (snapshot->count == snapshot->buckets) {
        snapshot_grow(snapshot);
    }

    *snapshot_find(snapshot, key->digest) = key;

    key->position = snapshot->count;
    snapshot->list[snapshot->count++] = key;
}


static void
snapshot_remove(snapshot_t *snapshot, snapshot_key_t **link)
{
    snapshot_key_t  *key, *last;

    key = *link;
    *link = key->next;

    last = snapshot->list[--snapshot->count];
    last->position = key->position;
    snapshot->list[key->position] = last;

    free(key);
}


static void
snapshot_grow(snapshot_t *snapshot)
{
    size_t            i;
    snapshot_key_t  **link;

    free(snapshot->table);
    snapshot->buckets *= 2;
    snapshot->table = must(calloc(snapshot->buckets,
                                  sizeof(snapshot_key_t *)));

    for (i = 0; i < snapshot->count; i++) {
        snapshot->list[i]->next = NULL;
        link = snapshot_find(snapshot, snapshot->list[i]->digest);
        *link = snapshot->list[i];
    }
}


static snapshot_key_t *
snapshot_make(const stored_t *stored)
{
    char             *to;
    size_t            i, size;
    const char       *why;
    apikey_text_t     used;
    snapshot_key_t   *key;
    apikey_record_t  *record;
    static const char *const  texts[] = {
        "id", "name", "org", "project", "service", "plan", "scopes", "hint"
    };

    size = sizeof(snapshot_key_t);

    for (i = 0; i < sizeof(texts) / sizeof(char *); i++) {
        size += stored_get(stored, texts[i]).len + 1;
    }

    key = must(calloc(1, size));
    memcpy(key->digest, stored->digest, APIKEY_DIGEST_SIZE);

    to = key->texts;
    key->id = snapshot_text(&to, stored_get(stored, "id"));
    key->name = snapshot_text(&to, stored_get(stored, "name"));
    key->org = snapshot_text(&to, stored_get(stored, "org"));
    key->project = snapshot_text(&to, stored_get(stored, "project"));
    key->service = snapshot_text(&to, stored_get(stored, "service"));
    key->plan = snapshot_text(&to, stored_get(stored, "plan"));
    key->scopes = snapshot_text(&to, stored_get(stored, "scopes"));
    key->hint = snapshot_text(&to, stored_get(stored, "hint"));

    key->created = stored_number(stored, "created");
    key->expires = stored_number(stored, "expires");
    key->not_before = stored_number(stored, "not_before");

    used = stored_get(stored, "used");

    if (apikey_text_number(apikey_text_word(&used), INT64_MAX, &key->used)
        != APIKEY_OK)
    {
        key->used = 0;
    }

    record = stored_parse(stored, &why);
    key->status = record ? (int) record->status : -1;
    free(record);

    return key;
}


static const char *
snapshot_text(char **to, apikey_text_t text)
{
    char  *p;

    p = *to;

    if (text.len != 0) {
        memcpy(p, text.data, text.len);
    }

    p[text.len] = '\0';
    *to = p + text.len + 1;

    return p;
}
