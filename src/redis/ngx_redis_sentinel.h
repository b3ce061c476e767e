#ifndef _NGX_REDIS_SENTINEL_H_INCLUDED_
#define _NGX_REDIS_SENTINEL_H_INCLUDED_


#include "ngx_redis_connection.h"


#define NGX_REDIS_SENTINEL_FOLLOWERS  2
#define NGX_REDIS_SENTINEL_HOST_MAX   255


typedef struct {
    ngx_redis_server_t         server;
    ngx_addr_t                 addr;
    ngx_sockaddr_t             sockaddr;
    u_char                     host[NGX_REDIS_SENTINEL_HOST_MAX + 1];
    u_char                     name[NGX_REDIS_SENTINEL_HOST_MAX
                                    + sizeof("[]:65535")];
} ngx_redis_master_t;


typedef struct ngx_redis_sentinel_s  ngx_redis_sentinel_t;

struct ngx_redis_sentinel_s {
    ngx_redis_conf_t          *conf;         /* of the master */
    ngx_redis_conf_t           own;          /* of the sentinels */
    ngx_log_t                 *log;

    ngx_redis_connection_t     connection;
    ngx_redis_subscription_t   switches;
    ngx_event_t                poll;

    ngx_uint_t                 current;      /* of the servers */
    ngx_uint_t                 tried;        /* since one knew the master */
    ngx_uint_t                 ignorant;     /* of them answered */

    ngx_redis_server_t         unknown;      /* its address, yet */
    ngx_redis_master_t         masters[2];   /* this one and the one before */
    ngx_redis_master_t        *master;

    ngx_redis_connection_t    *followers[NGX_REDIS_SENTINEL_FOLLOWERS];
    ngx_uint_t                 nfollowers;

    unsigned                   asking:1;     /* the answer is to come */
    unsigned                   listening:1;  /* SUBSCRIBE was sent */
    unsigned                   logged:1;     /* that nobody knows */

    /* where the master is: ends in ngx_redis_master_found(), or another try */
    void                     (*ask)(ngx_redis_sentinel_t *sentinel);
};


/* ngx_redis_sentinel.c */

/*
 * Connects to the first of the servers of conf that answers, which are
 * sentinels.  NULL: out of memory.
 */
ngx_redis_sentinel_t *ngx_redis_sentinel_create(ngx_redis_conf_t *conf,
    ngx_log_t *log);

/* Connections that follow are closed before. */
void ngx_redis_sentinel_close(ngx_redis_sentinel_t *sentinel);


/* ngx_redis_master.c */

/* What a connection that follows is opened with: it has no address yet. */
ngx_redis_server_t *ngx_redis_master_unknown(ngx_redis_sentinel_t *sentinel);

/*
 * The connection, which is to be opened afterwards, is to the master from now
 * on: each attempt asks where that is, and when it is elsewhere the connection
 * ends.  Two connections may follow.
 */
void ngx_redis_master_follow(ngx_redis_sentinel_t *sentinel,
    ngx_redis_connection_t *conn);

/* As locate() of a connection that follows. */
ngx_int_t ngx_redis_master_locate(ngx_redis_connection_t *conn,
    ngx_uint_t late);

/* A sentinel has said it; NGX_ERROR: that is no address. */
ngx_int_t ngx_redis_master_found(ngx_redis_sentinel_t *sentinel,
    ngx_str_t *host, ngx_str_t *port);


#endif /* _NGX_REDIS_SENTINEL_H_INCLUDED_ */
