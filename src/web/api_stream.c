/*
 * Events as they come, as server-sent events.  A stream has the thread of its
 * connection and a connection to Redis of its own; it ends with the session
 * that asked for it, with the server, or when the client has gone.
 */

#define _GNU_SOURCE   /* POLLRDHUP */

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "store/memory.h"

#include "api.h"
#include "api_events.h"
#include "worker.h"


#define STREAM_PAGE   100         /* events read at once */
#define STREAM_WAIT   1000        /* milliseconds; then it looks around */
#define STREAM_ALIVE  15000000    /* microseconds of silence */


typedef struct {
    console_t        *console;
    token_t          *token;                  /* whose it is */
    worker_t         *worker;
    int               fd;                     /* of the client */
    char              id[STORE_EVENT_ID];     /* of the latest event */
    char              session[SESSION_TEXT];  /* "": a bearer's */
    char             *key;                    /* of the filter */
    char             *type;

    char             *text;                   /* to be sent */
    size_t            len;
    size_t            sent;
    uint64_t          said;                   /* when, microseconds */
} stream_t;


static int stream_room(console_t *console, token_t *token);
static stream_t *stream_make(request_t *request, token_t *token,
    const events_filter_t *filter, const char *last);
static ssize_t stream_read(void *data, uint64_t pos, char *buf, size_t max);
static int stream_wanted(const stream_t *stream, int wait);
static void stream_next(stream_t *stream);
static int stream_begin(stream_t *stream);
static void stream_events(stream_t *stream, const store_events_t *events);
static void stream_say(stream_t *stream, const char *text);
static void stream_free(void *data);


unsigned
api_stream(request_t *request)
{
    int               rc;
    stream_t         *stream;
    token_t          *token;
    console_t        *console;
    const char       *last;
    events_filter_t   filter;

    console = request->console;

    if (http_query_check(request, "key type") != 0
        || events_filter_given(request, &filter) != 0)
    {
        return request->status;
    }

    last = http_header(request, "Last-Event-ID");

    if (last == NULL) {
        last = "";
    }

    if (*last != '\0' && !events_id_check(last)) {
        return http_error(request, 400, "Last-Event-ID",
                          "not an event's id");
    }

    token = &console->tokens.list[request->token->number];

    if (!stream_room(console, token)) {
        http_add(request, "Retry-After", "15");
        return http_error(request, 429, NULL, "too many streams of events");
    }

    stream = stream_make(request, token, &filter, last);

    /* What happens from now on, not from when it is read first. */

    rc = worker_open(console, stream->worker);

    if (rc == 0 && stream->id[0] == '\0') {
        rc = stream_begin(stream);
    }

    if (rc != 0) {
        (void) worker_failed(request, stream->worker);
        store_close(&stream->worker->store);
        stream_free(stream);
        return request->status;
    }

    stream_say(stream, "retry: 2000\n\n");

    request->stream = must(MHD_create_response_from_callback(
                               MHD_SIZE_UNKNOWN, 16384, stream_read, stream,
                               stream_free));

    http_add(request, "Content-Type", "text/event-stream");
    http_add(request, "X-Accel-Buffering", "no");

    return 200;
}


/* Then it is taken; nobody may have them all. */

static int
stream_room(console_t *console, token_t *token)
{
    if (atomic_fetch_add(&console->streams, 1) < CONSOLE_STREAMS) {

        if (atomic_fetch_add(&token->streams, 1) < CONSOLE_STREAMS_OWN) {
            return 1;
        }

        atomic_fetch_sub(&token->streams, 1);
    }

    atomic_fetch_sub(&console->streams, 1);

    return 0;
}


static stream_t *
stream_make(request_t *request, token_t *token,
    const events_filter_t *filter, const char *last)
{
    stream_t                        *stream;
    const union MHD_ConnectionInfo  *info;

    stream = must(calloc(1, sizeof(stream_t)));

    stream->console = request->console;
    stream->token = token;
    stream->worker = worker_take(request->console);
    stream->key = filter->key ? must(strdup(filter->key)) : NULL;
    stream->type = filter->type ? must(strdup(filter->type)) : NULL;

    strcpy(stream->id, last);

    info = MHD_get_connection_info(request->connection,
                                   MHD_CONNECTION_INFO_CONNECTION_FD);
    stream->fd = info->connect_fd;

    if (request->session != NULL) {
        snprintf(stream->session, SESSION_TEXT, "%s", request->session);
    }

    return stream;
}


/* Called by MHD for more, and may wait. */

static ssize_t
stream_read(void *data, uint64_t pos, char *buf, size_t max)
{
    stream_t *stream = data;

    size_t  len;

    (void) pos;

    while (stream->sent == stream->len) {

        if (!stream_wanted(stream, 0)) {
            return MHD_CONTENT_READER_END_OF_STREAM;
        }

        stream_next(stream);
    }

    len = stream->len - stream->sent;

    if (len > max) {
        len = max;
    }

    memcpy(buf, stream->text + stream->sent, len);
    stream->sent += len;
    stream->said = redis_clock();

    return len;
}


/* Waits at most so many milliseconds for the client to go. */

static int
stream_wanted(const stream_t *stream, int wait)
{
    struct pollfd  pfd;

    pfd.fd = stream->fd;
    pfd.events = POLLRDHUP;

    return poll(&pfd, 1, wait) <= 0
           && !atomic_load(&stream->console->stopping)
           && (stream->session[0] == '\0'
               || sessions_find(&stream->console->sessions, stream->session,
                                0)
                  != NULL);
}


/* Waits for events, and says what there is to say. */

static void
stream_next(stream_t *stream)
{
    store_t         *store;
    store_events_t   events;

    store = &stream->worker->store;

    if ((!store->opened && worker_open(stream->console, stream->worker) != 0)
        || store_events_after(store, &events, stream->id, STREAM_PAGE,
                              STREAM_WAIT)
           != STORE_DONE)
    {
        /* Redis is away: what happens meanwhile isn't lost. */

        store_close(store);
        (void) stream_wanted(stream, STREAM_WAIT);

    } else {
        stream_events(stream, &events);
        store_events_free(&events);
    }

    if (stream->sent == stream->len
        && redis_clock() - stream->said > STREAM_ALIVE)
    {
        stream_say(stream, ":\n\n");
    }
}


/* Behind which event: the latest there is. */

static int
stream_begin(stream_t *stream)
{
    store_events_t  events;

    if (store_events_before(&stream->worker->store, &events, "+", 1)
        != STORE_DONE)
    {
        return -1;
    }

    strcpy(stream->id, "0");

    if (events.count != 0) {
        event_entry_id(stream->id, reply_at(events.entries, 0));
    }

    store_events_free(&events);

    return 0;
}


static void
stream_events(stream_t *stream, const store_events_t *events)
{
    char              *text;
    size_t             i;
    json_t            *json;
    event_t            event;
    events_filter_t    filter;

    filter.key = stream->key;
    filter.type = stream->type;

    for (i = 0; i < events->count; i++) {
        event_entry_id(stream->id, reply_at(events->entries, i));

        if (event_read(&event, reply_at(events->entries, i)) != 0
            || !events_filter_matches(&filter, &event))
        {
            continue;
        }

        json = event_json(&event);
        text = must(json_dumps(json, JSON_COMPACT));
        json_decref(json);

        stream_say(stream, "id: ");
        stream_say(stream, stream->id);
        stream_say(stream, "\ndata: ");
        stream_say(stream, text);
        stream_say(stream, "\n\n");

        memory_wipe(text);
    }
}


static void
stream_say(stream_t *stream, const char *text)
{
    size_t  len;

    if (stream->sent == stream->len) {
        stream->sent = 0;
        stream->len = 0;
    }

    len = strlen(text);

    stream->text = must(realloc(stream->text, stream->len + len));
    memcpy(stream->text + stream->len, text, len);
    stream->len += len;
}


static void
stream_free(void *data)
{
    stream_t *stream = data;

    token_t    *token;
    console_t  *console;

    token = stream->token;
    console = stream->console;

    worker_give(console, stream->worker, 0);

    free(stream->key);
    free(stream->type);
    free(stream->text);
    sodium_memzero(stream, sizeof(stream_t));
    free(stream);

    atomic_fetch_sub(&token->streams, 1);
    atomic_fetch_sub(&console->streams, 1);
}
