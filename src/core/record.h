#ifndef APIKEY_RECORD_H
#define APIKEY_RECORD_H

/*
 * What is stored of a key: the Redis hash PREFIX{DIGEST}.
 *
 *   rev         changes with every write and is never used again, even by a
 *               key deleted and imported anew: microseconds of Redis's clock
 *   id          the public id
 *   name        what people call it
 *   prefix      of the key's text; for an imported key absent
 *   hint        the last characters of the key's text, to tell keys apart
 *   org project service
 *               what the key is bound to
 *   scopes      "resource:action ..."; absent: none
 *   plan        a name that the gateway's configuration defines
 *   limits      the key's own, in place of the plan's: "60r/m 10000r/d"
 *   status      active, disabled or revoked
 *   created expires not_before revoked
 *               Unix seconds
 *   allow       networks, see address.h; absent: everywhere
 *   template    the template it was made from
 *   rotated_to rotated_from
 *               the public ids of the key's successor and predecessor
 *   family      the digest of the first key of a chain of rotations, in whose
 *               hash this key's counters are, with those of all its family;
 *               absent: in its own.  A key that was rotated and then deleted
 *               leaves them behind, without a rev, until they have expired
 *   used        when and from where it was used last, see usage.h
 *   n           counters of the key's own plan or limits, see limit.h
 *   n:PLAN      counters of a plan that is a location's default
 *   reset       a number by which what was counted ahead before is told apart:
 *               it is void.  The rev with which the counters were forgotten
 *               last, or with which the key was imported; else "created" is
 *               that number.  In a family it is the first one's number
 *
 * A field that is empty is absent.  Fields unknown here are kept and ignored.
 */

#include "address.h"
#include "limit.h"
#include "text.h"
#include "token.h"

#define APIKEY_NAME_MAX     256   /* bytes of UTF-8, no control characters */
#define APIKEY_LABEL_MAX    64    /* org, project, service, plan, template */
#define APIKEY_SCOPES_MAX   4096
#define APIKEY_ALLOW_MAX    64    /* networks */


typedef enum {
    APIKEY_ACTIVE = 0,
    APIKEY_DISABLED,
    APIKEY_REVOKED
} apikey_status_e;


typedef struct {
    apikey_text_t      name;
    apikey_text_t      value;
} apikey_field_t;


typedef struct {
    /* what each request is decided by, side by side */
    apikey_text_t      rev;
    apikey_text_t      scopes;
    apikey_text_t      plan;
    apikey_status_e    status;
    unsigned           allow_count;
    uint64_t           expires;      /* Unix seconds; 0: not set */
    uint64_t           not_before;
    uint64_t           created;
    uint64_t           reset;        /* a rev; 0: never */
    apikey_text_t      id;
    apikey_limits_t    limits;       /* count 0: the plan's */
    unsigned           rotated;      /* family is set */
    unsigned char      family[APIKEY_DIGEST_SIZE];

    apikey_network_t  *allow;
    apikey_text_t      org;
    apikey_text_t      project;
    apikey_text_t      service;
    apikey_text_t      name;
    apikey_text_t      prefix;
    apikey_text_t      template;
    apikey_text_t      rotated_to;
    apikey_text_t      rotated_from;
    uint64_t           revoked;
} apikey_record_t;


/* What apikey_record_parse() needs for these fields, in bytes. */
size_t apikey_record_size(const apikey_field_t *fields, unsigned count);

/*
 * Builds a record in memory of apikey_record_size() bytes, aligned as
 * malloc's, of which nothing points outside.  A field that can't be read makes
 * the record APIKEY_INVALID: what nobody understands lets nobody in.
 */
int apikey_record_parse(apikey_record_t **record, void *memory,
    const apikey_field_t *fields, unsigned count, const char **why);

/* 1 to 64 printable ASCII characters without space, quotes, braces, comma
   and backslash: org, project, service, plan, template. */
int apikey_label_check(apikey_text_t label);

/* 1 to 256 bytes of valid UTF-8 without control characters. */
int apikey_name_check(apikey_text_t name);

const char *apikey_status_name(apikey_status_e status);


/*
 * May the key be used at this time (Unix seconds, Redis's clock)?  What
 * speaks against it, in this order.
 */
typedef enum {
    APIKEY_USABLE = 0,
    APIKEY_IS_REVOKED,
    APIKEY_IS_DISABLED,
    APIKEY_IS_EXPIRED,     /* expires <= now */
    APIKEY_IS_EARLY        /* now < not_before */
} apikey_usable_e;

apikey_usable_e apikey_record_usable(const apikey_record_t *record,
    uint64_t now);

/* No networks, or one that contains the address (4 or 16 bytes). */
int apikey_record_allows(const apikey_record_t *record,
    const unsigned char *addr, size_t len);


#endif /* APIKEY_RECORD_H */
