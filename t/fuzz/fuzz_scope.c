#include "core/scope.h"
#include "fuzz.h"


static int fuzz_any_covers(apikey_text_t list, apikey_text_t required);
static int fuzz_all_good(apikey_text_t list);


/* A granted list, a newline, a required scope. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int            allows;
    apikey_text_t  granted, required;

    const apikey_text_t  everything = apikey_text("*:*");

    granted = fuzz_line(&data, &size);
    required = fuzz_line(&data, &size);

    allows = apikey_scope_allows(granted, required);
    must(allows == fuzz_any_covers(granted, required));

    if (apikey_scope_list_check(granted) == APIKEY_OK) {
        must(fuzz_all_good(granted));
    }

    if (apikey_scope_check(required) == APIKEY_OK) {
        must(apikey_scope_list_check(required) == APIKEY_OK);
        must(apikey_scope_covers(required, required));
        must(apikey_scope_covers(everything, required));
        must(apikey_scope_covers(required, everything)
             == apikey_text_equal(required, everything));
    }

    fuzz_free(granted);
    fuzz_free(required);

    return 0;
}


static int
fuzz_any_covers(apikey_text_t list, apikey_text_t required)
{
    int            any;
    apikey_text_t  word, copy;

    any = 0;

    for ( ;; ) {
        word = apikey_text_word(&list);

        if (word.len == 0) {
            return any;
        }

        copy = fuzz_copy(word.data, word.len);
        any |= apikey_scope_covers(copy, required);
        fuzz_free(copy);
    }
}


static int
fuzz_all_good(apikey_text_t list)
{
    size_t         words, spaces, i;
    apikey_text_t  word;

    spaces = 0;

    for (i = 0; i < list.len; i++) {
        spaces += list.data[i] == ' ';
    }

    for (words = 0; /* void */ ; words++) {
        word = apikey_text_word(&list);

        if (word.len == 0) {
            break;
        }

        if (apikey_scope_check(word) != APIKEY_OK) {
            return 0;
        }
    }

    return words == 0 ? spaces == 0 : spaces == words - 1;
}
