#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "change.h"
#include "confirm.h"
#include "selection.h"
#include "status.h"
#include "tell.h"


static int status_decide(cli_t *cli, const stored_t *stored,
    change_t *change, void *data);
static void status_print(cli_t *cli, const stored_t *stored,
    const status_t *status, int changed);


int
status_keys(cli_t *cli, status_t *status)
{
    int           rc, one;
    size_t        i;
    stored_t     *stored;
    selection_t   keys;

    if ((rc = selection_given(cli, &keys, SELECTION_LASTING)) != CLI_DONE
        || (rc = confirm_open(cli)) != CLI_DONE
        || (rc = selection_find(cli, &keys, cli->options->command))
           != CLI_DONE)
    {
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


int
status_key(cli_t *cli, stored_t **stored, status_t *status)
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
    status_t *status = data;

    if (apikey_text_equal(stored_get(stored, "status"),
                          store_text(status->status)))
    {
        return CHANGE_NOTHING;
    }

    if (change_final(stored)) {
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
    const status_t *status, int changed)
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
