/* rotate, and how a key is made and printed, once. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "store/dates.h"
#include "store/memory.h"

#include "change.h"
#include "confirm.h"
#include "new_key.h"
#include "retry.h"
#include "tell.h"


/* How the old key of a rotation ends. */
typedef struct {
    apikey_text_t    successor;
    uint64_t         grace;      /* seconds; 0: at once */
    uint64_t         epoch;      /* of its counters, when they were read */
    char             time[32];
} rotation_t;


static void new_key_refused(cli_t *cli, const new_key_t *key);
static int rotate_keys(cli_t *cli, stored_t **old, new_key_t *key,
    rotation_t *rotation);
static int rotate_check(cli_t *cli, const stored_t *stored);
static void rotate_copy(store_new_t *key, const stored_t *stored);
static void rotate_tell(cli_t *cli, const stored_t *old);
static int rotate_decide(cli_t *cli, const stored_t *stored,
    change_t *change, void *data);


int
command_rotate(cli_t *cli)
{
    int              rc;
    stored_t        *old;
    new_key_t        key;
    rotation_t       rotation;
    const char      *grace;

    memset(&key, 0, sizeof(key));
    memset(&rotation, 0, sizeof(rotation));

    old = NULL;
    grace = options_value(cli->options, "grace");

    if (grace != NULL
        && dates_parse_length(grace, &rotation.grace) != 0)
    {
        complain_option("grace", grace, "not like 24h, 30m or 7d");
        return CLI_USAGE;
    }

    rc = cli_operands(cli, 1, 1, "the id of one key");

    if (rc == CLI_DONE) {
        rc = cli_pepper(cli);
    }

    if (rc == CLI_DONE) {
        rc = confirm_open(cli);
    }

    if (rc == CLI_DONE) {
        rc = cli_pepper_check(cli);
    }

    if (rc == CLI_DONE) {
        rc = cli_read(cli, cli->options->operands[0], &old);
    }

    if (rc == CLI_DONE) {
        rotation.epoch = stored_epoch(old);
        rotate_copy(&key.stored, old);
        new_key_generate(cli, &key);
        rc = retry_begin(cli, &key.stored, &key.again, &key.made);
    }

    if (rc == CLI_DONE) {
        rc = rotate_keys(cli, &old, &key, &rotation);
    }

    if (rc == CLI_DONE) {
        rotate_tell(cli, old);
        rc = confirm_close(cli, new_key_print(cli, &key));
    }

    new_key_free(&key);
    free(old);

    return rc;
}


/* The key, and what of its record comes of it. */

void
new_key_generate(cli_t *cli, new_key_t *key)
{
    char            id[APIKEY_ID_SIZE];
    const char     *why;
    apikey_text_t   text;
    attributes_t   *attributes;

    attributes = &key->stored.attributes;

    text.data = key->text;
    text.len = apikey_token_generate(key->text,
                                     attributes_get(attributes,
                                                    ATTRIBUTE_PREFIX));
    key->text[text.len] = '\0';

    apikey_token_digest(key->stored.digest, text, &cli->pepper);

    (void) attributes_set(attributes, ATTRIBUTE_HINT, apikey_token_hint(text),
                          &why);

    if (attributes->value[ATTRIBUTE_ID] == NULL) {
        apikey_token_generate_id(id);
        (void) attributes_set(attributes, ATTRIBUTE_ID,
                              (apikey_text_t) { id, sizeof(id) }, &why);
    }

    (void) attributes_set_time(attributes, ATTRIBUTE_CREATED, cli_now(cli),
                               &why);

    if (attributes->value[ATTRIBUTE_STATUS] == NULL) {
        (void) attributes_set(attributes, ATTRIBUTE_STATUS,
                              (apikey_text_t) apikey_text("active"), &why);
    }
}


int
new_key_store(cli_t *cli, new_key_t *key)
{
    store_rc_e      rc;
    attributes_t   *attributes;

    attributes = &key->stored.attributes;

    rc = key->again ? retry_create(cli, &key->stored, key->made)
                    : store_create(&cli->store, &key->stored, 1);

    if (rc != STORE_DONE) {
        (void) cli_failed(cli);

        if (cli->store.lost) {
            complain("whether the key \"%s\" was stored is not known; nobody "
                     "has it: delete it if it was",
                     attributes->value[ATTRIBUTE_ID]);
        }

        return CLI_REDIS;
    }

    if (key->stored.result != STORE_NEW_CREATED) {
        new_key_refused(cli, key);
        complain("the id \"%s\" is another key's already",
                 attributes->value[ATTRIBUTE_ID]);
        return CLI_REFUSED;
    }

    return CLI_DONE;
}


/* What was refused the first time isn't a request that made a key. */

static void
new_key_refused(cli_t *cli, const new_key_t *key)
{
    if (cli->request.retry != NULL && !key->again) {
        store_retry_forget(&cli->store, cli->request.retry);
    }
}


/* A key that can't be shown is of no use to anyone. */

int
new_key_print(cli_t *cli, const new_key_t *key)
{
    unsigned         n;
    json_t          *json;
    stored_t        *stored;
    const char      *id;
    apikey_field_t   fields[ATTRIBUTE_COUNT + 1];

    id = key->stored.attributes.value[ATTRIBUTE_ID];

    if (cli->json) {
        n = attributes_fields(&key->stored.attributes, fields);

        fields[n].name = store_text("rev");
        fields[n++].value = store_text(key->stored.rev);

        stored = stored_copy(key->stored.digest, fields, n);
        cli_answered(cli, store_text(key->stored.rev));

        json = stored_json(stored, cli_now(cli));
        json_object_set_new(json, "key", json_string(key->text));
        confirm_add(cli, json);
        json_print(json);

        free(stored);

    } else {
        printf("key  %s\nid   %s\n", key->text, id);
    }

    if (fflush(stdout) != 0) {
        complain("the key \"%s\" can't be printed and is deleted again", id);

        if (store_delete(&cli->store, store_text(id), NULL) != STORE_DONE) {
            (void) cli_failed(cli);
        }

        return CLI_REFUSED;
    }

    tell_created(cli, &key->stored.attributes);

    if (!cli->json) {
        complain("the key is shown this once and stored nowhere: keep it "
                 "safe");
    }

    if (key->stored.attributes.value[ATTRIBUTE_SCOPES] == NULL) {
        complain("the key has no scopes: it passes only where none is "
                 "required");
    }

    return CLI_DONE;
}


void
new_key_free(new_key_t *key)
{
    free(key->made);
    attributes_free(&key->stored.attributes);
    sodium_memzero(key, sizeof(new_key_t));
}


/*
 * The new key, then the end of the old one.  Where the request is sent again,
 * that may be done already.
 */

static int
rotate_keys(cli_t *cli, stored_t **old, new_key_t *key, rotation_t *rotation)
{
    int  rc;

    rc = (key->made == NULL) ? rotate_check(cli, *old) : CLI_DONE;

    if (rc != CLI_DONE) {
        new_key_refused(cli, key);
        return rc;
    }

    rc = new_key_store(cli, key);

    rotation->successor = attributes_get(&key->stored.attributes,
                                         ATTRIBUTE_ID);

    if (rc != CLI_DONE
        || apikey_text_equal(stored_get(*old, "rotated_to"),
                             rotation->successor))
    {
        return rc;
    }

    rc = change_key(cli, old, rotate_decide, rotation);

    /* No one has the new key, and the old one lives on. */

    if (rc != CLI_DONE) {
        new_key_refused(cli, key);

        if (store_delete(&cli->store, rotation->successor, NULL)
            != STORE_DONE)
        {
            complain("the new key \"%s\", which was not shown, is left: "
                     "delete it", rotation->successor.data);
        }
    }

    return rc;
}


static int
rotate_check(cli_t *cli, const stored_t *stored)
{
    const char     *status;
    apikey_text_t   id, successor;

    id = stored_get(stored, "id");
    status = stored_status(stored, cli_now(cli));
    successor = stored_get(stored, "rotated_to");

    if (successor.len != 0) {
        complain("the key \"%.*s\" was rotated already, to \"%.*s\"",
                 (int) id.len, id.data, (int) successor.len, successor.data);
        return CLI_REFUSED;
    }

    if (strcmp(status, "revoked") == 0
        || strcmp(status, "expired") == 0
        || strcmp(status, "unreadable") == 0)
    {
        complain("the key \"%.*s\" is %s: make a new one", (int) id.len,
                 id.data, status);
        return CLI_REFUSED;
    }

    return CLI_DONE;
}


/*
 * The new key goes on with what the old one has used: its counters are where
 * those of the old one are, and nothing of the old record says so.  Whoever
 * stops in between has two keys, of which one was never shown.
 */

static void
rotate_copy(store_new_t *key, const stored_t *stored)
{
    unsigned                    i;
    const char                 *why;
    attributes_t               *attributes;
    unsigned char               digest[APIKEY_DIGEST_SIZE];
    static const attribute_e    copied[] = {
        ATTRIBUTE_STATUS, ATTRIBUTE_NAME, ATTRIBUTE_PREFIX, ATTRIBUTE_ORG,
        ATTRIBUTE_PROJECT, ATTRIBUTE_SERVICE, ATTRIBUTE_SCOPES,
        ATTRIBUTE_PLAN, ATTRIBUTE_LIMITS, ATTRIBUTE_ALLOW,
        ATTRIBUTE_EXPIRES, ATTRIBUTE_NOT_BEFORE, ATTRIBUTE_TEMPLATE
    };

    attributes = &key->attributes;

    /* rotate_check() has seen that the record can be read. */

    for (i = 0; i < sizeof(copied) / sizeof(copied[0]); i++) {
        (void) attributes_set(attributes, copied[i],
                              stored_get(stored, attribute_name(copied[i])),
                              &why);
    }

    if (attributes->value[ATTRIBUTE_PREFIX] == NULL) {
        (void) attributes_set(attributes, ATTRIBUTE_PREFIX,
                              store_text(NEW_KEY_PREFIX), &why);
    }

    (void) attributes_set(attributes, ATTRIBUTE_ROTATED_FROM,
                          stored_get(stored, "id"), &why);

    stored_family(stored, digest);
    apikey_digest_hex(key->family, digest);
    key->family[APIKEY_DIGEST_HEX] = '\0';

    if (stored_epoch(stored) != 0) {
        snprintf(key->reset, sizeof(key->reset), "%llu",
                 (unsigned long long) stored_epoch(stored));
    }
}


static void
rotate_tell(cli_t *cli, const stored_t *old)
{
    apikey_field_t  details[2];

    details[0].name = store_text("rotated_to");
    details[0].value = stored_get(old, "rotated_to");

    details[1].name = store_text("expires");
    details[1].value = stored_get(old, "expires");

    tell_key(cli, "rotated", old, details, 2);
}


static int
rotate_decide(cli_t *cli, const stored_t *stored, change_t *change,
    void *data)
{
    rotation_t *rotation = data;

    int       rc;
    uint64_t  end, expires;

    rc = rotate_check(cli, stored);

    if (rc != CLI_DONE) {
        return rc;
    }

    if (stored_epoch(stored) != rotation->epoch) {
        complain("what the key has used was forgotten meanwhile: try again");
        return CLI_REFUSED;
    }

    change_set(change, ATTRIBUTE_ROTATED_TO, rotation->successor);

    end = cli_now(cli) + rotation->grace;
    expires = stored_number(stored, "expires");

    if (rotation->grace != 0 && expires != 0 && expires < end) {
        return CLI_DONE;
    }

    snprintf(rotation->time, sizeof(rotation->time), "%llu",
             (unsigned long long) end);

    if (rotation->grace == 0) {
        change_set(change, ATTRIBUTE_STATUS,
                   (apikey_text_t) apikey_text("revoked"));
        change_set(change, ATTRIBUTE_REVOKED, store_text(rotation->time));

    } else {
        change_set(change, ATTRIBUTE_EXPIRES, store_text(rotation->time));
    }

    return CLI_DONE;
}
