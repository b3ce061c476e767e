#define _GNU_SOURCE   /* vasprintf */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "complain.h"
#include "memory.h"
#include "terminal.h"


static void complain_line(const char *format, va_list args);


/* NULL: standard error. */
static _Thread_local complaint_t  *complaint_captured;


void
complain_capture(complaint_t *complaint)
{
    if (complaint != NULL) {
        memset(complaint, 0, sizeof(complaint_t));
    }

    complaint_captured = complaint;
}


void
complain(const char *format, ...)
{
    va_list  args;

    va_start(args, format);
    complain_line(format, args);
    va_end(args);
}


void
complain_option(const char *option, const char *value, const char *format,
    ...)
{
    char          why[COMPLAINT_MESSAGE];
    va_list       args;
    complaint_t  *captured;

    va_start(args, format);
    vsnprintf(why, sizeof(why), format, args);
    va_end(args);

    captured = complaint_captured;

    if (captured == NULL) {
        complain("--%s \"%s\": %s", option, value, why);

    } else if (captured->message[0] == '\0') {
        snprintf(captured->option, COMPLAINT_OPTION, "%s", option);
        complain("\"%s\": %s", value, why);
    }
}


void
complain_absent(const char *what, const char *name)
{
    complaint_t  *captured;

    captured = complaint_captured;

    if (captured != NULL && captured->message[0] == '\0') {
        captured->absent = 1;
        snprintf(captured->option, COMPLAINT_OPTION, "%s", what);
    }

    complain("there is no %s \"%s\"", what, name);
}


static void
complain_line(const char *format, va_list args)
{
    char         *line;
    complaint_t  *captured;

    captured = complaint_captured;

    if (captured != NULL) {

        if (captured->message[0] == '\0') {
            vsnprintf(captured->message, COMPLAINT_MESSAGE, format, args);
        }

        return;
    }

    if (vasprintf(&line, format, args) == -1) {
        fputs("apikey: out of memory\n", stderr);
        return;
    }

    fprintf(stderr, "apikey: %s\n", text_clean(line));
    memory_wipe(line);
}
