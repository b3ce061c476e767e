/*
 * Zuplo: the consumers that its API lists with include-api-keys=true and
 * key-format=visible.
 */

#include <string.h>

#include "foreign.h"


static int zuplo_page(foreign_t *foreign, const document_node_t *page);
static int zuplo_consumer(foreign_t *foreign, const document_node_t *consumer);
static int zuplo_key(foreign_t *foreign, const document_node_t *consumer,
    const document_node_t *key);


int
foreign_zuplo(foreign_t *foreign, document_t *document)
{
    return foreign_each(foreign, document->root, zuplo_page);
}


static int
zuplo_page(foreign_t *foreign, const document_node_t *page)
{
    int                     rc;
    double                  total, offset;
    const document_node_t  *data, *node;

    data = document_get(page, "data");

    if (data == NULL) {
        return foreign_unknown(foreign, page->line, "no \"data\" of Zuplo");
    }

    rc = foreign_each(foreign, data, zuplo_consumer);

    if (document_number(document_get(page, "offset"), &offset) != APIKEY_OK) {
        offset = 0;
    }

    for (node = data->first; node != NULL; node = node->next) {
        offset++;
    }

    if (rc == 0
        && page->next == NULL
        && document_number(document_get(page, "total"), &total) == APIKEY_OK
        && total > offset)
    {
        return foreign_unknown(foreign, page->line,
                               "there are more pages, behind its offset");
    }

    return rc;
}


static int
zuplo_consumer(foreign_t *foreign, const document_node_t *consumer)
{
    int                     rc;
    apikey_text_t           name;
    const document_node_t  *keys, *key;

    keys = document_get(consumer, "apiKeys");
    name = document_get_text(consumer, "name");

    if (keys == NULL || keys->first == NULL) {
        return foreign_note(foreign, consumer->line,
                            "consumer \"%.*s\" has no keys: list with "
                            "include-api-keys=true", (int) name.len,
                            name.len ? name.data : "");
    }

    for (key = keys->first; key != NULL; key = key->next) {
        rc = zuplo_key(foreign, consumer, key);

        if (rc != 0) {
            return rc;
        }
    }

    return 0;
}


static int
zuplo_key(foreign_t *foreign, const document_node_t *consumer,
    const document_node_t *key)
{
    apikey_text_t  text;

    foreign_begin(foreign, key->line);

    text = document_get_text(key, "key");

    if (text.len == 0 || memchr(text.data, '*', text.len) != NULL) {
        foreign_refuse(foreign, "its key isn't in it: list with "
                       "key-format=visible");
    }

    foreign_token(foreign, text);
    foreign_may(foreign, "id", document_get_text(key, "id"));
    foreign_may(foreign, "name", document_get_text(consumer, "name"));
    foreign_set(foreign, "created", document_get_text(key, "createdOn"));
    foreign_set(foreign, "expires", document_get_text(key, "expiresOn"));

    foreign_lose_list(foreign, "tags", document_get(consumer, "tags"));
    foreign_lose_list(foreign, "metadata", document_get(consumer, "metadata"));

    if (document_get_text(key, "description").len != 0) {
        foreign_lose(foreign, "its description");
    }

    return foreign_end(foreign);
}
