/* What the web console does with one key, or with all of a service. */

#include <string.h>

#include <sodium.h>

#include "api.h"
#include "api_command.h"


/* A command on one key. */
typedef struct {
    const char       *name;
    cli_command_pt    run;
    const member_t   *members;    /* of the body */
    const char       *none;       /* what null means; NULL: nothing */
    const char       *flag;       /* given in any case; NULL: none */
    unsigned          status;     /* of the answer */
} api_key_t;


static const char *api_id(request_t *request);
static unsigned api_key(request_t *request, const api_key_t *command);
static unsigned api_pepper(request_t *request);
static unsigned api_delete_all(request_t *request, const char *option);


static const member_t  create_members[] = {
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
    { NULL, NULL, MEMBER_TEXT }
};

static const member_t  edit_members[] = {
    { "name", "name", MEMBER_TEXT },
    { "plan", "plan", MEMBER_TEXT },
    { "limits", "limits", MEMBER_TEXT },
    { "expires", "expires", MEMBER_TIME },
    { "not_before", "not-before", MEMBER_TIME },
    { "allow", "allow", MEMBER_LIST },
    { NULL, NULL, MEMBER_TEXT }
};

static const member_t  rotate_members[] = {
    { "grace", "grace", MEMBER_LENGTH },
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
    "show", command_show, no_members, NULL, NULL, 200
};

static const api_key_t  edit_command = {
    "edit", command_edit, edit_members, "none", NULL, 200
};

static const api_key_t  rotate_command = {
    "rotate", command_rotate, rotate_members, NULL, NULL, 201
};

static const api_key_t  disable_command = {
    "disable", command_disable, no_members, NULL, NULL, 200
};

static const api_key_t  enable_command = {
    "enable", command_enable, no_members, NULL, NULL, 200
};

static const api_key_t  revoke_command = {
    "revoke", command_revoke, no_members, NULL, NULL, 200
};

static const api_key_t  delete_command = {
    "delete", command_delete, no_members, NULL, NULL, 200
};

static const api_key_t  limits_command = {
    "limits", command_limits, no_members, NULL, NULL, 200
};

static const api_key_t  reset_command = {
    "limits", command_limits, no_members, NULL, "reset", 200
};


unsigned
api_create(request_t *request)
{
    unsigned   status;
    options_t  options;

    if (!json_is_string(json_object_get(request->body, "name"))) {
        return http_error(request, 400, "name", "a key needs a name");
    }

    if (api_pepper(request) != 0) {
        return request->status;
    }

    options_init(&options, "create");
    status = api_options(request, &options, create_members, NULL);

    if (status != 0) {
        options_free(&options);
        return status;
    }

    return api_command(request, command_create, &options, create_members, 201);
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
    if (api_pepper(request) != 0) {
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
    options_t    options;
    const char  *id, *days;

    id = api_id(request);

    if (id == NULL || http_query_check(request, "days") != 0) {
        return request->status;
    }

    options_init(&options, "usage");
    options_add_operand(&options, id);

    days = http_query(request, "days");

    if (days != NULL) {
        options_add(&options, "days", days);
    }

    return api_command(request, command_usage, &options, usage_members, 200);
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
    options_t    options;
    const char  *id;

    id = api_id(request);

    if (id == NULL) {
        return request->status;
    }

    options_init(&options, command->name);
    options_add_operand(&options, id);

    wrong = api_options(request, &options, command->members, command->none);

    if (wrong != 0) {
        options_free(&options);
        return wrong;
    }

    if (command->flag != NULL) {
        options_add(&options, command->flag, "");
    }

    return api_command(request, command->run, &options, command->members,
                       command->status);
}


/* Without it no key can be made, which is nobody's fault who asks. */

static unsigned
api_pepper(request_t *request)
{
    char              why[SETTINGS_WHY];
    const char       *mend;
    apikey_pepper_t   pepper;

    if (settings_pepper(&request->console->cli->settings, &pepper, why, &mend)
        != 0)
    {
        return http_error(request, 500, NULL, "%s: %s", why, mend);
    }

    sodium_memzero(&pepper, sizeof(pepper));

    return 0;
}


static unsigned
api_delete_all(request_t *request, const char *option)
{
    options_t    options;
    const char  *value;

    value = http_segment(request, 2);

    if (value == NULL) {
        return http_error(request, 400, NULL, "this name can't be decoded");
    }

    options_init(&options, "delete");
    options_add(&options, option, value);

    return api_command(request, command_delete, &options, NULL, 200);
}
