#ifndef APIKEY_API_EVENTS_H
#define APIKEY_API_EVENTS_H

/* Which events somebody asks the web console for. */

#include "store/event.h"

#include "http.h"


typedef struct {
    const char  *key;     /* NULL: any */
    const char  *type;
} events_filter_t;


/* The parameters key and type: 0, or the status. */
unsigned events_filter_given(request_t *request, events_filter_t *filter);

int events_filter_matches(const events_filter_t *filter,
    const event_t *event);

/* Is it the id of an event? */
int events_id_check(const char *id);


#endif /* APIKEY_API_EVENTS_H */
