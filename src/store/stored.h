#ifndef APIKEY_STORED_H
#define APIKEY_STORED_H

/* A record as it was read from Redis. */

#include <jansson.h>

#include "core/token.h"

#include "reply.h"


/* In one piece of memory; free() it. */
typedef struct {
    unsigned char     digest[APIKEY_DIGEST_SIZE];
    unsigned          count;
    apikey_field_t    fields[];
} stored_t;


/* From the reply to HGETALL; NULL if it is empty. */
stored_t *stored_make(const unsigned char digest[APIKEY_DIGEST_SIZE],
    const reply_t *reply);

/* From the fields of a record that is known otherwise. */
stored_t *stored_copy(const unsigned char digest[APIKEY_DIGEST_SIZE],
    const apikey_field_t *fields, unsigned count);

/* A field, of length 0 if absent. */
apikey_text_t stored_get(const stored_t *stored, const char *name);

/* A field that is a number; 0 if absent. */
uint64_t stored_number(const stored_t *stored, const char *name);

/* The digest of the first key of its family: where its counters are. */
void stored_family(const stored_t *stored,
    unsigned char digest[APIKEY_DIGEST_SIZE]);

/* By what leases on these counters are told from earlier ones. */
uint64_t stored_epoch(const stored_t *stored);

/* When it was used last, or 0, and from where, or "". */
uint64_t stored_used(const stored_t *stored, apikey_text_t *address);

/* The record to be freed, or NULL and why. */
apikey_record_t *stored_parse(const stored_t *stored, const char **why);

/*
 * active, disabled, revoked, expired, early (before its not_before), or
 * unreadable.
 */
const char *stored_status(const stored_t *stored, uint64_t now);
const char *stored_usable_name(apikey_usable_e usable);

/* What programs are shown; absent members are null, or empty arrays. */
json_t *stored_json(const stored_t *stored, uint64_t now);


#endif /* APIKEY_STORED_H */
