/*
 * Keys searched, sorted and paged.  The snapshot says which; what is shown of
 * them is read from Redis.
 */

#define _GNU_SOURCE   /* qsort_r */

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "store/memory.h"

#include "api.h"
#include "api_filter.h"
#include "worker.h"


#define LIST_LIMIT      50
#define LIST_LIMIT_MAX  500
#define LIST_FIRST      1000    /* keys, of the first pages */
#define LIST_CURSOR     1024    /* bytes, as it is sent */


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
} list_field_t;

static const list_field_t  list_fields[] = {
    { "created", LIST_TIME, offsetof(snapshot_key_t, created) },
    { "name", LIST_TEXT, offsetof(snapshot_key_t, name) },
    { "status", LIST_STATUS, 0 },
    { "org", LIST_TEXT, offsetof(snapshot_key_t, org) },
    { "project", LIST_TEXT, offsetof(snapshot_key_t, project) },
    { "service", LIST_TEXT, offsetof(snapshot_key_t, service) },
    { "plan", LIST_TEXT, offsetof(snapshot_key_t, plan) },
    { "expires", LIST_TIME, offsetof(snapshot_key_t, expires) },
    { "last_used", LIST_TIME, offsetof(snapshot_key_t, used) }
};

#define LIST_FIELDS  (sizeof(list_fields) / sizeof(list_field_t))


typedef struct {
    const list_field_t  *sort;
    int                  descending;
    uint64_t             now;
    uint64_t             limit;
    uint64_t             offset;
    filter_t             filter;

    int                  paged;         /* only what comes after that key */
    const char          *after_status;
    snapshot_key_t       after;
} list_query_t;

/* A page. */
typedef struct {
    size_t           total;
    size_t           count;
    unsigned char    digests[LIST_LIMIT_MAX][APIKEY_DIGEST_SIZE];
    char             next[LIST_CURSOR];     /* "": it is the last */
} list_page_t;

static unsigned list_given(request_t *request, list_query_t *query);
static unsigned list_given_order(request_t *request, list_query_t *query);
static unsigned list_given_cursor(request_t *request, list_query_t *query);
static void list_cursor(char cursor[LIST_CURSOR], const snapshot_key_t *key,
    const list_query_t *query);
static void list_find(snapshot_t *snapshot, const list_query_t *query,
    list_page_t *page);
static size_t list_insert(const snapshot_key_t **list, size_t count,
    size_t max, const snapshot_key_t *key, const list_query_t *query);
static int list_compare(const void *one, const void *two, void *data);
static int list_order(const snapshot_key_t *a, const snapshot_key_t *b,
    const list_query_t *query);
static int list_read(worker_t *worker, const list_page_t *page,
    json_t *keys);
static const char *list_status(const snapshot_key_t *key,
    const list_query_t *query);
static const char *list_text(const snapshot_key_t *key,
    const list_field_t *field);


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
                           json_pack("{s:I,s:O,s:s?}",
                                     "total", (json_int_t) page->total,
                                     "keys", keys,
                                     "next", page->next[0] ? page->next
                                                           : NULL));
    } else {
        (void) worker_failed(request, worker);
    }

    worker_give(request->console, worker, rc);
    json_decref(keys);
    free(page);

    return request->status;
}


static unsigned
list_given(request_t *request, list_query_t *query)
{
    memset(query, 0, sizeof(list_query_t));

    query->limit = LIST_LIMIT;

    if (http_query_check(request, API_FILTERS " sort order limit offset "
                                  "cursor")
        != 0
        || http_query_number(request, "limit", 1, LIST_LIMIT_MAX,
                             &query->limit)
           != 0
        || http_query_number(request, "offset", 0, INT32_MAX, &query->offset)
           != 0
        || api_filter(request, &query->filter) != 0
        || list_given_order(request, query) != 0)
    {
        return request->status;
    }

    return list_given_cursor(request, query);
}


static unsigned
list_given_order(request_t *request, list_query_t *query)
{
    unsigned     i;
    const char  *value;

    query->sort = &list_fields[0];
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


/*
 * A cursor says behind which key a page begins: by what keys are sorted, the
 * direction, the key's id, and its value, a line each.  So it holds though that
 * key is deleted, and others come before it.
 */

static void
list_cursor(char cursor[LIST_CURSOR], const snapshot_key_t *key,
    const list_query_t *query)
{
    int    n;
    char   text[LIST_CURSOR / 2];

    n = snprintf(text, sizeof(text), "%s\n%s\n%s\n", query->sort->name,
                 query->descending ? "desc" : "asc", key->id);

    switch (query->sort->type) {

    case LIST_TIME:
        n += snprintf(text + n, sizeof(text) - n, "%llu", (unsigned long long)
                      *(const uint64_t *) ((const char *) key
                                           + query->sort->offset));
        break;

    case LIST_STATUS:
        n += snprintf(text + n, sizeof(text) - n, "%s",
                      list_status(key, query));
        break;

    default:   /* LIST_TEXT */
        n += snprintf(text + n, sizeof(text) - n, "%s",
                      list_text(key, query->sort));
    }

    (void) sodium_bin2base64(cursor, LIST_CURSOR, (unsigned char *) text, n,
                             sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}


static unsigned
list_given_cursor(request_t *request, list_query_t *query)
{
    char           text[LIST_CURSOR];
    char          *line[4], *p;
    size_t         len;
    unsigned       i;
    const char    *cursor, *kept;

    cursor = http_query(request, "cursor");

    if (cursor == NULL) {
        return 0;
    }

    if (query->offset != 0
        || sodium_base642bin((unsigned char *) text, sizeof(text) - 1, cursor,
                             strlen(cursor), NULL, &len, NULL,
                             sodium_base64_VARIANT_URLSAFE_NO_PADDING)
           != 0)
    {
        return http_error(request, 400, "cursor", "not one that was given");
    }

    text[len] = '\0';
    kept = http_keep(request, "%s", text);
    p = (char *) kept;

    for (i = 0; p != NULL && i < 4; i++) {
        line[i] = strsep(&p, "\n");
    }

    if (i != 4
        || strcmp(line[0], query->sort->name) != 0
        || strcmp(line[1], query->descending ? "desc" : "asc") != 0)
    {
        return http_error(request, 400, "cursor",
                          "not one of this sort and order");
    }

    query->paged = 1;
    query->after.id = line[2];
    query->after_status = line[3];

    p = (char *) &query->after + query->sort->offset;

    if (query->sort->type == LIST_TIME) {
        *(uint64_t *) p = strtoull(line[3], NULL, 10);

    } else if (query->sort->type == LIST_TEXT) {
        *(const char **) p = line[3];
    }

    return 0;
}


static void
list_find(snapshot_t *snapshot, const list_query_t *query, list_page_t *page)
{
    size_t                  i, end, kept, rest;
    const snapshot_key_t   *key, *after;
    const snapshot_key_t  **found;

    /* Of the first pages only what is shown, and before it, is sorted. */

    end = query->offset + query->limit;
    kept = 0;
    rest = 0;
    after = &query->after;

    found = must(malloc((snapshot->count + 1) * sizeof(snapshot_key_t *)));

    for (i = 0; i < snapshot->count; i++) {
        key = snapshot->list[i];

        if (!api_filter_matches(&query->filter, key, query->now)) {
            continue;
        }

        page->total++;

        if (query->paged && list_compare(&after, &key, (void *) query) >= 0) {
            continue;
        }

        rest++;

        if (end > LIST_FIRST) {
            found[kept++] = key;

        } else {
            kept = list_insert(found, kept, end, key, query);
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

    if (page->count != 0 && rest > end) {
        list_cursor(page->next, found[end - 1], query);
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
            text_a = list_status(a, query);
            text_b = list_status(b, query);

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
list_status(const snapshot_key_t *key, const list_query_t *query)
{
    return (key == &query->after) ? query->after_status
                                  : snapshot_status(key, query->now);
}


static const char *
list_text(const snapshot_key_t *key, const list_field_t *field)
{
    return *(const char *const *) ((const char *) key + field->offset);
}
