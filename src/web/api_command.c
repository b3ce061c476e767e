#include <string.h>

#include "store/permissions.h"

#include "api_command.h"
#include "worker.h"


static unsigned api_option(request_t *request, task_t *task,
    const member_t *member, json_t *value);
static unsigned api_option_list(request_t *request, task_t *task,
    const member_t *member, json_t *list);
static unsigned api_option_permissions(request_t *request,
    task_t *task, const member_t *member, json_t *permissions);
static unsigned api_wrong(request_t *request, const member_t *member,
    const char *why);
static unsigned api_complained(request_t *request,
    const task_outcome_t *outcome, const member_t *members);


unsigned
api_options(request_t *request, task_t *task, const member_t *members,
    const char *none)
{
    json_t          *value;
    unsigned         status;
    const char      *name;
    const member_t  *member;

    json_object_foreach(request->body, name, value) {

        for (member = members; member->name != NULL; member++) {
            if (strcmp(member->name, name) == 0) {
                break;
            }
        }

        if (member->name == NULL) {
            return http_error(request, 400, name, "\"%s\" is no member of "
                              "this body", name);
        }

        if (json_is_null(value)
            || (member->type == MEMBER_LIST && json_is_array(value)
                && json_array_size(value) == 0))
        {
            if (none != NULL) {
                task_add(task, member->option, none);
            }

            continue;
        }

        status = api_option(request, task, member, value);

        if (status != 0) {
            return status;
        }
    }

    return 0;
}


unsigned
api_command(request_t *request, task_t *task, const member_t *members,
    unsigned status)
{
    worker_t         *worker;
    program_t        *program;
    task_outcome_t    outcome;

    program = &request->console->program;
    task->actor = request->token->name;

    worker = worker_take(request->console);
    program->run(program->data, &worker->store, task, &outcome);
    worker_give(request->console, worker, outcome.status == TASK_REDIS);

    task_free(task);

    if (outcome.status == TASK_DONE && outcome.rev[0] != '\0') {
        http_add(request, "ETag", "\"%s\"", outcome.rev);
    }

    if (outcome.status == TASK_DONE && outcome.json != NULL) {
        return http_answer(request, status, outcome.json);
    }

    json_decref(outcome.json);

    if (outcome.stale || outcome.unlike) {
        return http_error(request, outcome.stale ? 412 : 422, NULL, "%s",
                          outcome.complaint.message);
    }

    return api_complained(request, &outcome, members);
}


static unsigned
api_option(request_t *request, task_t *task, const member_t *member,
    json_t *value)
{
    json_int_t  number;

    if (member->type == MEMBER_LIST) {
        return api_option_list(request, task, member, value);
    }

    if (member->type == MEMBER_PERMISSIONS && json_is_object(value)) {
        return api_option_permissions(request, task, member, value);
    }

    if (member->type == MEMBER_FLAG) {

        if (json_is_true(value)) {
            task_add(task, member->option, "");
        }

        return json_is_boolean(value)
               ? 0 : api_wrong(request, member, "neither true nor false");
    }

    if (json_is_string(value)) {
        task_add(task, member->option, json_string_value(value));
        return 0;
    }

    number = json_integer_value(value);

    if (json_is_integer(value) && number >= 0) {

        if (member->type == MEMBER_TIME) {
            task_add(task, member->option,
                        http_keep(request, "%lld", (long long) number));
            return 0;
        }

        if (member->type == MEMBER_LENGTH) {

            if (number != 0) {
                task_add(task, member->option,
                            http_keep(request, "%llds", (long long) number));
            }

            return 0;
        }
    }

    return api_wrong(request, member,
                     member->type == MEMBER_TIME
                     ? "not a text, nor Unix seconds"
                     : member->type == MEMBER_LENGTH
                       ? "not a text, nor seconds"
                       : member->type == MEMBER_PERMISSIONS
                         ? "not like {\"projects\":[\"read\",\"write\"]}"
                         : "not a text");
}


static unsigned
api_option_list(request_t *request, task_t *task,
    const member_t *member, json_t *list)
{
    size_t   i;
    json_t  *value;

    if (!json_is_array(list)) {
        return api_wrong(request, member, "not a list of texts");
    }

    json_array_foreach(list, i, value) {

        if (!json_is_string(value)) {
            return api_wrong(request, member, "not a list of texts");
        }

        task_add(task, member->option, json_string_value(value));
    }

    return 0;
}


static unsigned
api_option_permissions(request_t *request, task_t *task,
    const member_t *member, json_t *permissions)
{
    int            rc;
    json_t        *json;
    const char    *why;
    attributes_t   attributes;

    memset(&attributes, 0, sizeof(attributes));

    json = json_pack("{s:O}", "permissions", permissions);
    rc = permissions_read(json, &attributes, &why);
    json_decref(json);

    if (rc == APIKEY_OK && attributes.value[ATTRIBUTE_SCOPES] != NULL) {
        task_add(task, "scope",
                    http_keep(request, "%s",
                              attributes.value[ATTRIBUTE_SCOPES]));
    }

    attributes_free(&attributes);

    return (rc == APIKEY_OK) ? 0 : api_wrong(request, member, why);
}


static unsigned
api_wrong(request_t *request, const member_t *member, const char *why)
{
    return http_error(request, 400, member->name, "%s", why);
}


static unsigned
api_complained(request_t *request, const task_outcome_t *outcome,
    const member_t *members)
{
    const char         *field;
    const member_t     *member;
    const complaint_t  *complaint;

    field = NULL;
    complaint = &outcome->complaint;

    for (member = members; member != NULL && member->name != NULL; member++) {
        if (strcmp(member->option, complaint->option) == 0) {
            field = member->name;
            break;
        }
    }

    switch (outcome->status) {

    case TASK_REDIS:
        return http_error(request, 503, NULL, "%s", complaint->message);

    case TASK_WRONG:
        return http_error(request, 400, field, "%s", complaint->message);

    default:   /* TASK_REFUSED */
        return http_error(request, field != NULL ? 400
                                   : complaint->absent ? 404 : 409, field,
                          "%s", complaint->message);
    }
}
