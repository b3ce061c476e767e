/*
 * The life of a connection: made, greeted (ngx_redis_greeting.c), used, lost,
 * made again.
 */

#include "ngx_redis_connection.h"


#define NGX_REDIS_BACKOFF_MIN   20      /* milliseconds */
#define NGX_REDIS_BACKOFF_MAX   500
#define NGX_REDIS_STABLE        1000    /* READY for so long: not flapping */
#define NGX_REDIS_OUT_MIN       16384


static void ngx_redis_try(ngx_redis_connection_t *conn);
static void ngx_redis_log_to(ngx_connection_t *c, ngx_log_t *log);
static void ngx_redis_opened(ngx_redis_connection_t *conn);
static ngx_uint_t ngx_redis_next(ngx_redis_connection_t *conn,
    const char *reason);
static void ngx_redis_lose(ngx_redis_connection_t *conn,
    ngx_uint_t waiting);
static void ngx_redis_disconnect(ngx_redis_connection_t *conn);
static void ngx_redis_timer_handler(ngx_event_t *ev);
static u_char *ngx_redis_log_error(ngx_log_t *log, u_char *buf, size_t len);


ngx_int_t
ngx_redis_connection_init(ngx_redis_connection_t *conn, ngx_redis_conf_t *conf,
    ngx_redis_server_t *server, ngx_log_t *log)
{
    conn->conf = conf;
    conn->server = server;

    conn->log = *log;
    conn->log.handler = ngx_redis_log_error;
    conn->log.data = conn;
    conn->log.action = "connecting to redis";

    conn->addrs = server->addrs;
    conn->naddrs = server->naddrs;
    conn->resolved = server->naddrs != 0;

    ngx_queue_init(&conn->sent);
    ngx_queue_init(&conn->waiting);

    conn->out = ngx_alloc(NGX_REDIS_OUT_MIN, log);
    if (conn->out == NULL) {
        return NGX_ERROR;
    }

    conn->out_size = NGX_REDIS_OUT_MIN;

    conn->flush.handler = ngx_redis_flush_handler;
    conn->flush.data = conn;
    conn->flush.log = &conn->log;

    conn->timer.handler = ngx_redis_timer_handler;
    conn->timer.data = conn;
    conn->timer.log = &conn->log;

    conn->since = ngx_current_msec;
    conn->quiet = (conn->role == NGX_REDIS_SUBSCRIPTION);

    ngx_redis_start(conn);

    return NGX_OK;
}


void
ngx_redis_connection_close(ngx_redis_connection_t *conn)
{
    ngx_queue_t          *q;
    ngx_redis_command_t  *cmd;

    ngx_redis_resolve_close(conn);
    ngx_redis_disconnect(conn);

    ngx_queue_add(&conn->sent, &conn->waiting);

    while (!ngx_queue_empty(&conn->sent)) {
        q = ngx_queue_head(&conn->sent);
        ngx_queue_remove(q);

        cmd = ngx_queue_data(q, ngx_redis_command_t, queue);
        ngx_redis_command_free(cmd);
    }

    ngx_free(conn->out);
}


void
ngx_redis_connection_move(ngx_redis_connection_t *conn,
    ngx_redis_server_t *server)
{
    if (conn->server == server) {
        return;
    }

    /* an answer still to come is about the other */
    ngx_redis_resolve_close(conn);

    conn->server = server;
    conn->addrs = server->addrs;
    conn->naddrs = server->naddrs;
    conn->addr = 0;
    conn->untried = 0;
    conn->refused = 0;
    conn->resolved = 0;
    conn->unresolved = 0;
}


void
ngx_redis_start(ngx_redis_connection_t *conn)
{
    if (conn->timer.timer_set) {
        ngx_del_timer(&conn->timer);
    }

    if (conn->untried) {
        ngx_redis_try(conn);
        return;
    }

    conn->timer.cancelable = ngx_queue_empty(&conn->waiting);
    ngx_add_timer(&conn->timer, conn->conf->connect_timeout);

    conn->state = NGX_REDIS_LOCATING;

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, &conn->log, 0,
                   "redis \"%V\": attempt after %ui failures",
                   &conn->server->name, conn->failures);

    if (conn->locate && conn->locate(conn, 0) == NGX_AGAIN) {
        return;
    }

    ngx_redis_located(conn, NGX_OK);
}


void
ngx_redis_located(ngx_redis_connection_t *conn, ngx_int_t found)
{
    if (found != NGX_OK) {
        ngx_redis_fail(conn, "nobody knows where it is", 0);
        return;
    }

    if (conn->timer.timer_set) {
        ngx_del_timer(&conn->timer);
    }

    ngx_add_timer(&conn->timer, conn->conf->connect_timeout);

    conn->began = ngx_current_msec;

    if (conn->resolved || conn->server->host.len == 0) {
        ngx_redis_connect(conn);
        return;
    }

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, &conn->log, 0,
                   "redis \"%V\": resolving \"%V\"",
                   &conn->server->name, &conn->server->host);

    conn->state = NGX_REDIS_RESOLVING;
    ngx_redis_resolve(conn);
}


void
ngx_redis_connect(ngx_redis_connection_t *conn)
{
    /* the next attempt asks again where the host is */
    conn->resolved = 0;

    conn->state = NGX_REDIS_CONNECTING;

    if (conn->naddrs == 0) {
        ngx_redis_fail(conn, "it has no address", 0);
        return;
    }

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, &conn->log, 0,
                   "redis \"%V\": %ui addresses",
                   &conn->server->name, conn->naddrs);

    conn->untried = conn->naddrs;

    ngx_redis_try(conn);
}


/* The next address, in what is left of the time while callers may wait. */

static void
ngx_redis_try(ngx_redis_connection_t *conn)
{
    ngx_int_t               rc;
    ngx_addr_t             *addr;
    ngx_msec_t              left;
    ngx_connection_t       *c;
    ngx_peer_connection_t  *pc;

    conn->untried--;
    conn->state = NGX_REDIS_CONNECTING;

    if (!conn->timer.timer_set) {
        left = conn->conf->connect_timeout;

        if (!conn->failing) {
            left -= ngx_min(ngx_current_msec - conn->began, left);
        }

        ngx_add_timer(&conn->timer, left);
    }

    addr = &conn->addrs[conn->addr % conn->naddrs];

    pc = &conn->peer;
    ngx_memzero(pc, sizeof(ngx_peer_connection_t));

    pc->sockaddr = addr->sockaddr;
    pc->socklen = addr->socklen;
    pc->name = &conn->server->name;
    pc->get = ngx_event_get_peer;
    pc->log = &conn->attempt;
    pc->log_error = NGX_ERROR_ERR;

    conn->attempt = conn->log;

    if (conn->quiet) {
        conn->attempt.log_level = NGX_LOG_STDERR;
    }

    rc = ngx_event_connect_peer(pc);

    if (rc != NGX_OK && rc != NGX_AGAIN) {
        pc->connection = NULL;
        ngx_redis_fail(conn, "connection failed", 0);
        return;
    }

    c = pc->connection;
    c->data = conn;
    c->pool = NULL;
    ngx_redis_log_to(c, &conn->attempt);
    c->read->handler = ngx_redis_read_handler;
    c->write->handler = ngx_redis_write_handler;

    conn->log.connection = c->number;
    conn->attempt.connection = c->number;

    conn->reader = ngx_redis_reader_create();
    if (conn->reader == NULL) {
        ngx_redis_fail(conn, "no memory", 0);
        return;
    }

    if (rc == NGX_OK) {
        ngx_redis_opened(conn);
    }

    /* rc == NGX_AGAIN */
}


static void
ngx_redis_log_to(ngx_connection_t *c, ngx_log_t *log)
{
    c->log = log;
    c->read->log = log;
    c->write->log = log;
}


static void
ngx_redis_opened(ngx_redis_connection_t *conn)
{
    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, &conn->log, 0,
                   "redis \"%V\": connected", &conn->server->name);

    if (conn->addrs[conn->addr % conn->naddrs].sockaddr->sa_family != AF_UNIX) {
        (void) ngx_tcp_nodelay(conn->peer.connection);
    }

#if (NGX_SSL)
    if (conn->conf->tls.on) {
        ngx_redis_tls_start(conn);
        return;
    }
#endif

    ngx_redis_greet(conn);
}


void
ngx_redis_ready(ngx_redis_connection_t *conn)
{
    ngx_queue_t          *q;
    ngx_redis_command_t  *cmd;

    if (conn->timer.timer_set) {
        ngx_del_timer(&conn->timer);
    }

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, &conn->log, 0,
                   "redis \"%V\": ready, %ui commands waited",
                   &conn->server->name, conn->pending);

    conn->conf->stats->made[conn->role]++;

    conn->state = NGX_REDIS_READY;
    ngx_redis_log_to(conn->peer.connection, &conn->log);
    conn->log.action = "talking to redis";
    conn->refused = 0;
    conn->untried = 0;
    conn->quiet = (conn->role == NGX_REDIS_SUBSCRIPTION);

    if (!conn->doubtful) {
        ngx_redis_answers(conn);
    }

    while (!ngx_queue_empty(&conn->waiting)) {
        q = ngx_queue_head(&conn->waiting);
        ngx_queue_remove(q);
        conn->pending--;

        cmd = ngx_queue_data(q, ngx_redis_command_t, queue);

        if (cmd->handler == NULL) {
            ngx_redis_command_free(cmd);
            continue;
        }

        if (ngx_redis_transmit(conn, cmd) != NGX_OK) {
            ngx_queue_insert_head(&conn->waiting, q);
            conn->pending++;
            ngx_redis_fail(conn, "no memory", 0);
            return;
        }
    }

    if (conn->ready) {
        conn->ready(conn);
    }

    if (conn->subscription) {
        ngx_redis_subscription_start(conn);
    }
}


void
ngx_redis_answers(ngx_redis_connection_t *conn)
{
    ngx_uint_t  level;

    if (conn->failing) {
        level = conn->subscription ? NGX_LOG_INFO : NGX_LOG_NOTICE;

        ngx_log_error(level, &conn->log, 0,
                      "redis \"%V\" answers again after %M ms",
                      &conn->server->name, ngx_current_msec - conn->since);
    }

    conn->doubtful = 0;
    conn->failing = 0;
    conn->since = ngx_current_msec;
}


void
ngx_redis_fail(ngx_redis_connection_t *conn, const char *reason,
    ngx_uint_t retry)
{
    ngx_msec_t  delay;
    ngx_uint_t  level, next;

    if (ngx_redis_next(conn, reason)) {
        return;
    }

    next = (conn->untried != 0);

    /*
     * why the first attempt failed is logged, the attempts that follow are not,
     * nor what the connection of the commands logs, too
     */

    if (!next
        && conn->state >= NGX_REDIS_CONNECTING
        && conn->state < NGX_REDIS_READY)
    {
        conn->quiet = 1;
    }

    if (ngx_redis_stable(conn)) {
        conn->failures = 0;

    } else {
        retry = 0;
    }

    if (!conn->failing && !retry) {
        level = conn->subscription ? NGX_LOG_INFO : NGX_LOG_ERR;

        ngx_log_error(level, &conn->log, 0,
                      "redis \"%V\" can't be used: %s, %ui commands lost",
                      &conn->server->name, reason, conn->pending);

        conn->failing = 1;
        conn->since = ngx_current_msec;

    } else {
        ngx_log_error(NGX_LOG_INFO, &conn->log, 0,
                      "redis \"%V\": %s, %ui commands lost",
                      &conn->server->name, reason, conn->pending);
    }

    conn->conf->stats->failed[conn->role]++;

    if (conn->subscription == NULL) {
        conn->conf->stats->lost += conn->pending;
    }

    ngx_redis_disconnect(conn);

    if (!retry) {
        conn->addr++;
    }

    if (retry || next) {
        delay = 0;

    } else {
        delay = NGX_REDIS_BACKOFF_MIN << ngx_min(conn->failures, 8);
        delay = ngx_min(delay, NGX_REDIS_BACKOFF_MAX);
        delay = delay / 2 + ngx_random() % (delay / 2 + 1);
        conn->failures++;
    }

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, &conn->log, 0,
                   "redis \"%V\": next attempt in %M ms",
                   &conn->server->name, delay);

    conn->timer.cancelable = !retry || ngx_queue_empty(&conn->waiting);
    ngx_add_timer(&conn->timer, delay);

    /* what waits beside a connection that was good goes to the next one */
    ngx_redis_lose(conn, !retry);

    if (conn->failed && !next) {
        conn->failed(conn);
    }
}


/*
 * An address is of no use: the next one is tried at once.  Callers go on
 * waiting, unless the time is over.  0: it was the last, or the callers have to
 * be told.
 */

static ngx_uint_t
ngx_redis_next(ngx_redis_connection_t *conn, const char *reason)
{
    ngx_uint_t  level;

    if (conn->untried == 0) {
        return 0;
    }

    if (!conn->failing
        && ngx_current_msec - conn->began >= conn->conf->connect_timeout)
    {
        return 0;
    }

    level = conn->quiet ? NGX_LOG_INFO : NGX_LOG_ERR;

    ngx_log_error(level, &conn->log, 0,
                  "redis \"%V\": %s, its next address is tried",
                  &conn->server->name, reason);

    conn->conf->stats->failed[conn->role]++;

    ngx_redis_disconnect(conn);

    conn->addr++;
    ngx_add_timer(&conn->timer, 0);

    ngx_redis_lose(conn, 0);

    return 1;
}


/* What was sent, and what waits if it is to be lost, too. */

static void
ngx_redis_lose(ngx_redis_connection_t *conn, ngx_uint_t waiting)
{
    ngx_queue_t           lost, *q;
    ngx_redis_command_t  *cmd;

    ngx_queue_init(&lost);
    ngx_queue_add(&lost, &conn->sent);
    ngx_queue_init(&conn->sent);

    if (waiting) {
        ngx_queue_add(&lost, &conn->waiting);
        ngx_queue_init(&conn->waiting);
    }

    /* a handler may send, which is no matter of those */

    for (q = ngx_queue_head(&lost);
         q != ngx_queue_sentinel(&lost);
         q = ngx_queue_next(q))
    {
        conn->pending--;
    }

    while (!ngx_queue_empty(&lost)) {
        q = ngx_queue_head(&lost);
        ngx_queue_remove(q);

        cmd = ngx_queue_data(q, ngx_redis_command_t, queue);

        if (cmd->handler) {
            cmd->handler(cmd->data, NULL);
        }

        ngx_redis_command_free(cmd);
    }
}


ngx_uint_t
ngx_redis_stable(ngx_redis_connection_t *conn)
{
    return conn->state >= NGX_REDIS_READY
           && !conn->failing
           && ngx_current_msec - conn->since >= NGX_REDIS_STABLE;
}


void
ngx_redis_leave(ngx_redis_connection_t *conn, const char *reason)
{
    conn->untried = 0;

    if (conn->state != NGX_REDIS_DOWN && conn->state != NGX_REDIS_LOCATING) {
        ngx_redis_fail(conn, reason, 1);
    }

    if (conn->state == NGX_REDIS_DOWN) {
        ngx_redis_start(conn);
    }
}


static void
ngx_redis_disconnect(ngx_redis_connection_t *conn)
{
    if (conn->timer.timer_set) {
        ngx_del_timer(&conn->timer);
    }

    if (conn->flush.posted) {
        ngx_delete_posted_event(&conn->flush);
    }

    ngx_redis_resolve_cancel(conn);

    if (conn->subscription) {
        ngx_redis_subscription_stop(conn);
    }

    if (conn->peer.connection) {
#if (NGX_SSL)
        ngx_redis_tls_close(conn->peer.connection);
#endif
        ngx_close_connection(conn->peer.connection);
        conn->peer.connection = NULL;
    }

    if (conn->reader) {
        redisReaderFree(conn->reader);
        conn->reader = NULL;
    }

    conn->out_pos = 0;
    conn->out_last = 0;
    conn->distrusted = NULL;
    conn->state = NGX_REDIS_DOWN;
    conn->log.action = "connecting to redis";
}


static void
ngx_redis_timer_handler(ngx_event_t *ev)
{
    ngx_msec_int_t           left;
    ngx_redis_command_t     *cmd;
    ngx_redis_connection_t  *conn;

    conn = ev->data;

    switch (conn->state) {

    case NGX_REDIS_DOWN:
        ngx_redis_start(conn);
        return;

    case NGX_REDIS_LOCATING:
        ngx_redis_located(conn, conn->locate(conn, 1));
        return;

    case NGX_REDIS_RESOLVING:
        /* where the host was before is better than nowhere */
        ngx_redis_resolve_cancel(conn);
        ngx_add_timer(ev, conn->conf->connect_timeout);
        ngx_redis_connect(conn);
        return;

    case NGX_REDIS_HANDSHAKING:
        ngx_redis_fail(conn, "the TLS handshake timed out", 0);
        return;

    case NGX_REDIS_CONNECTING:
    case NGX_REDIS_GREETING:
        ngx_redis_fail(conn, "connecting timed out", 0);
        return;

    case NGX_REDIS_READY:
    case NGX_REDIS_LEAVING:
        break;
    }

    if (ngx_queue_empty(&conn->sent)) {
        return;
    }

    cmd = ngx_queue_data(ngx_queue_head(&conn->sent), ngx_redis_command_t,
                         queue);

    left = (ngx_msec_int_t) (cmd->deadline - ngx_current_msec);

    if (left > 0) {
        ngx_add_timer(ev, (ngx_msec_t) left);
        return;
    }

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, &conn->log, 0,
                   "redis \"%V\": command %p timed out",
                   &conn->server->name, cmd);

    conn->doubtful = (conn->subscription == NULL);

    ngx_redis_fail(conn, "no reply in time", 0);
}


/* connect() has ended, well or not. */

void
ngx_redis_connected(ngx_redis_connection_t *conn)
{
    int        err;
    socklen_t  len;

    err = 0;
    len = sizeof(int);

    if (getsockopt(conn->peer.connection->fd, SOL_SOCKET, SO_ERROR,
                   (void *) &err, &len)
        == -1)
    {
        err = ngx_socket_errno;
    }

    if (err) {
        if (!conn->quiet) {
            ngx_log_error(NGX_LOG_ERR, &conn->log, err, "connect() failed");
        }

        ngx_redis_fail(conn, "connection failed", 0);
        return;
    }

    ngx_redis_opened(conn);
}


static u_char *
ngx_redis_log_error(ngx_log_t *log, u_char *buf, size_t len)
{
    size_t                   n;
    u_char                  *p, text[NGX_SOCKADDR_STRLEN];
    ngx_addr_t              *addr;
    ngx_redis_connection_t  *conn;

    conn = log->data;

    p = ngx_snprintf(buf, len, " while %s, redis: \"%V\"", conn->log.action,
                     &conn->server->name);

    if (conn->naddrs > 1 && conn->state >= NGX_REDIS_CONNECTING) {
        addr = &conn->addrs[conn->addr % conn->naddrs];
        n = ngx_sock_ntop(addr->sockaddr, addr->socklen, text, sizeof(text), 1);

        p = ngx_snprintf(p, buf + len - p, ", address: %*s", n, text);
    }

    return p;
}
