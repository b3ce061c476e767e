#define _GNU_SOURCE   /* vasprintf */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/memory.h"

#include "http.h"


/* For MHD's iterator over a query. */
typedef struct {
    request_t     *request;
    const char    *names;
    const char    *wrong;
} http_names_t;


static enum MHD_Result http_check_name(void *data, enum MHD_ValueKind kind,
    const char *name, const char *value);
static int http_hex(char c);


const char *
http_query(request_t *request, const char *name)
{
    const char  *value;

    value = MHD_lookup_connection_value(request->connection,
                                        MHD_GET_ARGUMENT_KIND, name);

    return value ? http_decode(request, value, strlen(value)) : NULL;
}


unsigned
http_query_check(request_t *request, const char *names)
{
    http_names_t  known;

    known.request = request;
    known.names = names;
    known.wrong = NULL;

    (void) MHD_get_connection_values(request->connection,
                                     MHD_GET_ARGUMENT_KIND, http_check_name,
                                     &known);

    return known.wrong ? http_error(request, 400, known.wrong,
                                    "this parameter is unknown or can't be "
                                    "decoded")
                       : 0;
}


unsigned
http_query_number(request_t *request, const char *name, uint64_t min,
    uint64_t max, uint64_t *value)
{
    const char  *text;

    text = http_query(request, name);

    if (text == NULL) {
        return 0;
    }

    if (apikey_text_number(store_text(text), max, value) != APIKEY_OK
        || *value < min)
    {
        return http_error(request, 400, name,
                          "not a number from %llu to %llu",
                          (unsigned long long) min, (unsigned long long) max);
    }

    return 0;
}


const char *
http_keep(request_t *request, const char *format, ...)
{
    char     *text;
    json_t   *string;
    va_list   args;

    va_start(args, format);

    if (vasprintf(&text, format, args) == -1) {
        text = must(NULL);
    }

    va_end(args);

    string = json_string(text);
    memory_wipe(text);

    if (string == NULL) {
        return NULL;
    }

    if (request->kept == NULL) {
        request->kept = json_array();
    }

    json_array_append_new(request->kept, string);

    return json_string_value(string);
}


const char *
http_decode(request_t *request, const char *text, size_t len)
{
    int          high, low;
    char        *decoded, *p;
    size_t       i;
    const char  *kept;

    decoded = must(malloc(len + 1));
    p = decoded;

    for (i = 0; i < len; i++) {

        if (text[i] != '%') {
            *p++ = text[i];
            continue;
        }

        high = (len - i > 2) ? http_hex(text[i + 1]) : -1;
        low = (len - i > 2) ? http_hex(text[i + 2]) : -1;

        if (high == -1 || low == -1 || (high == 0 && low == 0)) {
            free(decoded);
            return NULL;
        }

        *p++ = high * 16 + low;
        i += 2;
    }

    *p = '\0';
    kept = http_keep(request, "%s", decoded);
    memory_wipe(decoded);

    return kept;
}


const char *
http_segment(request_t *request, unsigned n)
{
    const char  *p;

    p = request->path + 1;

    while (n-- > 0) {
        p += strcspn(p, "/");
        p += (*p == '/');
    }

    return http_decode(request, p, strcspn(p, "/"));
}


static enum MHD_Result
http_check_name(void *data, enum MHD_ValueKind kind, const char *name,
    const char *value)
{
    http_names_t *known = data;

    apikey_text_t  list, word, given;

    (void) kind;

    list = store_text(known->names);
    given = store_text(name);

    do {
        word = apikey_text_word(&list);
    } while (word.len != 0 && !apikey_text_equal(word, given));

    if (word.len == 0
        || value == NULL
        || http_decode(known->request, value, strlen(value)) == NULL)
    {
        known->wrong = http_decode(known->request, name, strlen(name));

        if (known->wrong == NULL) {
            known->wrong = "";
        }

        return MHD_NO;
    }

    return MHD_YES;
}


static int
http_hex(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    c |= 0x20;

    return (c >= 'a' && c <= 'f') ? c - 'a' + 10 : -1;
}
