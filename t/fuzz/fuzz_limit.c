#include "core/limit.h"
#include "fuzz.h"


static void fuzz_format(const apikey_limits_t *limits);
static uint64_t fuzz_number(const uint8_t **data, size_t *size,
    unsigned bytes);
static void fuzz_counters(const apikey_limits_t *limits,
    apikey_text_t packed, uint64_t now_us, uint64_t cost);
static void fuzz_pack(const apikey_limits_t *limits,
    const apikey_counter_t *counters, apikey_text_t packed, uint64_t now_us);
static void fuzz_quota(const apikey_limits_t *limits,
    const apikey_counter_t *counters, uint64_t now_us, uint64_t cost);


#define SECOND  1000000ULL


/*
 * Limits, a newline, the time in microseconds (7 bytes), a cost (6 bytes),
 * packed counters.
 */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t          now_us, cost;
    const char       *why;
    apikey_text_t     text, packed;
    apikey_limits_t   limits;

    text = fuzz_line(&data, &size);
    why = NULL;

    if (apikey_limits_parse(&limits, text, &why) != APIKEY_OK) {
        must(why != NULL);
        fuzz_free(text);
        return 0;
    }

    fuzz_free(text);
    fuzz_format(&limits);

    now_us = fuzz_number(&data, &size, 7);
    cost = fuzz_number(&data, &size, 6) % (APIKEY_COUNT_MAX + 1);

    packed = fuzz_copy(data, size);
    fuzz_counters(&limits, packed, now_us, cost);
    fuzz_free(packed);

    return 0;
}


static void
fuzz_format(const apikey_limits_t *limits)
{
    char             *out;
    size_t            len;
    unsigned          i;
    const char       *why;
    apikey_text_t     text;
    apikey_limits_t   again;

    must(limits->count <= APIKEY_WINDOWS_MAX);

    for (i = 0; i < limits->count; i++) {
        must(limits->window[i].limit >= 1);
        must(limits->window[i].limit <= APIKEY_COUNT_MAX);
        must(limits->window[i].seconds >= 1);
        must(limits->window[i].seconds <= APIKEY_WINDOW_SECONDS);
    }

    for (i = 1; i < limits->count; i++) {
        must(limits->window[i - 1].seconds < limits->window[i].seconds);
        must(limits->window[i - 1].limit <= limits->window[i].limit);
    }

    out = malloc(APIKEY_LIMITS_TEXT);
    must(out != NULL);

    len = apikey_limits_format(out, limits);
    text = fuzz_copy(out, len);

    must(apikey_limits_parse(&again, text, &why) == APIKEY_OK);
    must(again.count == limits->count && again.sliding == limits->sliding);

    for (i = 0; i < limits->count; i++) {
        must(again.window[i].limit == limits->window[i].limit);
        must(again.window[i].seconds == limits->window[i].seconds);
    }

    must(apikey_limits_format(out, &again) == len);
    must(memcmp(out, text.data, len) == 0);

    fuzz_free(text);
    free(out);
}


static uint64_t
fuzz_number(const uint8_t **data, size_t *size, unsigned bytes)
{
    uint64_t  n;

    for (n = 0; bytes > 0 && *size > 0; bytes--) {
        n = n << 8 | *(*data)++;
        (*size)--;
    }

    return n;
}


static void
fuzz_counters(const apikey_limits_t *limits, apikey_text_t packed,
    uint64_t now_us, uint64_t cost)
{
    unsigned           i;
    uint64_t           fixed, sliding;
    apikey_counter_t  *c;

    c = malloc(limits->count * sizeof(apikey_counter_t));
    must(c != NULL || limits->count == 0);

    if (apikey_counters_unpack(c, limits, packed, now_us) == APIKEY_OK) {
        fuzz_pack(limits, c, packed, now_us);
        must(packed.len % APIKEY_COUNTER_SIZE == 0);

        for (i = 0; i < limits->count; i++) {
            must(c[i].seconds == limits->window[i].seconds);
            must(c[i].start % c[i].seconds == 0);
            must(c[i].start <= now_us / SECOND);
            must(now_us / SECOND - c[i].start < c[i].seconds);

            fixed = apikey_counter_used(&c[i], 0, now_us);
            sliding = apikey_counter_used(&c[i], 1, now_us);

            must(fixed == c[i].current);
            must(sliding >= fixed);
            must(sliding <= fixed + c[i].previous + 1);
        }

        if (limits->count != 0) {
            fuzz_quota(limits, c, now_us, cost);
        }
    }

    free(c);
}


/* What is packed again is the same, and in order. */

static void
fuzz_pack(const apikey_limits_t *limits, const apikey_counter_t *counters,
    apikey_text_t packed, uint64_t now_us)
{
    unsigned           i, max;
    unsigned char     *out;
    apikey_text_t      again;
    apikey_counter_t   c[APIKEY_WINDOWS_MAX];

    max = limits->count + 2;
    out = malloc(max * APIKEY_COUNTER_SIZE);
    must(out != NULL);

    again.data = (char *) out;
    again.len = apikey_counters_pack(out, max, counters, limits->count, packed,
                                     now_us);

    must(again.len <= max * APIKEY_COUNTER_SIZE);
    must(apikey_counters_unpack(c, limits, again, now_us) == APIKEY_OK);

    for (i = 0; i < limits->count; i++) {
        must(c[i].seconds == counters[i].seconds);
        must(c[i].start == counters[i].start);
        must(c[i].current == counters[i].current);
        must(c[i].previous == counters[i].previous);
    }

    free(out);
}


static void
fuzz_quota(const apikey_limits_t *limits, const apikey_counter_t *counters,
    uint64_t now_us, uint64_t cost)
{
    int             fits;
    unsigned        i;
    uint64_t        later, used;
    apikey_quota_t  q;

    fits = 1;

    for (i = 0; i < limits->count; i++) {
        used = apikey_counter_used(&counters[i], limits->sliding, now_us);
        fits &= used + cost <= limits->window[i].limit;
    }

    apikey_quota(&q, limits, counters, now_us, cost, !fits);

    must(q.remaining <= q.limit);
    must(q.reset > now_us / SECOND);

    if (fits) {
        must(q.reset <= now_us / SECOND + q.seconds);
        must(q.reset % q.seconds == 0);
        must(q.retry_after == 0);

        for (i = 0; i < limits->count; i++) {
            used = apikey_counter_used(&counters[i], limits->sliding, now_us);
            must(q.remaining <= limits->window[i].limit - used);
        }

        return;
    }

    must(q.retry_after >= 1 && q.retry_after <= 2 * q.seconds);
    must(q.reset >= now_us / SECOND + q.retry_after);
    must(q.reset <= now_us / SECOND + 2 * q.seconds);

    /* All that refuses, and could ever pass, passes by then. */

    later = now_us + q.retry_after * SECOND;

    for (i = 0; i < limits->count; i++) {
        used = apikey_counter_used(&counters[i], limits->sliding, now_us);

        if (used + cost <= limits->window[i].limit
            || cost > limits->window[i].limit)
        {
            continue;
        }

        /* Rounding may add one in the instant of the roll-over. */

        used = apikey_counter_used(&counters[i], limits->sliding, later);
        must(used + cost <= limits->window[i].limit + 1);
    }
}
