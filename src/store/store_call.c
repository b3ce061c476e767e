#include <stdio.h>
#include <string.h>

#include "store_call.h"


static reply_t *store_take(store_t *store);
static void store_script_append(store_t *store, const char *command,
    const char *script, const store_write_t *write);


const store_script_t  store_script_create = {
    APIKEY_SCRIPT_CREATE, APIKEY_SCRIPT_CREATE_SHA1
};

const store_script_t  store_script_change = {
    APIKEY_SCRIPT_CHANGE, APIKEY_SCRIPT_CHANGE_SHA1
};

const store_script_t  store_script_delete = {
    APIKEY_SCRIPT_DELETE, APIKEY_SCRIPT_DELETE_SHA1
};

const store_script_t  store_script_forget = {
    APIKEY_SCRIPT_FORGET, APIKEY_SCRIPT_FORGET_SHA1
};

const store_script_t  store_script_carry = {
    APIKEY_SCRIPT_CARRY, APIKEY_SCRIPT_CARRY_SHA1
};


apikey_text_t
store_text(const char *text)
{
    return (apikey_text_t) { text, strlen(text) };
}


int
store_text_order(apikey_text_t a, apikey_text_t b)
{
    int     rc;
    size_t  len;

    len = (a.len < b.len) ? a.len : b.len;
    rc = memcmp(a.data, b.data, len);

    return rc ? rc : (a.len > b.len) - (a.len < b.len);
}


void
store_name_record(const store_t *store, store_name_t *name,
    const unsigned char digest[APIKEY_DIGEST_SIZE])
{
    name->text.data = name->data;
    name->text.len = apikey_names_record(name->data, store->prefix, digest);
}


void
store_name_ids(const store_t *store, store_name_t *name, unsigned bucket)
{
    name->text.data = name->data;
    name->text.len = apikey_names_ids(name->data, store->prefix, bucket);
}


void
store_name_usage(const store_t *store, store_name_t *name,
    const unsigned char digest[APIKEY_DIGEST_SIZE], uint32_t day)
{
    name->text.data = name->data;
    name->text.len = apikey_names_usage(name->data, store->prefix, digest,
                                        day);
}


void
store_name_plans(const store_t *store, store_name_t *name)
{
    name->text.data = name->data;
    name->text.len = apikey_names_plans(name->data, store->prefix);
}


void
store_name_gateways(const store_t *store, store_name_t *name)
{
    name->text.data = name->data;
    name->text.len = apikey_names_gateways(name->data, store->prefix);
}


void
store_name_events(const store_t *store, store_name_t *name)
{
    name->text.data = name->data;
    name->text.len = apikey_names_events(name->data, store->prefix);
}


void
store_name_webhooks(const store_t *store, store_name_t *name)
{
    name->text.data = name->data;
    name->text.len = apikey_names_webhooks(name->data, store->prefix);
}


void
store_name_expiring(const store_t *store, store_name_t *name)
{
    name->text.data = name->data;
    name->text.len = apikey_names_expiring(name->data, store->prefix);
}


void
store_name_acks(const store_t *store, store_name_t *name, apikey_text_t token)
{
    name->text.data = name->data;
    name->text.len = apikey_names_acks(name->data, store->prefix, token);
}


apikey_text_t
store_hex(char hex[APIKEY_DIGEST_HEX],
    const unsigned char digest[APIKEY_DIGEST_SIZE])
{
    apikey_digest_hex(hex, digest);

    return (apikey_text_t) { hex, APIKEY_DIGEST_HEX };
}


void
store_append(store_t *store, const apikey_text_t *argv, unsigned argc)
{
    if (store->cluster != NULL) {
        cluster_append(store->cluster, argv, argc);

    } else {
        redis_append(&store->redis, argv, argc);
    }
}


reply_t *
store_reply(store_t *store)
{
    reply_t  *reply;

    reply = store_take(store);
    store->lost = (reply == NULL)
                  && (store->cluster == NULL || store->cluster->lost);

    if (reply != NULL && reply_error(reply) == NULL) {
        return reply;
    }

    if (reply != NULL) {
        snprintf(store->error, STORE_ERROR, "%s%s", reply_error(reply),
                 strncmp(reply_error(reply), "MOVED ", 6) == 0
                 ? ": a node of a Cluster, to be used by redis-cluster://"
                 : "");
        reply_free(reply);

    } else {
        snprintf(store->error, STORE_ERROR, "%s",
                 store->cluster ? store->cluster->error
                                : store->redis.error);
    }

    return NULL;
}


void
store_skip(store_t *store)
{
    reply_free(store_take(store));
}


int
store_connect(store_t *store, redis_t *redis)
{
    if (store->cluster != NULL) {
        return cluster_connect(store->cluster, redis);
    }

    return redis_open_beside(redis, store->address, &store->redis);
}


store_rc_e
store_time(store_t *store, uint64_t *now)
{
    apikey_text_t  argv[1];

    argv[0] = store_text("TIME");

    return store_time_take(store, store_command(store, argv, 1), now);
}


store_rc_e
store_time_take(store_t *store, reply_t *reply, uint64_t *now)
{
    store_rc_e  rc;
    uint64_t    seconds, rest;

    if (reply == NULL) {
        return STORE_FAILED;
    }

    rc = STORE_DONE;

    if (apikey_text_number(reply_text(reply_at(reply, 0)), UINT32_MAX,
                           &seconds)
        != APIKEY_OK
        || apikey_text_number(reply_text(reply_at(reply, 1)), 999999, &rest)
           != APIKEY_OK)
    {
        snprintf(store->error, STORE_ERROR,
                 "unexpected reply to TIME: it is no time");
        rc = STORE_FAILED;

    } else {
        *now = seconds * 1000000 + rest;
    }

    reply_free(reply);

    return rc;
}


static reply_t *
store_take(store_t *store)
{
    return store->cluster ? cluster_reply(store->cluster)
                          : redis_reply(&store->redis);
}


reply_t *
store_command(store_t *store, const apikey_text_t *argv, unsigned argc)
{
    store_append(store, argv, argc);

    return store_reply(store);
}


void
store_missed(store_t *store, const char *what)
{
    if (store->missed[0] == '\0') {
        snprintf(store->missed, STORE_ERROR, "%s: %.*s", what,
                 STORE_ERROR - 64, store->error);
    }
}


void
store_write_init(const store_t *store, store_write_t *write,
    const unsigned char digest[APIKEY_DIGEST_SIZE])
{
    store_name_record(store, &write->record, digest);

    write->changes.text.data = write->changes.data;
    write->changes.text.len = apikey_names_changes(write->changes.data,
                                                   store->prefix);

    /* The digest in hexadecimal stands in the record's name: PREFIX{DIGEST} */

    write->args[0] = write->changes.text;
    write->args[1].data = write->record.data + store->prefix.len + 1;
    write->args[1].len = APIKEY_DIGEST_HEX;
    write->count = 2;
}


void
store_write_add(store_write_t *write, apikey_text_t arg)
{
    write->args[write->count++] = arg;
}


reply_t *
store_write(store_t *store, const store_script_t *script,
    const store_write_t *write)
{
    reply_t  *reply;

    store_script_append(store, "EVALSHA", script->sha1, write);
    reply = store_reply(store);

    if (reply == NULL && store_script_unknown(store)) {
        store_script_append(store, "EVAL", script->text, write);
        reply = store_reply(store);
    }

    return reply;
}


void
store_write_append(store_t *store, const store_script_t *script,
    const store_write_t *write)
{
    store_script_append(store, "EVALSHA", script->sha1, write);
}


int
store_script_unknown(const store_t *store)
{
    return !store->lost && strncmp(store->error, "NOSCRIPT", 8) == 0;
}


static void
store_script_append(store_t *store, const char *command, const char *script,
    const store_write_t *write)
{
    unsigned        i, n;
    apikey_text_t   argv[4 + STORE_ARGS];

    n = 0;
    argv[n++] = store_text(command);
    argv[n++] = store_text(script);
    argv[n++] = store_text("1");
    argv[n++] = write->record.text;

    for (i = 0; i < write->count; i++) {
        argv[n++] = write->args[i];
    }

    store_append(store, argv, n);
}
