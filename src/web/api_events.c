/* Events that have happened, the newest first. */

#include <string.h>

#include "api.h"
#include "api_command.h"
#include "api_events.h"


#define EVENTS_LIMIT      100
#define EVENTS_LIMIT_MAX  1000
#define EVENTS_PAGE       1000    /* read at once */


static int events_list(cli_t *cli, const events_filter_t *filter,
    const char *before, uint64_t limit, json_t *list);


unsigned
api_events(request_t *request)
{
    int                rc;
    cli_t             *cli;
    json_t            *list;
    output_t           output;
    uint64_t           limit;
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
    cli = api_worker_take(request->console);

    output_capture(&output);
    rc = events_list(cli, &filter, before ? before : "+", limit, list);
    output_capture(NULL);

    api_worker_give(request->console, cli, rc);

    if (rc != CLI_DONE) {
        json_decref(list);
        return http_error(request, 503, NULL, "%s", output.complaint.message);
    }

    return http_answer(request, 200, json_pack("{s:o}", "events", list));
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
events_list(cli_t *cli, const events_filter_t *filter, const char *before,
    uint64_t limit, json_t *list)
{
    int              rc;
    char             id[STORE_EVENT_ID];
    size_t           i, count;
    event_t          event;
    store_events_t   events;

    rc = cli_open(cli);

    if (rc != CLI_DONE) {
        return rc;
    }

    strcpy(id, before);

    do {
        if (store_events_before(&cli->store, &events, id, EVENTS_PAGE)
            != STORE_DONE)
        {
            return cli_failed(cli);
        }

        count = events.count;

        for (i = 0; i < count && json_array_size(list) < limit; i++) {
            event_entry_id(id, events.entries[i]);

            if (event_read(&event, events.entries[i]) == 0
                && events_filter_matches(filter, &event))
            {
                json_array_append_new(list, event_json(&event));
            }
        }

        store_events_free(&events);

    } while (count != 0 && json_array_size(list) < limit);

    return CLI_DONE;
}
