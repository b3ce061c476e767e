#include <string.h>

#include "usage.h"


static unsigned char *apikey_pack_array(unsigned char *p, unsigned count);
static unsigned char *apikey_pack_text(unsigned char *p,
    const unsigned char *text, size_t len);
static unsigned char *apikey_pack_amount(unsigned char *p,
    const unsigned char *amount);
static int apikey_usage_is_labelled(int kind);
static unsigned char *apikey_tally_find(apikey_tally_t *tally, int kind,
    apikey_text_t label, unsigned *count);
static uint64_t apikey_amount_read(const unsigned char *p);
static unsigned char *apikey_amount_write(unsigned char *p, uint64_t n);
static unsigned char *apikey_usage_pack(unsigned char *p, uint64_t n,
    unsigned bytes);


const uint32_t  apikey_usage_latencies[APIKEY_USAGE_LATENCIES] = {
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000
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
apikey_usage_read(apikey_usage_field_t *field, apikey_text_t name,
    apikey_text_t value)
{
    uint64_t       n;
    apikey_text_t  label;

    if (name.len == 0
        || apikey_text_number(value, INT64_MAX, &field->count) != APIKEY_OK)
    {
        return APIKEY_INVALID;
    }

    label.data = name.data + 1;
    label.len = name.len - 1;

    field->kind = (apikey_usage_kind_e) name.data[0];
    field->label = label;
    field->bucket = 0;

    switch (name.data[0]) {

    case APIKEY_USAGE_REQUESTS:
    case APIKEY_USAGE_BYTES:
    case APIKEY_USAGE_ERRORS:
        return label.len == 0 ? APIKEY_OK : APIKEY_INVALID;

    case APIKEY_USAGE_LATENCY:
        if (apikey_text_number(label, APIKEY_USAGE_BUCKETS - 1, &n)
            != APIKEY_OK)
        {
            return APIKEY_INVALID;
        }

        field->bucket = (unsigned) n;
        return APIKEY_OK;

    case APIKEY_USAGE_DENIED:
    case APIKEY_USAGE_STATUS:
    case APIKEY_USAGE_ENDPOINT:
    case APIKEY_USAGE_COUNTRY:
        return label.len != 0 ? APIKEY_OK : APIKEY_INVALID;

    default:
        return APIKEY_INVALID;
    }
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
apikey_tally_pack(unsigned char *out, const apikey_tally_t *tally)
{
    unsigned        fields, notices;
    unsigned char  *p, *entry, *last;

    last = tally->data + tally->len;
    fields = notices = 0;

    for (entry = tally->data; entry < last; entry += 1 + entry[0] + 6) {
        if (entry[1] == APIKEY_USAGE_NOTICE) {
            notices++;
        } else {
            fields++;
        }
    }

    p = apikey_pack_array(out, fields + 1);
    p = apikey_pack_text(p, (const unsigned char *) "w", 1);

    for (entry = tally->data; entry < last; entry += 1 + entry[0] + 6) {
        if (entry[1] != APIKEY_USAGE_NOTICE) {
            p = apikey_pack_text(p, entry + 1, entry[0]);
        }
    }

    p = apikey_pack_array(p, fields + 1);
    *p++ = 0;

    for (entry = tally->data; entry < last; entry += 1 + entry[0] + 6) {
        if (entry[1] != APIKEY_USAGE_NOTICE) {
            p = apikey_pack_amount(p, entry + 1 + entry[0]);
        }
    }

    p = apikey_pack_array(p, 2 * notices);

    for (entry = tally->data; entry < last; entry += 1 + entry[0] + 6) {
        if (entry[1] == APIKEY_USAGE_NOTICE) {
            p = apikey_pack_text(p, entry + 2, entry[0] - 1);
            p = apikey_pack_amount(p, entry + 1 + entry[0]);
        }
    }

    return p - out;
}


/* MessagePack: array 16, str 8 and uint 64, which are big-endian. */

static unsigned char *
apikey_pack_array(unsigned char *p, unsigned count)
{
    *p++ = 0xdc;
    *p++ = (unsigned char) (count >> 8);
    *p++ = (unsigned char) count;

    return p;
}


static unsigned char *
apikey_pack_text(unsigned char *p, const unsigned char *text, size_t len)
{
    *p++ = 0xd9;
    *p++ = (unsigned char) len;

    memcpy(p, text, len);

    return p + len;
}


static unsigned char *
apikey_pack_amount(unsigned char *p, const unsigned char *amount)
{
    int  i;

    *p++ = 0xcf;
    *p++ = 0;
    *p++ = 0;

    for (i = 5; i >= 0; i--) {
        *p++ = amount[i];
    }

    return p;
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


static unsigned char *
apikey_usage_pack(unsigned char *p, uint64_t n, unsigned bytes)
{
    for ( /* void */ ; bytes != 0; bytes--) {
        *p++ = (unsigned char) n;
        n >>= 8;
    }

    return p;
}
