/*
 * APISIX's key-auth: what the Admin API answers of consumers and credentials,
 * apisix.yaml of the standalone mode, what ADC dumps, and the bare values that
 * etcd holds, of which keys may be encrypted.  The key is in the consumer or in
 * a credential of it; limits are the consumer's.
 */

#define _GNU_SOURCE   /* memmem, memrchr */

#include <stdio.h>
#include <string.h>

#include "foreign.h"


typedef struct {
    foreign_t              *foreign;
    const document_node_t  *list;       /* where a credential's consumer is */
    const document_node_t  *consumer;   /* the latest one */
    unsigned                plain:1;    /* keys aren't encrypted */
} apisix_t;


static int apisix_document(apisix_t *apisix, const document_node_t *node);
static int apisix_list(apisix_t *apisix, const document_node_t *list);
static int apisix_item(apisix_t *apisix, const document_node_t *item);
static int apisix_consumer(apisix_t *apisix, const document_node_t *consumer);
static int apisix_credential(apisix_t *apisix, const document_node_t *value,
    apikey_text_t path);
static int apisix_key(apisix_t *apisix, const document_node_t *value,
    const document_node_t *auth, apikey_text_t id, apikey_text_t name);
static void apisix_find(apisix_t *apisix, apikey_text_t name);
static apikey_text_t apisix_owner(apikey_text_t path);
static void apisix_plugins(apisix_t *apisix, const document_node_t *plugins);
static void apisix_count(apisix_t *apisix, const document_node_t *rule);
static int apisix_is_auth(apikey_text_t name);
static int apisix_is_encrypted(apikey_text_t key);
static const document_node_t *apisix_value(const document_node_t *item);


int
foreign_apisix(foreign_t *foreign, document_t *document)
{
    int                     rc;
    apisix_t                apisix;
    const document_node_t  *node;

    memset(&apisix, 0, sizeof(apisix));
    apisix.foreign = foreign;
    apisix.list = document->root;

    for (node = document_first(document->root);
         node != NULL;
         node = node->next)
    {
        rc = apisix_document(&apisix, node);

        if (rc != 0 || foreign->why[0] != '\0') {
            return rc;
        }
    }

    return 0;
}


static int
apisix_document(apisix_t *apisix, const document_node_t *node)
{
    int                     rc;
    const document_node_t  *list, *group;

    /* The Admin API of version 2 has its list in a node. */

    list = document_get(node, "list");

    if (list == NULL) {
        list = document_get(document_get(node, "node"), "nodes");
    }

    if (list != NULL) {
        apisix->plain = 1;
        return apisix_list(apisix, list);
    }

    list = document_get(node, "consumers");
    group = document_first(document_get(node, "consumer_groups"));

    if (list != NULL || group != NULL) {
        apisix->plain = 1;
        rc = apisix_list(apisix, list);

        for ( /* void */ ; rc == 0 && group != NULL; group = group->next) {
            rc = apisix_list(apisix, document_get(group, "consumers"));
        }

        return rc;
    }

    if (document_get(node, "value") != NULL) {
        apisix->plain = 1;

    } else if (document_get(node, "plugins") != NULL
               || document_get(node, "username") != NULL)
    {
        apisix->plain = 0;

    } else {
        return foreign_unknown(apisix->foreign, node->line,
                               "no consumers of APISIX");
    }

    return apisix_item(apisix, node);
}


static int
apisix_list(apisix_t *apisix, const document_node_t *list)
{
    int                     rc;
    const document_node_t  *node;

    if (list == NULL) {
        return 0;
    }

    apisix->list = list;

    for (node = list->first; node != NULL; node = node->next) {
        rc = apisix_item(apisix, node);

        if (rc != 0) {
            return rc;
        }
    }

    return 0;
}


static int
apisix_item(apisix_t *apisix, const document_node_t *item)
{
    apikey_text_t           path;
    const document_node_t  *value;

    value = apisix_value(item);
    path = document_get_text(item, "key");

    if (path.len == 0) {
        path = document_get_text(value, "id");
    }

    if (document_get(value, "username") == NULL) {
        return apisix_credential(apisix, value, path);
    }

    return apisix_consumer(apisix, value);
}


static int
apisix_consumer(apisix_t *apisix, const document_node_t *consumer)
{
    int                     rc;
    apikey_text_t           name, id;
    const document_node_t  *auth, *node, *list;

    apisix->consumer = consumer;

    name = document_get_text(consumer, "username");
    auth = document_get(document_get(consumer, "plugins"), "key-auth");
    list = document_get(consumer, "credentials");

    if (auth == NULL && document_first(list) == NULL) {
        return foreign_note(apisix->foreign, consumer->line,
                            "consumer \"%.*s\" has no key of key-auth",
                            name.len < 64 ? (int) name.len : 64, name.data);
    }

    if (auth != NULL) {
        rc = apisix_key(apisix, consumer, auth, name, name);

        if (rc != 0) {
            return rc;
        }
    }

    /* ADC has credentials within their consumers. */

    for (node = document_first(list); node != NULL; node = node->next) {
        auth = document_get(node, "config");
        id = document_get_text(node, "id");
        id = id.len ? id : document_get_text(node, "name");

        rc = apikey_text_equal(document_get_text(node, "type"),
                               (apikey_text_t) apikey_text("key-auth"))
             ? apisix_key(apisix, node, auth, id, name)
             : foreign_note(apisix->foreign, node->line,
                            "a credential of \"%.*s\" isn't one of key-auth",
                            name.len < 64 ? (int) name.len : 64, name.data);

        if (rc != 0) {
            return rc;
        }
    }

    return 0;
}


static int
apisix_credential(apisix_t *apisix, const document_node_t *value,
    apikey_text_t path)
{
    apikey_text_t           name, id;
    const char             *slash;
    const document_node_t  *auth;

    name = apisix_owner(path);
    apisix_find(apisix, name);

    id = document_get_text(value, "id");
    slash = id.len ? memrchr(id.data, '/', id.len) : NULL;

    if (slash != NULL) {
        id.len -= slash + 1 - id.data;
        id.data = slash + 1;
    }

    auth = document_get(document_get(value, "plugins"), "key-auth");

    if (auth == NULL) {
        return foreign_note(apisix->foreign, value->line,
                            "credential \"%.*s\" isn't one of key-auth",
                            id.len < 64 ? (int) id.len : 64,
                            id.len ? id.data : "");
    }

    return apisix_key(apisix, value, auth, id, name.len ? name : id);
}


static int
apisix_key(apisix_t *apisix, const document_node_t *value,
    const document_node_t *auth, apikey_text_t id, apikey_text_t name)
{
    double          created;
    foreign_t      *foreign;
    apikey_text_t   key;

    foreign = apisix->foreign;
    foreign_begin(foreign, value->line);

    key = document_get_text(auth, "key");

    if (!apisix->plain && apisix_is_encrypted(key)) {
        foreign_refuse(foreign, "key: is encrypted, as etcd holds it: read it "
                       "by the Admin API");
    }

    foreign_token(foreign, key);
    foreign_may(foreign, "id", id);
    foreign_may(foreign, "name", name);

    if (document_true(document_get(document_get(auth, "_meta"), "disable"))) {
        foreign_set(foreign, "status",
                    (apikey_text_t) apikey_text("disabled"));
    }

    if (document_number(document_get(value, "create_time"), &created)
        == APIKEY_OK)
    {
        foreign_set_time(foreign, "created", created);
    }

    foreign_lose_list(foreign, "labels", document_get(value, "labels"));

    if (document_get(apisix->consumer, "group_id") != NULL) {
        foreign_lose(foreign, "the plugins of its consumer group");
    }

    apisix_plugins(apisix, document_get(apisix->consumer, "plugins"));

    return foreign_end(foreign);
}


/* In the order of etcd's names they come behind their consumer. */

static void
apisix_find(apisix_t *apisix, apikey_text_t name)
{
    const document_node_t  *node, *value;

    if (name.len != 0
        && apikey_text_equal(document_get_text(apisix->consumer, "username"),
                             name))
    {
        return;
    }

    apisix->consumer = NULL;

    for (node = apisix->list->first; name.len != 0 && node != NULL;
         node = node->next)
    {
        value = apisix_value(node);

        if (apikey_text_equal(document_get_text(value, "username"), name)) {
            apisix->consumer = value;
            return;
        }
    }
}


/* "/apisix/consumers/jill/credentials/cred-jill", or from the name on. */

static apikey_text_t
apisix_owner(apikey_text_t path)
{
    size_t       len;
    const char  *end, *begin;

    static const char  credentials[] = "/credentials/";

    len = sizeof(credentials) - 1;
    end = path.len ? memmem(path.data, path.len, credentials, len) : NULL;

    if (end == NULL) {
        return (apikey_text_t) { NULL, 0 };
    }

    begin = memrchr(path.data, '/', end - path.data);
    begin = (begin != NULL) ? begin + 1 : path.data;

    return (apikey_text_t) { begin, end - begin };
}


static void
apisix_plugins(apisix_t *apisix, const document_node_t *plugins)
{
    const document_node_t  *node, *rule;

    for (node = document_first(plugins); node != NULL; node = node->next) {

        if (apisix_is_auth(node->name)
            || document_true(document_get(document_get(node, "_meta"),
                                          "disable")))
        {
            continue;
        }

        if (!apikey_text_equal(node->name,
                               (apikey_text_t) apikey_text("limit-count")))
        {
            foreign_lose(apisix->foreign, "its plugin \"%.*s\"",
                         node->name.len < 64 ? (int) node->name.len : 64,
                         node->name.data);
            continue;
        }

        rule = document_first(document_get(node, "rules"));

        if (rule == NULL) {
            apisix_count(apisix, node);
        }

        for ( /* void */ ; rule != NULL; rule = rule->next) {
            apisix_count(apisix, rule);
        }
    }
}


/* Either may be a variable, which a limit here can't be. */

static void
apisix_count(apisix_t *apisix, const document_node_t *rule)
{
    double         count, seconds;
    foreign_t     *foreign;
    apikey_text_t  key, text;

    foreign = apisix->foreign;
    text = document_get_text(rule, "count");

    if (document_number(document_get(rule, "count"), &count) == APIKEY_OK) {
        text = document_get_text(rule, "time_window");
    }

    if (foreign->plan == NULL
        && (document_number(document_get(rule, "count"), &count) != APIKEY_OK
            || document_number(document_get(rule, "time_window"), &seconds)
               != APIKEY_OK
            || count <= 0 || seconds <= 0))
    {
        foreign_refuse(foreign, "limit-count: \"%.*s\" is not a number",
                       text.len < 40 ? (int) text.len : 40,
                       text.len ? text.data : "");
        return;
    }

    if (foreign->plan != NULL) {
        return;
    }

    foreign_limit(foreign, count, seconds);

    key = document_get_text(rule, "key");

    if (key.len != 0
        && memmem(key.data, key.len, "consumer_name", 13) == NULL)
    {
        foreign_lose(foreign, "counting by \"%.*s\"",
                     key.len < 40 ? (int) key.len : 40, key.data);
    }
}


static int
apisix_is_auth(apikey_text_t name)
{
    return name.len > 5 && memcmp(name.data + name.len - 5, "-auth", 5) == 0;
}


/* AES in base64: whole blocks of 16 bytes. */

static int
apisix_is_encrypted(apikey_text_t key)
{
    size_t  i, pad;

    if (key.len == 0 || key.len % 4 != 0) {
        return 0;
    }

    pad = (key.data[key.len - 1] == '=') + (key.data[key.len - 2] == '=');

    for (i = 0; i < key.len - pad; i++) {
        if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                   "0123456789+/", key.data[i])
            == NULL)
        {
            return 0;
        }
    }

    return (key.len / 4 * 3 - pad) % 16 == 0;
}


static const document_node_t *
apisix_value(const document_node_t *item)
{
    const document_node_t  *value;

    value = document_get(item, "value");

    return (value != NULL) ? value : item;
}
