#include <string.h>

#include "text.h"


static int apikey_text_alike(char a, char b);


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


unsigned
apikey_text_distance(apikey_text_t a, apikey_text_t b)
{
    size_t    i, j;
    unsigned  cost, best, rows[3][APIKEY_TEXT_NEAR + 1];
    unsigned *above, *last, *row;

    a.len = (a.len < APIKEY_TEXT_NEAR) ? a.len : APIKEY_TEXT_NEAR;
    b.len = (b.len < APIKEY_TEXT_NEAR) ? b.len : APIKEY_TEXT_NEAR;

    for (j = 0; j <= b.len; j++) {
        rows[0][j] = j;
    }

    for (i = 1; i <= a.len; i++) {
        row = rows[i % 3];
        last = rows[(i + 2) % 3];
        above = rows[(i + 1) % 3];

        row[0] = i;

        for (j = 1; j <= b.len; j++) {
            cost = !apikey_text_alike(a.data[i - 1], b.data[j - 1]);
            best = last[j - 1] + cost;

            if (last[j] + 1 < best) {
                best = last[j] + 1;
            }

            if (row[j - 1] + 1 < best) {
                best = row[j - 1] + 1;
            }

            if (i > 1
                && j > 1
                && apikey_text_alike(a.data[i - 1], b.data[j - 2])
                && apikey_text_alike(a.data[i - 2], b.data[j - 1])
                && above[j - 2] + 1 < best)
            {
                best = above[j - 2] + 1;
            }

            row[j] = best;
        }
    }

    return rows[a.len % 3][b.len];
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


unsigned
apikey_text_char(apikey_text_t text, uint32_t *c)
{
    unsigned              i, n;
    uint32_t              least;
    const unsigned char  *p;

    p = (const unsigned char *) text.data;

    if (text.len == 0) {
        return 0;
    }

    if (p[0] < 0x80) {
        *c = p[0];
        return 1;
    }

    if (p[0] >= 0xc0 && p[0] < 0xe0) {
        n = 2;
        least = 0x80;

    } else if (p[0] >= 0xe0 && p[0] < 0xf0) {
        n = 3;
        least = 0x800;

    } else if (p[0] >= 0xf0 && p[0] < 0xf8) {
        n = 4;
        least = 0x10000;

    } else {
        return 0;
    }

    if (n > text.len) {
        return 0;
    }

    *c = p[0] & (0x7f >> n);

    for (i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }

        *c = *c << 6 | (p[i] & 0x3f);
    }

    if (*c < least || *c > 0x10ffff || (*c >= 0xd800 && *c <= 0xdfff)) {
        return 0;
    }

    return n;
}


int
apikey_text_is_control(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0);
}


static int
apikey_text_alike(char a, char b)
{
    a |= (a >= 'A' && a <= 'Z') ? 0x20 : 0;
    b |= (b >= 'A' && b <= 'Z') ? 0x20 : 0;

    return a == b;
}
