#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "store/memory.h"

#include "api.h"
#include "gate.h"
#include "http_server.h"


#define HTTP_BODY_DROPPED  1048576    /* of one that is too large */
#define HTTP_DEPTH         8          /* of JSON */

/* What a header's name may consist of. */
#define HTTP_TOKEN  "!#$%&'*+-.^_`|~0123456789" \
                    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


/* Of these only the first would be seen: whoever came before, another. */
static const char *const  http_once[] = {
    "Authorization", "Content-Length", "Content-Type", "Host",
    "Idempotency-Key", "If-Match", "Origin",
    "Transfer-Encoding", "X-CSRF-Token", "X-Forwarded-For",
    "X-Forwarded-Proto"
};

#define HTTP_ONCE  (sizeof(http_once) / sizeof(char *))


/* For MHD's iterator over the headers. */
typedef struct {
    unsigned       count[HTTP_ONCE];
    const char    *wrong;             /* NULL: none */
} http_headers_t;


/* A request as it comes in. */
typedef struct {
    request_t      request;
    const route_t *route;
    char          *body;
    size_t         len;
    size_t         dropped;
} http_incoming_t;

static http_incoming_t *http_begin(console_t *console,
    struct MHD_Connection *connection, const char *url, const char *method);
static enum MHD_Result http_refuse_headers(request_t *request);
static enum MHD_Result http_check_header(void *data, enum MHD_ValueKind kind,
    const char *name, const char *value);
static int http_is_frame(const char *name);
static void http_hurry(request_t *request, int hurry);
static enum MHD_Result http_receive(http_incoming_t *incoming,
    const char *upload, size_t *upload_size);
static void http_find(http_incoming_t *incoming);
static unsigned http_parse(http_incoming_t *incoming);
static int http_too_deep(const char *text, size_t len);
static enum MHD_Result http_send(request_t *request);
static struct MHD_Response *http_send_asset(request_t *request);


static const struct {
    const char  *name;
    const char  *value;
} http_usual[] = {
    { "Content-Security-Policy",
      "default-src 'none'; script-src 'self'; style-src 'self'; "
      "connect-src 'self'; img-src 'self'; base-uri 'none'; "
      "form-action 'none'; frame-ancestors 'none'; "
      "require-trusted-types-for 'script'; trusted-types 'none'" },
    { "X-Content-Type-Options", "nosniff" },
    { "X-Frame-Options", "DENY" },
    { "Referrer-Policy", "no-referrer" },
    { "Cross-Origin-Opener-Policy", "same-origin" },
    { "Cross-Origin-Resource-Policy", "same-origin" },
    { "Permissions-Policy", "camera=(), geolocation=(), microphone=()" }
};


/*
 * Called with the headers, with each piece of the body, and once it is whole.
 * Whoever may not do what is asked for is told so at the end, too: a connection
 * that is closed on a body may lose the answer.
 */

enum MHD_Result
http_handle(void *console, struct MHD_Connection *connection,
    const char *url, const char *method, const char *version,
    const char *upload, size_t *upload_size, void **data)
{
    request_t        *request;
    http_incoming_t  *incoming;

    (void) version;

    incoming = *data;

    if (incoming == NULL) {
        incoming = http_begin(console, connection, url, method);
        *data = incoming;

        return http_refuse_headers(&incoming->request);
    }

    if (*upload_size != 0) {
        return http_receive(incoming, upload, upload_size);
    }

    request = &incoming->request;

    http_hurry(request, 0);

    if (request->status == 0) {
        http_find(incoming);
    }

    if (request->status == 0 && incoming->route != NULL) {
        (void) http_parse(incoming);
    }

    if (request->status == 0 && incoming->route != NULL) {
        request->status = incoming->route->answer(request);
    }

    return http_send(request);
}


void
http_completed(void *console, struct MHD_Connection *connection,
    void **data, enum MHD_RequestTerminationCode why)
{
    http_incoming_t  *incoming;

    (void) console;
    (void) connection;
    (void) why;

    incoming = *data;

    if (incoming != NULL) {
        http_hurry(&incoming->request, 1);

        json_decref(incoming->request.body);
        json_decref(incoming->request.kept);
        json_decref(incoming->request.answer);
        memory_wipe(incoming->body);
        memory_wipe(incoming);
    }

    *data = NULL;
}


void
http_connection(void *console, struct MHD_Connection *connection,
    void **data, enum MHD_ConnectionNotificationCode what)
{
    connections_t                   *connections;
    const union MHD_ConnectionInfo  *info;

    connections = &((console_t *) console)->connections;

    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        connections_end(connections, *data);
        return;
    }

    info = MHD_get_connection_info(connection,
                                   MHD_CONNECTION_INFO_CONNECTION_FD);
    *data = connections_begin(connections, info->connect_fd);
}


size_t
http_unescape(void *console, struct MHD_Connection *connection, char *text)
{
    (void) console;
    (void) connection;

    return strlen(text);
}


static http_incoming_t *
http_begin(console_t *console, struct MHD_Connection *connection,
    const char *url, const char *method)
{
    request_t        *request;
    http_incoming_t  *incoming;

    incoming = must(calloc(1, sizeof(http_incoming_t)));
    request = &incoming->request;

    request->console = console;
    request->connection = connection;
    request->method = strcmp(method, "HEAD") == 0 ? "GET" : method;
    request->path = url;

    return incoming;
}


/*
 * What a server in front may have understood in another way ends with its
 * connection: nobody knows where the next request begins.
 */

static enum MHD_Result
http_refuse_headers(request_t *request)
{
    const char      *encoding;
    http_headers_t   headers;

    memset(&headers, 0, sizeof(headers));

    (void) MHD_get_connection_values(request->connection, MHD_HEADER_KIND,
                                     http_check_header, &headers);

    encoding = http_header(request, "Transfer-Encoding");

    if (headers.wrong == NULL
        && encoding != NULL
        && (strcasecmp(encoding, "chunked") != 0
            || http_header(request, "Content-Length") != NULL))
    {
        headers.wrong = "Transfer-Encoding";
    }

    if (headers.wrong == NULL) {
        return MHD_YES;
    }

    http_add(request, "Connection", "close");
    (void) http_error(request, 400, headers.wrong,
                      "this header makes the request ambiguous");

    return http_send(request);
}


static enum MHD_Result
http_check_header(void *data, enum MHD_ValueKind kind, const char *name,
    const char *value)
{
    http_headers_t *headers = data;

    size_t  i;

    (void) kind;

    /* "Host :" is another name than "Host:". */

    if (strspn(name, HTTP_TOKEN) != strlen(name)
        || (value != NULL && strchr(value, '\r') != NULL)
        || http_is_frame(name))
    {
        headers->wrong = "header";
    }

    for (i = 0; i < HTTP_ONCE; i++) {
        if (strcasecmp(http_once[i], name) == 0
            && headers->count[i]++ != 0)
        {
            headers->wrong = http_once[i];
        }
    }

    return MHD_YES;
}


/* One of these two, with something behind it: so MHD reads one in two lines. */

static int
http_is_frame(const char *name)
{
    size_t    len;
    unsigned  i;
    static const char *const  frames[] = {
        "Content-Length", "Transfer-Encoding"
    };

    for (i = 0; i < 2; i++) {
        len = strlen(frames[i]);

        if (strncasecmp(frames[i], name, len) == 0 && name[len] != '\0') {
            return 1;
        }
    }

    return 0;
}


/* While it is answered, the client has no haste. */

static void
http_hurry(request_t *request, int hurry)
{
    const union MHD_ConnectionInfo  *info;

    info = MHD_get_connection_info(request->connection,
                                   MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    connections_hurry(&request->console->connections, info->socket_context,
                      hurry);
}


static enum MHD_Result
http_receive(http_incoming_t *incoming, const char *upload,
    size_t *upload_size)
{
    if (incoming->body == NULL) {
        incoming->body = must(malloc(CONSOLE_BODY));
    }

    if (*upload_size > CONSOLE_BODY - incoming->len || incoming->dropped) {
        incoming->dropped += *upload_size;

        if (incoming->dropped > HTTP_BODY_DROPPED) {
            return MHD_NO;
        }

    } else {
        memcpy(incoming->body + incoming->len, upload, *upload_size);
        incoming->len += *upload_size;
    }

    *upload_size = 0;

    return MHD_YES;
}


/* The route or file, if whoever asks may have it. */

static void
http_find(http_incoming_t *incoming)
{
    unsigned     i;
    request_t   *request;
    const char  *path;

    request = &incoming->request;

    if (gate_host(request) != 0) {
        return;
    }

    path = strcmp(request->path, "/") == 0 ? "/index.html" : request->path;

    for (i = 0; i < asset_count; i++) {

        if (strcmp(assets[i].path, path) != 0) {
            continue;
        }

        if (strcmp(request->method, "GET") != 0) {
            http_add(request, "Allow", "GET, HEAD");
            (void) http_error(request, 405, NULL, "Method not allowed");
            return;
        }

        request->asset = &assets[i];
        request->status = 200;
        return;
    }

    incoming->route = api_find(request);

    if (incoming->route != NULL) {
        (void) gate_route(request, incoming->route);
    }
}


static unsigned
http_parse(http_incoming_t *incoming)
{
    request_t     *request;
    json_error_t   error;

    request = &incoming->request;

    if (incoming->dropped) {
        return http_error(request, 413, NULL, "the body is longer than %d "
                          "bytes", CONSOLE_BODY);
    }

    if (incoming->len == 0) {
        return 0;
    }

    if (http_too_deep(incoming->body, incoming->len)) {
        return http_error(request, 400, NULL, "the body isn't JSON, or nested "
                          "too deeply");
    }

    request->body = json_loadb(incoming->body, incoming->len,
                               JSON_REJECT_DUPLICATES, &error);

    if (request->body == NULL) {
        return http_error(request, 400, NULL, "the body isn't JSON: %s",
                          error.text);
    }

    if (!json_is_object(request->body)) {
        return http_error(request, 400, NULL, "the body isn't an object");
    }

    return 0;
}


/* Before it is parsed, which takes stack. */

static int
http_too_deep(const char *text, size_t len)
{
    int     quoted;
    size_t  i, depth;

    quoted = 0;
    depth = 0;

    for (i = 0; i < len; i++) {

        if (quoted && text[i] == '\\') {
            i++;

        } else if (text[i] == '"') {
            quoted = !quoted;

        } else if (!quoted && (text[i] == '{' || text[i] == '[')) {

            if (++depth > HTTP_DEPTH) {
                return 1;
            }

        } else if (!quoted
                   && (text[i] == '}' || text[i] == ']')
                   && depth-- == 0)
        {
            return 1;
        }
    }

    return 0;
}


static enum MHD_Result
http_send(request_t *request)
{
    char                 *text;
    unsigned              i;
    enum MHD_Result       rc;
    struct MHD_Response  *response;

    if (request->asset != NULL) {
        response = http_send_asset(request);

    } else if (request->stream != NULL) {
        response = request->stream;
        http_add(request, "Cache-Control", "no-store");

    } else {
        text = must(request->answer
                    ? json_dumps(request->answer, JSON_COMPACT) : strdup(""));

        response = must(MHD_create_response_from_buffer_with_free_callback(
                            strlen(text), text, memory_wipe));

        if (request->answer != NULL) {
            http_add(request, "Content-Type", "application/json");
        }

        http_add(request, "Cache-Control", "no-store");
    }

    for (i = 0; i < sizeof(http_usual) / sizeof(http_usual[0]); i++) {
        (void) MHD_add_response_header(response, http_usual[i].name,
                                       http_usual[i].value);
    }

    for (i = 0; i < request->header_count; i++) {
        (void) MHD_add_response_header(response, request->headers[i].name,
                                       request->headers[i].value);
    }

    http_hurry(request, request->stream == NULL);

    rc = MHD_queue_response(request->connection, request->status, response);
    MHD_destroy_response(response);

    return rc;
}


static struct MHD_Response *
http_send_asset(request_t *request)
{
    const char           *known;
    const asset_t        *asset;
    struct MHD_Response  *response;

    asset = request->asset;
    known = http_header(request, "If-None-Match");

    if (known != NULL && strcmp(known, asset->etag) == 0) {
        request->status = 304;
        response = MHD_create_response_from_buffer(0, NULL,
                                                   MHD_RESPMEM_PERSISTENT);
    } else {
        response = MHD_create_response_from_buffer(asset->len,
                                                   (void *) asset->data,
                                                   MHD_RESPMEM_PERSISTENT);
        http_add(request, "Content-Type", "%s", asset->type);
    }

    http_add(request, "ETag", "%s", asset->etag);
    http_add(request, "Cache-Control", "no-cache");

    return must(response);
}
