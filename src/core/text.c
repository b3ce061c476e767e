#include <string.h>

#include "text.h"


apikey_text_t
apikey_text_word(apikey_text_t *list)
{
    const char     *p, *end;
    apikey_text_t   word;

    if (list->len == 0) {
        return *list;
    }

    p = list->data;
    end = p + list->len;

    while (p < end && *p == ' ') {
        p++;
    }

    word.data = p;

    while (p < end && *p != ' ') {
        p++;
    }

    word.len = p - word.data;

    list->data = p;
    list->len = end - p;

    return word;
}


int
apikey_text_equal(apikey_text_t a, apikey_text_t b)
{
    return a.len == b.len
           && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}


int
apikey_text_number(apikey_text_t text, uint64_t max, uint64_t *value)
{
    size_t    i;
    uint64_t  n;
    unsigned  digit;

    if (text.len == 0) {
        return APIKEY_INVALID;
    }

    n = 0;

    for (i = 0; i < text.len; i++) {
        digit = (unsigned char) text.data[i] - (unsigned) '0';

        if (digit > 9 || digit > max || n > (max - digit) / 10) {
            return APIKEY_INVALID;
        }

        n = n * 10 + digit;
    }

    *value = n;

    return APIKEY_OK;
}
