/* How many keys there are, and of which organization, project and so on. */

#define _GNU_SOURCE   /* hsearch_r */

#include <search.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "store/memory.h"

#include "api.h"
#include "api_filter.h"


#define FACET_VALUES  100     /* of each */


typedef struct {
    const char     *name;
    size_t          offset;     /* in a snapshot_key_t */
} facet_field_t;

static const facet_field_t  facet_fields[] = {
    { "org", offsetof(snapshot_key_t, org) },
    { "project", offsetof(snapshot_key_t, project) },
    { "service", offsetof(snapshot_key_t, service) },
    { "plan", offsetof(snapshot_key_t, plan) }
};

#define FACETS  (sizeof(facet_fields) / sizeof(facet_field_t))


typedef struct {
    const char  *value;
    size_t       keys;
} facet_t;


static json_t *facet_values(const snapshot_t *snapshot,
    const facet_field_t *field, const filter_t *filter);
static size_t facet_count(const snapshot_t *snapshot,
    const facet_field_t *field, const filter_t *filter, facet_t *facets);
static int facet_compare_keys(const void *one, const void *two);
static const char *facet_text(const snapshot_key_t *key,
    const facet_field_t *field);


unsigned
api_facets(request_t *request)
{
    char          why[SNAPSHOT_WHY];
    json_t       *facets;
    unsigned      i;
    filter_t      filter;
    snapshot_t   *snapshot;

    if (http_query_check(request, API_FILTERS) != 0
        || api_filter(request, &filter) != 0)
    {
        return request->status;
    }

    snapshot = &request->console->snapshot;

    if (snapshot_open(snapshot, why) != 0) {
        return http_error(request, 503, NULL, "%s", why);
    }

    facets = json_object();

    for (i = 0; i < FACETS; i++) {
        json_object_set_new(facets, facet_fields[i].name,
                            facet_values(snapshot, &facet_fields[i],
                                         &filter));
    }

    snapshot_close(snapshot);

    return http_answer(request, 200, facets);
}


int
api_list_count(request_t *request, const filter_t *filter, uint64_t *count)
{
    char         why[SNAPSHOT_WHY];
    size_t       i;
    snapshot_t  *snapshot;

    snapshot = &request->console->snapshot;

    if (snapshot_open(snapshot, why) != 0) {
        (void) http_error(request, 503, NULL, "%s", why);
        return -1;
    }

    *count = 0;

    for (i = 0; i < snapshot->count; i++) {
        *count += api_filter_matches(filter, snapshot->list[i],
                                     snapshot->now / 1000000);
    }

    snapshot_close(snapshot);

    return 0;
}


static json_t *
facet_values(const snapshot_t *snapshot, const facet_field_t *field,
    const filter_t *filter)
{
    size_t     i, count;
    json_t    *values;
    facet_t   *facets;

    facets = must(malloc((snapshot->count + 1) * sizeof(facet_t)));
    count = facet_count(snapshot, field, filter, facets);

    qsort(facets, count, sizeof(facet_t), facet_compare_keys);

    values = json_array();

    for (i = 0; i < count && i < FACET_VALUES; i++) {
        json_array_append_new(values,
                              json_pack("{s:s,s:I}",
                                        "value", facets[i].value,
                                        "keys", (json_int_t) facets[i].keys));
    }

    free(facets);

    return values;
}


/* Every value there is; returns how many. */

static size_t
facet_count(const snapshot_t *snapshot, const facet_field_t *field,
    const filter_t *filter, facet_t *facets)
{
    ENTRY                 entry, *known;
    size_t                i, count;
    struct hsearch_data   table;

    memset(&table, 0, sizeof(table));

    if (hcreate_r(snapshot->count + 1, &table) == 0) {
        (void) must(NULL);
    }

    for (i = 0, count = 0; i < snapshot->count; i++) {
        entry.key = (char *) facet_text(snapshot->list[i], field);
        entry.data = &facets[count];

        if (*entry.key == '\0'
            || !api_filter_matches(filter, snapshot->list[i],
                                   snapshot->now / 1000000))
        {
            continue;
        }

        (void) hsearch_r(entry, ENTER, &known, &table);

        if (known->data == &facets[count]) {
            facets[count].value = entry.key;
            facets[count++].keys = 0;
        }

        ((facet_t *) known->data)->keys++;
    }

    hdestroy_r(&table);

    return count;
}


static int
facet_compare_keys(const void *one, const void *two)
{
    const facet_t  *a = one;
    const facet_t  *b = two;

    if (a->keys != b->keys) {
        return (a->keys > b->keys) ? -1 : 1;
    }

    return strcmp(a->value, b->value);
}


static const char *
facet_text(const snapshot_key_t *key, const facet_field_t *field)
{
    return *(const char *const *) ((const char *) key + field->offset);
}
