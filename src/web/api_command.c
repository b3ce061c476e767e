#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "store/memory.h"
#include "store/permissions.h"

#include "api_command.h"


/* Its connection to Redis is kept from one request to the next. */
typedef struct api_worker_s {
    cli_t                  cli;
    struct api_worker_s   *next;
} api_worker_t;


static unsigned api_option(request_t *request, options_t *options,
    const member_t *member, json_t *value);
static unsigned api_option_list(request_t *request, options_t *options,
    const member_t *member, json_t *list);
static unsigned api_option_permissions(request_t *request,
    options_t *options, const member_t *member, json_t *permissions);
static unsigned api_wrong(request_t *request, const member_t *member,
    const char *why);
static unsigned api_complained(request_t *request, int rc,
    const output_t *output, const member_t *members);


unsigned
api_options(request_t *request, options_t *options, const member_t *members,
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
                options_add(options, member->option, none);
            }

            continue;
        }

        status = api_option(request, options, member, value);

        if (status != 0) {
            return status;
        }
    }

    return 0;
}


unsigned
api_command(request_t *request, cli_command_pt run, options_t *options,
    const member_t *members, unsigned status)
{
    int         rc;
    cli_t      *cli;
    output_t    output;

    cli = api_worker_take(request->console);
    cli->options = options;
    cli->actor = request->token->name;

    output_capture(&output);
    rc = run(cli);
    output_capture(NULL);

    /* A change stands even if a gateway didn't answer: it is named. */

    if (rc == CLI_REFUSED && cli->confirm.missed) {
        rc = CLI_DONE;
    }

    api_worker_give(request->console, cli, rc);
    options_free(options);

    if (rc == CLI_DONE && output.result != NULL) {
        return http_answer(request, status, output.result);
    }

    json_decref(output.result);

    return api_complained(request, rc, &output, members);
}


cli_t *
api_worker_take(console_t *console)
{
    cli_t         *cli;
    api_worker_t  *worker;

    pthread_mutex_lock(&console->mutex);

    worker = console->idle;

    if (worker != NULL) {
        console->idle = worker->next;
    }

    pthread_mutex_unlock(&console->mutex);

    if (worker == NULL) {
        worker = must(calloc(1, sizeof(api_worker_t)));

        worker->cli.settings = console->cli->settings;
        worker->cli.store.redis.fd = -1;
        worker->cli.json = 1;
    }

    cli = &worker->cli;
    memset(&cli->confirm, 0, sizeof(cli->confirm));

    return cli;
}


void
api_worker_give(console_t *console, cli_t *cli, int status)
{
    api_worker_t  *worker;

    worker = (api_worker_t *) cli;     /* its first member */

    cli->options = NULL;
    sodium_memzero(&cli->pepper, sizeof(cli->pepper));
    store_acks_free(&cli->store);

    cli_missed(cli);

    if (status == CLI_REDIS || !cli->connected) {
        cli_close(cli);
    }

    pthread_mutex_lock(&console->mutex);

    worker->next = console->idle;
    console->idle = worker;

    pthread_mutex_unlock(&console->mutex);
}


void
api_workers_free(console_t *console)
{
    api_worker_t  *worker, *next;

    for (worker = console->idle; worker != NULL; worker = next) {
        next = worker->next;
        cli_close(&worker->cli);
        free(worker);
    }

    console->idle = NULL;
}


static unsigned
api_option(request_t *request, options_t *options, const member_t *member,
    json_t *value)
{
    json_int_t  number;

    if (member->type == MEMBER_LIST) {
        return api_option_list(request, options, member, value);
    }

    if (member->type == MEMBER_PERMISSIONS && json_is_object(value)) {
        return api_option_permissions(request, options, member, value);
    }

    if (json_is_string(value)) {
        options_add(options, member->option, json_string_value(value));
        return 0;
    }

    number = json_integer_value(value);

    if (json_is_integer(value) && number >= 0) {

        if (member->type == MEMBER_TIME) {
            options_add(options, member->option,
                        http_keep(request, "%lld", (long long) number));
            return 0;
        }

        if (member->type == MEMBER_LENGTH) {

            if (number != 0) {
                options_add(options, member->option,
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
api_option_list(request_t *request, options_t *options,
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

        options_add(options, member->option, json_string_value(value));
    }

    return 0;
}


static unsigned
api_option_permissions(request_t *request, options_t *options,
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
        options_add(options, "scope",
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
api_complained(request_t *request, int rc, const output_t *output,
    const member_t *members)
{
    const char      *field;
    const member_t  *member;

    field = NULL;

    for (member = members; member != NULL && member->name != NULL; member++) {
        if (strcmp(member->option, output->complaint.option) == 0) {
            field = member->name;
            break;
        }
    }

    switch (rc) {

    case CLI_REDIS:
        return http_error(request, 503, NULL, "%s", output->complaint.message);

    case CLI_USAGE:
        return http_error(request, 400, field, "%s", output->complaint.message);

    default:   /* CLI_REFUSED */
        return http_error(request, output->complaint.absent ? 404 : 409, field, "%s",
                          output->complaint.message);
    }
}
