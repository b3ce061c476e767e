#ifndef APIKEY_API_COMMAND_H
#define APIKEY_API_COMMAND_H

/*
 * A command of the program, run for a request: its options come from the
 * request, and what it says is the answer.
 */

#include "http.h"
#include "task.h"


/* A member of a body, and the option that it gives. */
typedef enum {
    MEMBER_TEXT = 0,
    MEMBER_LIST,           /* of texts: an option that may be repeated */
    MEMBER_FLAG,           /* true or false */
    MEMBER_TIME,           /* a text, or Unix seconds */
    MEMBER_LENGTH,         /* a text, or seconds */
    MEMBER_PERMISSIONS     /* a text, or {"resource":["action"]} */
} member_e;

typedef struct {
    const char  *name;
    const char  *option;
    member_e     type;
} member_t;


/*
 * Options of the members of the body, which knows no others; NULL ends them.
 * Of null comes the option's value none, or, if that is NULL, nothing.  0, or
 * the status of an error.
 */
unsigned api_options(request_t *request, task_t *task,
    const member_t *members, const char *none);

/*
 * Runs it, frees it and answers, with that status if all went well; what an
 * option's value is wrong in is the member's fault (members may be NULL).
 */
unsigned api_command(request_t *request, task_t *task,
    const member_t *members, unsigned status);


#endif /* APIKEY_API_COMMAND_H */
