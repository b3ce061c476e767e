#define _GNU_SOURCE   /* wcwidth */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "memory.h"
#include "terminal.h"


static int text_obeyed(uint32_t c);


char *
text_clean(char *text)
{
    char           *p;
    unsigned        n;
    uint32_t        c;
    apikey_text_t   rest;

    rest = (apikey_text_t) { text, strlen(text) };

    for (p = text; rest.len != 0; p += n) {
        n = apikey_text_char(rest, &c);

        if (n == 0) {
            n = 1;
            *p = '?';

        } else if (text_obeyed(c)) {
            memset(p, '?', n);
        }

        rest.data += n;
        rest.len -= n;
    }

    return text;
}


void
text_print(apikey_text_t text)
{
    char  *clean;

    if (text.len != 0) {
        clean = text_clean(must(strndup(text.data, text.len)));
        fputs(clean, stdout);
        free(clean);
    }
}


unsigned
text_width(apikey_text_t text)
{
    unsigned  n, width, total;

    for (total = 0; text.len != 0; total += width) {
        n = text_char(text, &width);

        text.data += n;
        text.len -= n;
    }

    return total;
}


unsigned
text_char(apikey_text_t text, unsigned *width)
{
    int       columns;
    unsigned  n;
    uint32_t  c;

    n = apikey_text_char(text, &c);

    if (n == 0) {
        *width = 1;
        return 1;
    }

    if (text_obeyed(c)) {
        *width = n;
        return n;
    }

    /* -1: the C library doesn't know it. */

    columns = wcwidth((wchar_t) c);
    *width = (columns < 0) ? 1 : columns;

    return n;
}


/* Controls, and what turns the direction of all that follows in the line. */

static int
text_obeyed(uint32_t c)
{
    return apikey_text_is_control(c)
           || (c >= 0x202a && c <= 0x202e)
           || (c >= 0x2066 && c <= 0x2069);
}
