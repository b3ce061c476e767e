/* gateways: who is registered, one line a worker. */

#include <inttypes.h>
#include <stdio.h>

#include "store/dates.h"

#include "cli.h"


static void gateways_table(const store_workers_t *workers);
static void gateways_json(const store_workers_t *workers);


static const column_t  gateways_columns[] = {
    { "NAME", 0 },
    { "VERSION", 0 },
    { "SINCE", 0 },
    { "LAST SEEN", 0 }
};


int
command_gateways(cli_t *cli)
{
    int               rc;
    store_workers_t   workers;

    if ((rc = cli_operands(cli, 0, 0, NULL)) != CLI_DONE
        || (rc = cli_open(cli)) != CLI_DONE)
    {
        return rc;
    }

    if (store_workers_read(&cli->store, &workers) != STORE_DONE) {
        rc = cli_failed(cli);
        goto done;
    }

    if (cli->json) {
        gateways_json(&workers);
    } else {
        gateways_table(&workers);
    }

    /* Who may only read has seen what there is. */

    (void) store_workers_prune(&cli->store, &workers);

done:

    store_workers_free(&workers);

    return rc;
}


static void
gateways_table(const store_workers_t *workers)
{
    char                   text[DATES_SIZE];
    table_t                table;
    unsigned               i;
    const store_worker_t  *worker;

    table_init(&table, gateways_columns,
               sizeof(gateways_columns) / sizeof(column_t));

    for (i = 0; i < workers->count; i++) {
        worker = &workers->list[i];

        if (worker->silent > STORE_WORKER_SILENT) {
            continue;
        }

        table_add(&table, worker->name);
        table_add(&table, worker->version);

        dates_format(text, worker->since);
        table_add(&table, store_text(text));

        snprintf(text, sizeof(text), "%" PRIu64 " s ago", worker->silent);
        table_add(&table, store_text(text));
    }

    if (table.cell_count != 0) {
        table_print(&table);

    } else {
        puts("no gateway is registered");
    }

    table_free(&table);
}


static void
gateways_json(const store_workers_t *workers)
{
    json_t                *array;
    unsigned               i;
    const store_worker_t  *worker;

    array = json_array();

    for (i = 0; i < workers->count; i++) {
        worker = &workers->list[i];

        if (worker->silent > STORE_WORKER_SILENT) {
            continue;
        }

        json_array_append_new(array,
            json_pack("{s:o,s:o,s:I,s:I}",
                      "name", json_text(worker->name),
                      "version", json_text(worker->version),
                      "since", (json_int_t) worker->since,
                      "last_seen", (json_int_t) worker->heard));
    }

    json_print(array);
}
