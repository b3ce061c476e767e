/* verify: would a gateway let this key pass? */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "core/scope.h"

#include "cli.h"
#include "show.h"


static int verify_given(const cli_t *cli);
static int verify_read(cli_t *cli, unsigned char *digest,
    const char **result);
static const char *verify_record(const cli_t *cli, const stored_t *stored);
static int verify_scopes(const cli_t *cli, apikey_text_t granted);
static int verify_method(apikey_text_t granted, const char *action);
static const char *verify_action(const cli_t *cli);
static void verify_print(const cli_t *cli, const stored_t *stored,
    const char *result);


int
command_verify(cli_t *cli)
{
    int             rc;
    stored_t       *stored;
    const char     *result;
    unsigned char   digest[APIKEY_DIGEST_SIZE];

    stored = NULL;
    result = NULL;

    if ((rc = cli_operands(cli, 0, 0, NULL)) != CLI_DONE
        || (rc = verify_given(cli)) != CLI_DONE
        || (rc = cli_pepper(cli)) != CLI_DONE)
    {
        return rc;
    }

    if (verify_read(cli, digest, &result) == 0) {
        rc = cli_open(cli);

        if (rc != CLI_DONE) {
            return rc;
        }

        switch (store_read(&cli->store, digest, &stored)) {

        case STORE_DONE:
            result = verify_record(cli, stored);
            break;

        case STORE_FAILED:
            return cli_failed(cli);

        default:
            result = "unknown";
        }
    }

    verify_print(cli, stored, result);
    free(stored);

    return (strcmp(result, "ok") == 0) ? CLI_DONE : CLI_REFUSED;
}


static int
verify_given(const cli_t *cli)
{
    unsigned        i;
    const char     *value;
    apikey_text_t   text;
    char            scope[2 * APIKEY_SCOPE_PART_MAX + 2];

    value = options_value(cli->options, "method");

    if (value != NULL
        && (*value == '\0'
            || value[strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-_")] != '\0'))
    {
        complain("--method \"%s\": not a method like GET", value);
        return CLI_USAGE;
    }

    i = 0;

    while ((value = options_next(cli->options, "require", &i)) != NULL) {

        /* A resource alone is a scope once it has an action. */

        snprintf(scope, sizeof(scope), "%s%s", value,
                 strchr(value, ':') ? "" : ":*");
        text = store_text(scope);

        if (strlen(value) > sizeof(scope) - 3
            || apikey_scope_check(text) != APIKEY_OK)
        {
            complain("--require \"%s\": not RESOURCE:ACTION or RESOURCE",
                     value);
            return CLI_USAGE;
        }
    }

    return CLI_DONE;
}


/* 0 and the digest of the key on standard input, or -1 and the result. */

static int
verify_read(cli_t *cli, unsigned char *digest, const char **result)
{
    int             rc;
    char            line[CLI_LINE];
    apikey_text_t   token;

    rc = -1;

    if (cli->request.key != NULL) {
        token = store_text(cli->request.key);
    } else if (cli_read_line(line, &token) != 0) {
        token.len = 0;
    }

    if (token.len == 0) {
        *result = "missing";

    } else if (apikey_token_check(token) != APIKEY_OK) {
        *result = "malformed";

    } else {
        apikey_token_digest(digest, token, &cli->pepper);
        rc = 0;
    }

    sodium_memzero(line, sizeof(line));

    return rc;
}


static const char *
verify_record(const cli_t *cli, const stored_t *stored)
{
    const char  *status;

    status = stored_status(stored, cli_now(cli));

    if (strcmp(status, "active") != 0) {
        return status;
    }

    return verify_scopes(cli, stored_get(stored, "scopes")) ? "ok" : "scope";
}


static int
verify_scopes(const cli_t *cli, apikey_text_t granted)
{
    int           any;
    char          scope[2 * APIKEY_SCOPE_PART_MAX + 2];
    unsigned      i;
    const char   *value;

    i = 0;
    any = 0;

    while ((value = options_next(cli->options, "require", &i)) != NULL) {
        any = 1;

        snprintf(scope, sizeof(scope), "%s%s%s", value,
                 strchr(value, ':') ? "" : ":",
                 strchr(value, ':') ? "" : verify_action(cli));

        if (!apikey_scope_allows(granted, store_text(scope))) {
            return 0;
        }
    }

    /* A method without a resource: is it allowed anywhere? */

    if (!any && options_value(cli->options, "method") != NULL) {
        return verify_method(granted, verify_action(cli));
    }

    return 1;
}


static int
verify_method(apikey_text_t granted, const char *action)
{
    const char     *colon;
    apikey_text_t   word, allowed;

    for ( ;; ) {
        word = apikey_text_word(&granted);

        if (word.len == 0) {
            return 0;
        }

        colon = memchr(word.data, ':', word.len);

        if (colon == NULL) {
            continue;
        }

        allowed.data = colon + 1;
        allowed.len = word.data + word.len - allowed.data;

        if (apikey_text_equal(allowed, store_text("*"))
            || apikey_text_equal(allowed, store_text(action)))
        {
            return 1;
        }
    }
}


/* What a method asks of a resource, as the gateway's apikey_resource says. */

static const char *
verify_action(const cli_t *cli)
{
    const char  *method;

    method = options_value(cli->options, "method");

    if (method == NULL) {
        method = "GET";
    }

    return apikey_scope_action_name(apikey_scope_action(store_text(method)));
}


static void
verify_print(const cli_t *cli, const stored_t *stored, const char *result)
{
    int      valid;
    json_t  *json;

    valid = (strcmp(result, "ok") == 0);

    if (cli->json) {
        json = stored ? stored_json(stored, cli_now(cli)) : json_object();

        json_object_set_new(json, "valid", json_boolean(valid));
        json_object_set_new(json, "result", json_string(result));

        json_print(json);
        return;
    }

    if (valid) {
        puts("valid");
    } else {
        printf("refused: %s\n", result);
    }

    if (stored != NULL) {
        stored_show(stored, cli_now(cli), 0);
    }
}
