#include "core/usage.h"
#include "fuzz.h"


static void fuzz_field(apikey_text_t name, apikey_text_t value);
static void fuzz_tally(apikey_text_t packed);


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
    apikey_usage_field_t   field;

    if (apikey_usage_read(&field, name, value) == APIKEY_OK) {
        must(field.label.len == name.len - 1);
        must(field.bucket < APIKEY_USAGE_BUCKETS);
        must(field.count <= INT64_MAX);
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
    int                  rc;
    uint64_t             amount, taken, added;
    apikey_text_t        label;
    unsigned char       *out;
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
            rc = apikey_tally_add(&tally, kind, label, amount);
            must(tally.len <= tally.size);
            taken += (rc == APIKEY_OK) ? amount : 0;
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

    out = malloc(APIKEY_TALLY_PACKED(tally.len));
    must(out != NULL);
    must(apikey_tally_pack(out, &tally) <= APIKEY_TALLY_PACKED(tally.len));
    free(out);

    free(tally.data);
}
