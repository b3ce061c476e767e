#define _GNU_SOURCE   /* vasprintf, wcwidth */

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "store/memory.h"

#include "output.h"


static void output_complain(const char *format, va_list args);
static char *output_clean(char *text);
static int output_obeyed(uint32_t c);
static unsigned output_char(apikey_text_t text, unsigned *width);
static unsigned output_width(const char *text);
static void output_cell(const char *text, unsigned width, int last);


/* NULL: the standard streams. */
static _Thread_local output_t  *output_captured;


void
output_capture(output_t *output)
{
    if (output != NULL) {
        memset(output, 0, sizeof(output_t));
    }

    output_captured = output;
}


int
output_unread(void)
{
    struct pollfd  output;

    output.fd = STDOUT_FILENO;
    output.events = POLLOUT;

    return poll(&output, 1, 0) == 1 && (output.revents & POLLERR);
}


void
complain(const char *format, ...)
{
    va_list  args;

    va_start(args, format);
    output_complain(format, args);
    va_end(args);
}


void
complain_option(const char *option, const char *value, const char *format,
    ...)
{
    char       why[OUTPUT_MESSAGE];
    va_list    args;
    output_t  *output;

    va_start(args, format);
    vsnprintf(why, sizeof(why), format, args);
    va_end(args);

    output = output_captured;

    if (output == NULL) {
        complain("--%s \"%s\": %s", option, value, why);

    } else if (output->message[0] == '\0') {
        snprintf(output->option, OUTPUT_OPTION, "%s", option);
        complain("\"%s\": %s", value, why);
    }
}


void
complain_absent(const char *what, const char *name)
{
    if (output_captured != NULL && output_captured->message[0] == '\0') {
        output_captured->absent = 1;
        snprintf(output_captured->option, OUTPUT_OPTION, "%s", what);
    }

    complain("there is no %s \"%s\"", what, name);
}


unsigned
text_width(apikey_text_t text)
{
    unsigned  n, width, total;

    for (total = 0; text.len != 0; total += width) {
        n = output_char(text, &width);

        text.data += n;
        text.len -= n;
    }

    return total;
}


void
text_print(apikey_text_t text)
{
    char  *clean;

    if (text.len != 0) {
        clean = output_clean(must(strndup(text.data, text.len)));
        fputs(clean, stdout);
        free(clean);
    }
}


void
table_init(table_t *table, const column_t *columns, unsigned count)
{
    memset(table, 0, sizeof(table_t));

    table->columns = columns;
    table->column_count = count;
}


void
table_add(table_t *table, apikey_text_t text)
{
    if (table->cell_count == table->cell_room) {
        table->cell_room = table->cell_room ? table->cell_room * 2 : 64;
        table->cells = must(realloc(table->cells,
                                    table->cell_room * sizeof(char *)));
    }

    table->cells[table->cell_count++] =
        output_clean(must(text.len ? strndup(text.data, text.len)
                                   : strdup("-")));
}


void
table_print(const table_t *table)
{
    size_t    i;
    unsigned  c, n, width[16];

    n = table->column_count;

    for (c = 0; c < n; c++) {
        width[c] = output_width(table->columns[c].title);
    }

    for (i = 0; i < table->cell_count; i++) {
        if (output_width(table->cells[i]) > width[i % n]) {
            width[i % n] = output_width(table->cells[i]);
        }
    }

    for (c = 0; c < n; c++) {
        if (isatty(STDOUT_FILENO)
            && table->columns[c].width != 0
            && width[c] > table->columns[c].width)
        {
            width[c] = table->columns[c].width;
        }
    }

    for (c = 0; c < n; c++) {
        output_cell(table->columns[c].title, width[c], c == n - 1);
    }

    for (i = 0; i < table->cell_count; i++) {
        output_cell(table->cells[i], width[i % n], i % n == n - 1);
    }
}


void
table_free(table_t *table)
{
    size_t  i;

    for (i = 0; i < table->cell_count; i++) {
        free(table->cells[i]);
    }

    free(table->cells);
}


void
csv_print(apikey_text_t field, int last)
{
    size_t  i;
    int     quoted;

    quoted = 0;

    for (i = 0; i < field.len; i++) {
        if (strchr("\",\r\n", field.data[i]) != NULL) {
            quoted = 1;
        }
    }

    if (quoted) {
        putchar('"');
    }

    for (i = 0; i < field.len; i++) {

        if (field.data[i] == '"') {
            putchar('"');
        }

        putchar(field.data[i]);
    }

    if (quoted) {
        putchar('"');
    }

    fputs(last ? "\r\n" : ",", stdout);
}


void
json_print(json_t *json)
{
    if (output_captured != NULL) {
        json_decref(output_captured->result);
        output_captured->result = json;
        return;
    }

    json_dumpf(json, stdout, JSON_COMPACT|JSON_ENCODE_ANY);
    putchar('\n');
    json_decref(json);
}


json_t *
json_text(apikey_text_t text)
{
    json_t  *json;

    json = text.len ? json_stringn(text.data, text.len) : NULL;

    return json ? json : json_null();
}


json_t *
json_words(apikey_text_t list)
{
    json_t         *array;
    apikey_text_t   word;

    array = json_array();

    for ( ;; ) {
        word = apikey_text_word(&list);

        if (word.len == 0) {
            return array;
        }

        json_array_append_new(array, json_stringn(word.data, word.len));
    }
}


static void
output_complain(const char *format, va_list args)
{
    char  *line;

    if (output_captured != NULL) {

        if (output_captured->message[0] == '\0') {
            vsnprintf(output_captured->message, OUTPUT_MESSAGE, format, args);
        }

        return;
    }

    if (vasprintf(&line, format, args) == -1) {
        fputs("apikey: out of memory\n", stderr);
        return;
    }

    fprintf(stderr, "apikey: %s\n", output_clean(line));
    memory_wipe(line);
}


/* What a terminal would obey, or can't show, becomes question marks. */

static char *
output_clean(char *text)
{
    char           *p;
    unsigned        n;
    uint32_t        c;
    apikey_text_t   rest;

    rest = (apikey_text_t) { text, strlen(text) };

    for (p = text; rest.len != 0; p += n) {
        n = apikey_text_char(rest, &c);

        if (n == 0) {
            n = 1;
            *p = '?';

        } else if (output_obeyed(c)) {
            memset(p, '?', n);
        }

        rest.data += n;
        rest.len -= n;
    }

    return text;
}


/* Controls, and what turns the direction of all that follows in the line. */

static int
output_obeyed(uint32_t c)
{
    return apikey_text_is_control(c)
           || (c >= 0x202a && c <= 0x202e)
           || (c >= 0x2066 && c <= 0x2069);
}


/* The bytes of the first character, and the columns that it takes. */

static unsigned
output_char(apikey_text_t text, unsigned *width)
{
    int       columns;
    unsigned  n;
    uint32_t  c;

    n = apikey_text_char(text, &c);

    if (n == 0) {
        *width = 1;
        return 1;
    }

    if (output_obeyed(c)) {
        *width = n;
        return n;
    }

    /* -1: the C library doesn't know it. */

    columns = wcwidth((wchar_t) c);
    *width = (columns < 0) ? 1 : columns;

    return n;
}


static unsigned
output_width(const char *text)
{
    return text_width((apikey_text_t) { text, strlen(text) });
}


static void
output_cell(const char *text, unsigned width, int last)
{
    unsigned        n, columns, room, shown;
    apikey_text_t   rest;

    rest = (apikey_text_t) { text, strlen(text) };
    room = (text_width(rest) > width) ? width - 1 : width;

    for (shown = 0; rest.len != 0; shown += columns) {
        n = output_char(rest, &columns);

        if (shown + columns > room) {
            fputs("…", stdout);
            shown++;
            break;
        }

        printf("%.*s", (int) n, rest.data);

        rest.data += n;
        rest.len -= n;
    }

    if (last) {
        putchar('\n');
        return;
    }

    printf("%*s", (int) (width - shown) + 2, "");
}
