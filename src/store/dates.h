#ifndef APIKEY_DATES_H
#define APIKEY_DATES_H

/* Points in time as people write them; all are UTC. */

#include <stddef.h>
#include <stdint.h>

#define DATES_MAX   253402300799ull    /* the end of the year 9999 */
#define DATES_SIZE  sizeof("2030-01-31 12:00:00")


typedef struct {
    uint64_t  seconds;
    int       relative;     /* from now on; else since 1970 */
} moment_t;


/* "30d", "12h", "90m", "45s", "2w": 0, or -1 if it isn't a length of time. */
int dates_parse_length(const char *text, uint64_t *seconds);

/*
 * A length of time from now, a date (its first second), a date and time of
 * RFC 3339, or Unix seconds.
 */
int dates_parse(const char *text, moment_t *moment);

uint64_t dates_resolve(const moment_t *moment, uint64_t now);

/* "2030-01-31 12:00:00" */
void dates_format(char out[DATES_SIZE], uint64_t seconds);


#endif /* APIKEY_DATES_H */
