#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include <sodium.h>

#include "store/complain.h"

#include "gate.h"


static int gate_host_known(const console_t *console, const char *host);
static void gate_address(request_t *request);
static int gate_forwarded(const request_t *request, char *address);
static void gate_counted(const request_t *request, char who[THROTTLE_TEXT]);
static void gate_name(char who[THROTTLE_TEXT], const token_t *token);
static unsigned gate_who(request_t *request, const route_t *route);
static unsigned gate_forgery(request_t *request, const route_t *route);
static int gate_origin(const request_t *request);
static int gate_is_json(const request_t *request);


unsigned
gate_host(request_t *request)
{
    const char  *host;

    gate_address(request);

    host = http_header(request, "Host");

    if (host == NULL || !gate_host_known(request->console, host)) {
        return http_error(request, 403, NULL, "this is no name of the "
                          "console: it may be given with --host");
    }

    return 0;
}


unsigned
gate_route(request_t *request, const route_t *route)
{
    int  changes;

    changes = strcmp(request->method, "GET") != 0;

    if (!(route->flags & ROUTE_OPEN) && gate_who(request, route) != 0) {
        return request->status;
    }

    if (changes && gate_forgery(request, route) != 0) {
        return request->status;
    }

    if ((route->flags & ROUTE_ADMIN) && request->token->role != ROLE_ADMIN) {
        return http_error(request, 403, NULL,
                          "this is for admins, \"%s\" is a viewer",
                          request->token->name);
    }

    if (changes
        && strcmp(request->method, "DELETE") != 0
        && !gate_is_json(request))
    {
        return http_error(request, 415, NULL,
                          "the body has to be application/json");
    }

    return 0;
}


unsigned
gate_token(request_t *request, const char *text)
{
    char         who[THROTTLE_TEXT];
    unsigned     wait;
    console_t   *console;

    console = request->console;
    gate_counted(request, who);
    wait = throttle_wait(&console->throttle, who);

    if (wait != 0) {
        http_add(request, "Retry-After", "%u", wait);
        return http_error(request, 429, NULL, "too many wrong tokens: wait "
                          "%u seconds", wait);
    }

    request->token = tokens_find(&console->tokens, text);

    if (request->token == NULL) {
        throttle_wrong(&console->throttle, who);
        complain("a wrong token from %s", request->address);

        return http_error(request, 401, NULL, "this token is wrong");
    }

    throttle_right(&console->throttle, who);

    return 0;
}


void
gate_remember(request_t *request, char browser[SESSION_TEXT])
{
    char        who[THROTTLE_TEXT];
    console_t  *console;

    console = request->console;

    sessions_browser(&console->sessions, request->token, browser);

    gate_name(who, request->token);
    throttle_right(&console->throttle, who);
}


int
gate_https(const request_t *request)
{
    const char  *proto;

    proto = http_header(request, "X-Forwarded-Proto");

    return request->console->proxied
           && proto != NULL
           && strcasecmp(proto, "https") == 0;
}


/* Whatever the port: an SSH tunnel may begin at another one. */

static int
gate_host_known(const console_t *console, const char *host)
{
    size_t    len;
    unsigned  i;

    len = (*host == '[') ? strcspn(host, "]") : strcspn(host, ":");
    len += (host[len] == ']');

    if (host[len] != '\0'
        && (host[len] != ':'
            || strspn(host + len + 1, "0123456789") != strlen(host + len + 1)))
    {
        return 0;
    }

    for (i = 0; i < console->host_count; i++) {

        if (strlen(console->hosts[i]) == len
            && strncasecmp(console->hosts[i], host, len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


/* Of IPv6 the network: a client has all of its addresses. */

static void
gate_address(request_t *request)
{
    char                             forwarded[THROTTLE_TEXT];
    const char                      *text;
    struct in_addr                   in;
    struct in6_addr                  in6;
    const struct sockaddr           *sockaddr;
    const union MHD_ConnectionInfo  *info;

    info = MHD_get_connection_info(request->connection,
                                   MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    sockaddr = info->client_addr;

    memset(&in, 0, sizeof(in));
    memset(&in6, 0, sizeof(in6));
    text = NULL;

    if (sockaddr->sa_family == AF_INET) {
        in = ((const struct sockaddr_in *) sockaddr)->sin_addr;
        text = inet_ntop(AF_INET, &in, request->address, THROTTLE_TEXT);

    } else if (sockaddr->sa_family == AF_INET6) {
        in6 = ((const struct sockaddr_in6 *) sockaddr)->sin6_addr;
        text = inet_ntop(AF_INET6, &in6, request->address, THROTTLE_TEXT);
    }

    if (text != NULL
        && throttle_local(text)
        && gate_forwarded(request, forwarded))
    {
        snprintf(request->address, THROTTLE_TEXT, "%s", forwarded);
    }

    if (inet_pton(AF_INET6, request->address, &in6) == 1
        && !IN6_IS_ADDR_LOOPBACK(&in6))
    {
        memset(&in6.s6_addr[8], 0, 8);
        (void) inet_ntop(AF_INET6, &in6, request->address, THROTTLE_TEXT);
    }
}


/* The last address of X-Forwarded-For is what the proxy itself has seen. */

static int
gate_forwarded(const request_t *request, char *address)
{
    size_t            len;
    const char       *value, *comma;
    struct in6_addr   in6;

    value = http_header(request, "X-Forwarded-For");

    if (!request->console->proxied || value == NULL) {
        return 0;
    }

    comma = strrchr(value, ',');
    value = comma ? comma + 1 : value;
    value += strspn(value, " \t");
    len = strcspn(value, " \t");

    if (len >= THROTTLE_TEXT) {
        return 0;
    }

    memcpy(address, value, len);
    address[len] = '\0';

    return inet_pton(AF_INET, address, &in6) == 1
           || inet_pton(AF_INET6, address, &in6) == 1;
}


/*
 * By whom wrong tokens are counted: many may share an address, and one of them
 * lock out the others, so a browser in which a token was right has that
 * token's own count.
 */

static void
gate_counted(const request_t *request, char who[THROTTLE_TEXT])
{
    char         browser[SESSION_TEXT];
    unsigned     i;
    console_t   *console;
    const char  *given;

    console = request->console;
    given = MHD_lookup_connection_value(request->connection, MHD_COOKIE_KIND,
                                        gate_https(request)
                                        ? GATE_KNOWN_SECURE : GATE_KNOWN);

    snprintf(who, THROTTLE_TEXT, "%s", request->address);

    if (given == NULL || strlen(given) != SESSION_TEXT - 1) {
        return;
    }

    for (i = 0; i < console->tokens.count; i++) {
        sessions_browser(&console->sessions, &console->tokens.list[i],
                         browser);

        if (sodium_memcmp(given, browser, SESSION_TEXT - 1) == 0) {
            gate_name(who, &console->tokens.list[i]);
        }
    }
}


static void
gate_name(char who[THROTTLE_TEXT], const token_t *token)
{
    snprintf(who, THROTTLE_TEXT, "token %u", token->number);
}


static unsigned
gate_who(request_t *request, const route_t *route)
{
    int          use;
    const char  *value;

    value = http_header(request, "Authorization");

    if (value != NULL && strncasecmp(value, "Bearer ", 7) == 0) {

        if (gate_token(request, value + 7 + strspn(value + 7, " ")) == 401) {
            http_add(request, "WWW-Authenticate", "Bearer");
        }

        return request->status;
    }

    value = MHD_lookup_connection_value(request->connection, MHD_COOKIE_KIND,
                                        gate_https(request)
                                        ? GATE_COOKIE_SECURE : GATE_COOKIE);
    if (value != NULL) {

        /* What the page asks for by itself is no sign of its reader. */

        use = !(route->flags & ROUTE_UNASKED)
              && http_header(request, "X-Unasked") == NULL;

        request->token = sessions_find(&request->console->sessions, value,
                                       use);
        request->session = value;
    }

    if (request->token == NULL) {
        http_add(request, "WWW-Authenticate", "Bearer");
        return http_error(request, 401, NULL, value ? "the session is over"
                                                    : "a token is needed");
    }

    return 0;
}


/* A token that isn't a cookie isn't sent by anyone who doesn't know it. */

static unsigned
gate_forgery(request_t *request, const route_t *route)
{
    char         csrf[SESSION_TEXT];
    const char  *given;

    if (request->session == NULL && !(route->flags & ROUTE_OPEN)) {
        return 0;
    }

    if (!gate_origin(request)) {
        return http_error(request, 403, NULL,
                          "this comes from another site's page");
    }

    if (request->session == NULL) {
        return 0;
    }

    given = http_header(request, "X-CSRF-Token");
    sessions_csrf(&request->console->sessions, request->session, csrf);

    if (given == NULL
        || strlen(given) != SESSION_TEXT - 1
        || sodium_memcmp(given, csrf, SESSION_TEXT - 1) != 0)
    {
        return http_error(request, 403, NULL, "X-CSRF-Token has to be the "
                          "csrf of /api/session");
    }

    return 0;
}


static int
gate_origin(const request_t *request)
{
    const char  *origin, *site;

    origin = http_header(request, "Origin");
    site = http_header(request, "Sec-Fetch-Site");

    if (site != NULL
        && strcmp(site, "same-origin") != 0
        && strcmp(site, "none") != 0)
    {
        return 0;
    }

    if (origin == NULL) {
        return 1;
    }

    if (strncmp(origin, "http://", 7) == 0) {
        origin += 7;

    } else if (strncmp(origin, "https://", 8) == 0) {
        origin += 8;

    } else {
        return 0;
    }

    return strcasecmp(origin, http_header(request, "Host")) == 0;
}


static int
gate_is_json(const request_t *request)
{
    size_t       len;
    const char  *type;

    type = http_header(request, "Content-Type");
    len = strlen("application/json");

    return type != NULL
           && strncasecmp(type, "application/json", len) == 0
           && strchr("; \t", type[len]) != NULL;   /* or the end */
}
