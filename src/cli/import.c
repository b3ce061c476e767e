/*
 * import: existing keys, one a line as a JSON object.  Lines that can't be
 * taken over are told and passed by; keys that are known already are left
 * alone, so that an import can be run again.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attributes.h"
#include "cli.h"
#include "dates.h"
#include "given.h"
#include "memory.h"


#define IMPORT_BATCH  1000
#define IMPORT_WHY    160


typedef struct {
    cli_t         *cli;
    const char    *path;
    FILE          *file;

    store_new_t    keys[IMPORT_BATCH];
    unsigned       lines[IMPORT_BATCH];
    unsigned       count;

    unsigned       line;
    unsigned       imported;
    unsigned       known;
    unsigned       refused;

    int            peppered;
    int            hashed;             /* the key of this line has a digest */
    char           why[IMPORT_WHY];    /* a line is refused */
} import_t;


static int import_lines(import_t *import);
static int import_json(import_t *import, store_new_t *key, const char *line,
    size_t len);
static int import_member(import_t *import, store_new_t *key,
    const char *name, json_t *value);
static int import_text(import_t *import, store_new_t *key, const char *name,
    const char *value);
static int import_digest(import_t *import, store_new_t *key,
    const char *name, apikey_text_t value);
static int import_finish(import_t *import, store_new_t *key);
static int import_flush(import_t *import);
static void import_drop(import_t *import);
static int import_refuse(import_t *import, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void import_tell(import_t *import, unsigned line, const char *why);
static void import_print(const import_t *import);


int
command_import(cli_t *cli)
{
    int        rc;
    import_t  *import;

    rc = cli_operands(cli, 1, 1, "one file, or - for standard input");

    if (rc != CLI_DONE) {
        return rc;
    }

    import = must(calloc(1, sizeof(import_t)));

    import->cli = cli;
    import->path = cli->options->operands[0];
    import->file = strcmp(import->path, "-") ? fopen(import->path, "re")
                                             : stdin;

    if (import->file == NULL) {
        complain("\"%s\": %s", import->path, strerror(errno));
        free(import);
        return CLI_USAGE;
    }

    rc = cli_open(cli);

    if (rc == CLI_DONE) {
        rc = import_lines(import);
        import_print(import);
    }

    if (rc == CLI_DONE && import->refused != 0) {
        rc = CLI_REFUSED;
    }

    if (import->file != stdin) {
        fclose(import->file);
    }

    import_drop(import);
    free(import);

    return rc;
}


static int
import_lines(import_t *import)
{
    int           rc;
    char         *line;
    size_t        size;
    ssize_t       len;
    store_new_t  *key;

    rc = CLI_DONE;
    line = NULL;
    size = 0;

    while (rc == CLI_DONE
           && (len = getline(&line, &size, import->file)) != -1)
    {
        import->line++;

        if (strspn(line, " \t\r\n") == (size_t) len) {
            continue;
        }

        key = &import->keys[import->count];
        import->hashed = 0;

        rc = import_json(import, key, line, len);

        if (rc == CLI_DONE) {
            import->lines[import->count++] = import->line;

        } else {
            attributes_free(&key->attributes);

            if (rc == CLI_REFUSED) {
                import_tell(import, import->line, import->why);
                rc = CLI_DONE;
            }
        }

        if (rc == CLI_DONE && import->count == IMPORT_BATCH) {
            rc = import_flush(import);
        }
    }

    if (rc == CLI_DONE && ferror(import->file)) {
        complain("\"%s\": %s", import->path, strerror(errno));
        rc = CLI_USAGE;
    }

    memory_wipe(line);

    return (rc == CLI_DONE) ? import_flush(import) : rc;
}


static int
import_json(import_t *import, store_new_t *key, const char *line, size_t len)
{
    int            rc;
    json_t        *json, *value;
    const char    *name;
    json_error_t   error;

    json = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);

    /* The parser's own message may quote the key. */

    if (json == NULL) {
        return import_refuse(import, "not JSON, at column %d", error.column);
    }

    if (!json_is_object(json)) {
        json_decref(json);
        return import_refuse(import, "not a JSON object");
    }

    rc = CLI_DONE;

    json_object_foreach(json, name, value) {
        rc = import_member(import, key, name, value);

        if (rc != CLI_DONE) {
            break;
        }
    }

    json_decref(json);

    return (rc == CLI_DONE) ? import_finish(import, key) : rc;
}


static int
import_member(import_t *import, store_new_t *key, const char *name,
    json_t *value)
{
    int           rc;
    char          number[32];
    size_t        i;
    json_t       *word;
    attribute_e   attribute;

    attribute = attribute_find(name);

    if (json_is_null(value)) {
        return CLI_DONE;
    }

    if (json_is_string(value)) {
        return import_text(import, key, name, json_string_value(value));
    }

    if (json_is_integer(value)
        && attribute < ATTRIBUTE_COUNT
        && attribute_is_time(attribute))
    {
        snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT,
                 json_integer_value(value));
        return import_text(import, key, name, number);
    }

    if (!json_is_array(value)
        || (attribute != ATTRIBUTE_SCOPES && attribute != ATTRIBUTE_ALLOW))
    {
        return import_refuse(import, "%.40s: not a value of its kind", name);
    }

    rc = CLI_DONE;

    json_array_foreach(value, i, word) {

        if (!json_is_string(word)) {
            return import_refuse(import, "%.40s: not a list of texts", name);
        }

        rc = import_text(import, key, name, json_string_value(word));

        if (rc != CLI_DONE) {
            break;
        }
    }

    return rc;
}


/* A field of any format; lists may be given piece by piece. */

static int
import_text(import_t *import, store_new_t *key, const char *name,
    const char *value)
{
    int             rc;
    moment_t        moment;
    const char     *why;
    attribute_e     attribute;
    apikey_text_t   text;

    text = store_text(value);

    if (strcmp(name, "key") == 0 || strcmp(name, "digest") == 0) {
        return import_digest(import, key, name, text);
    }

    /* What only a listing has. */

    if (strcmp(name, "last_used") == 0) {
        return CLI_DONE;
    }

    attribute = attribute_find(name);

    if (attribute == ATTRIBUTE_COUNT) {
        return import_refuse(import, "%.40s: no such field", name);
    }

    if (text.len == 0) {
        return CLI_DONE;
    }

    if (attribute == ATTRIBUTE_SCOPES || attribute == ATTRIBUTE_ALLOW) {
        rc = attributes_add(&key->attributes, attribute, text, &why);

    } else if (!attribute_is_time(attribute)) {
        rc = attributes_set(&key->attributes, attribute, text, &why);

    } else if (dates_parse(value, &moment) != 0 || moment.relative) {
        why = "neither Unix seconds nor a date";
        rc = APIKEY_INVALID;

    } else {
        rc = attributes_set_time(&key->attributes, attribute, moment.seconds,
                                 &why);
    }

    return (rc == APIKEY_OK) ? CLI_DONE
                             : import_refuse(import, "%s: %s", name, why);
}


static int
import_digest(import_t *import, store_new_t *key, const char *name,
    apikey_text_t value)
{
    if (import->hashed) {
        return import_refuse(import, "both a key and a digest");
    }

    import->hashed = 1;

    if (strcmp(name, "digest") == 0) {

        if (apikey_digest_parse(key->digest, value) != APIKEY_OK) {
            return import_refuse(import, "digest: not 64 hexadecimal digits");
        }

        return CLI_DONE;
    }

    if (apikey_token_check(value) != APIKEY_OK) {
        return import_refuse(import, "key: not 1 to %d printable characters "
                             "without space and comma", APIKEY_TOKEN_MAX);
    }

    /* Digests alone need no pepper. */

    if (!import->peppered) {
        if (cli_pepper(import->cli) != CLI_DONE) {
            return CLI_USAGE;
        }

        import->peppered = 1;
    }

    apikey_token_digest(key->digest, value, &import->cli->pepper);

    return CLI_DONE;
}


static int
import_finish(import_t *import, store_new_t *key)
{
    char            id[APIKEY_ID_SIZE];
    const char     *why;
    attributes_t   *attributes;

    if (!import->hashed) {
        return import_refuse(import, "neither a key nor a digest");
    }

    attributes = &key->attributes;

    if (attributes->value[ATTRIBUTE_ID] == NULL) {
        apikey_token_generate_id(id);
        (void) attributes_set(attributes, ATTRIBUTE_ID,
                              (apikey_text_t) { id, sizeof(id) }, &why);
    }

    if (attributes->value[ATTRIBUTE_NAME] == NULL) {
        (void) attributes_set(attributes, ATTRIBUTE_NAME,
                              attributes_get(attributes, ATTRIBUTE_ID), &why);
    }

    if (attributes->value[ATTRIBUTE_STATUS] == NULL) {
        (void) attributes_set(attributes, ATTRIBUTE_STATUS,
                              (apikey_text_t) apikey_text("active"), &why);
    }

    if (attributes->value[ATTRIBUTE_CREATED] == NULL) {
        (void) attributes_set_time(attributes, ATTRIBUTE_CREATED,
                                   cli_now(import->cli), &why);
    }

    if (!attributes_lives(attributes)) {
        return import_refuse(import, "expires is not after not_before");
    }

    return CLI_DONE;
}


static int
import_flush(import_t *import)
{
    unsigned      i;
    store_rc_e    rc;
    store_new_t  *key;

    rc = store_create(&import->cli->store, import->keys, import->count);

    for (i = 0; i < import->count; i++) {
        key = &import->keys[i];

        switch (key->result) {

        case STORE_NEW_CREATED:
            import->imported++;
            break;

        case STORE_NEW_EXISTS:
            import->known++;
            break;

        case STORE_NEW_TAKEN:
            import_tell(import, import->lines[i],
                        "id: is another key's already");
            break;

        default: /* STORE_NEW_PENDING: Redis failed */
            break;
        }
    }

    import_drop(import);

    return (rc == STORE_DONE) ? CLI_DONE : cli_failed(import->cli);
}


static void
import_drop(import_t *import)
{
    unsigned  i;

    for (i = 0; i < import->count; i++) {
        attributes_free(&import->keys[i].attributes);
    }

    import->count = 0;
}


static int
import_refuse(import_t *import, const char *format, ...)
{
    va_list  args;

    va_start(args, format);
    vsnprintf(import->why, IMPORT_WHY, format, args);
    va_end(args);

    return CLI_REFUSED;
}


static void
import_tell(import_t *import, unsigned line, const char *why)
{
    complain("\"%s\", line %u: %s", import->path, line, why);
    import->refused++;
}


static void
import_print(const import_t *import)
{
    if (import->cli->json) {
        json_print(json_pack("{s:i,s:i,s:i}",
                             "imported", (int) import->imported,
                             "exists", (int) import->known,
                             "refused", (int) import->refused));
        return;
    }

    printf("%u imported, %u known already, %u refused\n", import->imported,
           import->known, import->refused);
}
