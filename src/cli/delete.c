/* delete: keys by id, or all of a service or project. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/memory.h"

#include "confirm.h"
#include "tell.h"


/* Ids, collected before the first key is deleted. */
typedef struct {
    const char     *service;    /* NULL: any */
    const char     *project;
    char          **ids;
    size_t          count;
    size_t          room;
} delete_t;


static int delete_matching(cli_t *cli, delete_t *keys);
static void delete_visit(void *data, apikey_text_t id, stored_t *stored);
static int delete_matches(const stored_t *stored, const char *field,
    const char *value);
static int delete_one(cli_t *cli, const char *id, unsigned *deleted);
static void delete_print(cli_t *cli, unsigned deleted);


int
command_delete(cli_t *cli)
{
    int         rc, one;
    delete_t    keys;
    unsigned    i, deleted;

    memset(&keys, 0, sizeof(keys));

    keys.service = options_value(cli->options, "service");
    keys.project = options_value(cli->options, "project");

    if (keys.service != NULL || keys.project != NULL) {
        return delete_matching(cli, &keys);
    }

    rc = cli_operands(cli, 1, -1, "ids of keys, --service or --project");

    if (rc == CLI_DONE) {
        rc = confirm_open(cli);
    }

    if (rc != CLI_DONE) {
        return rc;
    }

    deleted = 0;

    for (i = 0; i < cli->options->operand_count; i++) {
        one = delete_one(cli, cli->options->operands[i], &deleted);

        if (one == CLI_REDIS) {
            rc = one;
            break;
        }

        if (one == CLI_REFUSED) {
            complain_absent("key", cli->options->operands[i]);
            rc = one;
        }
    }

    if (rc == CLI_DONE || deleted != 0 || cli->json) {
        delete_print(cli, deleted);
    }

    return confirm_close(cli, rc);
}


static int
delete_matching(cli_t *cli, delete_t *keys)
{
    int         rc;
    size_t      i;
    unsigned    deleted;

    rc = cli_operands(cli, 0, 0, NULL);

    /* An empty value, of a variable not set maybe, shall match nothing. */

    if (rc == CLI_DONE
        && ((keys->service != NULL && *keys->service == '\0')
            || (keys->project != NULL && *keys->project == '\0')))
    {
        complain_option(keys->service && *keys->service == '\0' ? "service"
                                                                : "project",
                        "", "is empty");
        rc = CLI_USAGE;
    }

    if (rc == CLI_DONE) {
        rc = confirm_open(cli);
    }

    if (rc == CLI_DONE
        && store_visit(&cli->store, delete_visit, keys) != STORE_DONE)
    {
        rc = cli_failed(cli);
    }

    deleted = 0;

    for (i = 0; i < keys->count; i++) {

        /* A key that somebody else has deleted meanwhile is deleted, too. */

        if (rc == CLI_DONE
            && delete_one(cli, keys->ids[i], &deleted) == CLI_REDIS)
        {
            rc = CLI_REDIS;
        }

        free(keys->ids[i]);
    }

    free(keys->ids);

    if (rc == CLI_DONE || deleted != 0) {
        delete_print(cli, deleted);
    }

    return confirm_close(cli, rc);
}


static void
delete_visit(void *data, apikey_text_t id, stored_t *stored)
{
    delete_t *keys = data;

    if (stored != NULL
        && delete_matches(stored, "service", keys->service)
        && delete_matches(stored, "project", keys->project))
    {
        if (keys->count == keys->room) {
            keys->room = keys->room ? keys->room * 2 : 64;
            keys->ids = must(realloc(keys->ids,
                                     keys->room * sizeof(char *)));
        }

        keys->ids[keys->count++] = must(strndup(id.data, id.len));
    }

    free(stored);
}


static int
delete_matches(const stored_t *stored, const char *field, const char *value)
{
    return value == NULL
           || apikey_text_equal(stored_get(stored, field),
                                store_text(value));
}


static int
delete_one(cli_t *cli, const char *id, unsigned *deleted)
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
