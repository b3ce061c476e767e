#include <sodium.h>

#include "core/token.h"
#include "tap.h"
#include "vectors.h"


static void test_own_vectors(void);
static void test_own_damaged(void);
static void test_own_form(void);
static void test_generate(void);
static void test_form(void);
static void test_prefix_and_id(void);
static void test_pepper(void);
static void test_pepper_print(void);
static void test_hint(void);
static void test_digest(void);
static void test_hex(void);


int
main(void)
{
    if (sodium_init() == -1) {
        return 1;
    }

    test_own_vectors();
    test_own_damaged();
    test_own_form();
    test_generate();
    test_form();
    test_prefix_and_id();
    test_pepper();
    test_pepper_print();
    test_hint();
    test_digest();
    test_hex();

    return done_testing();
}


static void
test_own_vectors(void)
{
    size_t  i, n, bad;

    n = sizeof(vector_tokens) / sizeof(vector_tokens[0]);
    bad = 0;

    for (i = 0; i < n; i++) {
        if (apikey_token_check_own(vector_tokens[i].token) != APIKEY_OK) {
            bad++;
        }
    }

    no_failures(bad, n, "keys made with zlib's CRC-32 are our own");
}


/* Every other byte in every place, and every neighbouring length. */
static void
test_own_damaged(void)
{
    int            c;
    char           buf[APIKEY_TOKEN_OWN_MAX + 1];
    size_t         i, n, rows, passed;
    apikey_text_t  t;

    rows = 0;
    passed = 0;

    for (n = 0; n < sizeof(vector_tokens) / sizeof(vector_tokens[0]); n++) {
        t = vector_tokens[n].token;
        memcpy(buf, t.data, t.len);
        t.data = buf;

        for (i = 0; i < t.len; i++) {
            for (c = 0; c < 256; c++) {
                if ((char) c == vector_tokens[n].token.data[i]) {
                    continue;
                }

                buf[i] = (char) c;
                rows++;
                passed += apikey_token_check_own(t) == APIKEY_OK;
            }

            buf[i] = vector_tokens[n].token.data[i];
        }

        buf[t.len] = '0';

        for (i = 0; i <= t.len + 1; i++) {
            if (i != t.len) {
                t.len = i;
                rows++;
                passed += apikey_token_check_own(t) == APIKEY_OK;
                t.len = vector_tokens[n].token.len;
            }
        }
    }

    no_failures(passed, rows, "no key with one byte changed is our own");
}


static void
test_own_form(void)
{
    char           buf[APIKEY_TOKEN_OWN_MAX + 2];
    size_t         len;
    apikey_text_t  t;

    len = apikey_token_generate(buf, text("ag"));
    t.data = buf;
    t.len = len;
    is_number(apikey_token_check_own(t), APIKEY_OK, "a generated key");

    t.data = buf + 2;
    t.len = len - 2;
    is_number(apikey_token_check_own(t), APIKEY_INVALID, "without a prefix");

    t.len = 0;
    is_number(apikey_token_check_own(t), APIKEY_INVALID, "empty");

    t = text("ag_");
    is_number(apikey_token_check_own(t), APIKEY_INVALID, "a prefix alone");
}


static void
test_generate(void)
{
    char           out[APIKEY_TOKEN_OWN_MAX + 1], first[APIKEY_ID_SIZE + 1],
                   second[APIKEY_ID_SIZE + 1];
    size_t         i, j, len, bad, seen[256], kinds;
    apikey_text_t  t, prefix;

    static const char  *const prefixes[] = {
        "a", "apso_sk_live", "_", "abcdefghijklmnopqrstuvwxyz_01234"
    };

    memset(seen, 0, sizeof(seen));
    bad = 0;

    for (i = 0; i < 4000; i++) {
        prefix = text(prefixes[i % 4]);
        out[prefix.len + 40] = '\1';
        len = apikey_token_generate(out, prefix);

        t.data = out;
        t.len = len;

        if (len != prefix.len + 40 || out[len] != '\1'
            || memcmp(out, prefix.data, prefix.len) != 0
            || apikey_token_check(t) != APIKEY_OK
            || apikey_token_check_own(t) != APIKEY_OK)
        {
            bad++;
        }

        for (j = 0; j < APIKEY_TOKEN_RANDOM; j++) {
            seen[(unsigned char) out[prefix.len + 1 + j]]++;
        }
    }

    no_failures(bad, i, "generated keys are our own");

    /* 132,000 digits: each is expected 2129 times, give or take 46. */

    kinds = 0;
    bad = 0;

    for (i = 0; i < 256; i++) {
        if (seen[i] != 0) {
            kinds++;
            bad += seen[i] < 1800 || seen[i] > 2460;
        }
    }

    is_number(kinds, 62, "all the digits occur");
    no_failures(bad, kinds, "about equally often");

    first[APIKEY_ID_SIZE] = '\1';
    apikey_token_generate_id(first);
    apikey_token_generate_id(second);

    t.data = first;
    t.len = APIKEY_ID_SIZE;
    is_number(apikey_token_id_check(t), APIKEY_OK, "a generated id is an id");
    is_number(first[APIKEY_ID_SIZE], '\1', "and 16 bytes long");
    ok(memcmp(first, second, APIKEY_ID_SIZE) != 0, "and another each time");
}


static void
test_form(void)
{
    int            c, expected;
    char           buf[APIKEY_TOKEN_MAX + 1];
    size_t         bad;
    apikey_text_t  t;

    memset(buf, '~', sizeof(buf));
    t.data = buf;

    t.len = 0;
    is_number(apikey_token_check(t), APIKEY_INVALID, "an empty key");
    t.len = 1;
    is_number(apikey_token_check(t), APIKEY_OK, "a key of 1 byte");
    t.len = 256;
    is_number(apikey_token_check(t), APIKEY_OK, "a key of 256 bytes");
    t.len = 257;
    is_number(apikey_token_check(t), APIKEY_INVALID, "a key of 257 bytes");

    t.len = 3;
    bad = 0;

    for (c = 0; c < 3 * 256; c++) {
        buf[c / 256] = (char) (c % 256);
        expected = (c % 256 > 0x20 && c % 256 < 0x7f && c % 256 != ',')
                   ? APIKEY_OK : APIKEY_INVALID;
        bad += apikey_token_check(t) != expected;
        buf[c / 256] = '~';
    }

    no_failures(bad, 3 * 256, "printable ASCII but space and comma, "
                "at the start, within, and at the end");
}


static void
test_prefix_and_id(void)
{
    int            c, lower, upper, digit;
    char           buf[APIKEY_ID_MAX + 1], *p;
    size_t         bad;
    apikey_text_t  t;

    memset(buf, 'a', sizeof(buf));
    t.data = buf;

    t.len = 32;
    is_number(apikey_token_prefix_check(t), APIKEY_OK, "prefix of 32");
    t.len = 33;
    is_number(apikey_token_prefix_check(t), APIKEY_INVALID, "prefix of 33");
    t.len = 64;
    is_number(apikey_token_id_check(t), APIKEY_OK, "id of 64");
    t.len = 65;
    is_number(apikey_token_id_check(t), APIKEY_INVALID, "id of 65");
    t.len = 0;
    is_number(apikey_token_prefix_check(t), APIKEY_INVALID, "no prefix");
    is_number(apikey_token_id_check(t), APIKEY_INVALID, "no id");

    bad = 0;
    t.len = 2;
    p = &buf[1];

    for (c = 0; c < 256; c++) {
        lower = c >= 'a' && c <= 'z';
        upper = c >= 'A' && c <= 'Z';
        digit = c >= '0' && c <= '9';

        *p = (char) c;

        bad += (apikey_token_prefix_check(t) == APIKEY_OK)
               != (lower || digit || c == '_');
        bad += (apikey_token_id_check(t) == APIKEY_OK)
               != (lower || upper || digit || c == '.' || c == '_'
                   || c == '-');
    }

    no_failures(bad, 2 * 256, "every byte in a prefix and in an id");
}


static void
test_pepper(void)
{
    char              buf[APIKEY_PEPPER_FILE_MAX + 1];
    apikey_text_t     t;
    const char       *why;
    apikey_pepper_t   pepper;

    memset(buf, 'p', sizeof(buf));
    t.data = buf;

    t.len = 31;
    why = NULL;
    is_number(apikey_pepper_set(&pepper, t, &why), APIKEY_INVALID,
              "31 bytes of pepper");
    ok(why != NULL, "says why");

    t.len = 0;
    is_number(apikey_pepper_set(&pepper, t, &why), APIKEY_INVALID,
              "no pepper");

    t.len = 4096;
    is_number(apikey_pepper_set(&pepper, t, &why), APIKEY_OK,
              "4096 bytes of pepper");
    is_number(pepper.len, 64, "are hashed");

    t.len = 4097;
    is_number(apikey_pepper_set(&pepper, t, &why), APIKEY_INVALID,
              "4097 bytes of pepper");

    buf[31] = '\n';
    t.len = 32;
    is_number(apikey_pepper_set(&pepper, t, &why), APIKEY_OK,
              "32 bytes, the last a newline");
    is_number(pepper.len, 32, "the newline is part of them");
    ok(memcmp(pepper.key, buf, 32) == 0, "as they are");

    buf[31] = 'p';
    buf[32] = '\n';
    t.len = 33;
    is_number(apikey_pepper_set(&pepper, t, &why), APIKEY_OK,
              "32 bytes and a newline");
    is_number(pepper.len, 32, "the newline is not part of them");

    buf[33] = '\n';
    t.len = 34;
    is_number(apikey_pepper_set(&pepper, t, &why), APIKEY_OK,
              "32 bytes and two newlines");
    is_number(pepper.len, 33, "one is taken off");

    buf[32] = 'p';
    buf[33] = 'p';
    buf[64] = '\n';
    t.len = 65;
    is_number(apikey_pepper_set(&pepper, t, &why), APIKEY_OK,
              "64 bytes and a newline");
    is_number(pepper.len, 64, "are the key");
    ok(memcmp(pepper.key, buf, 64) == 0, "as they are");
}


static void
test_pepper_print(void)
{
    char              first[APIKEY_PEPPER_PRINT], second[APIKEY_PEPPER_PRINT];
    size_t            i;
    const char       *why;
    apikey_text_t     content;
    apikey_pepper_t   pepper;

    content = text("0123456789abcdef0123456789abcdef");
    (void) apikey_pepper_set(&pepper, content, &why);

    apikey_pepper_print(first, &pepper);
    apikey_pepper_print(second, &pepper);
    ok(memcmp(first, second, APIKEY_PEPPER_PRINT) == 0,
       "the print of a pepper is always the same");

    for (i = 0; i < APIKEY_PEPPER_PRINT; i++) {
        if (strchr("0123456789abcdef", first[i]) == NULL) {
            break;
        }
    }

    is_number(i, APIKEY_PEPPER_PRINT, "of hexadecimal digits");

    content = text("0123456789abcdef0123456789abcdeX");
    (void) apikey_pepper_set(&pepper, content, &why);

    apikey_pepper_print(second, &pepper);
    ok(memcmp(first, second, APIKEY_PEPPER_PRINT) != 0,
       "that of another is another");
}


static void
test_hint(void)
{
    is_text(apikey_token_hint(text("ak_0123456789abcd")), "abcd",
            "the end of a key");
    is_text(apikey_token_hint(text("0123456789ab")), "89ab", "12 characters");
    is_text(apikey_token_hint(text("0123456789a")), "", "11 are too few");
    is_text(apikey_token_hint(text("")), "", "none");
}


static void
test_digest(void)
{
    char              hex[APIKEY_DIGEST_HEX];
    size_t            i, n, bad;
    const char       *why;
    unsigned char     digest[APIKEY_DIGEST_SIZE];
    apikey_pepper_t   pepper;

    n = sizeof(vector_digests) / sizeof(vector_digests[0]);
    bad = 0;

    for (i = 0; i < n; i++) {
        if (apikey_pepper_set(&pepper, vector_digests[i].pepper, &why)
            != APIKEY_OK)
        {
            bad++;
            continue;
        }

        apikey_token_digest(digest, vector_digests[i].token, &pepper);
        apikey_digest_hex(hex, digest);

        bad += memcmp(hex, vector_digests[i].hex, APIKEY_DIGEST_HEX) != 0;
    }

    no_failures(bad, n, "digests are those of Python's hashlib");
}


static void
test_hex(void)
{
    int            c, expected;
    char           hex[APIKEY_DIGEST_HEX + 1];
    size_t         i, bad;
    apikey_text_t  t;
    unsigned char  in[APIKEY_DIGEST_SIZE], out[APIKEY_DIGEST_SIZE];

    t.data = hex;
    t.len = APIKEY_DIGEST_HEX;
    hex[APIKEY_DIGEST_HEX] = '\1';
    bad = 0;

    for (c = 0; c < 256; c++) {
        for (i = 0; i < sizeof(in); i++) {
            in[i] = (unsigned char) (c + 37 * i);
        }

        apikey_digest_hex(hex, in);

        bad += apikey_digest_parse(out, t) != APIKEY_OK
               || memcmp(in, out, sizeof(in)) != 0;
    }

    no_failures(bad, 256, "a digest survives being written and read");
    is_number(hex[APIKEY_DIGEST_HEX], '\1', "no byte is written behind it");

    memset(hex, 'F', APIKEY_DIGEST_HEX);
    is_number(apikey_digest_parse(out, t), APIKEY_OK, "upper case");
    is_number(out[31], 0xff, "is read the same");

    t.len = 63;
    is_number(apikey_digest_parse(out, t), APIKEY_INVALID, "63 digits");
    t.len = 65;
    hex[64] = 'F';
    is_number(apikey_digest_parse(out, t), APIKEY_INVALID, "65 digits");

    t.len = 64;
    bad = 0;

    for (c = 0; c < 256; c++) {
        hex[63] = (char) c;
        expected = c != 0 && strchr("0123456789abcdefABCDEF", c) != NULL
                   ? APIKEY_OK : APIKEY_INVALID;
        bad += apikey_digest_parse(out, t) != expected;
    }

    no_failures(bad, 256, "every byte as a digit");
}
