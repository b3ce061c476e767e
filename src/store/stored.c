#include <stdlib.h>
#include <string.h>

#include "attributes.h"
#include "dates.h"
#include "json.h"
#include "memory.h"
#include "stored.h"


static char *stored_put(apikey_text_t *to, char *p, const char *data,
    size_t len);


stored_t *
stored_make(const unsigned char digest[APIKEY_DIGEST_SIZE],
    const reply_t *reply)
{
    size_t           i, n;
    stored_t        *stored;
    apikey_field_t  *fields;

    n = reply_count(reply) / 2;

    if (n == 0) {
        return NULL;
    }

    fields = must(calloc(n, sizeof(apikey_field_t)));

    for (i = 0; i < n; i++) {
        (void) reply_pair(reply, i, &fields[i]);
    }

    stored = stored_copy(digest, fields, n);
    free(fields);

    return stored;
}


stored_t *
stored_copy(const unsigned char digest[APIKEY_DIGEST_SIZE],
    const apikey_field_t *fields, unsigned count)
{
    char      *p;
    size_t     size;
    unsigned   i;
    stored_t  *stored;

    size = sizeof(stored_t) + count * sizeof(apikey_field_t);

    for (i = 0; i < count; i++) {
        size += fields[i].name.len + fields[i].value.len;
    }

    stored = must(malloc(size));
    memcpy(stored->digest, digest, APIKEY_DIGEST_SIZE);
    stored->count = count;

    p = (char *) &stored->fields[count];

    for (i = 0; i < count; i++) {
        p = stored_put(&stored->fields[i].name, p, fields[i].name.data,
                       fields[i].name.len);
        p = stored_put(&stored->fields[i].value, p, fields[i].value.data,
                       fields[i].value.len);
    }

    return stored;
}


apikey_text_t
stored_get(const stored_t *stored, const char *name)
{
    unsigned       i;
    apikey_text_t  text;

    text = (apikey_text_t) { name, strlen(name) };

    for (i = 0; i < stored->count; i++) {
        if (apikey_text_equal(stored->fields[i].name, text)) {
            return stored->fields[i].value;
        }
    }

    return (apikey_text_t) { NULL, 0 };
}


uint64_t
stored_number(const stored_t *stored, const char *name)
{
    uint64_t  number;

    if (apikey_text_number(stored_get(stored, name), INT64_MAX, &number)
        != APIKEY_OK)
    {
        return 0;
    }

    return number;
}


void
stored_family(const stored_t *stored,
    unsigned char digest[APIKEY_DIGEST_SIZE])
{
    if (apikey_digest_parse(digest, stored_get(stored, "family"))
        != APIKEY_OK)
    {
        memcpy(digest, stored->digest, APIKEY_DIGEST_SIZE);
    }
}


uint64_t
stored_epoch(const stored_t *stored)
{
    uint64_t  reset;

    reset = stored_number(stored, "reset");

    if (reset != 0 || stored_get(stored, "family").len != 0) {
        return reset;
    }

    return stored_number(stored, "created");
}


uint64_t
stored_used(const stored_t *stored, apikey_text_t *address)
{
    uint64_t       seconds;
    apikey_text_t  used, word;

    used = stored_get(stored, "used");
    word = apikey_text_word(&used);
    *address = apikey_text_word(&used);

    if (apikey_text_number(word, DATES_MAX, &seconds) != APIKEY_OK) {
        *address = (apikey_text_t) { NULL, 0 };
        return 0;
    }

    return seconds;
}


apikey_record_t *
stored_parse(const stored_t *stored, const char **why)
{
    void             *memory;
    apikey_record_t  *record;

    memory = must(malloc(apikey_record_size(stored->fields, stored->count)));

    if (apikey_record_parse(&record, memory, stored->fields, stored->count,
                            why)
        != APIKEY_OK)
    {
        free(memory);
        return NULL;
    }

    return record;
}


const char *
stored_status(const stored_t *stored, uint64_t now)
{
    const char        *why;
    apikey_usable_e    usable;
    apikey_record_t   *record;

    record = stored_parse(stored, &why);

    if (record == NULL) {
        return "unreadable";
    }

    usable = apikey_record_usable(record, now);
    free(record);

    return stored_usable_name(usable);
}


const char *
stored_usable_name(apikey_usable_e usable)
{
    static const char *const  names[] = {
        [APIKEY_USABLE] = "active",
        [APIKEY_IS_REVOKED] = "revoked",
        [APIKEY_IS_DISABLED] = "disabled",
        [APIKEY_IS_EXPIRED] = "expired",
        [APIKEY_IS_EARLY] = "early"
    };

    return names[usable];
}


json_t *
stored_json(const stored_t *stored, uint64_t now)
{
    json_t         *json, *value;
    uint64_t        number;
    attribute_e     i;
    apikey_text_t   text;

    json = json_object();

    for (i = 0; i < ATTRIBUTE_COUNT; i++) {
        text = stored_get(stored, attribute_name(i));

        if (i == ATTRIBUTE_STATUS) {
            value = json_string(stored_status(stored, now));

        } else if (i == ATTRIBUTE_SCOPES || i == ATTRIBUTE_ALLOW) {
            value = json_words(text);

        } else if (attribute_is_time(i)) {
            number = stored_number(stored, attribute_name(i));
            value = number ? json_integer(number) : json_null();

        } else {
            value = json_text(text);
        }

        json_object_set_new(json, attribute_name(i), value);
    }

    number = stored_used(stored, &text);

    json_object_set_new(json, "last_used",
                        number ? json_integer(number) : json_null());
    json_object_set_new(json, "last_address", json_text(text));

    return json;
}


static char *
stored_put(apikey_text_t *to, char *p, const char *data, size_t len)
{
    memcpy(p, data, len);

    to->data = p;
    to->len = len;

    return p + len;
}
