#include "ngx_redis_connection.h"


#define NGX_REDIS_PENDING_MAX   32768
#define NGX_REDIS_BACKOFF_MIN   20      /* milliseconds */
#define NGX_REDIS_BACKOFF_MAX   500
#define NGX_REDIS_STABLE        1000    /* READY for so long: not flapping */
#define NGX_REDIS_OUT_MIN       16384
#define NGX_REDIS_ARRAY_MAX     1024


static void ngx_redis_start(ngx_redis_connection_t *rc);
static void ngx_redis_greet(ngx_redis_connection_t *rc);
static void ngx_redis_greeted(void *data, redisReply *reply);
static void ngx_redis_ready(ngx_redis_connection_t *rc);
static void ngx_redis_fail(ngx_redis_connection_t *rc, const char *reason,
    ngx_uint_t retry);
static void ngx_redis_disconnect(ngx_redis_connection_t *rc);

static ngx_redis_command_t *ngx_redis_command(ngx_redis_connection_t *rc,
    ngx_redis_args_t *args);
static void ngx_redis_command_free(ngx_redis_connection_t *rc,
    ngx_redis_command_t *cmd);
static ngx_int_t ngx_redis_transmit(ngx_redis_connection_t *rc,
    ngx_redis_command_t *cmd);
static ngx_int_t ngx_redis_append(ngx_redis_connection_t *rc,
    const char *text, size_t len);
static void ngx_redis_receive(ngx_redis_connection_t *rc, redisReply *reply);
static ngx_uint_t ngx_redis_retry_as_eval(ngx_redis_connection_t *rc,
    ngx_redis_command_t *cmd, redisReply *reply);

static void ngx_redis_flush_handler(ngx_event_t *ev);
static void ngx_redis_write_handler(ngx_event_t *wev);
static void ngx_redis_read_handler(ngx_event_t *rev);
static void ngx_redis_timer_handler(ngx_event_t *ev);
static redisReader *ngx_redis_reader_create(void);
static void *ngx_redis_create_array(const redisReadTask *task, int elements);
static u_char *ngx_redis_log_error(ngx_log_t *log, u_char *buf, size_t len);


/* What a worker has read in one call; nothing stays here between calls. */
static u_char  ngx_redis_input[65536];

static redisReplyObjectFunctions  ngx_redis_reply_functions;
static void                    *(*ngx_redis_hiredis_array)(
    const redisReadTask *task, int elements);


ngx_int_t
ngx_redis_connection_init(ngx_redis_connection_t *rc, ngx_redis_conf_t *conf,
    ngx_log_t *log)
{
    rc->conf = conf;

    rc->log = *log;
    rc->log.handler = ngx_redis_log_error;
    rc->log.data = rc;
    rc->log.action = "connecting to redis";

    rc->addrs = conf->addrs;
    rc->naddrs = conf->naddrs;
    rc->resolved = 1;

    ngx_queue_init(&rc->sent);
    ngx_queue_init(&rc->waiting);
    ngx_queue_init(&rc->free);

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

    ngx_redis_resolve_cancel(rc);
    ngx_redis_disconnect(rc);

    ngx_queue_add(&rc->sent, &rc->waiting);
    ngx_queue_add(&rc->free, &rc->sent);

    while (!ngx_queue_empty(&rc->free)) {
        q = ngx_queue_head(&rc->free);
        ngx_queue_remove(q);

        cmd = ngx_queue_data(q, ngx_redis_command_t, queue);

        redisFreeCommand(cmd->text);
        ngx_free(cmd);
    }

    ngx_free(rc->out);
}


ngx_redis_command_t *
ngx_redis_connection_send(ngx_redis_connection_t *rc, ngx_redis_args_t *args,
    ngx_redis_script_t *script, ngx_redis_handler_pt handler, void *data)
{
    ngx_redis_command_t  *cmd;

    if (rc->state == NGX_REDIS_DOWN && !rc->failing) {
        ngx_redis_start(rc);
    }

    if ((rc->failing && rc->state != NGX_REDIS_READY)
        || rc->pending >= NGX_REDIS_PENDING_MAX)
    {
        return NULL;
    }

    cmd = ngx_redis_command(rc, args);
    if (cmd == NULL) {
        return NULL;
    }

    cmd->script = script;
    cmd->handler = handler;
    cmd->data = data;

    if (rc->state != NGX_REDIS_READY) {
        ngx_queue_insert_tail(&rc->waiting, &cmd->queue);
        rc->pending++;
        return cmd;
    }

    if (ngx_redis_transmit(rc, cmd) != NGX_OK) {
        ngx_redis_command_free(rc, cmd);
        return NULL;
    }

    return cmd;
}


void
ngx_redis_cancel(ngx_redis_command_t *cmd)
{
    cmd->handler = NULL;
}


static void
ngx_redis_start(ngx_redis_connection_t *rc)
{
    if (rc->timer.timer_set) {
        ngx_del_timer(&rc->timer);
    }

    rc->timer.cancelable = ngx_queue_empty(&rc->waiting);
    ngx_add_timer(&rc->timer, rc->conf->connect_timeout);

    if (rc->resolved || rc->conf->host.len == 0) {
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
    ngx_uint_t              level;
    ngx_addr_t             *addr;
    ngx_connection_t       *c;
    ngx_peer_connection_t  *pc;

    /* the next attempt asks again where the host is */
    rc->resolved = 0;

    rc->state = NGX_REDIS_CONNECTING;

    addr = &rc->addrs[rc->addr % rc->naddrs];

    pc = &rc->peer;
    ngx_memzero(pc, sizeof(ngx_peer_connection_t));

    pc->sockaddr = addr->sockaddr;
    pc->socklen = addr->socklen;
    pc->name = &rc->conf->name;
    pc->get = ngx_event_get_peer;
    pc->log = &rc->log;
    pc->log_error = NGX_ERROR_ERR;

    /* the first failure is told, the attempts that follow are not */
    level = rc->log.log_level;

    if (rc->failing) {
        rc->log.log_level = NGX_LOG_STDERR;
    }

    rc_connect = ngx_event_connect_peer(pc);

    rc->log.log_level = level;

    if (rc_connect != NGX_OK && rc_connect != NGX_AGAIN) {
        pc->connection = NULL;
        ngx_redis_fail(rc, "connection failed", 0);
        return;
    }

    c = pc->connection;
    c->data = rc;
    c->pool = NULL;
    c->log = &rc->log;
    c->read->log = c->log;
    c->write->log = c->log;
    c->read->handler = ngx_redis_read_handler;
    c->write->handler = ngx_redis_write_handler;
    c->idle = 1;

    rc->log.connection = c->number;

    rc->reader = ngx_redis_reader_create();
    if (rc->reader == NULL) {
        ngx_redis_fail(rc, "no memory", 0);
        return;
    }

    if (rc_connect == NGX_OK) {
        ngx_redis_greet(rc);
    }

    /* rc_connect == NGX_AGAIN */
}


/* The connection counts when the server has answered, not when it is open. */

static void
ngx_redis_greet(ngx_redis_connection_t *rc)
{
    ngx_uint_t            i, n;
    ngx_redis_args_t      greeting[3], *args;
    ngx_redis_command_t  *cmd;
    ngx_redis_conf_t     *conf;
    u_char               *p, db[NGX_INT_T_LEN];

    conf = rc->conf;

    if (rc->addrs[rc->addr % rc->naddrs].sockaddr->sa_family != AF_UNIX) {
        (void) ngx_tcp_nodelay(rc->peer.connection);
    }

    ngx_memzero(greeting, sizeof(greeting));
    n = 0;

    if (conf->password.len) {
        args = &greeting[n++];
        ngx_redis_arg(args, "AUTH", 4);

        if (conf->user.len) {
            ngx_redis_arg(args, conf->user.data, conf->user.len);
        }

        ngx_redis_arg(args, conf->password.data, conf->password.len);
    }

    if (conf->db) {
        p = ngx_sprintf(db, "%ui", conf->db);
        args = &greeting[n++];
        ngx_redis_arg(args, "SELECT", 6);
        ngx_redis_arg(args, db, p - db);
    }

    args = &greeting[n++];
    ngx_redis_arg(args, "PING", 4);

    rc->state = NGX_REDIS_GREETING;
    rc->log.action = "greeting redis";
    rc->greetings = n;

    for (i = 0; i < n; i++) {
        cmd = ngx_redis_command(rc, &greeting[i]);

        if (cmd == NULL) {
            ngx_redis_fail(rc, "no memory", 0);
            return;
        }

        cmd->script = NULL;
        cmd->handler = ngx_redis_greeted;
        cmd->data = rc;

        if (ngx_redis_transmit(rc, cmd) != NGX_OK) {
            ngx_redis_command_free(rc, cmd);
            ngx_redis_fail(rc, "no memory", 0);
            return;
        }
    }
}


static void
ngx_redis_greeted(void *data, redisReply *reply)
{
    ngx_redis_connection_t *rc = data;

    if (reply == NULL) {
        return;
    }

    if (reply->type == REDIS_REPLY_ERROR) {
        if (!rc->failing) {
            ngx_log_error(NGX_LOG_ERR, &rc->log, 0,
                          "redis refused the connection: \"%*s\"",
                          (size_t) ngx_min(reply->len, 256), reply->str);
        }

        rc->greetings = 0;
        return;
    }

    if (--rc->greetings == 0) {
        ngx_redis_ready(rc);
    }
}


static void
ngx_redis_ready(ngx_redis_connection_t *rc)
{
    ngx_queue_t          *q;
    ngx_redis_command_t  *cmd;

    ngx_del_timer(&rc->timer);

    if (rc->failing) {
        ngx_log_error(NGX_LOG_NOTICE, &rc->log, 0,
                      "redis \"%V\" answers again after %M ms",
                      &rc->conf->name, ngx_current_msec - rc->since);
    }

    rc->state = NGX_REDIS_READY;
    rc->log.action = "talking to redis";
    rc->failing = 0;
    rc->failures = 0;
    rc->since = ngx_current_msec;

    while (!ngx_queue_empty(&rc->waiting)) {
        q = ngx_queue_head(&rc->waiting);
        ngx_queue_remove(q);
        rc->pending--;

        cmd = ngx_queue_data(q, ngx_redis_command_t, queue);

        if (cmd->handler == NULL) {
            ngx_redis_command_free(rc, cmd);
            continue;
        }

        if (ngx_redis_transmit(rc, cmd) != NGX_OK) {
            ngx_queue_insert_head(&rc->waiting, q);
            rc->pending++;
            ngx_redis_fail(rc, "no memory", 0);
            return;
        }
    }
}


/*
 * Every command fails.  retry: the server may have closed the connection for a
 * good reason, so commands wait for one new attempt before they are refused.
 */

static void
ngx_redis_fail(ngx_redis_connection_t *rc, const char *reason,
    ngx_uint_t retry)
{
    ngx_msec_t            delay;
    ngx_queue_t           failed, *q;
    ngx_redis_command_t  *cmd;

    retry = retry
            && rc->state == NGX_REDIS_READY
            && ngx_current_msec - rc->since >= NGX_REDIS_STABLE;

    if (!rc->failing && !retry) {
        ngx_log_error(NGX_LOG_ERR, &rc->log, 0,
                      "redis \"%V\" can't be used: %s, %ui commands lost",
                      &rc->conf->name, reason, rc->pending);

        rc->failing = 1;
        rc->since = ngx_current_msec;

    } else {
        ngx_log_error(NGX_LOG_INFO, &rc->log, 0,
                      "redis \"%V\": %s, %ui commands lost",
                      &rc->conf->name, reason, rc->pending);
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

        ngx_redis_command_free(rc, cmd);
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

    if (rc->peer.connection) {
        ngx_close_connection(rc->peer.connection);
        rc->peer.connection = NULL;
    }

    if (rc->reader) {
        redisReaderFree(rc->reader);
        rc->reader = NULL;
    }

    rc->out_pos = 0;
    rc->out_last = 0;
    rc->state = NGX_REDIS_DOWN;
    rc->log.action = "connecting to redis";
}


static ngx_redis_command_t *
ngx_redis_command(ngx_redis_connection_t *rc, ngx_redis_args_t *args)
{
    int                   len;
    ngx_queue_t          *q;
    ngx_redis_command_t  *cmd;

    if (ngx_queue_empty(&rc->free)) {
        cmd = ngx_alloc(sizeof(ngx_redis_command_t), &rc->log);
        if (cmd == NULL) {
            return NULL;
        }

    } else {
        q = ngx_queue_head(&rc->free);
        ngx_queue_remove(q);
        cmd = ngx_queue_data(q, ngx_redis_command_t, queue);
    }

    cmd->text = NULL;

    len = redisFormatCommandArgv(&cmd->text, args->n,
                                 (const char **) args->value, args->len);
    if (len == -1) {
        cmd->text = NULL;
        ngx_queue_insert_head(&rc->free, &cmd->queue);
        return NULL;
    }

    cmd->len = len;

    return cmd;
}


static void
ngx_redis_command_free(ngx_redis_connection_t *rc, ngx_redis_command_t *cmd)
{
    redisFreeCommand(cmd->text);
    cmd->text = NULL;

    ngx_queue_insert_head(&rc->free, &cmd->queue);
}


static ngx_int_t
ngx_redis_transmit(ngx_redis_connection_t *rc, ngx_redis_command_t *cmd)
{
    if (ngx_redis_append(rc, cmd->text, cmd->len) != NGX_OK) {
        return NGX_ERROR;
    }

    cmd->deadline = ngx_current_msec + rc->conf->timeout;

    ngx_queue_insert_tail(&rc->sent, &cmd->queue);
    rc->pending++;

    if (!rc->timer.timer_set) {
        rc->timer.cancelable = 0;
        ngx_add_timer(&rc->timer, rc->conf->timeout);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_redis_append(ngx_redis_connection_t *rc, const char *text, size_t len)
{
    size_t   size, used;
    u_char  *out;

    used = rc->out_last - rc->out_pos;

    if (rc->out_size - rc->out_last < len) {

        if (rc->out_pos && rc->out_size - used >= len) {
            ngx_memmove(rc->out, rc->out + rc->out_pos, used);

        } else {
            size = ngx_max(rc->out_size * 2, used + len);

            out = ngx_alloc(size, &rc->log);
            if (out == NULL) {
                return NGX_ERROR;
            }

            ngx_memcpy(out, rc->out + rc->out_pos, used);
            ngx_free(rc->out);

            rc->out = out;
            rc->out_size = size;
        }

        rc->out_pos = 0;
        rc->out_last = used;
    }

    ngx_memcpy(rc->out + rc->out_last, text, len);
    rc->out_last += len;

    ngx_post_event(&rc->flush, &ngx_posted_events);

    return NGX_OK;
}


static void
ngx_redis_flush_handler(ngx_event_t *ev)
{
    ssize_t                  n;
    ngx_connection_t        *c;
    ngx_redis_connection_t  *rc;

    rc = ev->data;
    c = rc->peer.connection;

    while (rc->out_pos < rc->out_last && c->write->ready) {
        n = c->send(c, rc->out + rc->out_pos, rc->out_last - rc->out_pos);

        if (n == NGX_ERROR) {
            ngx_redis_fail(rc, "write failed", 1);
            return;
        }

        if (n == NGX_AGAIN) {
            break;
        }

        rc->out_pos += n;
    }

    if (rc->out_pos == rc->out_last) {
        rc->out_pos = 0;
        rc->out_last = 0;
    }

    if (ngx_handle_write_event(c->write, 0) != NGX_OK) {
        ngx_redis_fail(rc, "event failed", 0);
    }
}


static void
ngx_redis_write_handler(ngx_event_t *wev)
{
    int                      err;
    socklen_t                len;
    ngx_connection_t        *c;
    ngx_redis_connection_t  *rc;

    c = wev->data;
    rc = c->data;

    if (rc->state != NGX_REDIS_CONNECTING) {
        ngx_redis_flush_handler(&rc->flush);
        return;
    }

    err = 0;
    len = sizeof(int);

    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, (void *) &err, &len) == -1) {
        err = ngx_socket_errno;
    }

    if (err) {
        if (!rc->failing) {
            ngx_log_error(NGX_LOG_ERR, &rc->log, err, "connect() failed");
        }

        ngx_redis_fail(rc, "connection failed", 0);
        return;
    }

    ngx_redis_greet(rc);
}


static void
ngx_redis_read_handler(ngx_event_t *rev)
{
    void                    *reply;
    ssize_t                  n;
    ngx_connection_t        *c;
    ngx_redis_connection_t  *rc;

    c = rev->data;
    rc = c->data;

    if (c->close && rc->pending == 0) {
        /* the worker is leaving and nobody waits */
        ngx_redis_disconnect(rc);
        return;
    }

    if (rc->state == NGX_REDIS_CONNECTING) {
        /* an error tells itself through the write event, too */
        return;
    }

    while (rev->ready) {

        n = c->recv(c, ngx_redis_input, sizeof(ngx_redis_input));

        if (n == NGX_AGAIN) {
            break;
        }

        if (n == NGX_ERROR || n == 0) {
            ngx_redis_fail(rc, "connection closed", 1);
            return;
        }

        if (redisReaderFeed(rc->reader, (char *) ngx_redis_input, n)
            != REDIS_OK)
        {
            ngx_redis_fail(rc, "no memory", 0);
            return;
        }

        for ( ;; ) {
            reply = NULL;

            if (redisReaderGetReply(rc->reader, &reply) != REDIS_OK
                || (reply && ngx_queue_empty(&rc->sent)))
            {
                if (reply) {
                    freeReplyObject(reply);
                }

                ngx_redis_fail(rc, "not the Redis protocol", 0);
                return;
            }

            if (reply == NULL) {
                break;
            }

            ngx_redis_receive(rc, reply);
            freeReplyObject(reply);

            if (rc->state == NGX_REDIS_DOWN) {
                return;
            }

            if (rc->state == NGX_REDIS_GREETING && rc->greetings == 0) {
                ngx_redis_fail(rc, "greeting refused", 0);
                return;
            }
        }
    }

    if (c->close && rc->pending == 0) {
        ngx_redis_disconnect(rc);
        return;
    }

    if (ngx_handle_read_event(rev, 0) != NGX_OK) {
        ngx_redis_fail(rc, "event failed", 0);
    }
}


static void
ngx_redis_receive(ngx_redis_connection_t *rc, redisReply *reply)
{
    ngx_queue_t          *q;
    ngx_redis_command_t  *cmd;

    q = ngx_queue_head(&rc->sent);
    ngx_queue_remove(q);
    rc->pending--;

    cmd = ngx_queue_data(q, ngx_redis_command_t, queue);

    if (ngx_redis_retry_as_eval(rc, cmd, reply)) {
        return;
    }

    if (cmd->handler) {
        cmd->handler(cmd->data, reply);
    }

    ngx_redis_command_free(rc, cmd);
}


/*
 * What follows the digest in EVALSHA follows the text in EVAL.  A script
 * the server doesn't know was not executed, so it may be sent again.
 */

static ngx_uint_t
ngx_redis_retry_as_eval(ngx_redis_connection_t *rc, ngx_redis_command_t *cmd,
    redisReply *reply)
{
    u_char              *p, *text, *tail;
    size_t               head, len;
    ngx_redis_script_t  *script;

    static const char  evalsha[] = "$7\r\nEVALSHA\r\n$40\r\n";

    script = cmd->script;

    if (script == NULL
        || cmd->handler == NULL
        || reply->type != REDIS_REPLY_ERROR
        || ngx_strncmp(reply->str, "NOSCRIPT", 8) != 0)
    {
        return 0;
    }

    cmd->script = NULL;

    /* "*9 $7 EVALSHA $40 digest tail" => "*9 $4 EVAL $length text tail" */

    head = (u_char *) ngx_strchr(cmd->text, LF) + 1 - (u_char *) cmd->text;
    tail = (u_char *) cmd->text + head + sizeof(evalsha) - 1
           + script->sha1.len;
    len = (u_char *) cmd->text + cmd->len - tail;

    /* freed as hiredis' own */
    text = malloc(cmd->len + script->text.len + NGX_SIZE_T_LEN);
    if (text == NULL) {
        return 0;
    }

    p = ngx_cpymem(text, cmd->text, head);
    p = ngx_sprintf(p, "$4\r\nEVAL\r\n$%uz\r\n%V", script->text.len,
                    &script->text);
    p = ngx_cpymem(p, tail, len);

    redisFreeCommand(cmd->text);

    cmd->text = (char *) text;
    cmd->len = p - text;

    return ngx_redis_transmit(rc, cmd) == NGX_OK;
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
        if (!ngx_exiting) {
            ngx_redis_start(rc);
        }

        return;

    case NGX_REDIS_RESOLVING:
        /* where the host was before is better than nowhere */
        ngx_redis_resolve_cancel(rc);
        ngx_add_timer(ev, rc->conf->connect_timeout);
        ngx_redis_connect(rc);
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

    ngx_redis_fail(rc, "no reply in time", 0);
}


ngx_int_t
ngx_redis_check_library(ngx_log_t *log)
{
    void         *data;
    ngx_int_t     rc;
    redisReply   *reply;
    redisReader  *reader;

    static char  canned[] = "*2\r\n$2\r\nok\r\n:7\r\n";

    data = NULL;

    reader = ngx_redis_reader_create();
    if (reader == NULL) {
        return NGX_ERROR;
    }

    rc = NGX_ERROR;

    if (redisReaderFeed(reader, canned, sizeof(canned) - 1) == REDIS_OK
        && redisReaderGetReply(reader, &data) == REDIS_OK
        && data != NULL)
    {
        reply = data;

        if (reply->type == REDIS_REPLY_ARRAY
            && reply->elements == 2
            && reply->element[0]->type == REDIS_REPLY_STRING
            && ngx_strcmp(reply->element[0]->str, "ok") == 0
            && reply->element[1]->type == REDIS_REPLY_INTEGER
            && reply->element[1]->integer == 7)
        {
            rc = NGX_OK;
        }

        freeReplyObject(reply);
    }

    redisReaderFree(reader);

    if (rc != NGX_OK) {
        ngx_log_error(NGX_LOG_EMERG, log, 0,
                      "the hiredis in use is not the one that "
                      "the module was built with");
    }

    return rc;
}


static redisReader *
ngx_redis_reader_create(void)
{
    redisReader  *reader;

    reader = redisReaderCreate();
    if (reader == NULL) {
        return NULL;
    }

    if (ngx_redis_hiredis_array == NULL) {
        ngx_redis_reply_functions = *reader->fn;
        ngx_redis_hiredis_array = reader->fn->createArray;
        ngx_redis_reply_functions.createArray = ngx_redis_create_array;
    }

    reader->fn = &ngx_redis_reply_functions;

    return reader;
}


/* hiredis allocates whatever number of elements a server announces */

static void *
ngx_redis_create_array(const redisReadTask *task, int elements)
{
    if (elements > NGX_REDIS_ARRAY_MAX) {
        return NULL;
    }

    return ngx_redis_hiredis_array(task, elements);
}


static u_char *
ngx_redis_log_error(ngx_log_t *log, u_char *buf, size_t len)
{
    u_char                  *p;
    ngx_redis_connection_t  *rc;

    rc = log->data;

    p = ngx_snprintf(buf, len, " while %s, redis: \"%V\"", log->action,
                     &rc->conf->name);

    return p;
}
