/* delete: keys by id, or all that match. */

#include <stdio.h>
#include <stdlib.h>

#include "change.h"
#include "confirm.h"
#include "selection.h"
#include "tell.h"


static int delete_one(cli_t *cli, const selection_t *keys, size_t i,
    unsigned *deleted);
static int delete_named(cli_t *cli, const char *id, unsigned *deleted);
static void delete_print(cli_t *cli, unsigned deleted);


int
command_delete(cli_t *cli)
{
    int           rc, one;
    size_t        i;
    unsigned      deleted;
    selection_t   keys;

    if ((rc = selection_given(cli, &keys, 0)) != CLI_DONE
        || (rc = confirm_open(cli)) != CLI_DONE
        || (rc = selection_find(cli, &keys, "delete")) != CLI_DONE)
    {
        selection_free(&keys);
        return (rc == SELECTION_OVER) ? CLI_DONE : rc;
    }

    deleted = 0;

    for (i = 0; i < keys.count && rc != CLI_REDIS; i++) {
        one = delete_one(cli, &keys, i, &deleted);
        rc = one ? one : rc;
    }

    if (rc == CLI_DONE || deleted != 0 || cli->json) {
        delete_print(cli, deleted);
    }

    selection_free(&keys);

    return confirm_close(cli, rc);
}


/* One of many that somebody else has deleted or changed is passed by. */

static int
delete_one(cli_t *cli, const selection_t *keys, size_t i, unsigned *deleted)
{
    int        rc;
    stored_t  *stored;

    if (cli->request.match != NULL) {
        rc = selection_read(cli, keys, i, &stored);

        if (rc == CLI_DONE && !change_expected(cli, stored)) {
            rc = CLI_REFUSED;
        }

        free(stored);

        if (rc != CLI_DONE) {
            return rc;
        }
    }

    if (!keys->filtered) {
        rc = delete_named(cli, keys->ids[i], deleted);

        if (rc == CLI_REFUSED) {
            complain_absent("key", keys->ids[i]);
        }

        return rc;
    }

    rc = selection_read(cli, keys, i, &stored);
    free(stored);

    if (rc == CLI_DONE) {
        rc = delete_named(cli, keys->ids[i], deleted);
    }

    return (rc == CLI_REDIS) ? rc : CLI_DONE;
}


static int
delete_named(cli_t *cli, const char *id, unsigned *deleted)
{
    stored_t    *stored;
    store_rc_e   rc;

    rc = store_delete(&cli->store, store_text(id), &stored);

    if (rc == STORE_DONE) {
        (*deleted)++;

        if (stored != NULL) {
            tell_key(cli, "deleted", stored, NULL, 0);
        }
    }

    free(stored);

    switch (rc) {

    case STORE_DONE:
        return CLI_DONE;

    case STORE_ABSENT:
        return CLI_REFUSED;

    default:
        return cli_failed(cli);
    }
}


static void
delete_print(cli_t *cli, unsigned deleted)
{
    if (cli->json) {
        confirm_print(cli, json_pack("{s:i}", "deleted", (int) deleted));

    } else {
        printf("deleted %u %s\n", deleted, deleted == 1 ? "key" : "keys");
    }
}
