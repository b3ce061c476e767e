#ifndef APIKEY_IMPORT_SEEN_H
#define APIKEY_IMPORT_SEEN_H

/*
 * Which ids and digests a file has had so far: a dry run writes nothing that
 * would tell.  Of each 8 bytes of a hash are kept, all zero at first.
 */

#include <stddef.h>
#include <stdint.h>


typedef struct {
    uint64_t  *slot;      /* 0: free */
    size_t     size;      /* a power of two */
    size_t     count;
} import_seen_t;


/* Was it there before? */
int import_seen(import_seen_t *seen, const void *data, size_t len);

void import_seen_free(import_seen_t *seen);


#endif /* APIKEY_IMPORT_SEEN_H */
