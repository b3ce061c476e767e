#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "rows.h"


#define ROWS_BLOCK  65536


typedef enum {
    ROWS_BEGUN = 0,      /* at the first byte of a field */
    ROWS_PLAIN,
    ROWS_QUOTED,
    ROWS_QUOTE,          /* behind a quote: the end, or half of one */
    ROWS_QUOTE_CR        /* behind the end of a quoted field, and CR */
} rows_state_e;


static int rows_block(rows_t *rows);
static int rows_more(rows_t *rows);
static int rows_begin(rows_t *rows);
static int rows_line(rows_t *rows, unsigned char c);
static int rows_csv(rows_t *rows, unsigned char c);
static int rows_csv_quoted(rows_t *rows, unsigned char c);
static void rows_append(rows_t *rows, unsigned char c);
static void rows_append_plain(rows_t *rows, unsigned char c);
static void rows_field(rows_t *rows);
static size_t rows_blank(const char *text, size_t len);
static int rows_row(rows_t *rows);
static void rows_refuse(rows_t *rows, const char *why);


void
rows_init(rows_t *rows, rows_format_e format, rows_read_pt read, void *data)
{
    memset(rows, 0, sizeof(rows_t));

    rows->format = format;
    rows->read = read;
    rows->data = data;
    rows->next = 1;

    rows->block = must(malloc(ROWS_BLOCK));
    rows->text = must(malloc(ROWS_SIZE));
}


int
rows_next(rows_t *rows)
{
    int            rc, ended;
    unsigned char  c;

    do {
        rows->len = 0;
        rows->count = 0;
        rows->state = ROWS_BEGUN;
        rows->why = NULL;
        rows->line = rows->next;
        ended = 0;

        while (!ended) {
            rc = (rows->at == rows->end) ? rows_block(rows) : 1;

            if (rc == -1) {
                return -1;
            }

            if (rc == 0) {

                if (rows->state == ROWS_BEGUN && rows->count == 0) {
                    return 0;
                }

                if (rows->state == ROWS_QUOTED) {
                    rows_refuse(rows, "a quote is opened and never closed");
                }

                break;
            }

            c = rows->block[rows->at++];
            rows->next += (c == '\n');

            ended = (rows->format == ROWS_CSV) ? rows_csv(rows, c)
                                               : rows_line(rows, c);
        }

    } while (!rows_row(rows));

    return 1;
}


void
rows_free(rows_t *rows)
{
    memory_wipe(rows->block);
    memory_wipe(rows->text);
    memset(rows, 0, sizeof(rows_t));
}


static int
rows_block(rows_t *rows)
{
    int  rc;

    if (rows->taken == 0) {
        rc = rows_begin(rows);

        if (rc != 1 || rows->at < rows->end) {
            return rc;
        }
    }

    rows->at = 0;
    rows->end = 0;

    return rows_more(rows);
}


/* As read(2) answers, but 1 for any number of bytes. */

static int
rows_more(rows_t *rows)
{
    ssize_t  n;

    n = rows->read(rows->data, rows->block + rows->end,
                   ROWS_BLOCK - rows->end);

    if (n <= 0) {
        return n;
    }

    rows->end += n;
    rows->taken += n;

    return 1;
}


/* The byte order mark, and what the first byte behind it looks like. */

static int
rows_begin(rows_t *rows)
{
    int     rc;
    char    c;
    size_t  n;

    do {
        rc = rows_more(rows);

        if (rc == -1) {
            return -1;
        }

        if (rows->at == 0
            && rows->end >= 3
            && memcmp(rows->block, "\xef\xbb\xbf", 3) == 0)
        {
            rows->at = 3;
        }

        n = rows->at + rows_blank(rows->block + rows->at,
                                  rows->end - rows->at);

        /* Less than a mark, or only blanks, tells nothing yet. */

    } while (rc == 1
             && (rows->end < 3 || n == rows->end)
             && rows->end < ROWS_BLOCK);

    c = (n < rows->end) ? rows->block[n] : '\0';

    if (rows->format == ROWS_ANY) {
        rows->format = (c == '{' || c == '[') ? ROWS_JSON : ROWS_CSV;
    }

    return rows->at < rows->end || rc == 1;
}


/* These two return 1 at the row's end. */

static int
rows_line(rows_t *rows, unsigned char c)
{
    if (c == '\n') {
        return 1;
    }

    rows->state = ROWS_PLAIN;
    rows_append(rows, c);

    return 0;
}


static int
rows_csv(rows_t *rows, unsigned char c)
{
    if (rows->state >= ROWS_QUOTED) {
        return rows_csv_quoted(rows, c);
    }

    switch (c) {

    case '\n':
        return 1;

    case ',':
        rows_field(rows);
        return 0;

    case '"':
        if (rows->state == ROWS_BEGUN) {
            rows->state = ROWS_QUOTED;
            return 0;
        }

        rows_refuse(rows, "a quote within a field that isn't quoted");

        /* fall through */

    default:
        rows_append_plain(rows, c);
        return 0;
    }
}


static int
rows_csv_quoted(rows_t *rows, unsigned char c)
{
    if (rows->state == ROWS_QUOTED) {

        if (c == '"') {
            rows->state = ROWS_QUOTE;
        } else {
            rows_append(rows, c);
        }

        return 0;
    }

    if (c == '\n') {
        return 1;
    }

    if (rows->state == ROWS_QUOTE) {

        switch (c) {

        case '"':
            rows->state = ROWS_QUOTED;
            rows_append(rows, c);
            return 0;

        case ',':
            rows_field(rows);
            return 0;

        case '\r':
            rows->state = ROWS_QUOTE_CR;
            return 0;
        }
    }

    rows_refuse(rows, "text behind the closing quote of a field");
    rows_append_plain(rows, c);

    return 0;
}


static void
rows_append(rows_t *rows, unsigned char c)
{
    if (rows->len == ROWS_SIZE) {
        rows_refuse(rows, "longer than 65536 bytes");
        return;
    }

    rows->text[rows->len++] = c;
}


static void
rows_append_plain(rows_t *rows, unsigned char c)
{
    rows->state = ROWS_PLAIN;
    rows_append(rows, c);
}


static void
rows_field(rows_t *rows)
{
    rows->state = ROWS_BEGUN;

    if (rows->count == ROWS_FIELDS - 1) {
        rows_refuse(rows, "more than 64 fields");
        return;
    }

    rows->ends[rows->count++] = rows->len;
}


/* Is it more than an empty line? */

static int
rows_row(rows_t *rows)
{
    size_t  i, begin;

    begin = rows->count ? rows->ends[rows->count - 1] : 0;

    /* The CR of CRLF. */

    if (rows->state == ROWS_PLAIN
        && rows->len > begin
        && rows->text[rows->len - 1] == '\r')
    {
        rows->len--;
    }

    rows->ends[rows->count++] = rows->len;

    for (i = 0, begin = 0; i < rows->count; i++) {
        rows->fields[i].data = rows->text + begin;
        rows->fields[i].len = rows->ends[i] - begin;
        begin = rows->ends[i];
    }

    return rows->why != NULL
           || rows->count > 1
           || rows->state >= ROWS_QUOTED
           || rows_blank(rows->text, rows->len) < rows->len;
}


static size_t
rows_blank(const char *text, size_t len)
{
    size_t  n;

    for (n = 0; n < len; n++) {
        if (text[n] != ' ' && text[n] != '\t'
            && text[n] != '\r' && text[n] != '\n')
        {
            break;
        }
    }

    return n;
}


/* The first reason is the one that helps. */

static void
rows_refuse(rows_t *rows, const char *why)
{
    if (rows->why == NULL) {
        rows->why = why;
    }
}
