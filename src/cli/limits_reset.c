/* limits --reset: what a key has used, and all of its family, is forgotten. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/store_counters.h"

#include "change.h"
#include "confirm.h"
#include "limits_reset.h"


/* By what the counters of a family are told from those before. */
typedef struct {
    unsigned char    family[APIKEY_DIGEST_SIZE];
    char             value[24];
} reset_t;


static int reset_first(cli_t *cli, reset_t *reset);
static int reset_others(cli_t *cli, const reset_t *reset,
    const stored_t *from, const char *link);
static int reset_decide(cli_t *cli, const stored_t *stored, change_t *change,
    void *data);


int
reset_counters(cli_t *cli)
{
    int        rc;
    stored_t  *stored;
    reset_t    reset;

    stored = NULL;

    if ((rc = cli_operands(cli, 1, 1, "the id of one key")) != CLI_DONE
        || (rc = confirm_open(cli)) != CLI_DONE
        || (rc = cli_read(cli, cli->options->operands[0], &stored))
           != CLI_DONE)
    {
        goto done;
    }

    stored_family(stored, reset.family);

    if ((rc = reset_first(cli, &reset)) != CLI_DONE
        || (rc = reset_others(cli, &reset, stored, NULL)) != CLI_DONE
        || (rc = reset_others(cli, &reset, stored, "rotated_from"))
           != CLI_DONE
        || (rc = reset_others(cli, &reset, stored, "rotated_to"))
           != CLI_DONE)
    {
        goto done;
    }

    if (cli->json) {
        confirm_print(cli, json_pack("{s:o,s:b}", "id",
                                     json_text(stored_get(stored, "id")),
                                     "reset", 1));
    } else {
        puts("what was used is forgotten");
    }

done:

    free(stored);

    return confirm_close(cli, rc);
}


/* Where the counters are, first: what is told to the others is what it says. */

static int
reset_first(cli_t *cli, reset_t *reset)
{
    int          rc;
    stored_t    *first;
    store_rc_e   done;

    done = store_read(&cli->store, reset->family, &first);

    if (done == STORE_ABSENT) {
        done = store_forget(&cli->store, reset->family, reset->value);

        if (done == STORE_CHANGED) {
            complain("the first key of the family was imported meanwhile: "
                     "try again");
            return CLI_REFUSED;
        }

        return (done == STORE_DONE) ? CLI_DONE : cli_failed(cli);
    }

    if (done == STORE_FAILED) {
        return cli_failed(cli);
    }

    strcpy(reset->value, "now");
    rc = change_key(cli, &first, reset_decide, reset);

    if (rc == CLI_DONE) {
        snprintf(reset->value, sizeof(reset->value), "%llu",
                 (unsigned long long) stored_epoch(first));
    }

    free(first);

    return rc;
}


/*
 * The others have the number of their first key in their own records, too.
 * From one of them on to the end of the chain; link NULL: only that one.
 */

static int
reset_others(cli_t *cli, const reset_t *reset, const stored_t *from,
    const char *link)
{
    int             rc;
    stored_t       *stored, *next;
    store_rc_e      done;
    unsigned char   family[APIKEY_DIGEST_SIZE];

    rc = CLI_DONE;
    stored = stored_copy(from->digest, from->fields, from->count);

    do {
        if (link != NULL) {
            if (stored_get(stored, link).len == 0) {
                break;
            }

            done = store_read_id(&cli->store, stored_get(stored, link), &next);

            if (done != STORE_DONE) {
                rc = (done == STORE_ABSENT) ? CLI_DONE : cli_failed(cli);
                break;
            }

            free(stored);
            stored = next;
        }

        stored_family(stored, family);

        if (memcmp(family, reset->family, APIKEY_DIGEST_SIZE) != 0) {
            break;
        }

        if (memcmp(stored->digest, family, APIKEY_DIGEST_SIZE) != 0) {
            rc = change_key(cli, &stored, reset_decide, (void *) reset);
        }

    } while (rc == CLI_DONE && link != NULL);

    free(stored);

    return rc;
}


/* What gateways have counted ahead is void with the record that they know. */

static int
reset_decide(cli_t *cli, const stored_t *stored, change_t *change,
    void *data)
{
    reset_t *reset = data;

    (void) cli;
    (void) stored;

    change->fields[0].name = store_text("reset");
    change->fields[0].value = store_text(reset->value);
    change->count = 1;

    return CLI_DONE;
}
