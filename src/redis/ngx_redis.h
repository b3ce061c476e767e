#ifndef _NGX_REDIS_H_INCLUDED_
#define _NGX_REDIS_H_INCLUDED_

/*
 * A Redis client on nginx's event loop.  It knows nothing of API keys.
 *
 * A client has nodes: a single server is its only one.  A worker has one
 * connection to a node, and all commands of the worker are multiplexed on it:
 * the commands of one turn of the loop go out in one write, the replies come
 * back first in, first out.  nginx owns the socket, hiredis parses what is
 * read.
 *
 * A connection is made when the worker starts and kept.  Its commands fail
 * together: when the oldest has waited for longer than "timeout", the
 * connection is closed and every caller is told.  A command whose reply
 * was lost is never sent again.  After a failure commands are refused
 * at once until a new connection has answered a PING; attempts back
 * off, with jitter, up to half a second.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <hiredis/hiredis.h>


#define NGX_REDIS_ARGS_MAX  24


typedef struct ngx_redis_s             ngx_redis_t;
typedef struct ngx_redis_connection_s  ngx_redis_connection_t;
typedef struct ngx_redis_command_s     ngx_redis_command_t;


/*
 * Called once for each command that was accepted and not cancelled.  The reply
 * belongs to the client and lives until the handler returns; it may be an
 * error.  NULL: no reply will ever come, and whether the server has executed
 * the command is unknown.
 */
typedef void (*ngx_redis_handler_pt)(void *data, redisReply *reply);


/* Texts end with a zero byte. */
typedef struct {
    ngx_flag_t                 on;
    ngx_str_t                  name;             /* empty: the server's */
    ngx_str_t                  ca;               /* empty: the system's */
    ngx_str_t                  cert;             /* empty: none */
    ngx_str_t                  key;
#if (NGX_SSL)
    ngx_ssl_t                 *ssl;
#endif
} ngx_redis_tls_t;


/* Where a server is. */
typedef struct {
    ngx_str_t                  name;             /* for the log */
    ngx_addr_t                *addrs;            /* when nginx started */
    ngx_uint_t                 naddrs;
    ngx_str_t                  tls_name;         /* empty: a unix socket */
    ngx_str_t                  host;             /* empty: never resolved again */
    in_port_t                  port;
} ngx_redis_server_t;


/* As configured.  All of it outlives the client. */
typedef struct {
    ngx_array_t                servers;          /* ngx_redis_server_t */
    ngx_uint_t                 cluster;          /* of which they are nodes */
    ngx_uint_t                 sentinel;         /* they are sentinels */
    ngx_str_t                  master;           /* that they watch over */
    ngx_resolver_t            *resolver;         /* NULL: the system's */
    ngx_str_t                  user;
    ngx_str_t                  password;
    ngx_uint_t                 db;
    ngx_redis_tls_t            tls;
    ngx_msec_t                 connect_timeout;  /* all until it is READY */
    ngx_msec_t                 timeout;          /* a command */
} ngx_redis_conf_t;


typedef struct {
    ngx_str_t                  text;
    ngx_str_t                  sha1;             /* 40 hexadecimal digits */
} ngx_redis_script_t;


/* The words of a command; they are copied when it is sent. */
typedef struct {
    const char                *value[NGX_REDIS_ARGS_MAX];
    size_t                     len[NGX_REDIS_ARGS_MAX];
    int                        n;
} ngx_redis_args_t;


/*
 * Messages of a channel, on a connection of its own.  Between up() and
 * down() none is missed; what was sent before up() or after down() is lost.
 * A server that is silent is asked once a second whether it is alive.
 */
typedef struct {
    ngx_str_t                  channel;
    void                     (*up)(void *data);
    void                     (*down)(void *data);
    void                     (*message)(void *data, ngx_str_t *text);
    void                      *data;
    ngx_msec_t                 heard;        /* all that was sent till then */
} ngx_redis_subscription_t;


static ngx_inline void
ngx_redis_arg(ngx_redis_args_t *args, const void *value, size_t len)
{
    args->value[args->n] = value;
    args->len[args->n++] = len;
}


/*
 * Is the hiredis that was linked the one it was compiled with?  Another
 * module's copy with the same symbols may have taken its place.
 */
ngx_int_t ngx_redis_check_library(ngx_log_t *log);

#if (NGX_SSL)
/* Loads the certificates and sets ssl; logs what is wrong. */
char *ngx_redis_tls_init(ngx_conf_t *cf, ngx_redis_tls_t *tls);
#endif

/* Starts to connect.  Call once in a worker; NULL: out of memory. */
ngx_redis_t *ngx_redis_create(ngx_pool_t *pool, ngx_redis_conf_t *conf,
    ngx_log_t *log);

/* Closes; handlers still outstanding aren't called. */
void ngx_redis_destroy(ngx_redis_t *redis);

/*
 * Runs a script: EVALSHA and, where the server doesn't know it, EVAL.  args
 * are the keys, nkeys of them, and what follows them.  NULL: refused, for the server
 * can't be reached or too much is waiting; the handler isn't called.
 */
ngx_redis_command_t *ngx_redis_eval(ngx_redis_t *redis,
    ngx_redis_script_t *script, ngx_redis_args_t *args, ngx_uint_t nkeys,
    ngx_redis_handler_pt handler, void *data);

/* Any other command; as ngx_redis_eval(). */
ngx_redis_command_t *ngx_redis_command_send(ngx_redis_t *redis,
    ngx_redis_args_t *args, ngx_redis_handler_pt handler, void *data);

/*
 * In its handler: the reply can't be the one to this command, so those to come
 * may belong to others.  The connection is closed when the handler returns.
 */
void ngx_redis_distrust(ngx_redis_command_t *cmd);

/*
 * Waits, for "timeout" and a second at most, until all is sent and answered;
 * for a worker that exits.  NGX_ERROR: it isn't.
 */
ngx_int_t ngx_redis_finish(ngx_redis_t *redis);

/* Once a client.  The subscription belongs to the caller and outlives it. */
ngx_int_t ngx_redis_subscribe(ngx_redis_t *redis,
    ngx_redis_subscription_t *subscription);

/* Asks now, not within a second, for what moves "heard" on. */
void ngx_redis_subscription_check(ngx_redis_t *redis);

/* The caller goes away: the reply, when it comes, is dropped. */
void ngx_redis_cancel(ngx_redis_command_t *cmd);

/* Or it is somebody else's. */
void ngx_redis_pass_on(ngx_redis_command_t *cmd, ngx_redis_handler_pt handler,
    void *data);


#endif /* _NGX_REDIS_H_INCLUDED_ */
