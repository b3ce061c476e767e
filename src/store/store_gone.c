#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/usage.h"

#include "json.h"
#include "store_call.h"
#include "store_gone.h"


#define STORE_GONE_PAST    (366 * 86400)   /* longer than its last day */
#define STORE_GONE_SPARE   (2 * 86400)     /* Redis's clock may be ahead */
#define STORE_GONE_MONTHS  (APIKEY_USAGE_DAYS_MAX / 30 + 2)
#define STORE_GONE_COUNT   "500"           /* read at once */
#define STORE_GONE_NUMBER  24


static int store_gone_until(store_t *store, const stored_t *stored,
    uint64_t *until);
static void store_gone_keep(store_t *store, const stored_t *stored,
    uint64_t until);
static char *store_gone_text(const stored_t *stored);
static store_rc_e store_gone_month(store_t *store, uint32_t month,
    store_gone_pt visit, store_rc_e (*after)(void *data), void *data);
static void store_gone_page(const reply_t *page, store_gone_pt visit,
    void *data);
static stored_t *store_gone_stored(const apikey_field_t *entry);
static void store_name_gone(const store_t *store, store_name_t *name,
    uint32_t month);
static uint32_t store_gone_next(uint32_t month);


/* What is kept of a record. */
static const char *const  store_gone_fields[] = {
    "id", "name", "org", "project", "service", "plan", "created"
};

#define STORE_GONE_FIELDS  (sizeof(store_gone_fields) / sizeof(char *))


void
store_gone_deleted(store_t *store, const stored_t *stored)
{
    uint64_t  until;

    if (store_gone_until(store, stored, &until)) {
        store_gone_keep(store, stored, until);
    }
}


/* Was it used, and until when is that known? */

static int
store_gone_until(store_t *store, const stored_t *stored, uint64_t *until)
{
    long long      left;
    reply_t       *ttl;
    store_name_t   past;
    apikey_text_t  argv[2];

    store_name_usage(store, &past, stored->digest, 0);

    argv[0] = store_text("TTL");
    argv[1] = past.text;

    ttl = store_command(store, argv, 2);

    if (ttl == NULL) {
        store_missed(store, "its usage may not be found any more");
        return 0;
    }

    left = reply_number(ttl);
    reply_free(ttl);

    *until = (uint64_t) time(NULL) + STORE_GONE_SPARE;

    if (left >= 0) {
        *until += (left > STORE_GONE_PAST) ? left - STORE_GONE_PAST : 0;
        return 1;
    }

    *until += APIKEY_USAGE_DAYS * 86400;

    return left == -1 || stored_get(stored, "used").len != 0;
}


static void
store_gone_keep(store_t *store, const stored_t *stored, uint64_t until)
{
    int            failed;
    char           hex[APIKEY_DIGEST_HEX], left[STORE_GONE_NUMBER];
    char          *text;
    uint32_t       month;
    unsigned       i;
    reply_t       *reply;
    store_name_t   past, gone;
    apikey_text_t  argv[4];

    month = apikey_usage_day(until) / 100;
    text = store_gone_text(stored);

    store_name_usage(store, &past, stored->digest, 0);
    store_name_gone(store, &gone, month);

    argv[0] = store_text("HSET");
    argv[1] = gone.text;
    argv[2] = store_hex(hex, stored->digest);
    argv[3] = store_text(text);
    store_append(store, argv, 4);

    /* no less than until the month is over */

    snprintf(left, sizeof(left), "%llu",
             (unsigned long long) until - time(NULL) + 31 * 86400);

    argv[0] = store_text("EXPIRE");
    argv[2] = store_text(left);
    store_append(store, argv, 3);

    argv[0] = store_text("HSET");
    argv[1] = past.text;
    argv[2] = store_text("gone");
    argv[3] = store_text("1");
    store_append(store, argv, 4);

    failed = 0;

    for (i = 0; i < 3; i++) {
        reply = store_reply(store);
        failed |= (reply == NULL);
        reply_free(reply);
    }

    if (failed) {
        store_missed(store, "its usage may not be found, or not expire");
    }

    free(text);
}


static char *
store_gone_text(const stored_t *stored)
{
    char          *text;
    json_t        *json;
    unsigned       i;
    apikey_text_t  value;

    json = json_object();

    for (i = 0; i < STORE_GONE_FIELDS; i++) {
        value = stored_get(stored, store_gone_fields[i]);

        if (value.len != 0) {
            json_object_set_new(json, store_gone_fields[i], json_text(value));
        }
    }

    text = json_dumps(json, JSON_COMPACT);
    json_decref(json);

    return text;
}


store_rc_e
store_gone_visit(store_t *store, store_gone_pt visit,
    store_rc_e (*after)(void *data), void *data)
{
    unsigned        i;
    uint32_t        first, month, months[STORE_GONE_MONTHS];
    unsigned        count;
    store_rc_e      rc;
    reply_t        *reply;
    store_name_t    name;
    apikey_text_t   argv[2];

    first = apikey_usage_day((uint64_t) time(NULL) - 86400) / 100;
    month = first;
    argv[0] = store_text("EXISTS");

    for (i = 0; i < STORE_GONE_MONTHS; i++) {
        store_name_gone(store, &name, month);
        argv[1] = name.text;
        store_append(store, argv, 2);
        month = store_gone_next(month);
    }

    rc = STORE_DONE;
    month = first;
    count = 0;

    for (i = 0; i < STORE_GONE_MONTHS; i++) {
        reply = store_reply(store);

        if (reply == NULL) {
            rc = STORE_FAILED;

        } else if (reply_number(reply) != 0) {
            months[count++] = month;
        }

        reply_free(reply);
        month = store_gone_next(month);
    }

    for (i = 0; rc == STORE_DONE && i < count; i++) {
        rc = store_gone_month(store, months[i], visit, after, data);
    }

    return rc;
}


/* Nothing is ever taken out of it, so nothing is seen twice. */

static store_rc_e
store_gone_month(store_t *store, uint32_t month, store_gone_pt visit,
    store_rc_e (*after)(void *data), void *data)
{
    char           cursor[STORE_GONE_NUMBER];
    reply_t       *reply;
    store_rc_e     rc;
    store_name_t   name;
    apikey_text_t  argv[5], next;

    store_name_gone(store, &name, month);

    argv[0] = store_text("HSCAN");
    argv[1] = name.text;
    argv[3] = store_text("COUNT");
    argv[4] = store_text(STORE_GONE_COUNT);

    strcpy(cursor, "0");

    do {
        argv[2] = store_text(cursor);
        reply = store_command(store, argv, 5);

        if (reply == NULL) {
            return STORE_FAILED;
        }

        store_gone_page(reply_at(reply, 1), visit, data);

        next = reply_text(reply_at(reply, 0));
        snprintf(cursor, sizeof(cursor), "%.*s", (int) next.len, next.data);
        reply_free(reply);

        rc = after(data);

    } while (rc == STORE_DONE && strcmp(cursor, "0") != 0);

    return rc;
}


static void
store_gone_page(const reply_t *page, store_gone_pt visit, void *data)
{
    size_t           i;
    stored_t        *stored;
    apikey_field_t   entry;

    for (i = 0; reply_pair(page, i, &entry); i++) {
        stored = store_gone_stored(&entry);

        if (stored != NULL) {
            visit(data, stored);
        }
    }
}


static stored_t *
store_gone_stored(const apikey_field_t *entry)
{
    json_t          *json;
    unsigned         i, count;
    stored_t        *stored;
    const char      *value;
    unsigned char    digest[APIKEY_DIGEST_SIZE];
    apikey_field_t   fields[STORE_GONE_FIELDS];

    if (apikey_digest_parse(digest, entry->name) != APIKEY_OK) {
        return NULL;
    }

    json = json_loadb(entry->value.data, entry->value.len, 0, NULL);
    count = 0;

    for (i = 0; i < STORE_GONE_FIELDS; i++) {
        value = json_string_value(json_object_get(json,
                                                  store_gone_fields[i]));

        if (value != NULL) {
            fields[count].name = store_text(store_gone_fields[i]);
            fields[count++].value = store_text(value);
        }
    }

    stored = (json != NULL) ? stored_copy(digest, fields, count) : NULL;
    json_decref(json);

    return stored;
}


static void
store_name_gone(const store_t *store, store_name_t *name, uint32_t month)
{
    name->text.data = name->data;
    name->text.len = apikey_names_gone(name->data, store->prefix, month);
}


static uint32_t
store_gone_next(uint32_t month)
{
    return (month % 100 == 12) ? month + 89 : month + 1;
}
