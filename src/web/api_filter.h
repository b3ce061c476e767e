#ifndef APIKEY_API_FILTER_H
#define APIKEY_API_FILTER_H

/* The parameters that say which keys are meant: all of them must match. */

#include "store/filter.h"

#include "http.h"


#define API_FILTERS                                                           \
    "q status org project service plan scope unused expires_within"


/* 0 and the filter, whose texts live as long as the request; or the status. */
unsigned api_filter(request_t *request, filter_t *filter);

/* The same as options of a command; empty values are refused. */
unsigned api_filter_options(request_t *request, task_t *task);

/* How many keys match; -1, and the answer is an error. */
int api_list_count(request_t *request, const filter_t *filter,
    uint64_t *count);

int api_filter_matches(const filter_t *filter, const snapshot_key_t *key,
    uint64_t now);


#endif /* APIKEY_API_FILTER_H */
