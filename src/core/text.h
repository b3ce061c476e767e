#ifndef APIKEY_TEXT_H
#define APIKEY_TEXT_H

#include <stddef.h>
#include <stdint.h>


/* A piece of text that somebody else owns; not terminated by a zero. */
typedef struct {
    const char  *data;
    size_t       len;
} apikey_text_t;


/*
 * What the parsers and the checks (..._check) of this folder return; questions
 * (..._equal, _covers, _allows, _contains) answer 1 or 0.  A parser that fails
 * with APIKEY_INVALID leaves its result undefined and, where it takes a "why",
 * points it at a static sentence in lower case without a full stop.
 */
#define APIKEY_OK        0
#define APIKEY_INVALID  -1


#define apikey_text(s)  { s, sizeof(s) - 1 }


/* The next word of the list, words being separated by spaces, or length 0 at
   the end.  *list is moved behind the word. */
apikey_text_t apikey_text_word(apikey_text_t *list);

int apikey_text_equal(apikey_text_t a, apikey_text_t b);

/*
 * How many letters of one differ, are missing, are too many or changed places
 * with their neighbour, to make it the other; the case of letters is none.  Of
 * texts of more than APIKEY_TEXT_NEAR bytes only the beginning counts.
 */
#define APIKEY_TEXT_NEAR  64
unsigned apikey_text_distance(apikey_text_t a, apikey_text_t b);

/* Decimal digits only, no sign, no more than max; APIKEY_INVALID otherwise. */
int apikey_text_number(apikey_text_t text, uint64_t max, uint64_t *value);

/* The bytes of its first character, whose code is *c then; 0: not UTF-8. */
unsigned apikey_text_char(apikey_text_t text, uint32_t *c);

/* Is that code one of C0, C1 or DEL, which a terminal obeys? */
int apikey_text_is_control(uint32_t c);


#endif /* APIKEY_TEXT_H */
