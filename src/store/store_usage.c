#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "store_call.h"
#include "store_gone.h"
#include "store_usage.h"


#define STORE_USAGE_DAYS  4096    /* of keys, at a time */
#define STORE_USAGE_SEEN  1024    /* at first, a power of two */


typedef enum {
    STORE_USAGE_NONE = 0,     /* the key wasn't used on that day */
    STORE_USAGE_NUMBERS,      /* "n" is all that is asked for */
    STORE_USAGE_FIELDS
} store_usage_day_e;

/* A day of a key. */
typedef struct {
    const stored_t      *key;
    uint32_t             day;
    store_usage_day_e    state;
    char                 numbers[APIKEY_USAGE_PACKED];
} store_usage_day_t;

typedef struct {
    store_t                   *store;
    const store_usage_span_t  *span;
    store_usage_pt             visit;
    void                      *data;
    store_usage_day_t         *days;      /* room for STORE_USAGE_DAYS */
    size_t                     count;
} store_usage_reading_t;

/* Those whose usage is read next, and which have been. */
typedef struct {
    store_usage_reading_t      reading;
    store_usage_wanted_pt      wanted;
    stored_t                 **keys;
    size_t                     count;
    size_t                     room;
    uint64_t                  *seen;        /* of digests; 0: none */
    size_t                     seen_count;
    size_t                     seen_room;
} store_usage_all_t;


static store_rc_e store_usage_days(store_usage_reading_t *reading);
static store_rc_e store_usage_numbers(store_usage_reading_t *reading);
static void store_usage_number(store_usage_day_t *day, apikey_text_t value);
static void store_usage_ask(const store_usage_reading_t *reading,
    const store_usage_day_t *day, const char *command, unsigned argc);
static void store_usage_fields(const store_usage_reading_t *reading,
    const store_usage_day_t *day, const reply_t *reply);
static void store_usage_live(void *data, apikey_text_t id, stored_t *stored);
static void store_usage_gone(void *data, stored_t *stored);
static void store_usage_add(store_usage_all_t *all, stored_t *stored,
    int deleted);
static store_rc_e store_usage_some(void *data);
static int store_usage_see(store_usage_all_t *all,
    const unsigned char digest[APIKEY_DIGEST_SIZE]);
static uint64_t *store_usage_slot(const store_usage_all_t *all,
    uint64_t mark);
static void store_usage_grow(store_usage_all_t *all);


store_rc_e
store_usage_read(store_t *store, stored_t *const *keys, size_t count,
    const store_usage_span_t *span, store_usage_pt visit, void *data)
{
    size_t                  i;
    unsigned                n;
    store_rc_e              rc;
    store_usage_day_t      *day;
    store_usage_reading_t   reading = { store, span, visit, data, NULL, 0 };

    rc = STORE_DONE;
    reading.days = must(malloc(STORE_USAGE_DAYS * sizeof(store_usage_day_t)));

    for (i = 0; i < count; i++) {

        for (n = 0; rc == STORE_DONE && n < span->days; n++) {

            if (reading.count == STORE_USAGE_DAYS) {
                rc = store_usage_days(&reading);
            }

            day = &reading.days[reading.count++];
            day->key = keys[i];
            day->day = apikey_usage_day((span->first + n) * 86400);
            day->state = STORE_USAGE_FIELDS;
        }
    }

    if (rc == STORE_DONE) {
        rc = store_usage_days(&reading);
    }

    free(reading.days);

    return rc;
}


static store_rc_e
store_usage_days(store_usage_reading_t *reading)
{
    size_t              i;
    reply_t            *reply;
    store_rc_e          rc;
    store_usage_day_t  *day;

    rc = STORE_DONE;

    if (strcmp(reading->span->kinds, STORE_USAGE_SUMS) == 0) {
        rc = store_usage_numbers(reading);
    }

    for (i = 0; rc == STORE_DONE && i < reading->count; i++) {
        if (reading->days[i].state == STORE_USAGE_FIELDS) {
            store_usage_ask(reading, &reading->days[i], "HGETALL", 2);
        }
    }

    if (rc != STORE_DONE) {
        return rc;
    }

    for (i = 0; i < reading->count; i++) {
        day = &reading->days[i];

        if (day->state == STORE_USAGE_NUMBERS) {
            reading->visit(reading->data, day->key, day->day, store_text("n"),
                           (apikey_text_t) { day->numbers,
                                             APIKEY_USAGE_PACKED });

        } else if (day->state == STORE_USAGE_FIELDS) {
            reply = store_reply(reading->store);

            if (reply == NULL) {
                rc = STORE_FAILED;
                continue;
            }

            store_usage_fields(reading, day, reply);
            reply_free(reply);
        }
    }

    reading->count = 0;

    return rc;
}


/* Most days need no more, and this is read twice as fast. */

static store_rc_e
store_usage_numbers(store_usage_reading_t *reading)
{
    size_t       i;
    reply_t     *reply;
    store_rc_e   rc;

    for (i = 0; i < reading->count; i++) {
        store_usage_ask(reading, &reading->days[i], "HGET", 3);
    }

    rc = STORE_DONE;

    for (i = 0; i < reading->count; i++) {
        reply = store_reply(reading->store);

        if (reply == NULL) {
            rc = STORE_FAILED;
            continue;
        }

        store_usage_number(&reading->days[i], reply_text(reply));
        reply_free(reply);
    }

    return rc;
}


/* What was refused, or took long, is in other fields. */

static void
store_usage_number(store_usage_day_t *day, apikey_text_t value)
{
    unsigned               at;
    uint64_t               requests, timed;
    apikey_usage_count_t   count;

    if (value.len != APIKEY_USAGE_PACKED) {
        day->state = (value.data == NULL) ? STORE_USAGE_NONE
                                          : STORE_USAGE_FIELDS;
        return;
    }

    requests = timed = 0;
    at = 0;

    while (apikey_usage_read(&count, &at, store_text("n"), value)
           == APIKEY_OK)
    {
        if (count.kind == APIKEY_USAGE_REQUESTS) {
            requests = count.amount;

        } else if (count.kind == APIKEY_USAGE_LATENCY) {
            timed += count.amount;
        }
    }

    if (requests == timed) {
        day->state = STORE_USAGE_NUMBERS;
        memcpy(day->numbers, value.data, APIKEY_USAGE_PACKED);
    }
}


static void
store_usage_ask(const store_usage_reading_t *reading,
    const store_usage_day_t *day, const char *command, unsigned argc)
{
    store_name_t   name;
    apikey_text_t  argv[3];

    store_name_usage(reading->store, &name, day->key->digest, day->day);

    argv[0] = store_text(command);
    argv[1] = name.text;
    argv[2] = store_text("n");

    store_append(reading->store, argv, argc);
}


static void
store_usage_fields(const store_usage_reading_t *reading,
    const store_usage_day_t *day, const reply_t *reply)
{
    size_t          i;
    const char     *kinds;
    apikey_field_t  field;

    kinds = reading->span->kinds;

    for (i = 0; reply_pair(reply, i, &field); i++) {

        if (field.name.len != 0
            && (*kinds == '\0' || strchr(kinds, field.name.data[0]) != NULL))
        {
            reading->visit(reading->data, day->key, day->day, field.name,
                           field.value);
        }
    }
}


/*
 * The deleted ones come last: of a key that is deleted meanwhile the record was
 * seen, or is missing and what was kept of it is there.
 */

store_rc_e
store_usage_all(store_t *store, const store_usage_span_t *span,
    store_usage_wanted_pt wanted, store_usage_pt visit, void *data)
{
    store_rc_e         rc;
    store_usage_all_t  all;

    memset(&all, 0, sizeof(all));

    all.reading.store = store;
    all.reading.span = span;
    all.reading.visit = visit;
    all.reading.data = data;
    all.wanted = wanted;

    all.seen_room = STORE_USAGE_SEEN;
    all.seen = must(calloc(all.seen_room, sizeof(uint64_t)));

    rc = store_visit_some(store, store_usage_live, store_usage_some, &all);

    if (rc == STORE_DONE) {
        rc = store_gone_visit(store, store_usage_gone, store_usage_some,
                              &all);
    }

    while (all.count != 0) {
        free(all.keys[--all.count]);
    }

    free(all.keys);
    free(all.seen);

    return rc;
}


static void
store_usage_live(void *data, apikey_text_t id, stored_t *stored)
{
    (void) id;

    if (stored != NULL) {
        store_usage_add(data, stored, 0);
    }
}


static void
store_usage_gone(void *data, stored_t *stored)
{
    store_usage_add(data, stored, 1);
}


static void
store_usage_add(store_usage_all_t *all, stored_t *stored, int deleted)
{
    if (!store_usage_see(all, stored->digest)
        || !all->wanted(all->reading.data, stored, deleted))
    {
        free(stored);
        return;
    }

    if (all->count == all->room) {
        all->room = all->room ? all->room * 2 : 64;
        all->keys = must(realloc(all->keys, all->room * sizeof(stored_t *)));
    }

    all->keys[all->count++] = stored;
}


static store_rc_e
store_usage_some(void *data)
{
    store_usage_all_t *all = data;

    store_rc_e              rc;
    store_usage_reading_t  *reading;

    reading = &all->reading;

    rc = store_usage_read(reading->store, all->keys, all->count,
                          reading->span, reading->visit, reading->data);

    while (all->count != 0) {
        free(all->keys[--all->count]);
    }

    return rc;
}


/* Digests are as random as any hash of them: 0 if this one was seen before. */

static int
store_usage_see(store_usage_all_t *all,
    const unsigned char digest[APIKEY_DIGEST_SIZE])
{
    uint64_t   mark;
    uint64_t  *slot;

    memcpy(&mark, digest, sizeof(mark));
    mark |= 1;

    if (2 * all->seen_count >= all->seen_room) {
        store_usage_grow(all);
    }

    slot = store_usage_slot(all, mark);

    if (*slot != 0) {
        return 0;
    }

    *slot = mark;
    all->seen_count++;

    return 1;
}


static uint64_t *
store_usage_slot(const store_usage_all_t *all, uint64_t mark)
{
    size_t  i;

    i = (mark >> 8) & (all->seen_room - 1);

    while (all->seen[i] != 0 && all->seen[i] != mark) {
        i = (i + 1) & (all->seen_room - 1);
    }

    return &all->seen[i];
}


static void
store_usage_grow(store_usage_all_t *all)
{
    size_t     i, room;
    uint64_t  *seen;

    seen = all->seen;
    room = all->seen_room;

    all->seen_room *= 2;
    all->seen = must(calloc(all->seen_room, sizeof(uint64_t)));

    for (i = 0; i < room; i++) {
        if (seen[i] != 0) {
            *store_usage_slot(all, seen[i]) = seen[i];
        }
    }

    free(seen);
}
