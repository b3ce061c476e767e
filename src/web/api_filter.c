#include <string.h>

#include "core/scope.h"

#include "store/dates.h"

#include "api_filter.h"


typedef struct {
    const char  *name;
    const char  *option;
} api_filter_t;


static unsigned api_filter_time(request_t *request, const char *name,
    uint64_t *seconds);
static int api_filter_secret(const char *text);


static const api_filter_t  api_filters[] = {
    { "q", "search" },
    { "status", "status" },
    { "org", "org" },
    { "project", "project" },
    { "service", "service" },
    { "plan", "plan" },
    { "scope", "scope" },
    { "unused", "unused" },
    { "expires_within", "expires-within" }
};

#define API_FILTER_COUNT  (sizeof(api_filters) / sizeof(api_filter_t))


unsigned
api_filter(request_t *request, filter_t *filter)
{
    const char  *scope;

    memset(filter, 0, sizeof(filter_t));

    filter->search = http_query(request, "q");
    filter->status = http_query(request, "status");
    filter->org = http_query(request, "org");
    filter->project = http_query(request, "project");
    filter->service = http_query(request, "service");
    filter->plan = http_query(request, "plan");

    if (filter->search != NULL && api_filter_secret(filter->search)) {
        return http_error(request, 400, "q", "a key stands in the URL, where "
                          "others can see it: POST it to /api/verify");
    }

    if (filter->status != NULL
        && filter_status_check(filter->status) != APIKEY_OK)
    {
        return http_error(request, 400, "status", "not " FILTER_STATUSES);
    }

    scope = http_query(request, "scope");

    if (scope != NULL) {

        if (apikey_scope_check(store_text(scope)) != APIKEY_OK) {
            return http_error(request, 400, "scope", "not RESOURCE:ACTION");
        }

        filter->scopes[filter->scope_count++] = scope;
    }

    if (api_filter_time(request, "unused", &filter->unused) != 0) {
        return request->status;
    }

    return api_filter_time(request, "expires_within", &filter->expires);
}


unsigned
api_filter_options(request_t *request, task_t *task)
{
    unsigned     i;
    filter_t     filter;
    const char  *value;

    if (api_filter(request, &filter) != 0) {
        return request->status;
    }

    for (i = 0; i < API_FILTER_COUNT; i++) {
        value = http_query(request, api_filters[i].name);

        if (value == NULL) {
            continue;
        }

        if (*value == '\0') {
            return http_error(request, 400, api_filters[i].name, "is empty");
        }

        task_add(task, api_filters[i].option, value);
    }

    return 0;
}


int
api_filter_matches(const filter_t *filter, const snapshot_key_t *key,
    uint64_t now)
{
    filter_key_t  seen;

    seen.id = store_text(key->id);
    seen.name = store_text(key->name);
    seen.org = store_text(key->org);
    seen.project = store_text(key->project);
    seen.service = store_text(key->service);
    seen.plan = store_text(key->plan);
    seen.scopes = store_text(key->scopes);
    seen.hint = store_text(key->hint);

    seen.created = key->created;
    seen.expires = key->expires;
    seen.used = key->used;
    seen.status = filter_needs_status(filter) ? snapshot_status(key, now)
                                              : NULL;

    return filter_matches(filter, &seen, now);
}


static unsigned
api_filter_time(request_t *request, const char *name, uint64_t *seconds)
{
    const char  *value;

    value = http_query(request, name);

    if (value != NULL
        && (dates_parse_length(value, seconds) != 0 || *seconds == 0))
    {
        return http_error(request, 400, name, "not like 90d, 12h or 30m");
    }

    return 0;
}


/* Is one of its words a key of ours? */

static int
api_filter_secret(const char *text)
{
    apikey_text_t  words, word;

    words = store_text(text);

    do {
        word = apikey_text_word(&words);

        if (apikey_token_check_own(word) == APIKEY_OK) {
            return 1;
        }
    } while (word.len != 0);

    return 0;
}
