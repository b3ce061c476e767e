#ifndef APIKEY_MEMORY_H
#define APIKEY_MEMORY_H

#include <stddef.h>


/* What was allocated; without it the program ends. */
void *must(void *p);

/*
 * malloc and free for jansson, whose values may hold keys: what is freed is
 * wiped.
 */
void *memory_take(size_t size);
void memory_wipe(void *p);


#endif /* APIKEY_MEMORY_H */
