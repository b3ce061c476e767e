#ifndef APIKEY_SHOW_H
#define APIKEY_SHOW_H

/* Keys and events, for people. */

#include "store/event.h"
#include "store/stored.h"


/* Prints it, for people or as JSON. */
void stored_show(const stored_t *stored, uint64_t now, int json);

/* A line for people, and what stands above the first. */
void event_print(const event_t *event);
void event_print_header(void);


#endif /* APIKEY_SHOW_H */
