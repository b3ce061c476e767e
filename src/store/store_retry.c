#include <stdio.h>
#include <string.h>

#include "store_call.h"
#include "store_retry.h"


#define STORE_RETRY_SECONDS  "86400"
#define STORE_RETRY_SIZE                                                      \
    (STORE_RETRY_BODY + 1 + APIKEY_ID_MAX                                     \
     + STORE_RETRY_TEXTS * (1 + APIKEY_DIGEST_HEX) + 1)


static reply_t *store_retry_set(store_t *store, const store_retry_t *retry,
    const char *when);
static void store_name_retry(const store_t *store, store_name_t *name,
    const store_retry_t *retry);
static void store_retry_parse(store_retry_t *retry, apikey_text_t words);


store_rc_e
store_retry_begin(store_t *store, store_retry_t *retry)
{
    reply_t        *reply;
    store_name_t    name;
    apikey_text_t   argv[2];

    for ( ;; ) {
        reply = store_retry_set(store, retry, "NX");

        if (reply == NULL) {
            return STORE_FAILED;
        }

        if (!reply_fits(reply, "n")) {
            reply_free(reply);
            return STORE_DONE;
        }

        reply_free(reply);

        store_name_retry(store, &name, retry);

        argv[0] = store_text("GET");
        argv[1] = name.text;

        reply = store_command(store, argv, 2);

        if (reply == NULL) {
            return STORE_FAILED;
        }

        /* Its day may be over just now. */

        if (reply_fits(reply, "t")) {
            store_retry_parse(retry, reply_text(reply));
            reply_free(reply);
            return STORE_CHANGED;
        }

        reply_free(reply);
    }
}


store_rc_e
store_retry_add(store_t *store, store_retry_t *retry,
    const unsigned char text[APIKEY_DIGEST_SIZE],
    const unsigned char *present)
{
    reply_t  *reply;

    memcpy(retry->texts[0], text, APIKEY_DIGEST_SIZE);
    retry->count = 1;

    if (present != NULL) {
        memcpy(retry->texts[1], present, APIKEY_DIGEST_SIZE);
        retry->count = 2;
    }

    reply = store_retry_set(store, retry, NULL);

    if (reply == NULL) {
        return STORE_FAILED;
    }

    reply_free(reply);

    return STORE_DONE;
}


void
store_retry_forget(store_t *store, const store_retry_t *retry)
{
    reply_t        *reply;
    store_name_t    name;
    apikey_text_t   argv[2];
    store_retry_t   known;

    store_name_retry(store, &name, retry);

    argv[0] = store_text("GET");
    argv[1] = name.text;

    reply = store_command(store, argv, 2);

    if (reply == NULL) {
        return;
    }

    store_retry_parse(&known, reply_text(reply));
    reply_free(reply);

    if (known.count == 0
        || memcmp(known.texts[0], retry->texts[0], APIKEY_DIGEST_SIZE) != 0)
    {
        return;
    }

    argv[0] = store_text("DEL");

    store_append(store, argv, 2);
    store_skip(store);
}


int
store_retry_made(const store_retry_t *retry, const stored_t *stored)
{
    unsigned  i;

    for (i = 0; i < retry->count; i++) {
        if (memcmp(retry->texts[i], stored->digest, APIKEY_DIGEST_SIZE) == 0) {
            return 1;
        }
    }

    return 0;
}


/* when: "NX", or NULL: in any case, for a day more. */

static reply_t *
store_retry_set(store_t *store, const store_retry_t *retry, const char *when)
{
    char           text[STORE_RETRY_SIZE], hex[APIKEY_DIGEST_HEX];
    size_t         len;
    unsigned       i;
    store_name_t   name;
    apikey_text_t  argv[6];

    len = snprintf(text, sizeof(text), "%s %s", retry->body, retry->id);

    for (i = 0; i < retry->count; i++) {
        apikey_digest_hex(hex, retry->texts[i]);
        len += snprintf(text + len, sizeof(text) - len, " %.*s",
                        APIKEY_DIGEST_HEX, hex);
    }

    store_name_retry(store, &name, retry);

    argv[0] = store_text("SET");
    argv[1] = name.text;
    argv[2] = (apikey_text_t) { text, len };
    argv[3] = store_text("EX");
    argv[4] = store_text(STORE_RETRY_SECONDS);

    if (when != NULL) {
        argv[5] = store_text(when);
    }

    return store_command(store, argv, when ? 6 : 5);
}


static void
store_name_retry(const store_t *store, store_name_t *name,
    const store_retry_t *retry)
{
    name->text.data = name->data;
    name->text.len = apikey_names_retry(name->data, store->prefix,
                                        store_text(retry->name));
}


/* What can't be read is of another body: nothing is done by it. */

static void
store_retry_parse(store_retry_t *retry, apikey_text_t words)
{
    apikey_text_t  body, id;

    body = apikey_text_word(&words);
    id = apikey_text_word(&words);

    snprintf(retry->body, sizeof(retry->body), "%.*s", (int) body.len,
             body.data);
    snprintf(retry->id, sizeof(retry->id), "%.*s", (int) id.len, id.data);

    retry->count = 0;

    while (retry->count < STORE_RETRY_TEXTS
           && apikey_digest_parse(retry->texts[retry->count],
                                  apikey_text_word(&words))
              == APIKEY_OK)
    {
        retry->count++;
    }
}
