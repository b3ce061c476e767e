#include <stdlib.h>
#include <string.h>
#include <strings.h>

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


typedef enum {
    ROWS_NO_ARRAY = 0,
    ROWS_IN_ARRAY,
    ROWS_BEHIND_ARRAY
} rows_array_e;


static int rows_block(rows_t *rows);
static int rows_more(rows_t *rows);
static int rows_begin(rows_t *rows);
static void rows_begin_json(rows_t *rows, size_t n);
static void rows_begin_csv(rows_t *rows, size_t n);
static char rows_separator(const char *line, size_t len);
static int rows_end(rows_t *rows);
static int rows_char(rows_t *rows, unsigned char c);
static int rows_line(rows_t *rows, unsigned char c);
static int rows_value(rows_t *rows, unsigned char c);
static int rows_csv(rows_t *rows, unsigned char c);
static int rows_csv_quoted(rows_t *rows, unsigned char c);
static void rows_append(rows_t *rows, unsigned char c);
static void rows_append_plain(rows_t *rows, unsigned char c);
static void rows_field(rows_t *rows);
static size_t rows_blank(const char *text, size_t len);
static int rows_row(rows_t *rows);
static void rows_refuse(rows_t *rows, const char *why);


void
rows_init(rows_t *rows, rows_format_e format, encoding_read_pt read,
    void *data)
{
    memset(rows, 0, sizeof(rows_t));

    rows->format = format;
    rows->separator = ',';
    rows->next = 1;

    encoding_init(&rows->source, read, data);

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

                if (rows_end(rows)) {
                    return 0;
                }

                break;
            }

            c = rows->block[rows->at++];
            rows->next += (c == '\n');

            ended = rows_char(rows, c);
        }

    } while (!rows_row(rows));

    return 1;
}


void
rows_free(rows_t *rows)
{
    memory_wipe(rows->block);
    memory_wipe(rows->text);
    encoding_free(&rows->source);
    memset(rows, 0, sizeof(rows_t));
}


static int
rows_block(rows_t *rows)
{
    int  rc;

    if (!rows->begun) {
        rows->begun = 1;
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

    n = encoding_read(&rows->source, rows->block + rows->end,
                      ROWS_BLOCK - rows->end);

    if (n <= 0) {
        return n;
    }

    rows->end += n;

    return 1;
}


/* What the first line looks like. */

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

        n = rows_blank(rows->block, rows->end);

    } while (rc == 1
             && memchr(rows->block + n, '\n', rows->end - n) == NULL
             && rows->end < ROWS_BLOCK);

    c = (n < rows->end) ? rows->block[n] : '\0';

    if (rows->format == ROWS_ANY) {
        rows->format = (c == '{' || c == '[') ? ROWS_JSON : ROWS_CSV;
    }

    if (rows->format == ROWS_CSV) {
        rows_begin_csv(rows, n);

    } else if (c == '[') {
        rows_begin_json(rows, n);
    }

    return rows->at < rows->end || rc == 1;
}


/* What stands before the first value of an array. */

static void
rows_begin_json(rows_t *rows, size_t n)
{
    while (rows->at <= n) {
        rows->next += (rows->block[rows->at++] == '\n');
    }

    rows->array = ROWS_IN_ARRAY;
    rows->line = rows->next;
}


/* The line "sep=;" is a spreadsheet's own, and no row. */

static void
rows_begin_csv(rows_t *rows, size_t n)
{
    size_t       len;
    const char  *line, *end;

    line = rows->block + n;
    end = memchr(line, '\n', rows->end - n);
    len = (end != NULL) ? (size_t) (end - line) : rows->end - n;

    if (len > 0 && line[len - 1] == '\r') {
        len--;
    }

    if (len != sizeof("sep=;") - 1
        || strncasecmp(line, "sep=", 4) != 0
        || strchr(",;\t|", line[4]) == NULL)
    {
        rows->separator = rows_separator(line, len);
        return;
    }

    rows->separator = line[4];
    end = (end != NULL) ? end + 1 : rows->block + rows->end;

    while (rows->block + rows->at < end) {
        rows->next += (rows->block[rows->at++] == '\n');
    }

    rows->line = rows->next;
}


static char
rows_separator(const char *line, size_t len)
{
    char      best;
    size_t    i, quoted, j;
    unsigned  most, count[3];

    static const char  separators[] = ",;\t";

    memset(count, 0, sizeof(count));
    quoted = 0;

    for (i = 0; i < len; i++) {
        quoted ^= (line[i] == '"');

        for (j = 0; j < 3; j++) {
            count[j] += (!quoted && line[i] == separators[j]);
        }
    }

    best = ',';
    most = 0;

    for (j = 0; j < 3; j++) {
        if (count[j] > most) {
            most = count[j];
            best = separators[j];
        }
    }

    return best;
}


/* Nothing more can be read: was there a row, and is it a whole one? */

static int
rows_end(rows_t *rows)
{
    if (rows->array == ROWS_IN_ARRAY) {
        rows->array = ROWS_BEHIND_ARRAY;
        rows_refuse(rows, "the array isn't closed: is the file whole?");
        return 0;
    }

    if (rows->state == ROWS_BEGUN && rows->count == 0) {
        return 1;
    }

    if (rows->state == ROWS_QUOTED) {
        rows_refuse(rows, "a quote is opened and never closed");
    }

    return 0;
}


/* Returns 1 at the row's end, as do those that it calls. */

static int
rows_char(rows_t *rows, unsigned char c)
{
    if (rows->format == ROWS_CSV) {
        return rows_csv(rows, c);
    }

    return (rows->array == ROWS_IN_ARRAY) ? rows_value(rows, c)
                                          : rows_line(rows, c);
}


/*
 * In an array a value ends at a comma or the array's bracket; newlines are
 * blanks, and the row begins where its first other character is.
 */

static int
rows_value(rows_t *rows, unsigned char c)
{
    if (rows->string) {
        rows->string = (c != '"' || rows->escape);
        rows->escape = (c == '\\' && !rows->escape);

    } else if (rows->depth == 0 && (c == ',' || c == ']')) {
        rows->array = (c == ',') ? ROWS_IN_ARRAY : ROWS_BEHIND_ARRAY;
        return 1;

    } else if (c == '"') {
        rows->string = 1;

    } else if (c == '{' || c == '[') {
        rows->depth++;

    } else if ((c == '}' || c == ']') && rows->depth > 0) {
        rows->depth--;
    }

    if (rows->len == 0 && rows_blank((char *) &c, 1) == 1) {
        rows->line = rows->next;
        return 0;
    }

    rows_append_plain(rows, c);

    return 0;
}


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

    if (c == (unsigned char) rows->separator) {
        rows_field(rows);
        return 0;
    }

    switch (c) {

    case '\n':
        return 1;

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

        if (c == (unsigned char) rows->separator) {
            rows_field(rows);
            return 0;
        }

        switch (c) {

        case '"':
            rows->state = ROWS_QUOTED;
            rows_append(rows, c);
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
