#include <sodium.h>

#include "core/memo.h"
#include "tap.h"


#define MANY  40000    /* more than it holds */


static void test_own(void);
static void test_any(void);
static void test_damaged(void);
static void test_many(void);
static unsigned is_right(apikey_memo_t *memo, apikey_text_t token, int any);


static apikey_pepper_t  pepper;


int
main(void)
{
    const char  *why;

    if (sodium_init() == -1
        || apikey_pepper_set(&pepper,
                             (apikey_text_t) apikey_text(
                                 "of 32 bytes, or of more than 32."),
                             &why)
           != APIKEY_OK)
    {
        return 1;
    }

    test_own();
    test_any();
    test_damaged();
    test_many();

    return done_testing();
}


static void
test_own(void)
{
    char            buf[APIKEY_TOKEN_OWN_MAX];
    apikey_memo_t  *memo;
    apikey_text_t   token;

    memo = apikey_memo_create(&pepper);

    token.data = buf;
    token.len = apikey_token_generate(buf, text("ag"));

    ok(is_right(memo, token, 0), "a key of our own");
    ok(is_right(memo, token, 0), "and when it comes again");
    ok(is_right(memo, token, 1), "where others are keys, too");

    apikey_memo_destroy(memo);
}


static void
test_any(void)
{
    char            longest[APIKEY_TOKEN_MAX + 1];
    apikey_memo_t  *memo;
    apikey_text_t   token;

    memo = apikey_memo_create(&pepper);

    ok(apikey_memo_token(memo, text("imported"), 0) == NULL,
       "another form is none of our own");
    ok(is_right(memo, text("imported"), 1), "but of any form");
    ok(is_right(memo, text("imported"), 1), "and when it comes again");
    ok(apikey_memo_token(memo, text("imported"), 0) == NULL,
       "of our own it isn't by that");

    ok(apikey_memo_token(memo, text(""), 1) == NULL, "nothing is no key");
    ok(apikey_memo_token(memo, text("two words"), 1) == NULL,
       "nor is what has a space");

    memset(longest, 'x', sizeof(longest));
    token.data = longest;
    token.len = APIKEY_TOKEN_MAX;
    ok(is_right(memo, token, 1), "the longest key");

    token.len++;
    ok(apikey_memo_token(memo, token, 1) == NULL, "none is longer");

    apikey_memo_destroy(memo);
}


/* What is known of one text says nothing of any other. */
static void
test_damaged(void)
{
    int             c;
    char            buf[APIKEY_TOKEN_OWN_MAX], right;
    size_t          i, bad, rows;
    apikey_memo_t  *memo;
    apikey_text_t   token;

    memo = apikey_memo_create(&pepper);

    token.data = buf;
    token.len = apikey_token_generate(buf, text("ag"));

    (void) apikey_memo_token(memo, token, 1);
    bad = rows = 0;

    for (i = 0; i < token.len; i++) {
        right = buf[i];

        for (c = '!'; c <= '~'; c++) {
            if (c == right || c == ',') {
                continue;
            }

            buf[i] = (char) c;
            rows += 2;
            bad += apikey_memo_token(memo, token, 0) != NULL;
            bad += !is_right(memo, token, 1);
        }

        buf[i] = right;
    }

    no_failures(bad, rows, "a known key with one byte changed");

    token.len--;
    ok(apikey_memo_token(memo, token, 0) == NULL, "or shorter");

    apikey_memo_destroy(memo);
}


static void
test_many(void)
{
    char            buf[32];
    size_t          bad;
    unsigned        i;
    apikey_memo_t  *memo;
    apikey_text_t   token;

    memo = apikey_memo_create(&pepper);
    bad = 0;
    token.data = buf;

    for (i = 0; i < 2 * MANY; i++) {
        /* by turns one that is new and one that isn't */
        token.len = snprintf(buf, sizeof(buf), "key-%u", i & 1 ? i : i / 2);
        bad += !is_right(memo, token, 1);
    }

    no_failures(bad, i, "more keys than are remembered");

    apikey_memo_destroy(memo);
}


static unsigned
is_right(apikey_memo_t *memo, apikey_text_t token, int any)
{
    unsigned char         digest[APIKEY_DIGEST_SIZE];
    const apikey_seen_t  *seen;

    seen = apikey_memo_token(memo, token, any);

    apikey_token_digest(digest, token, &pepper);

    return seen != NULL
           && memcmp(seen->digest, digest, APIKEY_DIGEST_SIZE) == 0
           && (seen->own != 0) == (apikey_token_check_own(token) == APIKEY_OK);
}
