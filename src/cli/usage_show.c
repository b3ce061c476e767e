/* Usage as tables with bars, and as CSV. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/dates.h"
#include "store/memory.h"
#include "store/store.h"

#include "output.h"
#include "usage.h"


#define USAGE_BAR     30    /* the longest, in characters */
#define USAGE_LINES   12    /* of a table of labels */
#define USAGE_NUMBER  32


typedef struct {
    const char  *member;
    const char  *title;
} usage_table_t;


typedef struct {
    const char   *label;
    json_int_t    count;
} usage_label_t;


static void usage_show_days(json_t *usage);
static void usage_show_labels(json_t *total, const usage_table_t *labels);
static void usage_show_latency(json_t *total);
static void usage_show_used(json_t *usage);
static unsigned usage_columns(unsigned count);
static void usage_bar(table_t *table, json_int_t part, json_int_t whole);
static json_int_t usage_number(json_t *object, const char *name);
static json_int_t usage_sum(json_t *object);
static int usage_compare(const void *one, const void *two);
static void usage_csv_counts(const char *day, json_t *counts);
static void usage_csv_line(const char *day, const char *what,
    const char *label, json_int_t count);


/* In the order in which they are shown. */
static const usage_table_t  usage_tables[] = {
    { "endpoints", "ENDPOINT" },
    { "statuses", "STATUS" },
    { "denied", "DENIED" },
    { "countries", "COUNTRY" }
};

#define USAGE_TABLES  (sizeof(usage_tables) / sizeof(usage_table_t))


void
usage_show(json_t *usage)
{
    size_t   i;
    json_t  *total;

    total = json_object_get(usage, "total");

    usage_show_days(usage);

    for (i = 0; i < USAGE_TABLES; i++) {
        usage_show_labels(total, &usage_tables[i]);
    }

    usage_show_latency(total);
    usage_show_used(usage);
}


static void
usage_show_days(json_t *usage)
{
    size_t       i;
    json_t      *days, *day;
    table_t      table;
    json_int_t   requests, denied, passed, most;

    static const column_t  columns[] = {
        { "DAY", 0 }, { "REQUESTS", 0 }, { "DENIED", 0 }, { "ERRORS", 0 },
        { "ERROR RATE", 0 }, { "SENT", 0 }, { "", 0 }
    };

    days = json_object_get(usage, "days");
    most = 0;

    json_array_foreach(days, i, day) {
        requests = usage_number(day, "requests");
        most = (requests > most) ? requests : most;
    }

    table_init(&table, columns, usage_columns(7));

    for (i = 0; i <= json_array_size(days); i++) {

        if (i < json_array_size(days)) {
            day = json_array_get(days, i);
            table_add(&table, store_text(json_string_value(
                                             json_object_get(day, "day"))));
        } else {
            day = json_object_get(usage, "total");
            table_add(&table, store_text("total"));
        }

        requests = usage_number(day, "requests");
        denied = usage_sum(json_object_get(day, "denied"));
        passed = (requests > denied) ? requests - denied : 0;

        usage_cell(&table, requests);
        usage_cell(&table, denied);
        usage_cell(&table, usage_number(day, "errors"));
        usage_share(&table, usage_number(day, "errors"), passed);
        usage_bytes(&table, usage_number(day, "bytes"));
        usage_bar(&table, i < json_array_size(days) ? requests : 0, most);
    }

    table_print(&table);
    table_free(&table);
}


/* The most frequent first. */

static void
usage_show_labels(json_t *total, const usage_table_t *labels)
{
    size_t           i, n;
    json_t          *object, *count;
    table_t          table;
    json_int_t       sum;
    const char      *name;
    usage_label_t   *sorted;
    column_t         columns[4];

    object = json_object_get(total, labels->member);
    n = json_object_size(object);

    if (n == 0) {
        return;
    }

    sorted = must(calloc(n, sizeof(usage_label_t)));
    sum = usage_sum(object);
    i = 0;

    json_object_foreach(object, name, count) {
        sorted[i].label = name;
        sorted[i++].count = json_integer_value(count);
    }

    qsort(sorted, n, sizeof(usage_label_t), usage_compare);

    memset(columns, 0, sizeof(columns));
    columns[0].title = labels->title;
    columns[1].title = "REQUESTS";
    columns[2].title = "SHARE";
    columns[3].title = "";

    table_init(&table, columns, usage_columns(4));

    for (i = 0; i < n && (i < USAGE_LINES || !isatty(STDOUT_FILENO)); i++) {
        table_add(&table, store_text(sorted[i].label));
        usage_cell(&table, sorted[i].count);
        usage_share(&table, sorted[i].count, sum);
        usage_bar(&table, sorted[i].count, sorted[0].count);
    }

    putchar('\n');
    table_print(&table);
    table_free(&table);

    if (i < n) {
        printf("and %zu more\n", n - i);
    }

    free(sorted);
}


static void
usage_show_latency(json_t *total)
{
    char         text[USAGE_NUMBER];
    size_t       i;
    json_t      *counts, *count;
    table_t      table;
    json_int_t   most, sum;

    static const column_t  columns[] = {
        { "MILLISECONDS", 0 }, { "REQUESTS", 0 }, { "SHARE", 0 }, { "", 0 }
    };

    counts = json_object_get(json_object_get(total, "latency"), "count");
    most = sum = 0;

    json_array_foreach(counts, i, count) {
        sum += json_integer_value(count);

        if (json_integer_value(count) > most) {
            most = json_integer_value(count);
        }
    }

    if (sum == 0) {
        return;
    }

    table_init(&table, columns, usage_columns(4));

    json_array_foreach(counts, i, count) {

        if (json_integer_value(count) == 0) {
            continue;
        }

        if (i < APIKEY_USAGE_LATENCIES) {
            snprintf(text, sizeof(text), "up to %u",
                     (unsigned) apikey_usage_latencies[i]);
        } else {
            snprintf(text, sizeof(text), "over %u",
                     (unsigned) apikey_usage_latencies[i - 1]);
        }

        table_add(&table, store_text(text));
        usage_cell(&table, json_integer_value(count));
        usage_share(&table, json_integer_value(count), sum);
        usage_bar(&table, json_integer_value(count), most);
    }

    putchar('\n');
    table_print(&table);
    table_free(&table);
}


static void
usage_show_used(json_t *usage)
{
    char         date[DATES_SIZE];
    json_int_t   used;
    const char  *address;

    used = usage_number(usage, "last_used");
    address = json_string_value(json_object_get(usage, "last_address"));

    if (used == 0) {
        puts("\nnever used");
        return;
    }

    dates_format(date, used);

    printf("\nlast used %s UTC from %s\n", date, address ? address : "?");
}


/* The last column has bars, which are for people only. */

static unsigned
usage_columns(unsigned count)
{
    return isatty(STDOUT_FILENO) ? count : count - 1;
}


void
usage_cell(table_t *table, json_int_t number)
{
    char  text[USAGE_NUMBER];

    snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, number);
    table_add(table, store_text(text));
}


void
usage_share(table_t *table, json_int_t part, json_int_t whole)
{
    char  text[USAGE_NUMBER];

    if (whole == 0) {
        table_add(table, store_text("-"));
        return;
    }

    snprintf(text, sizeof(text), "%.1f%%", 100.0 * part / whole);
    table_add(table, store_text(text));
}


void
usage_bytes(table_t *table, json_int_t bytes)
{
    char         text[USAGE_NUMBER];
    double       n;
    unsigned     i;
    static const char *const  units[] = { "B", "KB", "MB", "GB", "TB", "PB" };

    n = (double) bytes;

    for (i = 0; n >= 1000 && i < sizeof(units) / sizeof(char *) - 1; i++) {
        n /= 1000;
    }

    snprintf(text, sizeof(text), i == 0 ? "%.0f %s" : "%.1f %s", n, units[i]);
    table_add(table, store_text(text));
}


static void
usage_bar(table_t *table, json_int_t part, json_int_t whole)
{
    char    text[USAGE_BAR + 1];
    size_t  n;

    if (!isatty(STDOUT_FILENO)) {
        return;
    }

    n = whole ? (size_t) (USAGE_BAR * (double) part / whole + 0.5) : 0;
    n = (n == 0 && part != 0) ? 1 : n;

    memset(text, '#', n);
    table_add(table, n ? (apikey_text_t) { text, n } : store_text(" "));
}


static json_int_t
usage_number(json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}


static json_int_t
usage_sum(json_t *object)
{
    json_t       *count;
    json_int_t    sum;
    const char   *name;

    sum = 0;

    json_object_foreach(object, name, count) {
        sum += json_integer_value(count);
    }

    return sum;
}


static int
usage_compare(const void *one, const void *two)
{
    const usage_label_t  *a = one;
    const usage_label_t  *b = two;

    if (a->count != b->count) {
        return (a->count < b->count) ? 1 : -1;
    }

    return strcmp(a->label, b->label);
}


void
usage_csv(json_t *usage)
{
    size_t   i;
    json_t  *day;

    fputs("day,what,label,count\r\n", stdout);

    json_array_foreach(json_object_get(usage, "days"), i, day) {
        usage_csv_counts(json_string_value(json_object_get(day, "day")), day);
    }
}


static void
usage_csv_counts(const char *day, json_t *counts)
{
    char          text[USAGE_NUMBER];
    size_t        i;
    json_t       *count;
    const char   *label;

    usage_csv_line(day, "requests", "", usage_number(counts, "requests"));
    usage_csv_line(day, "bytes", "", usage_number(counts, "bytes"));
    usage_csv_line(day, "errors", "", usage_number(counts, "errors"));

    for (i = 0; i < USAGE_TABLES; i++) {
        json_object_foreach(json_object_get(counts, usage_tables[i].member),
                            label, count)
        {
            usage_csv_line(day, usage_tables[i].member, label,
                           json_integer_value(count));
        }
    }

    json_array_foreach(json_object_get(json_object_get(counts, "latency"),
                                       "count"), i, count)
    {
        if (json_integer_value(count) == 0) {
            continue;
        }

        text[0] = '\0';

        if (i < APIKEY_USAGE_LATENCIES) {
            snprintf(text, sizeof(text), "%u",
                     (unsigned) apikey_usage_latencies[i]);
        }

        usage_csv_line(day, "latency", text, json_integer_value(count));
    }
}


static void
usage_csv_line(const char *day, const char *what, const char *label,
    json_int_t count)
{
    char  text[USAGE_NUMBER];

    snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, count);

    csv_print(store_text(day), 0);
    csv_print(store_text(what), 0);
    csv_print(store_text(label), 0);
    csv_print(store_text(text), 1);
}
