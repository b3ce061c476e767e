/* Keys and events, for people. */

#include <stdio.h>
#include <stdlib.h>

#include "store/dates.h"
#include "store/terminal.h"

#include "output.h"
#include "show.h"


static void event_cell(apikey_text_t text, unsigned width);


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


void
event_print(const event_t *event)
{
    char       time[DATES_SIZE];
    unsigned   i;

    dates_format(time, event->time);
    printf("%s  ", time);

    event_cell(event->type, 15);
    event_cell(event->key, 16);
    event_cell(event->name, 20);
    event_cell(event->actor, 10);

    for (i = 0; i < event->count; i++) {
        if (i != 0) {
            putchar(' ');
        }

        text_print(event->details[i].name);
        putchar('=');
        text_print(event->details[i].value);
    }

    puts(event->count ? "" : "-");
}


void
event_print_header(void)
{
    printf("%-19s  %-15s  %-16s  %-20s  %-10s  %s\n", "TIME", "TYPE", "KEY",
           "NAME", "ACTOR", "DETAIL");
}


/* Never cut: what is wider moves the rest of its line. */

static void
event_cell(apikey_text_t text, unsigned width)
{
    unsigned  shown;

    if (text.len == 0) {
        text = store_text("-");
    }

    shown = text_width(text);

    text_print(text);
    printf("%*s", (int) (shown < width ? width - shown : 0) + 2, "");
}
