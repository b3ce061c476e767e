#include "core/names.h"
#include "core/token.h"
#include "tap.h"
#include "vectors.h"


static void test_prefix(void);
static void test_names(void);
static void test_sizes(void);
static void test_buckets(void);


int
main(void)
{
    test_prefix();
    test_names();
    test_sizes();
    test_buckets();

    return done_testing();
}


static void
test_prefix(void)
{
    int            c, good;
    char           buf[APIKEY_NAMES_PREFIX_MAX + 1];
    size_t         bad;
    apikey_text_t  t;

    memset(buf, 'p', sizeof(buf));
    t.data = buf;

    t.len = 0;
    is_number(apikey_names_prefix_check(t), APIKEY_INVALID, "no prefix");
    t.len = 64;
    is_number(apikey_names_prefix_check(t), APIKEY_OK, "prefix of 64");
    t.len = 65;
    is_number(apikey_names_prefix_check(t), APIKEY_INVALID, "prefix of 65");

    t.len = 2;
    bad = 0;

    for (c = 0; c < 256; c++) {
        good = c > 0x20 && c < 0x7f && c != '{' && c != '}';
        buf[1] = (char) c;
        bad += (apikey_names_prefix_check(t) == APIKEY_OK) != good;
    }

    no_failures(bad, 256, "every byte in a prefix");
}


static void
test_names(void)
{
    char           out[APIKEY_NAME_SIZE];
    size_t         i;
    apikey_text_t  p, t;
    unsigned char  digest[APIKEY_DIGEST_SIZE];

    for (i = 0; i < sizeof(digest); i++) {
        digest[i] = (unsigned char) (i * 8 + 7);
    }

    p = text(APIKEY_NAMES_PREFIX);
    t.data = out;

    t.len = apikey_names_record(out, p, digest);
    is_text(t, "apikey:{070f171f272f373f474f575f676f777f"
            "878f979fa7afb7bfc7cfd7dfe7eff7ff}", "record");

    t.len = apikey_names_ids(out, p, 0);
    is_text(t, "apikey:ids:0000", "first bucket of ids");

    t.len = apikey_names_ids(out, p, 4095);
    is_text(t, "apikey:ids:0fff", "last bucket of ids");

    t.len = apikey_names_holder(out, p, "org", text("acme"), text("pro"));
    is_text(t, "apikey:org:{acme}:pro", "pool of an org");

    t.len = apikey_names_retry(out, p, text("0af3"));
    is_text(t, "apikey:retry:0af3", "retry");

    t.len = apikey_names_templates(out, p);
    is_text(t, "apikey:templates", "templates");

    t.len = apikey_names_gateways(out, p);
    is_text(t, "apikey:gateways", "gateways");

    t.len = apikey_names_events(out, p);
    is_text(t, "apikey:events", "events");

    t.len = apikey_names_expiring(out, p);
    is_text(t, "apikey:expiring", "expiring");

    t.len = apikey_names_webhooks(out, p);
    is_text(t, "apikey:webhooks", "webhooks");

    t.len = apikey_names_acks(out, p, text("0123456789abcdEF"));
    is_text(t, "apikey:acks:0123456789abcdEF", "acks");

    t.len = apikey_names_changes(out, text("x/"));
    is_text(t, "x/changes", "changes, another prefix");
}


/* The longest names are in exactly as much memory as is promised. */
static void
test_sizes(void)
{
    char           *out, longest[APIKEY_NAMES_PREFIX_MAX + 1];
    apikey_text_t   p;
    unsigned char   digest[APIKEY_DIGEST_SIZE];

    memset(longest, 'p', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    memset(digest, 0, sizeof(digest));

    p = text(longest);

    out = malloc(APIKEY_NAME_SIZE);
    if (out == NULL) {
        exit(1);
    }

    is_number(apikey_names_record(out, p, digest), 64 + 66, "longest record");
    is_number(apikey_names_usage(out, p, digest, 99991231), 64 + 6 + 66 + 9,
              "longest usage");
    is_number(apikey_names_gone(out, p, 999912), 64 + 5 + 6, "longest gone");
    is_number(apikey_names_ids(out, p, 4095), 64 + 8, "longest bucket");
    is_number(apikey_names_holder(out, p, "project", p, p), 64 + 8 + 66 + 65,
              "longest pool");
    is_number(apikey_names_acks(out, p, p), 64 + 5 + 64, "longest acks");

    free(out);
}


static void
test_buckets(void)
{
    size_t  i, n, bad;

    n = sizeof(vector_buckets) / sizeof(vector_buckets[0]);
    bad = 0;

    for (i = 0; i < n; i++) {
        bad += apikey_names_bucket(vector_buckets[i].id)
               != vector_buckets[i].bucket;
    }

    no_failures(bad, n, "buckets are those of Python's binascii.crc_hqx");

    is_number(apikey_names_bucket(text("123456789")), 0x31c3 % 4096,
              "the check value that CRC catalogues give");
}
