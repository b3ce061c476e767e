#ifndef APIKEY_USAGE_H
#define APIKEY_USAGE_H

/*
 * What is counted of the use of a key, and how it is stored in Redis.  Only
 * usage.lua writes it, and only while the key has a record.
 *
 * Pusage:{DIGEST}:YYYYMMDD is a hash for each day of UTC, by Redis's clock, on
 * which the key was used; it expires.  A field's first letter says what it
 * counts, the rest is a label, the value a decimal number:
 *
 *   n          requests with the key
 *   b          bytes sent in answer
 *   x          errors: answers of 400 and above to requests let through
 *   dREASON    requests refused, by $apikey_result
 *   sSTATUS    answers by status, those to refused requests too
 *   lN         requests let through, by the time they took: bucket N, see
 *              apikey_usage_latencies
 *   eLABEL     requests by endpoint (apikey_endpoint)
 *   cLABEL     requests by country (apikey_country)
 *   #e #c      how many labels there are of either kind
 *   w          what alerts go by, packed, little-endian: the average of the
 *              past days, 0 if that is no measure or unusual use was told (6),
 *              the hour of the latest error (1), requests let through in it
 *              since its first error (4), errors in it (4)
 *
 * A day has at most APIKEY_USAGE_LABELS labels of a kind, and "other" for what
 * has come later.
 *
 * Pusage:{DIGEST} is a hash of what outlasts the day; it expires a year later:
 *
 *   day        the latest day on which the key was used, YYYYMMDD
 *   past       the requests of up to APIKEY_USAGE_PAST days of use before
 *              that, latest last, separated by spaces
 *   since      the day on which a country was first seen
 *   cLABEL     a country, and the day on which it was first seen
 *   tTYPE      an event that was told: the day
 *   tTYPE:SECONDS
 *              an event that was told, of a window: the end of that window, or
 *              of the minute that it ended in
 *
 * The key's record has a field "used": when it was used last, in Unix seconds,
 * a space, and from which address.
 */

#include "text.h"

#define APIKEY_USAGE_DAYS       90     /* kept, unless configured */
#define APIKEY_USAGE_DAYS_MAX   3650
#define APIKEY_USAGE_DAY_LEN    8      /* YYYYMMDD */
#define APIKEY_USAGE_LABEL_MAX  60
#define APIKEY_USAGE_LABELS     100
#define APIKEY_USAGE_PAST       7
#define APIKEY_USAGE_AMOUNT_MAX (((uint64_t) 1 << 48) - 1)
#define APIKEY_USAGE_OTHER      "other"


typedef enum {
    APIKEY_USAGE_REQUESTS = 'n',
    APIKEY_USAGE_BYTES = 'b',
    APIKEY_USAGE_ERRORS = 'x',
    APIKEY_USAGE_DENIED = 'd',
    APIKEY_USAGE_STATUS = 's',
    APIKEY_USAGE_LATENCY = 'l',
    APIKEY_USAGE_ENDPOINT = 'e',
    APIKEY_USAGE_COUNTRY = 'c',
    APIKEY_USAGE_NOTICE = '!'      /* of a tally only, see below */
} apikey_usage_kind_e;


/* Upper bounds in milliseconds, inclusive; the last bucket has none. */
#define APIKEY_USAGE_LATENCIES  13
#define APIKEY_USAGE_BUCKETS    (APIKEY_USAGE_LATENCIES + 1)

extern const uint32_t  apikey_usage_latencies[APIKEY_USAGE_LATENCIES];


/* A field of a day. */
typedef struct {
    apikey_usage_kind_e  kind;
    apikey_text_t        label;    /* empty: n, b, x */
    unsigned             bucket;   /* of lN */
    uint64_t             count;
} apikey_usage_field_t;


/*
 * What was counted in a while: for each field the length of its name (1), its
 * name, and the amount (6, little-endian).
 *
 * A notice is something that Redis shall tell of if it is news: "!" and a
 * letter of apikey_notice_e; of a window also, packed, its seconds (4), its end
 * in Unix seconds (5) and its limit (6).  Its amount is the greatest one seen:
 * what was used of the window.
 */
typedef struct {
    unsigned char       *data;
    size_t               len;
    size_t               size;     /* of the memory at data */
} apikey_tally_t;

#define APIKEY_NOTICE_MAX      (1 + 4 + 5 + 6)
#define APIKEY_TALLY_PACKED(len)  (2 * (len) + 32)
#define APIKEY_TALLY_ENTRY_MAX (1 + 1 + APIKEY_USAGE_LABEL_MAX + 6)


typedef enum {
    APIKEY_NOTICE_NEAR_LIMIT = 'n',
    APIKEY_NOTICE_LIMIT_REACHED = 'l',
    APIKEY_NOTICE_EXPIRED_USED = 'e',
    APIKEY_NOTICE_REVOKED_USED = 'r',
    APIKEY_NOTICE_DISABLED_USED = 'd'
} apikey_notice_e;


/* The day of a time in Unix seconds, YYYYMMDD as a number. */
uint32_t apikey_usage_day(uint64_t seconds);

unsigned apikey_usage_bucket(uint64_t milliseconds);

/*
 * A label as it is stored: what isn't printable ASCII becomes "?", and what is
 * too long is cut.  out has room for APIKEY_USAGE_LABEL_MAX bytes.
 */
size_t apikey_usage_label(char *out, apikey_text_t text);

/* A field of a day; APIKEY_INVALID: none of those that count. */
int apikey_usage_read(apikey_usage_field_t *field, apikey_text_t name,
    apikey_text_t value);

/*
 * Adds to a field.  A label that is one too many is counted as "other"; the
 * label is at most APIKEY_USAGE_LABEL_MAX bytes long.  Returns where in the
 * tally the amount is; 0: no room, nothing is added; APIKEY_TALLY_ENTRY_MAX
 * bytes more are enough.
 */
size_t apikey_tally_add(apikey_tally_t *tally, apikey_usage_kind_e kind,
    apikey_text_t label, uint64_t amount);

/* Adds to the amount that is there; it isn't a notice's. */
void apikey_tally_more(apikey_tally_t *tally, size_t at, uint64_t amount);

/* The notice's label for a window; out has room for APIKEY_NOTICE_MAX. */
apikey_text_t apikey_notice_window(char *out, apikey_notice_e notice,
    uint32_t seconds, uint64_t end, uint64_t limit);

/*
 * As usage.lua takes it, three arrays of MessagePack: the names of the fields,
 * of which the first is "w"; their amounts; and of the notices each label,
 * followed by its amount.  out has room for APIKEY_TALLY_PACKED(tally->len)
 * bytes; returns how many they are.
 */
size_t apikey_tally_pack(unsigned char *out, const apikey_tally_t *tally);

/* Takes the first entry off a tally; APIKEY_INVALID: there is none. */
int apikey_tally_take(apikey_text_t *tally, apikey_usage_kind_e *kind,
    apikey_text_t *label, uint64_t *amount);


#endif /* APIKEY_USAGE_H */
