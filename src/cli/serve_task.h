#ifndef APIKEY_SERVE_TASK_H
#define APIKEY_SERVE_TASK_H

/* The commands that the web console may run, and how they are run for it. */

#include "web/task.h"

#include "cli.h"


/* Of the command that serves, which has to outlive it. */
void serve_program(program_t *program, cli_t *cli);


#endif /* APIKEY_SERVE_TASK_H */
