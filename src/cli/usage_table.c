/* Sums of usage: as a table, as JSON and as CSV. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "usage_sums.h"


#define USAGE_COLUMNS  12
#define USAGE_NUMBER   32


/* What a row is called, by what rows are by. */
typedef struct {
    const char  *member;     /* of JSON, and of CSV */
    const char  *title;
    size_t       offset;     /* in a row */
} usage_column_t;

#define USAGE_LABEL    offsetof(usage_row_t, label)
#define USAGE_ORG      offsetof(usage_row_t, org)
#define USAGE_PROJECT  offsetof(usage_row_t, project)

static const usage_column_t  usage_columns_key[] = {
    { "id", "ID", USAGE_LABEL },
    { "name", "NAME", offsetof(usage_row_t, name) },
    { "org", "ORG", USAGE_ORG },
    { "project", "PROJECT", USAGE_PROJECT },
    { NULL, NULL, 0 }
};

static const usage_column_t  usage_columns_org[] = {
    { "org", "ORG", USAGE_ORG },
    { NULL, NULL, 0 }
};

static const usage_column_t  usage_columns_project[] = {
    { "org", "ORG", USAGE_ORG },
    { "project", "PROJECT", USAGE_PROJECT },
    { NULL, NULL, 0 }
};

static const usage_column_t  usage_columns_day[] = {
    { "day", "DAY", USAGE_LABEL },
    { NULL, NULL, 0 }
};

static const usage_column_t  usage_columns_endpoint[] = {
    { "endpoint", "ENDPOINT", USAGE_LABEL },
    { NULL, NULL, 0 }
};

static const usage_column_t *const  usage_columns_by[] = {
    NULL, usage_columns_key, usage_columns_org, usage_columns_project,
    usage_columns_day, usage_columns_endpoint
};


static void usage_table_json(const usage_sums_t *sums, size_t count);
static json_t *usage_table_row(const usage_sums_t *sums,
    const usage_row_t *row);
static void usage_table_sum(json_t *json, const usage_sum_t *sum);
static json_t *usage_table_latency(const usage_sum_t *sum);
static void usage_table_csv(const usage_sums_t *sums, size_t count);
static void usage_table_number(uint64_t number, int last);
static void usage_table_show(const usage_sums_t *sums, size_t count);
static void usage_table_cells(table_t *table, const usage_sums_t *sums,
    const usage_sum_t *sum);
static const char *usage_row_value(const usage_row_t *row,
    const usage_column_t *column);
static uint64_t usage_sum_passed(const usage_sum_t *sum);


void
usage_table_print(const usage_sums_t *sums, size_t limit,
    rows_format_e format)
{
    size_t  count;

    count = (sums->count < limit) ? sums->count : limit;

    switch (format) {

    case ROWS_JSON:
        usage_table_json(sums, count);
        break;

    case ROWS_CSV:
        usage_table_csv(sums, count);
        break;

    default:
        usage_table_show(sums, count);
    }
}


static void
usage_table_json(const usage_sums_t *sums, size_t count)
{
    char      from[USAGE_DAY], to[USAGE_DAY];
    size_t    i;
    json_t   *json, *rows, *total;
    uint64_t  first;

    first = sums->span->first;
    usage_day_text(from, apikey_usage_day(first * 86400));
    usage_day_text(to, apikey_usage_day((first + sums->span->days - 1)
                                        * 86400));

    total = json_pack("{s:I}", "keys", (json_int_t) sums->total.keys);
    usage_table_sum(total, &sums->total);
    json_object_set_new(total, "latency", usage_table_latency(&sums->total));

    rows = json_array();

    for (i = 0; i < count; i++) {
        json_array_append_new(rows, usage_table_row(sums, sums->rows[i]));
    }

    json = json_pack("{s:s,s:s,s:s,s:o,s:I,s:o}", "by",
                     usage_by_name(sums->by), "from", from, "to", to, "total",
                     total, "count", (json_int_t) sums->count, "rows", rows);
    json_print(json);
}


static json_t *
usage_table_row(const usage_sums_t *sums, const usage_row_t *row)
{
    json_t                *json;
    const char            *value;
    const usage_column_t  *column;

    json = json_object();

    for (column = usage_columns_by[sums->by]; column->member; column++) {
        value = usage_row_value(row, column);
        json_object_set_new(json, column->member,
                            *value ? json_string(value) : json_null());
    }

    if (sums->by == USAGE_BY_ENDPOINT) {
        json_object_set_new(json, "requests",
                            json_integer(row->sum.requests));
        return json;
    }

    if (sums->by == USAGE_BY_KEY) {
        json_object_set_new(json, "deleted", json_boolean(row->deleted));
    } else {
        json_object_set_new(json, "keys", json_integer(row->sum.keys));
    }

    usage_table_sum(json, &row->sum);

    if (sums->by == USAGE_BY_DAY) {
        json_object_set_new(json, "latency", usage_table_latency(&row->sum));
    }

    return json;
}


static void
usage_table_sum(json_t *json, const usage_sum_t *sum)
{
    uint64_t  passed;

    passed = usage_sum_passed(sum);

    json_object_set_new(json, "requests", json_integer(sum->requests));
    json_object_set_new(json, "denied", json_integer(sum->denied));
    json_object_set_new(json, "errors", json_integer(sum->errors));
    json_object_set_new(json, "error_rate",
                        passed ? json_real((double) sum->errors / passed)
                               : json_null());
    json_object_set_new(json, "bytes", json_integer(sum->bytes));
}


static json_t *
usage_table_latency(const usage_sum_t *sum)
{
    json_t    *le, *count;
    unsigned   i;

    le = json_array();
    count = json_array();

    for (i = 0; i < APIKEY_USAGE_BUCKETS; i++) {

        if (i < APIKEY_USAGE_LATENCIES) {
            json_array_append_new(le, json_integer(apikey_usage_latencies[i]));
        }

        json_array_append_new(count, json_integer(sum->latency[i]));
    }

    return json_pack("{s:o,s:o}", "le", le, "count", count);
}


static void
usage_table_csv(const usage_sums_t *sums, size_t count)
{
    char                   text[USAGE_NUMBER];
    size_t                 i;
    uint64_t               passed;
    const usage_row_t     *row;
    const usage_column_t  *column;

    for (column = usage_columns_by[sums->by]; column->member; column++) {
        csv_print(store_text(column->member), 0);
    }

    if (sums->by == USAGE_BY_ENDPOINT) {
        csv_print(store_text("requests"), 1);

    } else {
        csv_print(store_text(sums->by == USAGE_BY_KEY ? "deleted" : "keys"),
                  0);
        fputs("requests,denied,errors,error_rate,bytes\r\n", stdout);
    }

    for (i = 0; i < count; i++) {
        row = sums->rows[i];

        for (column = usage_columns_by[sums->by]; column->member; column++) {
            csv_print(store_text(usage_row_value(row, column)), 0);
        }

        if (sums->by == USAGE_BY_ENDPOINT) {
            usage_table_number(row->sum.requests, 1);
            continue;
        }

        usage_table_number(sums->by == USAGE_BY_KEY ? (uint64_t) row->deleted
                                                    : row->sum.keys, 0);
        usage_table_number(row->sum.requests, 0);
        usage_table_number(row->sum.denied, 0);
        usage_table_number(row->sum.errors, 0);

        passed = usage_sum_passed(&row->sum);
        text[0] = '\0';

        if (passed != 0) {
            snprintf(text, sizeof(text), "%.4f",
                     (double) row->sum.errors / passed);
        }

        csv_print(store_text(text), 0);
        usage_table_number(row->sum.bytes, 1);
    }
}


static void
usage_table_number(uint64_t number, int last)
{
    char  text[USAGE_NUMBER];

    snprintf(text, sizeof(text), "%llu", (unsigned long long) number);
    csv_print(store_text(text), last);
}


static void
usage_table_show(const usage_sums_t *sums, size_t count)
{
    size_t                 i;
    table_t                table;
    column_t               columns[USAGE_COLUMNS];
    unsigned               n;
    const char            *value;
    const usage_row_t     *row;
    const usage_column_t  *column;

    static const char *const  titles[] = {
        "REQUESTS", "KEYS", "DENIED", "ERRORS", "ERROR RATE", "SENT"
    };

    memset(columns, 0, sizeof(columns));
    n = 0;

    for (column = usage_columns_by[sums->by]; column->member; column++) {
        columns[n++].title = column->title;
    }

    for (i = 0; i < sizeof(titles) / sizeof(char *); i++) {
        columns[n++].title = titles[i];

        if (sums->by == USAGE_BY_ENDPOINT) {
            break;
        }
    }

    table_init(&table, columns, n);

    for (i = 0; i < count; i++) {
        row = sums->rows[i];

        for (column = usage_columns_by[sums->by]; column->member; column++) {
            value = usage_row_value(row, column);
            table_add(&table, store_text(value));
        }

        usage_table_cells(&table, sums, &row->sum);
    }

    for (column = usage_columns_by[sums->by]; column->member; column++) {
        table_add(&table, store_text(column == usage_columns_by[sums->by]
                                     ? "total" : " "));
    }

    usage_table_cells(&table, sums, &sums->total);

    table_print(&table);
    table_free(&table);

    if (count < sums->count) {
        printf("and %zu more\n", sums->count - count);
    }
}


static void
usage_table_cells(table_t *table, const usage_sums_t *sums,
    const usage_sum_t *sum)
{
    usage_cell(table, sum->requests);

    if (sums->by == USAGE_BY_ENDPOINT) {
        return;
    }

    usage_cell(table, sum->keys);
    usage_cell(table, sum->denied);
    usage_cell(table, sum->errors);
    usage_share(table, sum->errors, usage_sum_passed(sum));
    usage_bytes(table, sum->bytes);
}


static const char *
usage_row_value(const usage_row_t *row, const usage_column_t *column)
{
    return *(const char *const *) ((const char *) row + column->offset);
}


static uint64_t
usage_sum_passed(const usage_sum_t *sum)
{
    return (sum->requests > sum->denied) ? sum->requests - sum->denied : 0;
}
