#include "core/limit.h"
#include "tap.h"


static void test_quota_passed(void);
static void test_quota_boundaries(void);
static void test_quota_sliding(void);
static void test_quota_choice(void);
static void test_retry_simulated(void);
static void test_retry_large(void);

static apikey_limits_t limits_of(const char *s);
static uint64_t simulated_used(const apikey_counter_t *c, int sliding,
    uint64_t now_us);
static int simulated_fit(const apikey_limits_t *limits,
    const apikey_counter_t *counters, uint64_t now_us, uint64_t cost);
static uint32_t below(uint32_t n);


#define SECOND  1000000ULL

/* A multiple of 60, 3600 and 86400. */
#define DAY     1767225600ULL


int
main(void)
{
    test_quota_passed();
    test_quota_boundaries();
    test_quota_sliding();
    test_quota_choice();
    test_retry_simulated();
    test_retry_large();

    return done_testing();
}


static void
test_quota_passed(void)
{
    apikey_quota_t    q;
    apikey_limits_t   limits;
    apikey_counter_t  c[2] = {
        { 60, DAY, 1, 0 }, { 86400, DAY, 1, 0 }
    };

    limits = limits_of("10r/m 100r/d");

    apikey_quota(&q, &limits, c, DAY * SECOND, 1, 0);
    is_number(q.limit, 10, "the smallest remaining is told of");
    is_number(q.remaining, 9, "its remaining");
    is_number(q.reset, DAY + 60, "its end");
    is_number(q.seconds, 60, "its length");
    is_number(q.retry_after, 0, "nothing to wait for");

    c[1].current = 95;
    apikey_quota(&q, &limits, c, (DAY + 59) * SECOND, 1, 0);
    is_number(q.limit, 100, "now it is the day's");
    is_number(q.remaining, 5, "its remaining");
    is_number(q.reset, DAY + 86400, "its end");

    c[1].current = 91;
    apikey_quota(&q, &limits, c, DAY * SECOND, 1, 0);
    is_number(q.seconds, 60, "of two equal the shortest");

    c[0].current = 13;
    apikey_quota(&q, &limits, c, DAY * SECOND, 0, 0);
    is_number(q.remaining, 0, "a debt is no negative number");
}


static void
test_quota_boundaries(void)
{
    size_t            i;
    apikey_quota_t    q;
    apikey_limits_t   limits;
    apikey_counter_t  c = { 60, DAY, 10, 10 };

    static const struct {
        uint64_t  after;    /* microseconds after the start */
        uint64_t  wait;
    } rows[] = {
        { 0, 60 },
        { 1, 60 },
        { SECOND - 1, 60 },
        { SECOND, 59 },
        { SECOND + 1, 59 },
        { 58 * SECOND + 999999, 2 },
        { 59 * SECOND, 1 },
        { 60 * SECOND - 1, 1 }
    };

    limits = limits_of("10r/m");

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        apikey_quota(&q, &limits, &c, DAY * SECOND + rows[i].after, 1, 1);
        is_number(q.retry_after, rows[i].wait, "wait %llu us after the start",
                  (unsigned long long) rows[i].after);
        is_number(q.reset, DAY + 60, "one reset for the whole window");
        is_number(q.remaining, 0, "nothing remains");
    }

    c.current = 0;
    apikey_quota(&q, &limits, &c, DAY * SECOND, 11, 1);
    is_number(q.retry_after, 60, "a cost that never fits: the window's end");
    is_number(q.remaining, 10, "all remains");

    limits.sliding = 1;
    apikey_quota(&q, &limits, &c, (DAY + 50) * SECOND, 11, 1);
    is_number(q.retry_after, 10, "also in a sliding window");

    apikey_quota(&q, &limits, &c, (DAY + 59) * SECOND, 1, 1);
    is_number(q.retry_after, 1, "refused though there is room: at once");

    c.current = 11;
    limits.sliding = 0;
    apikey_quota(&q, &limits, &c, (DAY + 20) * SECOND, 0, 1);
    is_number(q.retry_after, 40, "a debt refuses a cost of nothing, too");
}


static void
test_quota_sliding(void)
{
    apikey_quota_t    q;
    apikey_limits_t   limits;
    apikey_counter_t  c = { 60, DAY, 0, 60 };

    limits = limits_of("60r/m algorithm=sliding");

    apikey_quota(&q, &limits, &c, DAY * SECOND, 1, 1);
    is_number(q.retry_after, 1, "one of 60 is free each second");
    is_number(q.remaining, 0, "none at the start");

    apikey_quota(&q, &limits, &c, DAY * SECOND, 30, 1);
    is_number(q.retry_after, 30, "half of them after half the window");

    apikey_quota(&q, &limits, &c, (DAY + 30) * SECOND, 1, 0);
    is_number(q.remaining, 30, "half remains after half the window");

    apikey_quota(&q, &limits, &c, (DAY + 30) * SECOND - 1, 1, 0);
    is_number(q.remaining, 29, "one less a microsecond before");

    c.current = 60;
    c.previous = 0;
    apikey_quota(&q, &limits, &c, (DAY + 10) * SECOND, 1, 1);
    is_number(q.retry_after, 51, "rolls over, and slides a second");

    apikey_quota(&q, &limits, &c, (DAY + 10) * SECOND + 1, 1, 1);
    is_number(q.retry_after, 51, "in whole seconds");

    c.current = 600;
    apikey_quota(&q, &limits, &c, DAY * SECOND, 60, 1);
    is_number(q.retry_after, 120, "everything, after all has slid away");

    apikey_quota(&q, &limits, &c, DAY * SECOND, 1, 1);
    is_number(q.retry_after, 115, "a debt of ten windows slides, too");

    is_number(apikey_counter_used(&c, 1, (DAY + 90) * SECOND), 300,
              "half a window later half of it is left");
    is_number(apikey_counter_used(&c, 1, (DAY + 120) * SECOND), 0,
              "two windows later nothing");
}


static void
test_quota_choice(void)
{
    apikey_quota_t    q;
    apikey_limits_t   limits;
    apikey_counter_t  c[3] = {
        { 60, DAY, 10, 0 }, { 3600, DAY, 20, 0 }, { 86400, DAY, 20, 0 }
    };

    limits = limits_of("10r/m 100r/h 1000r/d");

    apikey_quota(&q, &limits, c, DAY * SECOND, 1, 1);
    is_number(q.seconds, 60, "the window that refused is told of");
    is_number(q.retry_after, 60, "its end is waited for");

    c[1].current = 100;
    apikey_quota(&q, &limits, c, DAY * SECOND, 1, 1);
    is_number(q.seconds, 3600, "of two, the one with the longer wait");
    is_number(q.retry_after, 3600, "its end is waited for");

    c[0].current = 0;
    c[1].current = 0;
    c[2].current = 999;
    apikey_quota(&q, &limits, c, (DAY + 86399) * SECOND, 2, 1);
    is_number(q.seconds, 86400, "the day alone refuses");
    is_number(q.remaining, 1, "though one remains");
    is_number(q.retry_after, 1, "which ends in a second");

    c[0].current = 10;
    c[0].start = DAY + 86340;
    apikey_quota(&q, &limits, c, (DAY + 86399) * SECOND, 2, 1);
    is_number(q.seconds, 60, "of equal waits the shortest window");
}


/* Second by second, in whole numbers. */
static void
test_retry_simulated(void)
{
    size_t            rows, early, late, chosen, soon;
    uint32_t          t;
    uint64_t          now, cost;
    unsigned          i;
    apikey_quota_t    q;
    apikey_limits_t   limits;
    apikey_counter_t  c[3];

    early = 0;
    late = 0;
    chosen = 0;
    soon = 0;

    for (rows = 0; rows < 20000; /* void */ ) {
        memset(&limits, 0, sizeof(limits));
        limits.sliding = below(4) != 0;
        limits.count = 1 + below(3);

        now = DAY * SECOND + below(400000000);

        for (i = 0; i < limits.count; i++) {
            limits.window[i].seconds = 1 + i * 40 + below(40);
            limits.window[i].limit = 1 + i * 500 + below(500);

            c[i].seconds = limits.window[i].seconds;
            c[i].start = now / SECOND - now / SECOND % c[i].seconds;
            c[i].current = below(limits.window[i].limit * 3 / 2 + 2);
            c[i].previous = below(limits.window[i].limit * 3 + 2);
        }

        /* Often on a boundary. */

        if (below(4) == 0) {
            now = c[0].start * SECOND;

            if (below(2) == 0) {
                now += c[0].seconds * SECOND - 1;
            }

            for (i = 1; i < limits.count; i++) {
                c[i].start = now / SECOND - now / SECOND % c[i].seconds;
            }
        }

        cost = below(limits.window[0].limit + 1);

        if (simulated_fit(&limits, c, now, cost)) {
            continue;
        }

        rows++;
        apikey_quota(&q, &limits, c, now, cost, 1);

        t = 1;

        while (!simulated_fit(&limits, c, now + t * SECOND, cost)) {
            t++;
        }

        early += q.retry_after < t;
        late += q.retry_after > t;

        /* Told of is a window that refused, with its own numbers. */

        for (i = 0; limits.window[i].seconds != q.seconds; i++) {
            /* void */
        }

        chosen += q.limit != limits.window[i].limit
                  || cost + simulated_used(&c[i], limits.sliding, now)
                     <= q.limit
                  || q.reset < c[i].start + c[i].seconds;

        /* The reset is when to come back, and no earlier than that. */

        soon += q.reset < now / SECOND + q.retry_after
                || (q.reset != c[i].start + c[i].seconds
                    && q.reset != now / SECOND + q.retry_after);
    }

    no_failures(early, rows, "a retry after the wait passes");
    no_failures(late, rows, "and a second less is too early");
    no_failures(chosen, rows, "told of is a window that refused");
    no_failures(soon, rows, "its reset is not before the retry");
}


/* Where doubles are no longer exact, by the core's own account of what is
   used. */
static void
test_retry_large(void)
{
    size_t            rows, bad;
    uint64_t          now, cost, limit;
    apikey_quota_t    q;
    apikey_limits_t   limits;
    apikey_counter_t  c;

    memset(&limits, 0, sizeof(limits));
    limits.sliding = 1;
    limits.count = 1;

    bad = 0;

    for (rows = 0; rows < 20000; /* void */ ) {
        c.seconds = 1 + below(APIKEY_WINDOW_SECONDS);
        now = (DAY + below(100000000)) * SECOND + below(1000000);
        c.start = now / SECOND - now / SECOND % c.seconds;

        limit = 1 + ((uint64_t) below(1 << 30) << below(17));
        cost = 1 + ((uint64_t) below(1 << 30) << 17) % limit;
        c.current = ((uint64_t) below(1 << 30) << 18) % (limit + limit / 4);
        c.previous = ((uint64_t) below(1 << 30) << 18) % (limit + limit / 4);

        if (apikey_counter_used(&c, 1, now) + cost <= limit) {
            continue;
        }

        rows++;

        limits.window[0].seconds = c.seconds;
        limits.window[0].limit = limit;
        apikey_quota(&q, &limits, &c, now, cost, 1);

        bad += q.retry_after < 1
               || q.retry_after > 2 * c.seconds
               || apikey_counter_used(&c, 1, now + q.retry_after * SECOND)
                  + cost > limit
               || (q.retry_after > 1
                   && apikey_counter_used(&c, 1,
                                          now + (q.retry_after - 1) * SECOND)
                      + cost <= limit);
    }

    no_failures(bad, rows, "the wait is exact for large counts and windows");
}


static apikey_limits_t
limits_of(const char *s)
{
    const char       *why;
    apikey_limits_t   limits;

    if (apikey_limits_parse(&limits, text(s), &why) != APIKEY_OK) {
        printf("Bail out! limits \"%s\": %s\n", s, why);
        exit(1);
    }

    return limits;
}


static uint64_t
simulated_used(const apikey_counter_t *c, int sliding, uint64_t now_us)
{
    uint64_t  length, passed, current, previous;

    length = c->seconds * SECOND;
    passed = now_us / length - c->start * SECOND / length;
    current = passed == 0 ? c->current : 0;
    previous = passed == 0 ? c->previous : passed == 1 ? c->current : 0;

    if (!sliding) {
        return current;
    }

    return current
           + (previous * (length - now_us % length) + length - 1) / length;
}


static int
simulated_fit(const apikey_limits_t *limits, const apikey_counter_t *counters,
    uint64_t now_us, uint64_t cost)
{
    unsigned  i;

    for (i = 0; i < limits->count; i++) {
        if (simulated_used(&counters[i], limits->sliding, now_us) + cost
            > limits->window[i].limit)
        {
            return 0;
        }
    }

    return 1;
}


/* A random number, the same ones in every run. */
static uint32_t
below(uint32_t n)
{
    static uint64_t  state = 20260101;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;

    return (uint32_t) ((state >> 32) % n);
}
