#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <curl/curl.h>
#include <sodium.h>

#include "core/record.h"
#include "version.h"

#include "store/dates.h"
#include "store/memory.h"
#include "store/secret.h"
#include "store/store_call.h"

#include "events_webhook.h"


#define WEBHOOK_SECRET_MIN   16
#define WEBHOOK_SECRET_MAX   4096
#define WEBHOOK_TIMEOUT      10         /* seconds */
#define WEBHOOK_TIMEOUT_MAX  600
#define WEBHOOK_CONNECT      5000       /* milliseconds */
#define WEBHOOK_PAUSE        250        /* the first, then twice as long ... */
#define WEBHOOK_PAUSE_MAX    60000
#define WEBHOOK_ASKED_MAX    600000     /* what Retry-After may ask for */
#define WEBHOOK_TRIES        3          /* where it isn't forever */
#define WEBHOOK_SKIPPED      1000       /* after which the place is written */
#define WEBHOOK_WHY          (CURL_ERROR_SIZE + 64)
#define WEBHOOK_SIGNATURE    (2 * crypto_auth_hmacsha256_BYTES + 64)


struct webhook_s {
    cli_t           *cli;
    int              forever;
    const char      *url;
    const char      *name;
    char             made[17];               /* of the URL if none is given */
    char            *shown;                  /* the URL without its secrets */

    unsigned char    secret[WEBHOOK_SECRET_MAX + 1];
    size_t           secret_len;

    CURL            *curl;
    char             error[CURL_ERROR_SIZE];
    char             why[WEBHOOK_WHY];       /* of the latest failure told */

    char             taken[STORE_EVENT_ID];
    unsigned         unwritten;              /* events since the place was */
    uint64_t         sent;
};


static int webhook_given(webhook_t *webhook);
static int webhook_given_url(webhook_t *webhook);
static int webhook_given_name(webhook_t *webhook);
static int webhook_given_secret(webhook_t *webhook);
static int webhook_given_curl(webhook_t *webhook);
static int webhook_begin(webhook_t *webhook, const char *since,
    char id[STORE_EVENT_ID]);
static int webhook_post(webhook_t *webhook, const event_t *event,
    const char *body, char why[WEBHOOK_WHY], unsigned *asked);
static void webhook_sign(const webhook_t *webhook, const char *body,
    char signature[WEBHOOK_SIGNATURE]);
static unsigned webhook_pause(unsigned tries, unsigned asked);
static void webhook_tell(webhook_t *webhook, const char *why);
static void webhook_taken(webhook_t *webhook, const event_t *event);
static void webhook_write(webhook_t *webhook);
static size_t webhook_discard(char *data, size_t size, size_t n,
    void *nothing);
static int webhook_progress(void *nothing, curl_off_t down_total,
    curl_off_t down, curl_off_t up_total, curl_off_t up);


int
webhook_open(webhook_t **opened, cli_t *cli, int forever,
    const char *since, char id[STORE_EVENT_ID])
{
    int         rc;
    webhook_t  *webhook;

    webhook = must(calloc(1, sizeof(webhook_t)));
    *opened = webhook;

    webhook->cli = cli;
    webhook->forever = forever;

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        complain("libcurl can't be used");
        return CLI_USAGE;
    }

    rc = webhook_given(webhook);

    if (rc != CLI_DONE) {
        return rc;
    }

    return webhook_begin(webhook, since, id);
}


int
webhook_send(webhook_t *webhook, const event_t *event)
{
    int        rc;
    char       why[WEBHOOK_WHY], *body;
    json_t    *json;
    unsigned   tries, asked;

    json = event_json(event);
    body = must(json_dumps(json, JSON_COMPACT));
    json_decref(json);

    rc = CLI_REFUSED;

    for (tries = 1; !follow_stopped(); tries++) {

        if (webhook_post(webhook, event, body, why, &asked) == 0) {
            webhook_taken(webhook, event);
            rc = CLI_DONE;
            break;
        }

        if (follow_stopped()) {
            break;
        }

        webhook_tell(webhook, why);

        if (!webhook->forever && tries == WEBHOOK_TRIES) {
            break;
        }

        follow_wait(webhook_pause(tries, asked));
    }

    memory_wipe(body);

    return rc;
}


void
webhook_skip(webhook_t *webhook, const event_t *event)
{
    snprintf(webhook->taken, STORE_EVENT_ID, "%.*s", (int) event->id.len,
             event->id.data);

    if (++webhook->unwritten >= WEBHOOK_SKIPPED) {
        webhook_write(webhook);
    }
}


uint64_t
webhook_sent(const webhook_t *webhook)
{
    return webhook->sent;
}


void
webhook_close(webhook_t *webhook)
{
    if (webhook == NULL) {
        return;
    }

    if (webhook->unwritten != 0) {
        webhook_write(webhook);
    }

    if (webhook->curl != NULL) {
        curl_easy_cleanup(webhook->curl);
    }

    curl_global_cleanup();

    free(webhook->shown);
    sodium_memzero(webhook, sizeof(webhook_t));
    free(webhook);
}


static int
webhook_given(webhook_t *webhook)
{
    int  rc;

    if ((rc = webhook_given_url(webhook)) != CLI_DONE
        || (rc = webhook_given_name(webhook)) != CLI_DONE
        || (rc = webhook_given_secret(webhook)) != CLI_DONE)
    {
        return rc;
    }

    return webhook_given_curl(webhook);
}


/* It may hold a password or a token: only scheme and host are ever shown. */

static int
webhook_given_url(webhook_t *webhook)
{
    int     rc, good;
    char   *scheme, *host, *port;
    CURLU  *url;

    webhook->url = options_value(webhook->cli->options, "webhook");

    url = must(curl_url());
    scheme = host = port = NULL;
    rc = CLI_USAGE;

    good = curl_url_set(url, CURLUPART_URL, webhook->url, 0) == CURLUE_OK
           && curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK
           && curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK
           && (strcmp(scheme, "https") == 0 || strcmp(scheme, "http") == 0);

    if (good) {
        (void) curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT);

        webhook->shown = must(malloc(strlen(scheme) + strlen(host)
                                     + sizeof("://:65535")));
        sprintf(webhook->shown, "%s://%s:%s", scheme, host, port);
        rc = CLI_DONE;

    } else {
        complain("--webhook: not a URL like https://example.com/events");
    }

    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(url);

    return rc;
}


static int
webhook_given_name(webhook_t *webhook)
{
    unsigned char  hash[crypto_generichash_BYTES_MIN];

    webhook->name = options_value(webhook->cli->options, "webhook-name");

    if (webhook->name == NULL) {
        crypto_generichash(hash, sizeof(hash),
                           (const unsigned char *) webhook->url,
                           strlen(webhook->url), NULL, 0);
        sodium_bin2hex(webhook->made, sizeof(webhook->made), hash,
                       (sizeof(webhook->made) - 1) / 2);
        webhook->name = webhook->made;
    }

    if (apikey_label_check(store_text(webhook->name)) != APIKEY_OK) {
        complain_option("webhook-name", webhook->name, "not 1 to %d printable "
                        "ASCII characters without space, quotes, braces, "
                        "comma and backslash", APIKEY_LABEL_MAX);
        return CLI_USAGE;
    }

    return CLI_DONE;
}


/* One newline at the end isn't part of it. */

static int
webhook_given_secret(webhook_t *webhook)
{
    int          exposed;
    char         why[SECRET_WHY];
    ssize_t      n;
    const char  *path;

    path = options_value(webhook->cli->options, "webhook-secret-file");

    if (path == NULL) {
        complain("--webhook needs --webhook-secret-file, what its events are "
                 "signed with");
        return CLI_USAGE;
    }

    n = secret_read("webhook secret file", path, webhook->secret,
                    sizeof(webhook->secret), why, &exposed);
    if (n == -1) {
        complain("%s", why);
        return CLI_USAGE;
    }

    if (n > 0 && webhook->secret[n - 1] == '\n') {
        n--;
    }

    if (n < WEBHOOK_SECRET_MIN || n > WEBHOOK_SECRET_MAX) {
        complain("webhook secret file \"%s\": not %d to %d bytes", path,
                 WEBHOOK_SECRET_MIN, WEBHOOK_SECRET_MAX);
        return CLI_USAGE;
    }

    webhook->secret_len = n;

    return CLI_DONE;
}


static int
webhook_given_curl(webhook_t *webhook)
{
    CURL        *curl;
    uint64_t     timeout;
    const char  *value, *ca;

    timeout = WEBHOOK_TIMEOUT;
    value = options_value(webhook->cli->options, "webhook-timeout");

    if (value != NULL
        && (dates_parse_length(value, &timeout) != 0
            || timeout == 0
            || timeout > WEBHOOK_TIMEOUT_MAX))
    {
        complain_option("webhook-timeout", value, "not like 10s, up to 10m");
        return CLI_USAGE;
    }

    curl = must(curl_easy_init());
    webhook->curl = curl;

    curl_easy_setopt(curl, CURLOPT_URL, webhook->url);
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "apikey/" APIKEY_VERSION);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, webhook->error);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long) timeout);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long) WEBHOOK_CONNECT);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, webhook_discard);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, webhook_progress);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);

    /* These are what libcurl does anyway, and must go on to. */

    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);

    ca = options_value(webhook->cli->options, "webhook-ca");

    if (ca != NULL) {
        curl_easy_setopt(curl, CURLOPT_CAINFO, ca);
        curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
    }

    return CLI_DONE;
}


static int
webhook_begin(webhook_t *webhook, const char *since, char id[STORE_EVENT_ID])
{
    store_t         *store;
    store_rc_e       rc;
    store_events_t   newest;

    store = &webhook->cli->store;
    rc = store_webhook_read(store, webhook->name, id);

    if (rc == STORE_ABSENT && *since != '\0') {
        strcpy(id, since);
        rc = STORE_DONE;

    } else if (rc == STORE_ABSENT) {
        strcpy(id, "0-0");
        rc = store_events_before(store, &newest, "+", 1);

        if (rc == STORE_DONE && newest.count != 0) {
            event_entry_id(id, reply_at(newest.entries, 0));
        }

        store_events_free(&newest);

        if (rc == STORE_DONE) {
            rc = store_webhook_write(store, webhook->name, id);
            complain("webhook %s is new: it is sent what happens from now on",
                     webhook->shown);
        }
    }

    return (rc == STORE_DONE) ? CLI_DONE : cli_failed(webhook->cli);
}


/* 0 if it was taken; else why not, and after how many ms it may be again. */

static int
webhook_post(webhook_t *webhook, const event_t *event, const char *body,
    char why[WEBHOOK_WHY], unsigned *asked)
{
    char                header[WEBHOOK_SIGNATURE + 32];
    char                signature[WEBHOOK_SIGNATURE];
    long                status;
    CURL               *curl;
    CURLcode            rc;
    curl_off_t          after;
    struct curl_slist  *headers;

    curl = webhook->curl;
    webhook_sign(webhook, body, signature);

    headers = must(curl_slist_append(NULL, "Content-Type: application/json"));
    headers = must(curl_slist_append(headers, "Expect:"));

    snprintf(header, sizeof(header), "Apikey-Signature: %s", signature);
    headers = must(curl_slist_append(headers, header));

    snprintf(header, sizeof(header), "Apikey-Event: %.*s",
             (int) event->id.len, event->id.data);
    headers = must(curl_slist_append(headers, header));

    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long) strlen(body));

    webhook->error[0] = '\0';
    rc = curl_easy_perform(curl);

    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(headers);

    *asked = 0;

    if (rc != CURLE_OK) {
        snprintf(why, WEBHOOK_WHY, "%s", webhook->error[0]
                                         ? webhook->error
                                         : curl_easy_strerror(rc));
        return -1;
    }

    status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);

    if (status >= 200 && status <= 299) {
        return 0;
    }

    snprintf(why, WEBHOOK_WHY, "it answered %ld%s", status,
             (status >= 300 && status <= 399)
             ? ", and redirects aren't followed" : "");

    after = 0;
    curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &after);

    if (after > 0) {
        *asked = (after < WEBHOOK_ASKED_MAX / 1000) ? after * 1000
                                                    : WEBHOOK_ASKED_MAX;
    }

    return -1;
}


static void
webhook_sign(const webhook_t *webhook, const char *body,
    char signature[WEBHOOK_SIGNATURE])
{
    int                             n;
    char                            now[32];
    char                            hex[2 * crypto_auth_hmacsha256_BYTES + 1];
    unsigned char                   mac[crypto_auth_hmacsha256_BYTES];
    crypto_auth_hmacsha256_state    state;

    n = snprintf(now, sizeof(now), "%" PRIu64 ".", (uint64_t) time(NULL));

    crypto_auth_hmacsha256_init(&state, webhook->secret,
                                webhook->secret_len);
    crypto_auth_hmacsha256_update(&state, (unsigned char *) now, n);
    crypto_auth_hmacsha256_update(&state, (const unsigned char *) body,
                                  strlen(body));
    crypto_auth_hmacsha256_final(&state, mac);
    sodium_memzero(&state, sizeof(state));

    sodium_bin2hex(hex, sizeof(hex), mac, sizeof(mac));
    snprintf(signature, WEBHOOK_SIGNATURE, "t=%.*s,v1=%s", n - 1, now, hex);
}


/* Twice as long each time, and never in step with others. */

static unsigned
webhook_pause(unsigned tries, unsigned asked)
{
    unsigned  pause;

    pause = WEBHOOK_PAUSE;

    while (--tries != 0 && pause < WEBHOOK_PAUSE_MAX) {
        pause *= 2;
    }

    if (pause > WEBHOOK_PAUSE_MAX) {
        pause = WEBHOOK_PAUSE_MAX;
    }

    pause = pause / 2 + randombytes_uniform(pause / 2 + 1);

    return (pause > asked) ? pause : asked;
}


/* A reason is told once, until it is another one. */

static void
webhook_tell(webhook_t *webhook, const char *why)
{
    if (strcmp(webhook->why, why) != 0) {
        snprintf(webhook->why, WEBHOOK_WHY, "%s", why);
        complain("webhook %s: %s", webhook->shown, why);
    }
}


static void
webhook_taken(webhook_t *webhook, const event_t *event)
{
    if (webhook->why[0] != '\0') {
        webhook->why[0] = '\0';
        complain("webhook %s takes events again", webhook->shown);
    }

    snprintf(webhook->taken, STORE_EVENT_ID, "%.*s", (int) event->id.len,
             event->id.data);

    webhook->sent++;
    webhook->unwritten++;
    webhook_write(webhook);
}


/* Written once more where the master is another one now, or was away. */

static void
webhook_write(webhook_t *webhook)
{
    store_t     *store;
    store_rc_e   rc;

    store = &webhook->cli->store;
    rc = store_webhook_write(store, webhook->name, webhook->taken);

    if (rc != STORE_DONE
        && webhook->forever
        && (store->redis.failed
            || strncmp(store->error, "READONLY", 8) == 0))
    {
        follow_again(webhook->cli);
        rc = store_webhook_write(store, webhook->name, webhook->taken);
    }

    if (rc == STORE_DONE) {
        webhook->unwritten = 0;
    } else {
        store_missed(store, "how far the webhook has got");
    }
}


static size_t
webhook_discard(char *data, size_t size, size_t n, void *nothing)
{
    (void) data;
    (void) nothing;

    return size * n;
}


/* Called about once a second, too: ends what would wait for its time-out. */

static int
webhook_progress(void *nothing, curl_off_t down_total, curl_off_t down,
    curl_off_t up_total, curl_off_t up)
{
    (void) nothing;
    (void) down_total;
    (void) down;
    (void) up_total;
    (void) up;

    return follow_stopped();
}
