#include <string.h>

#include <sodium.h>

#include "encoding.h"


#define ENCODING_WRONG  0xff     /* is nowhere in UTF-8 */


static int encoding_more(encoding_t *encoding);
static int encoding_begin(encoding_t *encoding);
static void encoding_char(encoding_t *encoding);
static unsigned encoding_unit(const encoding_t *encoding, size_t at);
static size_t encoding_put(unsigned char out[4], uint32_t c);


void
encoding_init(encoding_t *encoding, encoding_read_pt read, void *data)
{
    memset(encoding, 0, offsetof(encoding_t, block));

    encoding->read = read;
    encoding->data = data;
}


ssize_t
encoding_read(void *data, char *buf, size_t size)
{
    encoding_t *encoding = data;

    int     rc;
    size_t  n, len;

    if (encoding->kind == ENCODING_UNKNOWN && encoding_begin(encoding) == -1) {
        return -1;
    }

    n = 0;

    for ( ;; ) {

        while (encoding->out_at < encoding->out_end && n < size) {
            buf[n++] = encoding->out[encoding->out_at++];
        }

        if (n == size) {
            return n;
        }

        len = encoding->end - encoding->at;

        if (encoding->kind == ENCODING_UTF8 && len != 0) {
            len = (len < size - n) ? len : size - n;

            memcpy(buf + n, encoding->block + encoding->at, len);
            encoding->at += len;

            return n + len;
        }

        /* A pair of surrogates has four bytes. */

        if (len < 4 && !encoding->ended) {

            if (n != 0 && len < 2) {
                return n;
            }

            rc = encoding_more(encoding);

            if (rc == -1) {
                return -1;
            }

            continue;
        }

        if (len == 0) {
            return n;
        }

        encoding_char(encoding);
    }
}


void
encoding_free(encoding_t *encoding)
{
    sodium_memzero(encoding, sizeof(encoding_t));
}


static int
encoding_more(encoding_t *encoding)
{
    ssize_t  n;

    memmove(encoding->block, encoding->block + encoding->at,
            encoding->end - encoding->at);

    encoding->end -= encoding->at;
    encoding->at = 0;

    n = encoding->read(encoding->data,
                       (char *) encoding->block + encoding->end,
                       ENCODING_BLOCK - encoding->end);

    if (n == -1) {
        return -1;
    }

    encoding->ended = (n == 0);
    encoding->end += n;
    encoding->taken += n;

    return 0;
}


static int
encoding_begin(encoding_t *encoding)
{
    const unsigned char  *p;

    while (encoding->end < 3 && !encoding->ended) {
        if (encoding_more(encoding) == -1) {
            return -1;
        }
    }

    p = encoding->block;
    encoding->kind = ENCODING_UTF8;

    if (encoding->end >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0) {
        encoding->at = 3;

    } else if (encoding->end >= 2 && memcmp(p, "\xff\xfe", 2) == 0) {
        encoding->kind = ENCODING_UTF16LE;
        encoding->at = 2;

    } else if (encoding->end >= 2 && memcmp(p, "\xfe\xff", 2) == 0) {
        encoding->kind = ENCODING_UTF16BE;
        encoding->at = 2;

    } else if (encoding->end >= 2 && p[0] != 0 && p[1] == 0) {
        encoding->kind = ENCODING_UTF16LE;

    } else if (encoding->end >= 2 && p[0] == 0 && p[1] != 0) {
        encoding->kind = ENCODING_UTF16BE;
    }

    return 0;
}


/* The next character goes to out, of which all was taken. */

static void
encoding_char(encoding_t *encoding)
{
    size_t    len;
    uint32_t  c, low;

    len = encoding->end - encoding->at;
    encoding->out_at = 0;

    if (len == 1) {
        encoding->at++;
        encoding->out[0] = ENCODING_WRONG;
        encoding->out_end = 1;
        return;
    }

    c = encoding_unit(encoding, encoding->at);
    encoding->at += 2;

    if (c >= 0xd800 && c < 0xdc00 && len >= 4) {
        low = encoding_unit(encoding, encoding->at);

        if (low >= 0xdc00 && low < 0xe000) {
            encoding->at += 2;
            c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        }
    }

    encoding->out_end = encoding_put(encoding->out, c);
}


static unsigned
encoding_unit(const encoding_t *encoding, size_t at)
{
    const unsigned char  *p;

    p = encoding->block + at;

    return (encoding->kind == ENCODING_UTF16LE) ? p[0] | p[1] << 8
                                                : p[0] << 8 | p[1];
}


static size_t
encoding_put(unsigned char out[4], uint32_t c)
{
    if (c < 0x80) {
        out[0] = c;
        return 1;
    }

    if (c < 0x800) {
        out[0] = 0xc0 | c >> 6;
        out[1] = 0x80 | (c & 0x3f);
        return 2;
    }

    if (c >= 0xd800 && c < 0xe000) {
        out[0] = ENCODING_WRONG;
        return 1;
    }

    if (c < 0x10000) {
        out[0] = 0xe0 | c >> 12;
        out[1] = 0x80 | (c >> 6 & 0x3f);
        out[2] = 0x80 | (c & 0x3f);
        return 3;
    }

    out[0] = 0xf0 | c >> 18;
    out[1] = 0x80 | (c >> 12 & 0x3f);
    out[2] = 0x80 | (c >> 6 & 0x3f);
    out[3] = 0x80 | (c & 0x3f);

    return 4;
}
