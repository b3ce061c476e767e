/* How a key is made and printed, once. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "confirm.h"
#include "new_key.h"
#include "retry.h"
#include "tell.h"


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


void
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
