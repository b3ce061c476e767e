/*
 * limits: what is used of a key's windows, and what is left.  Its own limits
 * are in its record, those of a plan are what gateways have told of it.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/names.h"

#include "change.h"
#include "confirm.h"
#include "dates.h"
#include "store_plans.h"


typedef struct {
    cli_t           *cli;
    table_t          table;
    json_t          *json;
} limits_output_t;


static int limits_show(cli_t *cli, const stored_t *stored);
static int limits_all(limits_output_t *output, const stored_t *stored,
    const apikey_record_t *record);
static int limits_assigned(limits_output_t *output,
    const apikey_record_t *record, apikey_text_t packed);
static int limits_plan(limits_output_t *output, apikey_text_t name,
    apikey_text_t packed);
static void limits_known(limits_output_t *output, apikey_text_t plan,
    const char *per, const apikey_limits_t *limits, apikey_text_t packed);
static void limits_unknown(limits_output_t *output, apikey_text_t plan,
    apikey_text_t packed);
static void limits_window(limits_output_t *output, apikey_text_t plan,
    const char *per, const apikey_counter_t *counter,
    const apikey_window_t *window, int sliding);
static void limits_cell(table_t *table, uint64_t number);
static int limits_reset(cli_t *cli);
static int limits_forget(cli_t *cli, const stored_t *stored,
    change_t *change, void *data);
static int limits_is_counter(apikey_text_t field);


static const column_t  limits_columns[] = {
    { "PLAN", 0 },
    { "WINDOW", 0 },
    { "LIMIT", 0 },
    { "USED", 0 },
    { "LEFT", 0 },
    { "RESET", 0 }
};


int
command_limits(cli_t *cli)
{
    int        rc;
    stored_t  *stored;

    if (options_value(cli->options, "reset") != NULL) {
        return limits_reset(cli);
    }

    stored = NULL;
    rc = cli_read_operand(cli, &stored);

    if (rc == CLI_DONE) {
        rc = limits_show(cli, stored);
    }

    free(stored);

    return rc;
}


static int
limits_show(cli_t *cli, const stored_t *stored)
{
    int                 rc;
    const char         *why;
    limits_output_t     output;
    apikey_record_t    *record;

    record = stored_parse(stored, &why);

    if (record == NULL) {
        complain("the record of this key can't be read: %s", why);
        return CLI_REFUSED;
    }

    output.cli = cli;
    output.json = json_array();
    table_init(&output.table, limits_columns,
               sizeof(limits_columns) / sizeof(column_t));

    rc = limits_all(&output, stored, record);

    if (rc != CLI_DONE) {
        /* told already */

    } else if (cli->json) {
        json_print(json_pack("{s:o,s:O}", "id",
                             json_text(stored_get(stored, "id")),
                             "windows", output.json));

    } else if (output.table.cell_count != 0) {
        table_print(&output.table);

    } else {
        puts("nothing is counted for this key");
    }

    json_decref(output.json);
    table_free(&output.table);
    free(record);

    return rc;
}


static int
limits_all(limits_output_t *output, const stored_t *stored,
    const apikey_record_t *record)
{
    int            rc;
    unsigned       i;
    apikey_text_t  name, none;

    none = (apikey_text_t) { NULL, 0 };
    rc = CLI_DONE;

    if (record->limits.count != 0) {
        limits_known(output, none, "key", &record->limits,
                     stored_get(stored, "n"));

    } else {
        rc = limits_assigned(output, record, stored_get(stored, "n"));
    }

    /* What it has used of locations' default plans. */

    for (i = 0; rc == CLI_DONE && i < stored->count; i++) {
        name = stored->fields[i].name;

        if (limits_is_counter(name) && name.len > 2) {
            name.data += 2;
            name.len -= 2;
            rc = limits_plan(output, name, stored->fields[i].value);
        }
    }

    return rc;
}


/* The plan of the key itself, of which it may not have used anything. */

static int
limits_assigned(limits_output_t *output, const apikey_record_t *record,
    apikey_text_t packed)
{
    redisReply     *reply;
    store_rc_e      rc;
    store_plan_t    plan;
    apikey_text_t   holder;

    if (record->plan.len == 0) {
        limits_unknown(output, record->plan, packed);
        return CLI_DONE;
    }

    rc = store_plan_read(&output->cli->store, record->plan, &plan);

    if (rc == STORE_FAILED) {
        return cli_failed(output->cli);
    }

    if (rc != STORE_DONE) {
        limits_unknown(output, record->plan, packed);
        return CLI_DONE;
    }

    holder = (strcmp(plan.per, "org") == 0) ? record->org : record->project;

    /* a key that belongs to nobody is counted by itself */

    if (strcmp(plan.per, "key") == 0 || holder.len == 0) {
        limits_known(output, record->plan, "key", &plan.limits, packed);
        return CLI_DONE;
    }

    reply = store_pool_read(&output->cli->store, plan.per, holder,
                            record->plan);

    if (reply == NULL) {
        return cli_failed(output->cli);
    }

    packed = (apikey_text_t) { NULL, 0 };

    if (reply->type == REDIS_REPLY_STRING) {
        packed = (apikey_text_t) { reply->str, reply->len };
    }

    limits_known(output, record->plan, plan.per, &plan.limits, packed);
    freeReplyObject(reply);

    return CLI_DONE;
}


static int
limits_plan(limits_output_t *output, apikey_text_t name,
    apikey_text_t packed)
{
    store_rc_e    rc;
    store_plan_t  plan;

    rc = store_plan_read(&output->cli->store, name, &plan);

    if (rc == STORE_FAILED) {
        return cli_failed(output->cli);
    }

    if (rc == STORE_DONE) {
        limits_known(output, name, "key", &plan.limits, packed);

    } else {
        limits_unknown(output, name, packed);
    }

    return CLI_DONE;
}


static void
limits_known(limits_output_t *output, apikey_text_t plan, const char *per,
    const apikey_limits_t *limits, apikey_text_t packed)
{
    unsigned           i;
    apikey_text_t      none;
    apikey_counter_t   counters[APIKEY_WINDOWS_MAX];

    none = (apikey_text_t) { NULL, 0 };

    /* Counters that can't be read are those of a key never used. */

    if (apikey_counters_unpack(counters, limits, packed, output->cli->now)
        != APIKEY_OK)
    {
        (void) apikey_counters_unpack(counters, limits, none,
                                      output->cli->now);
    }

    for (i = 0; i < limits->count; i++) {
        limits_window(output, plan, per, &counters[i], &limits->window[i],
                      limits->sliding);
    }
}


/* Of a plan that no gateway has told of. */

static void
limits_unknown(limits_output_t *output, apikey_text_t plan,
    apikey_text_t packed)
{
    apikey_counter_t  counter;

    while (packed.len != 0) {
        if (apikey_counters_take(&counter, &packed) != APIKEY_OK) {
            return;
        }

        limits_window(output, plan, "key", &counter, NULL, 0);
    }
}


static void
limits_window(limits_output_t *output, apikey_text_t plan,
    const char *per, const apikey_counter_t *counter,
    const apikey_window_t *window, int sliding)
{
    char       text[DATES_SIZE];
    json_t    *json;
    uint64_t   now, used, left, reset;

    now = cli_now(output->cli);
    reset = now - now % counter->seconds + counter->seconds;

    used = apikey_counter_used(counter, sliding, output->cli->now);
    left = (window != NULL && used < window->limit) ? window->limit - used : 0;

    json = json_object();

    json_object_set_new(json, "plan", json_text(plan));
    json_object_set_new(json, "per", json_string(per));
    json_object_set_new(json, "seconds", json_integer(counter->seconds));
    json_object_set_new(json, "limit",
                        window ? json_integer(window->limit) : json_null());
    json_object_set_new(json, "used", json_integer(used));
    json_object_set_new(json, "remaining",
                        window ? json_integer(left) : json_null());
    json_object_set_new(json, "reset", json_integer(reset));

    json_array_append_new(output->json, json);

    table_add(&output->table, plan.len ? plan : store_text("its own"));
    limits_cell(&output->table, counter->seconds);

    if (window != NULL) {
        limits_cell(&output->table, window->limit);
        limits_cell(&output->table, used);
        limits_cell(&output->table, left);

    } else {
        table_add(&output->table, store_text("-"));
        limits_cell(&output->table, used);
        table_add(&output->table, store_text("-"));
    }

    dates_format(text, reset);
    table_add(&output->table, store_text(text));
}


static void
limits_cell(table_t *table, uint64_t number)
{
    char  text[32];

    snprintf(text, sizeof(text), "%" PRIu64, number);
    table_add(table, store_text(text));
}


static int
limits_reset(cli_t *cli)
{
    int        rc;
    json_t    *json;
    stored_t  *stored;

    stored = NULL;
    rc = cli_operands(cli, 1, 1, "the id of one key");

    if (rc == CLI_DONE) {
        rc = confirm_open(cli);
    }

    if (rc == CLI_DONE) {
        rc = cli_read(cli, cli->options->operands[0], &stored);
    }

    if (rc == CLI_DONE) {
        rc = change_key(cli, &stored, limits_forget, NULL);
    }

    if (rc == CLI_DONE) {
        json = json_pack("{s:o,s:b}", "id",
                         json_text(stored_get(stored, "id")), "reset", 1);

        if (cli->json) {
            confirm_print(cli, json);

        } else {
            puts("what was used is forgotten");
            json_decref(json);
        }
    }

    free(stored);

    return confirm_close(cli, rc);
}


/* What gateways have counted ahead is void with the record that they know. */

static int
limits_forget(cli_t *cli, const stored_t *stored, change_t *change,
    void *data)
{
    (void) cli;
    (void) stored;
    (void) data;

    change->fields[0].name = store_text("reset");
    change->fields[0].value = store_text("now");
    change->count = 1;

    return CLI_DONE;
}


/* n, and n:PLAN */

static int
limits_is_counter(apikey_text_t field)
{
    return field.len != 0
           && field.data[0] == 'n'
           && (field.len == 1 || (field.len > 2 && field.data[1] == ':'));
}
