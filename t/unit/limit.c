#include "core/limit.h"
#include "tap.h"
#include "vectors.h"


static void test_window(void);
static void test_add(void);
static void test_limits(void);
static void test_counter_vectors(void);
static void test_unpack(void);
static void test_unpack_damaged(void);
static void test_pack(void);
static void test_pack_room(void);

static apikey_limits_t limits_of(const char *s);
static void pack(unsigned char *p, uint64_t seconds, uint64_t start,
    uint64_t current, uint64_t previous);


#define SECOND  1000000ULL

/* A multiple of 60, 3600 and 86400. */
#define DAY     1767225600ULL


int
main(void)
{
    test_window();
    test_add();
    test_limits();
    test_counter_vectors();
    test_unpack();
    test_unpack_damaged();
    test_pack();
    test_pack_room();

    return done_testing();
}


static void
test_window(void)
{
    size_t            i;
    const char       *why;
    apikey_window_t   window;

    static const struct {
        const char  *text;
        uint64_t     limit;   /* 0: refused */
        uint32_t     seconds;
    } rows[] = {
        { "60r/m", 60, 60 },
        { "5r/s", 5, 1 },
        { "100r/h", 100, 3600 },
        { "10000r/d", 10000, 86400 },
        { "1000000r/30d", 1000000, 30 * 86400 },
        { "7r/15m", 7, 900 },
        { "7r/90s", 7, 90 },
        { "7/90", 7, 90 },
        { "1/1", 1, 1 },
        { "140737488355328r/366d", 140737488355328, 366 * 86400 },
        { "140737488355328/31622400", 140737488355328, 31622400 },
        { "140737488355329r/m", 0, 0 },
        { "99999999999999999999r/m", 0, 0 },
        { "1r/367d", 0, 0 },
        { "1/31622401", 0, 0 },
        { "1r/8785h", 0, 0 },
        { "1r/18446744073709551615d", 0, 0 },
        { "1r/213503982334602d", 0, 0 },
        { "0r/m", 0, 0 },
        { "0/60", 0, 0 },
        { "1r/0m", 0, 0 },
        { "1/0", 0, 0 },
        { "", 0, 0 },
        { "/", 0, 0 },
        { "r/m", 0, 0 },
        { "r/", 0, 0 },
        { "60", 0, 0 },
        { "60r", 0, 0 },
        { "60r/", 0, 0 },
        { "60/", 0, 0 },
        { "60/m", 0, 0 },
        { "60r/60", 0, 0 },
        { "60r/w", 0, 0 },
        { "60r/M", 0, 0 },
        { "60R/m", 0, 0 },
        { "60rr/m", 0, 0 },
        { "60r/mm", 0, 0 },
        { "60r//m", 0, 0 },
        { "60r/1.5m", 0, 0 },
        { "6.5r/m", 0, 0 },
        { "-1r/m", 0, 0 },
        { "+1r/m", 0, 0 },
        { "60r/m ", 0, 0 },
        { " 60r/m", 0, 0 },
        { "60 r/m", 0, 0 },
        { "/60", 0, 0 }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        why = NULL;

        if (rows[i].limit == 0) {
            is_number(apikey_window_parse(&window, text(rows[i].text), &why),
                      APIKEY_INVALID, "limit \"%s\"", rows[i].text);
            ok(why != NULL, "is refused with a reason");
            continue;
        }

        is_number(apikey_window_parse(&window, text(rows[i].text), &why),
                  APIKEY_OK, "limit \"%s\"", rows[i].text);
        ok(window.limit == rows[i].limit
           && window.seconds == rows[i].seconds, "means what it says");
    }
}


static void
test_add(void)
{
    unsigned          i, n;
    const char       *why;
    apikey_limits_t   limits;
    apikey_window_t   window;

    static const unsigned  order[APIKEY_WINDOWS_MAX] = {
        4, 8, 1, 6, 2, 7, 3, 5
    };

    memset(&limits, 0, sizeof(limits));
    n = 0;

    for (i = 0; i < APIKEY_WINDOWS_MAX; i++) {
        window.seconds = order[i] * 10;
        window.limit = order[i];
        n += apikey_limits_add(&limits, window, &why) == APIKEY_OK;
    }

    is_number(n, APIKEY_WINDOWS_MAX, "eight windows");
    is_number(limits.count, APIKEY_WINDOWS_MAX, "are counted");

    for (i = 0; i < APIKEY_WINDOWS_MAX; i++) {
        is_number(limits.window[i].seconds, (i + 1) * 10, "in their order");
    }

    window.seconds = 90;
    window.limit = 9;
    is_number(apikey_limits_add(&limits, window, &why), APIKEY_INVALID,
              "not nine");

    limits.count = 2;
    window.seconds = 20;
    window.limit = 2;
    is_number(apikey_limits_add(&limits, window, &why), APIKEY_INVALID,
              "not the same seconds twice");
    is_number(limits.count, 2, "nothing is added");
}


static void
test_limits(void)
{
    char              out[APIKEY_LIMITS_TEXT];
    size_t            i;
    const char       *why;
    apikey_text_t     t;
    apikey_limits_t   limits;

    static const struct {
        const char  *text;
        const char  *format;   /* NULL: refused */
    } rows[] = {
        { "", "" },
        { "   ", "" },
        { "60r/m", "60r/m" },
        { "60/60", "60r/m" },
        { "60r/1m", "60r/m" },
        { "60r/60s", "60r/m" },
        { "5/1", "5r/s" },
        { "100r/60m", "100r/h" },
        { "100r/24h", "100r/d" },
        { "100r/48h", "100r/2d" },
        { "100r/90m", "100r/90m" },
        { "100r/90s", "100/90" },
        { "100/30", "100/30" },
        { "1000000r/30d  10000r/d 60r/m", "60r/m 10000r/d 1000000r/30d" },
        { "60r/m 60r/h", "60r/m 60r/h" },
        { "60r/m algorithm=fixed", "60r/m" },
        { "algorithm=sliding 60r/m 1000r/d",
          "60r/m 1000r/d algorithm=sliding" },
        { "60r/m 60/60", NULL },
        { "60r/m 59r/h", NULL },
        { "59r/h 60r/m", NULL },
        { "1r/s 5r/m 4r/h 10r/d", NULL },
        { "60r/m algorithm=sliding algorithm=fixed", NULL },
        { "60r/m algorithm=sliding algorithm=sliding", NULL },
        { "60r/m algorithm=leaky", NULL },
        { "60r/m algorithm=", NULL },
        { "60r/m algorithm=slidingx", NULL },
        { "algorithm=sliding", NULL },
        { "60r/m,100r/h", NULL },
        { "1/1 2/2 3/3 4/4 5/5 6/6 7/7 8/8",
          "1r/s 2/2 3/3 4/4 5/5 6/6 7/7 8/8" },
        { "1/1 2/2 3/3 4/4 5/5 6/6 7/7 8/8 9/9", NULL }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        why = NULL;

        if (rows[i].format == NULL) {
            is_number(apikey_limits_parse(&limits, text(rows[i].text), &why),
                      APIKEY_INVALID, "limits \"%s\"", rows[i].text);
            ok(why != NULL, "are refused with a reason");
            continue;
        }

        is_number(apikey_limits_parse(&limits, text(rows[i].text), &why),
                  APIKEY_OK, "limits \"%s\"", rows[i].text);

        t.data = out;
        t.len = apikey_limits_format(out, &limits);
        is_text(t, rows[i].format, "in their shortest form");
    }

    limits.sliding = 1;
    limits.count = APIKEY_WINDOWS_MAX;

    for (i = 0; i < APIKEY_WINDOWS_MAX; i++) {
        limits.window[i].limit = APIKEY_COUNT_MAX;
        limits.window[i].seconds = APIKEY_WINDOW_SECONDS - 1;
    }

    ok(apikey_limits_format(out, &limits) <= sizeof(out),
       "the longest text has room");
}


static void
test_counter_vectors(void)
{
    size_t            i, n, bad_state, bad_fixed, bad_sliding;
    uint64_t          now;
    apikey_limits_t   limits;
    apikey_counter_t  c;

    n = sizeof(vector_counters) / sizeof(vector_counters[0]);
    bad_state = 0;
    bad_fixed = 0;
    bad_sliding = 0;

    memset(&limits, 0, sizeof(limits));
    limits.count = 1;
    limits.window[0].limit = 1;

    for (i = 0; i < n; i++) {
        now = vector_counters[i].now;
        limits.window[0].seconds = vector_counters[i].seconds;

        if (apikey_counters_unpack(&c, &limits, vector_counters[i].packed,
                                   now)
            != APIKEY_OK
            || c.seconds != vector_counters[i].seconds
            || c.start != vector_counters[i].start
            || c.current != vector_counters[i].current
            || c.previous != vector_counters[i].previous)
        {
            bad_state++;
            continue;
        }

        bad_fixed += apikey_counter_used(&c, 0, now)
                     != vector_counters[i].fixed;
        bad_sliding += apikey_counter_used(&c, 1, now)
                       != vector_counters[i].sliding;
    }

    no_failures(bad_state, n, "unpacked counters are those of Python");
    no_failures(bad_fixed, n, "used of a fixed window, too");
    no_failures(bad_sliding, n, "used of a sliding window, too");
}


static void
test_unpack(void)
{
    unsigned char     packed[3 * APIKEY_COUNTER_SIZE];
    apikey_text_t     t;
    apikey_limits_t   limits;
    apikey_counter_t  c[APIKEY_WINDOWS_MAX];

    t.data = (char *) packed;
    t.len = 0;
    limits = limits_of("60r/m 100r/h 1000r/d");

    is_number(apikey_counters_unpack(c, &limits, t, (DAY + 61) * SECOND),
              APIKEY_OK, "nothing packed yet");
    is_number(c[0].start, DAY + 60, "the minute begins on the grid");
    is_number(c[1].start, DAY, "the hour too");
    is_number(c[0].current + c[0].previous + c[1].current + c[1].previous
              + c[2].current + c[2].previous, 0, "nothing is used");

    pack(packed, 60, DAY, 7, 8);
    pack(packed + 21, 900, DAY, 50, 60);
    pack(packed + 42, 86400, DAY, 70, 80);
    t.len = 63;

    is_number(apikey_counters_unpack(c, &limits, t, (DAY + 61) * SECOND),
              APIKEY_OK, "the limits have changed since");
    is_number(c[0].current, 0, "the minute has rolled over");
    is_number(c[0].previous, 7, "its count is the previous one");
    is_number(c[1].seconds, 3600, "the hour is new");
    is_number(c[1].current + c[1].previous, 0, "and empty");
    is_number(c[2].current, 70, "the day goes on");
    is_number(c[2].previous, 80, "with the day before");

    limits = limits_of("1r/s");
    is_number(apikey_counters_unpack(c, &limits, t, DAY * SECOND), APIKEY_OK,
              "windows nobody asks for");
    is_number(c[0].seconds, 1, "are left out");

    limits.count = 0;
    is_number(apikey_counters_unpack(c, &limits, t, DAY * SECOND), APIKEY_OK,
              "no limits at all");
}


static void
test_unpack_damaged(void)
{
    size_t            i, bad;
    unsigned char     packed[2 * APIKEY_COUNTER_SIZE + 1];
    apikey_text_t     t;
    apikey_limits_t   limits;
    apikey_counter_t  c[APIKEY_WINDOWS_MAX];

    static const struct {
        uint64_t  first[2];    /* seconds, start */
        uint64_t  second[2];
        int       rc;
    } rows[] = {
        { { 60, 120 }, { 3600, 3600 }, APIKEY_OK },
        { { 60, 0 }, { 3600, 0 }, APIKEY_OK },
        { { 3600, 3600 }, { 60, 120 }, APIKEY_INVALID },
        { { 60, 120 }, { 60, 120 }, APIKEY_INVALID },
        { { 0, 0 }, { 60, 120 }, APIKEY_INVALID },
        { { 60, 121 }, { 3600, 3600 }, APIKEY_INVALID },
        { { 60, 120 }, { 3600, 3599 }, APIKEY_INVALID },
        { { 60, 120 }, { 31622400, 31622400 }, APIKEY_OK },
        { { 60, 120 }, { 31622401, 31622401 }, APIKEY_INVALID },
        { { 60, 120 }, { 4294967295, 0 }, APIKEY_INVALID }
    };

    limits = limits_of("60r/m 100r/h");
    t.data = (char *) packed;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        pack(packed, rows[i].first[0], rows[i].first[1], 1, 2);
        pack(packed + 21, rows[i].second[0], rows[i].second[1], 1, 2);
        t.len = 42;

        is_number(apikey_counters_unpack(c, &limits, t, DAY * SECOND),
                  rows[i].rc, "counters of %llu and %llu seconds",
                  (unsigned long long) rows[i].first[0],
                  (unsigned long long) rows[i].second[0]);
    }

    pack(packed, 60, 120, 1, 2);
    pack(packed + 21, 3600, 3600, 1, 2);
    bad = 0;

    for (t.len = 0; t.len <= sizeof(packed); t.len++) {
        bad += (apikey_counters_unpack(c, &limits, t, DAY * SECOND)
                == APIKEY_OK)
               != (t.len % 21 == 0);
    }

    no_failures(bad, sizeof(packed) + 1, "counters cut anywhere");
}


/* A window that isn't asked for stays for as long as it counts. */
static void
test_pack(void)
{
    size_t            i;
    unsigned char     before[4 * APIKEY_COUNTER_SIZE];
    unsigned char     out[8 * APIKEY_COUNTER_SIZE];
    apikey_text_t     was, is;
    apikey_limits_t   limits, others;
    apikey_counter_t  c[APIKEY_WINDOWS_MAX];

    static const struct {
        uint64_t  later;
        size_t    windows;
    } rows[] = {
        { 0, 5 },
        { 119, 5 },
        { 120, 4 },         /* of the minute, what follows it is over */
        { 7200, 4 },        /* the hour and the day are asked for */
        { 12 * 86400 - 1, 4 },
        { 12 * 86400, 3 }
    };

    pack(before, 60, DAY, 1, 2);
    pack(before + 21, 3600, DAY, 3, 4);
    pack(before + 42, 86400, DAY, 5, 6);
    pack(before + 63, 6 * 86400, DAY, 7, 8);

    was.data = (char *) before;
    was.len = sizeof(before);
    is.data = (char *) out;

    limits = limits_of("1r/s 100r/h 1000r/d");
    others = limits_of("60r/m 1000000r/6d");

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        (void) apikey_counters_unpack(c, &limits, was,
                                      (DAY + rows[i].later) * SECOND);
        c[1].current += 10;

        is.len = apikey_counters_pack(out, 8, c, 3, was,
                                      (DAY + rows[i].later) * SECOND);

        is_number(is.len, rows[i].windows * 21, "windows after %llu seconds",
                  (unsigned long long) rows[i].later);
    }

    (void) apikey_counters_unpack(c, &limits, was, DAY * SECOND);
    c[1].current += 10;
    is.len = apikey_counters_pack(out, 8, c, 3, was, DAY * SECOND);

    is_number(apikey_counters_unpack(c, &limits, is, DAY * SECOND), APIKEY_OK,
              "what is asked for, packed");
    is_number(c[1].current, 13, "is what it has become");
    is_number(c[2].current, 5, "or as it was");

    is_number(apikey_counters_unpack(c, &others, is, DAY * SECOND), APIKEY_OK,
              "what isn't asked for");
    is_number(c[0].current, 1, "is kept before");
    is_number(c[1].previous, 8, "and after");
}


static void
test_pack_room(void)
{
    unsigned          i;
    unsigned char     before[6 * APIKEY_COUNTER_SIZE];
    unsigned char     out[4 * APIKEY_COUNTER_SIZE];
    apikey_text_t     was;
    apikey_limits_t   limits;
    apikey_counter_t  c[APIKEY_WINDOWS_MAX];

    for (i = 0; i < 6; i++) {
        pack(before + 21 * i, 86400 * (i + 1), 0, 1, 1);
    }

    was.data = (char *) before;
    was.len = sizeof(before);
    limits = limits_of("1r/s 100r/h");

    (void) apikey_counters_unpack(c, &limits, was, 0);

    is_number(apikey_counters_pack(out, 4, c, 2, was, 0), 4 * 21,
              "as many of the others as there is room for");
    is_number(apikey_counters_pack(out, 2, c, 2, was, 0), 2 * 21,
              "none of them without room");

    was.len -= 1;
    is_number(apikey_counters_pack(out, 4, c, 2, was, 0), 4 * 21,
              "and what can be read of damaged ones");
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


static void
pack(unsigned char *p, uint64_t seconds, uint64_t start, uint64_t current,
    uint64_t previous)
{
    unsigned  i;

    for (i = 0; i < 4; i++) {
        *p++ = (unsigned char) (seconds >> 8 * i);
    }

    for (i = 0; i < 5; i++) {
        *p++ = (unsigned char) (start >> 8 * i);
    }

    for (i = 0; i < 6; i++) {
        *p++ = (unsigned char) (current >> 8 * i);
    }

    for (i = 0; i < 6; i++) {
        *p++ = (unsigned char) (previous >> 8 * i);
    }
}
