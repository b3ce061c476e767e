#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "cli.h"


int
cli_open(cli_t *cli)
{
    return (cli_try(cli) == CLI_DONE) ? CLI_DONE : cli_failed(cli);
}


int
cli_try(cli_t *cli)
{
    store_rc_e  rc;

    rc = store_keep(&cli->store, &cli->settings->address,
                    cli->settings->redis_prefix, &cli->now);

    return (rc == STORE_DONE) ? CLI_DONE : CLI_REDIS;
}


void
cli_close(cli_t *cli)
{
    store_close(&cli->store);
}


void
cli_missed(cli_t *cli)
{
    if (cli->store.missed[0] != '\0') {
        complain("warning: it is done, but this isn't written: %s",
                 cli->store.missed);
        cli->store.missed[0] = '\0';
    }
}


int
cli_pepper(cli_t *cli)
{
    char         why[SETTINGS_WHY];
    const char  *mend;

    if (settings_pepper(cli->settings, &cli->pepper, why, &mend) != 0) {
        complain("%s: %s", why, mend);
        return CLI_USAGE;
    }

    return CLI_DONE;
}


int
cli_pepper_check(cli_t *cli)
{
    int                    rc;
    char                   print[APIKEY_PEPPER_PRINT];
    store_workers_t        workers;
    const store_worker_t  *other;

    if (options_value(cli->options, "force") != NULL) {
        return CLI_DONE;
    }

    apikey_pepper_print(print, &cli->pepper);

    rc = CLI_DONE;

    if (store_workers_read(&cli->store, &workers) != STORE_DONE) {
        rc = cli_failed(cli);

    } else {
        other = store_workers_peppered(&workers, print);

        if (other != NULL) {
            complain("the pepper isn't that of the gateway \"%.*s\", which "
                     "refuses what is made with it",
                     (int) other->name.len, other->name.data);
            complain("--force does it all the same");
            rc = CLI_REFUSED;
        }
    }

    store_workers_free(&workers);

    return rc;
}


int
cli_failed(const cli_t *cli)
{
    complain("Redis at %s: %s", cli->settings->address.shown,
             cli->store.error);

    return CLI_REDIS;
}


int
cli_read(cli_t *cli, const char *id, stored_t **stored)
{
    switch (store_read_id(&cli->store, (apikey_text_t) { id, strlen(id) },
                          stored))
    {
    case STORE_DONE:
        return CLI_DONE;

    case STORE_ABSENT:
        complain_absent("key", id);
        return CLI_REFUSED;

    default:
        return cli_failed(cli);
    }
}


int
cli_read_operand(cli_t *cli, stored_t **stored)
{
    int  rc;

    if ((rc = cli_operands(cli, 1, 1, "the id of one key")) != CLI_DONE
        || (rc = cli_open(cli)) != CLI_DONE)
    {
        return rc;
    }

    return cli_read(cli, cli->options->operands[0], stored);
}


void
cli_answered(cli_t *cli, apikey_text_t rev)
{
    snprintf(cli->request.rev, sizeof(cli->request.rev), "%.*s",
             (int) rev.len, rev.data);
}


int
cli_operands(const cli_t *cli, unsigned min, unsigned max, const char *what)
{
    unsigned  count;

    count = cli->options->operand_count;

    if (count < min) {
        complain("%s needs %s", cli->options->command, what);
        return CLI_USAGE;
    }

    if (count > max) {
        complain("%s takes %s", cli->options->command,
                 max ? what : "options only");
        return CLI_USAGE;
    }

    return CLI_DONE;
}


uint64_t
cli_now(const cli_t *cli)
{
    return cli->now / 1000000;
}


int
cli_read_line(char line[CLI_LINE], apikey_text_t *text)
{
    size_t  len;

    if (isatty(STDIN_FILENO)) {
        fputs("key: ", stderr);
    }

    if (fgets(line, CLI_LINE, stdin) == NULL) {
        return -1;
    }

    len = strlen(line);

    /* Of a longer line nothing is a key: what is left only has to go. */

    if (len == CLI_LINE - 1 && line[len - 1] != '\n') {
        int  c;

        do {
            c = getchar();
        } while (c != EOF && c != '\n');
    }

    while (len > 0 && isspace((unsigned char) line[len - 1])) {
        len--;
    }

    text->data = line;
    text->len = len;

    while (text->len > 0 && (*text->data == ' ' || *text->data == '\t')) {
        text->data++;
        text->len--;
    }

    return 0;
}
