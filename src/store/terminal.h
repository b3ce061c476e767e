#ifndef APIKEY_TERMINAL_H
#define APIKEY_TERMINAL_H

/*
 * Text for people: what isn't UTF-8, or a character that a terminal would obey,
 * is shown as "?".
 */

#include "core/text.h"


/* Changes it in its place; returns it. */
char *text_clean(char *text);

void text_print(apikey_text_t text);

/* The columns of a terminal that text_print() takes. */
unsigned text_width(apikey_text_t text);

/* The bytes of the first character, and the columns that it takes. */
unsigned text_char(apikey_text_t text, unsigned *width);


#endif /* APIKEY_TERMINAL_H */
