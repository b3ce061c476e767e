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


int apikey_scope_check(apikey_text_t scope);

/* Every word of the list is a scope. */
int apikey_scope_list_check(apikey_text_t list);

/* Does the one granted scope cover the one required? */
int apikey_scope_covers(apikey_text_t granted, apikey_text_t required);

/* Does any word of the granted list cover the required scope? */
int apikey_scope_allows(apikey_text_t granted, apikey_text_t required);


#endif /* APIKEY_SCOPE_H */
