/*
 * Tyk's sessions.  A session doesn't hold its key, which is beside it: as the
 * name of a member, as Redis and an operator's own loop have it
 * ({"KEY": {...}}), or as key_id with the session in data, as the Dashboard's
 * API answers.
 */

#include <string.h>

#include "foreign.h"


static int tyk_node(foreign_t *foreign, const document_node_t *node);
static int tyk_key(foreign_t *foreign, apikey_text_t key,
    const document_node_t *session, unsigned line);
static void tyk_plan(foreign_t *foreign, const document_node_t *session);
static void tyk_limits(foreign_t *foreign, const document_node_t *session);
static void tyk_rights(foreign_t *foreign, const document_node_t *session);
static int tyk_is_session(const document_node_t *node);
static int tyk_is_hash(apikey_text_t key);
static int tyk_is_set(const document_node_t *node, const char *name);


int
foreign_tyk(foreign_t *foreign, document_t *document)
{
    return foreign_each(foreign, document->root, tyk_node);
}


static int
tyk_node(foreign_t *foreign, const document_node_t *node)
{
    int                     rc;
    apikey_text_t           key;
    const document_node_t  *session, *list;

    list = document_get(node, "keys");
    list = list ? list : document_get(document_get(node, "data"), "keys");

    if (node->kind == DOCUMENT_LIST || list != NULL) {
        return foreign_each(foreign, list ? list : node, tyk_node);
    }

    key = document_get_text(node, "key_id");
    key = key.len ? key : document_get_text(node, "key");
    session = document_get(node, "data");

    if (tyk_is_session(session)) {
        return tyk_key(foreign, key, session, node->line);
    }

    if (node->kind != DOCUMENT_MAP || tyk_is_session(node)) {
        foreign_begin(foreign, node->line);
        foreign_refuse(foreign, node->kind == DOCUMENT_MAP
                       ? "a session without its key: {\"KEY\": {...}} is "
                         "needed"
                       : "a key without its session: get /tyk/keys/KEY of "
                         "each");
        return foreign_end(foreign);
    }

    for (session = node->first; session != NULL; session = session->next) {

        if (!tyk_is_session(session)) {
            foreign_begin(foreign, session->line);
            foreign_refuse(foreign, "not a session of Tyk");
            rc = foreign_end(foreign);

        } else {
            rc = tyk_key(foreign, session->name, session, session->line);
        }

        if (rc != 0) {
            return rc;
        }
    }

    return 0;
}


static int
tyk_key(foreign_t *foreign, apikey_text_t key, const document_node_t *session,
    unsigned line)
{
    double                  expires;
    const document_node_t  *auth;

    static const char  redis[] = "apikey-";

    if (key.len > sizeof(redis) - 1
        && memcmp(key.data, redis, sizeof(redis) - 1) == 0)
    {
        key.data += sizeof(redis) - 1;
        key.len -= sizeof(redis) - 1;
    }

    foreign_begin(foreign, line);

    auth = document_get(session, "basic_auth_data");

    if (document_get_text(auth, "password").len != 0) {
        foreign_refuse(foreign, "a user of basic authentication, not a key");

    } else if (document_true(document_get(session, "hmac_enabled"))) {
        foreign_refuse(foreign, "signs requests by HMAC, and sends no key");

    } else if (key.len == 0 || tyk_is_hash(key)) {
        foreign_refuse(foreign, "key: is known to Tyk by its hash only: its "
                       "owner needs a new one");
    }

    foreign_token(foreign, key);
    foreign_may(foreign, "name", document_get_text(session, "alias"));
    foreign_set(foreign, "org", document_get_text(session, "org_id"));

    if (document_true(document_get(session, "is_inactive"))) {
        foreign_set(foreign, "status",
                    (apikey_text_t) apikey_text("disabled"));
    }

    if (document_number(document_get(session, "expires"), &expires)
        == APIKEY_OK
        && expires > 0)
    {
        foreign_set_time(foreign, "expires", expires);
    }

    tyk_plan(foreign, session);
    tyk_limits(foreign, session);
    tyk_rights(foreign, session);

    foreign_lose_list(foreign, "tags", document_get(session, "tags"));
    foreign_lose_list(foreign, "meta_data",
                      document_get(session, "meta_data"));

    return foreign_end(foreign);
}


/* A key has one plan: the first policy. */

static void
tyk_plan(foreign_t *foreign, const document_node_t *session)
{
    document_node_t         rest;
    apikey_text_t           plan;
    const document_node_t  *policy;

    policy = document_first(document_get(session, "apply_policies"));

    plan = (policy != NULL) ? document_text(policy)
                            : document_get_text(session, "apply_policy_id");

    foreign_set(foreign, "plan", plan);

    if (policy != NULL && policy->next != NULL) {
        memset(&rest, 0, sizeof(rest));
        rest.kind = DOCUMENT_LIST;
        rest.first = policy->next;

        foreign_lose_list(foreign, "policies", &rest);
    }
}


/* A quota whose renewal rate isn't positive is never renewed. */

static void
tyk_limits(foreign_t *foreign, const document_node_t *session)
{
    double  count, seconds;

    if (document_number(document_get(session, "rate"), &count) == APIKEY_OK
        && count > 0
        && document_number(document_get(session, "per"), &seconds)
           == APIKEY_OK
        && seconds > 0)
    {
        foreign_limit(foreign, count, seconds);
    }

    if (document_number(document_get(session, "quota_max"), &count)
        != APIKEY_OK
        || count <= 0)
    {
        return;
    }

    if (document_number(document_get(session, "quota_renewal_rate"), &seconds)
        != APIKEY_OK
        || seconds <= 0)
    {
        foreign_limit_text(foreign, document_get_text(session, "quota_max"),
                           "total");
        return;
    }

    foreign_limit(foreign, count, seconds);
}


static void
tyk_rights(foreign_t *foreign, const document_node_t *session)
{
    unsigned                limits, urls;
    const document_node_t  *api, *limit;

    limits = 0;
    urls = 0;

    for (api = document_first(document_get(session, "access_rights"));
         api != NULL;
         api = api->next)
    {
        limit = document_get(api, "limit");

        limits += (limit != NULL && (tyk_is_set(limit, "rate")
                                     || tyk_is_set(limit, "quota_max")));
        urls += (document_first(document_get(api, "allowed_urls")) != NULL);
    }

    foreign_lose_list(foreign, "access rights to",
                      document_get(session, "access_rights"));

    if (urls != 0) {
        foreign_lose(foreign, "its allowed_urls");
    }

    if (limits != 0 && foreign->plan == NULL) {
        foreign_lose(foreign, "the limits of single APIs");
    }
}


static int
tyk_is_session(const document_node_t *node)
{
    return document_get(node, "access_rights") != NULL
           || document_get(node, "quota_max") != NULL
           || document_get(node, "rate") != NULL
           || document_get(node, "org_id") != NULL;
}


/* murmur32, murmur64 or SHA-256. */

static int
tyk_is_hash(apikey_text_t key)
{
    size_t  i;

    for (i = 0; i < key.len; i++) {
        if (strchr("0123456789abcdef", key.data[i]) == NULL) {
            return 0;
        }
    }

    return key.len == 8 || key.len == 16 || key.len == 64;
}


static int
tyk_is_set(const document_node_t *node, const char *name)
{
    double  number;

    return document_number(document_get(node, name), &number) == APIKEY_OK
           && number > 0;
}
