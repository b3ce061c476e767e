#ifndef APIKEY_MEMO_H
#define APIKEY_MEMO_H

/*
 * What is remembered of the keys that were shown lately: the form and the
 * digest of each.  To find out both takes as long as all the rest of a
 * decision, and the same keys come again and again.
 *
 * Of a key's text nothing is kept but a tag: its SipHash-2-4 of 128 bits, with
 * a random secret of the memo's own.  That is a message authentication code:
 * who doesn't have the secret can do no better than guess, and a guess is right
 * once in 2^128.  So a text whose tag is known is the text that had it before.
 * Where a tag is looked for depends on the tag alone, and tags are compared in
 * constant time: how long that takes tells whether just this text was shown
 * lately, and nothing of any other.  Neither secret nor tags leave the process;
 * the secret is kept as the pepper is, where no core dump has it, and without
 * it tags don't let guesses be tried.
 *
 * A digest never changes, so nothing here grows old.  Whether it has a record,
 * and what that allows, is decided anew each time.  Keys fall into sets of two,
 * of which a third one takes the place of the older.
 *
 * The caller has called sodium_init().
 */

#include "token.h"


typedef struct apikey_memo_s  apikey_memo_t;

typedef struct {
    unsigned char  digest[APIKEY_DIGEST_SIZE];
    unsigned       own;        /* apikey_token_check_own() */
} apikey_seen_t;


/* NULL: no memory.  The pepper stays where it is. */
apikey_memo_t *apikey_memo_create(const apikey_pepper_t *pepper);
void apikey_memo_destroy(apikey_memo_t *memo);

/*
 * Of a key of our own form or, with "any", of any form; NULL: it isn't one.
 * What is returned holds until the next call.
 */
const apikey_seen_t *apikey_memo_token(apikey_memo_t *memo,
    apikey_text_t token, int any);


#endif /* APIKEY_MEMO_H */
