#include <stdarg.h>
#include <stdio.h>

#include "http.h"


const char *
http_header(const request_t *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND,
                                       name);
}


void
http_add(request_t *request, const char *name, const char *format, ...)
{
    va_list         args;
    http_header_t  *header;

    if (request->header_count == HTTP_HEADERS) {
        return;
    }

    header = &request->headers[request->header_count++];
    header->name = name;

    va_start(args, format);
    vsnprintf(header->value, HTTP_VALUE, format, args);
    va_end(args);
}


unsigned
http_answer(request_t *request, unsigned status, json_t *json)
{
    json_decref(request->answer);

    request->answer = json;
    request->status = status;

    return status;
}


unsigned
http_error(request_t *request, unsigned status, const char *field,
    const char *format, ...)
{
    char      message[COMPLAINT_MESSAGE];
    json_t   *json, *text;
    va_list   args;

    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);

    /* What was cut off, or quoted from Redis, may not be UTF-8. */

    text = json_string(message);

    json = json_object();
    json_object_set_new(json, "statusCode", json_integer(status));
    json_object_set_new(json, "message",
                        text ? text : json_string("this can't be shown"));

    if (field != NULL) {
        json_object_set_new(json, "field", json_string(field));
    }

    if (status == 503) {
        http_add(request, "Retry-After", "1");
    }

    return http_answer(request, status, json);
}
