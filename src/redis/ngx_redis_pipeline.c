/* Commands on their way, and replies on theirs. */

#include "ngx_redis_connection.h"


#define NGX_REDIS_PENDING_MAX   32768
#define NGX_REDIS_REPLY_MAX     (1024 * 1024)   /* bytes not yet understood */


static ngx_uint_t ngx_redis_refuses(ngx_redis_connection_t *conn);
static ngx_int_t ngx_redis_enqueue(ngx_redis_connection_t *conn,
    ngx_redis_command_t *cmd);
static ngx_int_t ngx_redis_append(ngx_redis_connection_t *conn, u_char *text,
    size_t len);
static void ngx_redis_receive(ngx_redis_connection_t *conn, redisReply *reply);
static ngx_uint_t ngx_redis_retry_as_eval(ngx_redis_connection_t *conn,
    ngx_redis_command_t *cmd, redisReply *reply);


/* What a worker has read in one call; nothing stays here between calls. */
static u_char  ngx_redis_input[65536];

/* When that was; 0: nobody has asked for it. */
static uint64_t  ngx_redis_input_time;


ngx_redis_command_t *
ngx_redis_connection_send(ngx_redis_connection_t *conn, ngx_redis_args_t *args,
    ngx_redis_script_t *script, ngx_redis_handler_pt handler, void *data)
{
    ngx_redis_command_t  *cmd;

    if (ngx_redis_refuses(conn)) {
        return NULL;
    }

    cmd = ngx_redis_command(args, &conn->log);
    if (cmd == NULL) {
        return NULL;
    }

    ngx_redis_command_set(cmd, script, handler, data);

    if (ngx_redis_enqueue(conn, cmd) != NGX_OK) {
        ngx_redis_command_free(cmd);
        return NULL;
    }

    return cmd;
}


ngx_int_t
ngx_redis_connection_resend(ngx_redis_connection_t *conn,
    ngx_redis_command_t *cmd)
{
    return ngx_redis_refuses(conn) || ngx_redis_enqueue(conn, cmd) != NGX_OK
           ? NGX_DECLINED : NGX_OK;
}


static ngx_uint_t
ngx_redis_refuses(ngx_redis_connection_t *conn)
{
    if (conn->state == NGX_REDIS_DOWN && !conn->failing) {
        ngx_redis_start(conn);
    }

    return (conn->failing && conn->state != NGX_REDIS_READY)
           || (conn->doubtful && conn->pending)
           || conn->pending >= NGX_REDIS_PENDING_MAX;
}


static ngx_int_t
ngx_redis_enqueue(ngx_redis_connection_t *conn, ngx_redis_command_t *cmd)
{
    cmd->connection = conn;

    /* a worker that is to exit stays for the reply */
    conn->timer.cancelable = 0;

    if (conn->state == NGX_REDIS_READY) {
        return ngx_redis_transmit(conn, cmd);
    }

    ngx_queue_insert_tail(&conn->waiting, &cmd->queue);
    conn->pending++;

    return NGX_OK;
}


ngx_int_t
ngx_redis_transmit(ngx_redis_connection_t *conn, ngx_redis_command_t *cmd)
{
    size_t  before;

    static u_char  asking[] = "*1\r\n$6\r\nASKING\r\n";

    before = conn->out_last - conn->out_pos;

    if (cmd->asking
        && ngx_redis_append(conn, asking, sizeof(asking) - 1) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_redis_append(conn, cmd->text, cmd->len) != NGX_OK) {
        conn->out_last = conn->out_pos + before;
        return NGX_ERROR;
    }

    ngx_log_debug3(NGX_LOG_DEBUG_EVENT, &conn->log, 0,
                   "redis \"%V\": command %p sent, %uz bytes",
                   &conn->server->name, cmd, cmd->len);

    cmd->asked = cmd->asking;
    cmd->deadline = ngx_current_msec + conn->conf->timeout;

    ngx_queue_insert_tail(&conn->sent, &cmd->queue);
    conn->pending++;

    if (!conn->timer.timer_set) {
        ngx_add_timer(&conn->timer, conn->conf->timeout);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_redis_append(ngx_redis_connection_t *conn, u_char *text, size_t len)
{
    size_t   size, used;
    u_char  *out;

    used = conn->out_last - conn->out_pos;

    if (conn->out_size - conn->out_last < len) {

        if (conn->out_pos && conn->out_size - used >= len) {
            ngx_memmove(conn->out, conn->out + conn->out_pos, used);

        } else {
            size = ngx_max(conn->out_size * 2, used + len);

            out = ngx_alloc(size, &conn->log);
            if (out == NULL) {
                return NGX_ERROR;
            }

            ngx_memcpy(out, conn->out + conn->out_pos, used);
            ngx_free(conn->out);

            conn->out = out;
            conn->out_size = size;
        }

        conn->out_pos = 0;
        conn->out_last = used;
    }

    ngx_memcpy(conn->out + conn->out_last, text, len);
    conn->out_last += len;

    ngx_post_event(&conn->flush, &ngx_posted_events);

    return NGX_OK;
}


void
ngx_redis_flush_handler(ngx_event_t *ev)
{
    ssize_t                  n;
    ngx_connection_t        *c;
    ngx_redis_connection_t  *conn;

    conn = ev->data;
    c = conn->peer.connection;

    while (conn->out_pos < conn->out_last && c->write->ready) {
        n = c->send(c, conn->out + conn->out_pos,
                    conn->out_last - conn->out_pos);

        if (n == NGX_ERROR) {
#if (NGX_SSL)
            if (c->ssl) {
                ngx_redis_tls_alert(c);
            }
#endif
            ngx_redis_fail(conn, "write failed", 1);
            return;
        }

        if (n == NGX_AGAIN) {
            break;
        }

        conn->out_pos += n;
    }

    if (conn->out_pos == conn->out_last) {
        conn->out_pos = 0;
        conn->out_last = 0;
    }

    if (ngx_handle_write_event(c->write, 0) != NGX_OK) {
        ngx_redis_fail(conn, "event failed", 0);
    }
}


void
ngx_redis_write_handler(ngx_event_t *wev)
{
    ngx_connection_t        *c;
    ngx_redis_connection_t  *conn;

    c = wev->data;
    conn = c->data;

    if (conn->state == NGX_REDIS_CONNECTING) {
        ngx_redis_connected(conn);
        return;
    }

    ngx_redis_flush_handler(&conn->flush);
}


void
ngx_redis_read_handler(ngx_event_t *rev)
{
    void                    *reply;
    ssize_t                  n;
    ngx_connection_t        *c;
    ngx_redis_connection_t  *conn;

    c = rev->data;
    conn = c->data;

    if (conn->state == NGX_REDIS_CONNECTING) {
        /* an error tells itself through the write event, too */
        return;
    }

    while (rev->ready) {

        n = c->recv(c, ngx_redis_input, sizeof(ngx_redis_input));

        if (n == NGX_AGAIN) {
            break;
        }

        if (n == NGX_ERROR || n == 0) {
            ngx_redis_fail(conn, "connection closed", 1);
            return;
        }

        ngx_redis_input_time = 0;

        if (redisReaderFeed(conn->reader, (char *) ngx_redis_input, n)
            != REDIS_OK)
        {
            ngx_redis_fail(conn, "no memory", 0);
            return;
        }

        for ( ;; ) {
            reply = NULL;

            if (redisReaderGetReply(conn->reader, &reply) != REDIS_OK) {
                ngx_redis_fail(conn, "not the Redis protocol", 0);
                return;
            }

            if (reply == NULL) {
                break;
            }

            if (conn->subscribed
                && ngx_redis_subscription_message(conn, reply))
            {
                freeReplyObject(reply);
                continue;
            }

            if (ngx_queue_empty(&conn->sent)) {
                freeReplyObject(reply);
                ngx_redis_fail(conn, "a reply to nothing", 0);
                return;
            }

            ngx_redis_receive(conn, reply);
            freeReplyObject(reply);

            if (conn->distrusted) {
                ngx_redis_fail(conn, conn->distrusted, 0);
                return;
            }

            if (conn->state == NGX_REDIS_DOWN) {
                return;
            }

            if (conn->state == NGX_REDIS_LEAVING
                && ngx_queue_empty(&conn->sent))
            {
                conn->addr++;
                ngx_redis_fail(conn, "it is a replica now", 1);
                return;
            }

            if (conn->state == NGX_REDIS_GREETING && conn->greetings == 0) {
                ngx_redis_fail(conn, "greeting refused", 0);
                return;
            }
        }

        if (conn->reader->len - conn->reader->pos > NGX_REDIS_REPLY_MAX) {
            ngx_redis_fail(conn, "a reply is too long", 0);
            return;
        }
    }

    if (ngx_handle_read_event(rev, 0) != NGX_OK) {
        ngx_redis_fail(conn, "event failed", 0);
    }
}


static void
ngx_redis_receive(ngx_redis_connection_t *conn, redisReply *reply)
{
    char                 *words;
    ngx_queue_t          *q;
    ngx_redis_command_t  *cmd;

    q = ngx_queue_head(&conn->sent);
    cmd = ngx_queue_data(q, ngx_redis_command_t, queue);

    if (cmd->asked) {
        /* should ASKING be refused, so will be the command */
        cmd->asked = 0;
        return;
    }

    ngx_log_debug3(NGX_LOG_DEBUG_EVENT, &conn->log, 0,
                   "redis \"%V\": command %p answered, type %d",
                   &conn->server->name, cmd, reply->type);

    ngx_queue_remove(q);
    conn->pending--;

    if (conn->doubtful && conn->state == NGX_REDIS_READY) {
        ngx_redis_answers(conn);
    }

    if (ngx_redis_retry_as_eval(conn, cmd, reply)) {
        return;
    }

    if (reply->type == REDIS_REPLY_ERROR
        && conn->redirect
        && conn->redirect(conn, cmd, reply))
    {
        goto done;
    }

    if (cmd->latency) {

        if (ngx_redis_input_time == 0) {
            ngx_redis_input_time = ngx_redis_microseconds();
        }

        ngx_redis_latency_add(cmd->latency,
                              ngx_redis_input_time - cmd->began);
    }

    if (reply->type == REDIS_REPLY_ERROR) {

        /* "unknown command", then the command's words: they may be secrets */

        words = strstr(reply->str, ", with args");

        if (words) {
            *words = '\0';
            reply->len = words - reply->str;
        }
    }

    if (cmd->handler) {
        cmd->handler(cmd->data, reply);
    }

    ngx_redis_command_free(cmd);

done:

    if (conn->pending == 0) {
        conn->timer.cancelable = 1;
    }
}


/*
 * What follows the digest in EVALSHA follows the text in EVAL.  A script
 * the server doesn't know was not executed, so it may be sent again.
 */

static ngx_uint_t
ngx_redis_retry_as_eval(ngx_redis_connection_t *conn, ngx_redis_command_t *cmd,
    redisReply *reply)
{
    u_char              *p, *text;
    size_t               head, tail, len, size;
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

    head = ngx_strlchr(cmd->text, cmd->text + cmd->len, LF) + 1 - cmd->text;
    tail = head + sizeof(evalsha) - 1 + script->sha1.len;
    len = cmd->len - tail;

    size = head + 2 * NGX_REDIS_HEAD_LEN + script->text.len + len;

    text = ngx_alloc(size, &conn->log);
    if (text == NULL) {
        return 0;
    }

    p = ngx_cpymem(text, cmd->text, head);
    p = ngx_sprintf(p, "$4\r\nEVAL\r\n$%uz\r\n%V", script->text.len,
                    &script->text);
    p = ngx_cpymem(p, cmd->text + tail, len);

    ngx_free(cmd->text);

    cmd->text = text;
    cmd->size = size;
    cmd->len = p - text;

    if (ngx_redis_transmit(conn, cmd) != NGX_OK) {
        return 0;
    }

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, &conn->log, 0,
                   "redis \"%V\": command %p again with its script",
                   &conn->server->name, cmd);

    conn->conf->stats->loaded++;

    return 1;
}
