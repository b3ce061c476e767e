#include <stdio.h>
#include <string.h>

#include "api.h"


#define API_ALLOW  64


static int api_matches(const char *pattern, const char *path);
static unsigned api_refuse(request_t *request, const char *allow);


static const route_t  routes[] = {

    { "GET", "/api/session", 0, api_session_show },
    { "POST", "/api/session", ROUTE_OPEN, api_session_begin },
    { "DELETE", "/api/session", 0, api_session_end },

    { "GET", "/api/keys", 0, api_list },
    { "POST", "/api/keys", ROUTE_ADMIN, api_create },
    { "DELETE", "/api/keys", ROUTE_ADMIN, api_delete_matching },
    { "POST", "/api/verify", 0, api_verify },
    { "GET", "/api/facets", 0, api_facets },
    { "GET", "/api/keys/{id}", 0, api_show },
    { "PATCH", "/api/keys/{id}", ROUTE_ADMIN, api_edit },
    { "DELETE", "/api/keys/{id}", ROUTE_ADMIN, api_delete },
    { "POST", "/api/keys/{id}/rotate", ROUTE_ADMIN, api_rotate },
    { "POST", "/api/keys/{id}/disable", ROUTE_ADMIN, api_disable },
    { "POST", "/api/keys/{id}/enable", ROUTE_ADMIN, api_enable },
    { "POST", "/api/keys/{id}/revoke", ROUTE_ADMIN, api_revoke },
    { "GET", "/api/keys/{id}/usage", 0, api_usage },
    { "GET", "/api/keys/{id}/limits", 0, api_limits },
    { "POST", "/api/keys/{id}/limits/reset", ROUTE_ADMIN, api_limits_reset },
    { "DELETE", "/api/services/{service}", ROUTE_ADMIN, api_delete_service },
    { "DELETE", "/api/projects/{project}", ROUTE_ADMIN, api_delete_project },

    { "GET", "/api/templates", 0, api_templates },
    { "PUT", "/api/templates/{name}", ROUTE_ADMIN, api_template_set },
    { "DELETE", "/api/templates/{name}", ROUTE_ADMIN, api_template_remove },
    { "GET", "/api/plans", 0, api_plans },
    { "GET", "/api/usage", 0, api_usage_all },
    { "GET", "/api/events", 0, api_events },
    { "GET", "/api/events/stream", ROUTE_UNASKED, api_stream },
    { "GET", "/api/gateways", 0, api_gateways },
    { "GET", "/api/doctor", ROUTE_ADMIN, api_doctor }
};

#define API_ROUTES  (sizeof(routes) / sizeof(route_t))


const route_t *
api_find(request_t *request)
{
    char      allow[API_ALLOW];
    size_t    len;
    unsigned  i;

    len = 0;
    allow[0] = '\0';

    for (i = 0; i < API_ROUTES; i++) {

        if (!api_matches(routes[i].path, request->path)) {
            continue;
        }

        if (strcmp(routes[i].method, request->method) == 0) {
            return &routes[i];
        }

        len += snprintf(allow + len, API_ALLOW - len, "%s%s",
                        len ? ", " : "", routes[i].method);
    }

    (void) api_refuse(request, allow);

    return NULL;
}


static int
api_matches(const char *pattern, const char *path)
{
    size_t  len;

    while (*pattern != '\0') {

        if (*pattern == '{') {
            len = strcspn(path, "/");

            if (len == 0) {
                return 0;
            }

            pattern += strcspn(pattern, "}") + 1;
            path += len;
            continue;
        }

        if (*pattern++ != *path++) {
            return 0;
        }
    }

    return *path == '\0';
}


static unsigned
api_refuse(request_t *request, const char *allow)
{
    if (*allow == '\0') {
        return http_error(request, 404, NULL, "there is no such page");
    }

    http_add(request, "Allow", "%s", allow);

    return http_error(request, 405, NULL, "Method not allowed");
}
