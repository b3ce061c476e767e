#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "serve_task.h"


typedef struct {
    const char      *name;
    cli_command_pt   run;
} serve_command_t;


static void serve_run_task(void *data, store_t *store, const task_t *task,
    task_outcome_t *outcome);
static int serve_command(cli_t *cli);
static void serve_options(options_t *options, const task_t *task);
static task_status_e serve_status(const cli_t *cli, int rc);
static int serve_doctor(cli_t *cli);
static int serve_ready(void *data, char why[COMPLAINT_MESSAGE]);


static const serve_command_t  serve_commands[] = {
    { "create", command_create },
    { "rotate", command_rotate },
    { "show", command_show },
    { "verify", command_verify },
    { "limits", command_limits },
    { "usage", command_usage },
    { "edit", command_edit },
    { "enable", command_enable },
    { "disable", command_disable },
    { "revoke", command_revoke },
    { "delete", command_delete },
    { "gateways", command_gateways },
    { "template", command_template },
    { "doctor", serve_doctor }
};


void
serve_program(program_t *program, cli_t *cli)
{
    program->data = cli;
    program->run = serve_run_task;
    program->ready = serve_ready;
}


/* In a thread of its own, with a connection that is lent to the command. */

static void
serve_run_task(void *data, store_t *store, const task_t *task,
    task_outcome_t *outcome)
{
    const cli_t *serving = data;

    int         rc;
    cli_t       cli;
    output_t    output;
    options_t   options;

    memset(&cli, 0, sizeof(cli));
    serve_options(&options, task);

    cli.options = &options;
    cli.settings = serving->settings;
    cli.store = *store;
    cli.actor = task->actor;
    cli.json = 1;
    cli.request.key = task->key;
    cli.request.match = task->match;
    cli.request.retry = task->retry;

    output_capture(&output);
    rc = serve_command(&cli);
    output_capture(NULL);

    cli_missed(&cli);

    outcome->status = serve_status(&cli, rc);
    outcome->json = output.result;
    outcome->complaint = output.complaint;
    outcome->stale = cli.request.stale;
    outcome->unlike = cli.request.unlike;
    memcpy(outcome->rev, cli.request.rev, sizeof(outcome->rev));

    /* What a key is refused for is an answer. */

    if (outcome->status == TASK_REFUSED
        && output.complaint.message[0] == '\0')
    {
        outcome->status = TASK_DONE;
    }

    *store = cli.store;

    options_free(&options);
    sodium_memzero(&cli, sizeof(cli));
}


static int
serve_command(cli_t *cli)
{
    unsigned     i;
    const char  *name;

    name = cli->options->command;

    for (i = 0; i < sizeof(serve_commands) / sizeof(serve_command_t); i++) {
        if (strcmp(serve_commands[i].name, name) == 0) {
            return serve_commands[i].run(cli);
        }
    }

    complain("the web console can't run \"%s\"", name);

    return CLI_USAGE;
}


static void
serve_options(options_t *options, const task_t *task)
{
    unsigned  i;

    options_init(options, task->command);

    for (i = 0; i < task->operand_count; i++) {
        options_add_operand(options, task->operands[i]);
    }

    for (i = 0; i < task->option_count; i++) {
        options_add(options, task->options[i].name, task->options[i].value);
    }
}


static task_status_e
serve_status(const cli_t *cli, int rc)
{
    switch (rc) {

    case CLI_DONE:
        return TASK_DONE;

    case CLI_REFUSED:

        /* A change stands even if a gateway didn't answer: it is named. */

        return cli->confirm.missed ? TASK_DONE : TASK_REFUSED;

    case CLI_USAGE:
        return TASK_WRONG;

    default:   /* CLI_REDIS */
        return TASK_REDIS;
    }
}


/* What is wrong is what was asked for.  The doctor connects for itself. */

static int
serve_doctor(cli_t *cli)
{
    cli_close(cli);
    (void) command_doctor(cli);
    cli_close(cli);

    return CLI_DONE;
}


static int
serve_ready(void *data, char why[COMPLAINT_MESSAGE])
{
    const cli_t *serving = data;

    char              reason[SETTINGS_WHY];
    const char       *mend;
    apikey_pepper_t   pepper;

    if (settings_pepper(serving->settings, &pepper, reason, &mend) != 0) {
        snprintf(why, COMPLAINT_MESSAGE, "%s: %s", reason, mend);
        return -1;
    }

    sodium_memzero(&pepper, sizeof(pepper));

    return 0;
}
