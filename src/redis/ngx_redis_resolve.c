/*
 * Where a host is, asked anew before each reconnect: of the http block's
 * resolver, if there is one, else of the system (getaddrinfo_a(3), whose thread
 * lives only as long as the question).  No answer, or a bad one, keeps the
 * addresses known before.
 */

#include "ngx_redis_connection.h"

#if (defined __GLIBC__)
#include <netdb.h>
#define NGX_REDIS_GETADDRINFO_A  1
#endif


#define NGX_REDIS_RESOLVE_POLL   5      /* milliseconds */


typedef struct {
    ngx_resolver_ctx_t        *ctx;

#if (NGX_REDIS_GETADDRINFO_A)
    struct gaicb               query;
    struct gaicb              *queries[1];
    struct addrinfo            hints;
    char                       host[NGX_MAXHOSTNAMELEN + 1];
    ngx_event_t                poll;
    unsigned                   busy:1;
#endif
} ngx_redis_lookup_t;


static ngx_redis_lookup_t *ngx_redis_lookup(ngx_redis_connection_t *conn);
static void ngx_redis_resolver_handler(ngx_resolver_ctx_t *ctx);
static void ngx_redis_resolve_add(ngx_redis_connection_t *conn, ngx_uint_t i,
    struct sockaddr *sockaddr, socklen_t socklen);
static void ngx_redis_unresolved(ngx_redis_connection_t *conn,
    const char *why);

#if (NGX_REDIS_GETADDRINFO_A)
static void ngx_redis_resolve_system(ngx_redis_connection_t *conn,
    ngx_redis_lookup_t *lookup);
static void ngx_redis_resolve_poll(ngx_event_t *ev);
#endif


void
ngx_redis_resolve(ngx_redis_connection_t *conn)
{
    ngx_resolver_ctx_t  *ctx;
    ngx_redis_lookup_t  *lookup;

    lookup = ngx_redis_lookup(conn);

    if (lookup == NULL) {
        ngx_redis_connect(conn);
        return;
    }

    if (conn->conf->resolver == NULL) {
#if (NGX_REDIS_GETADDRINFO_A)
        ngx_redis_resolve_system(conn, lookup);
#else
        ngx_redis_connect(conn);
#endif
        return;
    }

    ctx = ngx_resolve_start(conn->conf->resolver, NULL);

    if (ctx == NULL || ctx == NGX_NO_RESOLVER) {
        ngx_redis_connect(conn);
        return;
    }

    ctx->name = conn->server->host;
    ctx->handler = ngx_redis_resolver_handler;
    ctx->data = conn;
    ctx->timeout = conn->conf->connect_timeout;
    ctx->cancelable = 1;

    lookup->ctx = ctx;

    if (ngx_resolve_name(ctx) != NGX_OK) {
        lookup->ctx = NULL;
        ngx_redis_connect(conn);
    }
}


void
ngx_redis_resolve_cancel(ngx_redis_connection_t *conn)
{
    ngx_redis_lookup_t  *lookup;

    lookup = conn->lookup;

    if (lookup == NULL) {
        return;
    }

    if (lookup->ctx) {
        ngx_resolve_name_done(lookup->ctx);
        lookup->ctx = NULL;
    }

#if (NGX_REDIS_GETADDRINFO_A)
    /* an answer still to come is taken by the next question */

    if (lookup->poll.timer_set) {
        ngx_del_timer(&lookup->poll);
    }
#endif
}


void
ngx_redis_resolve_close(ngx_redis_connection_t *conn)
{
    ngx_redis_lookup_t  *lookup;

    ngx_redis_resolve_cancel(conn);

    lookup = conn->lookup;
    conn->lookup = NULL;

#if (NGX_REDIS_GETADDRINFO_A)
    /* a thread that is still asking writes there */

    if (lookup && lookup->busy) {
        return;
    }
#endif

    if (lookup) {
        ngx_free(lookup);
    }
}


void
ngx_redis_server_at(ngx_redis_server_t *server, ngx_addr_t *addr,
    ngx_sockaddr_t *sockaddr)
{
    ngx_str_t  *host;
    in_addr_t   inaddr;

    host = &server->tls_name;
    inaddr = ngx_inet_addr(host->data, host->len);

    addr->sockaddr = &sockaddr->sockaddr;
    addr->name = server->name;

    if (inaddr != INADDR_NONE) {
        sockaddr->sockaddr_in.sin_family = AF_INET;
        sockaddr->sockaddr_in.sin_addr.s_addr = inaddr;
        addr->socklen = sizeof(struct sockaddr_in);

#if (NGX_HAVE_INET6)
    } else if (ngx_inet6_addr(host->data, host->len,
                              sockaddr->sockaddr_in6.sin6_addr.s6_addr)
               == NGX_OK)
    {
        sockaddr->sockaddr_in6.sin6_family = AF_INET6;
        addr->socklen = sizeof(struct sockaddr_in6);
#endif

    } else {
        server->host = *host;
        return;
    }

    ngx_inet_set_port(addr->sockaddr, server->port);

    server->addrs = addr;
    server->naddrs = 1;
}


static ngx_redis_lookup_t *
ngx_redis_lookup(ngx_redis_connection_t *conn)
{
    if (conn->lookup == NULL) {
        conn->lookup = ngx_calloc(sizeof(ngx_redis_lookup_t), &conn->log);
    }

    return conn->lookup;
}


static void
ngx_redis_resolver_handler(ngx_resolver_ctx_t *ctx)
{
    ngx_uint_t               i;
    ngx_redis_lookup_t      *lookup;
    ngx_redis_connection_t  *conn;

    conn = ctx->data;
    lookup = conn->lookup;

    if (ctx->state) {
        ngx_redis_unresolved(conn, ngx_resolver_strerror(ctx->state));

    } else {
        for (i = 0; i < ctx->naddrs; i++) {
            ngx_redis_resolve_add(conn, i, ctx->addrs[i].sockaddr,
                                  ctx->addrs[i].socklen);
        }
    }

    ngx_resolve_name_done(ctx);
    lookup->ctx = NULL;

    ngx_redis_connect(conn);
}


/* The first address found takes the place of all that were known. */

static void
ngx_redis_resolve_add(ngx_redis_connection_t *conn, ngx_uint_t i,
    struct sockaddr *sockaddr, socklen_t socklen)
{
    if (i >= NGX_REDIS_ADDRS_MAX) {
        return;
    }

    ngx_memcpy(&conn->sockaddrs[i], sockaddr, socklen);
    ngx_inet_set_port((struct sockaddr *) &conn->sockaddrs[i],
                      conn->server->port);

    conn->found[i].sockaddr = (struct sockaddr *) &conn->sockaddrs[i];
    conn->found[i].socklen = socklen;

    conn->addrs = conn->found;
    conn->naddrs = i + 1;
    conn->unresolved = 0;
}


/* Once, until it is resolved. */

static void
ngx_redis_unresolved(ngx_redis_connection_t *conn, const char *why)
{
    ngx_uint_t  level;

    level = conn->unresolved || conn->subscription ? NGX_LOG_INFO : NGX_LOG_ERR;

    ngx_log_error(level, &conn->log, 0, "\"%V\" could not be resolved (%s)",
                  &conn->server->host, why);

    conn->unresolved = 1;
}


#if (NGX_REDIS_GETADDRINFO_A)

static void
ngx_redis_resolve_system(ngx_redis_connection_t *conn,
    ngx_redis_lookup_t *lookup)
{
    ngx_str_t  *host;

    if (!lookup->busy) {
        host = &conn->server->host;

        if (host->len > NGX_MAXHOSTNAMELEN) {
            ngx_redis_connect(conn);
            return;
        }

        ngx_memzero(lookup, sizeof(ngx_redis_lookup_t));
        ngx_memcpy(lookup->host, host->data, host->len);

        lookup->hints.ai_socktype = SOCK_STREAM;
        lookup->query.ar_name = lookup->host;
        lookup->query.ar_request = &lookup->hints;
        lookup->queries[0] = &lookup->query;

        lookup->poll.handler = ngx_redis_resolve_poll;
        lookup->poll.data = conn;
        lookup->poll.log = &conn->log;
        lookup->poll.cancelable = 1;

        if (getaddrinfo_a(GAI_NOWAIT, lookup->queries, 1, NULL) != 0) {
            ngx_redis_connect(conn);
            return;
        }

        lookup->busy = 1;
    }

    ngx_add_timer(&lookup->poll, NGX_REDIS_RESOLVE_POLL);
}


static void
ngx_redis_resolve_poll(ngx_event_t *ev)
{
    int                      err;
    ngx_uint_t               i;
    struct addrinfo         *ai;
    ngx_redis_lookup_t      *lookup;
    ngx_redis_connection_t  *conn;

    conn = ev->data;
    lookup = conn->lookup;

    err = gai_error(&lookup->query);

    if (err == EAI_INPROGRESS) {
        ngx_add_timer(ev, NGX_REDIS_RESOLVE_POLL);
        return;
    }

    lookup->busy = 0;

    if (err) {
        ngx_redis_unresolved(conn, gai_strerror(err));

    } else {
        ai = lookup->query.ar_result;

        for (i = 0; ai; ai = ai->ai_next) {
            if (ai->ai_family == AF_INET || ai->ai_family == AF_INET6) {
                ngx_redis_resolve_add(conn, i++, ai->ai_addr, ai->ai_addrlen);
            }
        }

        freeaddrinfo(lookup->query.ar_result);
        lookup->query.ar_result = NULL;
    }

    ngx_redis_connect(conn);
}

#endif
