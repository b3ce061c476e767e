/* Logging in to the web console, and out. */

#include <string.h>

#include <sodium.h>

#include "api.h"
#include "gate.h"
#include "version.h"


static unsigned api_session_json(request_t *request, const char *csrf);
static void api_session_cookie(request_t *request, const char *name,
    const char *value, unsigned age);
static const char *api_session_name(const request_t *request);


unsigned
api_session_show(request_t *request)
{
    char  csrf[SESSION_TEXT];

    if (request->session == NULL) {
        return api_session_json(request, NULL);
    }

    sessions_csrf(&request->console->sessions, request->session, csrf);

    return api_session_json(request, csrf);
}


unsigned
api_session_begin(request_t *request)
{
    char         id[SESSION_TEXT], csrf[SESSION_TEXT],
                 browser[SESSION_TEXT];
    json_t      *token;
    console_t   *console;

    console = request->console;
    token = json_object_get(request->body, "token");

    if (!json_is_string(token) || json_object_size(request->body) != 1) {
        return http_error(request, 400, "token",
                          "the body has to be {\"token\":\"...\"}");
    }

    if (gate_token(request, json_string_value(token)) != 0) {
        return request->status;
    }

    sessions_begin(&console->sessions, request->token, id);
    sessions_csrf(&console->sessions, id, csrf);
    gate_remember(request, browser);

    api_session_cookie(request, api_session_name(request), id, SESSIONS_AGE);
    api_session_cookie(request, gate_https(request) ? GATE_KNOWN_SECURE
                                                    : GATE_KNOWN,
                       browser, SESSIONS_BROWSER);

    sodium_memzero(id, sizeof(id));

    return api_session_json(request, csrf);
}


unsigned
api_session_end(request_t *request)
{
    if (request->session != NULL) {
        sessions_end(&request->console->sessions, request->session);
        api_session_cookie(request, api_session_name(request), "", 0);
    }

    return http_answer(request, 204, NULL);
}


static unsigned
api_session_json(request_t *request, const char *csrf)
{
    return http_answer(request, 200,
                       json_pack("{s:s,s:s,s:s?,s:s}",
                                 "name", request->token->name,
                                 "role", role_name(request->token->role),
                                 "csrf", csrf,
                                 "version", APIKEY_VERSION));
}


static void
api_session_cookie(request_t *request, const char *name, const char *value,
    unsigned age)
{
    http_add(request, "Set-Cookie",
             "%s=%s; Path=/; Max-Age=%u; HttpOnly; SameSite=Strict%s",
             name, value, age, gate_https(request) ? "; Secure" : "");
}


static const char *
api_session_name(const request_t *request)
{
    return gate_https(request) ? GATE_COOKIE_SECURE : GATE_COOKIE;
}
