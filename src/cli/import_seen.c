#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "store/memory.h"

#include "import_seen.h"


#define IMPORT_SEEN_SIZE  4096


static int import_seen_put(import_seen_t *seen, uint64_t hash);
static void import_seen_grow(import_seen_t *seen);


int
import_seen(import_seen_t *seen, const void *data, size_t len)
{
    uint64_t       hash;
    unsigned char  out[crypto_generichash_BYTES_MIN];

    crypto_generichash(out, sizeof(out), data, len, NULL, 0);
    memcpy(&hash, out, sizeof(hash));

    if (2 * seen->count >= seen->size) {
        import_seen_grow(seen);
    }

    return import_seen_put(seen, hash ? hash : 1);
}


void
import_seen_free(import_seen_t *seen)
{
    free(seen->slot);
    memset(seen, 0, sizeof(import_seen_t));
}


static int
import_seen_put(import_seen_t *seen, uint64_t hash)
{
    size_t  i;

    for (i = hash & (seen->size - 1);
         seen->slot[i] != 0;
         i = (i + 1) & (seen->size - 1))
    {
        if (seen->slot[i] == hash) {
            return 1;
        }
    }

    seen->slot[i] = hash;
    seen->count++;

    return 0;
}


static void
import_seen_grow(import_seen_t *seen)
{
    size_t         i;
    import_seen_t  old;

    old = *seen;

    seen->size = old.size ? 2 * old.size : IMPORT_SEEN_SIZE;
    seen->slot = must(calloc(seen->size, sizeof(uint64_t)));
    seen->count = 0;

    for (i = 0; i < old.size; i++) {
        if (old.slot[i] != 0) {
            (void) import_seen_put(seen, old.slot[i]);
        }
    }

    free(old.slot);
}
