#include <stdlib.h>
#include <string.h>

#include "retry.h"


static int retry_again(cli_t *cli, store_new_t *key, stored_t **made);


int
retry_begin(cli_t *cli, store_new_t *key, int *again, stored_t **made)
{
    char            body[STORE_RETRY_BODY + 1];
    store_retry_t  *retry;

    *again = 0;
    *made = NULL;

    retry = cli->request.retry;

    if (retry == NULL) {
        return CLI_DONE;
    }

    strcpy(body, retry->body);
    strcpy(retry->id, key->attributes.value[ATTRIBUTE_ID]);
    memcpy(retry->texts[0], key->digest, APIKEY_DIGEST_SIZE);
    retry->count = 1;

    switch (store_retry_begin(&cli->store, retry)) {

    case STORE_DONE:
        return CLI_DONE;

    case STORE_FAILED:
        return cli_failed(cli);

    default:   /* STORE_CHANGED */
        break;
    }

    if (strcmp(body, retry->body) != 0) {
        cli->request.unlike = 1;
        complain("another request was sent with this Idempotency-Key");
        return CLI_REFUSED;
    }

    *again = 1;

    return retry_again(cli, key, made);
}


store_rc_e
retry_create(cli_t *cli, store_new_t *key, const stored_t *made)
{
    store_rc_e      rc;
    const char     *why;
    attribute_e     i;
    apikey_text_t   id;

    /* It may have been changed since. */

    for (i = 0; made != NULL && i < ATTRIBUTE_COUNT; i++) {
        if (i != ATTRIBUTE_HINT) {
            (void) attributes_set(&key->attributes, i,
                                  stored_get(made, attribute_name(i)), &why);
        }
    }

    key->more = made;

    /* The first text stops before the second works, whatever happens now. */

    id = attributes_get(&key->attributes, ATTRIBUTE_ID);
    rc = store_delete(&cli->store, id, NULL);

    return (rc == STORE_FAILED) ? rc : store_create(&cli->store, key, 1);
}


static int
retry_again(cli_t *cli, store_new_t *key, stored_t **made)
{
    const char     *why;
    store_rc_e      rc;
    store_retry_t  *retry;

    retry = cli->request.retry;

    (void) attributes_set(&key->attributes, ATTRIBUTE_ID,
                          store_text(retry->id), &why);

    rc = store_read_id(&cli->store, store_text(retry->id), made);

    if (rc == STORE_DONE && !store_retry_made(retry, *made)) {
        complain("the id \"%s\" is another key's already", retry->id);
        return CLI_REFUSED;
    }

    if (rc == STORE_DONE
        && apikey_text_equal(stored_get(*made, "status"),
                             store_text("revoked")))
    {
        complain("the key \"%s\" is revoked: that is final", retry->id);
        return CLI_REFUSED;
    }

    if (rc != STORE_FAILED) {
        rc = store_retry_add(&cli->store, retry, key->digest,
                             *made ? (*made)->digest : NULL);
    }

    return (rc == STORE_FAILED) ? cli_failed(cli) : CLI_DONE;
}
