/*
 * Where the master is, as a sentinel has said, and the connections that follow
 * it.  Only what calls itself a master (ROLE) is used.  When no sentinel
 * answers, what there is goes on, and is tried again where it was.
 */

#include "ngx_redis_sentinel.h"


static ngx_uint_t ngx_redis_master_is(ngx_redis_master_t *master,
    ngx_str_t *host, in_port_t port);
static void ngx_redis_master_change(ngx_redis_sentinel_t *sentinel,
    ngx_str_t *host, in_port_t port);
static void ngx_redis_master_set(ngx_redis_master_t *master,
    ngx_str_t *host, in_port_t port);
static void ngx_redis_master_moved(ngx_redis_sentinel_t *sentinel);
static ngx_uint_t ngx_redis_master_refused(ngx_redis_connection_t *conn,
    ngx_redis_command_t *cmd, redisReply *error);
static void ngx_redis_master_demoted(ngx_redis_connection_t *conn);


ngx_redis_server_t *
ngx_redis_master_unknown(ngx_redis_sentinel_t *sentinel)
{
    return &sentinel->unknown;
}


void
ngx_redis_master_follow(ngx_redis_sentinel_t *sentinel,
    ngx_redis_connection_t *conn)
{
    sentinel->followers[sentinel->nfollowers++] = conn;

    conn->owner = sentinel;
    conn->locate = ngx_redis_master_locate;
    conn->redirect = ngx_redis_master_refused;
    conn->demoted = ngx_redis_master_demoted;
}


ngx_int_t
ngx_redis_master_found(ngx_redis_sentinel_t *sentinel, ngx_str_t *host,
    ngx_str_t *port)
{
    ngx_int_t  n;

    n = ngx_atoi(port->data, port->len);

    if (n < 1 || n > 65535 || host->len == 0
        || host->len > NGX_REDIS_SENTINEL_HOST_MAX)
    {
        return NGX_ERROR;
    }

    if (!ngx_redis_master_is(sentinel->master, host, (in_port_t) n)) {
        ngx_redis_master_change(sentinel, host, (in_port_t) n);
    }

    ngx_redis_master_moved(sentinel);

    return NGX_OK;
}


static void
ngx_redis_master_change(ngx_redis_sentinel_t *sentinel, ngx_str_t *host,
    in_port_t port)
{
    ngx_uint_t               i;
    ngx_redis_master_t      *old;
    ngx_redis_connection_t  *conn;

    old = sentinel->master;
    sentinel->master = &sentinel->masters[old == &sentinel->masters[0]];

    /* who was away for two changes isn't where it was */

    for (i = 0; i < sentinel->nfollowers; i++) {
        conn = sentinel->followers[i];

        if (conn->server == &sentinel->master->server) {
            ngx_redis_connection_move(conn, &sentinel->unknown);
        }
    }

    ngx_redis_master_set(sentinel->master, host, port);

    if (old->server.port) {
        ngx_log_error(NGX_LOG_NOTICE, sentinel->log, 0,
                      "the master \"%V\" is at %V now, it was at %V",
                      &sentinel->conf->master,
                      &sentinel->master->server.name, &old->server.name);

    } else {
        ngx_log_error(NGX_LOG_INFO, sentinel->log, 0,
                      "the master \"%V\" is at %V", &sentinel->conf->master,
                      &sentinel->master->server.name);
    }
}


static ngx_uint_t
ngx_redis_master_is(ngx_redis_master_t *master, ngx_str_t *host,
    in_port_t port)
{
    return master->server.port == port
           && master->server.tls_name.len == host->len
           && ngx_strncmp(master->host, host->data, host->len) == 0;
}


static void
ngx_redis_master_set(ngx_redis_master_t *master, ngx_str_t *host,
    in_port_t port)
{
    ngx_redis_server_t  *server;

    ngx_memzero(master, sizeof(ngx_redis_master_t));
    ngx_memcpy(master->host, host->data, host->len);

    server = &master->server;

    server->tls_name.data = master->host;
    server->tls_name.len = host->len;
    server->port = port;

    server->name.data = master->name;
    server->name.len = (ngx_strchr(master->host, ':')
                        ? ngx_sprintf(master->name, "[%V]:%d",
                                      &server->tls_name, (int) port)
                        : ngx_sprintf(master->name, "%V:%d",
                                      &server->tls_name, (int) port))
                       - master->name;

    ngx_redis_server_at(server, &master->addr, &master->sockaddr);
}


/* Whoever waits goes on; whoever is elsewhere comes here. */

static void
ngx_redis_master_moved(ngx_redis_sentinel_t *sentinel)
{
    ngx_uint_t               i;
    ngx_redis_connection_t  *conn;

    for (i = 0; i < sentinel->nfollowers; i++) {
        conn = sentinel->followers[i];

        if (conn->server != &sentinel->master->server) {
            ngx_redis_leave(conn, "it isn't the master any more");
        }

        if (conn->state == NGX_REDIS_LOCATING) {
            ngx_redis_located(conn, ngx_redis_master_locate(conn, 1));
        }
    }
}


ngx_int_t
ngx_redis_master_locate(ngx_redis_connection_t *conn, ngx_uint_t late)
{
    ngx_redis_sentinel_t  *sentinel;

    sentinel = conn->owner;

    if (!late) {
        if (sentinel->connection.state == NGX_REDIS_READY) {
            sentinel->ask(sentinel);
        }

        return NGX_AGAIN;
    }

    if (sentinel->master->server.port == 0) {
        return NGX_ERROR;
    }

    if (conn->server != &sentinel->master->server) {
        ngx_redis_connection_move(conn, &sentinel->master->server);
    }

    return NGX_OK;
}


/* The error is told to who asked; then it is time to look again. */

static ngx_uint_t
ngx_redis_master_refused(ngx_redis_connection_t *conn, ngx_redis_command_t *cmd,
    redisReply *error)
{
    if (ngx_strstr(error->str, "READONLY ")) {
        conn->distrusted = "it is a replica now";
        ngx_redis_master_demoted(conn);
    }

    return 0;
}


/*
 * Who has named it may be behind.  The other connection mustn't stay where this
 * one can't be.
 */

static void
ngx_redis_master_demoted(ngx_redis_connection_t *conn)
{
    ngx_uint_t               i;
    ngx_redis_sentinel_t    *sentinel;
    ngx_redis_connection_t  *other;

    sentinel = conn->owner;

    if (sentinel->connection.state == NGX_REDIS_READY) {
        ngx_redis_fail(&sentinel->connection, "it named a replica", 0);
    }

    for (i = 0; i < sentinel->nfollowers; i++) {
        other = sentinel->followers[i];

        if (other != conn && other->state == NGX_REDIS_READY) {
            ngx_redis_fail(other, "it is a replica now", 0);
        }
    }
}
