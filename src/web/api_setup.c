/* Templates, plans, gateways, and what is wrong, for the web console. */

#include <string.h>

#include "store/json.h"
#include "store/store_plans.h"

#include "api.h"
#include "api_command.h"
#include "worker.h"


static json_t *api_plan(const store_plan_t *plan);
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
    task_t     task;

    task_init(&task, "template");
    task_add_operand(&task, "list");

    return api_command(request, &task, NULL, 200);
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


/* What gateways have told of: an operator needn't know it by heart. */

unsigned
api_plans(request_t *request)
{
    int             rc;
    json_t         *list;
    unsigned        i;
    worker_t       *worker;
    store_plans_t   plans;

    worker = worker_take(request->console);
    rc = worker_open(request->console, worker);

    if (rc == 0) {
        list = json_array();

        if (store_plans_read(&worker->store, &plans) != STORE_DONE) {
            rc = -1;
        }

        for (i = 0; i < plans.count; i++) {
            json_array_append_new(list, api_plan(&plans.list[i]));
        }

        store_plans_free(&plans);
        (void) http_answer(request, 200, list);
    }

    if (rc != 0) {
        (void) worker_failed(request, worker);
    }

    worker_give(request->console, worker, rc);

    return request->status;
}


unsigned
api_gateways(request_t *request)
{
    task_t     task;

    task_init(&task, "gateways");

    return api_command(request, &task, NULL, 200);
}


/* It reads every key: one at a time. */

unsigned
api_doctor(request_t *request)
{
    unsigned     status;
    task_t       task;
    console_t   *console;

    console = request->console;

    if (atomic_fetch_add(&console->doctors, 1) != 0) {
        http_add(request, "Retry-After", "5");
        status = http_error(request, 429, NULL, "the doctor is busy");

    } else {
        task_init(&task, "doctor");
        status = api_command(request, &task, NULL, 200);
    }

    atomic_fetch_sub(&console->doctors, 1);

    return status;
}


static json_t *
api_plan(const store_plan_t *plan)
{
    json_t                 *windows, *gateways;
    unsigned                i;
    const apikey_limits_t  *limits;

    limits = &plan->limits;
    windows = json_array();
    gateways = json_array();

    for (i = 0; i < limits->count; i++) {
        json_array_append_new(windows,
            json_pack("{s:I,s:I}",
                      "limit", (json_int_t) limits->window[i].limit,
                      "seconds", (json_int_t) limits->window[i].seconds));
    }

    for (i = 0; i < plan->gateway_count; i++) {
        json_array_append_new(gateways, json_text(plan->gateways[i]));
    }

    return json_pack("{s:o,s:o,s:s,s:s,s:b,s:o}",
                     "name", json_text(plan->name),
                     "windows", windows,
                     "algorithm", limits->sliding ? "sliding" : "fixed",
                     "per", plan->per,
                     "default", plan->fallback,
                     "gateways", gateways);
}


static unsigned
api_template(request_t *request, const char *action, const member_t *members)
{
    unsigned     status;
    task_t       task;
    const char  *name;

    name = http_segment(request, 2);

    if (name == NULL) {
        return http_error(request, 400, NULL, "this name can't be decoded");
    }

    task_init(&task, "template");
    task_add_operand(&task, action);
    task_add_operand(&task, name);

    status = members ? api_options(request, &task, members, NULL) : 0;

    if (status != 0) {
        task_free(&task);
        return status;
    }

    return api_command(request, &task, members, 200);
}
