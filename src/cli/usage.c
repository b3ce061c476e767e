/* usage: what keys were used for, one or many together. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/store_usage.h"

#include "given.h"
#include "selection.h"
#include "usage.h"


#define USAGE_DAYS  30     /* unless said otherwise */


typedef struct {
    unsigned         span;       /* days */
    json_t          *days;
    json_t          *total;
    size_t           at;         /* the next of the days */
    size_t           keys;
    uint64_t         used;       /* the latest use */
    json_t          *address;
    json_t          *id;         /* of one key */
} usage_t;


static int usage_given(const cli_t *cli, unsigned *days,
    rows_format_e *format);
static int usage_keys(cli_t *cli, const selection_t *keys, usage_t *usage);
static int usage_key(cli_t *cli, const stored_t *stored, usage_t *usage);
static json_t *usage_json(const selection_t *keys, const usage_t *usage);
static void usage_visit(void *data, uint32_t day, const reply_t *reply);
static void usage_count(json_t *counts, const apikey_usage_count_t *count);
static void usage_count_labelled(json_t *counts, const char *member,
    apikey_text_t label, uint64_t count);
static void usage_count_member(json_t *object, const char *name,
    uint64_t count);


int
command_usage(cli_t *cli)
{
    int             rc;
    json_t         *json;
    usage_t         usage;
    selection_t     keys;
    rows_format_e   format;

    memset(&usage, 0, sizeof(usage));

    rc = selection_given(cli, &keys, 0);

    if (rc == CLI_DONE) {
        rc = usage_given(cli, &usage.span, &format);
    }

    if (rc == CLI_DONE) {
        rc = cli_open(cli);
    }

    if (rc == CLI_DONE) {
        rc = selection_find(cli, &keys, NULL);
    }

    if (rc == CLI_DONE) {
        usage.days = json_array();
        usage.total = usage_counts();
        usage.id = json_null();
        usage.address = json_null();

        rc = usage_keys(cli, &keys, &usage);
        json = usage_json(&keys, &usage);

        if (rc != CLI_DONE) {
            json_decref(json);

        } else if (format == ROWS_JSON) {
            json_print(json);

        } else {
            (format == ROWS_CSV) ? usage_csv(json) : usage_show(json);
            json_decref(json);
        }
    }

    selection_free(&keys);

    return (rc == SELECTION_OVER) ? CLI_DONE : rc;
}


static int
usage_given(const cli_t *cli, unsigned *days, rows_format_e *format)
{
    int          rc;
    uint64_t     n;
    const char  *value;

    rc = given_format(cli, format);

    if (rc != CLI_DONE) {
        return rc;
    }

    if (cli->json && *format == ROWS_CSV) {
        complain("--json and --format csv exclude each other");
        return CLI_USAGE;
    }

    if (cli->json) {
        *format = ROWS_JSON;
    }

    n = USAGE_DAYS;
    value = options_value(cli->options, "days");

    if (value != NULL
        && (apikey_text_number(store_text(value), APIKEY_USAGE_DAYS_MAX, &n)
            != APIKEY_OK
            || n == 0))
    {
        complain_option("days", value, "not a number from 1 to %d",
                        APIKEY_USAGE_DAYS_MAX);
        return CLI_USAGE;
    }

    *days = (unsigned) n;

    return CLI_DONE;
}


static int
usage_keys(cli_t *cli, const selection_t *keys, usage_t *usage)
{
    int        rc;
    size_t     i;
    stored_t  *stored;

    rc = CLI_DONE;

    for (i = 0; i < keys->count && rc == CLI_DONE; i++) {
        rc = selection_read(cli, keys, i, &stored);

        if (rc == CLI_DONE) {
            rc = usage_key(cli, stored, usage);
        }

        free(stored);

        rc = (rc == SELECTION_PASSED) ? CLI_DONE : rc;
    }

    return rc;
}


static int
usage_key(cli_t *cli, const stored_t *stored, usage_t *usage)
{
    uint64_t       used;
    apikey_text_t  address;

    usage->at = 0;

    if (store_usage_read(&cli->store, stored->digest, cli_now(cli),
                         usage->span, usage_visit, usage)
        != STORE_DONE)
    {
        return cli_failed(cli);
    }

    used = stored_used(stored, &address);

    if (used > usage->used) {
        usage->used = used;
        json_decref(usage->address);
        usage->address = json_text(address);
    }

    if (usage->keys++ == 0) {
        usage->id = json_text(stored_get(stored, "id"));
    }

    return CLI_DONE;
}


/* Of one key that was named its id, of others how many they are. */

static json_t *
usage_json(const selection_t *keys, const usage_t *usage)
{
    json_t  *json;

    json = json_object();

    if (!keys->filtered && keys->count == 1) {
        json_object_set(json, "id", usage->id);
    } else {
        json_object_set_new(json, "keys", json_integer(usage->keys));
    }

    json_decref(usage->id);

    json_object_set_new(json, "days", usage->days);
    json_object_set_new(json, "total", usage->total);
    json_object_set_new(json, "last_used",
                        usage->used ? json_integer(usage->used)
                                    : json_null());
    json_object_set_new(json, "last_address", usage->address);

    return json;
}


/* Of each key the same days. */

static void
usage_visit(void *data, uint32_t day, const reply_t *reply)
{
    usage_t *usage = data;

    char     text[USAGE_DAY];
    json_t  *json;

    json = json_array_get(usage->days, usage->at++);

    if (json == NULL) {
        usage_day_text(text, day);

        json = json_object();
        json_object_set_new(json, "day", json_string(text));
        json_object_update_new(json, usage_counts());
        json_array_append_new(usage->days, json);
    }

    usage_add(json, reply);
    usage_add(usage->total, reply);
}


void
usage_day_text(char out[USAGE_DAY], uint32_t day)
{
    snprintf(out, USAGE_DAY, "%04u-%02u-%02u", day / 10000 % 10000,
             day / 100 % 100, day % 100);
}


json_t *
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


void
usage_add(json_t *counts, const reply_t *reply)
{
    size_t                 i;
    unsigned               at;
    apikey_field_t         field;
    apikey_usage_count_t   count;

    for (i = 0; reply_pair(reply, i, &field); i++) {
        at = 0;

        while (apikey_usage_read(&count, &at, field.name, field.value)
               == APIKEY_OK)
        {
            usage_count(counts, &count);
        }
    }
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
