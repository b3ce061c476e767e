#ifndef _NGX_REDIS_CONNECTION_H_INCLUDED_
#define _NGX_REDIS_CONNECTION_H_INCLUDED_


#include "ngx_redis.h"
#include <ngx_event_connect.h>


#define NGX_REDIS_ADDRS_MAX  8
#define NGX_REDIS_NO_SLOT    0xffff
#define NGX_REDIS_HEAD_LEN   (NGX_SIZE_T_LEN + 3)   /* "$3", CR LF */


typedef enum {
    NGX_REDIS_DOWN = 0,        /* the timer is the next attempt */
    NGX_REDIS_LOCATING,        /* its owner asks where the server is */
    NGX_REDIS_RESOLVING,
    NGX_REDIS_CONNECTING,
    NGX_REDIS_HANDSHAKING,     /* TLS */
    NGX_REDIS_GREETING,        /* AUTH, SELECT and PING are on their way */
    NGX_REDIS_READY,
    NGX_REDIS_LEAVING          /* ends with the last reply; others wait */
} ngx_redis_state_e;


struct ngx_redis_command_s {
    ngx_queue_t                queue;
    ngx_redis_connection_t    *connection;   /* NULL: none yet */
    ngx_redis_handler_pt       handler;      /* NULL: cancelled */
    void                      *data;
    ngx_redis_script_t        *script;       /* NULL: not EVALSHA */
    u_char                    *text;         /* RESP */
    size_t                     size;
    size_t                     len;
    ngx_redis_latency_t       *latency;      /* or NULL */
    uint64_t                   began;        /* if that is to be measured */
    ngx_msec_t                 deadline;     /* of the connection */

    /* in a Cluster */
    ngx_queue_t                late;
    ngx_msec_t                 until;        /* the caller is told */
    u_short                    slot;         /* or NGX_REDIS_NO_SLOT */
    u_short                    hops;
    unsigned                   timed:1;      /* by itself: late and until */
    unsigned                   asking:1;     /* ASKING goes before it */
    unsigned                   asked:1;      /* and its reply is to come */
};


struct ngx_redis_connection_s {
    ngx_redis_conf_t          *conf;
    ngx_redis_server_t        *server;
    ngx_log_t                  log;
    ngx_log_t                  attempt;      /* until READY; silent, or log */
    ngx_redis_role_e           role;         /* a SUBSCRIPTION logs little */
    ngx_redis_state_e          state;

    ngx_peer_connection_t      peer;
    redisReader               *reader;
    ngx_queue_t                sent;         /* in the order of their replies */
    ngx_queue_t                waiting;      /* until READY */
    ngx_uint_t                 pending;      /* sent and waiting */

    u_char                    *out;          /* not yet written: pos..last */
    size_t                     out_size;
    size_t                     out_pos;
    size_t                     out_last;

    ngx_event_t                flush;        /* posted: one write a turn */
    ngx_event_t                timer;

    ngx_addr_t                *addrs;        /* the server's, or found */
    ngx_uint_t                 naddrs;
    ngx_uint_t                 addr;         /* the one in use */
    ngx_uint_t                 untried;      /* others, in this attempt */
    ngx_uint_t                 refused;      /* bits of those: it's logged */
    ngx_msec_t                 began;        /* the attempt */
    ngx_addr_t                 found[NGX_REDIS_ADDRS_MAX];
    ngx_sockaddr_t             sockaddrs[NGX_REDIS_ADDRS_MAX];
    void                      *lookup;       /* see ngx_redis_resolve.c */

    /* whose it is; each may be NULL */
    void                      *owner;
    ngx_int_t                (*locate)(ngx_redis_connection_t *conn,
        ngx_uint_t late);
    void                     (*ready)(ngx_redis_connection_t *conn);
    void                     (*failed)(ngx_redis_connection_t *conn);
    void                     (*demoted)(ngx_redis_connection_t *conn);
    ngx_uint_t               (*redirect)(ngx_redis_connection_t *conn,
        ngx_redis_command_t *cmd, redisReply *error);

    ngx_redis_subscription_t  *subscription; /* NULL: it takes commands */
    ngx_event_t                ping;         /* of a subscription */
    ngx_msec_t                 pinged;       /* the one under way, or last */
    ngx_str_t                  own;          /* channel, for echo(), or empty */
    void                     (*echo)(ngx_redis_connection_t *conn);
    void                     (*echoed)(ngx_redis_connection_t *conn,
        ngx_str_t *text);

    const char                *distrusted;   /* why; it is to be closed */
    ngx_uint_t                 greetings;    /* replies still expected */
    ngx_uint_t                 failures;     /* in a row */
    ngx_msec_t                 since;        /* READY, or failing */
    unsigned                   resolved:1;   /* addrs are fresh enough */
    unsigned                   unresolved:1; /* and it's logged */
    unsigned                   failing:1;    /* refuses all, or all but one */
    unsigned                   quiet:1;      /* its failure isn't news */
    unsigned                   unheard:1;    /* so is the subscription */
    unsigned                   subscribed:1;
    unsigned                   pinging:1;    /* not answered yet */
    unsigned                   doubtful:1;   /* late before, no reply since */
};


/* ngx_redis_connection.c */

/*
 * Starts.  All is zero but for the role, the subscription, if it has one, and
 * what its owner sets:
 *
 * locate()    before each attempt: may say that the server is another now
 *             (NGX_OK), or will call ngx_redis_located() (NGX_AGAIN).  late:
 *             connect_timeout is over, so NGX_OK or NGX_ERROR
 * ready()     it can be used; before it subscribes
 * failed()    after each failed attempt, which tries all addresses
 * redirect()  takes over a command that a server has refused, or returns 0
 * demoted()   the server must be a master and, greeting it, has said that it
 *             isn't
 * echo()      of a subscription for which an answered PING isn't enough: when
 *             it is up, and each second; sends something to its own channel
 * echoed()    which has come; moves "heard" on
 */
ngx_int_t ngx_redis_connection_init(ngx_redis_connection_t *conn,
    ngx_redis_conf_t *conf, ngx_redis_server_t *server, ngx_log_t *log);
void ngx_redis_connection_close(ngx_redis_connection_t *conn);

/* Where the next attempt goes; its host is resolved again before that. */
void ngx_redis_connection_move(ngx_redis_connection_t *conn,
    ngx_redis_server_t *server);

/* An attempt, now. */
void ngx_redis_start(ngx_redis_connection_t *conn);

/* The server is found, or not. */
void ngx_redis_located(ngx_redis_connection_t *conn, ngx_int_t found);

/* The addresses are found, or stay as they were. */
void ngx_redis_connect(ngx_redis_connection_t *conn);

/* The socket can be written: connect() has done what it could. */
void ngx_redis_connected(ngx_redis_connection_t *conn);

/* The server takes commands: what waits is sent, the owner is told. */
void ngx_redis_ready(ngx_redis_connection_t *conn);

/* It is good, until it fails. */
void ngx_redis_answers(ngx_redis_connection_t *conn);

/*
 * Every command fails, but for those that wait while another address of the
 * host is left, which is tried at once.  retry: the server may have closed the
 * connection for a good reason, so commands wait for one new attempt before
 * they are refused.
 */
void ngx_redis_fail(ngx_redis_connection_t *conn, const char *reason,
    ngx_uint_t retry);

/* It has been good for long enough not to be one that comes and goes. */
ngx_uint_t ngx_redis_stable(ngx_redis_connection_t *conn);

/* The server isn't wanted any more: where it is now is asked at once. */
void ngx_redis_leave(ngx_redis_connection_t *conn, const char *reason);


/* ngx_redis_greeting.c */

/* The connection is open; TLS, if it is asked for, is agreed upon. */
void ngx_redis_greet(ngx_redis_connection_t *conn);


/* ngx_redis_pipeline.c */

/* NULL: refused.  A command that runs no script has script NULL. */
ngx_redis_command_t *ngx_redis_connection_send(ngx_redis_connection_t *conn,
    ngx_redis_args_t *args, ngx_redis_script_t *script,
    ngx_redis_handler_pt handler, void *data);

/* NGX_DECLINED: refused, and still the caller's. */
ngx_int_t ngx_redis_connection_resend(ngx_redis_connection_t *conn,
    ngx_redis_command_t *cmd);

/* Takes the command over unless it fails. */
ngx_int_t ngx_redis_transmit(ngx_redis_connection_t *conn,
    ngx_redis_command_t *cmd);

void ngx_redis_flush_handler(ngx_event_t *ev);
void ngx_redis_write_handler(ngx_event_t *wev);
void ngx_redis_read_handler(ngx_event_t *rev);


/* ngx_redis_command.c */

/* All commands of a worker come from one place, and return to it. */
ngx_redis_command_t *ngx_redis_command(ngx_redis_args_t *args,
    ngx_log_t *log);
void ngx_redis_command_set(ngx_redis_command_t *cmd,
    ngx_redis_script_t *script, ngx_redis_handler_pt handler, void *data);
void ngx_redis_command_free(ngx_redis_command_t *cmd);
void ngx_redis_commands_free(void);


/* ngx_redis_subscription.c */

/* Asks for the messages; the connection has just become READY. */
void ngx_redis_subscription_start(ngx_redis_connection_t *conn);
void ngx_redis_subscription_stop(ngx_redis_connection_t *conn);

/* Was this reply a message? */
ngx_uint_t ngx_redis_subscription_message(ngx_redis_connection_t *conn,
    redisReply *reply);


/* ngx_redis_stats.c */

uint64_t ngx_redis_microseconds(void);
void ngx_redis_latency_add(ngx_redis_latency_t *latency,
    uint64_t microseconds);


/* ngx_redis_reader.c */

redisReader *ngx_redis_reader_create(void);


/* ngx_redis_tls.c */

#if (NGX_SSL)
void ngx_redis_tls_start(ngx_redis_connection_t *conn);
void ngx_redis_tls_close(ngx_connection_t *c);

/* A write failed: has the server said why?  It is logged. */
void ngx_redis_tls_alert(ngx_connection_t *c);
#endif


/* ngx_redis_resolve.c: ends in ngx_redis_connect() */

void ngx_redis_resolve(ngx_redis_connection_t *conn);

/*
 * A server that isn't configured has its name, tls_name and port: that is an
 * address, which goes to addr and sockaddr, all zeros, or it is a host.
 */
void ngx_redis_server_at(ngx_redis_server_t *server, ngx_addr_t *addr,
    ngx_sockaddr_t *sockaddr);

void ngx_redis_resolve_cancel(ngx_redis_connection_t *conn);
void ngx_redis_resolve_close(ngx_redis_connection_t *conn);


#endif /* _NGX_REDIS_CONNECTION_H_INCLUDED_ */
