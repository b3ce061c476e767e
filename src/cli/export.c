/*
 * export: keys as import takes them, with their digests.  What is counted for
 * a key stays behind.
 */

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "core/names.h"

#include "store/memory.h"
#include "store/store_call.h"

#include "cli.h"
#include "given.h"
#include "selection.h"


/* The keys of one bucket of the index at a time. */
typedef struct {
    cli_t           *cli;
    filter_t         filter;
    rows_format_e    format;
    stored_t       **keys;
    size_t           count;
    size_t           room;
    unsigned         bucket;
    unsigned         unreadable;
} export_t;


static int export_given(export_t *export);
static void export_visit(void *data, apikey_text_t id, stored_t *stored);
static int export_readable(export_t *export, const stored_t *stored);
static void export_flush(export_t *export);
static int export_compare(const void *one, const void *two);
static void export_json(const stored_t *stored);
static void export_csv_header(void);
static void export_csv(const stored_t *stored);


int
command_export(cli_t *cli)
{
    int       rc;
    export_t  export;

    memset(&export, 0, sizeof(export));
    export.cli = cli;

    if ((rc = cli_operands(cli, 0, 0, NULL)) != CLI_DONE
        || (rc = export_given(&export)) != CLI_DONE
        || (rc = cli_open(cli)) != CLI_DONE)
    {
        return rc;
    }

    if (export.format == ROWS_CSV) {
        export_csv_header();
    }

    if (store_visit(&cli->store, export_visit, &export) != STORE_DONE) {
        rc = cli_failed(cli);
    }

    export_flush(&export);
    free(export.keys);

    return (rc == CLI_DONE && export.unreadable) ? CLI_REFUSED : rc;
}


static int
export_given(export_t *export)
{
    int  rc;

    if ((rc = given_format(export->cli, &export->format)) != CLI_DONE
        || (rc = selection_filter(export->cli, &export->filter)) != CLI_DONE)
    {
        return rc;
    }

    if (export->format == ROWS_CSV && export->cli->json) {
        complain("--json and --format csv exclude each other");
        return CLI_USAGE;
    }

    return CLI_DONE;
}


static void
export_visit(void *data, apikey_text_t id, stored_t *stored)
{
    export_t *export = data;

    unsigned  bucket;

    bucket = apikey_names_bucket(id);

    if (bucket != export->bucket) {
        export_flush(export);
        export->bucket = bucket;
    }

    /* Nobody reads any more: main_finish() tells. */

    if (stored == NULL
        || ferror(stdout)
        || !filter_matches_stored(&export->filter, stored,
                                  cli_now(export->cli))
        || !export_readable(export, stored))
    {
        free(stored);
        return;
    }

    if (export->count == export->room) {
        export->room = export->room ? export->room * 2 : 256;
        export->keys = must(realloc(export->keys,
                                    export->room * sizeof(stored_t *)));
    }

    export->keys[export->count++] = stored;
}


/* What nobody understands can't be imported, and isn't passed by silently. */

static int
export_readable(export_t *export, const stored_t *stored)
{
    const char       *why;
    apikey_text_t     id;
    apikey_record_t  *record;

    record = stored_parse(stored, &why);

    if (record == NULL) {
        id = stored_get(stored, "id");
        complain("the key \"%.*s\" is left out: %s", (int) id.len, id.data,
                 why);
        export->unreadable = 1;
        return 0;
    }

    free(record);

    return 1;
}


static void
export_flush(export_t *export)
{
    size_t  i;

    if (export->count != 0) {
        qsort(export->keys, export->count, sizeof(stored_t *),
              export_compare);
    }

    for (i = 0; i < export->count; i++) {

        if (export->format == ROWS_CSV) {
            export_csv(export->keys[i]);
        } else {
            export_json(export->keys[i]);
        }

        free(export->keys[i]);
    }

    export->count = 0;
}


/* By id, so that equal sets of keys make equal files. */

static int
export_compare(const void *one, const void *two)
{
    int            rc;
    size_t         len;
    apikey_text_t  a, b;

    a = stored_get(*(stored_t *const *) one, "id");
    b = stored_get(*(stored_t *const *) two, "id");

    len = (a.len < b.len) ? a.len : b.len;
    rc = memcmp(a.data, b.data, len);

    return rc ? rc : (a.len > b.len) - (a.len < b.len);
}


static void
export_json(const stored_t *stored)
{
    char            hex[APIKEY_DIGEST_HEX];
    json_t         *json, *value;
    attribute_e     i;
    apikey_text_t   text;

    json = json_object();
    json_object_set_new(json, "digest",
                        json_text(store_hex(hex, stored->digest)));

    for (i = 0; i < ATTRIBUTE_COUNT; i++) {
        text = stored_get(stored, attribute_name(i));

        if (text.len == 0) {
            continue;
        }

        if (i == ATTRIBUTE_SCOPES || i == ATTRIBUTE_ALLOW) {
            value = json_words(text);

        } else if (attribute_is_time(i)) {
            value = json_integer(stored_number(stored, attribute_name(i)));

        } else {
            value = json_text(text);
        }

        json_object_set_new(json, attribute_name(i), value);
    }

    json_print(json);
}


static void
export_csv_header(void)
{
    attribute_e  i;

    csv_print(store_text("digest"), 0);

    for (i = 0; i < ATTRIBUTE_COUNT; i++) {
        csv_print(store_text(attribute_name(i)), i == ATTRIBUTE_COUNT - 1);
    }
}


static void
export_csv(const stored_t *stored)
{
    char         hex[APIKEY_DIGEST_HEX];
    attribute_e  i;

    csv_print(store_hex(hex, stored->digest), 0);

    for (i = 0; i < ATTRIBUTE_COUNT; i++) {
        csv_print(stored_get(stored, attribute_name(i)),
                  i == ATTRIBUTE_COUNT - 1);
    }
}
