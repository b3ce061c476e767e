#define _GNU_SOURCE   /* asprintf */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/scope.h"

#include "memory.h"
#include "permissions.h"


static int permissions_resource(const char *resource, json_t *actions,
    attributes_t *attributes, const char **why);
static int permissions_add(const char *resource, const char *action,
    attributes_t *attributes, const char **why);


int
permissions_read(json_t *json, attributes_t *attributes, const char **why)
{
    json_t      *permissions, *actions;
    const char  *resource;

    permissions = json_object_get(json, "permissions");

    if (!json_is_object(permissions) || json_object_size(json) != 1) {
        *why = "not like {\"permissions\":{\"projects\":"
               "[\"read\",\"write\"]}}";
        return APIKEY_INVALID;
    }

    json_object_foreach(permissions, resource, actions) {

        if (permissions_resource(resource, actions, attributes, why)
            != APIKEY_OK)
        {
            return APIKEY_INVALID;
        }
    }

    return APIKEY_OK;
}


static int
permissions_resource(const char *resource, json_t *actions,
    attributes_t *attributes, const char **why)
{
    size_t   i;
    json_t  *action;

    if (!json_is_array(actions)) {
        *why = "a resource has no list of actions";
        return APIKEY_INVALID;
    }

    json_array_foreach(actions, i, action) {

        if (!json_is_string(action)) {
            *why = "an action is not a text";
            return APIKEY_INVALID;
        }

        if (permissions_add(resource, json_string_value(action), attributes,
                            why)
            != APIKEY_OK)
        {
            return APIKEY_INVALID;
        }
    }

    return APIKEY_OK;
}


/* As one word: a space in a name makes no second scope. */

static int
permissions_add(const char *resource, const char *action,
    attributes_t *attributes, const char **why)
{
    int             rc;
    char           *scope;
    apikey_text_t   text;

    if (asprintf(&scope, "%s:%s", resource, action) == -1) {
        scope = must(NULL);
    }

    text = (apikey_text_t) { scope, strlen(scope) };
    rc = apikey_scope_check(text);

    if (rc == APIKEY_OK) {
        rc = attributes_add(attributes, ATTRIBUTE_SCOPES, text, why);

    } else {
        *why = "holds what can't be a scope: RESOURCE:ACTION, each * or "
               "1 to 64 of A-Z a-z 0-9 . _ - /";
    }

    free(scope);

    return rc;
}
