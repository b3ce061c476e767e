#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "doctor.h"


void
doctor_say(doctor_t *doctor, const char *check,
    const doctor_finding_t *finding)
{
    if (strcmp(finding->result, "wrong") == 0) {
        doctor->status = CLI_REFUSED;
    }

    json_array_append_new(doctor->checks,
                          json_pack("{s:s,s:s,s:s,s:s?}", "check", check,
                                    "result", finding->result,
                                    "text", finding->text,
                                    "mend", finding->mend));

    if (doctor->cli->json) {
        return;
    }

    printf("%-8s %-12s %s\n", finding->result, check, finding->text);

    if (finding->mend != NULL) {
        printf("%-8s %-12s -> %s\n", "", "", finding->mend);
    }
}


void
doctor_find(doctor_finding_t *finding, const char *result, const char *mend,
    const char *format, ...)
{
    va_list  args;

    finding->result = result;
    finding->mend = mend;

    va_start(args, format);
    vsnprintf(finding->text, DOCTOR_TEXT, format, args);
    va_end(args);
}
