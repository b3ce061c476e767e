#ifndef APIKEY_LIMIT_H
#define APIKEY_LIMIT_H

/*
 * Limits, and the counters that enforce them.
 *
 * Every window lies on a grid: with Redis's clock at "now", the window of S
 * seconds began at now - now % S.  A fixed window has used "current".  A
 * sliding window has used current + ceil(previous * what is left of the window
 * / S), previous being what the window before has used.  A request of cost C
 * passes if used + C <= limit in every window; then C is added to every one of
 * them, else to none.
 *
 * Counters of one holder (a key, an org, an address) are one packed value, a
 * field of a hash, so that Redis reads and writes them at once: for each
 * window, in the order of its seconds, 21 bytes, little-endian: seconds (4),
 * start of the window in Unix seconds (5), current (6), previous (6).
 *
 * The first four bytes are what windows are told apart by, so that a limit may
 * change and keep what is used.  A holder may have windows that a request isn't
 * counted in, since gateways have a plan otherwise while it is rolled out, or
 * since limits have changed: they are kept as they are for as long as they
 * count, which ends with the window after theirs, APIKEY_COUNTERS_MAX at most.
 *
 * A window that lies ahead was begun by a clock that was ahead, or has been set
 * back since: it is taken for the present one, and is stored so at once, even
 * by a request that is refused, lest it lasts until the clock has come to it.
 *
 * Windows that are not of so many seconds on the grid (of a calendar, or
 * without an end) are not to be put into the same field: version 1.0.0 writes
 * back the windows that it is asked for, and no others.  They belong into a
 * field of their own beside it, in the same 21 bytes, their kind in place of
 * the seconds, above APIKEY_WINDOW_SECONDS.
 *
 * decide.lua and giveback.lua read and write the same.
 */

#include "bytes.h"
#include "text.h"

#define APIKEY_WINDOWS_MAX     8
#define APIKEY_WINDOW_SECONDS  (366 * 86400)       /* the longest */
#define APIKEY_COUNT_MAX       ((uint64_t) 1 << 47)  /* of a limit, a cost */
#define APIKEY_COUNTER_SIZE    21
#define APIKEY_COUNTERS_MAX    32                  /* of one holder */
#define APIKEY_LIMITS_TEXT     (APIKEY_WINDOWS_MAX * 32)


typedef struct {
    uint64_t  limit;
    uint32_t  seconds;
} apikey_window_t;


typedef struct {
    unsigned         count;
    unsigned         sliding;
    apikey_window_t  window[APIKEY_WINDOWS_MAX];  /* shortest first */
} apikey_limits_t;


typedef struct {
    uint32_t  seconds;
    uint64_t  start;      /* Unix seconds */
    uint64_t  current;
    uint64_t  previous;
} apikey_counter_t;


/* What the client is told. */
typedef struct {
    uint64_t  limit;
    uint64_t  remaining;
    uint64_t  reset;         /* Unix seconds: the end of the window, but not
                                before a refused request may be tried again */
    uint32_t  seconds;       /* of the window reported */
    uint32_t  retry_after;   /* seconds, at least 1; 0 if not refused */
} apikey_quota_t;


/*
 * "60r/m", "5r/s", "100r/h", "10000r/d", "1000000r/30d" (a number before the
 * unit s, m, h or d) or "N/SECONDS".
 */
int apikey_window_parse(apikey_window_t *window, apikey_text_t text,
    const char **why);

/*
 * Adds a window, keeping them in order.  Refused: more than
 * APIKEY_WINDOWS_MAX, the same seconds twice, a longer window with the smaller
 * count.
 */
int apikey_limits_add(apikey_limits_t *limits, apikey_window_t window,
    const char **why);

/*
 * A list of windows separated by spaces, optionally with "algorithm=sliding" or
 * "algorithm=fixed" among them.  The empty list has no windows.
 */
int apikey_limits_parse(apikey_limits_t *limits, apikey_text_t text,
    const char **why);

/*
 * The list again, in its shortest form, not terminated; out has room for
 * APIKEY_LIMITS_TEXT bytes.  Returns its length.
 */
size_t apikey_limits_format(char *out, const apikey_limits_t *limits);

/*
 * Unpacks the counters that fit the limits, one for each window, moved on to
 * the window that holds now (a window that is over counts as previous, or
 * nothing; one that lies ahead, since the clock was set back, as this one).
 * Bytes that can't be a counter are APIKEY_INVALID.
 */
int apikey_counters_unpack(apikey_counter_t *counters,
    const apikey_limits_t *limits, apikey_text_t packed, uint64_t now_us);

/*
 * Packs the counters of count windows and, of those packed before, the others
 * that still count, max altogether.  out has room for max counters, and isn't
 * what was packed before, of which what can't be read is lost.  Returns the
 * length.
 */
size_t apikey_counters_pack(unsigned char *out, unsigned max,
    const apikey_counter_t *counters, unsigned count, apikey_text_t before,
    uint64_t now_us);

/*
 * Takes the first counter off the packed ones, as it is stored.
 * APIKEY_INVALID: there is none, or the bytes can't be one.
 */
int apikey_counters_take(apikey_counter_t *counter, apikey_text_t *packed);

/* What is used of a window at a time (microseconds since 1970). */
uint64_t apikey_counter_used(const apikey_counter_t *counter, int sliding,
    uint64_t now_us);

/*
 * Which window to speak of, and what to say.  The counters are those after
 * the decision.  Refused (cost does not fit): the window that a request of
 * that cost has to wait for longest; passed: the smallest remaining, then the
 * shortest.  limits->count is not 0.
 */
void apikey_quota(apikey_quota_t *quota, const apikey_limits_t *limits,
    const apikey_counter_t *counters, uint64_t now_us, uint64_t cost,
    int refused);


#endif /* APIKEY_LIMIT_H */
