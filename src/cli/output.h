#ifndef APIKEY_OUTPUT_H
#define APIKEY_OUTPUT_H

/* Tables for people, JSON and CSV for programs. */

#include <jansson.h>

#include "core/text.h"

#include "store/complain.h"


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


/* What a command has said, in place of printing it. */
typedef struct {
    json_t       *result;       /* NULL: nothing */
    complaint_t   complaint;
} output_t;


/*
 * From now on what this thread prints as JSON and complains of goes there, or,
 * with NULL, to the standard streams again.
 */
void output_capture(output_t *output);

/* Is standard output a pipe that nobody reads any more? */
int output_unread(void);

void table_init(table_t *table, const column_t *columns, unsigned count);
/* The next cell; empty text is shown as "-". */
void table_add(table_t *table, apikey_text_t text);
void table_print(const table_t *table);
void table_free(table_t *table);

/* A field of CSV, in quotes where it needs them; the last ends the record. */
void csv_print(apikey_text_t field, int last);

/* Prints one value and a newline, and frees it. */
void json_print(json_t *json);


#endif /* APIKEY_OUTPUT_H */
