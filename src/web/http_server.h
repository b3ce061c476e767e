#ifndef APIKEY_HTTP_SERVER_H
#define APIKEY_HTTP_SERVER_H

/*
 * The web console as MHD calls it: a request comes in, is judged (gate.h) and
 * answered by its route (api.h) or with a file.
 */

#include "http.h"


/* What MHD calls for each request, and once it is over. */
enum MHD_Result http_handle(void *console, struct MHD_Connection *connection,
    const char *url, const char *method, const char *version,
    const char *upload, size_t *upload_size, void **request);
void http_completed(void *console, struct MHD_Connection *connection,
    void **request, enum MHD_RequestTerminationCode why);

/* What MHD calls when a client comes and goes. */
void http_connection(void *console, struct MHD_Connection *connection,
    void **data, enum MHD_ConnectionNotificationCode what);

/* Leaves what is percent-encoded to http_decode(). */
size_t http_unescape(void *console, struct MHD_Connection *connection,
    char *text);


#endif /* APIKEY_HTTP_SERVER_H */
