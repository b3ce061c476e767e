#ifndef APIKEY_STORE_RETRY_H
#define APIKEY_STORE_RETRY_H

/*
 * What is known of a request that made a key, in case it is sent again: kept
 * for a day (Pretry:HEX, see core/names.h) as "BODY ID DIGEST [DIGEST]", where
 * BODY is 64 hexadecimal digits of what was asked for, ID the public id that
 * the key has or was to have, and the digests are of the texts that it may
 * have: only a key with one of these was made by this request.
 *
 * It is written before the key is, so that of two that ask at once one knows of
 * the other.
 */

#include "store.h"


#define STORE_RETRY_NAME   32
#define STORE_RETRY_BODY   64
#define STORE_RETRY_TEXTS  2


typedef struct {
    char           name[STORE_RETRY_NAME + 1];
    char           body[STORE_RETRY_BODY + 1];
    char           id[APIKEY_ID_MAX + 1];
    unsigned char  texts[STORE_RETRY_TEXTS][APIKEY_DIGEST_SIZE];
    unsigned       count;
} store_retry_t;


/*
 * The first to ask: STORE_DONE.  STORE_CHANGED: *retry has become what was
 * known, its name aside.
 */
store_rc_e store_retry_begin(store_t *store, store_retry_t *retry);

/* One more text that the key may have, the latest, beside the one it has. */
store_rc_e store_retry_add(store_t *store, store_retry_t *retry,
    const unsigned char text[APIKEY_DIGEST_SIZE],
    const unsigned char *present);

/*
 * Nothing was made, unless by the same request sent again meanwhile.  Whether
 * it succeeds matters little.
 */
void store_retry_forget(store_t *store, const store_retry_t *retry);

/* Was the key made by this request? */
int store_retry_made(const store_retry_t *retry, const stored_t *stored);


#endif /* APIKEY_STORE_RETRY_H */
