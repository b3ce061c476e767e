#include "core/address.h"
#include "tap.h"
#include "vectors.h"


static void test_parse(void);
static void test_contains(void);
static void test_mapped(void);
static void test_vectors(void);


int
main(void)
{
    test_parse();
    test_contains();
    test_mapped();
    test_vectors();

    return done_testing();
}


static void
test_parse(void)
{
    size_t             i;
    const char        *why;
    apikey_text_t      t;
    apikey_network_t   net;

    static const struct {
        const char  *text;
        int          bits;   /* -1: refused */
    } rows[] = {
        { "192.0.2.7", 128 },
        { "192.0.2.7/32", 128 },
        { "192.0.2.0/24", 120 },
        { "192.0.2.128/25", 121 },
        { "0.0.0.0/0", 96 },
        { "255.255.255.255", 128 },
        { "::", 128 },
        { "::/0", 0 },
        { "::1/128", 128 },
        { "2001:db8::/32", 32 },
        { "2001:db8:8000::/33", 33 },
        { "::ffff:192.0.2.7", 128 },
        { "::ffff:192.0.2.0/120", 120 },
        { "::ffff:0.0.0.0/96", 96 },
        { "1:2:3:4:5:6:7:8", 128 },
        { "", -1 },
        { "/", -1 },
        { "/8", -1 },
        { "10.0.0.0/", -1 },
        { "10.0.0.0/33", -1 },
        { "10.0.0.0/128", -1 },
        { "10.0.0.0/-1", -1 },
        { "10.0.0.0/+8", -1 },
        { "10.0.0.0/8/8", -1 },
        { "10.0.0.0/8 ", -1 },
        { " 10.0.0.0/8", -1 },
        { "10.0.0.0/255.0.0.0", -1 },
        { "10.0.0.1/31", -1 },
        { "10.0.0.1/8", -1 },
        { "128.0.0.0/0", -1 },
        { "2001:db8::1/32", -1 },
        { "2001:db8::1/127", -1 },
        { "8000::/0", -1 },
        { "::/129", -1 },
        { "::ffff:0.0.0.0/95", -1 },
        { "::ffff:192.0.2.7/129", -1 },
        { "256.0.0.1", -1 },
        { "1.2.3", -1 },
        { "1.2.3.4.5", -1 },
        { "01.2.3.4", -1 },
        { "0x7f.0.0.1", -1 },
        { "1:2:3:4:5:6:7", -1 },
        { "1:2:3:4:5:6:7:8:9", -1 },
        { "1::2::3", -1 },
        { "12345::", -1 },
        { "fe80::1%eth0", -1 },
        { "[::1]", -1 },
        { "localhost", -1 },
        { "10.0.0.0/99999999999999999999", -1 },
        { "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000", -1 }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        why = NULL;

        if (rows[i].bits == -1) {
            is_number(apikey_network_parse(&net, text(rows[i].text), &why),
                      APIKEY_INVALID, "network \"%s\"", rows[i].text);
            ok(why != NULL, "is refused with a reason");
            continue;
        }

        is_number(apikey_network_parse(&net, text(rows[i].text), &why),
                  APIKEY_OK, "network \"%s\"", rows[i].text);
        is_number(net.bits, rows[i].bits, "has its bits");
    }

    t.data = "10.0.0.1\0junk";
    t.len = sizeof("10.0.0.1\0junk") - 1;
    is_number(apikey_network_parse(&net, t, &why), APIKEY_INVALID,
              "a zero byte doesn't end an address");
}


static void
test_contains(void)
{
    const char        *why;
    apikey_network_t   net;

    static const unsigned char  v4[4] = { 10, 1, 2, 3 };
    static const unsigned char  v6[16] = { 0x20, 0x01, 0x0d, 0xb8 };

    apikey_network_parse(&net, text("10.0.0.0/8"), &why);
    is_number(apikey_network_contains(&net, v4, 4), 1, "10.1.2.3 in 10/8");
    is_number(apikey_network_contains(&net, v6, 16), 0, "no IPv6 in 10/8");
    is_number(apikey_network_contains(&net, v4, 3), 0, "3 bytes are nowhere");
    is_number(apikey_network_contains(&net, v4, 0), 0, "0 bytes are nowhere");
    is_number(apikey_network_contains(&net, v6, 15), 0, "15 bytes neither");

    apikey_network_parse(&net, text("0.0.0.0/0"), &why);
    is_number(apikey_network_contains(&net, v4, 4), 1, "10.1.2.3 in /0");
    is_number(apikey_network_contains(&net, v6, 16), 0, "no IPv6 in 0.0.0.0/0");

    apikey_network_parse(&net, text("::/0"), &why);
    is_number(apikey_network_contains(&net, v6, 16), 1, "2001:db8:: in ::/0");
    is_number(apikey_network_contains(&net, v4, 4), 0, "no IPv4 in ::/0");
}


static void
test_mapped(void)
{
    const char        *why;
    apikey_network_t   net;

    static const unsigned char  v4[4] = { 192, 0, 2, 7 };
    static const unsigned char  mapped[16] = {
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 7
    };
    static const unsigned char  compatible[16] = {
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 192, 0, 2, 7
    };

    apikey_network_parse(&net, text("192.0.2.0/24"), &why);
    is_number(apikey_network_contains(&net, mapped, 16), 1,
              "a mapped address in an IPv4 network");
    is_number(apikey_network_contains(&net, compatible, 16), 0,
              "an IPv4-compatible one isn't");

    apikey_network_parse(&net, text("::ffff:192.0.2.7"), &why);
    is_number(apikey_network_contains(&net, v4, 4), 1,
              "an IPv4 address in a mapped network");
    is_number(apikey_network_contains(&net, mapped, 16), 1, "a mapped one too");

    apikey_network_parse(&net, text("::/0"), &why);
    is_number(apikey_network_contains(&net, mapped, 16), 0,
              "no mapped address in ::/0");

    apikey_network_parse(&net, text("::192.0.2.0/120"), &why);
    is_number(apikey_network_contains(&net, v4, 4), 0,
              "no IPv4 address in an IPv4-compatible network");
    is_number(apikey_network_contains(&net, compatible, 16), 1,
              "an IPv4-compatible address is");
}


static void
test_vectors(void)
{
    size_t             i, n, bad, inside;
    const char        *why;
    apikey_text_t      addr;
    apikey_network_t   net;

    n = sizeof(vector_networks) / sizeof(vector_networks[0]);
    bad = 0;
    inside = 0;

    for (i = 0; i < n; i++) {
        addr = vector_networks[i].addr;

        if (apikey_network_parse(&net, vector_networks[i].network, &why)
            != APIKEY_OK
            || apikey_network_contains(&net,
                                       (const unsigned char *) addr.data,
                                       addr.len)
               != vector_networks[i].inside)
        {
            bad++;
        }

        inside += vector_networks[i].inside;
    }

    no_failures(bad, n, "Python's ipaddress says the same");
    ok(inside > n / 5 && inside < n - n / 5, "of both kinds many");
}
