/*
 * Keys searched, sorted and paged.  The snapshot says which; what is shown of
 * them is read from Redis.
 */

#define _GNU_SOURCE   /* qsort_r, strcasestr, hsearch_r */

#include <search.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "store/memory.h"

#include "api.h"
#include "worker.h"


#define LIST_LIMIT      50
#define LIST_LIMIT_MAX  500
#define LIST_FIRST      1000    /* keys, of the first pages */
#define FACET_VALUES    100     /* of each */


typedef enum {
    LIST_TEXT = 0,
    LIST_TIME,
    LIST_STATUS
} list_type_e;

/* By what keys can be sorted. */
typedef struct {
    const char     *name;
    list_type_e     type;
    size_t          offset;     /* in a snapshot_key_t */
    int             filter;     /* also a parameter that it has to equal */
} list_field_t;

static const list_field_t  list_fields[] = {
    { "created", LIST_TIME, offsetof(snapshot_key_t, created), 0 },
    { "name", LIST_TEXT, offsetof(snapshot_key_t, name), 0 },
    { "status", LIST_STATUS, 0, 0 },
    { "org", LIST_TEXT, offsetof(snapshot_key_t, org), 1 },
    { "project", LIST_TEXT, offsetof(snapshot_key_t, project), 1 },
    { "service", LIST_TEXT, offsetof(snapshot_key_t, service), 1 },
    { "plan", LIST_TEXT, offsetof(snapshot_key_t, plan), 1 },
    { "expires", LIST_TIME, offsetof(snapshot_key_t, expires), 0 },
    { "last_used", LIST_TIME, offsetof(snapshot_key_t, used), 0 }
};

#define LIST_FIELDS  (sizeof(list_fields) / sizeof(list_field_t))


typedef struct {
    const list_field_t  *sort;
    int                  descending;
    uint64_t             now;
    uint64_t             limit;
    uint64_t             offset;
    const char          *search;
    const char          *status;
    const char          *filters[LIST_FIELDS];
} list_query_t;

/* A page. */
typedef struct {
    size_t           total;
    size_t           count;
    unsigned char    digests[LIST_LIMIT_MAX][APIKEY_DIGEST_SIZE];
} list_page_t;

typedef struct {
    const char  *value;
    size_t       keys;
} facet_t;


static unsigned list_given(request_t *request, list_query_t *query);
static void list_find(snapshot_t *snapshot, const list_query_t *query,
    list_page_t *page);
static size_t list_insert(const snapshot_key_t **list, size_t count,
    size_t max, const snapshot_key_t *key, const list_query_t *query);
static int list_matches(const snapshot_key_t *key, const list_query_t *query);
static int list_compare(const void *one, const void *two, void *data);
static int list_order(const snapshot_key_t *a, const snapshot_key_t *b,
    const list_query_t *query);
static int list_read(worker_t *worker, const list_page_t *page,
    json_t *keys);
static const char *list_text(const snapshot_key_t *key,
    const list_field_t *field);
static json_t *facet_values(const snapshot_t *snapshot,
    const list_field_t *field);
static size_t facet_count(const snapshot_t *snapshot,
    const list_field_t *field, facet_t *facets);
static int facet_compare_keys(const void *one, const void *two);


unsigned
api_list(request_t *request)
{
    int            rc;
    char           why[SNAPSHOT_WHY];
    json_t        *keys;
    worker_t      *worker;
    snapshot_t    *snapshot;
    list_page_t   *page;
    list_query_t   query;

    if (list_given(request, &query) != 0) {
        return request->status;
    }

    snapshot = &request->console->snapshot;

    if (snapshot_open(snapshot, why) != 0) {
        return http_error(request, 503, NULL, "%s", why);
    }

    page = must(calloc(1, sizeof(list_page_t)));
    keys = json_array();

    query.now = snapshot->now / 1000000;
    list_find(snapshot, &query, page);
    snapshot_close(snapshot);

    worker = worker_take(request->console);
    rc = worker_open(request->console, worker);

    if (rc == 0) {
        rc = list_read(worker, page, keys);
    }

    if (rc == 0) {
        (void) http_answer(request, 200,
                           json_pack("{s:I,s:O}",
                                     "total", (json_int_t) page->total,
                                     "keys", keys));
    } else {
        (void) worker_failed(request, worker);
    }

    worker_give(request->console, worker, rc);
    json_decref(keys);
    free(page);

    return request->status;
}


unsigned
api_facets(request_t *request)
{
    char          why[SNAPSHOT_WHY];
    json_t       *facets;
    unsigned      i;
    snapshot_t   *snapshot;

    if (http_query_check(request, "") != 0) {
        return request->status;
    }

    snapshot = &request->console->snapshot;

    if (snapshot_open(snapshot, why) != 0) {
        return http_error(request, 503, NULL, "%s", why);
    }

    facets = json_object();

    for (i = 0; i < LIST_FIELDS; i++) {
        if (list_fields[i].filter) {
            json_object_set_new(facets, list_fields[i].name,
                                facet_values(snapshot, &list_fields[i]));
        }
    }

    snapshot_close(snapshot);

    return http_answer(request, 200, facets);
}


static unsigned
list_given(request_t *request, list_query_t *query)
{
    unsigned     i;
    const char  *value;
    static const char *const  statuses[] = {
        "active", "disabled", "revoked", "expired", "early", "unreadable"
    };

    memset(query, 0, sizeof(list_query_t));

    query->limit = LIST_LIMIT;

    if (http_query_check(request, "q status org project service plan sort "
                                  "order limit offset")
        != 0
        || http_query_number(request, "limit", 1, LIST_LIMIT_MAX,
                             &query->limit)
           != 0
        || http_query_number(request, "offset", 0, INT32_MAX, &query->offset)
           != 0)
    {
        return request->status;
    }

    query->search = http_query(request, "q");
    query->status = http_query(request, "status");
    query->sort = &list_fields[0];

    for (i = 0; query->status != NULL && i < 6; i++) {
        if (strcmp(statuses[i], query->status) == 0) {
            break;
        }
    }

    if (i == 6) {
        return http_error(request, 400, "status", "not active, disabled, "
                          "revoked, expired, early or unreadable");
    }

    for (i = 0; i < LIST_FIELDS; i++) {
        if (list_fields[i].filter) {
            query->filters[i] = http_query(request, list_fields[i].name);
        }
    }

    value = http_query(request, "sort");

    for (i = 0; value != NULL && i < LIST_FIELDS; i++) {
        query->sort = &list_fields[i];

        if (strcmp(query->sort->name, value) == 0) {
            break;
        }
    }

    if (i == LIST_FIELDS) {
        return http_error(request, 400, "sort", "keys can't be sorted by "
                          "\"%s\"", value);
    }

    value = http_query(request, "order");
    query->descending = value ? strcmp(value, "desc") == 0
                              : query->sort->type == LIST_TIME;

    if (value != NULL && !query->descending && strcmp(value, "asc") != 0) {
        return http_error(request, 400, "order", "neither asc nor desc");
    }

    return 0;
}


static void
list_find(snapshot_t *snapshot, const list_query_t *query, list_page_t *page)
{
    size_t                  i, end, kept;
    const snapshot_key_t  **found;

    /* Of the first pages only what is shown, and before it, is sorted. */

    end = query->offset + query->limit;
    kept = 0;

    found = must(malloc((snapshot->count + 1) * sizeof(snapshot_key_t *)));

    for (i = 0; i < snapshot->count; i++) {

        if (!list_matches(snapshot->list[i], query)) {
            continue;
        }

        page->total++;

        if (end > LIST_FIRST) {
            found[kept++] = snapshot->list[i];

        } else {
            kept = list_insert(found, kept, end, snapshot->list[i], query);
        }
    }

    if (end > LIST_FIRST) {
        qsort_r(found, kept, sizeof(snapshot_key_t *), list_compare,
                (void *) query);
    }

    for (i = query->offset; i < kept && i < end; i++) {
        memcpy(page->digests[page->count++], found[i]->digest,
               APIKEY_DIGEST_SIZE);
    }

    free(found);
}


/* Into a sorted list of at most max keys; returns how many there are then. */

static size_t
list_insert(const snapshot_key_t **list, size_t count, size_t max,
    const snapshot_key_t *key, const list_query_t *query)
{
    size_t  low, high, middle;

    if (count == max
        && list_compare(&key, &list[count - 1], (void *) query) > 0)
    {
        return count;
    }

    low = 0;
    high = count;

    while (low < high) {
        middle = (low + high) / 2;

        if (list_compare(&key, &list[middle], (void *) query) < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }

    count -= (count == max);

    memmove(&list[low + 1], &list[low], (count - low) * sizeof(key));
    list[low] = key;

    return count + 1;
}


static int
list_matches(const snapshot_key_t *key, const list_query_t *query)
{
    unsigned  i;

    for (i = 0; i < LIST_FIELDS; i++) {
        if (query->filters[i] != NULL
            && strcmp(list_text(key, &list_fields[i]), query->filters[i])
               != 0)
        {
            return 0;
        }
    }

    if (query->status != NULL
        && strcmp(snapshot_status(key, query->now), query->status) != 0)
    {
        return 0;
    }

    return query->search == NULL
           || strcasestr(key->name, query->search) != NULL
           || strcasestr(key->id, query->search) != NULL
           || strcasestr(key->org, query->search) != NULL
           || strcasestr(key->project, query->search) != NULL
           || strcasestr(key->service, query->search) != NULL;
}


static int
list_compare(const void *one, const void *two, void *data)
{
    const list_query_t *query = data;

    int                    rc;
    const snapshot_key_t  *a = *(snapshot_key_t *const *) one;
    const snapshot_key_t  *b = *(snapshot_key_t *const *) two;

    rc = list_order(a, b, query);

    /* The rest only has to be the same for every page. */

    return rc ? rc : strcmp(a->id, b->id);
}


/* What is absent stands last, whatever the direction. */

static int
list_order(const snapshot_key_t *a, const snapshot_key_t *b,
    const list_query_t *query)
{
    int          rc;
    uint64_t     time_a, time_b;
    const char  *text_a, *text_b;

    if (query->sort->type == LIST_TIME) {
        time_a = *(const uint64_t *) ((const char *) a + query->sort->offset);
        time_b = *(const uint64_t *) ((const char *) b + query->sort->offset);

        if (time_a == 0 || time_b == 0) {
            return (time_a == 0) - (time_b == 0);
        }

        rc = (time_a > time_b) - (time_a < time_b);

    } else {

        if (query->sort->type == LIST_STATUS) {
            text_a = snapshot_status(a, query->now);
            text_b = snapshot_status(b, query->now);

        } else {
            text_a = list_text(a, query->sort);
            text_b = list_text(b, query->sort);
        }

        if (*text_a == '\0' || *text_b == '\0') {
            return (*text_a == '\0') - (*text_b == '\0');
        }

        rc = strcasecmp(text_a, text_b);
    }

    return query->descending ? -rc : rc;
}


static int
list_read(worker_t *worker, const list_page_t *page, json_t *keys)
{
    size_t       i;
    stored_t    *stored;

    for (i = 0; i < page->count; i++) {

        switch (store_read(&worker->store, page->digests[i], &stored)) {

        case STORE_DONE:
            json_array_append_new(keys, stored_json(stored,
                                                    worker->now / 1000000));
            free(stored);
            break;

        case STORE_FAILED:
            return -1;

        default:   /* deleted right now */
            break;
        }
    }

    return 0;
}


static const char *
list_text(const snapshot_key_t *key, const list_field_t *field)
{
    return *(const char *const *) ((const char *) key + field->offset);
}


static json_t *
facet_values(const snapshot_t *snapshot, const list_field_t *field)
{
    size_t     i, count;
    json_t    *values;
    facet_t   *facets;

    facets = must(malloc((snapshot->count + 1) * sizeof(facet_t)));
    count = facet_count(snapshot, field, facets);

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
facet_count(const snapshot_t *snapshot, const list_field_t *field,
    facet_t *facets)
{
    ENTRY                 entry, *known;
    size_t                i, count;
    struct hsearch_data   table;

    memset(&table, 0, sizeof(table));

    if (hcreate_r(snapshot->count + 1, &table) == 0) {
        (void) must(NULL);
    }

    for (i = 0, count = 0; i < snapshot->count; i++) {
        entry.key = (char *) list_text(snapshot->list[i], field);
        entry.data = &facets[count];

        if (*entry.key == '\0') {
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
