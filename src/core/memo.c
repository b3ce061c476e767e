#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "memo.h"


#define APIKEY_MEMO_SETS   16384   /* 2 MB, where all of them are in use */
#define APIKEY_MEMO_WAYS   2
#define APIKEY_MEMO_LINE   64      /* of the processor's caches */

#define APIKEY_MEMO_TAG    crypto_shorthash_siphashx24_BYTES


typedef struct {
    _Alignas(APIKEY_MEMO_LINE)
    unsigned char      tag[APIKEY_MEMO_TAG];
    apikey_seen_t      seen;
    unsigned           set;        /* 0: there is none */
} apikey_memo_slot_t;


typedef struct {
    apikey_memo_slot_t  way[APIKEY_MEMO_WAYS];      /* the latest first */
} apikey_memo_set_t;


struct apikey_memo_s {
    const apikey_pepper_t  *pepper;
    unsigned char          *secret;    /* of the tags */
    apikey_memo_set_t      *sets;
    void                   *memory;    /* that they are in */
};


static apikey_memo_set_t *apikey_memo_set(apikey_memo_t *memo,
    const unsigned char tag[APIKEY_MEMO_TAG]);


apikey_memo_t *
apikey_memo_create(const apikey_pepper_t *pepper)
{
    size_t          skip;
    apikey_memo_t  *memo;

    memo = malloc(sizeof(apikey_memo_t));
    if (memo == NULL) {
        return NULL;
    }

    memo->pepper = pepper;
    memo->secret = sodium_malloc(crypto_shorthash_siphashx24_KEYBYTES);

    /* Not written, pages that nothing is kept in take no memory. */

    memo->memory = calloc(1, APIKEY_MEMO_SETS * sizeof(apikey_memo_set_t)
                             + APIKEY_MEMO_LINE - 1);

    if (memo->secret == NULL || memo->memory == NULL) {
        apikey_memo_destroy(memo);
        return NULL;
    }

    skip = -(uintptr_t) memo->memory % APIKEY_MEMO_LINE;
    memo->sets = (apikey_memo_set_t *) ((char *) memo->memory + skip);

    randombytes_buf(memo->secret, crypto_shorthash_siphashx24_KEYBYTES);

    return memo;
}


void
apikey_memo_destroy(apikey_memo_t *memo)
{
    sodium_free(memo->secret);
    free(memo->memory);
    free(memo);
}


const apikey_seen_t *
apikey_memo_token(apikey_memo_t *memo, apikey_text_t token, int any)
{
    int                  own;
    unsigned             i;
    unsigned char        tag[APIKEY_MEMO_TAG];
    apikey_memo_set_t   *set;
    apikey_memo_slot_t  *slot;

    if (token.len > APIKEY_TOKEN_MAX) {
        return NULL;
    }

    /* Can't fail. */

    (void) crypto_shorthash_siphashx24(tag,
                                       (const unsigned char *) token.data,
                                       token.len, memo->secret);

    set = apikey_memo_set(memo, tag);

    for (i = 0; i < APIKEY_MEMO_WAYS; i++) {
        slot = &set->way[i];

        if (slot->set && crypto_verify_16(slot->tag, tag) == 0) {
            return (slot->seen.own || any) ? &slot->seen : NULL;
        }
    }

    own = apikey_token_check_own(token) == APIKEY_OK;

    if (!own && (!any || apikey_token_check(token) != APIKEY_OK)) {
        return NULL;
    }

    memmove(&set->way[1], &set->way[0],
            (APIKEY_MEMO_WAYS - 1) * sizeof(apikey_memo_slot_t));

    slot = &set->way[0];

    memcpy(slot->tag, tag, APIKEY_MEMO_TAG);
    apikey_token_digest(slot->seen.digest, token, memo->pepper);
    slot->seen.own = own;
    slot->set = 1;

    return &slot->seen;
}


/* A tag is as good as random, its first bytes are hash enough. */

static apikey_memo_set_t *
apikey_memo_set(apikey_memo_t *memo, const unsigned char tag[APIKEY_MEMO_TAG])
{
    uint32_t  hash;

    memcpy(&hash, tag, sizeof(hash));

    return &memo->sets[hash % APIKEY_MEMO_SETS];
}
