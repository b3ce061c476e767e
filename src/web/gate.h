#ifndef APIKEY_GATE_H
#define APIKEY_GATE_H

/*
 * Who may ask the web console for what.
 *
 *   Host      is a name of this machine or one that was given: another site's
 *             name that leads here (DNS rebinding) is refused
 *   token     of Authorization: Bearer, else that of the cookie's session;
 *             a wrong one is counted, by address or by the browser that has
 *             logged in before
 *   role      a viewer changes nothing
 *   forgery   what a cookie allows to change also needs the session's token in
 *             X-CSRF-Token, and must not come from another origin
 */

#include "api.h"
#include "http.h"


#define GATE_COOKIE         "apikey_session"
#define GATE_COOKIE_SECURE  "__Host-apikey_session"

/* Of a browser that has logged in. */
#define GATE_KNOWN          "apikey_browser"
#define GATE_KNOWN_SECURE   "__Host-apikey_browser"


/* All return 0, or the status of an error that is the answer then. */

/* Also finds out who the client is. */
unsigned gate_host(request_t *request);

unsigned gate_route(request_t *request, const route_t *route);

/* A token that is given now: sets request->token. */
unsigned gate_token(request_t *request, const char *text);

/* From now on wrong tokens of that browser are counted by themselves. */
void gate_remember(request_t *request, char browser[SESSION_TEXT]);

/* Does this name come from outside by https?  Its cookie is secure then. */
int gate_https(const request_t *request);


#endif /* APIKEY_GATE_H */
