/* The days that usage is asked for. */

#include <stdio.h>
#include <string.h>

#include "store/complain.h"
#include "store/dates.h"

#include "usage.h"


#define USAGE_DAYS  30     /* unless said otherwise */


static int usage_span_days(const char *value, usage_given_t *given);
static int usage_span_month(const char *value, usage_given_t *given);
static int usage_span_date(const char *option, const char *value,
    uint64_t *day);


int
usage_span_given(const cli_t *cli, usage_given_t *given)
{
    const char  *days, *month, *from, *to;

    days = options_value(cli->options, "days");
    month = options_value(cli->options, "month");
    from = options_value(cli->options, "from");
    to = options_value(cli->options, "to");

    if ((days != NULL) + (month != NULL) + (from != NULL) > 1) {
        complain("--days, --month and --from exclude each other");
        return CLI_USAGE;
    }

    if (to != NULL && from == NULL) {
        complain("--to needs --from");
        return CLI_USAGE;
    }

    memset(given, 0, sizeof(usage_given_t));
    given->days = USAGE_DAYS;

    if (days != NULL) {
        return usage_span_days(days, given);
    }

    if (month != NULL) {
        return usage_span_month(month, given);
    }

    if (from == NULL) {
        return CLI_DONE;
    }

    given->days = 0;

    if (usage_span_date("from", from, &given->first) != CLI_DONE) {
        return CLI_USAGE;
    }

    if (to == NULL) {
        return CLI_DONE;
    }

    if (usage_span_date("to", to, &given->last) != CLI_DONE) {
        return CLI_USAGE;
    }

    if (given->last < given->first) {
        complain_option("to", to, "before --from %s", from);
        return CLI_USAGE;
    }

    return CLI_DONE;
}


int
usage_span_resolve(const cli_t *cli, const usage_given_t *given,
    store_usage_span_t *span)
{
    uint64_t  today, last;

    today = cli_now(cli) / 86400;

    if (given->days != 0) {
        span->first = today + 1 - given->days;
        span->days = given->days;
        return CLI_DONE;
    }

    span->first = given->first;
    last = given->last ? given->last : today;

    if (last < given->first) {
        complain_option("from", options_value(cli->options, "from"),
                        "later than today");
        return CLI_USAGE;
    }

    if (last - given->first >= APIKEY_USAGE_DAYS_MAX) {
        complain_option("from", options_value(cli->options, "from"),
                        "more than %d days", APIKEY_USAGE_DAYS_MAX);
        return CLI_USAGE;
    }

    span->days = (unsigned) (last + 1 - given->first);

    return CLI_DONE;
}


size_t
usage_span_find(const store_usage_span_t *span, uint32_t day, size_t *at)
{
    if (*at >= span->days
        || apikey_usage_day((span->first + *at) * 86400) > day)
    {
        *at = 0;
    }

    while (*at < span->days
           && apikey_usage_day((span->first + *at) * 86400) < day)
    {
        (*at)++;
    }

    return *at;
}


void
usage_day_text(char out[USAGE_DAY], uint32_t day)
{
    snprintf(out, USAGE_DAY, "%04u-%02u-%02u", day / 10000 % 10000,
             day / 100 % 100, day % 100);
}


static int
usage_span_days(const char *value, usage_given_t *given)
{
    uint64_t  n;

    if (apikey_text_number(store_text(value), APIKEY_USAGE_DAYS_MAX, &n)
        != APIKEY_OK
        || n == 0)
    {
        complain_option("days", value, "not a number from 1 to %d",
                        APIKEY_USAGE_DAYS_MAX);
        return CLI_USAGE;
    }

    given->days = (unsigned) n;

    return CLI_DONE;
}


static int
usage_span_month(const char *value, usage_given_t *given)
{
    char      text[USAGE_DAY];
    uint32_t  month;
    moment_t  moment;

    snprintf(text, sizeof(text), "%.7s-01", value);

    if (strlen(value) != 7 || dates_parse(text, &moment) != 0
        || moment.relative)
    {
        complain_option("month", value, "not like 2026-11");
        return CLI_USAGE;
    }

    given->days = 0;
    given->first = given->last = moment.seconds / 86400;
    month = apikey_usage_day(moment.seconds) / 100;

    while (apikey_usage_day((given->last + 1) * 86400) / 100 == month) {
        given->last++;
    }

    return CLI_DONE;
}


static int
usage_span_date(const char *option, const char *value, uint64_t *day)
{
    moment_t  moment;

    if (strlen(value) != USAGE_DAY - 1 || dates_parse(value, &moment) != 0
        || moment.relative || value[4] != '-')
    {
        complain_option(option, value, "not a date like 2026-11-22");
        return CLI_USAGE;
    }

    *day = moment.seconds / 86400;

    return CLI_DONE;
}
