#include "store/permissions.h"
#include "core/scope.h"
#include "fuzz.h"


/* The JSON of create --permissions-json. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int             rc;
    json_t         *json;
    const char     *why;
    attributes_t    attributes;
    apikey_text_t   scopes;

    json = json_loadb((const char *) data, size, JSON_REJECT_DUPLICATES,
                      NULL);

    if (json == NULL) {
        return 0;
    }

    memset(&attributes, 0, sizeof(attributes));
    why = NULL;

    rc = permissions_read(json, &attributes, &why);
    must(rc == APIKEY_OK || why != NULL);

    scopes = attributes_get(&attributes, ATTRIBUTE_SCOPES);
    must(scopes.len <= APIKEY_SCOPES_MAX);
    must(scopes.len == 0 || apikey_scope_list_check(scopes) == APIKEY_OK);

    attributes_free(&attributes);
    json_decref(json);

    return 0;
}
