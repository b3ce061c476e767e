#include "json.h"


json_t *
json_text(apikey_text_t text)
{
    json_t  *json;

    json = text.len ? json_stringn(text.data, text.len) : NULL;

    return json ? json : json_null();
}


json_t *
json_words(apikey_text_t list)
{
    json_t         *array;
    apikey_text_t   word;

    array = json_array();

    for ( ;; ) {
        word = apikey_text_word(&list);

        if (word.len == 0) {
            return array;
        }

        json_array_append_new(array, json_stringn(word.data, word.len));
    }
}
