#ifndef APIKEY_STORE_EVENT_H
#define APIKEY_STORE_EVENT_H

/*
 * What has happened, as it stands in the stream: fields of the event's type,
 * of the key (its id, name, org, project) and of who did it, and others by
 * type, its details.
 */

#include <jansson.h>

#include "store_events.h"


typedef struct {
    apikey_text_t    id;         /* of the stream */
    uint64_t         time;       /* Unix seconds */
    apikey_text_t    type;
    apikey_text_t    key;        /* these may be empty */
    apikey_text_t    name;
    apikey_text_t    org;
    apikey_text_t    project;
    apikey_text_t    actor;
    apikey_field_t   details[STORE_EVENT_FIELDS];
    unsigned         count;
} event_t;


/* From an entry of store_events_t, which has to outlive it: 0, or -1. */
int event_read(event_t *event, const reply_t *entry);

/*
 * {"id":...,"time":SECONDS,"type":...,"key":...,"name":...,"org":...,
 * "project":...,"actor":...,"detail":{...}}; what is absent is null.  A detail
 * of decimal digits is a number, unless it is an id.
 */
json_t *event_json(const event_t *event);

/* The id of an entry, "" if it has none. */
void event_entry_id(char id[STORE_EVENT_ID], const reply_t *entry);

int event_type_known(const char *type);


#endif /* APIKEY_STORE_EVENT_H */
