#ifndef APIKEY_STORE_PERMISSIONS_H
#define APIKEY_STORE_PERMISSIONS_H

/* Scopes as {"permissions":{"projects":["read","write"],"users":["read"]}} */

#include <jansson.h>

#include "attributes.h"


/* Adds them to the scopes: APIKEY_OK, or APIKEY_INVALID and why. */
int permissions_read(json_t *json, attributes_t *attributes,
    const char **why);


#endif /* APIKEY_STORE_PERMISSIONS_H */
