/* What the web console does with one key, or with all of a service. */

#include <string.h>

#include "api.h"
#include "api_command.h"


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

    if (api_pepper(request) != 0) {
        return request->status;
    }

    task_init(&task, "create");
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


static unsigned
api_delete_all(request_t *request, const char *option)
{
    task_t       task;
    const char  *value;

    value = http_segment(request, 2);

    if (value == NULL) {
        return http_error(request, 400, NULL, "this name can't be decoded");
    }

    task_init(&task, "delete");
    task_add(&task, option, value);

    return api_command(request, &task, NULL, 200);
}
