/* events: what has happened, and what happens. */

#include <stdio.h>
#include <string.h>

#include "store/dates.h"
#include "store/terminal.h"

#include "events_webhook.h"


#define EVENTS_SHOWN  100       /* unless said otherwise */
#define EVENTS_PAGE   1000
#define EVENTS_MAX    1000000


typedef struct {
    cli_t       *cli;
    char         since[STORE_EVENT_ID];    /* what comes after it */
    uint64_t     count;                    /* 0: of as many as there are */
    int          counted;
    int          follow;
    uint64_t     printed;
    webhook_t   *webhook;                  /* NULL: they are printed */
} events_t;


static int events_given(events_t *events);
static int events_given_webhook(const options_t *options);
static int events_since(events_t *events, const char *value);
static int events_begin(events_t *events, char id[STORE_EVENT_ID]);
static int events_begin_page(events_t *events, const store_events_t *page,
    uint64_t *found, char id[STORE_EVENT_ID]);
static int events_match(const events_t *events, const event_t *event);
static int events_print(void *data, const event_t *event);
static void events_line(const event_t *event);
static void events_line_header(void);
static void events_cell(apikey_text_t text, unsigned width);
static int events_send(cli_t *cli, events_t *events);
static int events_send_one(void *data, const event_t *event);


int
command_events(cli_t *cli)
{
    int        rc;
    char       id[STORE_EVENT_ID];
    events_t   events;

    memset(&events, 0, sizeof(events));
    events.cli = cli;

    if ((rc = cli_operands(cli, 0, 0, NULL)) != CLI_DONE
        || (rc = cli_open(cli)) != CLI_DONE
        || (rc = events_given(&events)) != CLI_DONE)
    {
        return rc;
    }

    if (options_value(cli->options, "webhook") != NULL) {
        return events_send(cli, &events);
    }

    if (events.follow) {
        follow_signals();
        follow_reader();
    }

    if ((rc = events_begin(&events, id)) != CLI_DONE
        || (rc = follow_events(cli, id, events.follow, events_print, &events))
           != CLI_DONE)
    {
        return rc;
    }

    if (events.printed == 0 && !events.follow && !cli->json) {
        complain("no events");
    }

    return CLI_DONE;
}


static int
events_given(events_t *events)
{
    unsigned            i;
    const char         *value;
    const options_t    *options;

    options = events->cli->options;

    events->follow = (options_value(options, "follow") != NULL);
    events->count = EVENTS_SHOWN;
    strcpy(events->since, "0");

    i = 0;

    while ((value = options_next(options, "type", &i)) != NULL) {
        if (!event_type_known(value)) {
            complain_option("type", value, "no such type of events");
            return CLI_USAGE;
        }
    }

    value = options_value(options, "count");
    events->counted = (value != NULL
                       || options_value(options, "since") == NULL);

    if (value != NULL
        && apikey_text_number(store_text(value), EVENTS_MAX, &events->count)
           != APIKEY_OK)
    {
        complain_option("count", value, "not a whole number up to a million");
        return CLI_USAGE;
    }

    if (events_given_webhook(options) != CLI_DONE) {
        return CLI_USAGE;
    }

    value = options_value(options, "since");

    return value ? events_since(events, value) : CLI_DONE;
}


static int
events_given_webhook(const options_t *options)
{
    unsigned                  i;
    static const char *const  only[] = {
        "webhook-secret-file", "webhook-name", "webhook-timeout", "webhook-ca"
    };

    if (options_value(options, "webhook") != NULL) {

        if (options_value(options, "count") != NULL) {
            complain("--webhook sends all events: leave out --count");
            return CLI_USAGE;
        }

        return CLI_DONE;
    }

    for (i = 0; i < sizeof(only) / sizeof(char *); i++) {

        if (options_value(options, only[i]) != NULL) {
            complain("--%s needs --webhook", only[i]);
            return CLI_USAGE;
        }
    }

    return CLI_DONE;
}


/* "24h" ago, a date, Unix seconds, or the id of an event. */

static int
events_since(events_t *events, const char *value)
{
    char       id[STORE_EVENT_ID];
    uint64_t   now;
    moment_t   moment;

    now = cli_now(events->cli);

    if (dates_parse(value, &moment) == 0) {

        if (moment.relative) {
            moment.seconds = (moment.seconds < now) ? now - moment.seconds : 0;
        }

        snprintf(id, sizeof(id), "%llu-0",
                 (unsigned long long) moment.seconds * 1000);

        return store_event_id_before(events->since, id) ? CLI_USAGE
                                                        : CLI_DONE;
    }

    if (strlen(value) < sizeof(events->since)
        && store_event_id_before(id, value) == 0)
    {
        strcpy(events->since, value);
        return CLI_DONE;
    }

    complain_option("since", value, "not like 24h, 2030-01-31, "
                    "2030-01-31T12:00:00Z, Unix seconds, or an event's id");

    return CLI_USAGE;
}


/* Behind which id those events are that are asked for. */

static int
events_begin(events_t *events, char id[STORE_EVENT_ID])
{
    int              more;
    char             before[STORE_EVENT_ID];
    uint64_t         found;
    store_events_t   page;

    strcpy(id, events->since);

    if (!events->counted) {
        return CLI_DONE;
    }

    strcpy(before, "+");
    found = 0;

    do {
        if (store_events_before(&events->cli->store, &page, before,
                                events->count ? EVENTS_PAGE : 1)
            != STORE_DONE)
        {
            return cli_failed(events->cli);
        }

        more = events_begin_page(events, &page, &found, id);

        if (page.count != 0) {
            event_entry_id(before, reply_at(page.entries, page.count - 1));
        }

        store_events_free(&page);

    } while (more);

    return CLI_DONE;
}


/* From the newest to the oldest; 1: not found yet, and there may be more. */

static int
events_begin_page(events_t *events, const store_events_t *page,
    uint64_t *found, char id[STORE_EVENT_ID])
{
    char      at[STORE_EVENT_ID];
    size_t    i;
    event_t   event;

    for (i = 0; i < page->count; i++) {
        event_entry_id(at, reply_at(page->entries, i));

        if (store_event_id_compare(at, events->since) <= 0) {
            return 0;
        }

        if (events->count == 0) {
            strcpy(id, at);
            return 0;
        }

        if (event_read(&event, reply_at(page->entries, i)) == 0
            && events_match(events, &event)
            && ++*found == events->count)
        {
            (void) store_event_id_before(id, at);
            return 0;
        }
    }

    return page->count != 0;
}


static int
events_match(const events_t *events, const event_t *event)
{
    unsigned            i;
    const char         *value;
    const options_t    *options;

    options = events->cli->options;
    value = options_value(options, "id");

    if (value != NULL && !apikey_text_equal(event->key, store_text(value))) {
        return 0;
    }

    i = 0;
    value = options_next(options, "type", &i);

    if (value == NULL) {
        return 1;
    }

    do {
        if (apikey_text_equal(event->type, store_text(value))) {
            return 1;
        }

        value = options_next(options, "type", &i);
    } while (value != NULL);

    return 0;
}


static int
events_print(void *data, const event_t *event)
{
    events_t *events = data;

    if (!events_match(events, event)) {
        return CLI_DONE;
    }

    /* What has come since the listing began isn't asked for. */

    if (events->counted
        && !events->follow
        && events->printed == events->count)
    {
        return CLI_DONE;
    }

    if (events->cli->json) {
        json_print(event_json(event));

    } else {
        if (events->printed == 0) {
            events_line_header();
        }

        events_line(event);
    }

    events->printed++;

    /* Nobody reads any more: main_finish() tells. */

    return (fflush(stdout) == 0) ? CLI_DONE : CLI_REFUSED;
}


static void
events_line(const event_t *event)
{
    char       time[DATES_SIZE];
    unsigned   i;

    dates_format(time, event->time);
    printf("%s  ", time);

    events_cell(event->type, 15);
    events_cell(event->key, 16);
    events_cell(event->name, 20);
    events_cell(event->actor, 10);

    for (i = 0; i < event->count; i++) {
        if (i != 0) {
            putchar(' ');
        }

        text_print(event->details[i].name);
        putchar('=');
        text_print(event->details[i].value);
    }

    puts(event->count ? "" : "-");
}


static void
events_line_header(void)
{
    printf("%-19s  %-15s  %-16s  %-20s  %-10s  %s\n", "TIME", "TYPE", "KEY",
           "NAME", "ACTOR", "DETAIL");
}


/* Never cut: what is wider moves the rest of its line. */

static void
events_cell(apikey_text_t text, unsigned width)
{
    unsigned  shown;

    if (text.len == 0) {
        text = store_text("-");
    }

    shown = text_width(text);

    text_print(text);
    printf("%*s", (int) (shown < width ? width - shown : 0) + 2, "");
}


static int
events_send(cli_t *cli, events_t *events)
{
    int       rc;
    char      id[STORE_EVENT_ID];
    uint64_t  sent;

    follow_signals();

    rc = webhook_open(&events->webhook, cli, events->follow,
                      options_value(cli->options, "since") ? events->since
                                                           : "", id);
    if (rc != CLI_DONE) {
        goto done;
    }

    rc = follow_events(cli, id, events->follow, events_send_one, events);

    if (follow_stopped()) {
        rc = CLI_DONE;
    }

    sent = webhook_sent(events->webhook);

    if (cli->json) {
        json_print(json_pack("{s:I}", "sent", (json_int_t) sent));
    } else {
        printf("%llu sent\n", (unsigned long long) sent);
    }

done:

    webhook_close(events->webhook);

    return rc;
}


static int
events_send_one(void *data, const event_t *event)
{
    events_t *events = data;

    if (events_match(events, event)) {
        return webhook_send(events->webhook, event);
    }

    webhook_skip(events->webhook, event);

    return CLI_DONE;
}
