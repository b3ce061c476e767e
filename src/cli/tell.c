#include <stdio.h>
#include <string.h>

#include "store/store_events.h"

#include "tell.h"


/* type and actor, and what is told of a key */
#define TELL_FIELDS  6


static const attribute_e  tell_attributes[] = {
    ATTRIBUTE_ID, ATTRIBUTE_NAME, ATTRIBUTE_ORG, ATTRIBUTE_PROJECT
};

static const char *const  tell_names[] = { "key", "name", "org", "project" };

#define TELL_ATTRIBUTES  (sizeof(tell_names) / sizeof(char *))


static unsigned tell_begin(const cli_t *cli, const char *type,
    apikey_field_t *fields);


void
tell_key(cli_t *cli, const char *type, const stored_t *stored,
    const apikey_field_t *details, unsigned count)
{
    unsigned        i, n;
    apikey_field_t  fields[STORE_EVENT_FIELDS];

    n = tell_begin(cli, type, fields);

    for (i = 0; i < TELL_ATTRIBUTES; i++) {
        fields[n].name = store_text(tell_names[i]);
        fields[n++].value = stored_get(stored,
                                       attribute_name(tell_attributes[i]));
    }

    for (i = 0; i < count && n < STORE_EVENT_FIELDS; i++) {
        fields[n++] = details[i];
    }

    store_event_add(&cli->store, fields, n);
}


void
tell_created(cli_t *cli, const attributes_t *attributes)
{
    unsigned        i, n;
    apikey_field_t  fields[TELL_FIELDS + 2];

    n = tell_begin(cli, "created", fields);

    for (i = 0; i < TELL_ATTRIBUTES; i++) {
        fields[n].name = store_text(tell_names[i]);
        fields[n++].value = attributes_get(attributes, tell_attributes[i]);
    }

    fields[n].name = store_text("template");
    fields[n++].value = attributes_get(attributes, ATTRIBUTE_TEMPLATE);

    fields[n].name = store_text("rotated_from");
    fields[n++].value = attributes_get(attributes, ATTRIBUTE_ROTATED_FROM);

    store_event_add(&cli->store, fields, n);
}


/* One for all of them: a million events would drive out all others. */

void
tell_imported(cli_t *cli, unsigned imported, unsigned refused)
{
    char            number[2][16];
    unsigned        n;
    apikey_field_t  fields[TELL_FIELDS];

    n = tell_begin(cli, "imported", fields);

    snprintf(number[0], sizeof(number[0]), "%u", imported);
    snprintf(number[1], sizeof(number[1]), "%u", refused);

    fields[n].name = store_text("imported");
    fields[n++].value = store_text(number[0]);

    fields[n].name = store_text("refused");
    fields[n++].value = store_text(number[1]);

    store_event_add(&cli->store, fields, n);
}


static unsigned
tell_begin(const cli_t *cli, const char *type, apikey_field_t *fields)
{
    fields[0].name = store_text("type");
    fields[0].value = store_text(type);

    fields[1].name = store_text("actor");
    fields[1].value = store_text(cli->actor);

    return 2;
}
