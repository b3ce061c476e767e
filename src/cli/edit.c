/* edit: what may change during a key's life. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "change.h"
#include "confirm.h"
#include "given.h"
#include "show.h"
#include "tell.h"


typedef struct {
    attributes_t   attributes;
    given_time_t   expires;
    given_time_t   not_before;
} edit_t;


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
    int        rc;
    edit_t     edit;
    stored_t  *stored;

    memset(&edit, 0, sizeof(edit));
    stored = NULL;

    rc = cli_operands(cli, 1, 1, "the id of one key");

    if (rc == CLI_DONE) {
        rc = edit_given(cli, &edit);
    }

    if (rc == CLI_DONE) {
        rc = confirm_open(cli);
    }

    if (rc == CLI_DONE) {
        rc = given_time_set(cli, &edit.expires, "expires", &edit.attributes,
                            ATTRIBUTE_EXPIRES);
    }

    if (rc == CLI_DONE) {
        rc = given_time_set(cli, &edit.not_before, "not-before",
                            &edit.attributes, ATTRIBUTE_NOT_BEFORE);
    }

    if (rc == CLI_DONE) {
        rc = cli_read(cli, cli->options->operands[0], &stored);
    }

    if (rc == CLI_DONE) {
        rc = change_key(cli, &stored, edit_decide, &edit);
    }

    if (rc == CLI_DONE) {
        edit_tell(cli, stored);

        if (cli->json) {
            confirm_print(cli, stored_json(stored, cli_now(cli)));

        } else {
            stored_show(stored, cli_now(cli), 0);
        }

        given_plan_warn(cli);
    }

    rc = confirm_close(cli, rc);

    attributes_free(&edit.attributes);
    free(stored);

    return rc;
}


static int
edit_given(cli_t *cli, edit_t *edit)
{
    int                       rc;
    unsigned                  i, given;
    static const char *const  lasting[] = {
        "permissions", "scope", "permissions-json", "template", "org",
        "project", "service"
    };

    for (i = 0; i < sizeof(lasting) / sizeof(lasting[0]); i++) {

        if (options_value(cli->options, lasting[i]) != NULL) {
            complain("edit can't change --%s: scopes and bindings are for "
                     "life, make a new key", lasting[i]);
            return CLI_USAGE;
        }
    }

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

    rc = given_text(cli, &edit->attributes, ATTRIBUTE_NAME);

    if (rc == CLI_DONE) {
        rc = edit_given_text(cli, edit, ATTRIBUTE_PLAN);
    }

    if (rc == CLI_DONE) {
        rc = edit_given_text(cli, edit, ATTRIBUTE_LIMITS);
    }

    if (rc == CLI_DONE) {
        rc = edit_given_text(cli, edit, ATTRIBUTE_ALLOW);
    }

    if (rc == CLI_DONE) {
        rc = given_time(cli, &edit->expires, "expires");
    }

    if (rc == CLI_DONE) {
        rc = given_time(cli, &edit->not_before, "not-before");
    }

    return rc;
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

    unsigned       i;
    apikey_text_t  id;

    if (apikey_text_equal(stored_get(stored, "status"),
                          store_text("revoked")))
    {
        id = stored_get(stored, "id");
        complain("the key \"%.*s\" is revoked: that is final", (int) id.len,
                 id.data);
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
