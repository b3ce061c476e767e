#ifndef APIKEY_FUZZ_H
#define APIKEY_FUZZ_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"


/* What must hold for any input. */
#define must(condition)                                                       \
    do {                                                                      \
        if (!(condition)) {                                                   \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, \
                    #condition);                                              \
            abort();                                                          \
        }                                                                     \
    } while (0)


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


/* A copy of which AddressSanitizer knows the first and the last byte. */
static inline apikey_text_t
fuzz_copy(const void *data, size_t len)
{
    char           *p;
    apikey_text_t   t;

    p = malloc(len);
    must(p != NULL || len == 0);

    if (len != 0) {
        memcpy(p, data, len);
    }

    t.data = p;
    t.len = len;

    return t;
}


static inline void
fuzz_free(apikey_text_t t)
{
    free((void *) t.data);
}


/* The input up to a newline; *data is moved behind it. */
static inline apikey_text_t
fuzz_line(const uint8_t **data, size_t *size)
{
    size_t          len;
    const uint8_t  *start, *newline;

    start = *data;
    newline = *size ? memchr(start, '\n', *size) : NULL;
    len = newline ? (size_t) (newline - start) : *size;

    *data += len + (newline != NULL);
    *size -= len + (newline != NULL);

    return fuzz_copy(start, len);
}


#endif /* APIKEY_FUZZ_H */
