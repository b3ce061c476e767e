#ifndef APIKEY_STORE_H
#define APIKEY_STORE_H

/*
 * Records in Redis, as core/record.h and core/names.h lay them out.
 *
 * A key is created index first (id => digest), then the record, by a script
 * that never overwrites; it is deleted record first.  So a crash in between
 * leaves at most an entry of the index without a record, which nobody can use
 * and listing passes over.  A change is one script on the record alone, done
 * only if the record is still as it was read, and told to the gateways by the
 * same script.
 */

#include "core/record.h"
#include "core/token.h"

#include "attributes.h"
#include "cluster.h"
#include "stored.h"


#define STORE_ERROR  (REDIS_ERROR + 256)


typedef enum {
    STORE_DONE = 0,
    STORE_ABSENT,      /* no such key */
    STORE_CHANGED,     /* the record isn't what was read any more */
    STORE_FAILED       /* Redis: see error */
} store_rc_e;


typedef struct {
    redis_t           redis;
    cluster_t        *cluster;    /* in place of redis; NULL: none */
    const address_t  *address;
    apikey_text_t     prefix;
    struct store_acks_s  *acks;    /* NULL: nobody waits for gateways */
    char              error[STORE_ERROR];
    unsigned          opened:1;
    unsigned          lost:1;     /* with error: it may have been done */
    char              missed[STORE_ERROR];   /* done all the same, but ... */
} store_t;


typedef enum {
    STORE_NEW_PENDING = 0,
    STORE_NEW_CREATED,
    STORE_NEW_EXISTS,       /* this key is known already */
    STORE_NEW_TAKEN         /* the id is another key's */
} store_new_e;


typedef struct {
    unsigned char     digest[APIKEY_DIGEST_SIZE];
    attributes_t      attributes;    /* with an id */
    char              family[APIKEY_DIGEST_HEX + 1];   /* "": none */
    char              reset[24];     /* "": none; "now": as rev */
    const stored_t   *more;          /* has other fields for it; NULL: no */
    char              rev[24];       /* of the record, once created */
    store_new_e       result;
    unsigned          indexed;       /* the entry of the index is ours */
} store_new_t;


/* Called for each entry of the index; stored is NULL if there is no record of
   that id.  The visitor frees it. */
typedef void (*store_visit_pt)(void *data, apikey_text_t id,
    stored_t *stored);


/* A string as commands and names take it. */
apikey_text_t store_text(const char *text);

/* Address and prefix are of the caller, and have to live as long as it. */
store_rc_e store_open(store_t *store, const address_t *address,
    const char *prefix);

/* Opens it unless it is open and answers; now as store_time(). */
store_rc_e store_keep(store_t *store, const address_t *address,
    const char *prefix, uint64_t *now);

void store_close(store_t *store);

/* Another connection, for subscribing: 0, or -1 and its error. */
int store_connect(store_t *store, redis_t *redis);

/* Redis's clock, in microseconds. */
store_rc_e store_time(store_t *store, uint64_t *now);

/* A reply that is no error, to be freed; or NULL and error. */
reply_t *store_command(store_t *store, const apikey_text_t *argv,
    unsigned argc);

store_rc_e store_read(store_t *store,
    const unsigned char digest[APIKEY_DIGEST_SIZE], stored_t **stored);
store_rc_e store_read_id(store_t *store, apikey_text_t id,
    stored_t **stored);

/* Creates many at once, each or not according to its result. */
store_rc_e store_create(store_t *store, store_new_t *keys, unsigned count);

/* The same without a write: STORE_NEW_PENDING is what would be created. */
store_rc_e store_create_try(store_t *store, store_new_t *keys,
    unsigned count);

/*
 * The records, to be freed, of those keys whose result is STORE_NEW_EXISTS;
 * NULL of others, and of what is gone by now.
 */
store_rc_e store_read_existing(store_t *store, const store_new_t *keys,
    unsigned count, stored_t **stored);

/* Sets the fields, or removes those whose value is empty. */
store_rc_e store_change(store_t *store, const stored_t *stored,
    const apikey_field_t *fields, unsigned count);

/*
 * Also an entry of the index without a record.  The record as it was, to be
 * freed, where it is asked for; NULL: there was none.
 */
store_rc_e store_delete(store_t *store, apikey_text_t id,
    stored_t **deleted);

/* Visits every key, in no order. */
store_rc_e store_visit(store_t *store, store_visit_pt visit, void *data);

/* The same; after some of them the store may be used for what they need. */
store_rc_e store_visit_some(store_t *store, store_visit_pt visit,
    store_rc_e (*after)(void *data), void *data);


#endif /* APIKEY_STORE_H */
