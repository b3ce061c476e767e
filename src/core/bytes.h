#ifndef APIKEY_BYTES_H
#define APIKEY_BYTES_H

/* Numbers in so many bytes, 1 to 8, little-endian. */

#include <stdint.h>


/* Returns what is behind them. */
static inline unsigned char *
apikey_bytes_put(unsigned char *p, uint64_t n, unsigned bytes)
{
    for ( /* void */ ; bytes != 0; bytes--) {
        *p++ = (unsigned char) n;
        n >>= 8;
    }

    return p;
}


static inline uint64_t
apikey_bytes_get(const void *data, unsigned bytes)
{
    uint64_t              n;
    const unsigned char  *p;

    p = data;
    n = 0;

    while (bytes != 0) {
        n = n << 8 | p[--bytes];
    }

    return n;
}


#endif /* APIKEY_BYTES_H */
