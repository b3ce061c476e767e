#ifndef APIKEY_CLI_USAGE_H
#define APIKEY_CLI_USAGE_H

/* What keys were used for, as programs and as people are shown it. */

#include <jansson.h>

#include "store/store_usage.h"

#include "cli.h"
#include "output.h"


/* "2026-11-22" */
#define USAGE_DAY  sizeof("2026-11-22")

void usage_day_text(char out[USAGE_DAY], uint32_t day);


/* usage_span.c: --days, --month, --from and --to. */

typedef struct {
    unsigned    days;       /* up to today; 0: these: */
    uint64_t    first;      /* since 1970 */
    uint64_t    last;       /* 0: today */
} usage_given_t;

/* CLI_DONE, or CLI_USAGE and why; the other one after cli_open(). */
int usage_span_given(const cli_t *cli, usage_given_t *given);
int usage_span_resolve(const cli_t *cli, const usage_given_t *given,
    store_usage_span_t *span);

/* Which of its days that is, or one too many; *at is the latest such. */
size_t usage_span_find(const store_usage_span_t *span, uint32_t day,
    size_t *at);


/* usage_days.c: of some keys together, by days, all that is counted. */

typedef struct {
    const store_usage_span_t  *span;
    size_t                     at;
    size_t                     keys;
    uint64_t                   used;       /* the latest use */
    json_t                    *address;
    json_t                    *id;         /* of the first */
    json_t                    *days;
    json_t                    *total;
} usage_days_t;

void usage_days_init(usage_days_t *usage, const store_usage_span_t *span);

/* One more of the keys. */
void usage_days_key(usage_days_t *usage, const stored_t *key);
void usage_days_visit(void *data, const stored_t *key, uint32_t day,
    apikey_text_t name, apikey_text_t value);

/* Of one key that was named its id, of others how many they are. */
json_t *usage_days_json(usage_days_t *usage, int named);
void usage_days_free(usage_days_t *usage);


/* usage_show.c: that for people, bars where it is a terminal, or as CSV, a
   line for each day and count. */
void usage_show(json_t *usage);
void usage_csv(json_t *usage);

/* Cells of a table. */
void usage_cell(table_t *table, json_int_t number);
void usage_share(table_t *table, json_int_t part, json_int_t whole);
void usage_bytes(table_t *table, json_int_t bytes);


#endif /* APIKEY_CLI_USAGE_H */
