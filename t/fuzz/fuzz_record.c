#include "core/record.h"
#include "core/scope.h"
#include "core/token.h"
#include "fuzz.h"


#define FIELDS_MAX  32


static void fuzz_record(const apikey_record_t *record, const char *memory,
    size_t size);
static void fuzz_text(apikey_text_t text, int (*check)(apikey_text_t),
    const char *memory, size_t size);


/* Lines of a field's name, "=" and its value. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    void             *memory;
    size_t            len;
    unsigned          count, i;
    const char       *equals, *why;
    apikey_text_t     line;
    apikey_field_t    fields[FIELDS_MAX];
    apikey_record_t  *record;

    for (count = 0; size != 0 && count < FIELDS_MAX; count++) {
        line = fuzz_line(&data, &size);
        equals = line.len ? memchr(line.data, '=', line.len) : NULL;
        len = equals ? (size_t) (equals - line.data) : line.len;

        fields[count].name = fuzz_copy(line.data, len);
        len += equals != NULL;
        fields[count].value = fuzz_copy(line.data + len, line.len - len);
        fuzz_free(line);
    }

    len = apikey_record_size(fields, count);
    memory = malloc(len);
    must(memory != NULL);

    why = NULL;
    i = apikey_record_parse(&record, memory, fields, count, &why)
        == APIKEY_OK;
    must(i || why != NULL);

    if (i) {

        /* What the record says must not need the fields any more. */

        for (i = 0; i < count; i++) {
            memset((char *) fields[i].value.data, 0xff, fields[i].value.len);
        }

        must((void *) record == memory);
        fuzz_record(record, memory, len);
    }

    for (i = 0; i < count; i++) {
        fuzz_free(fields[i].name);
        fuzz_free(fields[i].value);
    }

    free(memory);

    return 0;
}


static void
fuzz_record(const apikey_record_t *r, const char *memory, size_t size)
{
    uint64_t              now;
    unsigned              i;
    const char           *end;
    static unsigned char  v4[4];

    must(r->rev.len != 0 && r->id.len != 0);

    fuzz_text(r->rev, NULL, memory, size);
    fuzz_text(r->id, apikey_token_id_check, memory, size);
    fuzz_text(r->name, apikey_name_check, memory, size);
    fuzz_text(r->prefix, apikey_token_prefix_check, memory, size);
    fuzz_text(r->org, apikey_label_check, memory, size);
    fuzz_text(r->project, apikey_label_check, memory, size);
    fuzz_text(r->service, apikey_label_check, memory, size);
    fuzz_text(r->scopes, apikey_scope_list_check, memory, size);
    fuzz_text(r->plan, apikey_label_check, memory, size);
    fuzz_text(r->template, apikey_label_check, memory, size);
    fuzz_text(r->rotated_to, apikey_token_id_check, memory, size);
    fuzz_text(r->rotated_from, apikey_token_id_check, memory, size);

    must(r->scopes.len <= APIKEY_SCOPES_MAX);
    must(r->allow_count <= APIKEY_ALLOW_MAX);
    must(apikey_status_name(r->status) != NULL);

    end = memory + size;

    if (r->allow_count != 0) {
        must((char *) r->allow >= memory + sizeof(apikey_record_t));
        must((char *) (r->allow + r->allow_count) <= end);
    }

    for (i = 0; i < r->allow_count; i++) {
        must(apikey_record_allows(r, r->allow[i].addr, 16));
    }

    must(r->allow_count != 0 || apikey_record_allows(r, v4, 4));

    for (now = 0; now <= 1; now++) {
        if (apikey_record_usable(r, now) == APIKEY_USABLE) {
            must(r->status == APIKEY_ACTIVE);
            must(r->expires == 0 || r->expires > now);
            must(r->not_before <= now);
        }
    }
}


static void
fuzz_text(apikey_text_t text, int (*check)(apikey_text_t), const char *memory,
    size_t size)
{
    if (text.len == 0) {
        return;
    }

    must(text.data >= memory + sizeof(apikey_record_t));
    must(text.data + text.len <= memory + size);
    must(check == NULL || check(text) == APIKEY_OK);
}
