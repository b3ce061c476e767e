#include <string.h>

#include "view.h"


static void redis_view_element(apikey_slots_view_t *view, const void *list,
    size_t i);


void
redis_view(apikey_slots_view_t *view, const redisReply *reply)
{
    memset(view, 0, sizeof(apikey_slots_view_t));

    switch (reply->type) {

    case REDIS_REPLY_NIL:
        view->type = APIKEY_SLOTS_NIL;
        break;

    case REDIS_REPLY_INTEGER:
        view->type = APIKEY_SLOTS_INTEGER;
        view->integer = reply->integer;
        break;

    case REDIS_REPLY_STRING:
        view->type = APIKEY_SLOTS_TEXT;
        view->text.data = reply->str;
        view->text.len = reply->len;
        break;

    case REDIS_REPLY_ARRAY:
        view->type = APIKEY_SLOTS_LIST;
        view->count = reply->elements;
        view->element = redis_view_element;
        view->list = reply;
        break;
    }

    /* a status or an error is of no place in a map: APIKEY_SLOTS_OTHER */
}


static void
redis_view_element(apikey_slots_view_t *view, const void *list, size_t i)
{
    const redisReply *reply = list;

    redis_view(view, reply->element[i]);
}
