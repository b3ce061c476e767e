/*
 * Who knows where the master is.  One connection, to one sentinel at a time,
 * asks once a second and whenever the master's connections need to know, and
 * listens to "+switch-master" in between.  A sentinel that is lost, that
 * doesn't know the master, or that has named what is none, gives way to the
 * next one.
 */

#include "ngx_redis_sentinel.h"


#define NGX_REDIS_SENTINEL_POLL  1000    /* milliseconds */


static ngx_int_t ngx_redis_sentinel_choose(ngx_redis_connection_t *conn,
    ngx_uint_t late);
static ngx_uint_t ngx_redis_sentinel_login(ngx_redis_connection_t *conn,
    ngx_redis_command_t *cmd, redisReply *error);
static void ngx_redis_sentinel_ready(ngx_redis_connection_t *conn);
static void ngx_redis_sentinel_failed(ngx_redis_connection_t *conn);
static void ngx_redis_sentinel_lost(ngx_redis_sentinel_t *sentinel);

static void ngx_redis_sentinel_poll(ngx_event_t *ev);
static void ngx_redis_sentinel_ask(ngx_redis_sentinel_t *sentinel);
static void ngx_redis_sentinel_answered(void *data, redisReply *reply);
static void ngx_redis_sentinel_switched(void *data, ngx_str_t *text);
static void ngx_redis_sentinel_named(ngx_redis_sentinel_t *sentinel,
    ngx_str_t *host, ngx_str_t *port);
static void ngx_redis_sentinel_ignore(void *data, redisReply *reply);
static void ngx_redis_sentinel_nothing(void *data);


ngx_redis_sentinel_t *
ngx_redis_sentinel_create(ngx_redis_conf_t *conf, ngx_log_t *log)
{
    ngx_redis_server_t    *servers;
    ngx_redis_sentinel_t  *sentinel;

    sentinel = ngx_calloc(sizeof(ngx_redis_sentinel_t), log);
    if (sentinel == NULL) {
        return NULL;
    }

    sentinel->conf = conf;
    sentinel->log = log;
    sentinel->ask = ngx_redis_sentinel_ask;

    sentinel->unknown.name = conf->master;
    sentinel->master = &sentinel->masters[0];

    /* each gets its share of the time in which one has to be found */

    sentinel->own = *conf;
    sentinel->own.db = 0;
    sentinel->own.connect_timeout = ngx_max(conf->connect_timeout
                                            / conf->servers.nelts, 1);

    ngx_str_set(&sentinel->switches.channel, "+switch-master");
    sentinel->switches.up = ngx_redis_sentinel_nothing;
    sentinel->switches.down = ngx_redis_sentinel_nothing;
    sentinel->switches.message = ngx_redis_sentinel_switched;
    sentinel->switches.data = sentinel;

    sentinel->poll.handler = ngx_redis_sentinel_poll;
    sentinel->poll.data = sentinel;
    sentinel->poll.log = log;
    sentinel->poll.cancelable = 1;

    sentinel->connection.owner = sentinel;
    sentinel->connection.locate = ngx_redis_sentinel_choose;
    sentinel->connection.ready = ngx_redis_sentinel_ready;
    sentinel->connection.failed = ngx_redis_sentinel_failed;
    sentinel->connection.redirect = ngx_redis_sentinel_login;
    sentinel->connection.subscription = &sentinel->switches;
    sentinel->connection.role = NGX_REDIS_SENTINEL;

    servers = conf->servers.elts;

    /* not all workers of all gateways ask the same one */
    sentinel->current = ngx_random() % conf->servers.nelts;

    if (ngx_redis_connection_init(&sentinel->connection, &sentinel->own,
                                  &servers[sentinel->current], log)
        != NGX_OK)
    {
        ngx_free(sentinel);
        return NULL;
    }

    ngx_add_timer(&sentinel->poll, NGX_REDIS_SENTINEL_POLL);

    return sentinel;
}


void
ngx_redis_sentinel_close(ngx_redis_sentinel_t *sentinel)
{
    if (sentinel->poll.timer_set) {
        ngx_del_timer(&sentinel->poll);
    }

    ngx_redis_connection_close(&sentinel->connection);
    ngx_free(sentinel);
}


static ngx_int_t
ngx_redis_sentinel_choose(ngx_redis_connection_t *conn, ngx_uint_t late)
{
    ngx_redis_server_t    *servers;
    ngx_redis_sentinel_t  *sentinel;

    sentinel = conn->owner;
    servers = sentinel->conf->servers.elts;

    /* without a password, unless it wants one */

    ngx_str_null(&sentinel->own.user);
    ngx_str_null(&sentinel->own.password);

    ngx_redis_connection_move(conn, &servers[sentinel->current]);

    return NGX_OK;
}


static ngx_uint_t
ngx_redis_sentinel_login(ngx_redis_connection_t *conn, ngx_redis_command_t *cmd,
    redisReply *error)
{
    ngx_redis_sentinel_t  *sentinel;

    sentinel = conn->owner;

    if (conn->state != NGX_REDIS_GREETING
        || ngx_strncmp(error->str, "NOAUTH", 6) != 0
        || sentinel->own.password.len
        || sentinel->conf->password.len == 0)
    {
        return 0;
    }

    sentinel->own.user = sentinel->conf->user;
    sentinel->own.password = sentinel->conf->password;

    ngx_redis_command_free(cmd);
    ngx_redis_greet(conn);

    return 1;
}


static void
ngx_redis_sentinel_ready(ngx_redis_connection_t *conn)
{
    ngx_redis_sentinel_t  *sentinel;

    sentinel = conn->owner;

    ngx_redis_sentinel_ask(sentinel);

    /* it subscribes next */
    sentinel->listening = 1;
}


/* The next one at once; after a round, in its time. */

static void
ngx_redis_sentinel_failed(ngx_redis_connection_t *conn)
{
    ngx_redis_sentinel_t  *sentinel;

    sentinel = conn->owner;

    sentinel->asking = 0;
    sentinel->listening = 0;
    sentinel->current = (sentinel->current + 1)
                        % sentinel->conf->servers.nelts;

    if (++sentinel->tried < sentinel->conf->servers.nelts) {
        ngx_del_timer(&conn->timer);
        ngx_add_timer(&conn->timer, 1);
        return;
    }

    ngx_redis_sentinel_lost(sentinel);
}


static void
ngx_redis_sentinel_lost(ngx_redis_sentinel_t *sentinel)
{
    ngx_uint_t               i;
    ngx_redis_connection_t  *conn;

    if (!sentinel->logged) {
        sentinel->logged = 1;

        if (sentinel->master->server.port) {
            ngx_log_error(NGX_LOG_WARN, sentinel->log, 0,
                          "no sentinel %s the master \"%V\": "
                          "it is taken to stay at %V",
                          sentinel->ignorant ? "knows" : "answers about",
                          &sentinel->conf->master,
                          &sentinel->master->server.name);

        } else {
            ngx_log_error(NGX_LOG_ERR, sentinel->log, 0,
                          "no sentinel %s the master \"%V\"",
                          sentinel->ignorant ? "knows" : "answers about",
                          &sentinel->conf->master);
        }
    }

    sentinel->tried = 0;
    sentinel->ignorant = 0;

    for (i = 0; i < sentinel->nfollowers; i++) {
        conn = sentinel->followers[i];

        if (conn->state == NGX_REDIS_LOCATING) {
            ngx_redis_located(conn, ngx_redis_master_locate(conn, 1));
        }
    }
}


/* Questions and answers. */

static void
ngx_redis_sentinel_poll(ngx_event_t *ev)
{
    ngx_redis_sentinel_t  *sentinel;

    sentinel = ev->data;

    ngx_add_timer(ev, NGX_REDIS_SENTINEL_POLL);

    if (sentinel->connection.state == NGX_REDIS_READY) {
        ngx_redis_sentinel_ask(sentinel);
    }
}


/* RESP2: who listens must not ask.  All three go out in one write. */

static void
ngx_redis_sentinel_ask(ngx_redis_sentinel_t *sentinel)
{
    ngx_redis_args_t         args;
    ngx_redis_connection_t  *conn;

    if (sentinel->asking) {
        return;
    }

    conn = &sentinel->connection;

    if (sentinel->listening) {
        args.n = 0;
        ngx_redis_arg(&args, "UNSUBSCRIBE", 11);
        (void) ngx_redis_connection_send(conn, &args, NULL,
                                         ngx_redis_sentinel_ignore, NULL);
    }

    args.n = 0;
    ngx_redis_arg(&args, "SENTINEL", 8);
    ngx_redis_arg(&args, "get-master-addr-by-name", 23);
    ngx_redis_arg(&args, sentinel->conf->master.data,
                  sentinel->conf->master.len);

    if (ngx_redis_connection_send(conn, &args, NULL,
                                  ngx_redis_sentinel_answered, sentinel))
    {
        sentinel->asking = 1;
    }

    if (sentinel->listening) {
        args.n = 0;
        ngx_redis_arg(&args, "SUBSCRIBE", 9);
        ngx_redis_arg(&args, sentinel->switches.channel.data,
                      sentinel->switches.channel.len);
        (void) ngx_redis_connection_send(conn, &args, NULL,
                                         ngx_redis_sentinel_ignore, NULL);
    }
}


static void
ngx_redis_sentinel_answered(void *data, redisReply *reply)
{
    ngx_redis_sentinel_t *sentinel = data;

    ngx_str_t                host, port;
    ngx_redis_connection_t  *conn;

    sentinel->asking = 0;

    if (reply == NULL) {
        return;
    }

    conn = &sentinel->connection;

    if (reply->type == REDIS_REPLY_NIL) {
        sentinel->ignorant++;
        conn->distrusted = "it doesn't know the master";
        return;
    }

    if (reply->type != REDIS_REPLY_ARRAY
        || reply->elements != 2
        || reply->element[0]->type != REDIS_REPLY_STRING
        || reply->element[1]->type != REDIS_REPLY_STRING)
    {
        ngx_log_error(NGX_LOG_INFO, &conn->log, 0,
                      "sentinel answered \"%*s\"",
                      (size_t) ngx_min(reply->len, NGX_REDIS_LOG_MAX),
                      reply->str ? reply->str : "");

        conn->distrusted = "it is no sentinel";
        return;
    }

    host.data = (u_char *) reply->element[0]->str;
    host.len = reply->element[0]->len;
    port.data = (u_char *) reply->element[1]->str;
    port.len = reply->element[1]->len;

    ngx_redis_sentinel_named(sentinel, &host, &port);
}


/* "NAME HOST PORT HOST PORT": where it was, where it is */

static void
ngx_redis_sentinel_switched(void *data, ngx_str_t *text)
{
    ngx_redis_sentinel_t *sentinel = data;

    u_char      *p, *end, *word;
    ngx_str_t    words[5];
    ngx_uint_t   n;

    p = text->data;
    end = p + text->len;

    for (n = 0; n < 5; n++) {
        word = p;

        while (p < end && *p != ' ') {
            p++;
        }

        words[n].data = word;
        words[n].len = p - word;

        p += (p < end);
    }

    if (words[0].len == sentinel->conf->master.len
        && ngx_strncmp(words[0].data, sentinel->conf->master.data,
                       words[0].len)
           == 0)
    {
        ngx_redis_sentinel_named(sentinel, &words[3], &words[4]);
    }
}


static void
ngx_redis_sentinel_named(ngx_redis_sentinel_t *sentinel, ngx_str_t *host,
    ngx_str_t *port)
{
    if (ngx_redis_master_found(sentinel, host, port) != NGX_OK) {
        sentinel->connection.distrusted = "it named no address";
        return;
    }

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, sentinel->log, 0,
                   "redis \"%V\": the master is at %V",
                   &sentinel->connection.server->name,
                   &sentinel->master->server.name);

    sentinel->tried = 0;
    sentinel->ignorant = 0;

    if (sentinel->logged) {
        sentinel->logged = 0;
        ngx_log_error(NGX_LOG_NOTICE, sentinel->log, 0,
                      "sentinel %V knows the master \"%V\" again",
                      &sentinel->connection.server->name,
                      &sentinel->conf->master);
    }
}


static void
ngx_redis_sentinel_ignore(void *data, redisReply *reply)
{
    /* what it changes shows itself */
}


static void
ngx_redis_sentinel_nothing(void *data)
{
    /* what was missed is asked for */
}
