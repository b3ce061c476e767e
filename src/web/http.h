#ifndef APIKEY_HTTP_H
#define APIKEY_HTTP_H

/* A request to the web console, and its answer. */

#include <microhttpd.h>

#include "assets.h"
#include "console.h"


#define HTTP_HEADERS  6     /* of an answer, beyond the usual */
#define HTTP_VALUE    256


typedef struct {
    const char  *name;
    char         value[HTTP_VALUE];
} http_header_t;


typedef struct {
    console_t               *console;
    struct MHD_Connection   *connection;
    const char              *method;       /* GET for HEAD, too */
    const char              *path;         /* still percent-encoded */
    char                     address[THROTTLE_TEXT];

    const token_t           *token;        /* who asks; NULL: nobody knows */
    const char              *session;      /* its id; NULL: none */

    json_t                  *body;         /* NULL: none */
    store_retry_t            retry;        /* by its Idempotency-Key */
    unsigned                 retrying:1;   /* it has one */
    json_t                  *kept;         /* texts of this request */

    unsigned                 status;       /* of the answer; 0: none yet */
    json_t                  *answer;       /* NULL: an empty one */
    http_header_t            headers[HTTP_HEADERS];
    unsigned                 header_count;
    const asset_t           *asset;
    struct MHD_Response     *stream;
} request_t;


/* The value of a header, or NULL. */
const char *http_header(const request_t *request, const char *name);

/*
 * The value of a parameter of the query, which lives as long as the request,
 * or NULL.  http_query_check() has seen that it can be decoded.
 */
const char *http_query(request_t *request, const char *name);

/* Are there only parameters of this list of names?  0, or the status. */
unsigned http_query_check(request_t *request, const char *names);

/* A whole number within these bounds, if it is given: 0, or the status. */
unsigned http_query_number(request_t *request, const char *name,
    uint64_t min, uint64_t max, uint64_t *value);

/* Text of the request's own, formatted; NULL if it isn't UTF-8. */
const char *http_keep(request_t *request, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A segment of the path, decoded, from 0 ("api") on; NULL if it can't be. */
const char *http_segment(request_t *request, unsigned n);

/* Without %XX; NULL if it can't be, or isn't UTF-8 then. */
const char *http_decode(request_t *request, const char *text, size_t len);

/* One more header of the answer. */
void http_add(request_t *request, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The answer is that: returns the status. */
unsigned http_answer(request_t *request, unsigned status, json_t *json);

/* An error, and, unless it is NULL, the member or parameter that is wrong. */
unsigned http_error(request_t *request, unsigned status, const char *field,
    const char *format, ...) __attribute__((format(printf, 4, 5)));


#endif /* APIKEY_HTTP_H */
