#include <string.h>

#include "filter.h"


/* Options, and the fields of their names. */
static const char *const  filter_fields[] = {
    "org", "project", "service"
};

#define FILTER_FIELDS  (sizeof(filter_fields) / sizeof(char *))


int
filter_given(const cli_t *cli)
{
    unsigned      i;
    const char   *value;
    static const char *const  statuses[] = {
        "active", "disabled", "revoked", "expired", "early", "unreadable"
    };

    value = options_value(cli->options, "status");

    if (value == NULL) {
        return CLI_DONE;
    }

    for (i = 0; i < sizeof(statuses) / sizeof(char *); i++) {
        if (strcmp(statuses[i], value) == 0) {
            return CLI_DONE;
        }
    }

    complain("--status \"%s\": not active, disabled, revoked, expired, early "
             "or unreadable", value);

    return CLI_USAGE;
}


int
filter_matches(const cli_t *cli, const stored_t *stored)
{
    unsigned     i;
    const char  *value;

    for (i = 0; i < FILTER_FIELDS; i++) {
        value = options_value(cli->options, filter_fields[i]);

        if (value != NULL
            && !apikey_text_equal(stored_get(stored, filter_fields[i]),
                                  store_text(value)))
        {
            return 0;
        }
    }

    value = options_value(cli->options, "status");

    return value == NULL
           || strcmp(stored_status(stored, cli_now(cli)), value) == 0;
}
