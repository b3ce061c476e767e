/* Usage of many keys: what the command usage says, without operands. */

#include <stdio.h>

#include "api.h"
#include "api_command.h"
#include "api_filter.h"


#define USAGE_LIMIT      1000
#define USAGE_LIMIT_MAX  100000


/* of the query */
static const member_t  usage_members[] = {
    { "days", "days", MEMBER_TEXT },
    { "month", "month", MEMBER_TEXT },
    { "from", "from", MEMBER_TEXT },
    { "to", "to", MEMBER_TEXT },
    { "by", "by", MEMBER_TEXT },
    { NULL, NULL, MEMBER_TEXT }
};


unsigned
api_usage_all(request_t *request)
{
    task_t       task;
    uint64_t     limit;
    unsigned     i;
    const char  *value, *most;

    limit = USAGE_LIMIT;

    if (http_query_check(request, API_FILTERS " days month from to by limit")
        != 0
        || http_query_number(request, "limit", 1, USAGE_LIMIT_MAX, &limit)
           != 0)
    {
        return request->status;
    }

    task_init(&task, "usage");

    if (api_filter_options(request, &task) != 0) {
        task_free(&task);
        return request->status;
    }

    for (i = 0; usage_members[i].name != NULL; i++) {
        value = http_query(request, usage_members[i].name);

        if (value != NULL) {
            task_add(&task, usage_members[i].option, value);
        }
    }

    if (http_query(request, "by") != NULL) {
        most = http_keep(request, "%llu", (unsigned long long) limit);
        task_add(&task, "limit", most);
    }

    return api_command(request, &task, usage_members, 200);
}
