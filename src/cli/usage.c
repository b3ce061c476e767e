/* usage: what a key was used for. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/store_usage.h"

#include "cli.h"
#include "given.h"
#include "usage.h"


#define USAGE_DAYS  30     /* unless said otherwise */


typedef struct {
    json_t  *days;
    json_t  *total;
} usage_t;


static int usage_given(const cli_t *cli, unsigned *days,
    rows_format_e *format);
static json_t *usage_read(cli_t *cli, const stored_t *stored, unsigned days);
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
    json_t         *usage;
    unsigned        days;
    stored_t       *stored;
    rows_format_e   format;

    usage = NULL;
    stored = NULL;
    rc = cli_operands(cli, 1, 1, "the id of one key");

    if (rc == CLI_DONE) {
        rc = usage_given(cli, &days, &format);
    }

    if (rc == CLI_DONE) {
        rc = cli_open(cli);
    }

    if (rc == CLI_DONE) {
        rc = cli_read(cli, cli->options->operands[0], &stored);
    }

    if (rc == CLI_DONE) {
        usage = usage_read(cli, stored, days);
        rc = (usage != NULL) ? CLI_DONE : cli_failed(cli);
    }

    free(stored);

    if (rc != CLI_DONE) {
        return rc;
    }

    if (format == ROWS_JSON) {
        json_print(usage);
        return CLI_DONE;
    }

    if (format == ROWS_CSV) {
        usage_csv(usage);
    } else {
        usage_show(usage);
    }

    json_decref(usage);

    return CLI_DONE;
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


/* NULL: the store failed. */

static json_t *
usage_read(cli_t *cli, const stored_t *stored, unsigned days)
{
    json_t         *json;
    usage_t         usage;
    uint64_t        used;
    store_rc_e      rc;
    apikey_text_t   address;

    usage.days = json_array();
    usage.total = usage_counts();

    rc = store_usage_read(&cli->store, stored->digest, cli_now(cli), days,
                          usage_visit, &usage);

    if (rc != STORE_DONE) {
        json_decref(usage.days);
        json_decref(usage.total);
        return NULL;
    }

    used = stored_used(stored, &address);
    json = json_object();

    json_object_set_new(json, "id", json_text(stored_get(stored, "id")));
    json_object_set_new(json, "days", usage.days);
    json_object_set_new(json, "total", usage.total);
    json_object_set_new(json, "last_used",
                        used ? json_integer(used) : json_null());
    json_object_set_new(json, "last_address", json_text(address));

    return json;
}


static void
usage_visit(void *data, uint32_t day, const reply_t *reply)
{
    usage_t *usage = data;

    char     text[USAGE_DAY];
    json_t  *json;

    usage_day_text(text, day);

    json = json_object();
    json_object_set_new(json, "day", json_string(text));
    json_object_update_new(json, usage_counts());

    usage_add(json, reply);
    usage_add(usage->total, reply);

    json_array_append_new(usage->days, json);
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
