/* rotate: a new key like an old one, which ends. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/dates.h"

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

    if ((rc = cli_operands(cli, 1, 1, "the id of one key")) != CLI_DONE
        || (rc = cli_pepper(cli)) != CLI_DONE
        || (rc = confirm_open(cli)) != CLI_DONE
        || (rc = cli_pepper_check(cli)) != CLI_DONE
        || (rc = cli_read(cli, cli->options->operands[0], &old)) != CLI_DONE)
    {
        goto done;
    }

    rotation.epoch = stored_epoch(old);
    rotate_copy(&key.stored, old);
    new_key_generate(cli, &key);

    if ((rc = retry_begin(cli, &key.stored, &key.again, &key.made))
        != CLI_DONE
        || (rc = rotate_keys(cli, &old, &key, &rotation)) != CLI_DONE)
    {
        goto done;
    }

    rotate_tell(cli, old);
    rc = confirm_close(cli, new_key_print(cli, &key));

done:

    new_key_free(&key);
    free(old);

    return rc;
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
