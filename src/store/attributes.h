#ifndef APIKEY_ATTRIBUTES_H
#define APIKEY_ATTRIBUTES_H

/*
 * What an operator gives for a key: the fields of its record (core/record.h)
 * but for rev and the counters.  Whatever gets in here has been checked.
 */

#include "core/record.h"


/* In the order in which a new record has them. */
typedef enum {
    ATTRIBUTE_ID = 0,
    ATTRIBUTE_STATUS,
    ATTRIBUTE_NAME,
    ATTRIBUTE_PREFIX,
    ATTRIBUTE_HINT,
    ATTRIBUTE_ORG,
    ATTRIBUTE_PROJECT,
    ATTRIBUTE_SERVICE,
    ATTRIBUTE_SCOPES,
    ATTRIBUTE_PLAN,
    ATTRIBUTE_LIMITS,
    ATTRIBUTE_ALLOW,
    ATTRIBUTE_CREATED,
    ATTRIBUTE_EXPIRES,
    ATTRIBUTE_NOT_BEFORE,
    ATTRIBUTE_REVOKED,
    ATTRIBUTE_TEMPLATE,
    ATTRIBUTE_ROTATED_TO,
    ATTRIBUTE_ROTATED_FROM,
    ATTRIBUTE_COUNT
} attribute_e;


typedef struct {
    char  *value[ATTRIBUTE_COUNT];   /* allocated; NULL: absent */
} attributes_t;


/* The name of the field, of a column and of a JSON member. */
const char *attribute_name(attribute_e attribute);

/* The attribute of that name, or ATTRIBUTE_COUNT. */
attribute_e attribute_find(const char *name);

int attribute_is_time(attribute_e attribute);

/*
 * Checks and copies; empty text removes.  Times are in Unix seconds.  Returns
 * APIKEY_OK, or APIKEY_INVALID and why.
 */
int attributes_set(attributes_t *attributes, attribute_e attribute,
    apikey_text_t value, const char **why);

int attributes_set_time(attributes_t *attributes, attribute_e attribute,
    uint64_t seconds, const char **why);

/*
 * Adds to the scopes or networks, one or a list of them; what is there already
 * isn't added again.
 */
int attributes_add(attributes_t *attributes, attribute_e attribute,
    apikey_text_t list, const char **why);

/* The attribute's text, of length 0 if absent. */
apikey_text_t attributes_get(const attributes_t *attributes,
    attribute_e attribute);

/* Does it expire after its not_before, where it has both? */
int attributes_lives(const attributes_t *attributes);

/* The fields to be stored, of which there are at most ATTRIBUTE_COUNT. */
unsigned attributes_fields(const attributes_t *attributes,
    apikey_field_t *fields);

void attributes_free(attributes_t *attributes);


#endif /* APIKEY_ATTRIBUTES_H */
