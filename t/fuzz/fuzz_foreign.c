#include "store/foreign.h"
#include "fuzz.h"


static int fuzz_key(void *data, entry_t *entry, unsigned line,
    const char *lost);


/* The gateway and whether there is a plan, then its file. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char       *text;
    foreign_t   foreign;

    if (size == 0) {
        return 0;
    }

    /* Its length is known, and a zero needn't follow. */

    text = (char *) fuzz_copy(data + 1, size - 1).data;

    memset(&foreign, 0, sizeof(foreign));

    foreign.now = 1700000000;
    foreign.plan = (*data & 0x80) ? "pro" : NULL;
    foreign.key = fuzz_key;
    foreign.data = NULL;

    must(foreign_read(&foreign, *data % FOREIGN_COUNT, text, size - 1) == 0);
    must(strlen(foreign.why) < sizeof(foreign.why));

    free(text);

    return 0;
}


/* A key is one that an import takes, or it is said why not. */

static int
fuzz_key(void *data, entry_t *entry, unsigned line, const char *lost)
{
    apikey_text_t  token;

    (void) data;

    must(line >= 1);
    must(lost == NULL || (*lost != '\0' && strlen(lost) < FOREIGN_LOST));
    must(entry != NULL || lost != NULL);

    if (entry == NULL || entry->why[0] != '\0') {
        must(entry == NULL || strlen(entry->why) < sizeof(entry->why));
        return 0;
    }

    token = (apikey_text_t) { entry->token, entry->token_len };

    must(!entry->hashed && apikey_token_check(token) == APIKEY_OK);
    must(attributes_get(&entry->attributes, ATTRIBUTE_SCOPES).len != 0);
    must(attributes_lives(&entry->attributes));

    return 0;
}
