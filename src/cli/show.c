/* show: what is known of a key. */

#include <stdio.h>
#include <stdlib.h>

#include "store/dates.h"
#include "store/terminal.h"

#include "cli.h"
#include "show.h"


int
command_show(cli_t *cli)
{
    int        rc;
    stored_t  *stored;

    stored = NULL;
    rc = cli_read_operand(cli, &stored);

    if (rc == CLI_DONE) {
        cli_answered(cli, stored_get(stored, "rev"));
        stored_show(stored, cli_now(cli), cli->json);
    }

    free(stored);

    return rc;
}


void
stored_show(const stored_t *stored, uint64_t now, int json)
{
    char              date[DATES_SIZE];
    uint64_t          used;
    const char       *name, *why;
    attribute_e       i;
    apikey_text_t     text;
    apikey_record_t  *record;

    if (json) {
        json_print(stored_json(stored, now));
        return;
    }

    for (i = 0; i < ATTRIBUTE_COUNT; i++) {
        name = attribute_name(i);
        text = stored_get(stored, name);

        if (i == ATTRIBUTE_STATUS) {
            printf("%-13s %s\n", name, stored_status(stored, now));

        } else if (attribute_is_time(i) && stored_number(stored, name) != 0) {
            dates_format(date, stored_number(stored, name));
            printf("%-13s %s UTC\n", name, date);

        } else if (text.len != 0) {
            printf("%-13s ", name);
            text_print(text);
            putchar('\n');
        }
    }

    used = stored_used(stored, &text);

    if (used != 0) {
        dates_format(date, used);
        printf("%-13s %s UTC\n", "last_used", date);
        printf("%-13s ", "last_address");
        text_print(text);
        putchar('\n');
    }

    record = stored_parse(stored, &why);

    if (record == NULL) {
        printf("%-13s %s\n", "unreadable", why);
    }

    free(record);
}
