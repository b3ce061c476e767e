/*
 * A connection counts when the server has answered, not when it is open: it
 * takes the password, knows the database and, where it must, is a master.
 */

#include "ngx_redis_connection.h"


static void ngx_redis_greeted(void *data, redisReply *reply);
static ngx_uint_t ngx_redis_is_master(redisReply *reply);


void
ngx_redis_greet(ngx_redis_connection_t *conn)
{
    ngx_uint_t            i, n;
    ngx_redis_args_t      greeting[4], *args;
    ngx_redis_command_t  *cmd;
    ngx_redis_conf_t     *conf;
    u_char               *p, db[NGX_INT_T_LEN];

    conf = conn->conf;

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

    if (conn->demoted) {
        args = &greeting[n++];
        ngx_redis_arg(args, "ROLE", 4);
    }

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, &conn->log, 0,
                   "redis \"%V\": greeting of %ui commands",
                   &conn->server->name, n);

    conn->state = NGX_REDIS_GREETING;
    conn->log.action = "greeting redis";
    conn->greetings = n;

    for (i = 0; i < n; i++) {
        cmd = ngx_redis_command(&greeting[i], &conn->log);

        if (cmd == NULL) {
            ngx_redis_fail(conn, "no memory", 0);
            return;
        }

        cmd->connection = conn;
        cmd->script = NULL;
        cmd->handler = ngx_redis_greeted;
        cmd->data = conn;

        if (ngx_redis_transmit(conn, cmd) != NGX_OK) {
            ngx_redis_command_free(cmd);
            ngx_redis_fail(conn, "no memory", 0);
            return;
        }
    }
}


static void
ngx_redis_greeted(void *data, redisReply *reply)
{
    ngx_redis_connection_t *conn = data;

    ngx_uint_t  address;

    if (reply == NULL) {
        return;
    }

    address = (ngx_uint_t) 1 << conn->addr % conn->naddrs % 32;

    if (reply->type == REDIS_REPLY_ERROR) {
        if (!(conn->refused & address)
            && conn->role != NGX_REDIS_SUBSCRIPTION)
        {
            conn->refused |= address;
            ngx_log_error(NGX_LOG_ERR, &conn->log, 0,
                          "redis refused the connection: \"%*s\"",
                          (size_t) ngx_min(reply->len, NGX_REDIS_LOG_MAX),
                          reply->str);
        }

        conn->greetings = 0;
        return;
    }

    if (--conn->greetings) {
        return;
    }

    if (conn->demoted && !ngx_redis_is_master(reply)) {

        if (!(conn->refused & address) && conn->role == NGX_REDIS_COMMANDS) {
            conn->refused |= address;
            ngx_log_error(NGX_LOG_ERR, &conn->log, 0,
                          "redis \"%V\" is a replica: it isn't used",
                          &conn->server->name);
        }

        conn->demoted(conn);
        return;
    }

    ngx_redis_ready(conn);
}


/* ROLE's answer begins with it. */

static ngx_uint_t
ngx_redis_is_master(redisReply *reply)
{
    return reply->type == REDIS_REPLY_ARRAY
           && reply->elements
           && reply->element[0]->type == REDIS_REPLY_STRING
           && ngx_strcmp(reply->element[0]->str, "master") == 0;
}
