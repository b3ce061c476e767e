#include <inttypes.h>
#include <time.h>

#include "core/usage.h"
#include "tap.h"


static void test_days(void);
static void test_buckets(void);
static void test_labels(void);
static void test_fields(void);
static const char *counts_of(const char *name, const char *data, size_t len);
static void test_numbers(void);
static void test_tally(void);
static void test_tally_room(void);
static void test_tally_others(void);
static void test_notices(void);
static void test_packed(void);
static uint64_t amount_of(const apikey_tally_t *tally, int kind,
    const char *label);
static unsigned entries_of(const apikey_tally_t *tally, int kind);


int
main(void)
{
    test_days();
    test_buckets();
    test_labels();
    test_fields();
    test_numbers();
    test_tally();
    test_tally_room();
    test_tally_others();
    test_notices();
    test_packed();

    return done_testing();
}


static void
test_days(void)
{
    size_t     i, bad;
    time_t     t;
    uint32_t   day;
    struct tm  tm;

    is_number(apikey_usage_day(0), 19700101, "the first day");
    is_number(apikey_usage_day(951782399), 20000228, "the day before a leap");
    is_number(apikey_usage_day(951782400), 20000229, "a leap day of a century");
    is_number(apikey_usage_day(4107542399), 21000228, "a century without one");
    is_number(apikey_usage_day(4107542400), 21000301, "goes on in March");

    bad = 0;

    for (i = 0; i < 100000; i++) {
        t = (time_t) i * 86400 + 86399;
        gmtime_r(&t, &tm);
        day = (tm.tm_year + 1900) * 10000 + (tm.tm_mon + 1) * 100 + tm.tm_mday;
        bad += apikey_usage_day(t) != day || apikey_usage_day(t + 1) == day;
    }

    no_failures(bad, i, "each day until 2243 is that of gmtime()");
}


static void
test_buckets(void)
{
    unsigned  i, bad;

    bad = 0;

    for (i = 0; i < APIKEY_USAGE_LATENCIES; i++) {
        bad += apikey_usage_bucket(apikey_usage_latencies[i]) != i;
        bad += apikey_usage_bucket(apikey_usage_latencies[i] + 1) != i + 1;
    }

    no_failures(bad, i, "a bucket holds its bound and no more");

    is_number(apikey_usage_bucket(0), 0, "no time is in the first");
    is_number(apikey_usage_bucket(UINT64_MAX), APIKEY_USAGE_BUCKETS - 1,
              "the longest in the last");
}


static void
test_labels(void)
{
    char           out[APIKEY_USAGE_LABEL_MAX];
    char           longest[APIKEY_USAGE_LABEL_MAX + 2];
    apikey_text_t  t;

    t.data = out;

    t.len = apikey_usage_label(out, text("GET /v1/{id}"));
    is_text(t, "GET /v1/{id}", "a label as it is");

    t.len = apikey_usage_label(out, text("a\n\x7f\xc3\xbc\x01z"));
    is_text(t, "a?????z", "what can't be printed");

    t.len = apikey_usage_label(out, text(""));
    is_number(t.len, 0, "no label");

    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';

    t.len = apikey_usage_label(out, text(longest));
    is_number(t.len, APIKEY_USAGE_LABEL_MAX, "a long label is cut");
}


static void
test_fields(void)
{
    size_t                 i, bad;
    unsigned               at;
    apikey_text_t          value;
    apikey_usage_count_t   count;

    static const struct {
        const char  *name;
        const char  *value;
        size_t       len;
        int          kind;      /* 0: none */
        const char  *label;
        uint64_t     amount;
    } rows[] = {
        { "dlimited", "\7\0\0\0\0", 5, 'd', "limited", 7 },
        { "s404", "\0\1\0\0\0", 5, 's', "404", 256 },
        { "eGET /", "\377\377\377\377\377", 5, 'e', "GET /",
          ((uint64_t) 1 << 40) - 1 },
        { "cDE", "\0\0\0\0\0", 5, 'c', "DE", 0 },
        { "", "\7\0\0\0\0", 5, 0, "", 0 },
        { "e", "\7\0\0\0\0", 5, 0, "", 0 },
        { "s", "\7\0\0\0\0", 5, 0, "", 0 },
        { "cDE", "\7\0\0\0", 4, 0, "", 0 },
        { "cDE", "\7\0\0\0\0\0", 6, 0, "", 0 },
        { "cDE", "", 0, 0, "", 0 },
        { "n", "7", 1, 0, "", 0 },
        { "n", "\7\0\0\0\0", 5, 0, "", 0 },
        { "l", "\7\0\0\0", 4, 0, "", 0 },
        { "l0", "\7\0\0\0\0", 5, 0, "", 0 },
        { "b", "\7\0\0\0\0", 5, 0, "", 0 },
        { "n:pro", "\7\0\0\0\0", 5, 0, "", 0 },
        { "#e", "7", 1, 0, "", 0 },
        { "!n", "\7\0\0\0\0", 5, 0, "", 0 }
    };

    bad = 0;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        at = 0;
        value.data = rows[i].value;
        value.len = rows[i].len;

        if (apikey_usage_read(&count, &at, text(rows[i].name), value)
            != APIKEY_OK)
        {
            if (rows[i].kind != 0) {
                printf("# %s is none\n", rows[i].name);
                bad++;
            }

        } else if ((int) count.kind != rows[i].kind
                   || !apikey_text_equal(count.label, text(rows[i].label))
                   || count.amount != rows[i].amount
                   || apikey_usage_read(&count, &at, text(rows[i].name), value)
                      == APIKEY_OK)
        {
            printf("# %s is another\n", rows[i].name);
            bad++;
        }
    }

    no_failures(bad, i, "labels are read, and others aren't");
}


/* "n24 b258 ..." */

static const char *
counts_of(const char *name, const char *data, size_t len)
{
    unsigned               at;
    apikey_text_t          value;
    apikey_usage_count_t   count;
    static char            out[256];

    at = 0;
    value.data = data;
    value.len = len;
    out[0] = '\0';

    while (apikey_usage_read(&count, &at, text(name), value) == APIKEY_OK) {
        snprintf(out + strlen(out), sizeof(out) - strlen(out), "%c%.*s%.0u:%"
                 PRIu64 " ", count.kind, (int) count.label.len,
                 count.label.data, count.bucket, count.amount);
    }

    return out;
}


static void
test_numbers(void)
{
    size_t         i;
    unsigned char  packed[APIKEY_USAGE_PACKED + 1];

    static const char  some[] =
        "\2\0\0\0\0"  "\1\2\0\0\0\0\0"  "\0\0\0\0\0"  "\3\0\0\0\0"
        "\0\0\0\0\0"  "\4\0\0\0\0"  "\0\0\0\0\0"  "\0\0\0\0\0"
        "\0\0\0\0\1"  "abc" "defg" "h" "ijk" "lmn";

    static const char  slow[] =
        "\1\0\0\0\0"  "\0\0\0\0\0"  "\0\0\0\0\0"  "\0\0\0\0\0"
        "\0\0\0\0\0"  "\0\0\0\0\0"  "\0\0\0\0\0"  "\0\0\0\0\0"
        "\2\0\0\0\0"  "\3\0\0\0\0";

    is_number(sizeof(some) - 1, 61, "what is packed is as long as it may be");
    is_text(text(counts_of("n", some, sizeof(some) - 1)),
            "n:2 b:513 s200:3 l1:4 l4:4294967296 ",
            "numbers that aren't 0 are read, one after the other");
    is_text(text(counts_of("l", slow, APIKEY_USAGE_SLOW)), "l5:1 l13:2 ",
            "and those of the other latencies");
    is_text(text(counts_of("l", slow, 10)), "l5:1 ", "as far as they go");
    is_text(text(counts_of("l", slow, 11)), "", "no part of one");
    is_text(text(counts_of("l", slow, 50)), "", "and no more than there are");

    memset(packed, 0xff, sizeof(packed));

    for (i = 0; i < sizeof(packed); i++) {
        if (i != APIKEY_USAGE_PACKED
            && counts_of("n", (char *) packed, i)[0] != '\0')
        {
            break;
        }
    }

    is_number(i, sizeof(packed), "of any other length they are none");
    is_text(text(counts_of("n", (char *) packed, APIKEY_USAGE_PACKED)),
            "n:1099511627775 b:72057594037927935 x:1099511627775 "
            "s200:1099511627775 l:1099511627775 l1:1099511627775 "
            "l2:1099511627775 l3:1099511627775 l4:1099511627775 ",
            "the greatest");
}


static void
test_tally(void)
{
    apikey_text_t   packed;
    unsigned char   memory[256];
    size_t          at;
    apikey_tally_t  tally = { memory, 0, sizeof(memory) };

    apikey_tally_add(&tally, APIKEY_USAGE_REQUESTS, text(""), 1);
    at = apikey_tally_add(&tally, APIKEY_USAGE_ENDPOINT, text("GET /"), 257);
    apikey_tally_add(&tally, APIKEY_USAGE_ENDPOINT, text("GET /a"), 1);
    apikey_tally_add(&tally, APIKEY_USAGE_REQUESTS, text(""), 1);
    apikey_tally_more(&tally, at, 1);
    apikey_tally_add(&tally, APIKEY_USAGE_COUNTRY, text("GET /"), 5);
    apikey_tally_add(&tally, APIKEY_USAGE_ENDPOINT, text("GET /"), 1);

    is_number(amount_of(&tally, 'n', ""), 2, "requests are added");
    is_number(amount_of(&tally, 'e', "GET /"), 259, "a label is added");
    is_number(amount_of(&tally, 'e', "GET /a"), 1, "another is another");
    is_number(amount_of(&tally, 'c', "GET /"), 5, "and of another kind, too");

    packed.data = (char *) memory + 8;
    packed.len = 1 + 6 + 6;

    ok(memcmp(packed.data, "\6eGET /\3\1\0\0\0\0", packed.len) == 0,
       "packed as documented");

    at = apikey_tally_add(&tally, APIKEY_USAGE_BYTES, text(""), UINT64_MAX);
    apikey_tally_add(&tally, APIKEY_USAGE_BYTES, text(""), 10);
    apikey_tally_more(&tally, at, UINT64_MAX);
    is_number(amount_of(&tally, 'b', ""), APIKEY_USAGE_AMOUNT_MAX,
              "amounts don't go round");
}


static void
test_tally_room(void)
{
    char            label[APIKEY_USAGE_LABEL_MAX + 1];
    apikey_tally_t  tally = { NULL, 0, APIKEY_TALLY_ENTRY_MAX };

    memset(label, 'x', APIKEY_USAGE_LABEL_MAX);
    label[APIKEY_USAGE_LABEL_MAX] = '\0';

    tally.data = malloc(tally.size);

    if (tally.data == NULL) {
        exit(1);
    }

    is_number(apikey_tally_add(&tally, APIKEY_USAGE_ENDPOINT, text(label), 1),
              2 + APIKEY_USAGE_LABEL_MAX,
              "the longest entry has room in what is promised");
    is_number(tally.len, tally.size, "and fills it");
    is_number(apikey_tally_add(&tally, APIKEY_USAGE_REQUESTS, text(""), 1),
              0, "one more has none");
    is_number(tally.len, tally.size, "and leaves nothing");
    is_number(apikey_tally_add(&tally, APIKEY_USAGE_ENDPOINT, text(label), 1),
              2 + APIKEY_USAGE_LABEL_MAX, "what is there is added to");

    free(tally.data);
}


static void
test_tally_others(void)
{
    char            label[16];
    unsigned        i;
    unsigned char   memory[4096];
    apikey_tally_t  tally = { memory, 0, sizeof(memory) };

    for (i = 0; i < APIKEY_USAGE_LABELS + 10; i++) {
        snprintf(label, sizeof(label), "%u", i);
        apikey_tally_add(&tally, APIKEY_USAGE_ENDPOINT, text(label), 2);
    }

    apikey_tally_add(&tally, APIKEY_USAGE_COUNTRY, text("DE"), 1);
    apikey_tally_add(&tally, APIKEY_USAGE_ENDPOINT, text("0"), 1);

    is_number(entries_of(&tally, 'e'), APIKEY_USAGE_LABELS + 1,
              "labels are bounded");
    is_number(amount_of(&tally, 'e', "other"), 20, "the rest is other");
    is_number(amount_of(&tally, 'e', "0"), 3, "a label that was there goes on");
    is_number(amount_of(&tally, 'c', "DE"), 1, "another kind has its own room");
}


static void
test_notices(void)
{
    char            out[APIKEY_NOTICE_MAX];
    apikey_text_t   label;
    unsigned char   memory[256];
    apikey_tally_t  tally = { memory, 0, sizeof(memory) };

    label = apikey_notice_window(out, APIKEY_NOTICE_NEAR_LIMIT, 60, 1795304100,
                                 1000);

    is_number(label.len, APIKEY_NOTICE_MAX, "a window's notice");
    ok(memcmp(out, "n\x3c\0\0\0\xa4\x2a\x02\x6b\0\xe8\3\0\0\0\0", label.len)
       == 0, "packed as documented");

    apikey_tally_add(&tally, APIKEY_USAGE_NOTICE, label, 800);
    apikey_tally_add(&tally, APIKEY_USAGE_NOTICE, label, 810);
    apikey_tally_add(&tally, APIKEY_USAGE_NOTICE, label, 805);

    is_number(entries_of(&tally, '!'), 1, "stands there once");
    is_number(apikey_usage_day(1795304100), 20261121, "on that day");

    out[0] = APIKEY_NOTICE_LIMIT_REACHED;
    apikey_tally_add(&tally, APIKEY_USAGE_NOTICE, label, 1000);
    is_number(entries_of(&tally, '!'), 2, "another one is another");

    label.data = (char *) memory;
    label.len = 2 + APIKEY_NOTICE_MAX;
    ok(memcmp(label.data + label.len, "\x2a\3\0\0\0\0", 6) == 0,
       "with the most that was used");
}


static void
test_packed(void)
{
    size_t                 i;
    unsigned char          memory[1024];
    unsigned char          out[APIKEY_TALLY_PACKED(1024, 12)];
    apikey_tally_t         tally = { memory, 0, sizeof(memory) };
    apikey_usage_latest_t  latest = { 1795304100, text("1795304100 x"), 0 };

    static const char  none[] =
        "\0\0\0\0\0"  "\0\0\0\0\0\0\0"  "\0\0\0\0\0"  "\0\0\0\0\0"
        "\0\0\0\0\0"  "\0\0\0\0\0"  "\0\0\0\0\0"  "\0\0\0\0\0"
        "\0\0\0\0\0"  "\xa4\x4b\1"  "\0"  "\0\0"  "\0"  "\x0c" "1795304100 x";

    static const char  some[] =
        "\2\1\0\0\0"  "\377\377\377\377\377\377\0"  "\1\0\0\0\0"
        "\377\377\377\377\377"
        "\0\0\0\0\0"  "\0\0\0\0\0"  "\0\0\0\0\0"  "\0\0\0\0\0"
        "\3\0\0\0\0"  "\xa4\x4b\1"  "\1"  "\2\0"  "\0"  "\x0c" "1795304100 x"
        "\4s404\1\0\0\0\0"  "\6eGET /\377\377\377\377\377"
        "\1e\7\0\0\0\0\0";

    static const char  slow[] = "\0\0\0\0\0"  "\0\0\0\0\0"  "\5\0\0\0\0";

    ok(apikey_tally_pack(out, &tally, &latest) == sizeof(none) - 1
       && memcmp(out, none, sizeof(none) - 1) == 0, "nothing, packed");

    apikey_tally_add(&tally, APIKEY_USAGE_REQUESTS, text(""), 258);
    apikey_tally_add(&tally, APIKEY_USAGE_BYTES, text(""), UINT64_MAX);
    apikey_tally_add(&tally, APIKEY_USAGE_STATUS, text("404"), 1);
    apikey_tally_add(&tally, APIKEY_USAGE_NOTICE, text("e"), 7);
    apikey_tally_add(&tally, APIKEY_USAGE_ERRORS, text(""), 1);
    apikey_tally_add(&tally, APIKEY_USAGE_STATUS, text("200"), UINT64_MAX);
    apikey_tally_add(&tally, APIKEY_USAGE_ENDPOINT, text("GET /"), UINT64_MAX);
    apikey_tally_add(&tally, APIKEY_USAGE_LATENCY, text("4"), 3);

    latest.late = 1;

    ok(apikey_tally_pack(out, &tally, &latest) == sizeof(some) - 1
       && memcmp(out, some, sizeof(some) - 1) == 0,
       "numbers, labels and notices, packed");

    apikey_tally_add(&tally, APIKEY_USAGE_LATENCY, text("7"), 5);
    i = sizeof(some) - 1 + sizeof(slow) - 1;

    ok(apikey_tally_pack(out, &tally, &latest) == i
       && memcmp(out + i - 8 - sizeof(slow) + 1, slow, sizeof(slow) - 1) == 0,
       "a latency of the others brings those before it");

    /* the shortest entries take the most room in proportion */

    tally.len = 0;
    apikey_tally_add(&tally, APIKEY_USAGE_LATENCY, text("13"), 5);

    for (i = 0; apikey_tally_add(&tally, (apikey_usage_kind_e) (i % 256),
                                 text(""), 1) != 0
                && i < 255; i++);

    ok(apikey_tally_pack(out, &tally, &latest)
       <= APIKEY_TALLY_PACKED(tally.len, latest.text.len),
       "never more than promised");
}


static uint64_t
amount_of(const apikey_tally_t *tally, int kind, const char *label)
{
    uint64_t             amount;
    apikey_text_t        packed, name;
    apikey_usage_kind_e  k;

    packed.data = (char *) tally->data;
    packed.len = tally->len;

    while (apikey_tally_take(&packed, &k, &name, &amount) == APIKEY_OK) {
        if ((int) k == kind && apikey_text_equal(name, text(label))) {
            return amount;
        }
    }

    return 0;
}


static unsigned
entries_of(const apikey_tally_t *tally, int kind)
{
    unsigned             n;
    uint64_t             amount;
    apikey_text_t        packed, name;
    apikey_usage_kind_e  k;

    packed.data = (char *) tally->data;
    packed.len = tally->len;
    n = 0;

    while (apikey_tally_take(&packed, &k, &name, &amount) == APIKEY_OK) {
        n += (int) k == kind;
    }

    return packed.len == 0 ? n : 0;
}
