#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/dates.h"

#include "confirm.h"


#define CONFIRM_WAIT      2000        /* milliseconds */
#define CONFIRM_WAIT_MAX  86400000


static int confirm_given(cli_t *cli);
static void confirm_wait(cli_t *cli);
static void confirm_set(const cli_t *cli, json_t *json);
static json_t *confirm_json(const cli_t *cli);
static json_t *confirm_replicas(const cli_t *cli);
static int confirm_say(cli_t *cli);
static void confirm_say_replicas(const cli_t *cli);


int
confirm_open(cli_t *cli)
{
    int  rc;

    cli->confirm.opened = 1;

    if ((rc = confirm_given(cli)) != CLI_DONE
        || (rc = cli_open(cli)) != CLI_DONE)
    {
        return rc;
    }

    if (cli->confirm.wait != 0 && store_acks_open(&cli->store) != STORE_DONE) {
        return cli_failed(cli);
    }

    return CLI_DONE;
}


int
confirm_wanted(const cli_t *cli)
{
    return store_acks_token(&cli->store).len != 0;
}


void
confirm_print(cli_t *cli, json_t *json)
{
    if (cli->confirm.kept == NULL) {
        cli->confirm.kept = json_array();
    }

    json_array_append_new(cli->confirm.kept, json);
}


void
confirm_add(cli_t *cli, json_t *json)
{
    if (cli->confirm.opened) {
        confirm_wait(cli);
        confirm_set(cli, json);
    }
}


int
confirm_close(cli_t *cli, int status)
{
    int      rc;
    size_t   i;
    json_t  *json;

    fflush(stdout);
    confirm_wait(cli);

    json_array_foreach(cli->confirm.kept, i, json) {
        confirm_set(cli, json);
        json_print(json_incref(json));
    }

    json_decref(cli->confirm.kept);
    cli->confirm.kept = NULL;

    rc = confirm_say(cli);

    return status ? status : rc;
}


/* "2s", "500ms", "0" */

static int
confirm_given(cli_t *cli)
{
    size_t       len;
    uint64_t     n;
    const char  *text;

    text = options_value(cli->options, "wait");

    if (text == NULL) {
        cli->confirm.wait = CONFIRM_WAIT;
        return CLI_DONE;
    }

    len = strlen(text);

    if (len > 2 && strcmp(text + len - 2, "ms") == 0) {

        if (apikey_text_number((apikey_text_t) { text, len - 2 },
                               CONFIRM_WAIT_MAX, &n)
            != APIKEY_OK)
        {
            n = UINT64_MAX;
        }

    } else if (strcmp(text, "0") == 0) {
        n = 0;

    } else if (dates_parse_length(text, &n) == 0) {
        n *= 1000;

    } else {
        n = UINT64_MAX;
    }

    if (n > CONFIRM_WAIT_MAX) {
        complain_option("wait", text, "not like 2s, 500ms or 0, up to a day");
        return CLI_USAGE;
    }

    cli->confirm.wait = n;

    return CLI_DONE;
}


static void
confirm_wait(cli_t *cli)
{
    if (cli->store.acks != NULL && !cli->confirm.waited) {
        store_acks_wait(&cli->store, cli->confirm.wait);
        store_replicas_wait(&cli->store, cli->confirm.wait,
                            &cli->confirm.replicas);
        cli->confirm.waited = 1;
    }
}


static void
confirm_set(const cli_t *cli, json_t *json)
{
    json_object_set_new(json, "workers", confirm_json(cli));
    json_object_set_new(json, "replicas", confirm_replicas(cli));
}


/* null if nobody was asked */

static json_t *
confirm_json(const cli_t *cli)
{
    json_t              *confirmed, *missing;
    unsigned             i;
    const store_ack_t   *ack;
    const store_acks_t  *acks;

    acks = cli->store.acks;

    if (acks == NULL || acks->expected == 0) {
        return json_null();
    }

    confirmed = json_array();
    missing = json_array();

    for (i = 0; i < acks->count; i++) {
        ack = &acks->list[i];

        if (store_ack_confirmed(acks, ack)) {
            json_array_append_new(confirmed, json_text(ack->name));

        } else if (!ack->left) {
            json_array_append_new(missing, json_text(ack->name));
        }
    }

    return json_pack("{s:o,s:o,s:I}", "confirmed", confirmed, "missing",
                     missing, "ms",
                     (json_int_t) (acks->ended - acks->began + 999) / 1000);
}


/* null if there are none, or nobody tells */

static json_t *
confirm_replicas(const cli_t *cli)
{
    const store_replicas_t  *replicas;

    replicas = &cli->confirm.replicas;

    if (replicas->total == 0) {
        return json_null();
    }

    return json_pack("{s:I,s:I}", "confirmed",
                     (json_int_t) replicas->confirmed, "total",
                     (json_int_t) replicas->total);
}


/* CLI_DONE, or CLI_REFUSED if somebody is missing. */

static int
confirm_say(cli_t *cli)
{
    size_t               i, confirmed;
    json_t              *workers, *missing, *name;
    const store_acks_t  *acks;

    acks = cli->store.acks;

    if (acks == NULL || acks->expected == 0) {
        return CLI_DONE;
    }

    workers = confirm_json(cli);
    missing = json_object_get(workers, "missing");
    confirmed = json_array_size(json_object_get(workers, "confirmed"));

    if (cli->json) {
        /* said already */

    } else if (confirmed + json_array_size(missing) == 0) {
        puts("no gateway is registered");

    } else {
        printf("confirmed by %zu of %zu workers in %lld ms\n", confirmed,
               confirmed + json_array_size(missing),
               (long long) json_integer_value(json_object_get(workers, "ms")));
    }

    confirm_say_replicas(cli);
    fflush(stdout);

    json_array_foreach(missing, i, name) {
        complain("no answer from %s", json_string_value(name));
    }

    json_decref(workers);

    if (i == 0) {
        return CLI_DONE;
    }

    cli->confirm.missed = 1;

    if (acks->error[0] != '\0') {
        complain("the answers of gateways can't be heard: %s", acks->error);
    }

    complain("the change stands, but who didn't answer may act on what was "
             "before for as long as its cache is valid");

    return CLI_REFUSED;
}


/* A change that gateways know is no less made for that. */

static void
confirm_say_replicas(const cli_t *cli)
{
    const store_replicas_t  *replicas;

    replicas = &cli->confirm.replicas;

    if (replicas->total != 0 && !cli->json) {
        printf("replicated to %u of %u replicas\n", replicas->confirmed,
               replicas->total);
    }

    if (replicas->confirmed < replicas->total) {
        complain("warning: a failover to a replica that hasn't got the change "
                 "yet would lose it");
    }

    if (replicas->unsure) {
        complain("warning: a master went away meanwhile: see that its "
                 "successor knows the change");
    }
}
