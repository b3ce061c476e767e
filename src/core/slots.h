#ifndef APIKEY_SLOTS_H
#define APIKEY_SLOTS_H

/*
 * What the nodes of a Redis Cluster say of where its slots are: the reply to
 * CLUSTER SLOTS, and the errors MOVED and ASK.  Nothing of it is trusted.
 *
 * Each half has a client of its own: a reply is read through a view of it.
 */

#include "slot.h"
#include "text.h"

#define APIKEY_SLOTS_HOST_MAX  255


/* Where slots are: those of one range, or the one of an error. */
typedef struct {
    unsigned       first;
    unsigned       last;      /* first <= last < APIKEY_SLOTS */
    apikey_text_t  host;      /* empty: the host of the node that says so */
    unsigned       port;      /* 0: that node knows no address */
    apikey_text_t  id;        /* of the master; empty: not said */
    size_t         replicas;
} apikey_slots_t;


typedef enum {
    APIKEY_SLOTS_NONE = 0,    /* an error that says nothing of slots */
    APIKEY_SLOTS_MOVED,       /* the slot is there from now on */
    APIKEY_SLOTS_ASK          /* the command belongs there, this time */
} apikey_slots_error_e;


typedef enum {
    APIKEY_SLOTS_OTHER = 0,
    APIKEY_SLOTS_NIL,
    APIKEY_SLOTS_INTEGER,
    APIKEY_SLOTS_TEXT,
    APIKEY_SLOTS_LIST
} apikey_slots_type_e;


/* A reply, or an element of one. */
typedef struct apikey_slots_view_s  apikey_slots_view_t;

struct apikey_slots_view_s {
    apikey_slots_type_e  type;
    long long            integer;   /* of an integer */
    apikey_text_t        text;      /* of a text */
    size_t               count;     /* of a list's elements */

    /* of a list: sets *view to its element i, which is below count */
    void               (*element)(apikey_slots_view_t *view, const void *list,
                                  size_t i);
    const void          *list;
};


/*
 * Is this a reply to CLUSTER SLOTS?  NULL: it is, of at least one range; else
 * what speaks against it, as of the parsers of this folder.
 */
const char *apikey_slots_check(const apikey_slots_view_t *map);

/*
 * Range i, below map->count, of a map that was checked.  Texts stay those of
 * the reply.
 */
void apikey_slots_range(apikey_slots_t *slots, const apikey_slots_view_t *map,
    size_t i);

/*
 * "MOVED 3999 127.0.0.1:6381", "ASK 3999 127.0.0.1:6381".  Host and port are
 * as in a range; there is no id.  The host stays a part of the error.
 */
apikey_slots_error_e apikey_slots_error(apikey_slots_t *slots,
    apikey_text_t error);


#endif /* APIKEY_SLOTS_H */
