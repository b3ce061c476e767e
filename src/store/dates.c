#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/text.h"

#include "dates.h"


static int dates_parse_date(const char *text, uint64_t *seconds);
static int dates_parse_zone(const char *text, long *seconds);
static int dates_digits(const char **text, size_t count, char after,
    int *value);


int
dates_parse_length(const char *text, uint64_t *seconds)
{
    size_t              len;
    uint64_t            n;
    const char         *unit;
    static const char   units[] = "smhdw";
    static const uint32_t  lengths[] = { 1, 60, 3600, 86400, 7 * 86400 };

    len = strlen(text);

    if (len < 2) {
        return -1;
    }

    unit = strchr(units, text[len - 1]);

    if (unit == NULL
        || apikey_text_number((apikey_text_t) { text, len - 1 },
                              DATES_MAX / (7 * 86400), &n)
           != APIKEY_OK)
    {
        return -1;
    }

    *seconds = n * lengths[unit - units];

    return 0;
}


int
dates_parse(const char *text, moment_t *moment)
{
    if (dates_parse_length(text, &moment->seconds) == 0) {
        moment->relative = 1;
        return 0;
    }

    moment->relative = 0;

    if (apikey_text_number((apikey_text_t) { text, strlen(text) }, DATES_MAX,
                           &moment->seconds)
        == APIKEY_OK)
    {
        return 0;
    }

    return dates_parse_date(text, &moment->seconds);
}


uint64_t
dates_resolve(const moment_t *moment, uint64_t now)
{
    return moment->relative ? now + moment->seconds : moment->seconds;
}


void
dates_format(char out[DATES_SIZE], uint64_t seconds)
{
    time_t     t;
    struct tm  tm;

    t = (time_t) seconds;

    if (seconds > DATES_MAX || gmtime_r(&t, &tm) == NULL) {
        strcpy(out, "?");
        return;
    }

    strftime(out, DATES_SIZE, "%Y-%m-%d %H:%M:%S", &tm);
}


/* YYYY-MM-DD, or with THH:MM:SS[.FRACTION] and Z, +HH:MM or -HH:MM. */

static int
dates_parse_date(const char *text, uint64_t *seconds)
{
    int        year, month, day, hour, minute, second;
    long       zone;
    time_t     t;
    struct tm  tm;

    hour = minute = second = 0;
    zone = 0;

    if (dates_digits(&text, 4, '-', &year) != 0
        || dates_digits(&text, 2, '-', &month) != 0
        || dates_digits(&text, 2, '\0', &day) != 0)
    {
        return -1;
    }

    if (*text != '\0'
        && (strchr("Tt ", *text++) == NULL
            || dates_digits(&text, 2, ':', &hour) != 0
            || dates_digits(&text, 2, ':', &minute) != 0
            || dates_digits(&text, 2, '\0', &second) != 0
            || hour > 23 || minute > 59 || second > 60
            || dates_parse_zone(text, &zone) != 0))
    {
        return -1;
    }

    memset(&tm, 0, sizeof(tm));

    tm.tm_year = year - 1900;
    tm.tm_mon = month - 1;
    tm.tm_mday = day;

    t = timegm(&tm);

    /* What no calendar has was moved to another month. */

    if (tm.tm_mon != month - 1 || tm.tm_mday != day) {
        return -1;
    }

    t += hour * 3600 + minute * 60 + second - zone;

    if (t < 0) {
        return -1;
    }

    *seconds = (uint64_t) t;

    return 0;
}


static int
dates_parse_zone(const char *text, long *seconds)
{
    int  sign, hours, minutes;

    if (*text == '.') {
        text++;

        if (strspn(text, "0123456789") == 0) {
            return -1;
        }

        text += strspn(text, "0123456789");
    }

    if (strcmp(text, "Z") == 0 || strcmp(text, "z") == 0) {
        return 0;
    }

    sign = (*text == '-') ? -1 : 1;

    if ((*text != '+' && *text != '-')
        || (text++, dates_digits(&text, 2, ':', &hours)) != 0
        || dates_digits(&text, 2, 0, &minutes) != 0
        || *text != '\0' || hours > 23 || minutes > 59)
    {
        return -1;
    }

    *seconds = sign * (hours * 3600L + minutes * 60L);

    return 0;
}


/* Digits, and the character behind them unless that is 0. */

static int
dates_digits(const char **text, size_t count, char after, int *value)
{
    uint64_t  n;

    if (strnlen(*text, count) != count
        || apikey_text_number((apikey_text_t) { *text, count }, 9999, &n)
           != APIKEY_OK
        || (after != '\0' && (*text)[count] != after))
    {
        return -1;
    }

    *value = (int) n;
    *text += count + (after != '\0');

    return 0;
}
