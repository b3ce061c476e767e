#ifndef APIKEY_ENCODING_H
#define APIKEY_ENCODING_H

/*
 * A file as UTF-8, whatever it is: UTF-8, with a byte order mark or without
 * it, or UTF-16 of either order, as spreadsheets write it, known by its mark or
 * by the zero beside its first character.  What is no UTF-16 becomes a byte
 * that is no UTF-8, so that it isn't taken for a character.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define ENCODING_BLOCK  16384


/* As read(2): bytes, 0 at the end, or -1. */
typedef ssize_t (*encoding_read_pt)(void *data, char *buf, size_t size);


typedef enum {
    ENCODING_UNKNOWN = 0,
    ENCODING_UTF8,
    ENCODING_UTF16LE,
    ENCODING_UTF16BE
} encoding_e;


typedef struct {
    encoding_read_pt  read;
    void             *data;
    encoding_e        kind;
    uint64_t          taken;     /* bytes of the file */
    unsigned          ended:1;

    size_t            at;
    size_t            end;
    size_t            out_at;
    size_t            out_end;
    unsigned char     out[8];    /* of a character that had no room */
    unsigned char     block[ENCODING_BLOCK];
} encoding_t;


void encoding_init(encoding_t *encoding, encoding_read_pt read, void *data);

/* Itself an encoding_read_pt, of an encoding_t. */
ssize_t encoding_read(void *encoding, char *buf, size_t size);

/* Wipes what was read. */
void encoding_free(encoding_t *encoding);


#endif /* APIKEY_ENCODING_H */
