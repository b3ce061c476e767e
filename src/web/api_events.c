/* Events that have happened, the newest first. */

#include <string.h>

#include "api.h"
#include "api_events.h"
#include "worker.h"


#define EVENTS_LIMIT      100
#define EVENTS_LIMIT_MAX  1000
#define EVENTS_PAGE       1000    /* read at once */


static int events_list(store_t *store, const events_filter_t *filter,
    const char *before, uint64_t limit, json_t *list);


unsigned
api_events(request_t *request)
{
    int                rc;
    json_t            *list;
    uint64_t           limit;
    worker_t          *worker;
    const char        *before;
    events_filter_t    filter;

    limit = EVENTS_LIMIT;

    if (http_query_check(request, "key type limit before") != 0
        || events_filter_given(request, &filter) != 0
        || http_query_number(request, "limit", 1, EVENTS_LIMIT_MAX, &limit)
           != 0)
    {
        return request->status;
    }

    before = http_query(request, "before");

    if (before != NULL && !events_id_check(before)) {
        return http_error(request, 400, "before", "not an event's id");
    }

    list = json_array();

    worker = worker_take(request->console);
    rc = worker_open(request->console, worker);

    if (rc == 0) {
        rc = events_list(&worker->store, &filter, before ? before : "+",
                         limit, list);
    }

    if (rc == 0) {
        (void) http_answer(request, 200, json_pack("{s:O}", "events", list));
    } else {
        (void) worker_failed(request, worker);
    }

    worker_give(request->console, worker, rc);
    json_decref(list);

    return request->status;
}


unsigned
events_filter_given(request_t *request, events_filter_t *filter)
{
    filter->key = http_query(request, "key");
    filter->type = http_query(request, "type");

    if (filter->type != NULL && !event_type_known(filter->type)) {
        return http_error(request, 400, "type", "no such type of events");
    }

    return 0;
}


int
events_filter_matches(const events_filter_t *filter, const event_t *event)
{
    return (filter->key == NULL
            || apikey_text_equal(event->key, store_text(filter->key)))
           && (filter->type == NULL
               || apikey_text_equal(event->type, store_text(filter->type)));
}


int
events_id_check(const char *id)
{
    char  before[STORE_EVENT_ID];

    return strlen(id) < STORE_EVENT_ID
           && (strcmp(id, "0") == 0 || store_event_id_before(before, id) == 0);
}


static int
events_list(store_t *store, const events_filter_t *filter,
    const char *before, uint64_t limit, json_t *list)
{
    char             id[STORE_EVENT_ID];
    size_t           i, count;
    event_t          event;
    store_events_t   events;

    strcpy(id, before);

    do {
        if (store_events_before(store, &events, id, EVENTS_PAGE)
            != STORE_DONE)
        {
            return -1;
        }

        count = events.count;

        for (i = 0; i < count && json_array_size(list) < limit; i++) {
            event_entry_id(id, reply_at(events.entries, i));

            if (event_read(&event, reply_at(events.entries, i)) == 0
                && events_filter_matches(filter, &event))
            {
                json_array_append_new(list, event_json(&event));
            }
        }

        store_events_free(&events);

    } while (count != 0 && json_array_size(list) < limit);

    return 0;
}
