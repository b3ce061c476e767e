#include <string.h>
#include <time.h>

#include "store_call.h"
#include "store_usage.h"


#define STORE_USAGE_DAYS  100    /* of one write */


static store_rc_e store_usage_page(store_t *store,
    const unsigned char *digest, uint64_t first, unsigned days,
    store_usage_pt visit, void *data);
static int store_usage_exists(store_t *store, const unsigned char *digest);
static int store_usage_remove(store_t *store, const unsigned char *digest,
    uint64_t first, unsigned days);
static void store_name_usage(const store_t *store, store_name_t *name,
    const unsigned char *digest, uint32_t day);


store_rc_e
store_usage_read(store_t *store,
    const unsigned char digest[APIKEY_DIGEST_SIZE], uint64_t now,
    unsigned days, store_usage_pt visit, void *data)
{
    unsigned     n;
    uint64_t     first;
    store_rc_e   rc;

    rc = STORE_DONE;
    first = now / 86400 + 1 - days;

    while (days != 0 && rc == STORE_DONE) {
        n = (days < STORE_USAGE_DAYS) ? days : STORE_USAGE_DAYS;
        rc = store_usage_page(store, digest, first, n, visit, data);

        first += n;
        days -= n;
    }

    return rc;
}


static store_rc_e
store_usage_page(store_t *store, const unsigned char *digest, uint64_t first,
    unsigned days, store_usage_pt visit, void *data)
{
    unsigned       i;
    store_rc_e     rc;
    reply_t       *reply;
    store_name_t   name;
    apikey_text_t  argv[2];

    argv[0] = store_text("HGETALL");

    for (i = 0; i < days; i++) {
        store_name_usage(store, &name, digest,
                         apikey_usage_day((first + i) * 86400));
        argv[1] = name.text;
        store_append(store, argv, 2);
    }

    rc = STORE_DONE;

    for (i = 0; i < days; i++) {
        reply = store_reply(store);

        if (reply == NULL) {
            rc = STORE_FAILED;
            continue;
        }

        if (rc == STORE_DONE) {
            visit(data, apikey_usage_day((first + i) * 86400), reply);
        }

        reply_free(reply);
    }

    return rc;
}


/*
 * A key was used from its creation on, or for as long as is ever kept.  Its
 * past is forgotten last: it says that there may be days.
 */

void
store_usage_deleted(store_t *store, const stored_t *stored)
{
    unsigned       n;
    uint64_t       day, created, latest;
    reply_t       *reply;
    store_name_t   past;
    apikey_text_t  argv[2];

    if (!store_usage_exists(store, stored->digest)) {
        return;
    }

    /* Redis's clock may be ahead. */

    latest = (uint64_t) time(NULL) / 86400 + 1;
    created = stored_number(stored, "created") / 86400;

    day = latest > APIKEY_USAGE_DAYS_MAX ? latest - APIKEY_USAGE_DAYS_MAX : 0;

    if (created > day && created <= latest) {
        day = created;
    }

    for ( /* void */ ; day <= latest; day += n) {
        n = (latest + 1 - day < STORE_USAGE_DAYS) ? latest + 1 - day
                                                  : STORE_USAGE_DAYS;

        if (store_usage_remove(store, stored->digest, day, n) != 0) {
            store_missed(store, "its usage is still there");
            return;
        }
    }

    store_name_usage(store, &past, stored->digest, 0);

    argv[0] = store_text("DEL");
    argv[1] = past.text;

    reply = store_command(store, argv, 2);

    if (reply == NULL) {
        store_missed(store, "its usage is still there");
        return;
    }

    reply_free(reply);
}


static int
store_usage_exists(store_t *store, const unsigned char *digest)
{
    int            exists;
    reply_t       *reply;
    store_name_t   past;
    apikey_text_t  argv[2];

    store_name_usage(store, &past, digest, 0);

    argv[0] = store_text("EXISTS");
    argv[1] = past.text;

    reply = store_command(store, argv, 2);

    if (reply == NULL) {
        store_missed(store, "its usage may still be there");
        return 0;
    }

    exists = reply_number(reply) != 0;
    reply_free(reply);

    return exists;
}


static int
store_usage_remove(store_t *store, const unsigned char *digest,
    uint64_t first, unsigned days)
{
    unsigned       i;
    reply_t       *reply;
    store_name_t   names[STORE_USAGE_DAYS];
    apikey_text_t  argv[1 + STORE_USAGE_DAYS];

    argv[0] = store_text("DEL");

    for (i = 0; i < days; i++) {
        store_name_usage(store, &names[i], digest,
                         apikey_usage_day((first + i) * 86400));
        argv[i + 1] = names[i].text;
    }

    reply = store_command(store, argv, days + 1);

    if (reply == NULL) {
        return -1;
    }

    reply_free(reply);

    return 0;
}


static void
store_name_usage(const store_t *store, store_name_t *name,
    const unsigned char *digest, uint32_t day)
{
    name->text.data = name->data;
    name->text.len = apikey_names_usage(name->data, store->prefix, digest,
                                        day);
}
