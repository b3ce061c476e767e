#ifndef APIKEY_SHOW_H
#define APIKEY_SHOW_H

/* A key, for people. */

#include "store/stored.h"


/* Prints it, for people or as JSON. */
void stored_show(const stored_t *stored, uint64_t now, int json);

#endif /* APIKEY_SHOW_H */
