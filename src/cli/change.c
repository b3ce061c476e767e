/* enable, disable and revoke; and how any record is changed. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "change.h"
#include "confirm.h"
#include "selection.h"
#include "tell.h"


typedef struct {
    const char    *status;     /* to become */
    const char    *done;       /* what is said then, and the event's type */
    char           time[32];
} change_status_t;


static int status_keys(cli_t *cli, change_status_t *status);
static int status_stdin(cli_t *cli, change_status_t *status);
static int status_stdin_given(cli_t *cli);
static int status_key(cli_t *cli, stored_t **stored,
    change_status_t *status);
static int status_decide(cli_t *cli, const stored_t *stored,
    change_t *change, void *data);
static void status_print(cli_t *cli, const stored_t *stored,
    const change_status_t *status, int changed);


int
command_enable(cli_t *cli)
{
    change_status_t  status = { .status = "active", .done = "enabled" };

    return status_keys(cli, &status);
}


int
command_disable(cli_t *cli)
{
    change_status_t  status = { .status = "disabled", .done = "disabled" };

    return status_keys(cli, &status);
}


int
command_revoke(cli_t *cli)
{
    change_status_t  status = { .status = "revoked", .done = "revoked" };

    if (options_value(cli->options, "key-stdin") != NULL) {
        return status_stdin(cli, &status);
    }

    return status_keys(cli, &status);
}


void
change_set(change_t *change, attribute_e attribute, apikey_text_t value)
{
    apikey_field_t  *field;

    field = &change->fields[change->count++];

    field->name = store_text(attribute_name(attribute));
    field->value = value;
}


int
change_key(cli_t *cli, stored_t **stored, change_decide_pt decide,
    void *data)
{
    int             rc;
    change_t        change;
    store_rc_e      done, read;
    unsigned char   digest[APIKEY_DIGEST_SIZE];

    memcpy(digest, (*stored)->digest, APIKEY_DIGEST_SIZE);

    do {
        if (!change_expected(cli, *stored)) {
            return CLI_REFUSED;
        }

        change.count = 0;
        rc = decide(cli, *stored, &change, data);

        if (rc != CLI_DONE && !(rc == CHANGE_NOTHING && confirm_wanted(cli)))
        {
            return rc;
        }

        done = store_change(&cli->store, *stored, change.fields,
                            change.count);

        if (done == STORE_FAILED) {
            return cli_failed(cli);
        }

        free(*stored);
        *stored = NULL;

        read = store_read(&cli->store, digest, stored);

        if (read == STORE_FAILED) {
            return cli_failed(cli);
        }

        if (read == STORE_ABSENT) {
            complain("the key was deleted meanwhile");
            return CLI_REFUSED;
        }

    } while (done == STORE_CHANGED);

    return rc;
}


int
change_expected(cli_t *cli, const stored_t *stored)
{
    size_t          len;
    const char     *p;
    apikey_text_t   rev;

    p = cli->request.match;
    rev = stored_get(stored, "rev");

    if (p == NULL || strcmp(p, "*") == 0) {
        return 1;
    }

    while (*p != '\0') {
        p += strspn(p, " \t,");
        len = strcspn(p, " \t,");

        if (len == rev.len + 2
            && p[0] == '"'
            && p[len - 1] == '"'
            && memcmp(p + 1, rev.data, rev.len) == 0)
        {
            return 1;
        }

        p += len;
    }

    cli->request.stale = 1;
    complain("the key was changed meanwhile: read it again");

    return 0;
}


/* All of the keys, even where some are unknown. */

static int
status_keys(cli_t *cli, change_status_t *status)
{
    int           rc, one;
    size_t        i;
    stored_t     *stored;
    selection_t   keys;

    rc = selection_given(cli, &keys, SELECTION_LASTING);

    if (rc == CLI_DONE) {
        rc = confirm_open(cli);
    }

    if (rc == CLI_DONE) {
        rc = selection_find(cli, &keys, cli->options->command);
    }

    if (rc != CLI_DONE) {
        selection_free(&keys);
        return (rc == SELECTION_OVER) ? CLI_DONE : rc;
    }

    if (keys.count == 0) {
        complain("no key matches");
    }

    for (i = 0; i < keys.count && rc != CLI_REDIS; i++) {
        one = selection_read(cli, &keys, i, &stored);

        if (one == CLI_DONE) {
            one = status_key(cli, &stored, status);
        }

        free(stored);

        if (one != SELECTION_PASSED) {
            rc = one ? one : rc;
        }
    }

    selection_free(&keys);

    return confirm_close(cli, rc);
}


static int
status_stdin(cli_t *cli, change_status_t *status)
{
    int             rc, one;
    char            line[CLI_LINE];
    stored_t       *stored;
    unsigned        number, keys;
    apikey_text_t   token;
    unsigned char   digest[APIKEY_DIGEST_SIZE];

    rc = status_stdin_given(cli);

    if (rc == CLI_DONE) {
        rc = cli_pepper(cli);
    }

    if (rc == CLI_DONE) {
        rc = confirm_open(cli);
    }

    if (rc != CLI_DONE) {
        return rc;
    }

    keys = 0;

    for (number = 1;
         rc != CLI_REDIS && cli_read_line(line, &token) == 0;
         number++)
    {
        if (token.len == 0) {
            continue;
        }

        keys++;
        stored = NULL;
        one = CLI_REFUSED;

        if (apikey_token_check(token) == APIKEY_OK) {
            apikey_token_digest(digest, token, &cli->pepper);

            switch (store_read(&cli->store, digest, &stored)) {

            case STORE_DONE:
                one = status_key(cli, &stored, status);
                break;

            case STORE_FAILED:
                one = cli_failed(cli);
                break;

            default:
                complain("line %u: this key is unknown", number);
            }

        } else {
            complain("line %u: not a key", number);
        }

        free(stored);
        rc = one ? one : rc;
    }

    sodium_memzero(line, sizeof(line));

    if (rc == CLI_DONE && keys == 0) {
        complain("no key on standard input");
        rc = CLI_USAGE;
    }

    return confirm_close(cli, rc);
}


static int
status_stdin_given(cli_t *cli)
{
    int       rc;
    filter_t  filter;

    rc = cli_operands(cli, 0, 0, NULL);

    if (rc == CLI_DONE) {
        rc = selection_filter(cli, &filter);
    }

    if (rc == CLI_DONE
        && (filter_is_given(&filter)
            || options_value(cli->options, "dry-run") != NULL))
    {
        complain("--key-stdin takes no filters and no --dry-run");
        rc = CLI_USAGE;
    }

    return rc;
}


static int
status_key(cli_t *cli, stored_t **stored, change_status_t *status)
{
    int  rc;

    rc = change_key(cli, stored, status_decide, status);

    if (rc != CLI_DONE && rc != CHANGE_NOTHING) {
        return rc;
    }

    if (rc == CLI_DONE) {
        tell_key(cli, status->done, *stored, NULL, 0);
    }

    status_print(cli, *stored, status, rc == CLI_DONE);

    return CLI_DONE;
}


static int
status_decide(cli_t *cli, const stored_t *stored, change_t *change,
    void *data)
{
    change_status_t *status = data;

    apikey_text_t  id, old;

    old = stored_get(stored, "status");

    if (apikey_text_equal(old, store_text(status->status))) {
        return CHANGE_NOTHING;
    }

    if (apikey_text_equal(old, store_text("revoked"))) {
        id = stored_get(stored, "id");
        complain("the key \"%.*s\" is revoked: that is final", (int) id.len,
                 id.data);
        return CLI_REFUSED;
    }

    change_set(change, ATTRIBUTE_STATUS, store_text(status->status));

    if (strcmp(status->status, "revoked") == 0) {
        snprintf(status->time, sizeof(status->time), "%llu",
                 (unsigned long long) cli_now(cli));
        change_set(change, ATTRIBUTE_REVOKED, store_text(status->time));
    }

    return CLI_DONE;
}


static void
status_print(cli_t *cli, const stored_t *stored,
    const change_status_t *status, int changed)
{
    json_t         *json;
    apikey_text_t   id;

    id = stored_get(stored, "id");

    if (!cli->json) {
        printf("%s%s %.*s\n", changed ? "" : "already ", status->done,
               (int) id.len, id.data);
        return;
    }

    json = json_object();

    json_object_set_new(json, "id", json_text(id));
    json_object_set_new(json, "status",
                        json_string(stored_status(stored, cli_now(cli))));
    json_object_set_new(json, "changed", json_boolean(changed));

    confirm_print(cli, json);
}
