#ifndef APIKEY_CLI_USAGE_SUMS_H
#define APIKEY_CLI_USAGE_SUMS_H

/*
 * Usage of many keys, summed by one thing: a row each, of which the table has
 * as many as there are keys that were used, organizations and so on.
 */

#include "store/rows.h"

#include "usage.h"


typedef enum {
    USAGE_BY_NOTHING = 0,
    USAGE_BY_KEY,
    USAGE_BY_ORG,
    USAGE_BY_PROJECT,
    USAGE_BY_DAY,
    USAGE_BY_ENDPOINT
} usage_by_e;

#define USAGE_BY  "key, org, project, day or endpoint"


typedef struct {
    uint64_t     keys;        /* that were used */
    uint64_t     requests;
    uint64_t     denied;
    uint64_t     errors;      /* of those let through */
    uint64_t     bytes;
    uint64_t     latency[APIKEY_USAGE_BUCKETS];
} usage_sum_t;

typedef struct {
    usage_sum_t  sum;
    int          deleted;     /* of a key */
    const char  *org;         /* "": none, here and below */
    const char  *project;
    const char  *label;       /* a key's id, a day, an endpoint */
    const char  *name;        /* of a key */
    char         texts[];
} usage_row_t;

typedef struct {
    usage_by_e                 by;
    const store_usage_span_t  *span;
    usage_sum_t                total;

    usage_row_t              **rows;
    size_t                     count;
    size_t                     room;
    void                      *tree;      /* of them, but of keys */

    usage_row_t               *row;       /* what is visited now: */
    unsigned char              digest[APIKEY_DIGEST_SIZE];
    uint32_t                   day;       /* 0: nothing yet */
} usage_sums_t;


/* USAGE_BY_NOTHING: it is none of USAGE_BY. */
usage_by_e usage_by_parse(const char *name);
const char *usage_by_name(usage_by_e by);

void usage_sums_init(usage_sums_t *sums, usage_by_e by,
    const store_usage_span_t *span);
const char *usage_sums_kinds(usage_by_e by);

/* Of store_usage_all(). */
void usage_sums_visit(void *data, const stored_t *key, uint32_t day,
    apikey_text_t name, apikey_text_t value);

/* The most used first; days as they come. */
void usage_sums_sort(usage_sums_t *sums);
void usage_sums_free(usage_sums_t *sums);

/* usage_table.c: the first rows, at most limit. */
void usage_table_print(const usage_sums_t *sums, size_t limit,
    rows_format_e format);


#endif /* APIKEY_CLI_USAGE_SUMS_H */
