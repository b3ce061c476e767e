#include <stdio.h>
#include <string.h>

#include "store_call.h"
#include "store_counters.h"


store_rc_e
store_read_counters(store_t *store, const stored_t *stored,
    stored_t **counters)
{
    reply_t        *reply;
    store_name_t    name;
    apikey_text_t   argv[2];
    unsigned char   digest[APIKEY_DIGEST_SIZE];

    stored_family(stored, digest);
    store_name_record(store, &name, digest);

    argv[0] = store_text("HGETALL");
    argv[1] = name.text;

    reply = store_command(store, argv, 2);

    if (reply == NULL) {
        return STORE_FAILED;
    }

    *counters = stored_make(digest, reply);
    reply_free(reply);

    if (*counters == NULL) {
        *counters = stored_copy(digest, NULL, 0);
    }

    return STORE_DONE;
}


store_rc_e
store_forget(store_t *store, const unsigned char digest[APIKEY_DIGEST_SIZE],
    char *reset)
{
    reply_t        *reply;
    store_write_t   write;

    store_write_init(store, &write, digest);

    reply = store_write(store, &store_script_forget, &write);

    if (reply == NULL) {
        return STORE_FAILED;
    }

    snprintf(reset, 24, "%lld", reply_number(reply));
    reply_free(reply);

    return strcmp(reset, "0") ? STORE_DONE : STORE_CHANGED;
}


store_rc_e
store_carry(store_t *store, const stored_t *stored,
    const apikey_field_t *fields, unsigned count)
{
    unsigned         i, limited;
    reply_t         *reply;
    store_write_t    write;
    unsigned char    family[APIKEY_DIGEST_SIZE];

    limited = 0;

    for (i = 0; i < count; i++) {
        limited |= fields[i].value.len != 0
                   && (apikey_text_equal(fields[i].name, store_text("limits"))
                       || apikey_text_equal(fields[i].name,
                                            store_text("plan")));
    }

    stored_family(stored, family);

    if (!limited
        || memcmp(family, stored->digest, APIKEY_DIGEST_SIZE) == 0)
    {
        return STORE_DONE;
    }

    store_write_init(store, &write, family);

    reply = store_write(store, &store_script_carry, &write);

    if (reply == NULL) {
        return STORE_FAILED;
    }

    reply_free(reply);

    return STORE_DONE;
}
