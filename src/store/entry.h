#ifndef APIKEY_STORE_ENTRY_H
#define APIKEY_STORE_ENTRY_H

/*
 * A key as a row of an import tells of it: "key" or "digest", and attributes
 * by their names; what only a listing has ("last_used") is passed by.
 */

#include "core/token.h"

#include "attributes.h"
#include "rows.h"


#define ENTRY_WHY  160


/* What the fields of a CSV row are. */
typedef struct {
    unsigned         field[ROWS_FIELDS];
    unsigned         count;
    unsigned         skip:1;       /* pass by columns of an unknown name */
} entry_columns_t;


/* The caller frees the attributes and wipes the token. */
typedef struct {
    attributes_t     attributes;
    uint32_t         given;        /* attributes in the row, a bit each */
    char             token[APIKEY_TOKEN_MAX];
    size_t           token_len;    /* 0: there is a digest */
    unsigned char    digest[APIKEY_DIGEST_SIZE];
    unsigned         hashed:1;
    char             why[ENTRY_WHY];    /* never shows a key */
} entry_t;


/*
 * All of these return APIKEY_OK, or APIKEY_INVALID and why.  The first row of
 * CSV is read by entry_columns(): names in any case, with blanks, hyphens or
 * underscores between their words.
 */
int entry_columns(entry_columns_t *columns, const rows_t *row,
    char why[ENTRY_WHY]);
int entry_csv(entry_t *entry, const entry_columns_t *columns,
    const rows_t *row);
int entry_json(entry_t *entry, const rows_t *row, int skip);

/*
 * A field by its name, one by one: into an entry that was all zero at first.
 * Lists may be given piece by piece; empty text is absent.
 */
int entry_set(entry_t *entry, const char *name, apikey_text_t text);

/* Is that all that a key needs?  Closes what entry_set() has begun. */
int entry_finish(entry_t *entry);


#endif /* APIKEY_STORE_ENTRY_H */
