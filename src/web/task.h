#ifndef APIKEY_TASK_H
#define APIKEY_TASK_H

/*
 * A command of the program that serves the console, to be run for a request.
 * The console doesn't know the commands: it names one, and whoever serves it
 * has said how it is run (console.h).
 */

#include <jansson.h>

#include "store/complain.h"
#include "store/store.h"
#include "store/store_retry.h"


#define TASK_OPERANDS  2


typedef struct {
    const char  *name;
    const char  *value;      /* "" for a flag */
} task_option_t;


/* Nothing is copied. */
typedef struct {
    const char      *command;
    const char      *actor;      /* who asks, for events */

    const char      *operands[TASK_OPERANDS];
    unsigned         operand_count;

    task_option_t   *options;
    unsigned         option_count;

    const char      *key;        /* to be verified */
    const char      *match;      /* If-Match; NULL: none */
    store_retry_t   *retry;      /* its name and body; NULL: it has none */
} task_t;


typedef enum {
    TASK_DONE = 0,
    TASK_REFUSED,     /* or not found: absent in the complaint */
    TASK_WRONG,       /* an option's value, or their combination */
    TASK_REDIS
} task_status_e;


typedef struct {
    task_status_e   status;
    json_t         *json;          /* what it says; NULL: nothing */
    complaint_t     complaint;     /* unless it is done */
    char            rev[24];       /* of the record; "": none */
    unsigned        stale:1;       /* it isn't that of match */
    unsigned        unlike:1;      /* another request has that retry's name */
} task_outcome_t;


typedef struct {
    void   *data;

    /*
     * Runs it by this connection, which is opened if it isn't, in the thread of
     * the request.
     */
    void  (*run)(void *data, store_t *store, const task_t *task,
        task_outcome_t *outcome);

    /* Can keys be made?  0, or -1 and why not. */
    int   (*ready)(void *data, char why[COMPLAINT_MESSAGE]);
} program_t;


void task_init(task_t *task, const char *command);
void task_add(task_t *task, const char *option, const char *value);
void task_add_operand(task_t *task, const char *operand);
void task_free(task_t *task);


#endif /* APIKEY_TASK_H */
