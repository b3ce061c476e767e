#ifndef APIKEY_JSON_H
#define APIKEY_JSON_H

#include <jansson.h>

#include "core/text.h"


/* A text that is absent, or isn't UTF-8, is null. */
json_t *json_text(apikey_text_t text);

/* The words of a list, as an array. */
json_t *json_words(apikey_text_t list);


#endif /* APIKEY_JSON_H */
