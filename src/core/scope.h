#ifndef APIKEY_SCOPE_H
#define APIKEY_SCOPE_H

/*
 * A scope is RESOURCE:ACTION, each "*" or 1 to 64 of A-Z a-z 0-9 . _ - / .
 * A list of scopes is text, separated by single spaces.
 *
 * A granted "*" covers anything on its side; a required "*" is covered by
 * nothing but "*".
 */

#include "text.h"

#define APIKEY_SCOPE_PART_MAX  64


/* What a method does to a resource. */
typedef enum {
    APIKEY_ACTION_READ = 0,
    APIKEY_ACTION_WRITE,
    APIKEY_ACTION_DELETE,
    APIKEY_ACTION_ANY,         /* of methods that aren't known */
    APIKEY_ACTIONS
} apikey_action_e;


int apikey_scope_check(apikey_text_t scope);

/* Every word of the list is a scope. */
int apikey_scope_list_check(apikey_text_t list);

/* Does the one granted scope cover the one required? */
int apikey_scope_covers(apikey_text_t granted, apikey_text_t required);

/* Does any word of the granted list cover the required scope? */
int apikey_scope_allows(apikey_text_t granted, apikey_text_t required);

apikey_action_e apikey_scope_action(apikey_text_t method);

/* As a scope has it. */
const char *apikey_scope_action_name(apikey_action_e action);


#endif /* APIKEY_SCOPE_H */
