#ifndef APIKEY_DOCUMENT_H
#define APIKEY_DOCUMENT_H

/*
 * A YAML or JSON file as a tree that knows its lines.  A file of several
 * documents (of YAML, or one JSON value behind another) has them as children of
 * its root.  Aliases are refused: what is repeated by them has no line.
 */

#include "core/text.h"

#define DOCUMENT_DEPTH  64
#define DOCUMENT_WHY    120


typedef enum {
    DOCUMENT_NULL = 0,
    DOCUMENT_TEXT,         /* numbers and booleans, too */
    DOCUMENT_LIST,
    DOCUMENT_MAP
} document_kind_e;


typedef struct document_node_s  document_node_t;

struct document_node_s {
    document_node_t  *next;      /* in the same list or map */
    document_node_t  *first;
    document_node_t  *last;
    apikey_text_t     name;      /* of a map's member */
    apikey_text_t     text;      /* a zero follows */
    document_kind_e   kind;
    unsigned          line;      /* from 1 */
};


typedef struct document_chunk_s  document_chunk_t;

typedef struct {
    document_chunk_t  *chunks;
    document_node_t   *root;       /* a list */
    unsigned           line;       /* of what is wrong */
    char               why[DOCUMENT_WHY];
} document_t;


/*
 * Changes the text.  Returns APIKEY_OK, or APIKEY_INVALID, why and its line;
 * document_free() is needed after both.
 */
int document_parse(document_t *document, char *text, size_t len);

/*
 * Appends a node, which its list has let go of, to the list of that name in the
 * map.  The name is a constant.
 */
void document_move(document_t *document, document_node_t *map,
    const char *name, document_node_t *node);

/* Wipes what was read. */
void document_free(document_t *document);

/*
 * Of a node or NULL, what is absent or null being the same.  Members and texts
 * that aren't there are NULL and of length 0.
 */
const document_node_t *document_get(const document_node_t *map,
    const char *name);
const document_node_t *document_first(const document_node_t *node);
apikey_text_t document_text(const document_node_t *node);
apikey_text_t document_get_text(const document_node_t *map, const char *name);

/* A finite number: APIKEY_OK or APIKEY_INVALID. */
int document_number(const document_node_t *node, double *number);

/* Is it there, and true? */
int document_true(const document_node_t *node);


#endif /* APIKEY_DOCUMENT_H */
