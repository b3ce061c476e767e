#include <sodium.h>
#include <string.h>

#include "token.h"


static uint32_t apikey_crc32_step(uint32_t crc, unsigned char c);
static void apikey_token_random(char *out, size_t n);
static void apikey_token_checksum(char out[APIKEY_TOKEN_CHECK], uint32_t crc);
static int apikey_token_is_base62(unsigned char c);
static int apikey_token_is_prefix(unsigned char c);


static const char  apikey_base62[] =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

static const char  apikey_hex[] = "0123456789abcdef";


int
apikey_token_prefix_check(apikey_text_t prefix)
{
    size_t  i;

    if (prefix.len == 0 || prefix.len > APIKEY_TOKEN_PREFIX_MAX) {
        return APIKEY_INVALID;
    }

    for (i = 0; i < prefix.len; i++) {
        if (!apikey_token_is_prefix(prefix.data[i])) {
            return APIKEY_INVALID;
        }
    }

    return APIKEY_OK;
}


int
apikey_token_id_check(apikey_text_t id)
{
    size_t         i;
    unsigned char  c;

    if (id.len == 0 || id.len > APIKEY_ID_MAX) {
        return APIKEY_INVALID;
    }

    for (i = 0; i < id.len; i++) {
        c = id.data[i];

        if (!apikey_token_is_base62(c) && c != '.' && c != '_' && c != '-') {
            return APIKEY_INVALID;
        }
    }

    return APIKEY_OK;
}


size_t
apikey_token_generate(char *out, apikey_text_t prefix)
{
    size_t    i, len;
    uint32_t  crc;

    memcpy(out, prefix.data, prefix.len);
    len = prefix.len;
    out[len++] = '_';

    apikey_token_random(out + len, APIKEY_TOKEN_RANDOM);
    len += APIKEY_TOKEN_RANDOM;

    crc = 0xffffffff;

    for (i = 0; i < len; i++) {
        crc = apikey_crc32_step(crc, out[i]);
    }

    apikey_token_checksum(out + len, ~crc);

    return len + APIKEY_TOKEN_CHECK;
}


void
apikey_token_generate_id(char *out)
{
    apikey_token_random(out, APIKEY_ID_SIZE);
}


int
apikey_token_check(apikey_text_t token)
{
    size_t         i;
    unsigned char  c;

    if (token.len == 0 || token.len > APIKEY_TOKEN_MAX) {
        return APIKEY_INVALID;
    }

    for (i = 0; i < token.len; i++) {
        c = token.data[i];

        if (c <= ' ' || c >= 0x7f || c == ',') {
            return APIKEY_INVALID;
        }
    }

    return APIKEY_OK;
}


int
apikey_token_check_own(apikey_text_t token)
{
    char         sum[APIKEY_TOKEN_CHECK];
    size_t       prefix;
    uint32_t     crc;
    const char  *p, *end;

    if (token.len > APIKEY_TOKEN_OWN_MAX
        || token.len < APIKEY_TOKEN_OWN_MAX - APIKEY_TOKEN_PREFIX_MAX + 1)
    {
        return APIKEY_INVALID;
    }

    prefix = token.len - (APIKEY_TOKEN_OWN_MAX - APIKEY_TOKEN_PREFIX_MAX);

    p = token.data;
    end = p + prefix;

    if (*end != '_') {
        return APIKEY_INVALID;
    }

    /* The underscore counts as part of the prefix. */

    crc = 0xffffffff;

    for ( /* void */ ; p <= end; p++) {
        if (!apikey_token_is_prefix(*p)) {
            return APIKEY_INVALID;
        }

        crc = apikey_crc32_step(crc, *p);
    }

    for (end = p + APIKEY_TOKEN_RANDOM; p < end; p++) {
        if (!apikey_token_is_base62(*p)) {
            return APIKEY_INVALID;
        }

        crc = apikey_crc32_step(crc, *p);
    }

    apikey_token_checksum(sum, ~crc);

    return memcmp(p, sum, APIKEY_TOKEN_CHECK) == 0 ? APIKEY_OK
                                                   : APIKEY_INVALID;
}


int
apikey_pepper_set(apikey_pepper_t *pepper, apikey_text_t content,
    const char **why)
{
    if (content.len > APIKEY_PEPPER_FILE_MAX) {
        *why = "the pepper is longer than 4096 bytes";
        return APIKEY_INVALID;
    }

    if (content.len > APIKEY_PEPPER_MIN
        && content.data[content.len - 1] == '\n')
    {
        content.len--;
    }

    if (content.len < APIKEY_PEPPER_MIN) {
        *why = "the pepper is shorter than 32 bytes";
        return APIKEY_INVALID;
    }

    sodium_memzero(pepper, sizeof(apikey_pepper_t));

    if (content.len <= APIKEY_PEPPER_KEY) {
        memcpy(pepper->key, content.data, content.len);
        pepper->len = content.len;
        return APIKEY_OK;
    }

    /* Can't fail: the sizes are in range. */

    (void) crypto_generichash(pepper->key, APIKEY_PEPPER_KEY,
                              (const unsigned char *) content.data,
                              content.len, NULL, 0);
    pepper->len = APIKEY_PEPPER_KEY;

    return APIKEY_OK;
}


/* No key is hashed to the same: none has a space. */

void
apikey_pepper_print(char out[APIKEY_PEPPER_PRINT],
    const apikey_pepper_t *pepper)
{
    char                  hex[APIKEY_DIGEST_HEX];
    unsigned char         digest[APIKEY_DIGEST_SIZE];
    static const apikey_text_t  constant = apikey_text("apikey pepper");

    apikey_token_digest(digest, constant, pepper);
    apikey_digest_hex(hex, digest);
    memcpy(out, hex, APIKEY_PEPPER_PRINT);
}


apikey_text_t
apikey_token_hint(apikey_text_t token)
{
    if (token.len < APIKEY_HINT_TOKEN_MIN) {
        return (apikey_text_t) { NULL, 0 };
    }

    return (apikey_text_t) { token.data + token.len - APIKEY_HINT_SIZE,
                             APIKEY_HINT_SIZE };
}


void
apikey_token_digest(unsigned char out[APIKEY_DIGEST_SIZE],
    apikey_text_t token, const apikey_pepper_t *pepper)
{
    /* Can't fail: the sizes are in range. */

    (void) crypto_generichash(out, APIKEY_DIGEST_SIZE,
                              (const unsigned char *) token.data, token.len,
                              pepper->key, pepper->len);
}


void
apikey_digest_hex(char out[APIKEY_DIGEST_HEX],
    const unsigned char digest[APIKEY_DIGEST_SIZE])
{
    size_t  i;

    for (i = 0; i < APIKEY_DIGEST_SIZE; i++) {
        out[2 * i] = apikey_hex[digest[i] >> 4];
        out[2 * i + 1] = apikey_hex[digest[i] & 0xf];
    }
}


int
apikey_digest_parse(unsigned char out[APIKEY_DIGEST_SIZE], apikey_text_t hex)
{
    size_t         i;
    unsigned char  c, digit;

    if (hex.len != APIKEY_DIGEST_HEX) {
        return APIKEY_INVALID;
    }

    for (i = 0; i < APIKEY_DIGEST_HEX; i++) {
        c = hex.data[i];

        if (c >= '0' && c <= '9') {
            digit = c - '0';

        } else {
            c |= 0x20;

            if (c < 'a' || c > 'f') {
                return APIKEY_INVALID;
            }

            digit = c - 'a' + 10;
        }

        out[i / 2] = (i & 1) ? out[i / 2] | digit : digit << 4;
    }

    return APIKEY_OK;
}


/*
 * The CRC is linear: what the usual table holds for a byte is the sum of what
 * it holds for the byte's two halves.
 */
static uint32_t
apikey_crc32_step(uint32_t crc, unsigned char c)
{
    static const uint32_t  low[16] = {
        0x00000000, 0x77073096, 0xee0e612c, 0x990951ba,
        0x076dc419, 0x706af48f, 0xe963a535, 0x9e6495a3,
        0x0edb8832, 0x79dcb8a4, 0xe0d5e91e, 0x97d2d988,
        0x09b64c2b, 0x7eb17cbd, 0xe7b82d07, 0x90bf1d91
    };

    static const uint32_t  high[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
        0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
        0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
        0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c
    };

    c ^= (unsigned char) crc;

    return (crc >> 8) ^ low[c & 0xf] ^ high[c >> 4];
}


static void
apikey_token_random(char *out, size_t n)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        out[i] = apikey_base62[randombytes_uniform(62)];
    }
}


static void
apikey_token_checksum(char out[APIKEY_TOKEN_CHECK], uint32_t crc)
{
    size_t  i;

    for (i = APIKEY_TOKEN_CHECK; i > 0; i--) {
        out[i - 1] = apikey_base62[crc % 62];
        crc /= 62;
    }
}


static int
apikey_token_is_base62(unsigned char c)
{
    /* Without branches: which kind the next random digit is can't be told. */

    return (c - (unsigned) '0' < 10) | ((c | 0x20) - (unsigned) 'a' < 26);
}


static int
apikey_token_is_prefix(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}
