/* usage: what keys were used for, one, many or all together. */

#include <stdlib.h>
#include <string.h>

#include "store/memory.h"
#include "store/store_gone.h"

#include "given.h"
#include "selection.h"
#include "usage_sums.h"


typedef struct {
    cli_t               *cli;
    usage_by_e           by;
    size_t               limit;
    rows_format_e        format;
    store_usage_span_t   span;
    selection_t          keys;

    stored_t           **named;      /* the operands' records */
    size_t               count;
    size_t               room;
    const char          *absent;     /* the operand that has no record */

    usage_days_t         days;       /* unless it is by something */
    usage_sums_t         sums;
} usage_t;


static int usage_given(usage_t *usage);
static int usage_format(usage_t *usage);
static int usage_limit(usage_t *usage);
static int usage_named(usage_t *usage);
static void usage_gone(void *data, stored_t *stored);
static store_rc_e usage_gone_after(void *data);
static void usage_named_add(usage_t *usage, stored_t *stored);
static int usage_read(usage_t *usage);
static int usage_wanted(void *data, const stored_t *key, int deleted);
static void usage_visit(void *data, const stored_t *key, uint32_t day,
    apikey_text_t name, apikey_text_t value);
static void usage_print(usage_t *usage);


int
command_usage(cli_t *cli)
{
    int             rc;
    usage_t         usage;
    usage_given_t   given;

    memset(&usage, 0, sizeof(usage));
    usage.cli = cli;

    rc = selection_given(cli, &usage.keys, SELECTION_ALL);

    if (rc == CLI_DONE) {
        rc = usage_given(&usage);
    }

    if (rc == CLI_DONE) {
        rc = usage_span_given(cli, &given);
    }

    if (rc == CLI_DONE) {
        rc = cli_open(cli);
    }

    if (rc == CLI_DONE) {
        rc = usage_span_resolve(cli, &given, &usage.span);
    }

    if (rc == CLI_DONE) {
        rc = usage_named(&usage);
    }

    if (rc == CLI_DONE) {
        rc = usage_read(&usage);
    }

    while (usage.count != 0) {
        free(usage.named[--usage.count]);
    }

    free(usage.named);
    selection_free(&usage.keys);

    return rc;
}


static int
usage_given(usage_t *usage)
{
    const char  *value;

    value = options_value(usage->cli->options, "by");

    if (value != NULL) {
        usage->by = usage_by_parse(value);

        if (usage->by == USAGE_BY_NOTHING) {
            complain_option("by", value, "not " USAGE_BY);
            return CLI_USAGE;
        }
    }

    if (usage_format(usage) != CLI_DONE) {
        return CLI_USAGE;
    }

    return usage_limit(usage);
}


static int
usage_format(usage_t *usage)
{
    if (given_format(usage->cli, &usage->format) != CLI_DONE) {
        return CLI_USAGE;
    }

    if (usage->cli->json && usage->format == ROWS_CSV) {
        complain("--json and --format csv exclude each other");
        return CLI_USAGE;
    }

    if (usage->cli->json) {
        usage->format = ROWS_JSON;
    }

    return CLI_DONE;
}


static int
usage_limit(usage_t *usage)
{
    uint64_t     n;
    const char  *value;

    value = options_value(usage->cli->options, "limit");
    usage->limit = SIZE_MAX;

    if (value == NULL) {
        return CLI_DONE;
    }

    if (usage->by == USAGE_BY_NOTHING) {
        complain("--limit needs --by");
        return CLI_USAGE;
    }

    if (apikey_text_number(store_text(value), INT32_MAX, &n) != APIKEY_OK
        || n == 0)
    {
        complain_option("limit", value, "not a number from 1 on");
        return CLI_USAGE;
    }

    usage->limit = n;

    return CLI_DONE;
}


/* The operands, deleted ones, too. */

static int
usage_named(usage_t *usage)
{
    size_t              had;
    cli_t              *cli;
    unsigned            i;
    stored_t           *stored;
    const options_t    *options;

    cli = usage->cli;
    options = cli->options;

    for (i = 0; i < options->operand_count; i++) {

        switch (store_read_id(&cli->store, store_text(options->operands[i]),
                              &stored))
        {
        case STORE_DONE:
            usage_named_add(usage, stored);
            continue;

        case STORE_FAILED:
            return cli_failed(cli);

        default: /* STORE_ABSENT */
            break;
        }

        had = usage->count;
        usage->absent = options->operands[i];

        if (store_gone_visit(&cli->store, usage_gone, usage_gone_after, usage)
            != STORE_DONE)
        {
            return cli_failed(cli);
        }

        if (usage->count == had) {
            return cli_read(cli, options->operands[i], &stored);
        }
    }

    return CLI_DONE;
}


static void
usage_gone(void *data, stored_t *stored)
{
    usage_t *usage = data;

    if (apikey_text_equal(stored_get(stored, "id"),
                          store_text(usage->absent)))
    {
        usage_named_add(usage, stored);
    } else {
        free(stored);
    }
}


static store_rc_e
usage_gone_after(void *data)
{
    (void) data;

    return STORE_DONE;
}


/* A key that is named twice is counted once. */

static void
usage_named_add(usage_t *usage, stored_t *stored)
{
    size_t  i;

    for (i = 0; i < usage->count; i++) {
        if (memcmp(usage->named[i]->digest, stored->digest,
                   APIKEY_DIGEST_SIZE)
            == 0)
        {
            free(stored);
            return;
        }
    }

    if (usage->count == usage->room) {
        usage->room = usage->room ? usage->room * 2 : 16;
        usage->named = must(realloc(usage->named,
                                    usage->room * sizeof(stored_t *)));
    }

    usage->named[usage->count++] = stored;
}


static int
usage_read(usage_t *usage)
{
    size_t       i;
    store_t     *store;
    store_rc_e   rc;

    store = &usage->cli->store;
    usage->span.kinds = "";

    if (usage->by == USAGE_BY_NOTHING) {
        usage_days_init(&usage->days, &usage->span);
    } else {
        usage->span.kinds = usage_sums_kinds(usage->by);
        usage_sums_init(&usage->sums, usage->by, &usage->span);
    }

    if (usage->count == 0) {
        rc = store_usage_all(store, &usage->span, usage_wanted, usage_visit,
                             usage);

    } else {

        for (i = 0; i < usage->count && usage->by == USAGE_BY_NOTHING; i++) {
            usage_days_key(&usage->days, usage->named[i]);
        }

        rc = store_usage_read(store, usage->named, usage->count, &usage->span,
                              usage_visit, usage);
    }

    if (rc == STORE_DONE) {
        usage_print(usage);
    }

    if (usage->by == USAGE_BY_NOTHING) {
        usage_days_free(&usage->days);
    } else {
        usage_sums_free(&usage->sums);
    }

    return (rc == STORE_DONE) ? CLI_DONE : cli_failed(usage->cli);
}


/* What is asked of records that live doesn't hold for deleted ones. */

static int
usage_wanted(void *data, const stored_t *key, int deleted)
{
    usage_t *usage = data;

    const filter_t  *filter;

    filter = &usage->keys.filter;

    if (deleted
        && (filter_needs_status(filter) || filter->scope_count != 0
            || filter->unused != 0 || filter->expires != 0))
    {
        return 0;
    }

    if (!filter_matches_stored(filter, key, cli_now(usage->cli))) {
        return 0;
    }

    if (usage->by == USAGE_BY_NOTHING) {
        usage_days_key(&usage->days, key);
    }

    return 1;
}


static void
usage_visit(void *data, const stored_t *key, uint32_t day, apikey_text_t name,
    apikey_text_t value)
{
    usage_t *usage = data;

    if (usage->by == USAGE_BY_NOTHING) {
        usage_days_visit(&usage->days, key, day, name, value);
    } else {
        usage_sums_visit(&usage->sums, key, day, name, value);
    }
}


static void
usage_print(usage_t *usage)
{
    json_t  *json;

    if (usage->by != USAGE_BY_NOTHING) {
        usage_sums_sort(&usage->sums);
        usage_table_print(&usage->sums, usage->limit, usage->format);
        return;
    }

    json = usage_days_json(&usage->days, usage->count != 0);

    switch (usage->format) {

    case ROWS_JSON:
        json_print(json);
        return;

    case ROWS_CSV:
        usage_csv(json);
        break;

    default:
        usage_show(json);
    }

    json_decref(json);
}
