#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event.h"
#include "json.h"


static json_t *event_detail(const apikey_field_t *detail);


static const struct {
    const char  *name;
    size_t       offset;
} event_fields[] = {
    { "type", offsetof(event_t, type) },
    { "key", offsetof(event_t, key) },
    { "name", offsetof(event_t, name) },
    { "org", offsetof(event_t, org) },
    { "project", offsetof(event_t, project) },
    { "actor", offsetof(event_t, actor) }
};

#define EVENT_FIELDS  (sizeof(event_fields) / sizeof(event_fields[0]))


static const char *const  event_types[] = {
    "near_limit", "limit_reached", "expiring", "expired_used",
    "revoked_used", "high_error_rate", "unusual_use", "new_country",
    "created", "edited", "disabled", "enabled", "rotated", "revoked",
    "deleted", "imported"
};


int
event_read(event_t *event, const reply_t *entry)
{
    size_t          i, k;
    const reply_t  *fields;
    apikey_field_t  field;

    memset(event, 0, sizeof(event_t));

    event->id = reply_text(reply_at(entry, 0));
    event->time = strtoull(event->id.data, NULL, 10) / 1000;

    fields = reply_at(entry, 1);

    for (i = 0; reply_pair(fields, i, &field); i++) {

        for (k = 0; k < EVENT_FIELDS; k++) {

            if (apikey_text_equal(field.name,
                                  store_text(event_fields[k].name)))
            {
                *(apikey_text_t *) ((char *) event + event_fields[k].offset)
                    = field.value;
                break;
            }
        }

        if (k == EVENT_FIELDS && event->count < STORE_EVENT_FIELDS) {
            event->details[event->count++] = field;
        }
    }

    return event->type.len ? 0 : -1;
}


void
event_entry_id(char id[STORE_EVENT_ID], const reply_t *entry)
{
    apikey_text_t  text;

    text = reply_text(reply_at(entry, 0));

    snprintf(id, STORE_EVENT_ID, "%.*s", (int) text.len, text.data);
}


json_t *
event_json(const event_t *event)
{
    char       name[64];
    json_t    *json, *detail;
    unsigned   i;

    json = json_object();

    json_object_set_new(json, "id", json_text(event->id));
    json_object_set_new(json, "time", json_integer(event->time));

    for (i = 0; i < EVENT_FIELDS; i++) {
        json_object_set_new(json, event_fields[i].name,
                            json_text(*(const apikey_text_t *)
                                      ((const char *) event
                                       + event_fields[i].offset)));
    }

    detail = json_object();

    for (i = 0; i < event->count; i++) {
        snprintf(name, sizeof(name), "%.*s",
                 (int) event->details[i].name.len,
                 event->details[i].name.data);

        json_object_set_new(detail, name, event_detail(&event->details[i]));
    }

    json_object_set_new(json, "detail", detail);

    return json;
}


int
event_type_known(const char *type)
{
    size_t  i;

    for (i = 0; i < sizeof(event_types) / sizeof(char *); i++) {
        if (strcmp(event_types[i], type) == 0) {
            return 1;
        }
    }

    return 0;
}


static json_t *
event_detail(const apikey_field_t *detail)
{
    uint64_t        number;
    apikey_text_t   value;

    value = detail->value;

    if (!apikey_text_equal(detail->name, store_text("rotated_to"))
        && !apikey_text_equal(detail->name, store_text("rotated_from"))
        && (value.len == 1 || (value.len != 0 && value.data[0] != '0'))
        && apikey_text_number(value, INT64_MAX, &number) == APIKEY_OK)
    {
        return json_integer(number);
    }

    return json_text(value);
}
