#include <string.h>
#include <strings.h>

#include "core/scope.h"

#include "filter.h"
#include "store.h"


static int filter_text(const char *asked, apikey_text_t text);
static int filter_scopes(const filter_t *filter, apikey_text_t granted);
static int filter_times(const filter_t *filter, const filter_key_t *key,
    uint64_t now);
static int filter_search(const char *search, const filter_key_t *key);
static int filter_contains(apikey_text_t text, const char *part);


int
filter_status_check(const char *status)
{
    unsigned  i;
    static const char *const  statuses[] = {
        "active", "disabled", "revoked", "expired", "early", "unreadable"
    };

    for (i = 0; i < sizeof(statuses) / sizeof(char *); i++) {
        if (strcmp(statuses[i], status) == 0) {
            return APIKEY_OK;
        }
    }

    return APIKEY_INVALID;
}


int
filter_is_given(const filter_t *filter)
{
    return filter->org != NULL
           || filter->project != NULL
           || filter->service != NULL
           || filter->plan != NULL
           || filter->status != NULL
           || filter->search != NULL
           || filter->scope_count != 0
           || filter->unused != 0
           || filter->expires != 0;
}


int
filter_needs_status(const filter_t *filter)
{
    return filter->status != NULL || filter->lasting;
}


int
filter_matches(const filter_t *filter, const filter_key_t *key, uint64_t now)
{
    if (!filter_text(filter->org, key->org)
        || !filter_text(filter->project, key->project)
        || !filter_text(filter->service, key->service)
        || !filter_text(filter->plan, key->plan)
        || !filter_times(filter, key, now)
        || !filter_scopes(filter, key->scopes))
    {
        return 0;
    }

    if (filter->status != NULL && strcmp(filter->status, key->status) != 0) {
        return 0;
    }

    if (filter->lasting && strcmp(key->status, "revoked") == 0) {
        return 0;
    }

    return filter->search == NULL || filter_search(filter->search, key);
}


int
filter_matches_stored(const filter_t *filter, const stored_t *stored,
    uint64_t now)
{
    filter_key_t   key;
    apikey_text_t  address;

    key.id = stored_get(stored, "id");
    key.name = stored_get(stored, "name");
    key.org = stored_get(stored, "org");
    key.project = stored_get(stored, "project");
    key.service = stored_get(stored, "service");
    key.plan = stored_get(stored, "plan");
    key.scopes = stored_get(stored, "scopes");
    key.hint = stored_get(stored, "hint");

    key.created = stored_number(stored, "created");
    key.expires = stored_number(stored, "expires");
    key.used = stored_used(stored, &address);

    key.status = filter_needs_status(filter) ? stored_status(stored, now)
                                             : NULL;

    return filter_matches(filter, &key, now);
}


static int
filter_text(const char *asked, apikey_text_t text)
{
    return asked == NULL || apikey_text_equal(text, store_text(asked));
}


static int
filter_scopes(const filter_t *filter, apikey_text_t granted)
{
    unsigned  i;

    for (i = 0; i < filter->scope_count; i++) {
        if (!apikey_scope_allows(granted, store_text(filter->scopes[i]))) {
            return 0;
        }
    }

    return 1;
}


/* A key that is younger than that has had no time to be unused. */

static int
filter_times(const filter_t *filter, const filter_key_t *key, uint64_t now)
{
    if (filter->unused != 0
        && (key->created + filter->unused > now
            || key->used + filter->unused > now))
    {
        return 0;
    }

    return filter->expires == 0
           || (key->expires > now && key->expires - now <= filter->expires);
}


static int
filter_search(const char *search, const filter_key_t *key)
{
    return filter_contains(key->name, search)
           || filter_contains(key->id, search)
           || filter_contains(key->org, search)
           || filter_contains(key->project, search)
           || filter_contains(key->service, search)
           || (key->hint.len != 0
               && apikey_text_equal(key->hint, store_text(search)));
}


static int
filter_contains(apikey_text_t text, const char *part)
{
    size_t  i, len;

    len = strlen(part);

    for (i = 0; i + len <= text.len; i++) {
        if (strncasecmp(text.data + i, part, len) == 0) {
            return 1;
        }
    }

    return 0;
}
