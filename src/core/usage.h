#ifndef APIKEY_USAGE_H
#define APIKEY_USAGE_H

/*
 * What is counted of the use of a key, and how it is stored in Redis.  Only
 * usage.lua writes it, and only while the key has a record, or for one that was
 * used before it was deleted: what workers have counted until then.
 *
 * Pusage:{DIGEST}:YYYYMMDD is a hash for each day of UTC, by Redis's clock, on
 * which the key was used; it expires.  What most requests add to is packed in
 * one field, in little-endian numbers of so many bytes:
 *
 *   n          requests with the key (5), bytes sent in answer (7), errors:
 *              answers of 400 and above to requests let through (5), answers
 *              with status 200 (5), requests let through in the first 5 of
 *              apikey_usage_latencies (5 each); the second of the day of the
 *              latest request (3); and what alerts go by: the average of the
 *              past days, 0 if that is no measure or unusual use was told (4),
 *              the hour of the latest error, or 24 if the rate of errors was
 *              told (1), requests let through in that hour since its first
 *              error (3) and errors in it (3), or both by the same part of that
 *
 * With no value above 63 bytes Redis keeps a hash most compactly.  The other
 * fields are there if they were needed:
 *
 *   l          requests let through by the other latencies, up to the last one
 *              that there was (5 each)
 *   dREASON    requests refused, by $apikey_result (5)
 *   sSTATUS    answers by other statuses, those to refused requests too (5)
 *   eLABEL     requests by endpoint, apikey_endpoint (5)
 *   cLABEL     requests by country, apikey_country (5)
 *   #e #c      how many labels there are of either kind, in decimal
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
 *   gone       the key was deleted
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
#define APIKEY_USAGE_MONTH_LEN  6
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

#define APIKEY_USAGE_FAST       5      /* in "n" */

extern const uint32_t  apikey_usage_latencies[APIKEY_USAGE_LATENCIES];


/* In bytes: a number, that of bytes sent, "n" up to the latencies, all of it,
   and the longest "l". */
#define APIKEY_USAGE_WIDTH      5
#define APIKEY_USAGE_BYTES_WIDTH  7
#define APIKEY_USAGE_NUMBERS                                                  \
    (APIKEY_USAGE_WIDTH * (3 + APIKEY_USAGE_FAST) + APIKEY_USAGE_BYTES_WIDTH)
#define APIKEY_USAGE_PACKED     (APIKEY_USAGE_NUMBERS + 3 + 4 + 1 + 3 + 3)
#define APIKEY_USAGE_SLOW                                                     \
    (APIKEY_USAGE_WIDTH * (APIKEY_USAGE_BUCKETS - APIKEY_USAGE_FAST))


/* A count of a day. */
typedef struct {
    apikey_usage_kind_e  kind;
    apikey_text_t        label;    /* empty: requests, bytes, errors, latency */
    unsigned             bucket;   /* of a latency */
    uint64_t             amount;
} apikey_usage_count_t;


/* The latest of the requests that were counted. */
typedef struct {
    uint64_t             seconds;
    apikey_text_t        text;     /* as the record has it */
    int                  late;     /* its day is over */
} apikey_usage_latest_t;


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
#define APIKEY_TALLY_ENTRY_MAX (1 + 1 + APIKEY_USAGE_LABEL_MAX + 6)

/* Of a tally of so many bytes and such a latest request, packed. */
#define APIKEY_TALLY_PACKED(len, latest)                                      \
    (APIKEY_USAGE_NUMBERS + 3 + 1 + 2 + 1 + 1 + (latest)                      \
     + APIKEY_USAGE_SLOW + (len))


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

/*
 * The counts in a field of a day, one after the other: *at is 0 at first.
 * APIKEY_INVALID: there is no more, or nothing in it counts.
 */
int apikey_usage_read(apikey_usage_count_t *count, unsigned *at,
    apikey_text_t name, apikey_text_t value);

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
 * As usage.lua takes it: how much to add to each number of the field "n" up to
 * the latencies; the second of the day of the latest request (3), 1 if that day
 * is over (1); how many labels follow (2), and how many numbers of "l" (1); the
 * length of what the record shall say of the latest request (1), and that.
 * Then for each label the length of its field's name (1), the name, and how
 * much to add (5); how much to add to these numbers of "l"; and to the end, for
 * each notice the length of its label (1), the label, and its amount (6).
 *
 * out has room for APIKEY_TALLY_PACKED() bytes, the latest's text is at most
 * 255 bytes long; returns how many bytes there are.
 */
size_t apikey_tally_pack(unsigned char *out, const apikey_tally_t *tally,
    const apikey_usage_latest_t *latest);

/* Takes the first entry off a tally; APIKEY_INVALID: there is none. */
int apikey_tally_take(apikey_text_t *tally, apikey_usage_kind_e *kind,
    apikey_text_t *label, uint64_t *amount);


#endif /* APIKEY_USAGE_H */
