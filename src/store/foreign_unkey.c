/*
 * Unkey: what /v2/apis.listKeys answers with "decrypt": true.  Keys that aren't
 * recoverable there have only their beginning.
 */

#include <string.h>

#include "foreign.h"


static int unkey_page(foreign_t *foreign, const document_node_t *page);
static int unkey_key(foreign_t *foreign, const document_node_t *key);
static void unkey_permissions(foreign_t *foreign, const document_node_t *list);
static void unkey_limits(foreign_t *foreign, const document_node_t *list);


int
foreign_unkey(foreign_t *foreign, document_t *document)
{
    return foreign_each(foreign, document->root, unkey_page);
}


static int
unkey_page(foreign_t *foreign, const document_node_t *page)
{
    int                     rc;
    const document_node_t  *data, *more;

    data = document_get(page, "data");

    if (data == NULL) {
        return foreign_unknown(foreign, page->line, "no \"data\" of Unkey");
    }

    rc = foreign_each(foreign, data, unkey_key);
    more = document_get(document_get(page, "pagination"), "hasMore");

    if (rc == 0 && document_true(more) && page->next == NULL) {
        return foreign_unknown(foreign, page->line,
                               "there are more pages, behind its cursor");
    }

    return rc;
}


static int
unkey_key(foreign_t *foreign, const document_node_t *key)
{
    double                  number;
    apikey_text_t           text;
    const document_node_t  *node;

    foreign_begin(foreign, key->line);

    text = document_get_text(key, "plaintext");

    if (text.len == 0) {
        foreign_refuse(foreign, "has no plaintext: list with decrypt; a key "
                       "that isn't recoverable needs a new one");
    }

    foreign_token(foreign, text);
    foreign_may(foreign, "id", document_get_text(key, "keyId"));
    foreign_may(foreign, "name", document_get_text(key, "name"));
    foreign_may(foreign, "org", document_get_text(document_get(key, "identity"),
                                                  "externalId"));

    node = document_get(key, "enabled");

    if (node != NULL && !document_true(node)) {
        foreign_set(foreign, "status",
                    (apikey_text_t) apikey_text("disabled"));
    }

    /* Milliseconds. */

    if (document_number(document_get(key, "createdAt"), &number) == APIKEY_OK) {
        foreign_set_time(foreign, "created", number / 1000);
    }

    if (document_number(document_get(key, "expires"), &number) == APIKEY_OK) {
        foreign_set_time(foreign, "expires", number / 1000);
    }

    unkey_permissions(foreign, document_get(key, "permissions"));
    unkey_limits(foreign, document_get(key, "ratelimits"));

    foreign_lose_list(foreign, "roles", document_get(key, "roles"));
    foreign_lose_list(foreign, "meta", document_get(key, "meta"));

    if (document_get(document_get(key, "credits"), "remaining") != NULL) {
        foreign_lose(foreign, "its credits");
    }

    return foreign_end(foreign);
}


/* "documents.read" is documents:read here. */

static void
unkey_permissions(foreign_t *foreign, const document_node_t *list)
{
    char                   *dot;
    char                    scope[2 * APIKEY_LABEL_MAX + 2];
    apikey_text_t           text;
    const document_node_t  *node;

    for (node = document_first(list); node != NULL; node = node->next) {
        text = document_text(node);

        if (text.len == 0 || text.len >= sizeof(scope)) {
            foreign_refuse(foreign, "permissions: one is too long");
            return;
        }

        memcpy(scope, text.data, text.len);
        scope[text.len] = '\0';

        dot = strrchr(scope, '.');

        if (strchr(scope, ':') == NULL && dot != NULL) {
            *dot = ':';
        }

        foreign_set(foreign, "scopes", (apikey_text_t) { scope, text.len });
    }
}


static void
unkey_limits(foreign_t *foreign, const document_node_t *list)
{
    double                  limit, duration;
    const document_node_t  *node;

    for (node = document_first(list); node != NULL; node = node->next) {

        if (document_number(document_get(node, "limit"), &limit) != APIKEY_OK
            || document_number(document_get(node, "duration"), &duration)
               != APIKEY_OK
            || limit <= 0 || duration <= 0)
        {
            foreign_refuse(foreign, "ratelimits: not a limit and a duration");
            return;
        }

        foreign_limit(foreign, limit, duration / 1000);
    }
}
