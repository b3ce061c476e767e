#include <string.h>

#include "limit.h"


typedef struct {
    char      name;
    uint32_t  seconds;
} apikey_unit_t;


static int apikey_limits_algorithm(apikey_limits_t *limits,
    apikey_text_t word);
static uint32_t apikey_unit_seconds(char name);
static char *apikey_window_format(char *out, const apikey_window_t *window);
static char *apikey_number_format(char *out, uint64_t n);
static unsigned char *apikey_counter_put(unsigned char *out,
    const apikey_counter_t *counter);
static void apikey_counter_move(apikey_counter_t *counter, uint64_t now_us);
static int apikey_window_fits(const apikey_window_t *window, uint64_t used,
    uint64_t cost);
static uint32_t apikey_window_wait(const apikey_window_t *window,
    const apikey_counter_t *counter, int sliding, uint64_t now_us,
    uint64_t cost);


#define APIKEY_MICROSECONDS  1000000


/* The longest first. */
static const apikey_unit_t  apikey_units[] = {
    { 'd', 86400 },
    { 'h', 3600 },
    { 'm', 60 },
    { 's', 1 },
    { '\0', 0 }
};


int
apikey_window_parse(apikey_window_t *window, apikey_text_t text,
    const char **why)
{
    uint64_t        n, unit;
    const char     *slash;
    apikey_text_t   count, length;

    slash = text.len ? memchr(text.data, '/', text.len) : NULL;

    if (slash == NULL) {
        goto malformed;
    }

    count.data = text.data;
    count.len = slash - text.data;

    length.data = slash + 1;
    length.len = text.len - count.len - 1;

    unit = 1;
    n = 1;

    if (count.len != 0 && count.data[count.len - 1] == 'r') {
        count.len--;

        if (length.len == 0) {
            goto malformed;
        }

        unit = apikey_unit_seconds(length.data[--length.len]);

        if (unit == 0) {
            goto malformed;
        }

    } else if (length.len == 0) {
        goto malformed;
    }

    if (length.len != 0
        && (apikey_text_number(length, APIKEY_WINDOW_SECONDS / unit, &n)
            != APIKEY_OK
            || n == 0))
    {
        *why = "the window is not a number of seconds, minutes, hours or days "
               "from 1 second to 366 days";
        return APIKEY_INVALID;
    }

    window->seconds = n * unit;

    if (apikey_text_number(count, APIKEY_COUNT_MAX, &window->limit)
        != APIKEY_OK
        || window->limit == 0)
    {
        *why = "the count is not a number from 1 to 140737488355328";
        return APIKEY_INVALID;
    }

    return APIKEY_OK;

malformed:

    *why = "not a limit, such as 60r/m, 5r/s, 1000000r/30d or 100/90";
    return APIKEY_INVALID;
}


int
apikey_limits_add(apikey_limits_t *limits, apikey_window_t window,
    const char **why)
{
    unsigned          i;
    apikey_window_t  *w;

    if (limits->count == APIKEY_WINDOWS_MAX) {
        *why = "more than 8 windows";
        return APIKEY_INVALID;
    }

    w = limits->window;

    for (i = 0; i < limits->count && w[i].seconds < window.seconds; i++) {
        /* void */
    }

    if (i < limits->count && w[i].seconds == window.seconds) {
        *why = "the same window twice";
        return APIKEY_INVALID;
    }

    if ((i > 0 && w[i - 1].limit > window.limit)
        || (i < limits->count && w[i].limit < window.limit))
    {
        *why = "a longer window has the smaller count";
        return APIKEY_INVALID;
    }

    memmove(&w[i + 1], &w[i], (limits->count - i) * sizeof(apikey_window_t));

    w[i] = window;
    limits->count++;

    return APIKEY_OK;
}


int
apikey_limits_parse(apikey_limits_t *limits, apikey_text_t text,
    const char **why)
{
    int              algorithm;
    apikey_text_t    word;
    apikey_window_t  window;

    memset(limits, 0, sizeof(apikey_limits_t));
    algorithm = 0;

    for ( ;; ) {
        word = apikey_text_word(&text);

        if (word.len == 0) {
            break;
        }

        if (apikey_limits_algorithm(limits, word) == APIKEY_OK) {

            if (algorithm++) {
                *why = "the algorithm twice";
                return APIKEY_INVALID;
            }

            continue;
        }

        if (apikey_window_parse(&window, word, why) != APIKEY_OK
            || apikey_limits_add(limits, window, why) != APIKEY_OK)
        {
            return APIKEY_INVALID;
        }
    }

    if (algorithm && limits->count == 0) {
        *why = "an algorithm without a limit";
        return APIKEY_INVALID;
    }

    return APIKEY_OK;
}


size_t
apikey_limits_format(char *out, const apikey_limits_t *limits)
{
    char                *p;
    unsigned             i;
    static const char    sliding[] = " algorithm=sliding";

    p = out;

    for (i = 0; i < limits->count; i++) {
        if (i != 0) {
            *p++ = ' ';
        }

        p = apikey_window_format(p, &limits->window[i]);
    }

    if (limits->count != 0 && limits->sliding) {
        memcpy(p, sliding, sizeof(sliding) - 1);
        p += sizeof(sliding) - 1;
    }

    return p - out;
}


int
apikey_counters_unpack(apikey_counter_t *counters,
    const apikey_limits_t *limits, apikey_text_t packed, uint64_t now_us)
{
    unsigned          i;
    uint32_t          last;
    apikey_counter_t  counter;

    for (i = 0; i < limits->count; i++) {
        memset(&counters[i], 0, sizeof(apikey_counter_t));
        counters[i].seconds = limits->window[i].seconds;
        apikey_counter_move(&counters[i], now_us);
    }

    /* Both lists are in the order of their seconds. */

    i = 0;
    last = 0;

    while (packed.len != 0) {
        if (apikey_counters_take(&counter, &packed) != APIKEY_OK
            || counter.seconds <= last)
        {
            return APIKEY_INVALID;
        }

        last = counter.seconds;

        while (i < limits->count && counters[i].seconds < counter.seconds) {
            i++;
        }

        if (i < limits->count && counters[i].seconds == counter.seconds) {
            apikey_counter_move(&counter, now_us);
            counters[i++] = counter;
        }
    }

    return APIKEY_OK;
}


size_t
apikey_counters_pack(unsigned char *out, unsigned max,
    const apikey_counter_t *counters, unsigned count, apikey_text_t before,
    uint64_t now_us)
{
    unsigned           i, others;
    unsigned char     *p;
    apikey_counter_t   other;

    p = out;
    i = 0;
    others = max - count;

    while (apikey_counters_take(&other, &before) == APIKEY_OK) {

        while (i < count && counters[i].seconds < other.seconds) {
            p = apikey_counter_put(p, &counters[i++]);
        }

        if (i < count && counters[i].seconds == other.seconds) {
            continue;
        }

        if (others != 0
            && (other.start + 2 * (uint64_t) other.seconds)
               * APIKEY_MICROSECONDS > now_us)
        {
            p = apikey_counter_put(p, &other);
            others--;
        }
    }

    while (i < count) {
        p = apikey_counter_put(p, &counters[i++]);
    }

    return p - out;
}


int
apikey_counters_take(apikey_counter_t *counter, apikey_text_t *packed)
{
    const char  *p;

    if (packed->len < APIKEY_COUNTER_SIZE) {
        return APIKEY_INVALID;
    }

    p = packed->data;

    counter->seconds = apikey_bytes_get(p, 4);
    counter->start = apikey_bytes_get(p + 4, 5);
    counter->current = apikey_bytes_get(p + 9, 6);
    counter->previous = apikey_bytes_get(p + 15, 6);

    packed->data += APIKEY_COUNTER_SIZE;
    packed->len -= APIKEY_COUNTER_SIZE;

    if (counter->seconds == 0
        || counter->seconds > APIKEY_WINDOW_SECONDS
        || counter->start % counter->seconds != 0)
    {
        return APIKEY_INVALID;
    }

    return APIKEY_OK;
}


uint64_t
apikey_counter_used(const apikey_counter_t *counter, int sliding,
    uint64_t now_us)
{
    double            share;
    uint64_t          left, n;
    apikey_counter_t  c;

    c = *counter;
    apikey_counter_move(&c, now_us);

    if (!sliding || c.previous == 0) {
        return c.current;
    }

    /*
     * In floating point, in this order, since Redis's Lua has no other
     * numbers and both must come to the same.
     */

    left = (c.start + c.seconds) * APIKEY_MICROSECONDS - now_us;
    share = (double) c.previous * (double) left
            / ((double) c.seconds * APIKEY_MICROSECONDS);

    n = (uint64_t) share;

    if ((double) n < share) {
        n++;
    }

    return c.current + n;
}


void
apikey_quota(apikey_quota_t *quota, const apikey_limits_t *limits,
    const apikey_counter_t *counters, uint64_t now_us, uint64_t cost,
    int refused)
{
    unsigned                i, best;
    uint32_t                wait, longest;
    uint64_t                used, remaining, least, now;
    const apikey_window_t  *window;

    best = 0;
    longest = 0;
    least = UINT64_MAX;

    for (i = 0; i < limits->count; i++) {
        window = &limits->window[i];

        used = apikey_counter_used(&counters[i], limits->sliding, now_us);
        remaining = used < window->limit ? window->limit - used : 0;

        if (refused && !apikey_window_fits(window, used, cost)) {
            wait = apikey_window_wait(window, &counters[i], limits->sliding,
                                      now_us, cost);

            if (wait > longest) {
                longest = wait;
                least = remaining;
                best = i;
            }

        } else if (longest == 0 && remaining < least) {
            least = remaining;
            best = i;
        }
    }

    /* Refused though there is room by now: worth another try at once. */

    if (refused && longest == 0) {
        longest = 1;
    }

    now = now_us / APIKEY_MICROSECONDS;

    quota->seconds = limits->window[best].seconds;
    quota->limit = limits->window[best].limit;
    quota->remaining = least;
    quota->reset = now - now % quota->seconds + quota->seconds;
    quota->retry_after = longest;

    if (quota->reset < now + longest) {
        quota->reset = now + longest;
    }
}


static int
apikey_limits_algorithm(apikey_limits_t *limits, apikey_text_t word)
{
    const apikey_text_t  fixed = apikey_text("algorithm=fixed");
    const apikey_text_t  sliding = apikey_text("algorithm=sliding");

    if (apikey_text_equal(word, fixed)) {
        limits->sliding = 0;
        return APIKEY_OK;
    }

    if (apikey_text_equal(word, sliding)) {
        limits->sliding = 1;
        return APIKEY_OK;
    }

    return APIKEY_INVALID;
}


static uint32_t
apikey_unit_seconds(char name)
{
    const apikey_unit_t  *unit;

    for (unit = apikey_units; unit->seconds != 0; unit++) {
        if (unit->name == name) {
            return unit->seconds;
        }
    }

    return 0;
}


static char *
apikey_window_format(char *out, const apikey_window_t *window)
{
    const apikey_unit_t  *unit;

    out = apikey_number_format(out, window->limit);

    for (unit = apikey_units; window->seconds % unit->seconds != 0; unit++) {
        /* ends at seconds, if not before */
    }

    if (unit->seconds == 1 && window->seconds != 1) {
        *out++ = '/';
        return apikey_number_format(out, window->seconds);
    }

    *out++ = 'r';
    *out++ = '/';

    if (window->seconds != unit->seconds) {
        out = apikey_number_format(out, window->seconds / unit->seconds);
    }

    *out++ = unit->name;

    return out;
}


static char *
apikey_number_format(char *out, uint64_t n)
{
    char  digits[20], *p;

    p = digits + sizeof(digits);

    do {
        *--p = '0' + n % 10;
        n /= 10;
    } while (n != 0);

    memcpy(out, p, digits + sizeof(digits) - p);

    return out + (digits + sizeof(digits) - p);
}


static unsigned char *
apikey_counter_put(unsigned char *out, const apikey_counter_t *counter)
{
    out = apikey_bytes_put(out, counter->seconds, 4);
    out = apikey_bytes_put(out, counter->start, 5);
    out = apikey_bytes_put(out, counter->current, 6);

    return apikey_bytes_put(out, counter->previous, 6);
}


/* To the window that holds now. */
static void
apikey_counter_move(apikey_counter_t *counter, uint64_t now_us)
{
    uint64_t  now, start;

    now = now_us / APIKEY_MICROSECONDS;
    start = now - now % counter->seconds;

    if (counter->start < start) {
        counter->previous = (counter->start + counter->seconds == start)
                            ? counter->current : 0;
        counter->current = 0;
    }

    counter->start = start;
}


static int
apikey_window_fits(const apikey_window_t *window, uint64_t used, uint64_t cost)
{
    return used <= window->limit && cost <= window->limit - used;
}


/*
 * The seconds until the cost fits, if nothing else is spent.  What is used of
 * a window only shrinks then, down to 0 a window after the end of this one.
 */
static uint32_t
apikey_window_wait(const apikey_window_t *window,
    const apikey_counter_t *counter, int sliding, uint64_t now_us,
    uint64_t cost)
{
    uint32_t  low, high, middle;
    uint64_t  now, used;

    /* A begun second counts, so that this is rounded up already. */

    now = now_us / APIKEY_MICROSECONDS;
    high = window->seconds - now % window->seconds;

    if (!sliding || cost > window->limit) {
        return high;
    }

    low = 0;
    high += window->seconds;

    while (high - low > 1) {
        middle = low + (high - low) / 2;

        used = apikey_counter_used(counter, sliding,
                                   now_us + (uint64_t) middle
                                            * APIKEY_MICROSECONDS);

        if (apikey_window_fits(window, used, cost)) {
            high = middle;

        } else {
            low = middle;
        }
    }

    return high;
}
