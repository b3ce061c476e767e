#include <string.h>

#include "slots.h"


#define SLOTS_PORT_MAX  65535


static int apikey_slots_read(apikey_slots_t *slots,
    const apikey_slots_view_t *map, size_t i);
static int apikey_slots_master(apikey_slots_t *slots,
    const apikey_slots_view_t *master);
static int apikey_slots_address(apikey_slots_t *slots, apikey_text_t host,
    unsigned port);
static int apikey_slots_name_check(apikey_text_t name);
static apikey_slots_view_t apikey_slots_element(
    const apikey_slots_view_t *list, size_t i);


const char *
apikey_slots_check(const apikey_slots_view_t *map)
{
    size_t          i;
    apikey_slots_t  slots;

    if (map->type != APIKEY_SLOTS_LIST) {
        return "not a map";
    }

    if (map->count == 0) {
        return "the map is empty";
    }

    for (i = 0; i < map->count; i++) {
        if (apikey_slots_read(&slots, map, i) != APIKEY_OK) {
            return "malformed map";
        }
    }

    return NULL;
}


void
apikey_slots_range(apikey_slots_t *slots, const apikey_slots_view_t *map,
    size_t i)
{
    (void) apikey_slots_read(slots, map, i);
}


apikey_slots_error_e
apikey_slots_error(apikey_slots_t *slots, apikey_text_t error)
{
    size_t                colon;
    uint64_t              slot, port;
    apikey_text_t         word, host, text;
    apikey_slots_error_e  which;

    static const apikey_text_t  moved = apikey_text("MOVED");
    static const apikey_text_t  ask = apikey_text("ASK");

    word = apikey_text_word(&error);

    if (apikey_text_equal(word, moved)) {
        which = APIKEY_SLOTS_MOVED;

    } else if (apikey_text_equal(word, ask)) {
        which = APIKEY_SLOTS_ASK;

    } else {
        return APIKEY_SLOTS_NONE;
    }

    word = apikey_text_word(&error);

    if (apikey_text_number(word, APIKEY_SLOTS - 1, &slot) != APIKEY_OK) {
        return APIKEY_SLOTS_NONE;
    }

    /* what stands before the last colon: an IPv6 address has others */

    word = apikey_text_word(&error);

    for (colon = word.len; colon && word.data[colon - 1] != ':'; colon--) {
        /* void */
    }

    if (colon == 0) {
        return APIKEY_SLOTS_NONE;
    }

    host.data = word.data;
    host.len = colon - 1;

    text.data = word.data + colon;
    text.len = word.len - colon;

    if (apikey_text_number(text, SLOTS_PORT_MAX, &port) != APIKEY_OK) {
        return APIKEY_SLOTS_NONE;
    }

    memset(slots, 0, sizeof(apikey_slots_t));

    slots->first = (unsigned) slot;
    slots->last = (unsigned) slot;

    if (apikey_slots_address(slots, host, (unsigned) port) != APIKEY_OK) {
        return APIKEY_SLOTS_NONE;
    }

    return which;
}


/* First slot, last slot, the master, its replicas. */

static int
apikey_slots_read(apikey_slots_t *slots, const apikey_slots_view_t *map,
    size_t i)
{
    apikey_slots_view_t  range, first, last, master;

    range = apikey_slots_element(map, i);

    if (range.type != APIKEY_SLOTS_LIST || range.count < 3) {
        return APIKEY_INVALID;
    }

    first = apikey_slots_element(&range, 0);
    last = apikey_slots_element(&range, 1);
    master = apikey_slots_element(&range, 2);

    if (first.type != APIKEY_SLOTS_INTEGER
        || last.type != APIKEY_SLOTS_INTEGER
        || first.integer < 0
        || first.integer > last.integer
        || last.integer >= APIKEY_SLOTS)
    {
        return APIKEY_INVALID;
    }

    memset(slots, 0, sizeof(apikey_slots_t));

    slots->first = (unsigned) first.integer;
    slots->last = (unsigned) last.integer;
    slots->replicas = range.count - 3;

    return apikey_slots_master(slots, &master);
}


/* Host, port, and since Redis 4 the id. */

static int
apikey_slots_master(apikey_slots_t *slots, const apikey_slots_view_t *master)
{
    apikey_slots_view_t  host, port, id;

    if (master->type != APIKEY_SLOTS_LIST || master->count < 2) {
        return APIKEY_INVALID;
    }

    host = apikey_slots_element(master, 0);
    port = apikey_slots_element(master, 1);

    if (port.type != APIKEY_SLOTS_INTEGER
        || port.integer < 0
        || port.integer > SLOTS_PORT_MAX)
    {
        return APIKEY_INVALID;
    }

    if (host.type == APIKEY_SLOTS_NIL) {
        host.text.len = 0;

    } else if (host.type != APIKEY_SLOTS_TEXT) {
        return APIKEY_INVALID;
    }

    if (master->count > 2) {
        id = apikey_slots_element(master, 2);

        if (id.type == APIKEY_SLOTS_TEXT
            && apikey_slots_name_check(id.text) == APIKEY_OK)
        {
            slots->id = id.text;
        }
    }

    return apikey_slots_address(slots, host.text, (unsigned) port.integer);
}


/*
 * "?" is the host of a node that hasn't announced the name that the others are
 * configured to give; port 0 is of one that they have lost.
 */

static int
apikey_slots_address(apikey_slots_t *slots, apikey_text_t host, unsigned port)
{
    static const apikey_text_t  unknown = apikey_text("?");

    if (port == 0 || apikey_text_equal(host, unknown)) {
        return APIKEY_OK;
    }

    slots->host = host;
    slots->port = port;

    return apikey_slots_name_check(host);
}


/* Of letters that a host may have: it can be logged. */

static int
apikey_slots_name_check(apikey_text_t name)
{
    size_t         i;
    unsigned char  c;

    if (name.len > APIKEY_SLOTS_HOST_MAX) {
        return APIKEY_INVALID;
    }

    for (i = 0; i < name.len; i++) {
        c = name.data[i];

        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z')
            && !(c >= 'A' && c <= 'Z') && memchr(".-_:%", c, 5) == NULL)
        {
            return APIKEY_INVALID;
        }
    }

    return APIKEY_OK;
}


static apikey_slots_view_t
apikey_slots_element(const apikey_slots_view_t *list, size_t i)
{
    apikey_slots_view_t  view;

    list->element(&view, list->list, i);

    return view;
}
