/*
 * limits: what is used of a key's windows, and what is left.  Its own limits
 * are in its record, those of a plan are what gateways have told of it.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/names.h"

#include "store/dates.h"
#include "store/store_counters.h"
#include "store/store_plans.h"

#include "cli.h"
#include "limits_reset.h"


typedef struct {
    cli_t           *cli;
    store_plans_t    plans;
    table_t          table;
    json_t          *json;
} limits_output_t;


/* Of what windows are shown. */
typedef struct {
    apikey_text_t          plan;        /* empty: the key's own limits */
    const store_plan_t    *told;        /* NULL: by nobody */
    const char            *per;
    unsigned               fallback:1;  /* the default plan of a location */
    unsigned               disputed:1;  /* other gateways have it otherwise */
} limits_of_t;


static int limits_show(cli_t *cli, const stored_t *stored);
static int limits_all(limits_output_t *output, const stored_t *counters,
    const apikey_record_t *record);
static int limits_defaults(limits_output_t *output, const stored_t *counters,
    const apikey_record_t *record);
static int limits_used(limits_output_t *output, const stored_t *counters,
    unsigned defaults);
static int limits_plans(limits_output_t *output,
    const apikey_record_t *record, apikey_text_t name, apikey_text_t packed,
    unsigned fallback);
static int limits_plan(limits_output_t *output,
    const apikey_record_t *record, limits_of_t *of, apikey_text_t packed);
static apikey_text_t limits_counter(const stored_t *counters,
    apikey_text_t plan);
static void limits_known(limits_output_t *output, const limits_of_t *of,
    const apikey_limits_t *limits, apikey_text_t packed);
static void limits_unknown(limits_output_t *output, apikey_text_t plan,
    apikey_text_t packed);
static void limits_window(limits_output_t *output, const limits_of_t *of,
    const apikey_counter_t *counter, const apikey_window_t *window,
    int sliding);
static void limits_json(limits_output_t *output, const limits_of_t *of,
    const apikey_counter_t *counter, const apikey_window_t *window,
    uint64_t used);
static void limits_name(table_t *table, const limits_of_t *of);
static void limits_cell(table_t *table, uint64_t number);


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
        return reset_counters(cli);
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
    stored_t           *counters;
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

    counters = NULL;

    if (store_plans_read(&cli->store, &output.plans) != STORE_DONE
        || store_read_counters(&cli->store, stored, &counters) != STORE_DONE)
    {
        rc = cli_failed(cli);
        goto done;
    }

    rc = limits_all(&output, counters, record);

    if (rc != CLI_DONE) {
        goto done;
    }

    if (cli->json) {
        json_print(json_pack("{s:o,s:O}", "id",
                             json_text(stored_get(stored, "id")),
                             "windows", output.json));

    } else if (output.table.cell_count != 0) {
        table_print(&output.table);

    } else {
        puts("nothing is counted for this key");
    }

done:

    free(counters);
    store_plans_free(&output.plans);
    json_decref(output.json);
    table_free(&output.table);
    free(record);

    return rc;
}


static int
limits_all(limits_output_t *output, const stored_t *counters,
    const apikey_record_t *record)
{
    int            rc;
    unsigned       count;
    limits_of_t    own = { .per = "key" };
    apikey_text_t  packed;

    packed = stored_get(counters, "n");

    if (record->limits.count != 0) {
        limits_known(output, &own, &record->limits, packed);
        return limits_used(output, counters, 0);
    }

    (void) store_plans_find(&output->plans, record->plan, &count);

    if (count != 0) {
        rc = limits_plans(output, record, record->plan, packed, 0);

        return rc ? rc : limits_used(output, counters, 0);
    }

    limits_unknown(output, record->plan, packed);

    rc = limits_defaults(output, counters, record);

    return rc ? rc : limits_used(output, counters, 1);
}


/* A key without a plan that gateways know has those of locations. */

static int
limits_defaults(limits_output_t *output, const stored_t *counters,
    const apikey_record_t *record)
{
    int                  rc;
    unsigned             i;
    apikey_text_t        last;
    const store_plan_t  *plan;

    rc = CLI_DONE;
    last = (apikey_text_t) { NULL, 0 };

    for (i = 0; rc == CLI_DONE && i < output->plans.count; i++) {
        plan = &output->plans.list[i];

        if (plan->fallback && !apikey_text_equal(plan->name, last)) {
            last = plan->name;
            rc = limits_plans(output, record, plan->name,
                              limits_counter(counters, plan->name), 1);
        }
    }

    return rc;
}


/*
 * What the key by itself has used of locations' default plans, but for those
 * shown already.
 */

static int
limits_used(limits_output_t *output, const stored_t *counters,
    unsigned defaults)
{
    int                  rc;
    unsigned             i, k, count, shown;
    apikey_text_t        name;
    const store_plan_t  *plan;

    rc = CLI_DONE;

    for (i = 0; rc == CLI_DONE && i < counters->count; i++) {
        name = counters->fields[i].name;

        if (name.len <= 2 || memcmp(name.data, "n:", 2) != 0) {
            continue;
        }

        name.data += 2;
        name.len -= 2;

        plan = store_plans_find(&output->plans, name, &count);
        shown = 0;

        for (k = 0; k < count; k++) {
            shown |= defaults && plan[k].fallback;
        }

        if (count == 0) {
            limits_unknown(output, name, counters->fields[i].value);

        } else if (!shown) {
            rc = limits_plans(output, NULL, name, counters->fields[i].value, 0);
        }
    }

    return rc;
}


/*
 * A plan, as each of the gateways has it, or those of which it is a default;
 * without a record, of the key by itself.
 */

static int
limits_plans(limits_output_t *output, const apikey_record_t *record,
    apikey_text_t name, apikey_text_t packed, unsigned fallback)
{
    int                  rc;
    unsigned             i, count;
    limits_of_t          of;
    const store_plan_t  *plan;

    rc = CLI_DONE;
    plan = store_plans_find(&output->plans, name, &count);

    for (i = 0; rc == CLI_DONE && i < count; i++) {

        if (fallback && !plan[i].fallback) {
            continue;
        }

        of = (limits_of_t) { .plan = name, .told = &plan[i],
                             .per = plan[i].per, .fallback = fallback,
                             .disputed = count > 1 };

        rc = limits_plan(output, record, &of, packed);
    }

    return rc;
}


static int
limits_plan(limits_output_t *output, const apikey_record_t *record,
    limits_of_t *of, apikey_text_t packed)
{
    reply_t       *reply;
    apikey_text_t  holder;

    holder = (apikey_text_t) { NULL, 0 };

    if (record != NULL && strcmp(of->per, "key") != 0) {
        holder = (strcmp(of->per, "org") == 0) ? record->org
                                               : record->project;
    }

    /* a key that belongs to nobody is counted by itself */

    if (holder.len == 0) {
        of->per = "key";
        limits_known(output, of, &of->told->limits, packed);
        return CLI_DONE;
    }

    reply = store_holder_read(&output->cli->store, of->per, holder, of->plan);

    if (reply == NULL) {
        return cli_failed(output->cli);
    }

    limits_known(output, of, &of->told->limits, reply_text(reply));
    reply_free(reply);

    return CLI_DONE;
}


/* Of n:PLAN; empty: nothing is used. */

static apikey_text_t
limits_counter(const stored_t *counters, apikey_text_t plan)
{
    unsigned       i;
    apikey_text_t  name;

    for (i = 0; i < counters->count; i++) {
        name = counters->fields[i].name;

        if (name.len == plan.len + 2
            && memcmp(name.data, "n:", 2) == 0
            && memcmp(name.data + 2, plan.data, plan.len) == 0)
        {
            return counters->fields[i].value;
        }
    }

    return (apikey_text_t) { NULL, 0 };
}


static void
limits_known(limits_output_t *output, const limits_of_t *of,
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
        limits_window(output, of, &counters[i], &limits->window[i],
                      limits->sliding);
    }
}


/* Of a plan that no gateway has told of. */

static void
limits_unknown(limits_output_t *output, apikey_text_t plan,
    apikey_text_t packed)
{
    limits_of_t       of = { .plan = plan, .per = "key" };
    apikey_counter_t  counter;

    while (packed.len != 0) {
        if (apikey_counters_take(&counter, &packed) != APIKEY_OK) {
            return;
        }

        limits_window(output, &of, &counter, NULL, 0);
    }
}


static void
limits_window(limits_output_t *output, const limits_of_t *of,
    const apikey_counter_t *counter, const apikey_window_t *window,
    int sliding)
{
    char      text[DATES_SIZE];
    table_t  *table;
    uint64_t  now, used;

    table = &output->table;
    used = apikey_counter_used(counter, sliding, output->cli->now);

    limits_json(output, of, counter, window, used);

    limits_name(table, of);
    limits_cell(table, counter->seconds);

    if (window != NULL) {
        limits_cell(table, window->limit);
        limits_cell(table, used);
        limits_cell(table, used < window->limit ? window->limit - used : 0);

    } else {
        table_add(table, store_text("-"));
        limits_cell(table, used);
        table_add(table, store_text("-"));
    }

    now = cli_now(output->cli);
    dates_format(text, now - now % counter->seconds + counter->seconds);
    table_add(table, store_text(text));
}


static void
limits_json(limits_output_t *output, const limits_of_t *of,
    const apikey_counter_t *counter, const apikey_window_t *window,
    uint64_t used)
{
    json_t    *json, *gateways;
    unsigned   i;
    uint64_t   now;

    json = json_object();
    now = cli_now(output->cli);

    json_object_set_new(json, "plan", json_text(of->plan));
    json_object_set_new(json, "default", json_boolean(of->fallback));
    json_object_set_new(json, "per", json_string(of->per));
    json_object_set_new(json, "seconds", json_integer(counter->seconds));
    json_object_set_new(json, "limit",
                        window ? json_integer(window->limit) : json_null());
    json_object_set_new(json, "used", json_integer(used));
    json_object_set_new(json, "remaining",
                        window ? json_integer(used < window->limit
                                              ? window->limit - used : 0)
                               : json_null());
    json_object_set_new(json, "reset",
                        json_integer(now - now % counter->seconds
                                     + counter->seconds));

    if (of->disputed) {
        gateways = json_array();

        for (i = 0; i < of->told->gateway_count; i++) {
            json_array_append_new(gateways,
                                  json_text(of->told->gateways[i]));
        }

        json_object_set_new(json, "gateways", gateways);
    }

    json_array_append_new(output->json, json);
}


/* "slide", "slide (default)", "slide at HOST:TAG:PID", "... and 2 more" */

static void
limits_name(table_t *table, const limits_of_t *of)
{
    char                 text[512], more[48];
    const store_plan_t  *told;

    if (of->plan.len == 0) {
        table_add(table, store_text("its own"));
        return;
    }

    told = of->told;
    more[0] = '\0';

    if (of->disputed && told->gateway_count > 1) {
        snprintf(more, sizeof(more), " and %u more", told->gateway_count - 1);
    }

    snprintf(text, sizeof(text), "%.*s%s%s%.*s%s",
             (int) of->plan.len, of->plan.data,
             of->fallback ? " (default)" : "",
             of->disputed ? " at " : "",
             of->disputed ? (int) told->gateways[0].len : 0,
             of->disputed ? told->gateways[0].data : "", more);

    table_add(table, store_text(text));
}


static void
limits_cell(table_t *table, uint64_t number)
{
    char  text[32];

    snprintf(text, sizeof(text), "%" PRIu64, number);
    table_add(table, store_text(text));
}
