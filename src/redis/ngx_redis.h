#ifndef _NGX_REDIS_H_INCLUDED_
#define _NGX_REDIS_H_INCLUDED_

/*
 * A Redis client on nginx's event loop.  It knows nothing of API keys.
 *
 * A client has nodes: a single server is its only one; in a Cluster they come
 * and go, and a command goes to the one that has the slot of its first key, or
 * where that one sends it: what is so refused was not executed, and has no
 * more time than any other command.  A worker has one connection to a node,
 * and all commands of the worker are multiplexed on it: the commands of one
 * turn of the loop go out in one write, the replies come back first in, first
 * out.  nginx owns the socket, hiredis parses what is read.
 *
 * A connection is made when the worker starts and kept.  Its commands fail
 * together: when the oldest has waited for longer than "timeout", the
 * connection is closed and every caller is told.  A command whose reply
 * was lost is never sent again.  After a failure commands are refused
 * at once until a new connection has answered a PING; attempts back
 * off, with jitter, up to half a second.  After a reply that didn't come in
 * time, a new connection takes one command only until that is answered: a
 * server that is slow makes one caller wait for "timeout", not all.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <hiredis/hiredis.h>


#define NGX_REDIS_ARGS_MAX   256
#define NGX_REDIS_LATENCIES  14    /* the bounds of a histogram */
#define NGX_REDIS_NAME_MAX   64    /* of a server, in a report */
#define NGX_REDIS_LOG_MAX    256   /* of what a server says, in the log */


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
    ngx_str_t                  host;             /* empty: never looked up */
    in_port_t                  port;
} ngx_redis_server_t;


/* What a connection is for. */
typedef enum {
    NGX_REDIS_COMMANDS = 0,
    NGX_REDIS_SUBSCRIPTION,
    NGX_REDIS_SENTINEL,
    NGX_REDIS_ROLES
} ngx_redis_role_e;


/* Round trips up to each of ngx_redis_latencies, the last: beyond all. */
typedef struct {
    uint64_t                   count[NGX_REDIS_LATENCIES + 1];
    uint64_t                   sum;              /* microseconds */
} ngx_redis_latency_t;


/*
 * What a client has done.  It adds to what is there, which others may read
 * meanwhile.
 */
typedef struct {
    uint64_t                   made[NGX_REDIS_ROLES];    /* connections */
    uint64_t                   failed[NGX_REDIS_ROLES];  /* or attempts */
    uint64_t                   accepted;         /* commands */
    uint64_t                   refused;          /* at once */
    uint64_t                   lost;             /* their replies */
    uint64_t                   loaded;           /* scripts, by EVAL */
    uint64_t                   redirected;       /* by a node of a Cluster */
} ngx_redis_stats_t;


typedef enum {
    NGX_REDIS_IS_READY = 0,
    NGX_REDIS_IS_CONNECTING,                     /* commands wait */
    NGX_REDIS_IS_FAILING,                        /* commands are refused */
    NGX_REDIS_CONDITIONS
} ngx_redis_condition_e;


/* How a connection is. */
typedef struct {
    size_t                     len;
    u_char                     name[NGX_REDIS_NAME_MAX];  /* of the server */
    ngx_redis_role_e           role;
    ngx_redis_condition_e      state;
    ngx_uint_t                 pending;          /* commands */
    ngx_msec_t                 since;            /* ready, or failing */
} ngx_redis_report_t;


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
    ngx_redis_stats_t         *stats;            /* set before a client is */
} ngx_redis_conf_t;


typedef struct {
    ngx_str_t                  text;
    ngx_str_t                  sha1;             /* 40 hexadecimal digits */
    ngx_redis_latency_t       *latency;          /* NULL: isn't measured */
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
 * A server that is silent is asked once a second whether it is alive, or a node
 * of a Cluster, whether it hears the others: "heard" tells how far that goes.
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


/* Microseconds, in ascending order. */
extern const ngx_uint_t  ngx_redis_latencies[NGX_REDIS_LATENCIES];


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
 * are the keys, nkeys of them and of one slot, and what follows them.  NULL:
 * refused, for the server can't be reached or too much is waiting; the handler
 * isn't called.
 */
ngx_redis_command_t *ngx_redis_eval(ngx_redis_t *redis,
    ngx_redis_script_t *script, ngx_redis_args_t *args, ngx_uint_t nkeys,
    ngx_redis_handler_pt handler, void *data);

/*
 * Is what is sent now on its way with this turn of the event loop?  Else it
 * may wait for a connection, or the server was late and isn't trusted yet.
 */
ngx_uint_t ngx_redis_steady(ngx_redis_t *redis);

/* Any other command whose first argument is its key; as ngx_redis_eval(). */
ngx_redis_command_t *ngx_redis_command_send(ngx_redis_t *redis,
    ngx_redis_args_t *args, ngx_redis_handler_pt handler, void *data);

/*
 * In its handler: the reply can't be the one to this command, so those to come
 * may belong to others.  The connection is closed when the handler returns.
 */
void ngx_redis_distrust(ngx_redis_command_t *cmd);

/*
 * In its handler: the reply has this error among others, as a script may put
 * them together; not in a Cluster.
 */
void ngx_redis_command_failed(ngx_redis_command_t *cmd, redisReply *error);

/*
 * Waits until all is sent and answered, for "timeout" and three seconds at most
 * or, where nginx is told to end at once, one; for a worker that exits.
 * NGX_ERROR: it isn't.
 */
ngx_int_t ngx_redis_finish(ngx_redis_t *redis);

/* Once a client.  The subscription belongs to the caller and outlives it. */
ngx_int_t ngx_redis_subscribe(ngx_redis_t *redis,
    ngx_redis_subscription_t *subscription);

/* How the connections are, "max" of them at most; returns their number. */
ngx_uint_t ngx_redis_reports(ngx_redis_t *redis, ngx_redis_report_t *reports,
    ngx_uint_t max);

/* Asks now, not within a second, for what moves "heard" on. */
void ngx_redis_subscription_check(ngx_redis_t *redis);

/* The caller goes away: the reply, when it comes, is dropped. */
void ngx_redis_cancel(ngx_redis_command_t *cmd);

/* Or it is somebody else's. */
void ngx_redis_pass_on(ngx_redis_command_t *cmd, ngx_redis_handler_pt handler,
    void *data);


#endif /* _NGX_REDIS_H_INCLUDED_ */
