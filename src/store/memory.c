#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include <sodium.h>

#include "memory.h"


void *
must(void *p)
{
    if (p == NULL) {
        fputs("apikey: out of memory\n", stderr);
        exit(EXIT_FAILURE);
    }

    return p;
}


void *
memory_take(size_t size)
{
    return must(malloc(size));
}


void
memory_wipe(void *p)
{
    if (p != NULL) {
        sodium_memzero(p, malloc_usable_size(p));
        free(p);
    }
}
