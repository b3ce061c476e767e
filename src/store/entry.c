#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "dates.h"
#include "entry.h"


/* Fields besides the attributes. */
#define ENTRY_KEY      ATTRIBUTE_COUNT
#define ENTRY_DIGEST   (ATTRIBUTE_COUNT + 1)
#define ENTRY_IGNORED  (ATTRIBUTE_COUNT + 2)
#define ENTRY_UNKNOWN  (ATTRIBUTE_COUNT + 3)

#define ENTRY_SHOWN    40


static unsigned entry_column(apikey_text_t text);
static int entry_columns_known(const entry_columns_t *columns,
    const rows_t *row, char why[ENTRY_WHY]);
static unsigned entry_field(const char *name);
static int entry_value(entry_t *entry, unsigned field, json_t *value);
static int entry_text(entry_t *entry, unsigned field, apikey_text_t text);
static int entry_time(entry_t *entry, attribute_e attribute,
    apikey_text_t text, const char **why);
static int entry_hash(entry_t *entry, unsigned field, apikey_text_t text);
static int entry_is_mangled(apikey_text_t text);
static size_t entry_digits(apikey_text_t text, size_t i);
static apikey_text_t entry_trim(apikey_text_t text);
static const char *entry_name(unsigned field);
static const char *entry_shown(char out[ENTRY_SHOWN + 1], apikey_text_t name);
static int entry_refuse(char why[ENTRY_WHY], const char *format, ...)
    __attribute__((format(printf, 2, 3)));


int
entry_columns(entry_columns_t *columns, const rows_t *row,
    char why[ENTRY_WHY])
{
    unsigned  i, j, hashed;

    columns->count = row->count;
    hashed = 0;

    for (i = 0; i < row->count; i++) {
        columns->field[i] = entry_column(row->fields[i]);
        hashed |= (columns->field[i] == ENTRY_KEY
                   || columns->field[i] == ENTRY_DIGEST);
    }

    /* It may be a line of keys, then: none of it is shown. */

    if (!hashed) {
        return entry_refuse(why, "the first line names no column \"key\" or "
                            "\"digest\"");
    }

    if (entry_columns_known(columns, row, why) != APIKEY_OK) {
        return APIKEY_INVALID;
    }

    for (i = 0; i < row->count; i++) {

        if (columns->field[i] == ENTRY_UNKNOWN) {
            columns->field[i] = ENTRY_IGNORED;
        }

        for (j = 0; j < i; j++) {
            if (columns->field[i] == columns->field[j]
                && columns->field[i] != ENTRY_IGNORED)
            {
                return entry_refuse(why, "column \"%s\": is there twice",
                                    entry_name(columns->field[i]));
            }
        }
    }

    return APIKEY_OK;
}


int
entry_csv(entry_t *entry, const entry_columns_t *columns, const rows_t *row)
{
    int            rc;
    unsigned       i;
    apikey_text_t  text;

    memset(entry, 0, sizeof(entry_t));

    if (row->count != columns->count) {
        return entry_refuse(entry->why, "%u %s, but %u %s",
                            row->count, row->count == 1 ? "field" : "fields",
                            columns->count,
                            columns->count == 1 ? "column" : "columns");
    }

    for (i = 0; i < row->count; i++) {
        text = row->fields[i];

        if (columns->field[i] != ATTRIBUTE_NAME) {
            text = entry_trim(text);
        }

        rc = entry_text(entry, columns->field[i], text);

        if (rc != APIKEY_OK) {
            return rc;
        }
    }

    return entry_finish(entry);
}


int
entry_json(entry_t *entry, const rows_t *row, int skip)
{
    int            rc;
    char           shown[ENTRY_SHOWN + 1];
    json_t        *json, *value;
    unsigned       field;
    const char    *name;
    json_error_t   error;

    memset(entry, 0, sizeof(entry_t));

    json = json_loadb(row->fields[0].data, row->fields[0].len,
                      JSON_REJECT_DUPLICATES, &error);

    /* The parser's own message may quote the key. */

    if (json == NULL) {
        return entry_refuse(entry->why, "not JSON, at column %d",
                            error.column);
    }

    rc = APIKEY_OK;

    if (!json_is_object(json)) {
        rc = entry_refuse(entry->why, "not a JSON object");

    } else if (json_object_get(json, "key") == NULL
               && json_object_get(json, "digest") == NULL)
    {
        /* The names of its members may be keys: none is shown. */

        rc = entry_finish(entry);

    } else {

        json_object_foreach(json, name, value) {
            field = entry_field(name);

            if (field == ENTRY_UNKNOWN && skip) {
                continue;
            }

            rc = (field == ENTRY_UNKNOWN)
                 ? entry_refuse(entry->why, "%s: no such field",
                                entry_shown(shown,
                                            (apikey_text_t) { name,
                                                              strlen(name) }))
                 : entry_value(entry, field, value);

            if (rc != APIKEY_OK) {
                break;
            }
        }

        if (rc == APIKEY_OK) {
            rc = entry_finish(entry);
        }
    }

    json_decref(json);

    return rc;
}


int
entry_set(entry_t *entry, const char *name, apikey_text_t text)
{
    return entry_text(entry, entry_field(name), text);
}


int
entry_finish(entry_t *entry)
{
    if (!entry->hashed && entry->token_len == 0) {
        return entry_refuse(entry->why, "neither a key nor a digest");
    }

    if (!attributes_lives(&entry->attributes)) {
        return entry_refuse(entry->why, "expires is not after not_before");
    }

    return APIKEY_OK;
}


static unsigned
entry_column(apikey_text_t text)
{
    char    name[ENTRY_SHOWN + 1];
    size_t  i;

    text = entry_trim(text);

    if (text.len > ENTRY_SHOWN) {
        return ENTRY_UNKNOWN;
    }

    for (i = 0; i < text.len; i++) {
        name[i] = (text.data[i] == ' ' || text.data[i] == '-')
                  ? '_' : tolower((unsigned char) text.data[i]);
    }

    name[i] = '\0';

    return entry_field(name);
}


/* Refuses them all together, so that a file is mended at once. */

static int
entry_columns_known(const entry_columns_t *columns, const rows_t *row,
    char why[ENTRY_WHY])
{
    char      list[ENTRY_WHY], name[ENTRY_SHOWN + 1];
    size_t    len;
    unsigned  i, unknown;

    len = 0;
    unknown = 0;

    for (i = 0; i < row->count && !columns->skip; i++) {

        if (columns->field[i] != ENTRY_UNKNOWN) {
            continue;
        }

        unknown++;

        if (len < sizeof(list)) {
            len += snprintf(list + len, sizeof(list) - len, "%s\"%s\"",
                            unknown > 1 ? ", " : "",
                            entry_shown(name, row->fields[i]));
        }
    }

    if (unknown == 0) {
        return APIKEY_OK;
    }

    return entry_refuse(why, "column%s %.*s: no such field%s",
                        unknown > 1 ? "s" : "", ENTRY_WHY - 40, list,
                        unknown > 1 ? "s" : "");
}


static unsigned
entry_field(const char *name)
{
    unsigned     field;

    for (field = ENTRY_KEY; field <= ENTRY_DIGEST; field++) {
        if (strcmp(name, entry_name(field)) == 0) {
            return field;
        }
    }

    if (strcmp(name, "last_used") == 0 || strcmp(name, "last_address") == 0) {
        return ENTRY_IGNORED;
    }

    field = attribute_find(name);

    return (field == ATTRIBUTE_COUNT) ? ENTRY_UNKNOWN : field;
}


static int
entry_value(entry_t *entry, unsigned field, json_t *value)
{
    int      rc;
    char     number[32];
    size_t   i;
    json_t  *word;

    if (json_is_null(value) || field == ENTRY_IGNORED) {
        return APIKEY_OK;
    }

    if (json_is_string(value)) {
        return entry_text(entry, field,
                          (apikey_text_t) { json_string_value(value),
                                            json_string_length(value) });
    }

    if (json_is_integer(value)
        && field < ATTRIBUTE_COUNT
        && attribute_is_time(field))
    {
        i = snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT,
                     json_integer_value(value));
        return entry_text(entry, field, (apikey_text_t) { number, i });
    }

    if (!json_is_array(value)
        || (field != ATTRIBUTE_SCOPES && field != ATTRIBUTE_ALLOW))
    {
        return entry_refuse(entry->why, "%s: not a value of its kind",
                            entry_name(field));
    }

    rc = APIKEY_OK;

    json_array_foreach(value, i, word) {

        if (!json_is_string(word)) {
            return entry_refuse(entry->why, "%s: not a list of texts",
                                entry_name(field));
        }

        rc = entry_text(entry, field,
                        (apikey_text_t) { json_string_value(word),
                                          json_string_length(word) });
        if (rc != APIKEY_OK) {
            break;
        }
    }

    return rc;
}


/* A field of any format; lists may be given piece by piece. */

static int
entry_text(entry_t *entry, unsigned field, apikey_text_t text)
{
    int           rc;
    const char   *why;

    if (text.len == 0 || field == ENTRY_IGNORED) {
        return APIKEY_OK;
    }

    if (field == ENTRY_KEY || field == ENTRY_DIGEST) {
        return entry_hash(entry, field, text);
    }

    if (field == ATTRIBUTE_SCOPES || field == ATTRIBUTE_ALLOW) {
        rc = attributes_add(&entry->attributes, field, text, &why);

    } else if (attribute_is_time(field)) {
        rc = entry_time(entry, field, text, &why);

    } else {
        rc = attributes_set(&entry->attributes, field, text, &why);
    }

    if (rc != APIKEY_OK) {
        return entry_refuse(entry->why, "%s: %s", entry_name(field), why);
    }

    entry->given |= (uint32_t) 1 << field;

    return APIKEY_OK;
}


static int
entry_time(entry_t *entry, attribute_e attribute, apikey_text_t text,
    const char **why)
{
    char      date[64];
    moment_t  moment;

    *why = "neither Unix seconds nor a date";

    if (text.len >= sizeof(date) || memchr(text.data, '\0', text.len)) {
        return APIKEY_INVALID;
    }

    memcpy(date, text.data, text.len);
    date[text.len] = '\0';

    if (dates_parse(date, &moment) != 0 || moment.relative) {
        return APIKEY_INVALID;
    }

    return attributes_set_time(&entry->attributes, attribute, moment.seconds,
                               why);
}


static int
entry_hash(entry_t *entry, unsigned field, apikey_text_t text)
{
    if (entry->hashed || entry->token_len != 0) {
        return entry_refuse(entry->why, "both a key and a digest");
    }

    if (field == ENTRY_DIGEST) {

        if (apikey_digest_parse(entry->digest, text) != APIKEY_OK) {
            return entry_refuse(entry->why,
                                "digest: not 64 hexadecimal digits");
        }

        entry->hashed = 1;
        return APIKEY_OK;
    }

    if (entry_is_mangled(text)) {
        return entry_refuse(entry->why, "key: was shortened by a spreadsheet: "
                            "make its column text there");
    }

    if (apikey_token_check(text) != APIKEY_OK) {
        return entry_refuse(entry->why, "key: not 1 to %d printable "
                            "characters without space and comma",
                            APIKEY_TOKEN_MAX);
    }

    memcpy(entry->token, text.data, text.len);
    entry->token_len = text.len;

    return APIKEY_OK;
}


/* "1.23E+15", or "####" of a column that was too narrow. */

static int
entry_is_mangled(apikey_text_t text)
{
    size_t  i;

    for (i = 0; i < text.len && text.data[i] == '#'; i++) {
        /* void */
    }

    if (i == text.len && i > 2) {
        return 1;
    }

    i = entry_digits(text, 0);

    if (i > 0 && i < text.len
        && (text.data[i] == '.' || text.data[i] == ','))
    {
        i = entry_digits(text, i + 1);
    }

    return i > 0
           && i + 2 < text.len
           && (text.data[i] == 'E' || text.data[i] == 'e')
           && text.data[i + 1] == '+'
           && entry_digits(text, i + 2) == text.len;
}


/* Where the digits from there on end. */

static size_t
entry_digits(apikey_text_t text, size_t i)
{
    while (i < text.len && text.data[i] >= '0' && text.data[i] <= '9') {
        i++;
    }

    return i;
}


/* Without the blanks around. */

static apikey_text_t
entry_trim(apikey_text_t text)
{
    while (text.len > 0 && (*text.data == ' ' || *text.data == '\t')) {
        text.data++;
        text.len--;
    }

    while (text.len > 0 && (text.data[text.len - 1] == ' '
                            || text.data[text.len - 1] == '\t'))
    {
        text.len--;
    }

    return text;
}


static const char *
entry_name(unsigned field)
{
    switch (field) {

    case ENTRY_KEY:
        return "key";

    case ENTRY_DIGEST:
        return "digest";

    default:
        return attribute_name(field);
    }
}


/* A name that nobody knows may hold what a terminal acts on. */

static const char *
entry_shown(char out[ENTRY_SHOWN + 1], apikey_text_t name)
{
    size_t  i;

    for (i = 0; i < name.len && i < ENTRY_SHOWN; i++) {
        out[i] = (name.data[i] >= ' ' && name.data[i] <= '~') ? name.data[i]
                                                               : '?';
    }

    out[i] = '\0';

    return out;
}


static int
entry_refuse(char why[ENTRY_WHY], const char *format, ...)
{
    va_list  args;

    va_start(args, format);
    vsnprintf(why, ENTRY_WHY, format, args);
    va_end(args);

    return APIKEY_INVALID;
}
