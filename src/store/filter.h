#ifndef APIKEY_FILTER_H
#define APIKEY_FILTER_H

/* Some of all keys: those for which all that is asked for holds. */

#include "stored.h"


#define FILTER_SCOPES    16
#define FILTER_STATUSES                                                       \
    "active, disabled, revoked, expired, early or unreadable"


typedef struct {
    const char      *org;           /* of all of these, NULL: any */
    const char      *project;
    const char      *service;
    const char      *plan;
    const char      *status;
    const char      *search;        /* somewhere in its names, or its hint */
    const char      *scopes[FILTER_SCOPES];   /* it may do them all */
    unsigned         scope_count;
    uint64_t         unused;        /* for so many seconds; 0: any */
    uint64_t         expires;       /* within so many seconds; 0: any */
    unsigned         lasting:1;     /* not those revoked */
} filter_t;


/* What of a key is looked at. */
typedef struct {
    apikey_text_t    id;
    apikey_text_t    name;
    apikey_text_t    org;
    apikey_text_t    project;
    apikey_text_t    service;
    apikey_text_t    plan;
    apikey_text_t    scopes;
    apikey_text_t    hint;
    uint64_t         created;       /* Unix seconds; 0: absent */
    uint64_t         expires;
    uint64_t         used;
    const char      *status;        /* if it is asked for */
} filter_key_t;


/* Is there such a status?  See stored_status(). */
int filter_status_check(const char *status);

/* Is anything asked for? */
int filter_is_given(const filter_t *filter);

/* The status has to be there only if filter_needs_status(). */
int filter_needs_status(const filter_t *filter);
int filter_matches(const filter_t *filter, const filter_key_t *key,
    uint64_t now);

int filter_matches_stored(const filter_t *filter, const stored_t *stored,
    uint64_t now);


#endif /* APIKEY_FILTER_H */
