#include "core/text.h"
#include "tap.h"


static void test_words(void);
static void test_equal(void);
static void test_number(void);
static void test_distance(void);


int
main(void)
{
    test_words();
    test_equal();
    test_number();
    test_distance();

    return done_testing();
}


static void
test_words(void)
{
    apikey_text_t  list;

    list = text("  one two   three ");

    is_text(apikey_text_word(&list), "one", "first word, spaces before it");
    is_text(list, " two   three ", "the list stands behind the word");
    is_text(apikey_text_word(&list), "two", "second word");
    is_text(apikey_text_word(&list), "three", "third word, many spaces");
    is_text(apikey_text_word(&list), "", "the end");
    is_text(apikey_text_word(&list), "", "the end again");

    list = text("a\tb");
    is_text(apikey_text_word(&list), "a\tb", "a tab separates nothing");

    list = text("abc");
    list.len = 2;
    is_text(apikey_text_word(&list), "ab", "no byte behind the list is read");

    list.data = NULL;
    list.len = 0;
    is_text(apikey_text_word(&list), "", "an empty list without data");
}


static void
test_equal(void)
{
    apikey_text_t  none;

    none.data = NULL;
    none.len = 0;

    ok(apikey_text_equal(text("abc"), text("abc")), "equal");
    ok(!apikey_text_equal(text("abc"), text("abd")), "last byte differs");
    ok(!apikey_text_equal(text("abc"), text("ab")), "shorter");
    ok(!apikey_text_equal(text("ab"), text("abc")), "longer");
    ok(apikey_text_equal(none, text("")), "empty ones are equal");
}


static void
test_number(void)
{
    size_t    i;
    uint64_t  n;

    static const struct {
        const char  *text;
        uint64_t     max;
        int          rc;
        uint64_t     value;
    } rows[] = {
        { "0", 0, APIKEY_OK, 0 },
        { "1", 0, APIKEY_INVALID, 0 },
        { "9", 8, APIKEY_INVALID, 0 },
        { "8", 8, APIKEY_OK, 8 },
        { "10", 10, APIKEY_OK, 10 },
        { "11", 10, APIKEY_INVALID, 0 },
        { "100", 10, APIKEY_INVALID, 0 },
        { "007", 7, APIKEY_OK, 7 },
        { "18446744073709551615", UINT64_MAX, APIKEY_OK, UINT64_MAX },
        { "18446744073709551616", UINT64_MAX, APIKEY_INVALID, 0 },
        { "18446744073709551620", UINT64_MAX, APIKEY_INVALID, 0 },
        { "99999999999999999999", UINT64_MAX, APIKEY_INVALID, 0 },
        { "", 10, APIKEY_INVALID, 0 },
        { "+1", 10, APIKEY_INVALID, 0 },
        { "-1", 10, APIKEY_INVALID, 0 },
        { " 1", 10, APIKEY_INVALID, 0 },
        { "1 ", 10, APIKEY_INVALID, 0 },
        { "1.0", 10, APIKEY_INVALID, 0 },
        { "0x1", 10, APIKEY_INVALID, 0 },
        { "1/", 100, APIKEY_INVALID, 0 },
        { "1:", 100, APIKEY_INVALID, 0 }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        is_number(apikey_text_number(text(rows[i].text), rows[i].max, &n),
                  rows[i].rc, "number \"%s\" up to %llu", rows[i].text,
                  (unsigned long long) rows[i].max);

        if (rows[i].rc == APIKEY_OK) {
            ok(n == rows[i].value, "its value");
        }
    }
}


static void
test_distance(void)
{
    char           a[80], b[80];
    size_t         i;
    apikey_text_t  one, two;

    static const struct {
        const char  *a;
        const char  *b;
        unsigned     distance;
    } rows[] = {
        { "", "", 0 },
        { "", "pro", 3 },
        { "pro", "pro", 0 },
        { "Pro", "pRO", 0 },
        { "profesional", "professional", 1 },
        { "professionaal", "professional", 1 },
        { "professionak", "professional", 1 },
        { "porfessional", "professional", 1 },
        { "@", "`", 1 },
        { "free", "pro", 3 },
        { "kitten", "sitting", 3 }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        is_number(apikey_text_distance(text(rows[i].a), text(rows[i].b)),
                  rows[i].distance, "from \"%s\" to \"%s\"", rows[i].a,
                  rows[i].b);
        is_number(apikey_text_distance(text(rows[i].b), text(rows[i].a)),
                  rows[i].distance, "and back");
    }

    memset(a, 'a', sizeof(a));
    memset(b, 'b', sizeof(b));

    one = (apikey_text_t) { a, sizeof(a) };
    two = (apikey_text_t) { b, sizeof(b) };

    is_number(apikey_text_distance(one, two), APIKEY_TEXT_NEAR,
              "of long texts only the beginning counts");
}
