#ifndef APIKEY_OUTPUT_H
#define APIKEY_OUTPUT_H

/* Tables for people, JSON for programs. */

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


/* A line on standard error: "apikey: ...". */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

void table_init(table_t *table, const column_t *columns, unsigned count);
/* The next cell; empty text is shown as "-". */
void table_add(table_t *table, apikey_text_t text);
void table_print(const table_t *table);
void table_free(table_t *table);

/* Prints one value and a newline, and frees it. */
void json_print(json_t *json);

/* An absent text is null. */
json_t *json_text(apikey_text_t text);

/* The words of a list, as an array. */
json_t *json_words(apikey_text_t list);


#endif /* APIKEY_OUTPUT_H */
