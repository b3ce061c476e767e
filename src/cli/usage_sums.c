/* Usage of many keys, summed. */

#define _GNU_SOURCE   /* tdestroy */

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "store/memory.h"

#include "usage_sums.h"


static void usage_sums_turn(usage_sums_t *sums, const stored_t *key,
    uint32_t day);
static usage_row_t *usage_sums_row(usage_sums_t *sums, const stored_t *key,
    uint32_t day);
static usage_row_t *usage_sums_find(usage_sums_t *sums, apikey_text_t org,
    apikey_text_t project, apikey_text_t label);
static usage_row_t *usage_sums_append(usage_sums_t *sums,
    usage_row_t *row);
static usage_row_t *usage_row_make(apikey_text_t org, apikey_text_t project,
    apikey_text_t label, apikey_text_t name);
static const char *usage_row_text(char **to, apikey_text_t text);
static void usage_sum_add(usage_sum_t *sum,
    const apikey_usage_count_t *count);
static int usage_row_order(const void *one, const void *two);
static int usage_row_busier(const void *one, const void *two);
static void usage_row_keep(void *row);


static const char *const  usage_by_names[] = {
    "", "key", "org", "project", "day", "endpoint"
};

static const apikey_text_t  usage_no_text = apikey_text("");


usage_by_e
usage_by_parse(const char *name)
{
    unsigned  i;

    for (i = USAGE_BY_KEY; i <= USAGE_BY_ENDPOINT; i++) {
        if (strcmp(usage_by_names[i], name) == 0) {
            return (usage_by_e) i;
        }
    }

    return USAGE_BY_NOTHING;
}


const char *
usage_by_name(usage_by_e by)
{
    return usage_by_names[by];
}


void
usage_sums_init(usage_sums_t *sums, usage_by_e by,
    const store_usage_span_t *span)
{
    unsigned  i;

    memset(sums, 0, sizeof(usage_sums_t));

    sums->by = by;
    sums->span = span;

    /* A day without use is shown, too. */

    for (i = 0; by == USAGE_BY_DAY && i < span->days; i++) {
        (void) usage_sums_row(sums, NULL,
                              apikey_usage_day((span->first + i) * 86400));
    }
}


const char *
usage_sums_kinds(usage_by_e by)
{
    return (by == USAGE_BY_ENDPOINT) ? STORE_USAGE_SUMS "e" : STORE_USAGE_SUMS;
}


void
usage_sums_visit(void *data, const stored_t *key, uint32_t day,
    apikey_text_t name, apikey_text_t value)
{
    usage_sums_t *sums = data;

    unsigned               at;
    usage_row_t           *row;
    apikey_usage_count_t   count;

    usage_sums_turn(sums, key, day);
    at = 0;

    while (apikey_usage_read(&count, &at, name, value) == APIKEY_OK) {

        if (count.kind == APIKEY_USAGE_ENDPOINT) {
            row = usage_sums_find(sums, usage_no_text, usage_no_text,
                                  count.label);
            row->sum.requests += count.amount;
            continue;
        }

        usage_sum_add(&sums->total, &count);

        if (sums->row != NULL) {
            usage_sum_add(&sums->row->sum, &count);
        }
    }
}


/* To another key, or another of its days. */

static void
usage_sums_turn(usage_sums_t *sums, const stored_t *key, uint32_t day)
{
    int  other;

    other = (sums->day == 0
             || memcmp(sums->digest, key->digest, APIKEY_DIGEST_SIZE) != 0);

    if (!other && sums->day == day) {
        return;
    }

    if (other || sums->by == USAGE_BY_DAY) {
        sums->row = usage_sums_row(sums, key, day);

        if (sums->row != NULL) {
            sums->row->sum.keys++;
        }
    }

    sums->total.keys += other;
    sums->day = day;
    memcpy(sums->digest, key->digest, APIKEY_DIGEST_SIZE);
}


/* NULL: rows aren't by key or day. */

static usage_row_t *
usage_sums_row(usage_sums_t *sums, const stored_t *key, uint32_t day)
{
    char          text[USAGE_DAY];
    usage_row_t  *row;

    switch (sums->by) {

    case USAGE_BY_KEY:
        row = usage_row_make(stored_get(key, "org"),
                             stored_get(key, "project"),
                             stored_get(key, "id"), stored_get(key, "name"));
        row->deleted = (stored_get(key, "rev").len == 0);
        return usage_sums_append(sums, row);

    case USAGE_BY_ORG:
        return usage_sums_find(sums, stored_get(key, "org"), usage_no_text,
                               usage_no_text);

    case USAGE_BY_PROJECT:
        return usage_sums_find(sums, stored_get(key, "org"),
                               stored_get(key, "project"), usage_no_text);

    case USAGE_BY_DAY:
        usage_day_text(text, day);
        return usage_sums_find(sums, usage_no_text, usage_no_text,
                               store_text(text));

    default: /* USAGE_BY_ENDPOINT */
        return NULL;
    }
}


static usage_row_t *
usage_sums_find(usage_sums_t *sums, apikey_text_t org, apikey_text_t project,
    apikey_text_t label)
{
    usage_row_t  *row, *known;

    row = usage_row_make(org, project, label, usage_no_text);
    known = *(usage_row_t **) must(tsearch(row, &sums->tree,
                                           usage_row_order));
    if (known == row) {
        return usage_sums_append(sums, row);
    }

    free(row);

    return known;
}


static usage_row_t *
usage_sums_append(usage_sums_t *sums, usage_row_t *row)
{
    if (sums->count == sums->room) {
        sums->room = sums->room ? sums->room * 2 : 64;
        sums->rows = must(realloc(sums->rows,
                                  sums->room * sizeof(usage_row_t *)));
    }

    sums->rows[sums->count++] = row;

    return row;
}


static usage_row_t *
usage_row_make(apikey_text_t org, apikey_text_t project, apikey_text_t label,
    apikey_text_t name)
{
    char         *to;
    usage_row_t  *row;

    row = must(calloc(1, sizeof(usage_row_t) + org.len + project.len
                         + label.len + name.len + 4));
    to = row->texts;

    row->org = usage_row_text(&to, org);
    row->project = usage_row_text(&to, project);
    row->label = usage_row_text(&to, label);
    row->name = usage_row_text(&to, name);

    return row;
}


static const char *
usage_row_text(char **to, apikey_text_t text)
{
    char  *p;

    p = *to;

    if (text.len != 0) {
        memcpy(p, text.data, text.len);
    }

    *to = p + text.len + 1;

    return p;
}


static void
usage_sum_add(usage_sum_t *sum, const apikey_usage_count_t *count)
{
    switch (count->kind) {

    case APIKEY_USAGE_REQUESTS:
        sum->requests += count->amount;
        break;

    case APIKEY_USAGE_BYTES:
        sum->bytes += count->amount;
        break;

    case APIKEY_USAGE_ERRORS:
        sum->errors += count->amount;
        break;

    case APIKEY_USAGE_DENIED:
        sum->denied += count->amount;
        break;

    case APIKEY_USAGE_LATENCY:
        sum->latency[count->bucket] += count->amount;
        break;

    default: /* APIKEY_USAGE_STATUS, in "n" */
        break;
    }
}


void
usage_sums_sort(usage_sums_t *sums)
{
    if (sums->by != USAGE_BY_DAY && sums->count != 0) {
        qsort(sums->rows, sums->count, sizeof(usage_row_t *),
              usage_row_busier);
    }
}


void
usage_sums_free(usage_sums_t *sums)
{
    tdestroy(sums->tree, usage_row_keep);

    while (sums->count != 0) {
        free(sums->rows[--sums->count]);
    }

    free(sums->rows);
}


static int
usage_row_order(const void *one, const void *two)
{
    int                 rc;
    const usage_row_t  *a = one, *b = two;

    rc = strcmp(a->org, b->org);
    rc = rc ? rc : strcmp(a->project, b->project);

    return rc ? rc : strcmp(a->label, b->label);
}


static int
usage_row_busier(const void *one, const void *two)
{
    const usage_row_t  *a = *(usage_row_t *const *) one;
    const usage_row_t  *b = *(usage_row_t *const *) two;

    if (a->sum.requests != b->sum.requests) {
        return (a->sum.requests < b->sum.requests) ? 1 : -1;
    }

    return usage_row_order(a, b);
}


/* Rows are freed by their list. */

static void
usage_row_keep(void *row)
{
    (void) row;
}
