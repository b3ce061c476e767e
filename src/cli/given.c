#include <stdio.h>
#include <string.h>

#include "store/permissions.h"
#include "store/store_plans.h"

#include "given.h"


static int given_add(attributes_t *attributes, attribute_e attribute,
    const char *option, const char *value, const char *list);
static int given_json(const char *path, attributes_t *attributes);
static int given_wrong(const char *option, const char *value,
    const char *why);


static const struct {
    const char  *name;
    const char  *scopes;
} given_permissions[] = {
    { "read", "*:read" },
    { "write", "*:write *:delete" },
    { "full", "*:*" }
};


int
given_text(const cli_t *cli, attributes_t *attributes, attribute_e attribute)
{
    const char     *value, *why;
    apikey_text_t   text;

    value = options_value(cli->options, attribute_name(attribute));

    if (value == NULL) {
        return CLI_DONE;
    }

    text = (apikey_text_t) { value, strlen(value) };
    why = "is empty";

    if (text.len == 0
        || attributes_set(attributes, attribute, text, &why) != APIKEY_OK)
    {
        return given_wrong(attribute_name(attribute), value, why);
    }

    return CLI_DONE;
}


int
given_plan_check(cli_t *cli)
{
    char         nearest[APIKEY_LABEL_MAX + 1];
    const char  *plan;

    plan = options_value(cli->options, "plan");

    if (plan == NULL
        || given_none(plan)
        || options_value(cli->options, "force") != NULL)
    {
        return CLI_DONE;
    }

    switch (store_plan_check(&cli->store, store_text(plan), nearest)) {

    case STORE_DONE:
        return CLI_DONE;

    case STORE_ABSENT:
        complain_option("plan", plan, "no gateway has this plan%s%s%s",
                        nearest[0] ? ": did you mean \"" : "", nearest,
                        nearest[0] ? "\"?" : "");
        complain("--force takes it all the same");
        return CLI_REFUSED;

    default:
        return cli_failed(cli);
    }
}


int
given_allow(const cli_t *cli, attributes_t *attributes)
{
    int          rc;
    unsigned     i;
    const char  *value;

    i = 0;
    rc = CLI_DONE;

    while (rc == CLI_DONE
           && (value = options_next(cli->options, "allow", &i)) != NULL)
    {
        rc = given_add(attributes, ATTRIBUTE_ALLOW, "allow", value, value);
    }

    return rc;
}


int
given_scopes(const cli_t *cli, attributes_t *attributes)
{
    int          rc;
    unsigned     i, p, count;
    const char  *value;

    rc = CLI_DONE;
    count = sizeof(given_permissions) / sizeof(given_permissions[0]);

    i = 0;

    while (rc == CLI_DONE
           && (value = options_next(cli->options, "permissions", &i)) != NULL)
    {
        for (p = 0; p < count; p++) {
            if (strcmp(given_permissions[p].name, value) == 0) {
                break;
            }
        }

        if (p == count) {
            return given_wrong("permissions", value,
                               "not read, write or full");
        }

        rc = given_add(attributes, ATTRIBUTE_SCOPES, "permissions", value,
                       given_permissions[p].scopes);
    }

    i = 0;

    while (rc == CLI_DONE
           && (value = options_next(cli->options, "scope", &i)) != NULL)
    {
        rc = given_add(attributes, ATTRIBUTE_SCOPES, "scope", value, value);
    }

    value = options_value(cli->options, "permissions-json");

    if (rc == CLI_DONE && value != NULL) {
        rc = given_json(value, attributes);
    }

    return rc;
}


int
given_time(const cli_t *cli, given_time_t *given, const char *option)
{
    given->text = options_value(cli->options, option);

    if (given->text == NULL || given_none(given->text)) {
        return CLI_DONE;
    }

    if (dates_parse(given->text, &given->moment) != 0) {
        return given_wrong(option, given->text,
                           "not like 30d, 12h, 2030-01-31, "
                           "2030-01-31T12:00:00Z or Unix seconds");
    }

    return CLI_DONE;
}


int
given_time_set(const cli_t *cli, const given_time_t *given,
    const char *option, attributes_t *attributes, attribute_e attribute)
{
    uint64_t     seconds;
    const char  *why;

    if (given->text == NULL) {
        return CLI_DONE;
    }

    if (given_none(given->text)) {
        (void) attributes_set(attributes, attribute,
                              (apikey_text_t) { NULL, 0 }, &why);
        return CLI_DONE;
    }

    seconds = dates_resolve(&given->moment, cli_now(cli));

    if (seconds <= cli_now(cli)) {
        return given_wrong(option, given->text, "not in the future");
    }

    if (attributes_set_time(attributes, attribute, seconds, &why)
        != APIKEY_OK)
    {
        return given_wrong(option, given->text, why);
    }

    return CLI_DONE;
}


int
given_times_check(const attributes_t *attributes)
{
    if (attributes_lives(attributes)) {
        return CLI_DONE;
    }

    complain("the key would expire before it may be used: expires is %s, "
             "not_before is %s", attributes->value[ATTRIBUTE_EXPIRES],
             attributes->value[ATTRIBUTE_NOT_BEFORE]);

    return CLI_USAGE;
}


int
given_format(const cli_t *cli, rows_format_e *format)
{
    const char  *value;

    value = options_value(cli->options, "format");

    if (value == NULL) {
        *format = ROWS_ANY;

    } else if (strcmp(value, "json") == 0) {
        *format = ROWS_JSON;

    } else if (strcmp(value, "csv") == 0) {
        *format = ROWS_CSV;

    } else {
        return given_wrong("format", value, "not csv or json");
    }

    return CLI_DONE;
}


int
given_none(const char *value)
{
    return strcmp(value, "none") == 0;
}


static int
given_add(attributes_t *attributes, attribute_e attribute,
    const char *option, const char *value, const char *list)
{
    const char  *why;

    if (list[strspn(list, " ")] == '\0') {
        return given_wrong(option, value, "is empty");
    }

    if (attributes_add(attributes, attribute,
                       (apikey_text_t) { list, strlen(list) }, &why)
        != APIKEY_OK)
    {
        return given_wrong(option, value, why);
    }

    return CLI_DONE;
}


static int
given_json(const char *path, attributes_t *attributes)
{
    int            rc;
    char           text[JSON_ERROR_TEXT_LENGTH + 32];
    json_t        *json;
    const char    *why;
    json_error_t   error;

    json = (strcmp(path, "-") == 0)
           ? json_loadf(stdin, JSON_REJECT_DUPLICATES, &error)
           : json_load_file(path, JSON_REJECT_DUPLICATES, &error);

    if (json == NULL) {
        snprintf(text, sizeof(text), "line %d: %s", error.line, error.text);
        return given_wrong("permissions-json", path,
                           error.line > 0 ? text : error.text);
    }

    rc = permissions_read(json, attributes, &why);
    json_decref(json);

    return (rc == APIKEY_OK) ? CLI_DONE
                             : given_wrong("permissions-json", path, why);
}


static int
given_wrong(const char *option, const char *value, const char *why)
{
    complain_option(option, value, "%s", why);

    return CLI_USAGE;
}
