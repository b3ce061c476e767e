#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "store/memory.h"

#include "import_batch.h"


#define IMPORT_PROGRESS  200000    /* microseconds from one to the next */


static int import_digest(import_batch_t *batch, entry_t *entry);
static void import_complete(import_batch_t *batch, attributes_t *attributes);
static store_rc_e import_write(import_batch_t *batch);
static store_rc_e import_try(import_batch_t *batch);
static void import_result(import_batch_t *batch, unsigned i);
static int import_existing(import_batch_t *batch);
static void import_compare(import_batch_t *batch, unsigned i,
    const stored_t *stored);
static void import_drop(import_batch_t *batch);
static void import_progress(import_batch_t *batch);


import_batch_t *
import_batch_make(cli_t *cli, const char *path, int dry)
{
    import_batch_t  *batch;

    batch = must(calloc(1, sizeof(import_batch_t)));

    batch->cli = cli;
    batch->path = path;
    batch->dry = dry;

    return batch;
}


int
import_batch_add(import_batch_t *batch, entry_t *entry, unsigned line,
    const char *lost)
{
    int           rc;
    store_new_t  *key;

    rc = import_digest(batch, entry);

    if (rc != CLI_DONE) {
        return rc;
    }

    import_complete(batch, &entry->attributes);

    key = &batch->keys[batch->count];
    memcpy(key->digest, entry->digest, APIKEY_DIGEST_SIZE);
    key->attributes = entry->attributes;

    /* Nothing that was counted ahead of an earlier key is its own. */
    strcpy(key->reset, "now");

    memset(&entry->attributes, 0, sizeof(attributes_t));

    batch->given[batch->count] = entry->given;
    batch->lost[batch->count] = lost ? must(strdup(lost)) : NULL;
    batch->lines[batch->count++] = line;

    if (batch->count < IMPORT_BATCH) {
        return CLI_DONE;
    }

    rc = import_batch_flush(batch);
    import_progress(batch);

    return rc;
}


/* Digests alone need no pepper. */

static int
import_digest(import_batch_t *batch, entry_t *entry)
{
    int             rc;
    const char     *why;
    apikey_text_t   token;

    if (entry->hashed) {
        return CLI_DONE;
    }

    if (!batch->peppered) {
        if ((rc = cli_pepper(batch->cli)) != CLI_DONE
            || (rc = cli_pepper_check(batch->cli)) != CLI_DONE)
        {
            return rc;
        }

        batch->peppered = 1;
    }

    token = (apikey_text_t) { entry->token, entry->token_len };

    apikey_token_digest(entry->digest, token, &batch->cli->pepper);
    (void) attributes_set(&entry->attributes, ATTRIBUTE_HINT,
                          apikey_token_hint(token), &why);

    return CLI_DONE;
}


/* What a record has to have and the row doesn't say. */

static void
import_complete(import_batch_t *batch, attributes_t *attributes)
{
    char         id[APIKEY_ID_SIZE];
    const char  *why;

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
                                   cli_now(batch->cli), &why);
    }
}


int
import_batch_flush(import_batch_t *batch)
{
    int          rc;
    unsigned     i;
    store_rc_e   done;

    done = batch->dry ? import_try(batch) : import_write(batch);

    for (i = 0; i < batch->count; i++) {
        import_result(batch, i);
    }

    if (done == STORE_DONE) {
        rc = import_existing(batch);

    } else {
        import_batch_clear(batch);
        rc = cli_failed(batch->cli);
    }

    import_drop(batch);

    return rc;
}


static store_rc_e
import_write(import_batch_t *batch)
{
    return store_create(&batch->cli->store, batch->keys, batch->count);
}


/* What would be created is, as far as the rows after it are concerned. */

static store_rc_e
import_try(import_batch_t *batch)
{
    unsigned        i;
    store_rc_e      rc;
    store_new_t    *key;
    apikey_text_t   id;

    rc = store_create_try(&batch->cli->store, batch->keys, batch->count);

    for (i = 0; rc == STORE_DONE && i < batch->count; i++) {
        key = &batch->keys[i];

        if (key->result != STORE_NEW_PENDING) {
            continue;
        }

        id = attributes_get(&key->attributes, ATTRIBUTE_ID);

        if (import_seen(&batch->digests, key->digest, APIKEY_DIGEST_SIZE)) {
            batch->known++;

        } else if (import_seen(&batch->ids, id.data, id.len)) {
            key->result = STORE_NEW_TAKEN;

        } else {
            key->result = STORE_NEW_CREATED;
        }
    }

    return rc;
}


static void
import_result(import_batch_t *batch, unsigned i)
{
    char  text[2 * ENTRY_WHY + 512];

    switch (batch->keys[i].result) {

    case STORE_NEW_CREATED:
        batch->imported++;

        if (batch->lost[i] != NULL) {
            snprintf(text, sizeof(text), "imported without %s",
                     batch->lost[i]);
            import_batch_note(batch, batch->lines[i], text);
        }

        break;

    case STORE_NEW_TAKEN:
        import_batch_refuse(batch, batch->lines[i],
                            "id: is another key's already");
        break;

    default: /* STORE_NEW_EXISTS, STORE_NEW_PENDING: Redis failed */
        break;
    }
}


/* Is what was there already what the rows say? */

static int
import_existing(import_batch_t *batch)
{
    unsigned     i;
    stored_t    *stored[IMPORT_BATCH];
    store_rc_e   rc;

    rc = store_read_existing(&batch->cli->store, batch->keys, batch->count,
                             stored);

    for (i = 0; i < batch->count; i++) {

        if (rc == STORE_DONE && batch->keys[i].result == STORE_NEW_EXISTS) {
            import_compare(batch, i, stored[i]);
        }

        free(stored[i]);
    }

    if (rc != STORE_DONE) {
        import_batch_clear(batch);
        return cli_failed(batch->cli);
    }

    return CLI_DONE;
}


static void
import_compare(import_batch_t *batch, unsigned i, const stored_t *stored)
{
    char          why[ENTRY_WHY];
    size_t        len;
    attribute_e   attribute;

    if (stored == NULL) {
        import_batch_refuse(batch, batch->lines[i],
                            "was deleted meanwhile: import it again");
        return;
    }

    len = 0;

    for (attribute = 0; attribute < ATTRIBUTE_COUNT; attribute++) {

        if (!(batch->given[i] & (uint32_t) 1 << attribute)
            || apikey_text_equal(attributes_get(&batch->keys[i].attributes,
                                                attribute),
                                 stored_get(stored,
                                            attribute_name(attribute))))
        {
            continue;
        }

        if (len < sizeof(why)) {
            len += snprintf(why + len, sizeof(why) - len, "%s%s",
                            len ? ", " : "is there already, with another ",
                            attribute_name(attribute));
        }
    }

    if (len == 0) {
        batch->known++;
    } else {
        import_batch_refuse(batch, batch->lines[i], why);
    }
}


static void
import_drop(import_batch_t *batch)
{
    unsigned  i;

    for (i = 0; i < batch->count; i++) {
        attributes_free(&batch->keys[i].attributes);
        free(batch->lost[i]);
    }

    batch->count = 0;
}


void
import_batch_refuse(import_batch_t *batch, unsigned line, const char *why)
{
    import_batch_note(batch, line, why);
    batch->refused++;
}


void
import_batch_note(import_batch_t *batch, unsigned line, const char *text)
{
    import_batch_clear(batch);
    complain("\"%s\", line %u: %s", batch->path, line, text);
}


/* For people who wait: a line on their terminal. */

static void
import_progress(import_batch_t *batch)
{
    uint64_t  now;

    now = redis_clock();

    if (!isatty(STDERR_FILENO) || now - batch->progress < IMPORT_PROGRESS) {
        return;
    }

    batch->progress = now;
    batch->shown = 1;

    fprintf(stderr, "\r\033[K%u keys", batch->imported + batch->known);

    if (batch->done > 0) {
        fprintf(stderr, ", %.0f %%", 100 * batch->done);
    }

    fflush(stderr);
}


void
import_batch_clear(import_batch_t *batch)
{
    if (batch->shown) {
        fputs("\r\033[K", stderr);
        batch->shown = 0;
    }
}


void
import_batch_free(import_batch_t *batch)
{
    import_drop(batch);
    import_seen_free(&batch->ids);
    import_seen_free(&batch->digests);
    free(batch);
}
