#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store_call.h"
#include "store_events.h"


static store_rc_e store_events_read(store_t *store, store_events_t *events,
    const apikey_text_t *argv, unsigned argc);
static int store_event_id_parse(const char *id, uint64_t *ms, uint64_t *seq);


void
store_event_add(store_t *store, const apikey_field_t *fields, unsigned count)
{
    unsigned       i, n;
    reply_t       *reply;
    store_name_t   name;
    apikey_text_t  argv[6 + 2 * STORE_EVENT_FIELDS];

    store_name_events(store, &name);

    n = 0;
    argv[n++] = store_text("XADD");
    argv[n++] = name.text;
    argv[n++] = store_text("MAXLEN");
    argv[n++] = store_text("~");
    argv[n++] = store_text(STORE_EVENTS_MAX);
    argv[n++] = store_text("*");

    for (i = 0; i < count && i < STORE_EVENT_FIELDS; i++) {
        if (fields[i].value.len != 0) {
            argv[n++] = fields[i].name;
            argv[n++] = fields[i].value;
        }
    }

    reply = store_command(store, argv, n);

    if (reply != NULL) {
        reply_free(reply);
    } else {
        store_missed(store, "its event");
    }
}


store_rc_e
store_events_after(store_t *store, store_events_t *events, const char *id,
    unsigned count, unsigned wait)
{
    char            number[16], ms[16];
    unsigned        n;
    store_rc_e      rc;
    store_name_t    name;
    apikey_text_t   argv[8];

    store_name_events(store, &name);

    n = 0;
    argv[n++] = store_text("XREAD");

    argv[n++] = store_text("COUNT");
    snprintf(number, sizeof(number), "%u", count);
    argv[n++] = store_text(number);

    if (wait != 0) {
        argv[n++] = store_text("BLOCK");
        snprintf(ms, sizeof(ms), "%u", wait);
        argv[n++] = store_text(ms);
    }

    argv[n++] = store_text("STREAMS");
    argv[n++] = name.text;
    argv[n++] = store_text(id);

    rc = store_events_read(store, events, argv, n);

    /* What comes is nil, or a list of one: the stream's name and its events. */

    if (rc == STORE_DONE) {
        events->entries = reply_at(reply_at(events->reply, 0), 1);
        events->count = reply_count(events->entries);
    }

    return rc;
}


store_rc_e
store_events_before(store_t *store, store_events_t *events, const char *id,
    unsigned count)
{
    char            last[STORE_EVENT_ID], number[16];
    store_name_t    name;
    apikey_text_t   argv[6];

    /* Exclusive ranges came with Redis 6.2. */

    if (store_event_id_before(last, id) != 0) {
        snprintf(last, sizeof(last), "+");
    }

    store_name_events(store, &name);

    argv[0] = store_text("XREVRANGE");
    argv[1] = name.text;
    argv[2] = store_text(last);
    argv[3] = store_text("-");
    argv[4] = store_text("COUNT");
    snprintf(number, sizeof(number), "%u", count);
    argv[5] = store_text(number);

    return store_events_read(store, events, argv, 6);
}


void
store_events_free(store_events_t *events)
{
    if (events->reply != NULL) {
        reply_free(events->reply);
        events->reply = NULL;
    }

    events->count = 0;
}


store_rc_e
store_webhook_read(store_t *store, const char *name, char id[STORE_EVENT_ID])
{
    store_rc_e     rc;
    reply_t       *reply;
    store_name_t   webhooks;
    apikey_text_t  argv[3];

    store_name_webhooks(store, &webhooks);

    argv[0] = store_text("HGET");
    argv[1] = webhooks.text;
    argv[2] = store_text(name);

    reply = store_command(store, argv, 3);

    if (reply == NULL) {
        return STORE_FAILED;
    }

    rc = STORE_ABSENT;

    if (reply_text(reply).data != NULL) {
        snprintf(id, STORE_EVENT_ID, "%s", reply_text(reply).data);
        rc = STORE_DONE;
    }

    reply_free(reply);

    return rc;
}


store_rc_e
store_webhook_write(store_t *store, const char *name, const char *id)
{
    reply_t       *reply;
    store_name_t   webhooks;
    apikey_text_t  argv[4];

    store_name_webhooks(store, &webhooks);

    argv[0] = store_text("HSET");
    argv[1] = webhooks.text;
    argv[2] = store_text(name);
    argv[3] = store_text(id);

    reply = store_command(store, argv, 4);

    if (reply == NULL) {
        return STORE_FAILED;
    }

    reply_free(reply);

    return STORE_DONE;
}


int
store_event_id_compare(const char *one, const char *two)
{
    uint64_t  ms[2], seq[2];

    if (store_event_id_parse(one, &ms[0], &seq[0]) != 0
        || store_event_id_parse(two, &ms[1], &seq[1]) != 0)
    {
        return 0;
    }

    if (ms[0] != ms[1]) {
        return (ms[0] < ms[1]) ? -1 : 1;
    }

    return (seq[0] > seq[1]) - (seq[0] < seq[1]);
}


int
store_event_id_before(char out[STORE_EVENT_ID], const char *id)
{
    uint64_t  ms, seq;

    if (store_event_id_parse(id, &ms, &seq) != 0) {
        return -1;
    }

    if (seq != 0) {
        seq--;

    } else if (ms != 0) {
        ms--;
        seq = UINT64_MAX;
    }

    snprintf(out, STORE_EVENT_ID, "%" PRIu64 "-%" PRIu64, ms, seq);

    return 0;
}


static store_rc_e
store_events_read(store_t *store, store_events_t *events,
    const apikey_text_t *argv, unsigned argc)
{
    memset(events, 0, sizeof(store_events_t));

    events->reply = store_command(store, argv, argc);

    if (events->reply == NULL) {
        return STORE_FAILED;
    }

    events->entries = events->reply;
    events->count = reply_count(events->reply);

    return STORE_DONE;
}


static int
store_event_id_parse(const char *id, uint64_t *ms, uint64_t *seq)
{
    size_t       len;
    const char  *dash;

    dash = strchr(id, '-');
    len = dash ? (size_t) (dash - id) : strlen(id);
    *seq = 0;

    if (apikey_text_number((apikey_text_t) { id, len }, UINT64_MAX, ms)
        != APIKEY_OK)
    {
        return -1;
    }

    if (dash != NULL
        && apikey_text_number(store_text(dash + 1), UINT64_MAX, seq)
           != APIKEY_OK)
    {
        return -1;
    }

    return 0;
}
