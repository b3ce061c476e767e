/* create: a new key, as options describe it. */

#include <string.h>

#include "confirm.h"
#include "given.h"
#include "new_key.h"
#include "retry.h"
#include "template.h"


static int create_given(cli_t *cli, attributes_t *attributes,
    given_time_t *expires, given_time_t *not_before);
static int create_check(cli_t *cli, attributes_t *attributes,
    const given_time_t *expires, const given_time_t *not_before);
static int create_template(cli_t *cli, attributes_t *attributes);


int
command_create(cli_t *cli)
{
    int            rc;
    new_key_t      key;
    attributes_t  *attributes;
    given_time_t   expires, not_before;

    memset(&key, 0, sizeof(key));
    attributes = &key.stored.attributes;

    if ((rc = cli_operands(cli, 0, 0, NULL)) != CLI_DONE
        || (rc = create_given(cli, attributes, &expires, &not_before))
           != CLI_DONE
        || (rc = cli_pepper(cli)) != CLI_DONE)
    {
        goto done;
    }

    /* Only a text that takes another's place is worth waiting for. */

    rc = cli->request.retry ? confirm_open(cli) : cli_open(cli);

    if (rc != CLI_DONE
        || (rc = create_check(cli, attributes, &expires, &not_before))
           != CLI_DONE)
    {
        goto done;
    }

    new_key_generate(cli, &key);

    if ((rc = retry_begin(cli, &key.stored, &key.again, &key.made))
        != CLI_DONE
        || (rc = new_key_store(cli, &key)) != CLI_DONE)
    {
        goto done;
    }

    rc = confirm_close(cli, new_key_print(cli, &key));

done:

    new_key_free(&key);

    return rc;
}


static int
create_given(cli_t *cli, attributes_t *attributes, given_time_t *expires,
    given_time_t *not_before)
{
    int                         rc;
    unsigned                    i;
    const char                 *why;
    static const attribute_e    texts[] = {
        ATTRIBUTE_ID, ATTRIBUTE_NAME, ATTRIBUTE_PREFIX, ATTRIBUTE_ORG,
        ATTRIBUTE_PROJECT, ATTRIBUTE_SERVICE, ATTRIBUTE_PLAN, ATTRIBUTE_LIMITS
    };

    if (options_value(cli->options, "name") == NULL) {
        complain("create needs --name");
        return CLI_USAGE;
    }

    (void) attributes_set(attributes, ATTRIBUTE_PREFIX,
                          (apikey_text_t) apikey_text(NEW_KEY_PREFIX), &why);

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        rc = given_text(cli, attributes, texts[i]);

        if (rc != CLI_DONE) {
            return rc;
        }
    }

    if ((rc = given_allow(cli, attributes)) != CLI_DONE
        || (rc = given_scopes(cli, attributes)) != CLI_DONE
        || (rc = given_time(cli, expires, "expires")) != CLI_DONE)
    {
        return rc;
    }

    return given_time(cli, not_before, "not-before");
}


/* What needs Redis. */

static int
create_check(cli_t *cli, attributes_t *attributes,
    const given_time_t *expires, const given_time_t *not_before)
{
    int  rc;

    if ((rc = cli_pepper_check(cli)) != CLI_DONE
        || (rc = given_plan_check(cli)) != CLI_DONE
        || (rc = create_template(cli, attributes)) != CLI_DONE
        || (rc = given_time_set(cli, expires, "expires", attributes,
                                ATTRIBUTE_EXPIRES))
           != CLI_DONE
        || (rc = given_time_set(cli, not_before, "not-before", attributes,
                                ATTRIBUTE_NOT_BEFORE))
           != CLI_DONE)
    {
        return rc;
    }

    return given_times_check(attributes);
}


static int
create_template(cli_t *cli, attributes_t *attributes)
{
    int            rc;
    const char    *name, *why;
    template_t     template;

    name = options_value(cli->options, "template");

    if (name == NULL) {
        return CLI_DONE;
    }

    rc = template_find(cli, name, &template);

    if (rc != CLI_DONE) {
        return rc;
    }

    if (template.binds != NULL
        && attributes->value[attribute_find(template.binds)] == NULL)
    {
        complain_option("template", name,
                        "its keys are bound: the %s is missing",
                        template.binds);
        rc = CLI_USAGE;

    } else if (attributes_add(attributes, ATTRIBUTE_SCOPES,
                              store_text(template.scopes), &why)
               != APIKEY_OK
               || attributes_set(attributes, ATTRIBUTE_TEMPLATE,
                                 store_text(template.name), &why)
                  != APIKEY_OK)
    {
        complain_option("template", name, "%s", why);
        rc = CLI_USAGE;
    }

    template_free(&template);

    return rc;
}
