#include <ctype.h>
#include <sodium.h>

#include "core/token.h"
#include "fuzz.h"


static void fuzz_own(apikey_text_t token);
static void fuzz_pepper(apikey_text_t text);
static void fuzz_hex(apikey_text_t text);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apikey_text_t  text;

    must(sodium_init() != -1);

    text = fuzz_copy(data, size);

    if (apikey_token_check(text) == APIKEY_OK) {
        must(size >= 1 && size <= APIKEY_TOKEN_MAX);
        must(memchr(text.data, ' ', size) == NULL);
        must(memchr(text.data, ',', size) == NULL);
    }

    if (apikey_token_check_own(text) == APIKEY_OK) {
        fuzz_own(text);
    }

    if (apikey_token_id_check(text) == APIKEY_OK) {
        must(apikey_token_check(text) == APIKEY_OK);
    }

    if (apikey_token_prefix_check(text) == APIKEY_OK) {
        must(apikey_token_id_check(text) == APIKEY_OK);
    }

    fuzz_pepper(text);
    fuzz_hex(text);

    fuzz_free(text);

    return 0;
}


static void
fuzz_own(apikey_text_t token)
{
    char           *p;
    size_t          i;
    apikey_text_t   other, prefix;

    must(apikey_token_check(token) == APIKEY_OK);
    must(token.len <= APIKEY_TOKEN_OWN_MAX);

    prefix = token;
    prefix.len -= APIKEY_TOKEN_RANDOM + APIKEY_TOKEN_CHECK + 1;
    must(apikey_token_prefix_check(prefix) == APIKEY_OK);

    /* A checksum of 32 bits finds every change of a single byte. */

    other = fuzz_copy(token.data, token.len);
    p = (char *) other.data;

    for (i = 0; i < token.len; i++) {
        p[i] ^= 1;
        must(apikey_token_check_own(other) == APIKEY_INVALID);
        p[i] ^= 1;
    }

    fuzz_free(other);
}


static void
fuzz_pepper(apikey_text_t text)
{
    const char       *why;
    unsigned char     first[APIKEY_DIGEST_SIZE], second[APIKEY_DIGEST_SIZE];
    apikey_pepper_t   pepper;

    why = NULL;

    if (apikey_pepper_set(&pepper, text, &why) != APIKEY_OK) {
        must(why != NULL);
        must(text.len < APIKEY_PEPPER_MIN || text.len > APIKEY_PEPPER_FILE_MAX);
        return;
    }

    must(pepper.len >= APIKEY_PEPPER_MIN && pepper.len <= APIKEY_PEPPER_KEY);

    apikey_token_digest(first, text, &pepper);
    pepper.key[0] ^= 1;
    apikey_token_digest(second, text, &pepper);

    must(memcmp(first, second, APIKEY_DIGEST_SIZE) != 0);
}


static void
fuzz_hex(apikey_text_t text)
{
    char           hex[APIKEY_DIGEST_HEX];
    size_t         i;
    unsigned char  digest[APIKEY_DIGEST_SIZE];

    if (apikey_digest_parse(digest, text) != APIKEY_OK) {
        return;
    }

    must(text.len == APIKEY_DIGEST_HEX);
    apikey_digest_hex(hex, digest);

    for (i = 0; i < APIKEY_DIGEST_HEX; i++) {
        must(hex[i] == tolower((unsigned char) text.data[i]));
    }
}
