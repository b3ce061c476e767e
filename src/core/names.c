#include <string.h>

#include "names.h"
#include "slot.h"
#include "token.h"
#include "usage.h"


static char *apikey_names_append_digest(char *out,
    const unsigned char *digest);
static char *apikey_names_append(char *out, const char *data, size_t len);
static char *apikey_names_append_text(char *out, const char *text);
static char *apikey_names_append_digits(char *out, uint32_t n, unsigned count);


int
apikey_names_prefix_check(apikey_text_t prefix)
{
    size_t         i;
    unsigned char  c;

    if (prefix.len == 0 || prefix.len > APIKEY_NAMES_PREFIX_MAX) {
        return APIKEY_INVALID;
    }

    for (i = 0; i < prefix.len; i++) {
        c = prefix.data[i];

        if (c <= ' ' || c >= 0x7f || c == '{' || c == '}') {
            return APIKEY_INVALID;
        }
    }

    return APIKEY_OK;
}


size_t
apikey_names_record(char *out, apikey_text_t prefix,
    const unsigned char *digest)
{
    char  *p;

    p = apikey_names_append(out, prefix.data, prefix.len);

    return apikey_names_append_digest(p, digest) - out;
}


size_t
apikey_names_ids(char *out, apikey_text_t prefix, unsigned bucket)
{
    int                shift;
    char              *p;
    static const char  hex[] = "0123456789abcdef";

    p = apikey_names_append(out, prefix.data, prefix.len);
    p = apikey_names_append_text(p, "ids:");

    for (shift = 12; shift >= 0; shift -= 4) {
        *p++ = hex[(bucket >> shift) & 0xf];
    }

    return p - out;
}


size_t
apikey_names_holder(char *out, apikey_text_t prefix, const char *kind,
    apikey_text_t holder, apikey_text_t plan)
{
    char  *p;

    p = apikey_names_append(out, prefix.data, prefix.len);
    p = apikey_names_append_text(p, kind);
    p = apikey_names_append_text(p, ":{");
    p = apikey_names_append(p, holder.data, holder.len);
    p = apikey_names_append_text(p, "}:");
    p = apikey_names_append(p, plan.data, plan.len);

    return p - out;
}


size_t
apikey_names_usage(char *out, apikey_text_t prefix,
    const unsigned char *digest, uint32_t day)
{
    char  *p;

    p = apikey_names_append(out, prefix.data, prefix.len);
    p = apikey_names_append_text(p, "usage:");
    p = apikey_names_append_digest(p, digest);

    if (day == 0) {
        return p - out;
    }

    *p++ = ':';

    return apikey_names_append_digits(p, day, APIKEY_USAGE_DAY_LEN) - out;
}


size_t
apikey_names_gone(char *out, apikey_text_t prefix, uint32_t month)
{
    char  *p;

    p = apikey_names_append(out, prefix.data, prefix.len);
    p = apikey_names_append_text(p, "gone:");

    return apikey_names_append_digits(p, month, APIKEY_USAGE_MONTH_LEN) - out;
}


size_t
apikey_names_events(char *out, apikey_text_t prefix)
{
    char  *p;

    p = apikey_names_append(out, prefix.data, prefix.len);

    return apikey_names_append_text(p, "events") - out;
}


size_t
apikey_names_expiring(char *out, apikey_text_t prefix)
{
    char  *p;

    p = apikey_names_append(out, prefix.data, prefix.len);

    return apikey_names_append_text(p, "expiring") - out;
}


size_t
apikey_names_webhooks(char *out, apikey_text_t prefix)
{
    char  *p;

    p = apikey_names_append(out, prefix.data, prefix.len);

    return apikey_names_append_text(p, "webhooks") - out;
}


size_t
apikey_names_retry(char *out, apikey_text_t prefix, apikey_text_t hex)
{
    char  *p;

    p = apikey_names_append(out, prefix.data, prefix.len);
    p = apikey_names_append_text(p, "retry:");

    return apikey_names_append(p, hex.data, hex.len) - out;
}


size_t
apikey_names_templates(char *out, apikey_text_t prefix)
{
    char  *p;

    p = apikey_names_append(out, prefix.data, prefix.len);

    return apikey_names_append_text(p, "templates") - out;
}


size_t
apikey_names_plans(char *out, apikey_text_t prefix)
{
    char  *p;

    p = apikey_names_append(out, prefix.data, prefix.len);

    return apikey_names_append_text(p, "plans") - out;
}


size_t
apikey_names_gateways(char *out, apikey_text_t prefix)
{
    char  *p;

    p = apikey_names_append(out, prefix.data, prefix.len);

    return apikey_names_append_text(p, "gateways") - out;
}


size_t
apikey_names_changes(char *out, apikey_text_t prefix)
{
    char  *p;

    p = apikey_names_append(out, prefix.data, prefix.len);

    return apikey_names_append_text(p, "changes") - out;
}


size_t
apikey_names_acks(char *out, apikey_text_t prefix, apikey_text_t token)
{
    char  *p;

    p = apikey_names_append(out, prefix.data, prefix.len);
    p = apikey_names_append_text(p, "acks:");
    p = apikey_names_append(p, token.data, token.len);

    return p - out;
}


unsigned
apikey_names_bucket(apikey_text_t id)
{
    return apikey_slot_crc(id) % APIKEY_NAMES_BUCKETS;
}


static char *
apikey_names_append_digest(char *out, const unsigned char *digest)
{
    *out++ = '{';
    apikey_digest_hex(out, digest);
    out += APIKEY_DIGEST_HEX;
    *out++ = '}';

    return out;
}


static char *
apikey_names_append(char *out, const char *data, size_t len)
{
    if (len != 0) {
        memcpy(out, data, len);
    }

    return out + len;
}


static char *
apikey_names_append_text(char *out, const char *text)
{
    return apikey_names_append(out, text, strlen(text));
}


static char *
apikey_names_append_digits(char *out, uint32_t n, unsigned count)
{
    unsigned  i;

    for (i = count; i > 0; i--) {
        out[i - 1] = (char) ('0' + n % 10);
        n /= 10;
    }

    return out + count;
}
