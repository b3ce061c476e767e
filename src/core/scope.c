#include <string.h>

#include "scope.h"


typedef struct {
    apikey_text_t  resource;
    apikey_text_t  action;
} apikey_scope_t;


static int apikey_scope_split(apikey_scope_t *scope, apikey_text_t text);
static int apikey_scope_part_check(apikey_text_t part);
static int apikey_scope_match(apikey_text_t granted,
    const apikey_scope_t *required);


int
apikey_scope_check(apikey_text_t text)
{
    apikey_scope_t  scope;

    if (apikey_scope_split(&scope, text) != APIKEY_OK
        || apikey_scope_part_check(scope.resource) != APIKEY_OK)
    {
        return APIKEY_INVALID;
    }

    return apikey_scope_part_check(scope.action);
}


int
apikey_scope_list_check(apikey_text_t list)
{
    const char     *end;
    apikey_text_t   word;

    if (list.len == 0) {
        return APIKEY_OK;
    }

    end = list.data + list.len;

    for ( ;; ) {

        /* A second space, or one at either end, makes this word empty. */

        word.data = list.data;

        while (list.data < end && *list.data != ' ') {
            list.data++;
        }

        word.len = list.data - word.data;

        if (apikey_scope_check(word) != APIKEY_OK) {
            return APIKEY_INVALID;
        }

        if (list.data == end) {
            return APIKEY_OK;
        }

        list.data++;
    }
}


int
apikey_scope_covers(apikey_text_t granted, apikey_text_t required)
{
    apikey_scope_t  scope;

    return apikey_scope_split(&scope, required) == APIKEY_OK
           && apikey_scope_match(granted, &scope);
}


int
apikey_scope_allows(apikey_text_t granted, apikey_text_t required)
{
    apikey_text_t   word;
    apikey_scope_t  scope;

    if (apikey_scope_split(&scope, required) != APIKEY_OK) {
        return 0;
    }

    for ( ;; ) {
        word = apikey_text_word(&granted);

        if (word.len == 0) {
            return 0;
        }

        if (apikey_scope_match(word, &scope)) {
            return 1;
        }
    }
}


apikey_action_e
apikey_scope_action(apikey_text_t method)
{
    size_t  i;

    static const struct {
        apikey_text_t    method;
        apikey_action_e  action;
    } actions[] = {
        { apikey_text("GET"), APIKEY_ACTION_READ },
        { apikey_text("HEAD"), APIKEY_ACTION_READ },
        { apikey_text("OPTIONS"), APIKEY_ACTION_READ },
        { apikey_text("POST"), APIKEY_ACTION_WRITE },
        { apikey_text("PUT"), APIKEY_ACTION_WRITE },
        { apikey_text("PATCH"), APIKEY_ACTION_WRITE },
        { apikey_text("DELETE"), APIKEY_ACTION_DELETE }
    };

    for (i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
        if (apikey_text_equal(actions[i].method, method)) {
            return actions[i].action;
        }
    }

    return APIKEY_ACTION_ANY;
}


const char *
apikey_scope_action_name(apikey_action_e action)
{
    static const char  *names[] = { "read", "write", "delete", "*" };

    return names[action];
}


static int
apikey_scope_split(apikey_scope_t *scope, apikey_text_t text)
{
    const char  *colon;

    if (text.len == 0) {
        return APIKEY_INVALID;
    }

    colon = memchr(text.data, ':', text.len);
    if (colon == NULL) {
        return APIKEY_INVALID;
    }

    scope->resource.data = text.data;
    scope->resource.len = colon - text.data;

    scope->action.data = colon + 1;
    scope->action.len = text.len - scope->resource.len - 1;

    return APIKEY_OK;
}


static int
apikey_scope_part_check(apikey_text_t part)
{
    size_t         i;
    unsigned char  c;

    if (part.len == 0 || part.len > APIKEY_SCOPE_PART_MAX) {
        return APIKEY_INVALID;
    }

    if (part.len == 1 && part.data[0] == '*') {
        return APIKEY_OK;
    }

    for (i = 0; i < part.len; i++) {
        c = part.data[i];

        /* "-", "." and "/" stand before "0" */

        if ((c < '-' || c > '9') && (c < 'A' || c > 'Z') && c != '_'
            && (c < 'a' || c > 'z'))
        {
            return APIKEY_INVALID;
        }
    }

    return APIKEY_OK;
}


static int
apikey_scope_match(apikey_text_t granted, const apikey_scope_t *required)
{
    size_t         len;
    apikey_text_t  action;

    len = required->resource.len;

    if (granted.len > 2 && granted.data[0] == '*' && granted.data[1] == ':') {
        len = 1;

    } else if (granted.len <= len || granted.data[len] != ':'
               || memcmp(granted.data, required->resource.data, len) != 0)
    {
        return 0;
    }

    action.data = granted.data + len + 1;
    action.len = granted.len - len - 1;

    if (action.len == 1 && action.data[0] == '*') {
        return 1;
    }

    return apikey_text_equal(action, required->action);
}
