#ifndef APIKEY_OUTPUT_H
#define APIKEY_OUTPUT_H

/* Tables for people, JSON and CSV for programs. */

#include <jansson.h>

#include "core/record.h"


typedef struct {
    const char  *title;
    unsigned     width;    /* on a terminal no wider; 0: as needed */
} column_t;


typedef struct {
    const column_t  *columns;
    unsigned         column_count;
    char           **cells;
    size_t           cell_count;
    size_t           cell_room;
} table_t;


#define OUTPUT_MESSAGE  512
#define OUTPUT_OPTION   32


/* What a command has said, in place of printing it. */
typedef struct {
    json_t    *result;                     /* NULL: nothing */
    char       message[OUTPUT_MESSAGE];    /* the first complaint */
    char       option[OUTPUT_OPTION];      /* what its value is of, or "" */
    unsigned   absent:1;                   /* what was asked for isn't there */
} output_t;


/*
 * From now on what this thread prints as JSON and complains of goes there, or,
 * with NULL, to the standard streams again.
 */
void output_capture(output_t *output);

/* Is standard output a pipe that nobody reads any more? */
int output_unread(void);

/* A line on standard error: "apikey: ...". */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The value of an option is wrong. */
void complain_option(const char *option, const char *value,
    const char *format, ...) __attribute__((format(printf, 3, 4)));

/* There is no key, template... of that name. */
void complain_absent(const char *what, const char *name);

/*
 * For people: what isn't UTF-8, or a character that a terminal would obey, is
 * shown as "?", as it is in complaints and tables.
 */
void text_print(apikey_text_t text);

/* The columns of a terminal that text_print() takes. */
unsigned text_width(apikey_text_t text);

void table_init(table_t *table, const column_t *columns, unsigned count);
/* The next cell; empty text is shown as "-". */
void table_add(table_t *table, apikey_text_t text);
void table_print(const table_t *table);
void table_free(table_t *table);

/* A field of CSV, in quotes where it needs them; the last ends the record. */
void csv_print(apikey_text_t field, int last);

/* Prints one value and a newline, and frees it. */
void json_print(json_t *json);

/* A text that is absent, or isn't UTF-8, is null. */
json_t *json_text(apikey_text_t text);

/* The words of a list, as an array. */
json_t *json_words(apikey_text_t list);


#endif /* APIKEY_OUTPUT_H */
