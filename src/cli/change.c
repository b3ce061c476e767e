#include <stdlib.h>
#include <string.h>

#include "change.h"
#include "confirm.h"


void
change_set(change_t *change, attribute_e attribute, apikey_text_t value)
{
    apikey_field_t  *field;

    field = &change->fields[change->count++];

    field->name = store_text(attribute_name(attribute));
    field->value = value;
}


int
change_key(cli_t *cli, stored_t **stored, change_decide_pt decide,
    void *data)
{
    int             rc;
    change_t        change;
    store_rc_e      done, read;
    unsigned char   digest[APIKEY_DIGEST_SIZE];

    memcpy(digest, (*stored)->digest, APIKEY_DIGEST_SIZE);

    do {
        if (!change_expected(cli, *stored)) {
            return CLI_REFUSED;
        }

        change.count = 0;
        rc = decide(cli, *stored, &change, data);

        if (rc != CLI_DONE && !(rc == CHANGE_NOTHING && confirm_wanted(cli)))
        {
            return rc;
        }

        done = store_change(&cli->store, *stored, change.fields,
                            change.count);

        if (done == STORE_FAILED) {
            return cli_failed(cli);
        }

        free(*stored);
        *stored = NULL;

        read = store_read(&cli->store, digest, stored);

        if (read == STORE_FAILED) {
            return cli_failed(cli);
        }

        if (read == STORE_ABSENT) {
            complain("the key was deleted meanwhile");
            return CLI_REFUSED;
        }

    } while (done == STORE_CHANGED);

    return rc;
}


int
change_final(const stored_t *stored)
{
    apikey_text_t  id;

    if (!apikey_text_equal(stored_get(stored, "status"),
                           store_text("revoked")))
    {
        return 0;
    }

    id = stored_get(stored, "id");
    complain("the key \"%.*s\" is revoked: that is final", (int) id.len,
             id.data);

    return 1;
}


int
change_expected(cli_t *cli, const stored_t *stored)
{
    size_t          len;
    const char     *p;
    apikey_text_t   rev;

    p = cli->request.match;
    rev = stored_get(stored, "rev");

    if (p == NULL || strcmp(p, "*") == 0) {
        return 1;
    }

    while (*p != '\0') {
        p += strspn(p, " \t,");
        len = strcspn(p, " \t,");

        if (len == rev.len + 2
            && p[0] == '"'
            && p[len - 1] == '"'
            && memcmp(p + 1, rev.data, rev.len) == 0)
        {
            return 1;
        }

        p += len;
    }

    cli->request.stale = 1;
    complain("the key was changed meanwhile: read it again");

    return 0;
}
