/* list: all keys that match. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/dates.h"
#include "store/memory.h"

#include "cli.h"
#include "selection.h"


typedef struct {
    const cli_t    *cli;
    filter_t        filter;
    stored_t      **keys;
    size_t          count;
    size_t          room;
} listing_t;


static void list_visit(void *data, apikey_text_t id, stored_t *stored);
static int list_compare(const void *one, const void *two);
static void list_json(const listing_t *listing);
static void list_table(const listing_t *listing);
static void list_time(table_t *table, uint64_t seconds);


static const column_t  list_columns[] = {
    { "ID", 0 },
    { "NAME", 24 },
    { "STATUS", 0 },
    { "SCOPES", 28 },
    { "ORG", 12 },
    { "PROJECT", 12 },
    { "SERVICE", 12 },
    { "PLAN", 10 },
    { "CREATED", 0 },
    { "EXPIRES", 0 },
    { "HINT", 0 },
    { "LAST USED", 0 }
};

#define LIST_COLUMNS  (sizeof(list_columns) / sizeof(column_t))


int
command_list(cli_t *cli)
{
    int         rc;
    size_t      i;
    listing_t   listing;

    memset(&listing, 0, sizeof(listing));
    listing.cli = cli;

    if ((rc = cli_operands(cli, 0, 0, NULL)) != CLI_DONE
        || (rc = selection_filter(cli, &listing.filter)) != CLI_DONE
        || (rc = cli_open(cli)) != CLI_DONE)
    {
        return rc;
    }

    if (store_visit(&cli->store, list_visit, &listing) != STORE_DONE) {
        rc = cli_failed(cli);
        goto done;
    }

    if (listing.count != 0) {
        qsort(listing.keys, listing.count, sizeof(stored_t *), list_compare);
    }

    if (cli->json) {
        list_json(&listing);
    } else {
        list_table(&listing);
    }

done:

    for (i = 0; i < listing.count; i++) {
        free(listing.keys[i]);
    }

    free(listing.keys);

    return rc;
}


static void
list_visit(void *data, apikey_text_t id, stored_t *stored)
{
    listing_t *listing = data;

    (void) id;

    if (stored == NULL
        || !filter_matches_stored(&listing->filter, stored,
                                  cli_now(listing->cli)))
    {
        free(stored);
        return;
    }

    if (listing->count == listing->room) {
        listing->room = listing->room ? listing->room * 2 : 256;
        listing->keys = must(realloc(listing->keys,
                                     listing->room * sizeof(stored_t *)));
    }

    listing->keys[listing->count++] = stored;
}


/* Older keys first. */

static int
list_compare(const void *one, const void *two)
{
    const stored_t  *a = *(stored_t *const *) one;
    const stored_t  *b = *(stored_t *const *) two;

    uint64_t  created_a, created_b;

    created_a = stored_number(a, "created");
    created_b = stored_number(b, "created");

    if (created_a != created_b) {
        return (created_a < created_b) ? -1 : 1;
    }

    created_a = stored_number(a, "rev");
    created_b = stored_number(b, "rev");

    return (created_a > created_b) - (created_a < created_b);
}


/* One by one: a million of them needn't be one value in memory. */

static void
list_json(const listing_t *listing)
{
    size_t   i;
    json_t  *json;

    putchar('[');

    for (i = 0; i < listing->count; i++) {

        if (i != 0) {
            fputs(",\n", stdout);
        }

        json = stored_json(listing->keys[i], cli_now(listing->cli));
        json_dumpf(json, stdout, JSON_COMPACT);
        json_decref(json);
    }

    puts("]");
}


static void
list_table(const listing_t *listing)
{
    size_t           i;
    table_t          table;
    apikey_text_t    address;
    const stored_t  *key;

    if (listing->count == 0) {
        complain("no keys");
        return;
    }

    table_init(&table, list_columns, LIST_COLUMNS);

    for (i = 0; i < listing->count; i++) {
        key = listing->keys[i];

        table_add(&table, stored_get(key, "id"));
        table_add(&table, stored_get(key, "name"));
        table_add(&table,
                  store_text(stored_status(key, cli_now(listing->cli))));
        table_add(&table, stored_get(key, "scopes"));
        table_add(&table, stored_get(key, "org"));
        table_add(&table, stored_get(key, "project"));
        table_add(&table, stored_get(key, "service"));
        table_add(&table, stored_get(key, "plan"));
        list_time(&table, stored_number(key, "created"));
        list_time(&table, stored_number(key, "expires"));
        table_add(&table, stored_get(key, "hint"));
        list_time(&table, stored_used(key, &address));
    }

    table_print(&table);
    table_free(&table);
}


static void
list_time(table_t *table, uint64_t seconds)
{
    char  text[DATES_SIZE];

    if (seconds == 0) {
        table_add(table, store_text("-"));
        return;
    }

    dates_format(text, seconds);

    /* The day and the minute are enough here. */

    table_add(table, (apikey_text_t) { text, strlen(text) - 3 });
}
