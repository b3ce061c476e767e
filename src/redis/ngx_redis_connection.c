/*
 * The life of a connection: made, greeted (ngx_redis_greeting.c), used, lost,
 * made again.
 */

#include "ngx_redis_connection.h"


#define NGX_REDIS_BACKOFF_MIN   20      /* milliseconds */
#define NGX_REDIS_BACKOFF_MAX   500
#define NGX_REDIS_STABLE        1000    /* READY for so long: not flapping */
#define NGX_REDIS_OUT_MIN       16384


static void ngx_redis_log_to(ngx_connection_t *c, ngx_log_t *log);
static void ngx_redis_opened(ngx_redis_connection_t *rc);
static void ngx_redis_disconnect(ngx_redis_connection_t *rc);
static void ngx_redis_timer_handler(ngx_event_t *ev);
static u_char *ngx_redis_log_error(ngx_log_t *log, u_char *buf, size_t len);


ngx_int_t
ngx_redis_connection_init(ngx_redis_connection_t *rc, ngx_redis_conf_t *conf,
    ngx_redis_server_t *server, ngx_log_t *log)
{
    rc->conf = conf;
    rc->server = server;

    rc->log = *log;
    rc->log.handler = ngx_redis_log_error;
    rc->log.data = rc;
    rc->log.action = "connecting to redis";

    rc->addrs = server->addrs;
    rc->naddrs = server->naddrs;
    rc->resolved = server->naddrs != 0;

    ngx_queue_init(&rc->sent);
    ngx_queue_init(&rc->waiting);

    rc->out = ngx_alloc(NGX_REDIS_OUT_MIN, log);
    if (rc->out == NULL) {
        return NGX_ERROR;
    }

    rc->out_size = NGX_REDIS_OUT_MIN;

    rc->flush.handler = ngx_redis_flush_handler;
    rc->flush.data = rc;
    rc->flush.log = &rc->log;

    rc->timer.handler = ngx_redis_timer_handler;
    rc->timer.data = rc;
    rc->timer.log = &rc->log;

    rc->since = ngx_current_msec;

    ngx_redis_start(rc);

    return NGX_OK;
}


void
ngx_redis_connection_close(ngx_redis_connection_t *rc)
{
    ngx_queue_t          *q;
    ngx_redis_command_t  *cmd;

    ngx_redis_resolve_close(rc);
    ngx_redis_disconnect(rc);

    ngx_queue_add(&rc->sent, &rc->waiting);

    while (!ngx_queue_empty(&rc->sent)) {
        q = ngx_queue_head(&rc->sent);
        ngx_queue_remove(q);

        cmd = ngx_queue_data(q, ngx_redis_command_t, queue);
        ngx_redis_command_free(cmd);
    }

    ngx_free(rc->out);
}


void
ngx_redis_connection_move(ngx_redis_connection_t *rc,
    ngx_redis_server_t *server)
{
    if (rc->server == server) {
        return;
    }

    /* an answer still to come is about the other */
    ngx_redis_resolve_close(rc);

    rc->server = server;
    rc->addrs = server->addrs;
    rc->naddrs = server->naddrs;
    rc->addr = 0;
    rc->resolved = 0;
    rc->unresolved = 0;
}


void
ngx_redis_start(ngx_redis_connection_t *rc)
{
    if (rc->timer.timer_set) {
        ngx_del_timer(&rc->timer);
    }

    rc->timer.cancelable = 1;
    ngx_add_timer(&rc->timer, rc->conf->connect_timeout);

    rc->state = NGX_REDIS_LOCATING;

    if (rc->locate && rc->locate(rc, 0) == NGX_AGAIN) {
        return;
    }

    ngx_redis_located(rc, NGX_OK);
}


void
ngx_redis_located(ngx_redis_connection_t *rc, ngx_int_t found)
{
    if (found != NGX_OK) {
        ngx_redis_fail(rc, "nobody knows where it is", 0);
        return;
    }

    if (rc->timer.timer_set) {
        ngx_del_timer(&rc->timer);
    }

    ngx_add_timer(&rc->timer, rc->conf->connect_timeout);

    if (rc->resolved || rc->server->host.len == 0) {
        ngx_redis_connect(rc);
        return;
    }

    rc->state = NGX_REDIS_RESOLVING;
    ngx_redis_resolve(rc);
}


void
ngx_redis_connect(ngx_redis_connection_t *rc)
{
    ngx_int_t               rc_connect;
    ngx_addr_t             *addr;
    ngx_connection_t       *c;
    ngx_peer_connection_t  *pc;

    /* the next attempt asks again where the host is */
    rc->resolved = 0;

    rc->state = NGX_REDIS_CONNECTING;

    if (rc->naddrs == 0) {
        ngx_redis_fail(rc, "it has no address", 0);
        return;
    }

    addr = &rc->addrs[rc->addr % rc->naddrs];

    pc = &rc->peer;
    ngx_memzero(pc, sizeof(ngx_peer_connection_t));

    pc->sockaddr = addr->sockaddr;
    pc->socklen = addr->socklen;
    pc->name = &rc->server->name;
    pc->get = ngx_event_get_peer;
    pc->log = &rc->attempt;
    pc->log_error = NGX_ERROR_ERR;

    /*
     * the first failure is told, the attempts that follow are not, nor what
     * the connection of the commands tells, too
     */
    rc->attempt = rc->log;

    if (rc->failing || (rc->subscription && !rc->loud)) {
        rc->attempt.log_level = NGX_LOG_STDERR;
    }

    rc_connect = ngx_event_connect_peer(pc);

    if (rc_connect != NGX_OK && rc_connect != NGX_AGAIN) {
        pc->connection = NULL;
        ngx_redis_fail(rc, "connection failed", 0);
        return;
    }

    c = pc->connection;
    c->data = rc;
    c->pool = NULL;
    ngx_redis_log_to(c, &rc->attempt);
    c->read->handler = ngx_redis_read_handler;
    c->write->handler = ngx_redis_write_handler;

    rc->log.connection = c->number;
    rc->attempt.connection = c->number;

    rc->reader = ngx_redis_reader_create();
    if (rc->reader == NULL) {
        ngx_redis_fail(rc, "no memory", 0);
        return;
    }

    if (rc_connect == NGX_OK) {
        ngx_redis_opened(rc);
    }

    /* rc_connect == NGX_AGAIN */
}


static void
ngx_redis_log_to(ngx_connection_t *c, ngx_log_t *log)
{
    c->log = log;
    c->read->log = log;
    c->write->log = log;
}


static void
ngx_redis_opened(ngx_redis_connection_t *rc)
{
    if (rc->addrs[rc->addr % rc->naddrs].sockaddr->sa_family != AF_UNIX) {
        (void) ngx_tcp_nodelay(rc->peer.connection);
    }

#if (NGX_SSL)
    if (rc->conf->tls.on) {
        ngx_redis_tls_start(rc);
        return;
    }
#endif

    ngx_redis_greet(rc);
}


void
ngx_redis_ready(ngx_redis_connection_t *rc)
{
    ngx_queue_t          *q;
    ngx_redis_command_t  *cmd;

    if (rc->timer.timer_set) {
        ngx_del_timer(&rc->timer);
    }

    rc->conf->stats->made[ngx_redis_role(rc)]++;

    rc->state = NGX_REDIS_READY;
    ngx_redis_log_to(rc->peer.connection, &rc->log);
    rc->log.action = "talking to redis";
    rc->refused = 0;

    if (!rc->doubtful) {
        ngx_redis_answers(rc);
    }

    while (!ngx_queue_empty(&rc->waiting)) {
        q = ngx_queue_head(&rc->waiting);
        ngx_queue_remove(q);
        rc->pending--;

        cmd = ngx_queue_data(q, ngx_redis_command_t, queue);

        if (cmd->handler == NULL) {
            ngx_redis_command_free(cmd);
            continue;
        }

        if (ngx_redis_transmit(rc, cmd) != NGX_OK) {
            ngx_queue_insert_head(&rc->waiting, q);
            rc->pending++;
            ngx_redis_fail(rc, "no memory", 0);
            return;
        }
    }

    if (rc->ready) {
        rc->ready(rc);
    }

    if (rc->subscription) {
        ngx_redis_subscription_start(rc);
    }
}


void
ngx_redis_answers(ngx_redis_connection_t *rc)
{
    ngx_uint_t  level;

    if (rc->failing) {
        level = rc->subscription ? NGX_LOG_INFO : NGX_LOG_NOTICE;

        ngx_log_error(level, &rc->log, 0,
                      "redis \"%V\" answers again after %M ms",
                      &rc->server->name, ngx_current_msec - rc->since);
    }

    rc->doubtful = 0;
    rc->failing = 0;
    rc->since = ngx_current_msec;
}


void
ngx_redis_fail(ngx_redis_connection_t *rc, const char *reason,
    ngx_uint_t retry)
{
    ngx_msec_t            delay;
    ngx_uint_t            level;
    ngx_queue_t           failed, *q;
    ngx_redis_command_t  *cmd;

    if (rc->state == NGX_REDIS_READY
        && !rc->failing
        && ngx_current_msec - rc->since >= NGX_REDIS_STABLE)
    {
        rc->failures = 0;

    } else {
        retry = 0;
    }

    if (!rc->failing && !retry) {
        level = rc->subscription ? NGX_LOG_INFO : NGX_LOG_ERR;

        ngx_log_error(level, &rc->log, 0,
                      "redis \"%V\" can't be used: %s, %ui commands lost",
                      &rc->server->name, reason, rc->pending);

        rc->failing = 1;
        rc->since = ngx_current_msec;

    } else {
        ngx_log_error(NGX_LOG_INFO, &rc->log, 0,
                      "redis \"%V\": %s, %ui commands lost",
                      &rc->server->name, reason, rc->pending);
    }

    rc->conf->stats->failed[ngx_redis_role(rc)]++;

    if (rc->subscription == NULL) {
        rc->conf->stats->lost += rc->pending;
    }

    ngx_redis_disconnect(rc);

    rc->addr++;

    ngx_queue_init(&failed);
    ngx_queue_add(&failed, &rc->sent);
    ngx_queue_add(&failed, &rc->waiting);
    ngx_queue_init(&rc->sent);
    ngx_queue_init(&rc->waiting);
    rc->pending = 0;

    if (retry) {
        delay = 0;

    } else {
        delay = NGX_REDIS_BACKOFF_MIN << ngx_min(rc->failures, 8);
        delay = ngx_min(delay, NGX_REDIS_BACKOFF_MAX);
        delay = delay / 2 + ngx_random() % (delay / 2 + 1);
        rc->failures++;
    }

    rc->timer.cancelable = 1;
    ngx_add_timer(&rc->timer, delay);

    while (!ngx_queue_empty(&failed)) {
        q = ngx_queue_head(&failed);
        ngx_queue_remove(q);

        cmd = ngx_queue_data(q, ngx_redis_command_t, queue);

        if (cmd->handler) {
            cmd->handler(cmd->data, NULL);
        }

        ngx_redis_command_free(cmd);
    }

    if (rc->failed) {
        rc->failed(rc);
    }
}


static void
ngx_redis_disconnect(ngx_redis_connection_t *rc)
{
    if (rc->timer.timer_set) {
        ngx_del_timer(&rc->timer);
    }

    if (rc->flush.posted) {
        ngx_delete_posted_event(&rc->flush);
    }

    ngx_redis_resolve_cancel(rc);

    if (rc->subscription) {
        ngx_redis_subscription_stop(rc);
    }

    if (rc->peer.connection) {
#if (NGX_SSL)
        ngx_redis_tls_close(rc->peer.connection);
#endif
        ngx_close_connection(rc->peer.connection);
        rc->peer.connection = NULL;
    }

    if (rc->reader) {
        redisReaderFree(rc->reader);
        rc->reader = NULL;
    }

    rc->out_pos = 0;
    rc->out_last = 0;
    rc->distrusted = NULL;
    rc->state = NGX_REDIS_DOWN;
    rc->log.action = "connecting to redis";
}


static void
ngx_redis_timer_handler(ngx_event_t *ev)
{
    ngx_msec_int_t           left;
    ngx_redis_command_t     *cmd;
    ngx_redis_connection_t  *rc;

    rc = ev->data;

    switch (rc->state) {

    case NGX_REDIS_DOWN:
        ngx_redis_start(rc);
        return;

    case NGX_REDIS_LOCATING:
        ngx_redis_located(rc, rc->locate(rc, 1));
        return;

    case NGX_REDIS_RESOLVING:
        /* where the host was before is better than nowhere */
        ngx_redis_resolve_cancel(rc);
        ngx_add_timer(ev, rc->conf->connect_timeout);
        ngx_redis_connect(rc);
        return;

    case NGX_REDIS_HANDSHAKING:
        ngx_redis_fail(rc, "the TLS handshake timed out", 0);
        return;

    case NGX_REDIS_CONNECTING:
    case NGX_REDIS_GREETING:
        ngx_redis_fail(rc, "connecting timed out", 0);
        return;

    case NGX_REDIS_READY:
        break;
    }

    if (ngx_queue_empty(&rc->sent)) {
        return;
    }

    cmd = ngx_queue_data(ngx_queue_head(&rc->sent), ngx_redis_command_t, queue);

    left = (ngx_msec_int_t) (cmd->deadline - ngx_current_msec);

    if (left > 0) {
        ngx_add_timer(ev, (ngx_msec_t) left);
        return;
    }

    rc->doubtful = (rc->subscription == NULL);

    ngx_redis_fail(rc, "no reply in time", 0);
}


/* connect() has ended, well or not. */

void
ngx_redis_connected(ngx_redis_connection_t *rc)
{
    int        err;
    socklen_t  len;

    err = 0;
    len = sizeof(int);

    if (getsockopt(rc->peer.connection->fd, SOL_SOCKET, SO_ERROR,
                   (void *) &err, &len)
        == -1)
    {
        err = ngx_socket_errno;
    }

    if (err) {
        if (!rc->failing && (rc->subscription == NULL || rc->loud)) {
            ngx_log_error(NGX_LOG_ERR, &rc->log, err, "connect() failed");
        }

        ngx_redis_fail(rc, "connection failed", 0);
        return;
    }

    ngx_redis_opened(rc);
}


static u_char *
ngx_redis_log_error(ngx_log_t *log, u_char *buf, size_t len)
{
    u_char                  *p;
    ngx_redis_connection_t  *rc;

    rc = log->data;

    p = ngx_snprintf(buf, len, " while %s, redis: \"%V\"", rc->log.action,
                     &rc->server->name);

    return p;
}
