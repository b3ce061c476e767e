#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <sodium.h>
#include <yaml.h>

#include "document.h"
#include "memory.h"


#define DOCUMENT_CHUNK  65536


struct document_chunk_s {
    document_chunk_t  *next;
    size_t             used;
    size_t             size;
    _Alignas(16) char  data[];
};


/* Where the next node belongs to. */
typedef struct {
    document_t       *document;
    document_node_t  *stack[DOCUMENT_DEPTH];
    unsigned          depth;
    apikey_text_t     name;      /* of a map's next member; data NULL: none */
    unsigned          line;      /* before the first one of this piece */
} document_builder_t;


static int document_piece(document_t *document, const char *text, size_t len,
    unsigned line);
static int document_event(document_builder_t *builder,
    const yaml_event_t *event);
static int document_open(document_builder_t *builder,
    const yaml_event_t *event, document_kind_e kind);
static int document_scalar(document_builder_t *builder,
    const yaml_event_t *event);
static document_node_t *document_add(document_builder_t *builder,
    const yaml_event_t *event, document_kind_e kind);
static void document_append(document_node_t *parent, document_node_t *node);
static void document_wipe(yaml_parser_t *parser);
static size_t document_json_end(const char *text, size_t len);
static size_t document_join(char *text, size_t len);
static int document_surrogate(const char *text, size_t len, uint32_t *unit);
static void *document_take(document_t *document, size_t size);
static apikey_text_t document_copy(document_t *document, const void *data,
    size_t len);
static int document_is_null(const yaml_event_t *event);
static int document_refuse(document_t *document, unsigned line,
    const char *why);


int
document_parse(document_t *document, char *text, size_t len)
{
    size_t    i, n;
    unsigned  line;

    memset(document, 0, sizeof(document_t));

    document->root = document_take(document, sizeof(document_node_t));
    document->root->kind = DOCUMENT_LIST;

    for (i = 0; i < len && isspace((unsigned char) text[i]); i++) {
        /* void */
    }

    if (i == len || (text[i] != '{' && text[i] != '[')) {
        return document_piece(document, text, len, 0);
    }

    len = document_join(text, len);
    line = 0;
    i = 0;

    while (i < len) {

        if (isspace((unsigned char) text[i])) {
            line += (text[i++] == '\n');
            continue;
        }

        n = document_json_end(text + i, len - i);

        if (document_piece(document, text + i, n, line) != APIKEY_OK) {
            return APIKEY_INVALID;
        }

        for ( /* void */ ; n > 0; n--) {
            line += (text[i++] == '\n');
        }
    }

    return APIKEY_OK;
}


/* One JSON value, or a file of YAML, which begins behind that line. */

static int
document_piece(document_t *document, const char *text, size_t len,
    unsigned line)
{
    int                  rc, ended;
    yaml_event_t         event;
    yaml_parser_t        parser;
    document_builder_t   builder;

    memset(&builder, 0, sizeof(builder));

    builder.document = document;
    builder.stack[builder.depth++] = document->root;
    builder.line = line;

    if (!yaml_parser_initialize(&parser)) {
        return document_refuse(document, line + 1, "out of memory");
    }

    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *) text, len);

    rc = APIKEY_OK;

    for (ended = 0; rc == APIKEY_OK && !ended; /* void */ ) {

        if (!yaml_parser_parse(&parser, &event)) {
            rc = document_refuse(document,
                                 line + parser.problem_mark.line + 1,
                                 parser.problem ? parser.problem
                                                : "can't be read");
            break;
        }

        ended = (event.type == YAML_STREAM_END_EVENT);
        rc = document_event(&builder, &event);

        if (event.type == YAML_SCALAR_EVENT) {
            sodium_memzero(event.data.scalar.value, event.data.scalar.length);
        }

        yaml_event_delete(&event);
    }

    document_wipe(&parser);
    yaml_parser_delete(&parser);

    return rc;
}


static int
document_event(document_builder_t *builder, const yaml_event_t *event)
{
    switch (event->type) {

    case YAML_ALIAS_EVENT:
        return document_refuse(builder->document,
                               builder->line + event->start_mark.line + 1,
                               "an alias of YAML: write it out");

    case YAML_SCALAR_EVENT:
        return document_scalar(builder, event);

    case YAML_SEQUENCE_START_EVENT:
        return document_open(builder, event, DOCUMENT_LIST);

    case YAML_MAPPING_START_EVENT:
        return document_open(builder, event, DOCUMENT_MAP);

    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        builder->depth--;
        return APIKEY_OK;

    default:
        return APIKEY_OK;
    }
}


static int
document_open(document_builder_t *builder, const yaml_event_t *event,
    document_kind_e kind)
{
    unsigned          line;
    document_node_t  *parent, *node;

    line = builder->line + event->start_mark.line + 1;
    parent = builder->stack[builder->depth - 1];

    if (builder->depth == DOCUMENT_DEPTH) {
        return document_refuse(builder->document, line, "too deep");
    }

    if (parent->kind == DOCUMENT_MAP && builder->name.data == NULL) {
        return document_refuse(builder->document, line,
                               "a name that isn't a text");
    }

    node = document_add(builder, event, kind);
    builder->stack[builder->depth++] = node;

    return APIKEY_OK;
}


static int
document_scalar(document_builder_t *builder, const yaml_event_t *event)
{
    document_node_t  *parent, *node;

    parent = builder->stack[builder->depth - 1];

    if (parent->kind == DOCUMENT_MAP && builder->name.data == NULL) {
        builder->name = document_copy(builder->document,
                                      event->data.scalar.value,
                                      event->data.scalar.length);
        return APIKEY_OK;
    }

    if (document_is_null(event)) {
        (void) document_add(builder, event, DOCUMENT_NULL);
        return APIKEY_OK;
    }

    node = document_add(builder, event, DOCUMENT_TEXT);
    node->text = document_copy(builder->document, event->data.scalar.value,
                               event->data.scalar.length);
    return APIKEY_OK;
}


static document_node_t *
document_add(document_builder_t *builder, const yaml_event_t *event,
    document_kind_e kind)
{
    document_node_t  *parent, *node;

    parent = builder->stack[builder->depth - 1];
    node = document_take(builder->document, sizeof(document_node_t));

    node->kind = kind;
    node->line = builder->line + event->start_mark.line + 1;
    node->name = builder->name;
    builder->name = (apikey_text_t) { NULL, 0 };

    document_append(parent, node);

    return node;
}


static void
document_append(document_node_t *parent, document_node_t *node)
{
    node->next = NULL;

    if (parent->last != NULL) {
        parent->last->next = node;
    } else {
        parent->first = node;
    }

    parent->last = node;
}


/* libyaml knows nothing of secrets. */

static void
document_wipe(yaml_parser_t *parser)
{
    if (parser->buffer.start != NULL) {
        sodium_memzero(parser->buffer.start,
                       parser->buffer.end - parser->buffer.start);
    }

    if (parser->raw_buffer.start != NULL) {
        sodium_memzero(parser->raw_buffer.start,
                       parser->raw_buffer.end - parser->raw_buffer.start);
    }
}


/* The bytes of the value that the text begins with. */

static size_t
document_json_end(const char *text, size_t len)
{
    int       string;
    size_t    i;
    unsigned  depth;

    string = 0;
    depth = 0;

    for (i = 0; i < len; i++) {

        if (string) {

            if (text[i] == '\\') {
                i++;
            } else {
                string = (text[i] != '"');
            }

            continue;
        }

        switch (text[i]) {

        case '"':
            string = 1;
            break;

        case '{':
        case '[':
            depth++;
            break;

        case '}':
        case ']':
            depth -= (depth > 0);

            if (depth == 0) {
                return i + 1;
            }

            break;

        case '\n':
            if (depth == 0) {
                return i;
            }
        }
    }

    return len;
}


/*
 * JSON writes characters past U+FFFF as two escapes, which YAML doesn't know:
 * both become one of YAML's, which is shorter.  Returns the new length.
 */

static size_t
document_join(char *text, size_t len)
{
    char      escape[sizeof("\\U0010FFFF")];
    size_t    i, n;
    uint32_t  high, low;

    n = 0;

    for (i = 0; i < len; /* void */ ) {

        if (text[i] != '\\') {
            text[n++] = text[i++];
            continue;
        }

        if (document_surrogate(text + i, len - i, &high)
            && document_surrogate(text + i + 6, len - i - 6, &low)
            && high < 0xdc00 && low >= 0xdc00)
        {
            snprintf(escape, sizeof(escape), "\\U%08X",
                     0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
            memcpy(text + n, escape, 10);
            n += 10;
            i += 12;
            continue;
        }

        text[n++] = text[i++];

        if (i < len) {
            text[n++] = text[i++];
        }
    }

    return n;
}


/* "\uD83D" */

static int
document_surrogate(const char *text, size_t len, uint32_t *unit)
{
    char    digits[5];
    size_t  i;

    if (len < 6 || text[0] != '\\' || text[1] != 'u') {
        return 0;
    }

    memcpy(digits, text + 2, 4);
    digits[4] = '\0';

    for (i = 0; i < 4; i++) {
        if (!isxdigit((unsigned char) digits[i])) {
            return 0;
        }
    }

    *unit = strtoul(digits, NULL, 16);

    return *unit >= 0xd800 && *unit < 0xe000;
}


void
document_move(document_t *document, document_node_t *map, const char *name,
    document_node_t *node)
{
    document_node_t  *list;

    for (list = map->first; list != NULL; list = list->next) {
        if (list->kind == DOCUMENT_LIST
            && list->name.len == strlen(name)
            && memcmp(list->name.data, name, list->name.len) == 0)
        {
            break;
        }
    }

    if (list == NULL) {
        list = document_take(document, sizeof(document_node_t));
        list->kind = DOCUMENT_LIST;
        list->name = (apikey_text_t) { name, strlen(name) };
        list->line = node->line;

        document_append(map, list);
    }

    document_append(list, node);
}


void
document_free(document_t *document)
{
    document_chunk_t  *chunk;

    while ((chunk = document->chunks) != NULL) {
        document->chunks = chunk->next;
        memory_wipe(chunk);
    }

    document->root = NULL;
}


const document_node_t *
document_get(const document_node_t *map, const char *name)
{
    size_t                  len;
    const document_node_t  *node;

    if (map == NULL || map->kind != DOCUMENT_MAP) {
        return NULL;
    }

    len = strlen(name);

    for (node = map->first; node != NULL; node = node->next) {
        if (node->kind != DOCUMENT_NULL
            && node->name.len == len
            && memcmp(node->name.data, name, len) == 0)
        {
            return node;
        }
    }

    return NULL;
}


const document_node_t *
document_first(const document_node_t *node)
{
    return (node != NULL) ? node->first : NULL;
}


apikey_text_t
document_text(const document_node_t *node)
{
    return (node != NULL) ? node->text : (apikey_text_t) { NULL, 0 };
}


apikey_text_t
document_get_text(const document_node_t *map, const char *name)
{
    return document_text(document_get(map, name));
}


int
document_number(const document_node_t *node, double *number)
{
    char           *end;
    apikey_text_t   text;

    text = document_text(node);

    if (text.len == 0) {
        return APIKEY_INVALID;
    }

    *number = strtod(text.data, &end);

    return (end == text.data + text.len && isfinite(*number))
           ? APIKEY_OK : APIKEY_INVALID;
}


int
document_true(const document_node_t *node)
{
    apikey_text_t  text;

    text = document_text(node);

    return text.len == 4 && strncasecmp(text.data, "true", 4) == 0;
}


/* All zero, and of the document's life. */

static void *
document_take(document_t *document, size_t size)
{
    size_t             room;
    document_chunk_t  *chunk;

    size = (size + 15) & ~(size_t) 15;
    chunk = document->chunks;

    if (chunk == NULL || chunk->size - chunk->used < size) {
        room = (size < DOCUMENT_CHUNK) ? DOCUMENT_CHUNK : size;

        chunk = must(calloc(1, sizeof(document_chunk_t) + room));
        chunk->size = room;
        chunk->next = document->chunks;
        document->chunks = chunk;
    }

    chunk->used += size;

    return chunk->data + chunk->used - size;
}


static apikey_text_t
document_copy(document_t *document, const void *data, size_t len)
{
    char  *p;

    p = document_take(document, len + 1);
    memcpy(p, data, len);

    return (apikey_text_t) { p, len };
}


static int
document_is_null(const yaml_event_t *event)
{
    const char  *value;

    if (event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE) {
        return 0;
    }

    value = (const char *) event->data.scalar.value;

    return strcmp(value, "") == 0
           || strcmp(value, "~") == 0
           || strcasecmp(value, "null") == 0;
}


static int
document_refuse(document_t *document, unsigned line, const char *why)
{
    document->line = line;
    snprintf(document->why, sizeof(document->why), "%s", why);

    return APIKEY_INVALID;
}
