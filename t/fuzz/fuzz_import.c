#include "store/entry.h"
#include "core/scope.h"
#include "fuzz.h"


typedef struct {
    const uint8_t  *data;
    size_t          size;
    size_t          step;     /* bytes at once */
} fuzz_file_t;


static ssize_t fuzz_read(void *data, char *buf, size_t size);
static uint64_t fuzz_import(const uint8_t *data, size_t size, size_t step);
static void fuzz_row(const rows_t *row);
static int fuzz_entry(const entry_t *entry);
static uint64_t fuzz_sum(uint64_t sum, const void *data, size_t len);


/* The format and the bytes at once, then a file. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }

    /* However it comes, it is the same. */

    must(fuzz_import(data, size, 1 + (*data >> 2))
         == fuzz_import(data, size, 100000));

    return 0;
}


static uint64_t
fuzz_import(const uint8_t *data, size_t size, size_t step)
{
    int               rc;
    char              why[ENTRY_WHY];
    rows_t            rows;
    uint64_t          sum;
    unsigned          begun, line;
    entry_t           entry;
    fuzz_file_t       file;
    rows_format_e     format;
    entry_columns_t   columns;

    format = *data % 3;
    file = (fuzz_file_t) { data + 1, size - 1, step };
    rows_init(&rows, format, fuzz_read, &file);

    sum = 0;
    begun = 0;
    line = 0;

    while (rows_next(&rows) == 1) {
        must(rows.format != ROWS_ANY);
        must(rows.line >= line && rows.next >= rows.line);
        must(rows.line > line || rows.format == ROWS_JSON);
        line = rows.line;

        fuzz_row(&rows);
        sum = fuzz_sum(sum, rows.fields[0].data, rows.len);
        sum = fuzz_sum(sum, &rows.count, sizeof(rows.count));

        if (rows.why != NULL) {
            continue;
        }

        if (rows.format == ROWS_CSV && !begun) {
            columns.skip = *data & 1;
            memset(why, 0xff, sizeof(why));
            rc = entry_columns(&columns, &rows, why);
            must(rc == APIKEY_OK || strlen(why) < sizeof(why));

            begun = 1;

            if (rc != APIKEY_OK) {
                break;
            }

            continue;
        }

        rc = (rows.format == ROWS_CSV) ? entry_csv(&entry, &columns, &rows)
                                       : entry_json(&entry, &rows, *data & 1);

        must(rc == APIKEY_OK ? fuzz_entry(&entry)
                             : strlen(entry.why) < sizeof(entry.why)
                               && entry.why[0] != '\0');

        attributes_free(&entry.attributes);
        sum = fuzz_sum(sum, &rc, sizeof(rc));
    }

    must(rows.source.taken <= size);
    rows_free(&rows);

    return sum;
}


static ssize_t
fuzz_read(void *data, char *buf, size_t size)
{
    fuzz_file_t *file = data;

    size_t  n;

    n = (file->step < size) ? file->step : size;
    n = (n < file->size) ? n : file->size;

    memcpy(buf, file->data, n);
    file->data += n;
    file->size -= n;

    return n;
}


static void
fuzz_row(const rows_t *row)
{
    unsigned     i;
    const char  *end;

    must(row->count > 0 && row->count <= ROWS_FIELDS);
    must(row->len <= ROWS_SIZE);
    must(row->format == ROWS_CSV || row->count == 1);

    end = row->text;

    for (i = 0; i < row->count; i++) {
        must(row->fields[i].data == end);
        end += row->fields[i].len;
    }

    must(end == row->text + row->len);
}


/* What an import lets in, every gateway can read. */

static int
fuzz_entry(const entry_t *entry)
{
    void             *memory;
    unsigned          n;
    const char       *why;
    apikey_field_t    fields[ATTRIBUTE_COUNT + 3];
    apikey_record_t  *record;

    must(entry->hashed != (entry->token_len != 0));
    must(entry->hashed
         || apikey_token_check((apikey_text_t) { entry->token,
                                                 entry->token_len })
            == APIKEY_OK);

    n = attributes_fields(&entry->attributes, fields);

    if (entry->attributes.value[ATTRIBUTE_ID] == NULL) {
        fields[n].name = (apikey_text_t) apikey_text("id");
        fields[n++].value = (apikey_text_t) apikey_text("id");
    }

    if (entry->attributes.value[ATTRIBUTE_STATUS] == NULL) {
        fields[n].name = (apikey_text_t) apikey_text("status");
        fields[n++].value = (apikey_text_t) apikey_text("active");
    }

    fields[n].name = (apikey_text_t) apikey_text("rev");
    fields[n++].value = (apikey_text_t) apikey_text("1");

    memory = malloc(apikey_record_size(fields, n));
    must(memory != NULL);

    must(apikey_record_parse(&record, memory, fields, n, &why)
         == APIKEY_OK);

    free(memory);

    return 1;
}


static uint64_t
fuzz_sum(uint64_t sum, const void *data, size_t len)
{
    const uint8_t  *p;

    for (p = data; len != 0; len--) {
        sum = (sum ^ *p++) * 0x100000001b3;
    }

    return sum + 1;
}
