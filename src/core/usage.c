#include <string.h>

#include "usage.h"


static int apikey_usage_read_numbers(apikey_usage_count_t *count,
    unsigned *at, apikey_text_t value, unsigned first, unsigned last);
static unsigned apikey_usage_place(unsigned number);
static int apikey_tally_number(const unsigned char *entry, unsigned *number);
static unsigned char *apikey_tally_pack_numbers(unsigned char *p,
    const apikey_tally_t *tally, unsigned first, unsigned last);
static unsigned char *apikey_tally_pack_entry(unsigned char *p,
    const unsigned char *name, size_t len, const unsigned char *amount,
    unsigned bytes);
static uint64_t apikey_tally_amount(const unsigned char *entry,
    unsigned bytes);
static int apikey_usage_is_labelled(int kind);
static unsigned char *apikey_tally_find(apikey_tally_t *tally, int kind,
    apikey_text_t label, unsigned *count);
static uint64_t apikey_amount_read(const unsigned char *p);
static unsigned char *apikey_amount_write(unsigned char *p, uint64_t n);
static uint64_t apikey_usage_unpack(const unsigned char *p, unsigned bytes);
static unsigned char *apikey_usage_pack(unsigned char *p, uint64_t n,
    unsigned bytes);


const uint32_t  apikey_usage_latencies[APIKEY_USAGE_LATENCIES] = {
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000
};


/*
 * The numbers of the field "n", and then those of "l": these four, and the
 * latencies.
 */

#define APIKEY_USAGE_LATENCY_FIRST  4
#define APIKEY_USAGE_SLOW_FIRST                                               \
    (APIKEY_USAGE_LATENCY_FIRST + APIKEY_USAGE_FAST)

static const struct {
    apikey_usage_kind_e  kind;
    apikey_text_t        label;
} apikey_usage_numbers[APIKEY_USAGE_LATENCY_FIRST] = {
    { APIKEY_USAGE_REQUESTS, apikey_text("") },
    { APIKEY_USAGE_BYTES, apikey_text("") },
    { APIKEY_USAGE_ERRORS, apikey_text("") },
    { APIKEY_USAGE_STATUS, apikey_text("200") }
};


/* The civil calendar, in years that begin in March. */

uint32_t
apikey_usage_day(uint64_t seconds)
{
    uint64_t  days, era, year, month, day;

    days = seconds / 86400 + 719468;

    era = days / 146097;
    days %= 146097;

    year = (days - days / 1460 + days / 36524 - days / 146096) / 365;
    days -= 365 * year + year / 4 - year / 100;

    month = (5 * days + 2) / 153;
    day = days - (153 * month + 2) / 5 + 1;

    year += 400 * era + (month >= 10);
    month = (month < 10) ? month + 3 : month - 9;

    return (uint32_t) (year * 10000 + month * 100 + day);
}


unsigned
apikey_usage_bucket(uint64_t milliseconds)
{
    unsigned  i;

    for (i = 0; i < APIKEY_USAGE_LATENCIES; i++) {
        if (milliseconds <= apikey_usage_latencies[i]) {
            break;
        }
    }

    return i;
}


size_t
apikey_usage_label(char *out, apikey_text_t text)
{
    size_t  i, len;

    len = text.len < APIKEY_USAGE_LABEL_MAX ? text.len
                                            : APIKEY_USAGE_LABEL_MAX;

    for (i = 0; i < len; i++) {
        out[i] = text.data[i];

        if (out[i] < ' ' || out[i] > '~') {
            out[i] = '?';
        }
    }

    return len;
}


int
apikey_usage_read(apikey_usage_count_t *count, unsigned *at,
    apikey_text_t name, apikey_text_t value)
{
    if (name.len == 1 && name.data[0] == APIKEY_USAGE_REQUESTS
        && value.len == APIKEY_USAGE_PACKED)
    {
        return apikey_usage_read_numbers(count, at, value, 0,
                                         APIKEY_USAGE_SLOW_FIRST);
    }

    if (name.len == 1 && name.data[0] == APIKEY_USAGE_LATENCY
        && value.len <= APIKEY_USAGE_SLOW
        && value.len % APIKEY_USAGE_WIDTH == 0)
    {
        return apikey_usage_read_numbers(count, at, value,
                                         APIKEY_USAGE_SLOW_FIRST,
                                         APIKEY_USAGE_SLOW_FIRST
                                         + value.len / APIKEY_USAGE_WIDTH);
    }

    if (*at != 0 || name.len < 2 || value.len != APIKEY_USAGE_WIDTH) {
        return APIKEY_INVALID;
    }

    *at = 1;

    switch (name.data[0]) {

    case APIKEY_USAGE_DENIED:
    case APIKEY_USAGE_STATUS:
    case APIKEY_USAGE_ENDPOINT:
    case APIKEY_USAGE_COUNTRY:
        count->kind = (apikey_usage_kind_e) name.data[0];
        count->label.data = name.data + 1;
        count->label.len = name.len - 1;
        count->bucket = 0;
        count->amount = apikey_usage_unpack((const unsigned char *) value.data,
                                            APIKEY_USAGE_WIDTH);
        return APIKEY_OK;

    default:
        return APIKEY_INVALID;
    }
}


/* Those that aren't 0. */

static int
apikey_usage_read_numbers(apikey_usage_count_t *count, unsigned *at,
    apikey_text_t value, unsigned first, unsigned last)
{
    unsigned              i, place;
    const unsigned char  *p;

    p = (const unsigned char *) value.data;

    while (first + *at < last) {
        i = first + (*at)++;
        place = apikey_usage_place(i) - apikey_usage_place(first);

        count->amount = apikey_usage_unpack(p + place,
                                            apikey_usage_place(i + 1)
                                            - apikey_usage_place(i));
        if (count->amount == 0) {
            continue;
        }

        if (i < APIKEY_USAGE_LATENCY_FIRST) {
            count->kind = apikey_usage_numbers[i].kind;
            count->label = apikey_usage_numbers[i].label;
            count->bucket = 0;

        } else {
            count->kind = APIKEY_USAGE_LATENCY;
            count->label = (apikey_text_t) { "", 0 };
            count->bucket = i - APIKEY_USAGE_LATENCY_FIRST;
        }

        return APIKEY_OK;
    }

    return APIKEY_INVALID;
}


/* Where it would be if all were in one field; the bytes sent are wider. */

static unsigned
apikey_usage_place(unsigned number)
{
    return APIKEY_USAGE_WIDTH * number
           + (number > 1 ? APIKEY_USAGE_BYTES_WIDTH - APIKEY_USAGE_WIDTH : 0);
}


size_t
apikey_tally_add(apikey_tally_t *tally, apikey_usage_kind_e kind,
    apikey_text_t label, uint64_t amount)
{
    unsigned        count;
    unsigned char  *p;

    static const apikey_text_t  other = apikey_text(APIKEY_USAGE_OTHER);

    if (amount > APIKEY_USAGE_AMOUNT_MAX) {
        amount = APIKEY_USAGE_AMOUNT_MAX;
    }

    p = apikey_tally_find(tally, kind, label, &count);

    if (p == NULL && count >= APIKEY_USAGE_LABELS
        && apikey_usage_is_labelled(kind))
    {
        label = other;
        p = apikey_tally_find(tally, kind, label, &count);
    }

    if (p != NULL) {
        if (kind != APIKEY_USAGE_NOTICE) {
            apikey_tally_more(tally, p - tally->data, amount);

        } else if (amount > apikey_amount_read(p)) {
            apikey_amount_write(p, amount);
        }

        return p - tally->data;
    }

    if (tally->size - tally->len < 1 + 1 + label.len + 6) {
        return 0;
    }

    p = tally->data + tally->len;

    *p++ = (unsigned char) (1 + label.len);
    *p++ = (unsigned char) kind;

    if (label.len != 0) {
        memcpy(p, label.data, label.len);
    }

    p = apikey_amount_write(p + label.len, amount);

    tally->len = p - tally->data;

    return tally->len - 6;
}


void
apikey_tally_more(apikey_tally_t *tally, size_t at, uint64_t amount)
{
    uint64_t        n;
    unsigned char  *p;

    p = tally->data + at;
    n = apikey_amount_read(p);

    /* Neither has more than 48 bits, so the sum doesn't overflow. */

    n += (amount < APIKEY_USAGE_AMOUNT_MAX) ? amount : APIKEY_USAGE_AMOUNT_MAX;
    n = (n < APIKEY_USAGE_AMOUNT_MAX) ? n : APIKEY_USAGE_AMOUNT_MAX;

    apikey_amount_write(p, n);
}


apikey_text_t
apikey_notice_window(char *out, apikey_notice_e notice, uint32_t seconds,
    uint64_t end, uint64_t limit)
{
    unsigned char  *p;

    p = (unsigned char *) out;

    *p++ = (unsigned char) notice;
    p = apikey_usage_pack(p, seconds, 4);
    p = apikey_usage_pack(p, end, 5);
    p = apikey_usage_pack(p, limit, 6);

    return (apikey_text_t) { out, (char *) p - out };
}


int
apikey_tally_take(apikey_text_t *tally, apikey_usage_kind_e *kind,
    apikey_text_t *label, uint64_t *amount)
{
    size_t                len;
    const unsigned char  *p;

    p = (const unsigned char *) tally->data;

    if (tally->len < 1 + 1 + 6 || p[0] < 1 || tally->len < 1 + p[0] + 6u) {
        return APIKEY_INVALID;
    }

    len = p[0];

    *kind = (apikey_usage_kind_e) p[1];
    label->data = tally->data + 2;
    label->len = len - 1;
    *amount = apikey_amount_read(p + 1 + len);

    tally->data += 1 + len + 6;
    tally->len -= 1 + len + 6;

    return APIKEY_OK;
}


size_t
apikey_tally_pack(unsigned char *out, const apikey_tally_t *tally,
    const apikey_usage_latest_t *latest)
{
    unsigned        number, labels, slow;
    unsigned char  *p, *entry, *last;

    last = tally->data + tally->len;
    labels = slow = 0;

    for (entry = tally->data; entry < last; entry += 1 + entry[0] + 6) {
        if (apikey_tally_number(entry, &number) == APIKEY_OK) {
            if (number >= APIKEY_USAGE_SLOW_FIRST + slow) {
                slow = number + 1 - APIKEY_USAGE_SLOW_FIRST;
            }

        } else if (entry[1] != APIKEY_USAGE_NOTICE) {
            labels++;
        }
    }

    p = apikey_tally_pack_numbers(out, tally, 0, APIKEY_USAGE_SLOW_FIRST);
    p = apikey_usage_pack(p, latest->seconds % 86400, 3);
    p = apikey_usage_pack(p, latest->late, 1);
    p = apikey_usage_pack(p, labels, 2);
    p = apikey_usage_pack(p, slow, 1);
    p = apikey_usage_pack(p, latest->text.len, 1);

    memcpy(p, latest->text.data, latest->text.len);
    p += latest->text.len;

    for (entry = tally->data; entry < last; entry += 1 + entry[0] + 6) {
        if (entry[1] != APIKEY_USAGE_NOTICE
            && apikey_tally_number(entry, &number) != APIKEY_OK)
        {
            p = apikey_tally_pack_entry(p, entry + 1, entry[0],
                                        entry + 1 + entry[0],
                                        APIKEY_USAGE_WIDTH);
        }
    }

    p = apikey_tally_pack_numbers(p, tally, APIKEY_USAGE_SLOW_FIRST,
                                  APIKEY_USAGE_SLOW_FIRST + slow);

    for (entry = tally->data; entry < last; entry += 1 + entry[0] + 6) {
        if (entry[1] == APIKEY_USAGE_NOTICE) {
            p = apikey_tally_pack_entry(p, entry + 2, entry[0] - 1,
                                        entry + 1 + entry[0], 6);
        }
    }

    return p - out;
}


/* Which of the packed numbers an entry adds to. */

static int
apikey_tally_number(const unsigned char *entry, unsigned *number)
{
    uint64_t       bucket;
    apikey_text_t  label;

    label.data = (const char *) entry + 2;
    label.len = entry[0] - 1;

    if (entry[1] == APIKEY_USAGE_LATENCY) {
        if (apikey_text_number(label, APIKEY_USAGE_BUCKETS - 1, &bucket)
            != APIKEY_OK)
        {
            return APIKEY_INVALID;
        }

        *number = APIKEY_USAGE_LATENCY_FIRST + (unsigned) bucket;
        return APIKEY_OK;
    }

    for (*number = 0; *number < APIKEY_USAGE_LATENCY_FIRST; (*number)++) {
        if (entry[1] == apikey_usage_numbers[*number].kind
            && apikey_text_equal(label, apikey_usage_numbers[*number].label))
        {
            return APIKEY_OK;
        }
    }

    return APIKEY_INVALID;
}


static unsigned char *
apikey_tally_pack_numbers(unsigned char *p, const apikey_tally_t *tally,
    unsigned first, unsigned last)
{
    unsigned        number, place, begin, bytes;
    unsigned char  *entry;

    begin = apikey_usage_place(first);
    memset(p, 0, apikey_usage_place(last) - begin);

    for (entry = tally->data;
         entry < tally->data + tally->len;
         entry += 1 + entry[0] + 6)
    {
        if (apikey_tally_number(entry, &number) == APIKEY_OK
            && number >= first && number < last)
        {
            place = apikey_usage_place(number);
            bytes = apikey_usage_place(number + 1) - place;

            apikey_usage_pack(p + place - begin,
                              apikey_tally_amount(entry + 1 + entry[0], bytes),
                              bytes);
        }
    }

    return p + apikey_usage_place(last) - begin;
}


static unsigned char *
apikey_tally_pack_entry(unsigned char *p, const unsigned char *name,
    size_t len, const unsigned char *amount, unsigned bytes)
{
    *p++ = (unsigned char) len;

    memcpy(p, name, len);

    return apikey_usage_pack(p + len, apikey_tally_amount(amount, bytes),
                             bytes);
}


/* No more than there is room for. */

static uint64_t
apikey_tally_amount(const unsigned char *amount, unsigned bytes)
{
    uint64_t  n, most;

    n = apikey_amount_read(amount);
    most = ((uint64_t) 1 << 8 * bytes) - 1;

    return n < most ? n : most;
}


/* What clients may have many of. */

static int
apikey_usage_is_labelled(int kind)
{
    return kind == APIKEY_USAGE_ENDPOINT || kind == APIKEY_USAGE_COUNTRY;
}


/* Where the amount is, or NULL and how many of this kind there are. */

static unsigned char *
apikey_tally_find(apikey_tally_t *tally, int kind, apikey_text_t label,
    unsigned *count)
{
    unsigned char  *p, *last;

    *count = 0;

    p = tally->data;
    last = p + tally->len;

    while (p < last) {
        if (p[1] == kind) {
            if (p[0] == label.len + 1
                && (label.len == 0
                    || memcmp(p + 2, label.data, label.len) == 0))
            {
                return p + 1 + p[0];
            }

            (*count)++;
        }

        p += 1 + p[0] + 6;
    }

    return NULL;
}


/* With each request: written so that compilers make few instructions of it. */

static uint64_t
apikey_amount_read(const unsigned char *p)
{
    uint32_t  low, high;

    low = p[0] | p[1] << 8 | p[2] << 16 | (uint32_t) p[3] << 24;
    high = p[4] | p[5] << 8;

    return low | (uint64_t) high << 32;
}


static unsigned char *
apikey_amount_write(unsigned char *p, uint64_t n)
{
    p[0] = (unsigned char) n;
    p[1] = (unsigned char) (n >> 8);
    p[2] = (unsigned char) (n >> 16);
    p[3] = (unsigned char) (n >> 24);
    p[4] = (unsigned char) (n >> 32);
    p[5] = (unsigned char) (n >> 40);

    return p + 6;
}


static uint64_t
apikey_usage_unpack(const unsigned char *p, unsigned bytes)
{
    uint64_t  n;

    n = 0;

    for ( /* void */ ; bytes != 0; bytes--) {
        n = n << 8 | p[bytes - 1];
    }

    return n;
}


static unsigned char *
apikey_usage_pack(unsigned char *p, uint64_t n, unsigned bytes)
{
    for ( /* void */ ; bytes != 0; bytes--) {
        *p++ = (unsigned char) n;
        n >>= 8;
    }

    return p;
}
