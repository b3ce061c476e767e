#ifndef APIKEY_TOKEN_H
#define APIKEY_TOKEN_H

/*
 * A key is PREFIX_BODY.  BODY is random base62 (0-9 A-Z a-z) followed by six
 * base62 digits, most significant first, of the CRC-32 (ISO-HDLC, as zlib's)
 * of all that stands before them, prefix and underscore included.
 *
 * The caller has called sodium_init().
 */

#include "text.h"

#define APIKEY_TOKEN_MAX          256   /* bytes of a key in any form */
#define APIKEY_TOKEN_PREFIX_MAX   32
#define APIKEY_TOKEN_RANDOM       33    /* digits: 196 bits */
#define APIKEY_TOKEN_CHECK        6
#define APIKEY_TOKEN_OWN_MAX                                                  \
    (APIKEY_TOKEN_PREFIX_MAX + 1 + APIKEY_TOKEN_RANDOM + APIKEY_TOKEN_CHECK)

#define APIKEY_ID_SIZE            16    /* digits of a generated public id */
#define APIKEY_ID_MAX             64

#define APIKEY_DIGEST_SIZE        32
#define APIKEY_DIGEST_HEX         64

#define APIKEY_PEPPER_MIN         32
#define APIKEY_PEPPER_KEY         64    /* what a pepper is made into */
#define APIKEY_PEPPER_FILE_MAX    4096
#define APIKEY_PEPPER_PRINT       16    /* hexadecimal digits */

#define APIKEY_HINT_SIZE          4
#define APIKEY_HINT_TOKEN_MIN     12    /* of a shorter one it tells much */


typedef struct {
    unsigned char  key[APIKEY_PEPPER_KEY];
    size_t         len;
} apikey_pepper_t;


/* 1 to 32 of a-z 0-9 _ */
int apikey_token_prefix_check(apikey_text_t prefix);

/* 1 to 64 of A-Z a-z 0-9 . _ - */
int apikey_token_id_check(apikey_text_t id);

/*
 * Writes a new key, not terminated, into out, which has room for
 * APIKEY_TOKEN_OWN_MAX bytes; returns its length.  The prefix has been checked.
 * The caller wipes out.
 */
size_t apikey_token_generate(char *out, apikey_text_t prefix);

/* Writes APIKEY_ID_SIZE base62 digits, not terminated. */
void apikey_token_generate_id(char *out);

/*
 * Any key: 1 to APIKEY_TOKEN_MAX bytes of printable ASCII without space and
 * comma.
 */
int apikey_token_check(apikey_text_t token);

/* One of our own keys: the form above, with its checksum right. */
int apikey_token_check_own(apikey_text_t token);

/*
 * Makes the secret of the keyed hash from what the pepper's file holds.  One
 * newline at the end is not part of it, unless less than APIKEY_PEPPER_MIN
 * bytes would be left.  Up to 64 bytes are the key as they are, more are hashed
 * to 64 with BLAKE2b.
 */
int apikey_pepper_set(apikey_pepper_t *pepper, apikey_text_t content,
    const char **why);

/*
 * What two that have the same pepper have in common, and others may know: lower
 * case, not terminated.
 */
void apikey_pepper_print(char out[APIKEY_PEPPER_PRINT],
    const apikey_pepper_t *pepper);

/* The last characters of a key, for its record; empty: it is too short. */
apikey_text_t apikey_token_hint(apikey_text_t token);

/* BLAKE2b-256 of the whole key, keyed with the pepper. */
void apikey_token_digest(unsigned char out[APIKEY_DIGEST_SIZE],
    apikey_text_t token, const apikey_pepper_t *pepper);

/* Lower case, not terminated. */
void apikey_digest_hex(char out[APIKEY_DIGEST_HEX],
    const unsigned char digest[APIKEY_DIGEST_SIZE]);

/* 64 hexadecimal digits of either case. */
int apikey_digest_parse(unsigned char out[APIKEY_DIGEST_SIZE],
    apikey_text_t hex);


#endif /* APIKEY_TOKEN_H */
