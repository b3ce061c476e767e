/* Usage by days, with all that is counted on each. */

#include <stdlib.h>
#include <string.h>

#include "store/json.h"

#include "usage.h"


static json_t *usage_counts(void);
static void usage_count(json_t *counts, const apikey_usage_count_t *count);
static void usage_count_labelled(json_t *counts, const char *member,
    apikey_text_t label, uint64_t count);
static void usage_count_member(json_t *object, const char *name,
    uint64_t count);


void
usage_days_init(usage_days_t *usage, const store_usage_span_t *span)
{
    char       text[USAGE_DAY];
    json_t    *day;
    unsigned   i;

    memset(usage, 0, sizeof(usage_days_t));

    usage->span = span;
    usage->days = json_array();
    usage->total = usage_counts();
    usage->address = json_null();
    usage->id = json_null();

    for (i = 0; i < span->days; i++) {
        usage_day_text(text, apikey_usage_day((span->first + i) * 86400));

        day = json_object();
        json_object_set_new(day, "day", json_string(text));
        json_object_update_new(day, usage_counts());
        json_array_append_new(usage->days, day);
    }
}


void
usage_days_key(usage_days_t *usage, const stored_t *key)
{
    uint64_t       used;
    apikey_text_t  address;

    used = stored_used(key, &address);

    if (used > usage->used) {
        usage->used = used;
        json_decref(usage->address);
        usage->address = json_text(address);
    }

    if (usage->keys++ == 0) {
        usage->id = json_text(stored_get(key, "id"));
    }
}


void
usage_days_visit(void *data, const stored_t *key, uint32_t day,
    apikey_text_t name, apikey_text_t value)
{
    usage_days_t *usage = data;

    json_t                *counts;
    unsigned               at;
    apikey_usage_count_t   count;

    (void) key;

    counts = json_array_get(usage->days,
                            usage_span_find(usage->span, day, &usage->at));
    at = 0;

    while (apikey_usage_read(&count, &at, name, value) == APIKEY_OK) {

        if (counts != NULL) {
            usage_count(counts, &count);
            usage_count(usage->total, &count);
        }
    }
}


json_t *
usage_days_json(usage_days_t *usage, int named)
{
    json_t  *json;

    json = json_object();

    if (named && usage->keys == 1) {
        json_object_set(json, "id", usage->id);
    } else {
        json_object_set_new(json, "keys", json_integer(usage->keys));
    }

    json_object_set(json, "days", usage->days);
    json_object_set(json, "total", usage->total);
    json_object_set_new(json, "last_used",
                        usage->used ? json_integer(usage->used)
                                    : json_null());
    json_object_set(json, "last_address", usage->address);

    return json;
}


void
usage_days_free(usage_days_t *usage)
{
    json_decref(usage->days);
    json_decref(usage->total);
    json_decref(usage->address);
    json_decref(usage->id);
}


static json_t *
usage_counts(void)
{
    unsigned  i;
    json_t   *le, *count;

    le = json_array();
    count = json_array();

    for (i = 0; i < APIKEY_USAGE_BUCKETS; i++) {

        if (i < APIKEY_USAGE_LATENCIES) {
            json_array_append_new(le, json_integer(apikey_usage_latencies[i]));
        }

        json_array_append_new(count, json_integer(0));
    }

    return json_pack("{s:i, s:{}, s:{}, s:{}, s:{}, s:i, s:i, s:{s:o, s:o}}",
                     "requests", 0, "denied", "statuses", "endpoints",
                     "countries", "bytes", 0, "errors", 0,
                     "latency", "le", le, "count", count);
}


static void
usage_count(json_t *counts, const apikey_usage_count_t *count)
{
    json_t  *array, *number;

    switch (count->kind) {

    case APIKEY_USAGE_REQUESTS:
        usage_count_member(counts, "requests", count->amount);
        break;

    case APIKEY_USAGE_BYTES:
        usage_count_member(counts, "bytes", count->amount);
        break;

    case APIKEY_USAGE_ERRORS:
        usage_count_member(counts, "errors", count->amount);
        break;

    case APIKEY_USAGE_DENIED:
        usage_count_labelled(counts, "denied", count->label, count->amount);
        break;

    case APIKEY_USAGE_STATUS:
        usage_count_labelled(counts, "statuses", count->label, count->amount);
        break;

    case APIKEY_USAGE_ENDPOINT:
        usage_count_labelled(counts, "endpoints", count->label, count->amount);
        break;

    case APIKEY_USAGE_COUNTRY:
        usage_count_labelled(counts, "countries", count->label, count->amount);
        break;

    default: /* APIKEY_USAGE_LATENCY */
        array = json_object_get(json_object_get(counts, "latency"), "count");
        number = json_array_get(array, count->bucket);

        json_integer_set(number, json_integer_value(number) + count->amount);
    }
}


/* Labels that aren't UTF-8 were not written by a gateway. */

static void
usage_count_labelled(json_t *counts, const char *member, apikey_text_t label,
    uint64_t count)
{
    char  name[APIKEY_USAGE_LABEL_MAX + 1];

    label.len = apikey_usage_label(name, label);
    name[label.len] = '\0';

    usage_count_member(json_object_get(counts, member), name, count);
}


static void
usage_count_member(json_t *object, const char *name, uint64_t count)
{
    json_t  *number;

    number = json_object_get(object, name);

    if (number != NULL) {
        json_integer_set(number, json_integer_value(number) + count);
    } else {
        json_object_set_new(object, name, json_integer(count));
    }
}
