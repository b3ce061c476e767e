/* What the web console does with one key, or with all of a service. */

#include <string.h>

#include <sodium.h>

#include "store/memory.h"

#include "api.h"
#include "api_command.h"
#include "api_filter.h"


#define API_RETRY_MAX  255


/* A command on one key. */
typedef struct {
    const char      *name;
    const member_t  *members;    /* of the body */
    const char      *none;       /* what null means; NULL: nothing */
    const char      *flag;       /* given in any case; NULL: none */
    unsigned         status;     /* of the answer */
} api_key_t;


static const char *api_id(request_t *request);
static unsigned api_key(request_t *request, const api_key_t *command);
static unsigned api_pepper(request_t *request);
static unsigned api_retry(request_t *request);
static void api_hash(unsigned char hash[32], const char *one,
    const char *two, const char *three);
static unsigned api_delete_all(request_t *request, const char *option);


static const member_t  create_members[] = {
    { "id", "id", MEMBER_TEXT },
    { "name", "name", MEMBER_TEXT },
    { "template", "template", MEMBER_TEXT },
    { "permissions", "permissions", MEMBER_PERMISSIONS },
    { "scopes", "scope", MEMBER_LIST },
    { "org", "org", MEMBER_TEXT },
    { "project", "project", MEMBER_TEXT },
    { "service", "service", MEMBER_TEXT },
    { "plan", "plan", MEMBER_TEXT },
    { "limits", "limits", MEMBER_TEXT },
    { "expires", "expires", MEMBER_TIME },
    { "not_before", "not-before", MEMBER_TIME },
    { "allow", "allow", MEMBER_LIST },
    { "prefix", "prefix", MEMBER_TEXT },
    { "force", "force", MEMBER_FLAG },
    { NULL, NULL, MEMBER_TEXT }
};

static const member_t  edit_members[] = {
    { "name", "name", MEMBER_TEXT },
    { "plan", "plan", MEMBER_TEXT },
    { "limits", "limits", MEMBER_TEXT },
    { "expires", "expires", MEMBER_TIME },
    { "not_before", "not-before", MEMBER_TIME },
    { "allow", "allow", MEMBER_LIST },
    { "force", "force", MEMBER_FLAG },
    { NULL, NULL, MEMBER_TEXT }
};

static const member_t  rotate_members[] = {
    { "grace", "grace", MEMBER_LENGTH },
    { "force", "force", MEMBER_FLAG },
    { NULL, NULL, MEMBER_TEXT }
};

static const member_t  verify_members[] = {
    { "method", "method", MEMBER_TEXT },
    { "require", "require", MEMBER_LIST },
    { NULL, NULL, MEMBER_TEXT }
};

/* of the query */
static const member_t  usage_members[] = {
    { "days", "days", MEMBER_TEXT },
    { NULL, NULL, MEMBER_TEXT }
};

static const member_t  no_members[] = {
    { NULL, NULL, MEMBER_TEXT }
};


static const api_key_t  show_command = {
    "show", no_members, NULL, NULL, 200
};

static const api_key_t  edit_command = {
    "edit", edit_members, "none", NULL, 200
};

static const api_key_t  rotate_command = {
    "rotate", rotate_members, NULL, NULL, 201
};

static const api_key_t  disable_command = {
    "disable", no_members, NULL, NULL, 200
};

static const api_key_t  enable_command = {
    "enable", no_members, NULL, NULL, 200
};

static const api_key_t  revoke_command = {
    "revoke", no_members, NULL, NULL, 200
};

static const api_key_t  delete_command = {
    "delete", no_members, NULL, NULL, 200
};

static const api_key_t  limits_command = {
    "limits", no_members, NULL, NULL, 200
};

static const api_key_t  reset_command = {
    "limits", no_members, NULL, "reset", 200
};


unsigned
api_create(request_t *request)
{
    unsigned   status;
    task_t     task;

    if (!json_is_string(json_object_get(request->body, "name"))) {
        return http_error(request, 400, "name", "a key needs a name");
    }

    if (api_pepper(request) != 0 || api_retry(request) != 0) {
        return request->status;
    }

    task_init(&task, "create");
    task.retry = request->retrying ? &request->retry : NULL;

    status = api_options(request, &task, create_members, NULL);

    if (status != 0) {
        task_free(&task);
        return status;
    }

    return api_command(request, &task, create_members, 201);
}


unsigned
api_show(request_t *request)
{
    return api_key(request, &show_command);
}


unsigned
api_edit(request_t *request)
{
    if (json_object_size(request->body) == 0) {
        return http_error(request, 400, NULL, "nothing is to be changed: "
                          "name, plan, limits, expires, not_before or allow");
    }

    if (json_is_null(json_object_get(request->body, "name"))) {
        return http_error(request, 400, "name", "a key needs a name");
    }

    return api_key(request, &edit_command);
}


unsigned
api_rotate(request_t *request)
{
    if (api_pepper(request) != 0 || api_retry(request) != 0) {
        return request->status;
    }

    return api_key(request, &rotate_command);
}


unsigned
api_disable(request_t *request)
{
    return api_key(request, &disable_command);
}


unsigned
api_enable(request_t *request)
{
    return api_key(request, &enable_command);
}


unsigned
api_revoke(request_t *request)
{
    return api_key(request, &revoke_command);
}


unsigned
api_delete(request_t *request)
{
    return api_key(request, &delete_command);
}


/* The key is in the body, and nowhere else. */

unsigned
api_verify(request_t *request)
{
    unsigned      wrong;
    json_t       *key;
    task_t        task;

    key = json_object_get(request->body, "key");

    if (!json_is_string(key)) {
        return http_error(request, 400, "key", "not a text");
    }

    if (api_pepper(request) != 0) {
        return request->status;
    }

    task_init(&task, "verify");
    task.key = http_keep(request, "%s", json_string_value(key));

    json_object_del(request->body, "key");
    wrong = api_options(request, &task, verify_members, NULL);

    if (wrong != 0) {
        task_free(&task);
        return wrong;
    }

    return api_command(request, &task, verify_members, 200);
}


unsigned
api_delete_matching(request_t *request)
{
    return api_delete_all(request, NULL);
}


unsigned
api_delete_service(request_t *request)
{
    return api_delete_all(request, "service");
}


unsigned
api_delete_project(request_t *request)
{
    return api_delete_all(request, "project");
}


unsigned
api_limits(request_t *request)
{
    return api_key(request, &limits_command);
}


unsigned
api_limits_reset(request_t *request)
{
    return api_key(request, &reset_command);
}


unsigned
api_usage(request_t *request)
{
    task_t       task;
    const char  *id, *days;

    id = api_id(request);

    if (id == NULL || http_query_check(request, "days") != 0) {
        return request->status;
    }

    task_init(&task, "usage");
    task_add_operand(&task, id);

    days = http_query(request, "days");

    if (days != NULL) {
        task_add(&task, "days", days);
    }

    return api_command(request, &task, usage_members, 200);
}


/* The id in the path, or NULL and an error. */

static const char *
api_id(request_t *request)
{
    const char     *id;
    apikey_text_t   text;

    id = http_segment(request, 2);
    text = store_text(id ? id : "");

    if (apikey_token_check_own(text) == APIKEY_OK) {
        (void) http_error(request, 400, NULL, "a key stands in the URL, where "
                          "others can see it: give its public id");
        return NULL;
    }

    if (apikey_token_id_check(text) != APIKEY_OK) {
        (void) http_error(request, 404, NULL, "there is no such key");
        return NULL;
    }

    return id;
}


/* A command on one key, with the body's members as its options. */

static unsigned
api_key(request_t *request, const api_key_t *command)
{
    unsigned     wrong;
    task_t       task;
    const char  *id;

    id = api_id(request);

    if (id == NULL) {
        return request->status;
    }

    task_init(&task, command->name);
    task_add_operand(&task, id);

    if (strcmp(request->method, "GET") != 0) {
        task.match = http_header(request, "If-Match");
        task.retry = request->retrying ? &request->retry : NULL;
    }

    wrong = api_options(request, &task, command->members, command->none);

    if (wrong != 0) {
        task_free(&task);
        return wrong;
    }

    if (command->flag != NULL) {
        task_add(&task, command->flag, "");
    }

    return api_command(request, &task, command->members, command->status);
}


/* Without it no key can be made, which is nobody's fault who asks. */

static unsigned
api_pepper(request_t *request)
{
    char        why[COMPLAINT_MESSAGE];
    program_t  *program;

    program = &request->console->program;

    if (program->ready(program->data, why) != 0) {
        return http_error(request, 500, NULL, "%s", why);
    }

    return 0;
}


/* Of whose request it is, and of what is asked for. */

static unsigned
api_retry(request_t *request)
{
    char            *body;
    const char      *key;
    unsigned char    hash[32];
    store_retry_t   *retry;

    key = http_header(request, "Idempotency-Key");

    if (key == NULL) {
        return 0;
    }

    if (*key == '\0' || strlen(key) > API_RETRY_MAX) {
        return http_error(request, 400, "Idempotency-Key",
                          "not 1 to %d characters", API_RETRY_MAX);
    }

    retry = &request->retry;

    api_hash(hash, request->token->name, key, "");
    (void) sodium_bin2hex(retry->name, sizeof(retry->name), hash,
                          STORE_RETRY_NAME / 2);

    body = must(json_dumps(request->body,
                           JSON_ENCODE_ANY|JSON_COMPACT|JSON_SORT_KEYS));

    api_hash(hash, request->method, request->path, body);
    (void) sodium_bin2hex(retry->body, sizeof(retry->body), hash,
                          STORE_RETRY_BODY / 2);

    memory_wipe(body);

    request->retrying = 1;

    return 0;
}


static void
api_hash(unsigned char hash[32], const char *one, const char *two,
    const char *three)
{
    crypto_generichash_state  state;

    (void) crypto_generichash_init(&state, NULL, 0, 32);

    /* With the zeros behind them, lest they run into one another. */

    (void) crypto_generichash_update(&state, (const unsigned char *) one,
                                     strlen(one) + 1);
    (void) crypto_generichash_update(&state, (const unsigned char *) two,
                                     strlen(two) + 1);
    (void) crypto_generichash_update(&state, (const unsigned char *) three,
                                     strlen(three) + 1);

    (void) crypto_generichash_final(&state, hash, 32);
}


/*
 * All that match the query, and what the path names.  If it is said how many
 * keys were seen, no others are deleted.
 */

static unsigned
api_delete_all(request_t *request, const char *option)
{
    unsigned     wrong;
    task_t       task;
    filter_t     filter;
    uint64_t     seen, now;
    const char  *value;

    if (http_query_check(request, API_FILTERS " keys") != 0
        || api_filter(request, &filter) != 0)
    {
        return request->status;
    }

    value = option ? http_segment(request, 2) : NULL;

    if (option != NULL && value == NULL) {
        return http_error(request, 400, NULL, "this name can't be decoded");
    }

    if (option != NULL) {
        *(strcmp(option, "service") == 0 ? &filter.service
                                         : &filter.project) = value;
    }

    if (!filter_is_given(&filter)) {
        return http_error(request, 400, NULL, "which keys is not said: "
                          "q, status, org, project, service, plan, scope, "
                          "unused or expires_within");
    }

    seen = now = UINT64_MAX;

    if (http_query_number(request, "keys", 0, INT32_MAX, &seen) != 0
        || (seen != UINT64_MAX && api_list_count(request, &filter, &now) != 0))
    {
        return request->status;
    }

    if (seen != now) {
        return http_error(request, 409, "keys", "there are %llu keys now: "
                          "look again", (unsigned long long) now);
    }

    task_init(&task, "delete");
    task_add(&task, "yes", "");

    if (option != NULL) {
        task_add(&task, option, value);
    }

    wrong = api_filter_options(request, &task);

    if (wrong != 0) {
        task_free(&task);
        return wrong;
    }

    return api_command(request, &task, NULL, 200);
}
