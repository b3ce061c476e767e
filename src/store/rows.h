#ifndef APIKEY_STORE_ROWS_H
#define APIKEY_STORE_ROWS_H

/*
 * The rows of a file that is read once, in a bounded piece of memory: lines of
 * JSON, the values of a JSON array, or records of CSV as RFC 4180 has it
 * (quotes, CRLF or LF, commas and newlines in quoted fields).  Fields of CSV
 * are separated by a comma, a semicolon or a tab: by the character that a line
 * "sep=;" before the first row names, else by that of which the first row has
 * most.
 *
 * Where quotes are wrong, it isn't known where a field ends; such a row is
 * refused, and what is read next is still judged by the quotes.  So nobody
 * whose text stands in a field can make a row of his own out of it.
 */

#include <stddef.h>
#include <stdint.h>

#include "core/text.h"

#include "encoding.h"


#define ROWS_FIELDS  64
#define ROWS_SIZE    65536     /* of a row */


typedef enum {
    ROWS_ANY = 0,      /* what the first byte looks like */
    ROWS_JSON,
    ROWS_CSV
} rows_format_e;


typedef struct {
    encoding_t       source;
    rows_format_e    format;     /* known after the first row */
    char             separator;  /* of CSV */

    char            *block;      /* what was read and isn't yet looked at */
    size_t           at;
    size_t           end;

    unsigned         array;      /* a rows_array_e */
    unsigned         depth;      /* within a value of an array */
    unsigned         string:1;
    unsigned         escape:1;
    unsigned         begun:1;

    char            *text;       /* the row's fields, one after another */
    size_t           len;
    size_t           ends[ROWS_FIELDS];
    unsigned         state;

    unsigned         line;       /* where the row begins, from 1 */
    unsigned         next;       /* where the next one does */
    apikey_text_t    fields[ROWS_FIELDS];   /* of JSON one: the value */
    unsigned         count;
    const char      *why;        /* the row is refused; NULL: it isn't */
} rows_t;


void rows_init(rows_t *rows, rows_format_e format, encoding_read_pt read,
    void *data);

/* 1: the next row that isn't empty, 0: there is none, -1: read() failed. */
int rows_next(rows_t *rows);

/* Wipes what was read. */
void rows_free(rows_t *rows);


#endif /* APIKEY_STORE_ROWS_H */
