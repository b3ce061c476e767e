#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/scope.h"
#include "core/token.h"

#include "attributes.h"
#include "dates.h"
#include "memory.h"


typedef int (*attribute_check_pt)(apikey_text_t value, const char **why);


static int attribute_check_id(apikey_text_t value, const char **why);
static int attribute_check_status(apikey_text_t value, const char **why);
static int attribute_check_name(apikey_text_t value, const char **why);
static int attribute_check_prefix(apikey_text_t value, const char **why);
static int attribute_check_hint(apikey_text_t value, const char **why);
static int attribute_check_label(apikey_text_t value, const char **why);
static int attribute_check_scopes(apikey_text_t value, const char **why);
static int attribute_check_limits(apikey_text_t value, const char **why);
static int attribute_check_allow(apikey_text_t value, const char **why);
static int attribute_check_time(apikey_text_t value, const char **why);
static int attribute_has_word(const char *list, apikey_text_t word);


static const struct {
    const char          *name;
    attribute_check_pt   check;
} attribute_table[] = {
    [ATTRIBUTE_ID] =           { "id", attribute_check_id },
    [ATTRIBUTE_STATUS] =       { "status", attribute_check_status },
    [ATTRIBUTE_NAME] =         { "name", attribute_check_name },
    [ATTRIBUTE_PREFIX] =       { "prefix", attribute_check_prefix },
    [ATTRIBUTE_HINT] =         { "hint", attribute_check_hint },
    [ATTRIBUTE_ORG] =          { "org", attribute_check_label },
    [ATTRIBUTE_PROJECT] =      { "project", attribute_check_label },
    [ATTRIBUTE_SERVICE] =      { "service", attribute_check_label },
    [ATTRIBUTE_SCOPES] =       { "scopes", attribute_check_scopes },
    [ATTRIBUTE_PLAN] =         { "plan", attribute_check_label },
    [ATTRIBUTE_LIMITS] =       { "limits", attribute_check_limits },
    [ATTRIBUTE_ALLOW] =        { "allow", attribute_check_allow },
    [ATTRIBUTE_CREATED] =      { "created", attribute_check_time },
    [ATTRIBUTE_EXPIRES] =      { "expires", attribute_check_time },
    [ATTRIBUTE_NOT_BEFORE] =   { "not_before", attribute_check_time },
    [ATTRIBUTE_REVOKED] =      { "revoked", attribute_check_time },
    [ATTRIBUTE_TEMPLATE] =     { "template", attribute_check_label },
    [ATTRIBUTE_ROTATED_TO] =   { "rotated_to", attribute_check_id },
    [ATTRIBUTE_ROTATED_FROM] = { "rotated_from", attribute_check_id },
};


const char *
attribute_name(attribute_e attribute)
{
    return attribute_table[attribute].name;
}


attribute_e
attribute_find(const char *name)
{
    attribute_e  i;

    for (i = 0; i < ATTRIBUTE_COUNT; i++) {
        if (strcmp(attribute_table[i].name, name) == 0) {
            break;
        }
    }

    return i;
}


int
attribute_is_time(attribute_e attribute)
{
    return attribute_table[attribute].check == attribute_check_time;
}


int
attributes_set(attributes_t *attributes, attribute_e attribute,
    apikey_text_t value, const char **why)
{
    char             text[APIKEY_LIMITS_TEXT];
    apikey_limits_t  limits;

    if (value.len != 0
        && attribute_table[attribute].check(value, why) != APIKEY_OK)
    {
        return APIKEY_INVALID;
    }

    if (value.len != 0 && attribute == ATTRIBUTE_LIMITS) {

        if (apikey_limits_parse(&limits, value, why) != APIKEY_OK) {
            return APIKEY_INVALID;
        }

        value.len = apikey_limits_format(text, &limits);
        value.data = text;
    }

    free(attributes->value[attribute]);
    attributes->value[attribute] = NULL;

    if (value.len != 0) {
        attributes->value[attribute] = must(strndup(value.data, value.len));
    }

    return APIKEY_OK;
}


int
attributes_set_time(attributes_t *attributes, attribute_e attribute,
    uint64_t seconds, const char **why)
{
    char  text[32];
    int   n;

    n = snprintf(text, sizeof(text), "%" PRIu64, seconds);

    return attributes_set(attributes, attribute,
                          (apikey_text_t) { text, n }, why);
}


int
attributes_add(attributes_t *attributes, attribute_e attribute,
    apikey_text_t list, const char **why)
{
    int             rc;
    char           *sum;
    size_t          len;
    const char     *old;
    apikey_text_t   word;

    old = attributes->value[attribute];
    len = old ? strlen(old) : 0;

    sum = must(malloc(len + 1 + list.len + 1));
    memcpy(sum, old ? old : "", len + 1);

    for ( ;; ) {
        word = apikey_text_word(&list);

        if (word.len == 0) {
            break;
        }

        if (attribute_has_word(sum, word)) {
            continue;
        }

        if (len != 0) {
            sum[len++] = ' ';
        }

        memcpy(sum + len, word.data, word.len);
        len += word.len;
        sum[len] = '\0';
    }

    rc = attributes_set(attributes, attribute, (apikey_text_t) { sum, len },
                        why);
    free(sum);

    return rc;
}


apikey_text_t
attributes_get(const attributes_t *attributes, attribute_e attribute)
{
    const char  *value;

    value = attributes->value[attribute];

    return (apikey_text_t) { value, value ? strlen(value) : 0 };
}


int
attributes_lives(const attributes_t *attributes)
{
    uint64_t  expires, not_before;

    return apikey_text_number(attributes_get(attributes, ATTRIBUTE_EXPIRES),
                              DATES_MAX, &expires)
           != APIKEY_OK
           || apikey_text_number(attributes_get(attributes,
                                                ATTRIBUTE_NOT_BEFORE),
                                 DATES_MAX, &not_before)
              != APIKEY_OK
           || not_before < expires;
}


unsigned
attributes_fields(const attributes_t *attributes, apikey_field_t *fields)
{
    unsigned     n;
    attribute_e  i;

    n = 0;

    for (i = 0; i < ATTRIBUTE_COUNT; i++) {

        if (attributes->value[i] != NULL) {
            fields[n].name.data = attribute_table[i].name;
            fields[n].name.len = strlen(attribute_table[i].name);
            fields[n].value = attributes_get(attributes, i);
            n++;
        }
    }

    return n;
}


void
attributes_free(attributes_t *attributes)
{
    unsigned  i;

    for (i = 0; i < ATTRIBUTE_COUNT; i++) {
        free(attributes->value[i]);
        attributes->value[i] = NULL;
    }
}


static int
attribute_check_id(apikey_text_t value, const char **why)
{
    *why = "an id is 1 to 64 of A-Z a-z 0-9 . _ -";

    return apikey_token_id_check(value);
}


static int
attribute_check_status(apikey_text_t value, const char **why)
{
    apikey_status_e  i;
    const char      *name;

    for (i = APIKEY_ACTIVE; i <= APIKEY_REVOKED; i++) {
        name = apikey_status_name(i);

        if (apikey_text_equal(value,
                              (apikey_text_t) { name, strlen(name) }))
        {
            return APIKEY_OK;
        }
    }

    *why = "a status is active, disabled or revoked";

    return APIKEY_INVALID;
}


static int
attribute_check_name(apikey_text_t value, const char **why)
{
    *why = "a name is 1 to 256 bytes of UTF-8 without control characters";

    return apikey_name_check(value);
}


static int
attribute_check_prefix(apikey_text_t value, const char **why)
{
    *why = "a prefix is 1 to 32 of a-z 0-9 _";

    return apikey_token_prefix_check(value);
}


static int
attribute_check_hint(apikey_text_t value, const char **why)
{
    *why = "a hint is the last 4 characters of a key";

    return (value.len == APIKEY_HINT_SIZE) ? apikey_token_check(value)
                                           : APIKEY_INVALID;
}


static int
attribute_check_label(apikey_text_t value, const char **why)
{
    *why = "a label is 1 to 64 printable ASCII characters without space, "
           "quotes, braces, comma and backslash";

    return apikey_label_check(value);
}


static int
attribute_check_scopes(apikey_text_t value, const char **why)
{
    if (value.len > APIKEY_SCOPES_MAX) {
        *why = "the scopes are longer than 4096 bytes together";
        return APIKEY_INVALID;
    }

    *why = "a scope is RESOURCE:ACTION, each * or 1 to 64 of "
           "A-Z a-z 0-9 . _ - /";

    return apikey_scope_list_check(value);
}


static int
attribute_check_limits(apikey_text_t value, const char **why)
{
    apikey_limits_t  limits;

    if (apikey_limits_parse(&limits, value, why) != APIKEY_OK) {
        return APIKEY_INVALID;
    }

    if (limits.count == 0) {
        *why = "no limit like 60r/m is among them";
        return APIKEY_INVALID;
    }

    return APIKEY_OK;
}


static int
attribute_check_allow(apikey_text_t value, const char **why)
{
    unsigned          n;
    apikey_text_t     word;
    apikey_network_t  network;

    for (n = 0; /* void */ ; n++) {
        word = apikey_text_word(&value);

        if (word.len == 0) {
            return APIKEY_OK;
        }

        if (n == APIKEY_ALLOW_MAX) {
            *why = "more than 64 networks";
            return APIKEY_INVALID;
        }

        if (apikey_network_parse(&network, word, why) != APIKEY_OK) {
            return APIKEY_INVALID;
        }
    }
}


static int
attribute_check_time(apikey_text_t value, const char **why)
{
    uint64_t  seconds;

    *why = "a time is not after the year 9999, in Unix seconds";

    if (apikey_text_number(value, DATES_MAX, &seconds) != APIKEY_OK
        || seconds == 0)
    {
        return APIKEY_INVALID;
    }

    return APIKEY_OK;
}


static int
attribute_has_word(const char *list, apikey_text_t word)
{
    apikey_text_t  rest, other;

    rest = (apikey_text_t) { list, strlen(list) };

    for ( ;; ) {
        other = apikey_text_word(&rest);

        if (other.len == 0) {
            return 0;
        }

        if (apikey_text_equal(other, word)) {
            return 1;
        }
    }
}
