/* revoke: keys by id, all that match, or those on standard input. */

#include <stdlib.h>

#include <sodium.h>

#include "confirm.h"
#include "selection.h"
#include "status.h"


static int revoke_stdin(cli_t *cli, status_t *status);
static int revoke_stdin_given(cli_t *cli);


int
command_revoke(cli_t *cli)
{
    status_t  status = { .status = "revoked", .done = "revoked" };

    if (options_value(cli->options, "key-stdin") != NULL) {
        return revoke_stdin(cli, &status);
    }

    return status_keys(cli, &status);
}


static int
revoke_stdin(cli_t *cli, status_t *status)
{
    int             rc, one;
    char            line[CLI_LINE];
    stored_t       *stored;
    unsigned        number, keys;
    apikey_text_t   token;
    unsigned char   digest[APIKEY_DIGEST_SIZE];

    if ((rc = revoke_stdin_given(cli)) != CLI_DONE
        || (rc = cli_pepper(cli)) != CLI_DONE
        || (rc = confirm_open(cli)) != CLI_DONE)
    {
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
revoke_stdin_given(cli_t *cli)
{
    int       rc;
    filter_t  filter;

    if ((rc = cli_operands(cli, 0, 0, NULL)) != CLI_DONE
        || (rc = selection_filter(cli, &filter)) != CLI_DONE)
    {
        return rc;
    }

    if (filter_is_given(&filter)
        || options_value(cli->options, "dry-run") != NULL)
    {
        complain("--key-stdin takes no filters and no --dry-run");
        return CLI_USAGE;
    }

    return CLI_DONE;
}
