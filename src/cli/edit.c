/* edit: what may change during a key's life. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "change.h"
#include "confirm.h"
#include "given.h"
#include "selection.h"
#include "show.h"
#include "tell.h"


typedef struct {
    attributes_t   attributes;
    given_time_t   expires;
    given_time_t   not_before;
} edit_t;


static int edit_lasting(cli_t *cli);
static int edit_keys(cli_t *cli, const selection_t *keys, edit_t *edit);
static void edit_print(cli_t *cli, const selection_t *keys,
    const stored_t *stored);
static int edit_given(cli_t *cli, edit_t *edit);
static int edit_given_text(cli_t *cli, edit_t *edit, attribute_e attribute);
static int edit_decide(cli_t *cli, const stored_t *stored, change_t *change,
    void *data);
static void edit_tell(cli_t *cli, const stored_t *stored);
static int edit_times_check(const stored_t *stored, const edit_t *edit);


static const struct {
    attribute_e   attribute;
    const char   *option;
} edit_options[] = {
    { ATTRIBUTE_NAME, "name" },
    { ATTRIBUTE_PLAN, "plan" },
    { ATTRIBUTE_LIMITS, "limits" },
    { ATTRIBUTE_ALLOW, "allow" },
    { ATTRIBUTE_EXPIRES, "expires" },
    { ATTRIBUTE_NOT_BEFORE, "not-before" }
};

#define EDIT_OPTIONS  (sizeof(edit_options) / sizeof(edit_options[0]))


int
command_edit(cli_t *cli)
{
    int           rc;
    edit_t        edit;
    selection_t   keys;

    memset(&edit, 0, sizeof(edit));
    memset(&keys, 0, sizeof(keys));

    if ((rc = edit_lasting(cli)) != CLI_DONE
        || (rc = selection_given(cli, &keys,
                                 SELECTION_LASTING|SELECTION_EDITED))
           != CLI_DONE
        || (rc = edit_given(cli, &edit)) != CLI_DONE
        || (rc = confirm_open(cli)) != CLI_DONE
        || (rc = given_plan_check(cli)) != CLI_DONE
        || (rc = given_time_set(cli, &edit.expires, "expires",
                                &edit.attributes, ATTRIBUTE_EXPIRES))
           != CLI_DONE
        || (rc = given_time_set(cli, &edit.not_before, "not-before",
                                &edit.attributes, ATTRIBUTE_NOT_BEFORE))
           != CLI_DONE
        || (rc = selection_find(cli, &keys, "edit")) != CLI_DONE)
    {
        goto done;
    }

    rc = confirm_close(cli, edit_keys(cli, &keys, &edit));

done:

    selection_free(&keys);
    attributes_free(&edit.attributes);

    return (rc == SELECTION_OVER) ? CLI_DONE : rc;
}


/* Of a key that is named; else some of these are filters. */

static int
edit_lasting(cli_t *cli)
{
    unsigned                  i;
    static const struct {
        const char  *option;
        int          filter;
    } lasting[] = {
        { "permissions", 0 }, { "scope", 0 }, { "permissions-json", 0 },
        { "template", 0 }, { "org", 1 }, { "project", 1 }, { "service", 1 }
    };

    for (i = 0; i < sizeof(lasting) / sizeof(lasting[0]); i++) {

        if (options_value(cli->options, lasting[i].option) != NULL
            && (!lasting[i].filter || cli->options->operand_count != 0))
        {
            complain("edit can't change --%s: scopes and bindings are for "
                     "life, make a new key", lasting[i].option);
            return CLI_USAGE;
        }
    }

    return CLI_DONE;
}


static int
edit_keys(cli_t *cli, const selection_t *keys, edit_t *edit)
{
    int        rc, one;
    size_t     i;
    stored_t  *stored;

    rc = CLI_DONE;

    if (keys->count == 0) {
        complain("no key matches");
    }

    for (i = 0; i < keys->count && rc != CLI_REDIS; i++) {
        one = selection_read(cli, keys, i, &stored);

        if (one == CLI_DONE) {
            one = change_key(cli, &stored, edit_decide, edit);
        }

        if (one == CLI_DONE) {
            edit_tell(cli, stored);
            edit_print(cli, keys, stored);
        }

        free(stored);

        if (one != SELECTION_PASSED) {
            rc = one ? one : rc;
        }
    }

    return rc;
}


static void
edit_print(cli_t *cli, const selection_t *keys, const stored_t *stored)
{
    apikey_text_t  id;

    cli_answered(cli, stored_get(stored, "rev"));

    if (cli->json) {
        confirm_print(cli, stored_json(stored, cli_now(cli)));

    } else if (keys->filtered) {
        id = stored_get(stored, "id");
        printf("edited %.*s\n", (int) id.len, id.data);

    } else {
        stored_show(stored, cli_now(cli), 0);
    }
}


static int
edit_given(cli_t *cli, edit_t *edit)
{
    int       rc;
    unsigned  i, given;

    given = 0;

    for (i = 0; i < EDIT_OPTIONS; i++) {
        if (options_value(cli->options, edit_options[i].option) != NULL) {
            given = 1;
        }
    }

    if (!given) {
        complain("edit needs --name, --plan, --limits, --allow, --expires or "
                 "--not-before");
        return CLI_USAGE;
    }

    if ((rc = given_text(cli, &edit->attributes, ATTRIBUTE_NAME)) != CLI_DONE
        || (rc = edit_given_text(cli, edit, ATTRIBUTE_PLAN)) != CLI_DONE
        || (rc = edit_given_text(cli, edit, ATTRIBUTE_LIMITS)) != CLI_DONE
        || (rc = edit_given_text(cli, edit, ATTRIBUTE_ALLOW)) != CLI_DONE
        || (rc = given_time(cli, &edit->expires, "expires")) != CLI_DONE)
    {
        return rc;
    }

    return given_time(cli, &edit->not_before, "not-before");
}


/* What is to be removed stays absent from the attributes. */

static int
edit_given_text(cli_t *cli, edit_t *edit, attribute_e attribute)
{
    const char  *value;

    value = options_value(cli->options, attribute_name(attribute));

    if (value != NULL && given_none(value)) {
        return CLI_DONE;
    }

    return (attribute == ATTRIBUTE_ALLOW)
           ? given_allow(cli, &edit->attributes)
           : given_text(cli, &edit->attributes, attribute);
}


static int
edit_decide(cli_t *cli, const stored_t *stored, change_t *change, void *data)
{
    edit_t *edit = data;

    unsigned  i;

    if (change_final(stored)) {
        return CLI_REFUSED;
    }

    for (i = 0; i < EDIT_OPTIONS; i++) {

        if (options_value(cli->options, edit_options[i].option) != NULL) {
            change_set(change, edit_options[i].attribute,
                       attributes_get(&edit->attributes,
                                      edit_options[i].attribute));
        }
    }

    return edit_times_check(stored, edit);
}


static void
edit_tell(cli_t *cli, const stored_t *stored)
{
    char            changed[128];
    size_t          len;
    unsigned        i;
    apikey_field_t  detail;

    len = 0;

    for (i = 0; i < EDIT_OPTIONS; i++) {

        if (options_value(cli->options, edit_options[i].option) != NULL) {
            len += snprintf(changed + len, sizeof(changed) - len, "%s%s",
                            len ? " " : "",
                            attribute_name(edit_options[i].attribute));
        }
    }

    detail.name = store_text("changed");
    detail.value = (apikey_text_t) { changed, len };

    tell_key(cli, "edited", stored, &detail, 1);
}


/* Of the two times, the one that isn't edited is the record's. */

static int
edit_times_check(const stored_t *stored, const edit_t *edit)
{
    int            rc;
    const char    *why;
    attributes_t   times;

    memset(&times, 0, sizeof(times));

    rc = CLI_DONE;

    if (attributes_set(&times, ATTRIBUTE_EXPIRES,
                       edit->expires.text
                       ? attributes_get(&edit->attributes, ATTRIBUTE_EXPIRES)
                       : stored_get(stored, "expires"), &why)
        == APIKEY_OK
        && attributes_set(&times, ATTRIBUTE_NOT_BEFORE,
                          edit->not_before.text
                          ? attributes_get(&edit->attributes,
                                           ATTRIBUTE_NOT_BEFORE)
                          : stored_get(stored, "not_before"), &why)
           == APIKEY_OK)
    {
        rc = given_times_check(&times);
    }

    attributes_free(&times);

    return rc;
}
