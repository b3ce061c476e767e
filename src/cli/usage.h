#ifndef APIKEY_CLI_USAGE_H
#define APIKEY_CLI_USAGE_H

/* What a key was used for, as programs and as people are shown it. */

#include <jansson.h>

#include "core/usage.h"

#include "store/stored.h"


/* "2026-11-22" */
#define USAGE_DAY  sizeof("2026-11-22")

void usage_day_text(char out[USAGE_DAY], uint32_t day);

/* The counts of nothing: an object with all members but "day". */
json_t *usage_counts(void);

/* Adds the fields of a day, as HGETALL answers them. */
void usage_add(json_t *counts, const reply_t *reply);

/* For people: bars, where that is a terminal. */
void usage_show(json_t *usage);

/* A line for each day and count. */
void usage_csv(json_t *usage);


#endif /* APIKEY_CLI_USAGE_H */
