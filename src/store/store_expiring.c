#include <stdlib.h>
#include <string.h>

#include "store_call.h"
#include "store_expiring.h"


#define STORE_EXPIRING_KEYS  50    /* of one command */


static int store_expiring_key(const store_new_t *key);
static void store_expiring_write(store_t *store, const apikey_text_t *argv,
    unsigned argc);


void
store_expiring_created(store_t *store, const store_new_t *keys,
    unsigned count)
{
    unsigned        i, n;
    store_name_t    name;
    apikey_text_t   argv[2 + 2 * STORE_EXPIRING_KEYS];

    store_name_expiring(store, &name);

    argv[0] = store_text("ZADD");
    argv[1] = name.text;
    n = 2;

    for (i = 0; i < count; i++) {

        if (store_expiring_key(&keys[i])) {
            argv[n++] = attributes_get(&keys[i].attributes,
                                       ATTRIBUTE_EXPIRES);
            argv[n++] = attributes_get(&keys[i].attributes, ATTRIBUTE_ID);
        }

        if (n == sizeof(argv) / sizeof(argv[0])) {
            store_expiring_write(store, argv, n);
            n = 2;
        }
    }

    if (n != 2) {
        store_expiring_write(store, argv, n);
    }
}


void
store_expiring_changed(store_t *store, const stored_t *stored,
    const apikey_field_t *fields, unsigned count)
{
    unsigned        i, revoked;
    store_name_t    name;
    apikey_text_t   argv[4];

    revoked = 0;
    argv[2] = (apikey_text_t) { NULL, 0 };

    for (i = 0; i < count; i++) {

        if (apikey_text_equal(fields[i].name, store_text("status"))) {
            revoked = apikey_text_equal(fields[i].value,
                                        store_text("revoked"));

        } else if (apikey_text_equal(fields[i].name, store_text("expires"))) {
            argv[2] = fields[i].value;

            if (argv[2].len == 0) {
                revoked = 1;
            }
        }
    }

    if (revoked) {
        store_expiring_deleted(store, stored_get(stored, "id"));

    } else if (argv[2].len != 0) {
        store_name_expiring(store, &name);

        argv[0] = store_text("ZADD");
        argv[1] = name.text;
        argv[3] = stored_get(stored, "id");

        store_expiring_write(store, argv, 4);
    }
}


void
store_expiring_deleted(store_t *store, apikey_text_t id)
{
    store_name_t    name;
    apikey_text_t   argv[3];

    store_name_expiring(store, &name);

    argv[0] = store_text("ZREM");
    argv[1] = name.text;
    argv[2] = id;

    store_expiring_write(store, argv, 3);
}


/* Of what has ended already there is nothing to tell. */

static int
store_expiring_key(const store_new_t *key)
{
    uint64_t  expires;

    return key->result == STORE_NEW_CREATED
           && apikey_text_number(attributes_get(&key->attributes,
                                                ATTRIBUTE_EXPIRES),
                                 INT64_MAX, &expires)
              == APIKEY_OK
           && expires > strtoull(key->rev, NULL, 10) / 1000000
           && !apikey_text_equal(attributes_get(&key->attributes,
                                                ATTRIBUTE_STATUS),
                                 store_text("revoked"));
}


static void
store_expiring_write(store_t *store, const apikey_text_t *argv, unsigned argc)
{
    reply_t  *reply;

    reply = store_command(store, argv, argc);

    if (reply != NULL) {
        reply_free(reply);
    } else {
        store_missed(store, "when keys expire");
    }
}
