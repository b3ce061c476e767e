/* A command: its words as they are sent, whose it is, and its memory. */

#include "ngx_redis_connection.h"


#define NGX_REDIS_COMMAND_SIZE  512    /* kept for the next command */


static u_char *ngx_redis_head(u_char *p, u_char type, size_t n);
static ngx_int_t ngx_redis_command_room(ngx_redis_command_t *cmd, size_t size,
    ngx_log_t *log);


/* Commands not in use. */
static ngx_queue_t  ngx_redis_spare = { &ngx_redis_spare, &ngx_redis_spare };


ngx_redis_command_t *
ngx_redis_command(ngx_redis_args_t *args, ngx_log_t *log)
{
    int                   i;
    size_t                len;
    u_char               *p;
    ngx_queue_t          *q;
    ngx_redis_command_t  *cmd;

    if (ngx_queue_empty(&ngx_redis_spare)) {
        cmd = ngx_calloc(sizeof(ngx_redis_command_t), log);
        if (cmd == NULL) {
            return NULL;
        }

        ngx_queue_insert_head(&ngx_redis_spare, &cmd->queue);
    }

    q = ngx_queue_head(&ngx_redis_spare);
    cmd = ngx_queue_data(q, ngx_redis_command_t, queue);

    len = NGX_REDIS_HEAD_LEN;

    for (i = 0; i < args->n; i++) {
        len += NGX_REDIS_HEAD_LEN + args->len[i] + 2;
    }

    if (ngx_redis_command_room(cmd, len, log) != NGX_OK) {
        return NULL;
    }

    ngx_queue_remove(q);

    cmd->connection = NULL;
    cmd->latency = NULL;
    cmd->slot = NGX_REDIS_NO_SLOT;
    cmd->hops = 0;
    cmd->timed = 0;
    cmd->asking = 0;
    cmd->asked = 0;

    p = ngx_redis_head(cmd->text, '*', args->n);

    for (i = 0; i < args->n; i++) {
        p = ngx_redis_head(p, '$', args->len[i]);
        p = ngx_cpymem(p, args->value[i], args->len[i]);
        *p++ = CR; *p++ = LF;
    }

    cmd->len = p - cmd->text;

    return cmd;
}


/* "$3\r\n" */

static u_char *
ngx_redis_head(u_char *p, u_char type, size_t n)
{
    u_char  digits[NGX_SIZE_T_LEN], *d;

    d = digits + sizeof(digits);

    do {
        *--d = (u_char) ('0' + n % 10);
        n /= 10;
    } while (n);

    *p++ = type;
    p = ngx_cpymem(p, d, digits + sizeof(digits) - d);
    *p++ = CR; *p++ = LF;

    return p;
}


/* A command keeps its memory when it is used again. */

static ngx_int_t
ngx_redis_command_room(ngx_redis_command_t *cmd, size_t size, ngx_log_t *log)
{
    u_char  *text;

    if (size <= cmd->size) {
        return NGX_OK;
    }

    size = ngx_max(size, NGX_REDIS_COMMAND_SIZE);

    text = ngx_alloc(size, log);
    if (text == NULL) {
        return NGX_ERROR;
    }

    if (cmd->text) {
        ngx_free(cmd->text);
    }

    cmd->text = text;
    cmd->size = size;

    return NGX_OK;
}


void
ngx_redis_command_set(ngx_redis_command_t *cmd, ngx_redis_script_t *script,
    ngx_redis_handler_pt handler, void *data)
{
    cmd->script = script;
    cmd->handler = handler;
    cmd->data = data;

    if (script && script->latency) {
        cmd->latency = script->latency;
        cmd->began = ngx_redis_microseconds();
    }
}


void
ngx_redis_command_free(ngx_redis_command_t *cmd)
{
    if (cmd->timed) {
        ngx_queue_remove(&cmd->late);
        cmd->timed = 0;
    }

    if (cmd->size > NGX_REDIS_COMMAND_SIZE) {
        ngx_free(cmd->text);
        cmd->text = NULL;
        cmd->size = 0;
    }

    ngx_queue_insert_head(&ngx_redis_spare, &cmd->queue);
}


void
ngx_redis_commands_free(void)
{
    ngx_queue_t          *q;
    ngx_redis_command_t  *cmd;

    while (!ngx_queue_empty(&ngx_redis_spare)) {
        q = ngx_queue_head(&ngx_redis_spare);
        ngx_queue_remove(q);

        cmd = ngx_queue_data(q, ngx_redis_command_t, queue);

        if (cmd->text) {
            ngx_free(cmd->text);
        }

        ngx_free(cmd);
    }
}


void
ngx_redis_distrust(ngx_redis_command_t *cmd)
{
    cmd->connection->distrusted = "a reply to another command";
}


void
ngx_redis_command_failed(ngx_redis_command_t *cmd, redisReply *error)
{
    ngx_redis_connection_t  *conn;

    conn = cmd->connection;

    if (conn->redirect) {
        (void) conn->redirect(conn, cmd, error);
    }
}


void
ngx_redis_cancel(ngx_redis_command_t *cmd)
{
    cmd->handler = NULL;
}


void
ngx_redis_pass_on(ngx_redis_command_t *cmd, ngx_redis_handler_pt handler,
    void *data)
{
    cmd->handler = handler;
    cmd->data = data;
}
