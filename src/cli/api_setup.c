/* Templates, gateways, and what is wrong, as the web console shows them. */

#include <string.h>

#include "api.h"
#include "api_command.h"


static int api_doctor_run(cli_t *cli);
static unsigned api_template(request_t *request, const char *action,
    const member_t *members);


static const member_t  template_members[] = {
    { "scopes", "scope", MEMBER_LIST },
    { "binds", "binds", MEMBER_TEXT },
    { NULL, NULL, MEMBER_TEXT }
};


unsigned
api_templates(request_t *request)
{
    options_t  options;

    options_init(&options, "template");
    options_add_operand(&options, "list");

    return api_command(request, command_template, &options, NULL, 200);
}


unsigned
api_template_set(request_t *request)
{
    if (json_array_size(json_object_get(request->body, "scopes")) == 0) {
        return http_error(request, 400, "scopes", "a template needs scopes");
    }

    return api_template(request, "set", template_members);
}


unsigned
api_template_remove(request_t *request)
{
    return api_template(request, "remove", NULL);
}


unsigned
api_gateways(request_t *request)
{
    options_t  options;

    options_init(&options, "gateways");

    return api_command(request, command_gateways, &options, NULL, 200);
}


/* It reads every key: one at a time. */

unsigned
api_doctor(request_t *request)
{
    unsigned     status;
    options_t    options;
    console_t   *console;

    console = request->console;

    if (atomic_fetch_add(&console->doctors, 1) != 0) {
        http_add(request, "Retry-After", "5");
        status = http_error(request, 429, NULL, "the doctor is busy");

    } else {
        options_init(&options, "doctor");
        status = api_command(request, api_doctor_run, &options, NULL, 200);
    }

    atomic_fetch_sub(&console->doctors, 1);

    return status;
}


/* What is wrong is what was asked for.  The doctor connects for itself. */

static int
api_doctor_run(cli_t *cli)
{
    cli_close(cli);
    (void) command_doctor(cli);
    cli_close(cli);

    return CLI_DONE;
}


static unsigned
api_template(request_t *request, const char *action, const member_t *members)
{
    unsigned     status;
    options_t    options;
    const char  *name;

    name = api_segment(request, 2);

    if (name == NULL) {
        return http_error(request, 400, NULL, "this name can't be decoded");
    }

    options_init(&options, "template");
    options_add_operand(&options, action);
    options_add_operand(&options, name);

    status = members ? api_options(request, &options, members, NULL) : 0;

    if (status != 0) {
        options_free(&options);
        return status;
    }

    return api_command(request, command_template, &options, members, 200);
}
