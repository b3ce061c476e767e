#include <string.h>

#include "slots.h"


#define REDIS_PORT_MAX  65535


static int redis_slots_host(apikey_text_t host);


int
redis_slots_entry(redis_slots_t *slots, const redisReply *entry)
{
    const redisReply  *first, *last, *master, *host, *port;

    if (entry->type != REDIS_REPLY_ARRAY || entry->elements < 3) {
        return 0;
    }

    first = entry->element[0];
    last = entry->element[1];
    master = entry->element[2];

    if (first->type != REDIS_REPLY_INTEGER
        || last->type != REDIS_REPLY_INTEGER
        || first->integer < 0
        || first->integer > last->integer
        || last->integer >= APIKEY_SLOTS
        || master->type != REDIS_REPLY_ARRAY
        || master->elements < 2)
    {
        return 0;
    }

    host = master->element[0];
    port = master->element[1];

    if (port->type != REDIS_REPLY_INTEGER
        || port->integer < 1
        || port->integer > REDIS_PORT_MAX)
    {
        return 0;
    }

    slots->first = first->integer;
    slots->last = last->integer;
    slots->port = port->integer;
    slots->host.data = "";
    slots->host.len = 0;

    if (host->type == REDIS_REPLY_STRING) {
        slots->host.data = host->str;
        slots->host.len = host->len;

    } else if (host->type != REDIS_REPLY_NIL) {
        return 0;
    }

    return redis_slots_host(slots->host);
}


redis_slots_told_e
redis_slots_error(redis_slots_t *slots, apikey_text_t error)
{
    size_t              colon;
    uint64_t            slot, port;
    apikey_text_t       word, text;
    redis_slots_told_e  told;

    word = apikey_text_word(&error);

    text.data = "MOVED";
    text.len = 5;
    told = REDIS_SLOTS_MOVED;

    if (!apikey_text_equal(word, text)) {
        text.data = "ASK";
        text.len = 3;
        told = REDIS_SLOTS_ASK;

        if (!apikey_text_equal(word, text)) {
            return REDIS_SLOTS_NONE;
        }
    }

    word = apikey_text_word(&error);

    if (apikey_text_number(word, APIKEY_SLOTS - 1, &slot) != APIKEY_OK) {
        return REDIS_SLOTS_NONE;
    }

    /* what stands before the last colon: an IPv6 address has others */

    word = apikey_text_word(&error);

    for (colon = word.len; colon && word.data[colon - 1] != ':'; colon--) {
        /* void */
    }

    if (colon == 0) {
        return REDIS_SLOTS_NONE;
    }

    text.data = word.data + colon;
    text.len = word.len - colon;

    if (apikey_text_number(text, REDIS_PORT_MAX, &port) != APIKEY_OK
        || port == 0)
    {
        return REDIS_SLOTS_NONE;
    }

    slots->first = (unsigned) slot;
    slots->last = (unsigned) slot;
    slots->port = (unsigned) port;
    slots->host.data = word.data;
    slots->host.len = colon - 1;

    return redis_slots_host(slots->host) ? told : REDIS_SLOTS_NONE;
}


/* "?" is a node without the name that the others are to tell. */

static int
redis_slots_host(apikey_text_t host)
{
    size_t         i;
    unsigned char  c;

    if (host.len > REDIS_HOST_MAX) {
        return 0;
    }

    for (i = 0; i < host.len; i++) {
        c = host.data[i];

        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z')
            && !(c >= 'A' && c <= 'Z') && memchr(".-_:%", c, 5) == NULL)
        {
            return 0;
        }
    }

    return 1;
}
