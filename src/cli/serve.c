/* serve: the web console and its JSON API, until a signal ends it. */

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include "store/memory.h"

#include "web/console.h"
#include "web/http_server.h"
#include "web/worker.h"

#include "serve_task.h"


#define SERVE_LISTEN    "127.0.0.1:8401"
#define SERVE_BACKLOG   128
#define SERVE_HEADERS   32768          /* bytes */
#define SERVE_STACK     (1024 * 1024)
#define SERVE_PATIENCE  60             /* times 50 ms, for streams to end */


/* "127.0.0.1:8401", "[::1]:8401" */
typedef struct {
    char         host[NI_MAXHOST];    /* in brackets as in a URL */
    char         port[8];
    int          outside;             /* not a loopback address */
    int          fd;
} serve_listen_t;


static int serve_pepper(cli_t *cli);
static int serve_given(const cli_t *cli, console_t *console,
    serve_listen_t *listen);
static int serve_tokens(const cli_t *cli, tokens_t *tokens,
    char token[TOKENS_TEXT]);
static int serve_hosts(const cli_t *cli, console_t *console,
    const serve_listen_t *listen);
static int serve_address(serve_listen_t *listen, const char *text);
static int serve_listen(serve_listen_t *listen);
static int serve_bind(serve_listen_t *listen, const struct addrinfo *ai);
static int serve_run(const cli_t *cli, console_t *console,
    const serve_listen_t *listen, const char *token);
static void serve_stop(console_t *console, struct MHD_Daemon *daemon);
static void serve_say(const cli_t *cli, const serve_listen_t *listen,
    const char *token);


int
command_serve(cli_t *cli)
{
    int              rc;
    char             token[TOKENS_TEXT];
    console_t       *console;
    serve_listen_t   listen;

    console = must(calloc(1, sizeof(console_t)));
    console->address = &cli->settings->address;
    console->prefix = cli->settings->redis_prefix;
    serve_program(&console->program, cli);
    listen.fd = -1;
    token[0] = '\0';

    if ((rc = cli_operands(cli, 0, 0, NULL)) != CLI_DONE
        || (rc = cli_pepper(cli)) != CLI_DONE
        || (rc = serve_pepper(cli)) != CLI_DONE
        || (rc = serve_given(cli, console, &listen)) != CLI_DONE
        || (rc = serve_tokens(cli, &console->tokens, token)) != CLI_DONE
        || (rc = serve_listen(&listen)) != CLI_DONE)
    {
        goto done;
    }

    rc = serve_run(cli, console, &listen, token);

done:

    tokens_free(&console->tokens);
    sodium_memzero(token, sizeof(token));
    free(console);

    return rc;
}


/* Who serves may do so before Redis is there: it is looked at again then. */

static int
serve_pepper(cli_t *cli)
{
    int  rc;

    if (cli_try(cli) != CLI_DONE) {
        return CLI_DONE;
    }

    rc = cli_pepper_check(cli);
    cli_close(cli);

    return rc;
}


static int
serve_given(const cli_t *cli, console_t *console, serve_listen_t *listen)
{
    const char  *text;

    text = options_value(cli->options, "listen");

    if (serve_address(listen, text ? text : SERVE_LISTEN) != 0) {
        complain_option("listen", text, "not like 127.0.0.1:8401 or "
                        "[::1]:8401");
        return CLI_USAGE;
    }

    return serve_hosts(cli, console, listen);
}


static int
serve_tokens(const cli_t *cli, tokens_t *tokens, char token[TOKENS_TEXT])
{
    const char  *path;

    path = options_value(cli->options, "token-file");

    if (path != NULL) {
        return (tokens_read(tokens, path) == 0) ? CLI_DONE : CLI_USAGE;
    }

    tokens_make(tokens, token);

    return CLI_DONE;
}


static int
serve_hosts(const cli_t *cli, console_t *console,
    const serve_listen_t *listen)
{
    unsigned     i;
    const char  *name;

    console->hosts[console->host_count++] = "localhost";
    console->hosts[console->host_count++] = "127.0.0.1";
    console->hosts[console->host_count++] = "[::1]";
    console->hosts[console->host_count++] = listen->host;

    i = 0;

    while ((name = options_next(cli->options, "host", &i)) != NULL) {

        if (*name == '\0' || strchr(name, '/') != NULL
            || (*name != '[' && strchr(name, ':') != NULL))
        {
            complain_option("host", name, "not a name like "
                            "keys.example.com, without a port");
            return CLI_USAGE;
        }

        if (console->host_count == CONSOLE_HOSTS) {
            complain_option("host", name, "too many names");
            return CLI_USAGE;
        }

        console->hosts[console->host_count++] = name;
        console->proxied = 1;
    }

    return CLI_DONE;
}


static int
serve_address(serve_listen_t *listen, const char *text)
{
    size_t       len;
    uint64_t     port;
    const char  *colon;

    colon = strrchr(text, ':');
    len = colon ? (size_t) (colon - text) : 0;

    if (len == 0
        || len >= sizeof(listen->host)
        || strlen(colon + 1) >= sizeof(listen->port)
        || apikey_text_number(store_text(colon + 1), 65535, &port)
           != APIKEY_OK
        || (*text == '[') != (text[len - 1] == ']')
        || (*text != '[' && memchr(text, ':', len) != NULL))
    {
        return -1;
    }

    memcpy(listen->host, text, len);
    listen->host[len] = '\0';
    strcpy(listen->port, colon + 1);

    return 0;
}


static int
serve_listen(serve_listen_t *listen)
{
    int               rc;
    char              host[NI_MAXHOST];
    struct addrinfo   hints, *ai;

    snprintf(host, sizeof(host), "%s", listen->host);

    if (*host == '[') {
        memmove(host, host + 1, strlen(host));
        host[strlen(host) - 1] = '\0';
    }

    memset(&hints, 0, sizeof(hints));

    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE;

    rc = getaddrinfo(host, listen->port, &hints, &ai);

    if (rc != 0) {
        complain("%s:%s: %s", listen->host, listen->port, gai_strerror(rc));
        return CLI_USAGE;
    }

    rc = serve_bind(listen, ai);

    if (rc != 0) {
        complain("%s:%s: %s", listen->host, listen->port, strerror(errno));
    }

    freeaddrinfo(ai);

    return (rc == 0) ? CLI_DONE : CLI_USAGE;
}


static int
serve_bind(serve_listen_t *server, const struct addrinfo *ai)
{
    int                       one;
    socklen_t                 len;
    struct sockaddr_storage   bound;

    one = 1;
    server->fd = socket(ai->ai_family, SOCK_STREAM|SOCK_CLOEXEC, 0);
    len = sizeof(bound);

    if (server->fd == -1
        || setsockopt(server->fd, SOL_SOCKET, SO_REUSEADDR, &one,
                      sizeof(one)) == -1
        || bind(server->fd, ai->ai_addr, ai->ai_addrlen) == -1
        || listen(server->fd, SERVE_BACKLOG) == -1
        || getsockname(server->fd, (struct sockaddr *) &bound, &len) == -1)
    {
        return -1;
    }

    if (bound.ss_family == AF_INET6) {
        struct sockaddr_in6  *in6 = (struct sockaddr_in6 *) &bound;

        snprintf(server->port, sizeof(server->port), "%u",
                 ntohs(in6->sin6_port));
        server->outside = !IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);

    } else {
        struct sockaddr_in  *in = (struct sockaddr_in *) &bound;

        snprintf(server->port, sizeof(server->port), "%u",
                 ntohs(in->sin_port));
        server->outside = (ntohl(in->sin_addr.s_addr) >> 24) != 127;
    }

    return 0;
}


static int
serve_run(const cli_t *cli, console_t *console, const serve_listen_t *listen,
    const char *token)
{
    sigset_t            signals;
    struct timespec     ts = { 1, 0 };
    struct MHD_Daemon  *daemon;

    /* Nobody reads tokens and keys in a core file. */

    (void) prctl(PR_SET_DUMPABLE, 0);

    /* Inherited by all threads: only sigtimedwait() takes them. */

    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);

    sessions_init(&console->sessions);
    throttle_init(&console->throttle);
    connections_init(&console->connections);
    pthread_mutex_init(&console->mutex, NULL);
    snapshot_start(&console->snapshot, console->address, console->prefix);

    daemon = MHD_start_daemon(
        MHD_USE_THREAD_PER_CONNECTION|MHD_USE_INTERNAL_POLLING_THREAD
        |MHD_USE_POLL|MHD_USE_ITC,
        0, NULL, NULL, http_handle, console,
        MHD_OPTION_LISTEN_SOCKET, listen->fd,
        MHD_OPTION_NOTIFY_CONNECTION, http_connection, console,
        MHD_OPTION_NOTIFY_COMPLETED, http_completed, console,
        MHD_OPTION_UNESCAPE_CALLBACK, http_unescape, console,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned) CONNECTIONS_MAX,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned) CONSOLE_TIMEOUT,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t) SERVE_HEADERS,
        MHD_OPTION_THREAD_STACK_SIZE, (size_t) SERVE_STACK,
        MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_END);

    if (daemon == NULL) {
        complain("the server can't be started");

    } else {
        serve_say(cli, listen, token);

        while (sigtimedwait(&signals, NULL, &ts) == -1) {
            connections_sweep(&console->connections);
        }

        serve_stop(console, daemon);
    }

    snapshot_stop(&console->snapshot);
    workers_free(console);
    pthread_mutex_destroy(&console->mutex);
    connections_free(&console->connections);
    throttle_free(&console->throttle);
    sessions_free(&console->sessions);

    return daemon ? CLI_DONE : CLI_REFUSED;
}


/* Streams look around each second; what is still open then is cut. */

static void
serve_stop(console_t *console, struct MHD_Daemon *daemon)
{
    unsigned          i;
    MHD_socket        fd;
    struct timespec   ts = { 0, 50000000 };

    atomic_store(&console->stopping, 1);
    fd = MHD_quiesce_daemon(daemon);

    for (i = 0; atomic_load(&console->streams) != 0 && i < SERVE_PATIENCE;
         i++)
    {
        (void) nanosleep(&ts, NULL);
    }

    MHD_stop_daemon(daemon);

    if (fd != MHD_INVALID_SOCKET) {
        close(fd);
    }
}


static void
serve_say(const cli_t *cli, const serve_listen_t *listen, const char *token)
{
    char  url[NI_MAXHOST + 32];

    snprintf(url, sizeof(url), "http://%s:%s/", listen->host, listen->port);

    if (cli->json) {
        json_print(json_pack("{s:s,s:s?}", "url", url,
                             "token", *token ? token : NULL));

    } else {
        printf("the web console is at %s\n", url);

        if (*token != '\0') {
            printf("its token, until it ends: %s\n", token);
        }
    }

    fflush(stdout);

    if (listen->outside) {
        complain("%s can be reached from other machines, and tokens go there "
                 "in the clear: let nginx with TLS stand in front of a "
                 "loopback address, and name it with --host", listen->host);
    }
}
