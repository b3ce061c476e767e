#ifndef APIKEY_API_H
#define APIKEY_API_H

/*
 * The routes of the web console's JSON API, as src/console/openapi.json
 * describes them.
 */

#include "http.h"


#define ROUTE_OPEN     1     /* without a token */
#define ROUTE_ADMIN    2
#define ROUTE_UNASKED  4     /* no sign that a session is in use */


/* Answers: http_answer(), http_error() or request->stream; the status. */
typedef unsigned (*route_answer_pt)(request_t *request);

typedef struct {
    const char       *method;
    const char       *path;      /* {name}: any segment that isn't empty */
    unsigned          flags;
    route_answer_pt   answer;
} route_t;


/* NULL, and the answer is 404 or 405 then. */
const route_t *api_find(request_t *request);

/* api_session.c */
unsigned api_session_show(request_t *request);
unsigned api_session_begin(request_t *request);
unsigned api_session_end(request_t *request);

/* api_list.c */
unsigned api_list(request_t *request);

/* api_facets.c */
unsigned api_facets(request_t *request);

/* api_keys.c */
unsigned api_create(request_t *request);
unsigned api_show(request_t *request);
unsigned api_edit(request_t *request);
unsigned api_rotate(request_t *request);
unsigned api_disable(request_t *request);
unsigned api_enable(request_t *request);
unsigned api_revoke(request_t *request);
unsigned api_delete(request_t *request);
unsigned api_verify(request_t *request);
unsigned api_delete_matching(request_t *request);
unsigned api_delete_service(request_t *request);
unsigned api_delete_project(request_t *request);
unsigned api_usage(request_t *request);
unsigned api_limits(request_t *request);
unsigned api_limits_reset(request_t *request);

/* api_usage.c */
unsigned api_usage_all(request_t *request);

/* api_events.c */
unsigned api_events(request_t *request);

/* api_stream.c */
unsigned api_stream(request_t *request);

/* api_setup.c */
unsigned api_templates(request_t *request);
unsigned api_template_set(request_t *request);
unsigned api_template_remove(request_t *request);
unsigned api_plans(request_t *request);
unsigned api_gateways(request_t *request);
unsigned api_doctor(request_t *request);


#endif /* APIKEY_API_H */
