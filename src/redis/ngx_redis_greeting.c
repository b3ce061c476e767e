/*
 * A connection counts when the server has answered, not when it is open: it
 * takes the password, knows the database and, where it must, is a master.
 */

#include "ngx_redis_connection.h"


static void ngx_redis_greeted(void *data, redisReply *reply);
static ngx_uint_t ngx_redis_is_master(redisReply *reply);


void
ngx_redis_greet(ngx_redis_connection_t *rc)
{
    ngx_uint_t            i, n;
    ngx_redis_args_t      greeting[4], *args;
    ngx_redis_command_t  *cmd;
    ngx_redis_conf_t     *conf;
    u_char               *p, db[NGX_INT_T_LEN];

    conf = rc->conf;

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

    if (rc->demoted) {
        args = &greeting[n++];
        ngx_redis_arg(args, "ROLE", 4);
    }

    rc->state = NGX_REDIS_GREETING;
    rc->log.action = "greeting redis";
    rc->greetings = n;

    for (i = 0; i < n; i++) {
        cmd = ngx_redis_command(&greeting[i], &rc->log);

        if (cmd == NULL) {
            ngx_redis_fail(rc, "no memory", 0);
            return;
        }

        cmd->connection = rc;
        cmd->script = NULL;
        cmd->handler = ngx_redis_greeted;
        cmd->data = rc;

        if (ngx_redis_transmit(rc, cmd) != NGX_OK) {
            ngx_redis_command_free(cmd);
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
        if (!rc->refused && (rc->subscription == NULL || rc->loud)) {
            rc->refused = 1;
            ngx_log_error(NGX_LOG_ERR, &rc->log, 0,
                          "redis refused the connection: \"%*s\"",
                          (size_t) ngx_min(reply->len, 256), reply->str);
        }

        rc->greetings = 0;
        return;
    }

    if (--rc->greetings) {
        return;
    }

    if (rc->demoted && !ngx_redis_is_master(reply)) {

        if (!rc->refused && rc->subscription == NULL) {
            rc->refused = 1;
            ngx_log_error(NGX_LOG_ERR, &rc->log, 0,
                          "redis \"%V\" is a replica: it isn't used",
                          &rc->server->name);
        }

        rc->demoted(rc);
        return;
    }

    ngx_redis_ready(rc);
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
