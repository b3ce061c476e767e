#include <stdlib.h>
#include <string.h>

#include "store/memory.h"

#include "task.h"


void
task_init(task_t *task, const char *command)
{
    memset(task, 0, sizeof(task_t));

    task->command = command;
}


void
task_add(task_t *task, const char *option, const char *value)
{
    task_option_t  *added;

    task->options = must(realloc(task->options, (task->option_count + 1)
                                                * sizeof(task_option_t)));
    added = &task->options[task->option_count++];

    added->name = option;
    added->value = value;
}


void
task_add_operand(task_t *task, const char *operand)
{
    task->operands[task->operand_count++] = operand;
}


void
task_free(task_t *task)
{
    free(task->options);
}
