#include <stdio.h>
#include <string.h>

#include "store_call.h"
#include "store_expiring.h"


static store_rc_e store_create_find(store_t *store, store_new_t *keys,
    unsigned count);
static store_rc_e store_create_index(store_t *store, store_new_t *keys,
    unsigned count);
static store_rc_e store_create_write(store_t *store, store_new_t *keys,
    unsigned count);
static void store_create_fields(const store_t *store, store_write_t *write,
    const store_new_t *key);
static void store_create_more(store_write_t *write, const stored_t *more);
static void store_create_failed(const store_t *store, store_new_t *key);
static void store_create_result(store_new_t *key, const reply_t *reply);
static void store_create_unindex(store_t *store, store_new_t *keys,
    unsigned count);


store_rc_e
store_create(store_t *store, store_new_t *keys, unsigned count)
{
    unsigned    i;
    store_rc_e  rc;

    for (i = 0; i < count; i++) {
        keys[i].result = STORE_NEW_PENDING;
        keys[i].indexed = 0;
    }

    rc = store_create_find(store, keys, count);

    if (rc == STORE_DONE) {
        rc = store_create_index(store, keys, count);
    }

    if (rc == STORE_DONE) {
        rc = store_create_write(store, keys, count);
    }

    store_create_unindex(store, keys, count);

    if (rc == STORE_DONE) {
        store_expiring_created(store, keys, count);
    }

    return rc;
}


store_rc_e
store_create_try(store_t *store, store_new_t *keys, unsigned count)
{
    char            hex[APIKEY_DIGEST_HEX];
    unsigned        i;
    store_rc_e      rc;
    reply_t        *reply;
    store_name_t    name;
    apikey_text_t   argv[3];

    for (i = 0; i < count; i++) {
        keys[i].result = STORE_NEW_PENDING;
        keys[i].indexed = 0;
    }

    if (store_create_find(store, keys, count) != STORE_DONE) {
        return STORE_FAILED;
    }

    argv[0] = store_text("HGET");

    for (i = 0; i < count; i++) {
        if (keys[i].result == STORE_NEW_PENDING) {
            argv[2] = attributes_get(&keys[i].attributes, ATTRIBUTE_ID);
            store_name_ids(store, &name, apikey_names_bucket(argv[2]));
            argv[1] = name.text;
            store_append(store, argv, 3);
        }
    }

    rc = STORE_DONE;

    for (i = 0; i < count; i++) {

        if (keys[i].result != STORE_NEW_PENDING) {
            continue;
        }

        reply = store_reply(store);

        if (reply == NULL) {
            rc = STORE_FAILED;

        } else if (reply_text(reply).data != NULL
                   && !apikey_text_equal(reply_text(reply),
                                         store_hex(hex, keys[i].digest)))
        {
            keys[i].result = STORE_NEW_TAKEN;
        }

        reply_free(reply);
    }

    return rc;
}


store_rc_e
store_read_existing(store_t *store, const store_new_t *keys, unsigned count,
    stored_t **stored)
{
    unsigned       i;
    store_rc_e     rc;
    reply_t       *reply;
    store_name_t   name;
    apikey_text_t  argv[2];

    argv[0] = store_text("HGETALL");

    for (i = 0; i < count; i++) {
        if (keys[i].result == STORE_NEW_EXISTS) {
            store_name_record(store, &name, keys[i].digest);
            argv[1] = name.text;
            store_append(store, argv, 2);
        }
    }

    rc = STORE_DONE;

    for (i = 0; i < count; i++) {
        stored[i] = NULL;

        if (keys[i].result != STORE_NEW_EXISTS) {
            continue;
        }

        reply = store_reply(store);

        if (reply == NULL) {
            rc = STORE_FAILED;
            continue;
        }

        stored[i] = stored_make(keys[i].digest, reply);
        reply_free(reply);
    }

    return rc;
}


/* A key that is known already gets no entry in the index. */

static store_rc_e
store_create_find(store_t *store, store_new_t *keys, unsigned count)
{
    unsigned       i;
    store_rc_e     rc;
    reply_t       *reply;
    store_name_t   name;
    apikey_text_t  argv[3];

    argv[0] = store_text("HGET");
    argv[2] = store_text("id");

    for (i = 0; i < count; i++) {
        store_name_record(store, &name, keys[i].digest);
        argv[1] = name.text;
        store_append(store, argv, 3);
    }

    rc = STORE_DONE;

    for (i = 0; i < count; i++) {
        reply = store_reply(store);

        if (reply == NULL) {
            rc = STORE_FAILED;
            continue;
        }

        if (reply_text(reply).data != NULL) {
            keys[i].result = STORE_NEW_EXISTS;
        }

        reply_free(reply);
    }

    return rc;
}


static store_rc_e
store_create_index(store_t *store, store_new_t *keys, unsigned count)
{
    char           hex[APIKEY_DIGEST_HEX];
    unsigned       i;
    store_rc_e     rc;
    reply_t       *set, *get;
    store_name_t   name;
    apikey_text_t  argv[4], digest;

    for (i = 0; i < count; i++) {

        if (keys[i].result != STORE_NEW_PENDING) {
            continue;
        }

        argv[2] = attributes_get(&keys[i].attributes, ATTRIBUTE_ID);
        argv[3] = store_hex(hex, keys[i].digest);

        store_name_ids(store, &name, apikey_names_bucket(argv[2]));
        argv[1] = name.text;

        argv[0] = store_text("HSETNX");
        store_append(store, argv, 4);

        argv[0] = store_text("HGET");
        store_append(store, argv, 3);
    }

    rc = STORE_DONE;

    for (i = 0; i < count; i++) {

        if (keys[i].result != STORE_NEW_PENDING) {
            continue;
        }

        set = store_reply(store);
        get = store_reply(store);

        keys[i].indexed = (set != NULL && reply_number(set) == 1);

        if (set == NULL || get == NULL) {
            rc = STORE_FAILED;

        } else {
            digest = store_hex(hex, keys[i].digest);

            if (!apikey_text_equal(reply_text(get), digest)) {
                keys[i].result = STORE_NEW_TAKEN;
            }
        }

        reply_free(set);
        reply_free(get);
    }

    return rc;
}


static store_rc_e
store_create_write(store_t *store, store_new_t *keys, unsigned count)
{
    unsigned       i, unknown;
    store_rc_e     rc;
    reply_t       *reply;
    store_write_t  write;

    for (i = 0; i < count; i++) {
        if (keys[i].result == STORE_NEW_PENDING) {
            store_create_fields(store, &write, &keys[i]);
            store_write_append(store, &store_script_create, &write);
        }
    }

    rc = STORE_DONE;
    unknown = 0;

    for (i = 0; i < count; i++) {

        if (keys[i].result != STORE_NEW_PENDING) {
            continue;
        }

        reply = store_reply(store);

        if (reply != NULL) {
            store_create_result(&keys[i], reply);
            reply_free(reply);

        } else if (store_script_unknown(store)) {
            unknown = 1;

        } else {
            store_create_failed(store, &keys[i]);
            rc = STORE_FAILED;
        }
    }

    /* The first of those that are left makes the script known. */

    for (i = 0; unknown && rc == STORE_DONE && i < count; i++) {

        if (keys[i].result != STORE_NEW_PENDING) {
            continue;
        }

        store_create_fields(store, &write, &keys[i]);
        reply = store_write(store, &store_script_create, &write);

        if (reply == NULL) {
            store_create_failed(store, &keys[i]);
            rc = STORE_FAILED;
            break;
        }

        store_create_result(&keys[i], reply);
        reply_free(reply);
    }

    return rc;
}


static void
store_create_fields(const store_t *store, store_write_t *write,
    const store_new_t *key)
{
    unsigned        i, n;
    apikey_field_t  fields[ATTRIBUTE_COUNT];

    store_write_init(store, write, key->digest);
    n = attributes_fields(&key->attributes, fields);

    for (i = 0; i < n; i++) {
        store_write_add(write, fields[i].name);
        store_write_add(write, fields[i].value);
    }

    if (key->more != NULL) {
        store_create_more(write, key->more);
        return;
    }

    if (key->family[0] != '\0') {
        store_write_add(write, store_text("family"));
        store_write_add(write, store_text(key->family));
    }

    if (key->reset[0] != '\0') {
        store_write_add(write, store_text("reset"));
        store_write_add(write, store_text(key->reset));
    }
}


/* Counters, above all. */

static void
store_create_more(store_write_t *write, const stored_t *more)
{
    char      name[APIKEY_NAME_SIZE];
    unsigned  i, n;

    for (i = 0, n = 0; i < more->count && n < STORE_MORE; i++) {
        snprintf(name, sizeof(name), "%.*s", (int) more->fields[i].name.len,
                 more->fields[i].name.data);

        if (attribute_find(name) == ATTRIBUTE_COUNT
            && strcmp(name, "rev") != 0)
        {
            store_write_add(write, more->fields[i].name);
            store_write_add(write, more->fields[i].value);
            n++;
        }
    }
}


static void
store_create_result(store_new_t *key, const reply_t *reply)
{
    if (reply_is_number(reply)) {
        key->result = STORE_NEW_CREATED;
        snprintf(key->rev, sizeof(key->rev), "%lld", reply_number(reply));
        return;
    }

    /* Somebody was quicker; with the same id, the entry is needed. */

    key->result = STORE_NEW_EXISTS;

    if (apikey_text_equal(reply_text(reply),
                          attributes_get(&key->attributes, ATTRIBUTE_ID)))
    {
        key->indexed = 0;
    }
}


/* A record that may have been written keeps its entry, needed or not. */

static void
store_create_failed(const store_t *store, store_new_t *key)
{
    if (store->lost) {
        key->indexed = 0;
    }
}


/*
 * Takes back entries that got no record.  Whether it succeeds matters little,
 * and the error that led here is kept.
 */

static void
store_create_unindex(store_t *store, store_new_t *keys, unsigned count)
{
    unsigned        i;
    store_name_t    name;
    apikey_text_t   argv[3];

    argv[0] = store_text("HDEL");

    for (i = 0; i < count; i++) {

        if (keys[i].indexed && keys[i].result != STORE_NEW_CREATED) {
            argv[2] = attributes_get(&keys[i].attributes, ATTRIBUTE_ID);

            store_name_ids(store, &name, apikey_names_bucket(argv[2]));
            argv[1] = name.text;

            store_append(store, argv, 3);
        }
    }

    for (i = 0; i < count; i++) {
        if (keys[i].indexed && keys[i].result != STORE_NEW_CREATED) {
            store_skip(store);
        }
    }
}
