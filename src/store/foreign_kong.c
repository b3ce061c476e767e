/*
 * Kong's key-auth: what decK dumps, YAML or JSON, where keys, groups and
 * plugins of a consumer are in it; and what "kong config db_export" writes,
 * where they are in lists beside the consumers, to which they refer by name or
 * id, and are moved into them first.  A key's ttl is what is left of its life.
 */

#include <stdlib.h>
#include <string.h>

#include "foreign.h"
#include "memory.h"


/* A name by which a consumer is referred to. */
typedef struct {
    apikey_text_t           name;
    document_node_t        *consumer;
} kong_name_t;


typedef struct {
    foreign_t              *foreign;
    document_t             *document;
    document_node_t        *file;
    const document_node_t  *consumer;

    kong_name_t            *names;      /* sorted */
    size_t                  name_count;
} kong_t;


static int kong_file(kong_t *kong);
static void kong_names(kong_t *kong);
static void kong_nest(kong_t *kong, const char *name);
static document_node_t *kong_find(const kong_t *kong,
    const document_node_t *reference);
static int kong_compare(const void *a, const void *b);
static int kong_consumer(kong_t *kong);
static int kong_key(kong_t *kong, const document_node_t *credential);
static void kong_plugins(kong_t *kong);
static void kong_rates(kong_t *kong, const document_node_t *config);
static void kong_advanced(kong_t *kong, const document_node_t *config);


static const char  *kong_references[] = { "id", "username", "custom_id" };


int
foreign_kong(foreign_t *foreign, document_t *document)
{
    int     rc;
    kong_t  kong;

    memset(&kong, 0, sizeof(kong));

    kong.foreign = foreign;
    kong.document = document;
    rc = 0;

    for (kong.file = document->root->first;
         rc == 0 && kong.file != NULL;
         kong.file = kong.file->next)
    {
        rc = kong_file(&kong);
    }

    return rc;
}


static int
kong_file(kong_t *kong)
{
    int                     rc;
    const document_node_t  *consumers, *rest, *node;

    consumers = document_get(kong->file, "consumers");
    rest = document_get(kong->file, "keyauth_credentials");

    if (consumers == NULL && rest == NULL) {
        return foreign_unknown(kong->foreign, kong->file->line,
                               "no \"consumers\" of Kong");
    }

    kong_names(kong);
    kong_nest(kong, "keyauth_credentials");
    kong_nest(kong, "acls");
    kong_nest(kong, "plugins");
    free(kong->names);

    rc = 0;

    for (node = document_first(consumers);
         rc == 0 && node != NULL;
         node = node->next)
    {
        kong->consumer = node;
        rc = kong_consumer(kong);
    }

    /* Keys of no consumer that is in the file. */

    kong->consumer = NULL;

    for (node = document_first(rest);
         rc == 0 && node != NULL;
         node = node->next)
    {
        rc = kong_key(kong, node);
    }

    return rc;
}


static void
kong_names(kong_t *kong)
{
    size_t                  n;
    unsigned                i;
    kong_name_t            *name;
    document_node_t        *node;
    const document_node_t  *consumers;

    consumers = document_get(kong->file, "consumers");
    n = 0;

    for (node = consumers ? consumers->first : NULL; node; node = node->next) {
        n++;
    }

    kong->names = must(calloc(3 * n + 1, sizeof(kong_name_t)));
    kong->name_count = 0;

    for (node = consumers ? consumers->first : NULL; node; node = node->next) {
        for (i = 0; i < 3; i++) {
            name = &kong->names[kong->name_count];
            name->name = document_get_text(node, kong_references[i]);
            name->consumer = node;
            kong->name_count += (name->name.len != 0);
        }
    }

    qsort(kong->names, kong->name_count, sizeof(kong_name_t), kong_compare);
}


/* Moves those of a list that refer to a consumer into it. */

static void
kong_nest(kong_t *kong, const char *name)
{
    document_node_t  *list, *node, *next, *consumer, **kept;

    list = (document_node_t *) document_get(kong->file, name);

    if (list == NULL) {
        return;
    }

    kept = &list->first;
    list->last = NULL;

    for (node = list->first; node != NULL; node = next) {
        next = node->next;
        consumer = kong_find(kong, document_get(node, "consumer"));

        if (consumer != NULL) {
            document_move(kong->document, consumer, name, node);
            continue;
        }

        *kept = node;
        kept = &node->next;
        list->last = node;
    }

    *kept = NULL;
}


/* By a name or an id, or a map that has one of them. */

static document_node_t *
kong_find(const kong_t *kong, const document_node_t *reference)
{
    unsigned      i;
    kong_name_t   wanted, *found;

    for (i = 0; reference != NULL && i < 3; i++) {
        wanted.name = (reference->kind == DOCUMENT_MAP)
                      ? document_get_text(reference, kong_references[i])
                      : document_text(reference);

        found = wanted.name.len == 0 ? NULL
                : bsearch(&wanted, kong->names, kong->name_count,
                          sizeof(kong_name_t), kong_compare);

        if (found != NULL) {
            return found->consumer;
        }
    }

    return NULL;
}


static int
kong_compare(const void *a, const void *b)
{
    int     order;
    size_t  len;

    const apikey_text_t *x = &((const kong_name_t *) a)->name;
    const apikey_text_t *y = &((const kong_name_t *) b)->name;

    len = (x->len < y->len) ? x->len : y->len;
    order = memcmp(x->data, y->data, len);

    return order ? order : (x->len > y->len) - (x->len < y->len);
}


static int
kong_consumer(kong_t *kong)
{
    int                     rc;
    apikey_text_t           name;
    const document_node_t  *keys, *node;

    keys = document_get(kong->consumer, "keyauth_credentials");

    if (document_first(keys) == NULL) {
        name = document_get_text(kong->consumer, "username");
        name = name.len ? name : document_get_text(kong->consumer,
                                                   "custom_id");

        return foreign_note(kong->foreign, kong->consumer->line,
                            "consumer \"%.*s\" has no key of key-auth",
                            name.len < 64 ? (int) name.len : 64,
                            name.len ? name.data : "");
    }

    rc = 0;

    for (node = keys->first; rc == 0 && node != NULL; node = node->next) {
        rc = kong_key(kong, node);
    }

    return rc;
}


static int
kong_key(kong_t *kong, const document_node_t *credential)
{
    double                  number;
    foreign_t              *foreign;
    apikey_text_t           name, other;
    const document_node_t  *consumer, *node;

    foreign = kong->foreign;
    consumer = kong->consumer;

    foreign_begin(foreign, credential->line);
    foreign_token(foreign, document_get_text(credential, "key"));
    foreign_may(foreign, "id", document_get_text(credential, "id"));

    name = document_get_text(consumer, "username");
    other = document_get_text(consumer, "custom_id");

    foreign_may(foreign, "name", name.len ? name : other);

    if (name.len != 0 && other.len != 0) {
        foreign_lose(foreign, "its custom_id \"%.*s\"",
                     other.len < 64 ? (int) other.len : 64, other.data);
    }

    if (document_number(document_get(credential, "created_at"), &number)
        == APIKEY_OK)
    {
        foreign_set_time(foreign, "created", number);
    }

    if (document_number(document_get(credential, "ttl"), &number)
        == APIKEY_OK
        && number > 0)
    {
        foreign_set_time(foreign, "expires", foreign->now + number);

        /* The next import would have another. */

        foreign->entry.given &= ~((uint32_t) 1 << ATTRIBUTE_EXPIRES);
    }

    foreign_lose_list(foreign, "tags", document_get(credential, "tags"));
    foreign_lose_list(foreign, "ACL groups", document_get(consumer, "acls"));
    foreign_lose_list(foreign, "consumer groups",
                      document_get(consumer, "groups"));

    kong_plugins(kong);

    node = document_first(document_get(consumer, "keyauth_credentials"));

    if (foreign->window_count > 0 && node->next != NULL) {
        foreign_lose(foreign, "counting its consumer's keys together");
    }

    return foreign_end(foreign);
}


static void
kong_plugins(kong_t *kong)
{
    apikey_text_t           name, enabled;
    const document_node_t  *node, *config;

    for (node = document_first(document_get(kong->consumer, "plugins"));
         node != NULL;
         node = node->next)
    {
        enabled = document_get_text(node, "enabled");

        if (enabled.len != 0 && !document_true(document_get(node, "enabled")))
        {
            continue;
        }

        name = document_get_text(node, "name");
        config = document_get(node, "config");

        if (document_get(node, "route") != NULL
            || document_get(node, "service") != NULL)
        {
            foreign_lose(kong->foreign, "its plugin \"%.*s\" of one route or "
                         "service", (int) name.len, name.len ? name.data : "");

        } else if (apikey_text_equal(name,
                       (apikey_text_t) apikey_text("rate-limiting")))
        {
            kong_rates(kong, config);

        } else if (apikey_text_equal(name,
                       (apikey_text_t) apikey_text("rate-limiting-advanced")))
        {
            kong_advanced(kong, config);

        } else {
            foreign_lose(kong->foreign, "its plugin \"%.*s\"", (int) name.len,
                         name.len ? name.data : "");
        }
    }
}


static void
kong_rates(kong_t *kong, const document_node_t *config)
{
    double                  count;
    unsigned                i;
    foreign_t              *foreign;
    const document_node_t  *node;

    static const struct {
        const char  *name;
        unsigned     seconds;     /* 0: of the calendar */
    } windows[] = {
        { "second", 1 }, { "minute", 60 }, { "hour", 3600 }, { "day", 86400 },
        { "month", 0 }, { "year", 0 }
    };

    foreign = kong->foreign;

    for (i = 0; i < sizeof(windows) / sizeof(windows[0]); i++) {
        node = document_get(config, windows[i].name);

        if (node == NULL) {
            continue;
        }

        if (document_number(node, &count) != APIKEY_OK || count <= 0) {
            foreign_refuse(foreign, "rate-limiting: %s: not a count",
                           windows[i].name);

        } else if (windows[i].seconds != 0) {
            foreign_limit(foreign, count, windows[i].seconds);

        } else {
            foreign_limit_text(foreign, document_text(node), windows[i].name);
        }
    }
}


static void
kong_advanced(kong_t *kong, const document_node_t *config)
{
    double                  count, seconds;
    apikey_text_t           type;
    const document_node_t  *limit, *window;

    limit = document_first(document_get(config, "limit"));
    window = document_first(document_get(config, "window_size"));

    type = document_get_text(config, "window_type");

    /* Sliding unless said otherwise. */

    kong->foreign->sliding = !apikey_text_equal(type, (apikey_text_t)
                                                apikey_text("fixed"));

    for ( /* void */ ; limit != NULL && window != NULL;
         limit = limit->next, window = window->next)
    {
        if (document_number(limit, &count) != APIKEY_OK || count <= 0
            || document_number(window, &seconds) != APIKEY_OK || seconds <= 0)
        {
            foreign_refuse(kong->foreign, "rate-limiting-advanced: not counts "
                           "and seconds");
            return;
        }

        foreign_limit(kong->foreign, count, seconds);
    }
}
