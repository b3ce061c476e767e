#include <stdlib.h>
#include <string.h>

#include "store_acks.h"
#include "store_call.h"
#include "store_counters.h"
#include "store_expiring.h"
#include "store_gone.h"


#define STORE_BUCKETS  16     /* of the index, visited at once */


static store_rc_e store_find(store_t *store, apikey_text_t id,
    unsigned char digest[APIKEY_DIGEST_SIZE]);
static reply_t *store_write_told(store_t *store,
    const store_script_t *script, const store_write_t *write);
static store_rc_e store_visit_records(store_t *store, reply_t **index,
    store_visit_pt visit, void *data);
static void store_visit_ask(store_t *store, apikey_text_t hex);
static store_rc_e store_visit_one(store_t *store,
    const apikey_field_t *entry, store_visit_pt visit, void *data);
static void store_visit_digest(unsigned char digest[APIKEY_DIGEST_SIZE],
    apikey_text_t hex);


store_rc_e
store_open(store_t *store, const address_t *address, const char *prefix)
{
    memset(store, 0, sizeof(store_t));

    store->address = address;
    store->prefix = store_text(prefix);

    store->redis.fd = -1;

    if (store->address->cluster) {
        store->cluster = cluster_open(store->address, store->error);

        if (store->cluster == NULL) {
            return STORE_FAILED;
        }

    } else if (redis_open(&store->redis, store->address) != 0) {
        memcpy(store->error, store->redis.error, REDIS_ERROR);
        return STORE_FAILED;
    }

    store->opened = 1;

    return STORE_DONE;
}


store_rc_e
store_keep(store_t *store, const address_t *address, const char *prefix,
    uint64_t *now)
{
    store_rc_e  rc;

    /* A connection that was kept may have ended since. */

    if (store->opened && store_time(store, now) == STORE_DONE) {
        return STORE_DONE;
    }

    store_close(store);

    rc = store_open(store, address, prefix);

    return (rc == STORE_DONE) ? store_time(store, now) : rc;
}


void
store_close(store_t *store)
{
    store_acks_free(store);
    redis_close(&store->redis);

    if (store->cluster != NULL) {
        cluster_close(store->cluster);
        store->cluster = NULL;
    }

    store->opened = 0;
}


store_rc_e
store_read(store_t *store, const unsigned char digest[APIKEY_DIGEST_SIZE],
    stored_t **stored)
{
    reply_t       *reply;
    store_name_t   name;
    apikey_text_t  argv[2];

    store_name_record(store, &name, digest);

    argv[0] = store_text("HGETALL");
    argv[1] = name.text;

    reply = store_command(store, argv, 2);

    if (reply == NULL) {
        return STORE_FAILED;
    }

    *stored = stored_make(digest, reply);
    reply_free(reply);

    /* What is left of a deleted record are counters, of its family. */

    if (*stored != NULL
        && stored_get(*stored, "id").len == 0
        && stored_get(*stored, "rev").len == 0)
    {
        free(*stored);
        *stored = NULL;
    }

    return *stored ? STORE_DONE : STORE_ABSENT;
}


store_rc_e
store_read_id(store_t *store, apikey_text_t id, stored_t **stored)
{
    store_rc_e     rc;
    unsigned char  digest[APIKEY_DIGEST_SIZE];

    rc = store_find(store, id, digest);

    if (rc == STORE_DONE) {
        rc = store_read(store, digest, stored);
    }

    /* An entry that a crash has left may name another id's record. */

    if (rc == STORE_DONE && !apikey_text_equal(stored_get(*stored, "id"), id))
    {
        free(*stored);
        *stored = NULL;
        rc = STORE_ABSENT;
    }

    return rc;
}


store_rc_e
store_change(store_t *store, const stored_t *stored,
    const apikey_field_t *fields, unsigned count)
{
    unsigned       i;
    store_rc_e     rc;
    reply_t       *reply;
    store_write_t  write;

    store_write_init(store, &write, stored->digest);
    store_write_add(&write, store_acks_token(store));
    store_write_add(&write, stored_get(stored, "rev"));

    for (i = 0; i < count; i++) {
        store_write_add(&write, fields[i].name);
        store_write_add(&write, fields[i].value);
    }

    if (store_carry(store, stored, fields, count) != STORE_DONE) {
        return STORE_FAILED;
    }

    reply = store_write_told(store, &store_script_change, &write);

    if (reply == NULL) {
        return STORE_FAILED;
    }

    rc = reply_number(reply) ? STORE_DONE : STORE_CHANGED;
    reply_free(reply);

    if (rc == STORE_DONE) {
        store_expiring_changed(store, stored, fields, count);
    }

    return rc;
}


store_rc_e
store_delete(store_t *store, apikey_text_t id, stored_t **deleted)
{
    stored_t      *stored;
    store_rc_e     rc;
    reply_t       *reply;
    store_name_t   ids;
    store_write_t  write;
    apikey_text_t  argv[3];

    if (deleted != NULL) {
        *deleted = NULL;
    }

    rc = store_read_id(store, id, &stored);

    if (rc == STORE_FAILED) {
        return rc;
    }

    if (rc == STORE_DONE) {
        store_gone_deleted(store, stored);

        store_write_init(store, &write, stored->digest);
        store_write_add(&write, store_acks_token(store));

        reply = store_write_told(store, &store_script_delete, &write);

        if (reply == NULL) {
            free(stored);
            return STORE_FAILED;
        }

        reply_free(reply);

        if (deleted == NULL) {
            free(stored);
        } else {
            *deleted = stored;
        }
    }

    store_name_ids(store, &ids, apikey_names_bucket(id));

    argv[0] = store_text("HDEL");
    argv[1] = ids.text;
    argv[2] = id;

    reply = store_command(store, argv, 3);

    if (reply == NULL) {
        return STORE_FAILED;
    }

    rc = reply_number(reply) ? STORE_DONE : rc;
    reply_free(reply);

    if (rc == STORE_DONE) {
        store_expiring_deleted(store, id);
    }

    return rc;
}


store_rc_e
store_visit(store_t *store, store_visit_pt visit, void *data)
{
    return store_visit_some(store, visit, NULL, data);
}


store_rc_e
store_visit_some(store_t *store, store_visit_pt visit,
    store_rc_e (*after)(void *data), void *data)
{
    unsigned       bucket, i;
    store_rc_e     rc;
    reply_t       *index[STORE_BUCKETS];
    store_name_t   name;
    apikey_text_t  argv[2];

    rc = STORE_DONE;
    argv[0] = store_text("HGETALL");

    for (bucket = 0;
         rc == STORE_DONE && bucket < APIKEY_NAMES_BUCKETS;
         bucket += STORE_BUCKETS)
    {
        for (i = 0; i < STORE_BUCKETS; i++) {
            store_name_ids(store, &name, bucket + i);
            argv[1] = name.text;
            store_append(store, argv, 2);
        }

        for (i = 0; i < STORE_BUCKETS; i++) {
            index[i] = store_reply(store);

            if (index[i] == NULL) {
                rc = STORE_FAILED;
            }
        }

        if (rc == STORE_DONE) {
            rc = store_visit_records(store, index, visit, data);
        }

        if (rc == STORE_DONE && after != NULL) {
            rc = after(data);
        }

        for (i = 0; i < STORE_BUCKETS; i++) {
            reply_free(index[i]);
        }
    }

    return rc;
}


static store_rc_e
store_find(store_t *store, apikey_text_t id,
    unsigned char digest[APIKEY_DIGEST_SIZE])
{
    store_rc_e     rc;
    reply_t       *reply;
    store_name_t   ids;
    apikey_text_t  argv[3];

    store_name_ids(store, &ids, apikey_names_bucket(id));

    argv[0] = store_text("HGET");
    argv[1] = ids.text;
    argv[2] = id;

    reply = store_command(store, argv, 3);

    if (reply == NULL) {
        return STORE_FAILED;
    }

    rc = STORE_ABSENT;

    if (apikey_digest_parse(digest, reply_text(reply)) == APIKEY_OK) {
        rc = STORE_DONE;
    }

    reply_free(reply);

    return rc;
}


/* A write whose answers are waited for, unless its script answers 0. */

static reply_t *
store_write_told(store_t *store, const store_script_t *script,
    const store_write_t *write)
{
    uint64_t  began;
    reply_t  *reply;

    began = redis_clock();
    reply = store_write(store, script, write);

    if (reply != NULL && reply_number(reply) != 0) {
        store_acks_expect(store, began);
    }

    return reply;
}


/* Of as many buckets at once. */

static store_rc_e
store_visit_records(store_t *store, reply_t **index, store_visit_pt visit,
    void *data)
{
    size_t          i;
    unsigned        bucket;
    store_rc_e      rc;
    apikey_field_t  entry;

    for (bucket = 0; bucket < STORE_BUCKETS; bucket++) {
        for (i = 0; reply_pair(index[bucket], i, &entry); i++) {
            store_visit_ask(store, entry.value);
        }
    }

    rc = STORE_DONE;

    for (bucket = 0; bucket < STORE_BUCKETS; bucket++) {

        for (i = 0; reply_pair(index[bucket], i, &entry); i++) {

            if (store_visit_one(store, &entry, visit, data) != STORE_DONE) {
                rc = STORE_FAILED;
            }
        }
    }

    return rc;
}


static void
store_visit_ask(store_t *store, apikey_text_t hex)
{
    store_name_t    name;
    apikey_text_t   argv[2];
    unsigned char   digest[APIKEY_DIGEST_SIZE];

    store_visit_digest(digest, hex);
    store_name_record(store, &name, digest);

    argv[0] = store_text("HGETALL");
    argv[1] = name.text;

    store_append(store, argv, 2);
}


/* The entry's id and digest. */

static store_rc_e
store_visit_one(store_t *store, const apikey_field_t *entry,
    store_visit_pt visit, void *data)
{
    stored_t      *stored;
    reply_t       *reply;
    unsigned char  digest[APIKEY_DIGEST_SIZE];

    reply = store_reply(store);

    if (reply == NULL) {
        return STORE_FAILED;
    }

    store_visit_digest(digest, entry->value);

    stored = stored_make(digest, reply);
    reply_free(reply);

    if (stored != NULL
        && !apikey_text_equal(stored_get(stored, "id"), entry->name))
    {
        free(stored);
        stored = NULL;
    }

    visit(data, entry->name, stored);

    return STORE_DONE;
}


/* One that can't be read finds no record. */

static void
store_visit_digest(unsigned char digest[APIKEY_DIGEST_SIZE],
    apikey_text_t hex)
{
    if (apikey_digest_parse(digest, hex) != APIKEY_OK) {
        memset(digest, 0, APIKEY_DIGEST_SIZE);
    }
}
