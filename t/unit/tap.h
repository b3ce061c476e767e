#ifndef APIKEY_TAP_H
#define APIKEY_TAP_H

/* The Test Anything Protocol on standard output. */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"


static unsigned  tap_tests;
static unsigned  tap_failures;


#define ok(condition, ...)                                                    \
    tap_ok(!!(condition), __FILE__, __LINE__, __VA_ARGS__)

#define is_number(got, expected, ...)                                         \
    tap_number(got, expected, __FILE__, __LINE__, __VA_ARGS__)

#define is_text(got, expected, ...)                                           \
    tap_text(got, expected, __FILE__, __LINE__, __VA_ARGS__)

/* What a table's rows had to say together, the test's name being the last. */
#define no_failures(failures, rows, ...)                                      \
    tap_rows(failures, rows, __FILE__, __LINE__, __VA_ARGS__)


static inline void
tap_report(int good, const char *file, int line, const char *format,
    va_list args)
{
    printf("%sok %u - ", good ? "" : "not ", ++tap_tests);
    vprintf(format, args);
    printf("\n");

    if (!good) {
        tap_failures++;
        printf("# failed at %s line %d\n", file, line);
    }
}


__attribute__((format(printf, 4, 5)))
static inline int
tap_ok(int good, const char *file, int line, const char *format, ...)
{
    va_list  args;

    va_start(args, format);
    tap_report(good, file, line, format, args);
    va_end(args);

    return good;
}


__attribute__((format(printf, 5, 6)))
static inline int
tap_number(long long got, long long expected, const char *file, int line,
    const char *format, ...)
{
    va_list  args;

    va_start(args, format);
    tap_report(got == expected, file, line, format, args);
    va_end(args);

    if (got != expected) {
        printf("# got %lld, expected %lld\n", got, expected);
    }

    return got == expected;
}


__attribute__((format(printf, 5, 6)))
static inline int
tap_text(apikey_text_t got, const char *expected, const char *file, int line,
    const char *format, ...)
{
    int      good;
    va_list  args;

    good = got.len == strlen(expected)
           && (got.len == 0 || memcmp(got.data, expected, got.len) == 0);

    va_start(args, format);
    tap_report(good, file, line, format, args);
    va_end(args);

    if (!good) {
        printf("# got \"%.*s\", expected \"%s\"\n", (int) got.len,
               got.len ? got.data : "", expected);
    }

    return good;
}


__attribute__((format(printf, 5, 6)))
static inline int
tap_rows(size_t failures, size_t rows, const char *file, int line,
    const char *format, ...)
{
    int      good;
    va_list  args;

    good = failures == 0 && rows != 0;

    va_start(args, format);
    tap_report(good, file, line, format, args);
    va_end(args);

    if (!good) {
        printf("# %zu of %zu failed\n", failures, rows);
    }

    return good;
}


static inline int
done_testing(void)
{
    printf("1..%u\n", tap_tests);

    return tap_failures != 0 || tap_tests == 0;
}


static inline apikey_text_t
text(const char *s)
{
    apikey_text_t  t;

    t.data = s;
    t.len = strlen(s);

    return t;
}


/* A copy of which a sanitizer knows the end. */
static inline apikey_text_t
text_copy(apikey_text_t t)
{
    char  *p;

    p = malloc(t.len + (t.len == 0));

    if (p == NULL) {
        printf("Bail out! no memory\n");
        exit(1);
    }

    memcpy(p, t.data, t.len);
    t.data = p;

    return t;
}


#endif /* APIKEY_TAP_H */
