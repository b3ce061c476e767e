#include "core/usage.h"
#include "fuzz.h"


static void fuzz_field(apikey_text_t name, apikey_text_t value);
static void fuzz_tally(apikey_text_t packed);
static void fuzz_pack(const apikey_tally_t *tally);


/* A field's name, a newline, its value, a newline, a packed tally. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apikey_text_t  name, value, packed;

    name = fuzz_line(&data, &size);
    value = fuzz_line(&data, &size);
    packed = fuzz_copy(data, size);

    fuzz_field(name, value);
    fuzz_tally(packed);

    fuzz_free(name);
    fuzz_free(value);
    fuzz_free(packed);

    return 0;
}


static void
fuzz_field(apikey_text_t name, apikey_text_t value)
{
    char                  *out;
    size_t                 i, len;
    unsigned               at, n;
    apikey_usage_count_t   count;

    at = n = 0;

    while (apikey_usage_read(&count, &at, name, value) == APIKEY_OK) {
        must(count.label.len <= name.len + 2);
        must(count.bucket < APIKEY_USAGE_BUCKETS);
        must(count.amount < (uint64_t) 1 << 8 * APIKEY_USAGE_BYTES_WIDTH);
        must(++n <= value.len / APIKEY_USAGE_WIDTH);
    }

    out = malloc(APIKEY_USAGE_LABEL_MAX);
    must(out != NULL);

    len = apikey_usage_label(out, name);
    must(len <= name.len && len <= APIKEY_USAGE_LABEL_MAX);

    for (i = 0; i < len; i++) {
        must(out[i] >= ' ' && out[i] <= '~');
    }

    free(out);
}


/* What is taken is added again: nothing gets lost, and nothing is too long. */

static void
fuzz_tally(apikey_text_t packed)
{
    uint64_t             amount, taken, added;
    apikey_text_t        label;
    apikey_tally_t       tally;
    apikey_usage_kind_e  kind;

    tally.len = 0;
    tally.size = packed.len + 64;
    tally.data = malloc(tally.size);
    must(tally.data != NULL);

    taken = 0;

    while (apikey_tally_take(&packed, &kind, &label, &amount) == APIKEY_OK) {
        must(amount <= APIKEY_USAGE_AMOUNT_MAX);

        if (label.len <= APIKEY_USAGE_LABEL_MAX
            && kind != APIKEY_USAGE_NOTICE
            && amount < 0xffffffff)
        {
            if (apikey_tally_add(&tally, kind, label, amount) != 0) {
                taken += amount;
            }

            must(tally.len <= tally.size);
        }
    }

    added = 0;
    packed.data = (char *) tally.data;
    packed.len = tally.len;

    while (apikey_tally_take(&packed, &kind, &label, &amount) == APIKEY_OK) {
        added += amount;
    }

    must(packed.len == 0);
    must(added == taken);

    fuzz_pack(&tally);
    free(tally.data);
}


/* What is packed is in its parts what the tally has, and not one byte more. */

static void
fuzz_pack(const apikey_tally_t *tally)
{
    size_t                 len;
    unsigned               at;
    unsigned char         *out;
    apikey_text_t          value;
    apikey_usage_count_t   count;
    apikey_usage_latest_t  latest = { 86399, { "86399 ::1", 9 }, 0 };

    len = APIKEY_TALLY_PACKED(tally->len, latest.text.len);
    out = malloc(len);
    must(out != NULL);

    must(apikey_tally_pack(out, tally, &latest) <= len);

    value.data = (char *) out;
    value.len = APIKEY_USAGE_PACKED;
    at = 0;

    while (len >= value.len
           && apikey_usage_read(&count, &at, (apikey_text_t) { "n", 1 }, value)
              == APIKEY_OK)
    {
        must(count.amount <= APIKEY_USAGE_AMOUNT_MAX);
    }

    free(out);
}
