#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/memory.h"
#include "store/terminal.h"

#include "output.h"


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

    complain_capture(output ? &output->complaint : NULL);
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
        text_clean(must(text.len ? strndup(text.data, text.len)
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
        n = text_char(rest, &columns);

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
