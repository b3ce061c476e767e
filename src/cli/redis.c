#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include "memory.h"
#include "redis.h"
#include "sentinel.h"


#define REDIS_ARGS_MAX  128


static int redis_connect_unix(redis_t *redis, const address_t *address);
static int redis_connect_tcp(redis_t *redis, const address_host_t *host);
static int redis_connect_to(redis_t *redis, const struct sockaddr *sockaddr,
    socklen_t socklen);
static int redis_start_tls(redis_t *redis, const address_t *address,
    const address_host_t *host);
static int redis_hello(redis_t *redis, const address_t *address);
static int redis_expect_ok(redis_t *redis, const char *command);
static int redis_wait(redis_t *redis, int events, int timeout);
static int redis_poll(redis_t *redis, int events, int timeout);
static redisReply *redis_received(redis_t *redis);
static ssize_t redis_write(redis_t *redis, const char *data, size_t len,
    short *events);
static ssize_t redis_read(redis_t *redis, char *buf, size_t size,
    short *events);
static int redis_receive(redis_t *redis, int wait);


int
redis_open(redis_t *redis, const address_t *address)
{
    return address->master ? sentinel_open(redis, address)
                           : redis_open_host(redis, address, address->hosts);
}


int
redis_open_beside(redis_t *redis, const address_t *address,
    const redis_t *other)
{
    address_host_t  host;

    if (other->server == NULL) {
        return redis_open(redis, address);
    }

    host.name = other->server;
    host.port = other->port;

    return redis_open_host(redis, address, &host);
}


int
redis_open_host(redis_t *redis, const address_t *address,
    const address_host_t *host)
{
    int  rc;

    rc = redis_open_within(redis, address, host, REDIS_CONNECT_TIMEOUT);

    redis->patience = REDIS_TIMEOUT;

    return rc;
}


int
redis_open_within(redis_t *redis, const address_t *address,
    const address_host_t *host, int milliseconds)
{
    int  rc;

    memset(redis, 0, sizeof(redis_t));

    redis->fd = -1;
    redis->patience = milliseconds;
    redis->reader = must(redisReaderCreate());

    rc = address->path ? redis_connect_unix(redis, address)
                       : redis_connect_tcp(redis, host);

    if (rc == 0 && address->tls.on) {
        rc = redis_start_tls(redis, address, host);
    }

    return (rc == 0) ? redis_hello(redis, address) : -1;
}


void
redis_close(redis_t *redis)
{
    if (redis->reader != NULL) {
        redisReaderFree(redis->reader);
    }

    if (redis->tls != NULL) {
        tls_free(redis->tls);
    }

    if (redis->fd != -1) {
        close(redis->fd);
    }

    memory_wipe(redis->out);
    free(redis->server);
    free(redis->port);
    memset(redis, 0, sizeof(redis_t));
    redis->fd = -1;
}


void
redis_append(redis_t *redis, const apikey_text_t *argv, unsigned argc)
{
    int          len;
    char        *command;
    size_t       lens[REDIS_ARGS_MAX], room;
    unsigned     i;
    const char  *args[REDIS_ARGS_MAX];

    for (i = 0; i < argc; i++) {
        args[i] = argv[i].len ? argv[i].data : "";
        lens[i] = argv[i].len;
    }

    len = redisFormatCommandArgv(&command, argc, args, lens);

    if (len < 0) {
        (void) must(NULL);
    }

    if (redis->out_room - redis->out_len < (size_t) len) {
        room = (redis->out_len + len) * 2;
        redis->out = must(realloc(redis->out, room));
        redis->out_room = room;
    }

    memcpy(redis->out + redis->out_len, command, len);
    redis->out_len += len;

    sodium_memzero(command, len);
    redisFreeCommand(command);
}


int
redis_flush(redis_t *redis)
{
    short    events;
    size_t   sent;
    ssize_t  n;

    sent = 0;

    while (sent < redis->out_len) {
        n = redis_write(redis, redis->out + sent, redis->out_len - sent,
                        &events);

        if (n < 0) {
            return -1;
        }

        if (n == 0 && redis_wait(redis, events, redis->patience) != 0) {
            return -1;
        }

        sent += n;
    }

    /* It may have held a password. */

    if (sent != 0) {
        sodium_memzero(redis->out, sent);
        redis->out_len = 0;
    }

    return 0;
}


int
redis_closed(redis_t *redis)
{
    char   c;
    short  events;

    return redis_read(redis, &c, 1, &events) != 0;
}


redisReply *
redis_reply(redis_t *redis)
{
    redisReply  *reply;

    if (redis->failed || redis_flush(redis) != 0) {
        return NULL;
    }

    do {
        reply = redis_received(redis);

    } while (reply == NULL && !redis->failed && redis_receive(redis, 1) == 0);

    return reply;
}


redisReply *
redis_command(redis_t *redis, const apikey_text_t *argv, unsigned argc)
{
    redis_append(redis, argv, argc);

    return redis_reply(redis);
}


redisReply *
redis_message(redis_t *redis, uint64_t until)
{
    uint64_t     now;
    redisReply  *reply;

    if (redis->failed) {
        return NULL;
    }

    for ( ;; ) {
        reply = redis_received(redis);

        if (reply != NULL || redis->failed) {
            return reply;
        }

        now = redis_clock();

        if (redis_poll(redis, POLLIN,
                       now < until ? (until - now + 999) / 1000 : 0)
            != 1
            || redis_receive(redis, 0) != 0)
        {
            return NULL;
        }
    }
}


uint64_t
redis_clock(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}


static int
redis_connect_unix(redis_t *redis, const address_t *address)
{
    struct sockaddr_un  un;

    memset(&un, 0, sizeof(un));

    un.sun_family = AF_UNIX;
    strcpy(un.sun_path, address->path);   /* address_parse() saw that it fits */

    return redis_connect_to(redis, (struct sockaddr *) &un, sizeof(un));
}


static int
redis_connect_tcp(redis_t *redis, const address_host_t *host)
{
    int               rc;
    struct addrinfo   hints, *list, *ai;

    memset(&hints, 0, sizeof(hints));

    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;

    rc = getaddrinfo(host->name, host->port, &hints, &list);

    if (rc != 0) {
        return redis_fail(redis, "%s", gai_strerror(rc));
    }

    rc = -1;

    for (ai = list; rc != 0 && ai != NULL; ai = ai->ai_next) {
        redis->failed = 0;
        rc = redis_connect_to(redis, ai->ai_addr, ai->ai_addrlen);
    }

    freeaddrinfo(list);

    return rc;
}


static int
redis_connect_to(redis_t *redis, const struct sockaddr *sockaddr,
    socklen_t socklen)
{
    int        rc, one, err;
    socklen_t  len;

    if (redis->fd != -1) {
        close(redis->fd);
    }

    redis->fd = socket(sockaddr->sa_family,
                       SOCK_STREAM|SOCK_NONBLOCK|SOCK_CLOEXEC, 0);
    if (redis->fd == -1) {
        return redis_fail(redis, "%s", strerror(errno));
    }

    if (sockaddr->sa_family != AF_UNIX) {
        one = 1;
        (void) setsockopt(redis->fd, IPPROTO_TCP, TCP_NODELAY, &one,
                          sizeof(one));
    }

    rc = connect(redis->fd, sockaddr, socklen);

    if (rc == 0) {
        return 0;
    }

    if (errno != EINPROGRESS) {
        return redis_fail(redis, "%s", strerror(errno));
    }

    if (redis_wait(redis, POLLOUT, redis->patience) != 0) {
        return -1;
    }

    len = sizeof(err);

    if (getsockopt(redis->fd, SOL_SOCKET, SO_ERROR, &err, &len) == -1) {
        err = errno;
    }

    return (err == 0) ? 0 : redis_fail(redis, "%s", strerror(err));
}


static int
redis_start_tls(redis_t *redis, const address_t *address,
    const address_host_t *host)
{
    int    rc;
    short  events;

    redis->tls = tls_create(&address->tls, host->name, redis->fd,
                            redis->error, REDIS_ERROR);
    if (redis->tls == NULL) {
        redis->failed = 1;
        return -1;
    }

    for ( ;; ) {
        rc = tls_handshake(redis->tls, &events, redis->error, REDIS_ERROR);

        if (rc > 0) {
            return 0;
        }

        if (rc < 0) {
            redis->failed = 1;
            return -1;
        }

        rc = redis_poll(redis, events, redis->patience);

        if (rc == 0) {
            return redis_fail(redis, "no TLS handshake within %d seconds: "
                              "does it speak TLS there?",
                              redis->patience / 1000);
        }

        if (rc == -1) {
            return -1;
        }
    }
}


static int
redis_hello(redis_t *redis, const address_t *address)
{
    char           db[16];
    unsigned       n;
    apikey_text_t  argv[3];

    if (address->password != NULL) {
        n = 0;
        argv[n++] = (apikey_text_t) apikey_text("AUTH");

        if (address->user != NULL) {
            argv[n].data = address->user;
            argv[n++].len = strlen(address->user);
        }

        argv[n].data = address->password;
        argv[n++].len = strlen(address->password);

        redis_append(redis, argv, n);

        if (redis_expect_ok(redis, "AUTH") != 0) {
            return -1;
        }
    }

    if (address->db != 0) {
        argv[0] = (apikey_text_t) apikey_text("SELECT");
        argv[1].data = db;
        argv[1].len = snprintf(db, sizeof(db), "%u", address->db);

        redis_append(redis, argv, 2);

        if (redis_expect_ok(redis, "SELECT") != 0) {
            return -1;
        }
    }

    return 0;
}


static int
redis_expect_ok(redis_t *redis, const char *command)
{
    int          rc;
    redisReply  *reply;

    reply = redis_reply(redis);

    if (reply == NULL) {
        return -1;
    }

    rc = 0;

    if (reply->type == REDIS_REPLY_ERROR) {
        rc = redis_fail(redis, "%s: %s", command, reply->str);
    }

    freeReplyObject(reply);

    return rc;
}


static int
redis_wait(redis_t *redis, int events, int timeout)
{
    switch (redis_poll(redis, events, timeout)) {

    case 1:
        return 0;

    case 0:
        return redis_fail(redis, "no answer within %d seconds",
                          timeout / 1000);

    default:
        return -1;
    }
}


/* 1, or 0 when the time is over, or -1. */

static int
redis_poll(redis_t *redis, int events, int timeout)
{
    int            rc;
    struct pollfd  pfd;

    pfd.fd = redis->fd;
    pfd.events = events;

    do {
        rc = poll(&pfd, 1, timeout);
    } while (rc == -1 && errno == EINTR);

    return (rc >= 0) ? rc : redis_fail(redis, "%s", strerror(errno));
}


/* A reply that is whole already, or NULL. */

static redisReply *
redis_received(redis_t *redis)
{
    void  *reply;

    if (redisReaderGetReply(redis->reader, &reply) != REDIS_OK) {
        (void) redis_fail(redis, "an answer that isn't Redis's: %s",
                          redis->reader->errstr);
        return NULL;
    }

    return reply;
}


/* Bytes, or 0: once more at these events, or -1. */

static ssize_t
redis_write(redis_t *redis, const char *data, size_t len, short *events)
{
    ssize_t  n;

    if (redis->tls != NULL) {
        n = tls_write(redis->tls, data, len, events, redis->error,
                      REDIS_ERROR);
        redis->failed |= (n < 0);
        return n;
    }

    *events = POLLOUT;

    do {
        n = send(redis->fd, data, len, MSG_NOSIGNAL);
    } while (n == -1 && errno == EINTR);

    if (n >= 0) {
        return n;
    }

    return (errno == EAGAIN || errno == EWOULDBLOCK)
           ? 0 : redis_fail(redis, "%s", strerror(errno));
}


/* The same. */

static ssize_t
redis_read(redis_t *redis, char *buf, size_t size, short *events)
{
    ssize_t  n;

    if (redis->tls != NULL) {
        n = tls_read(redis->tls, buf, size, events, redis->error,
                     REDIS_ERROR);
        redis->failed |= (n < 0);
        return n;
    }

    *events = POLLIN;

    do {
        n = recv(redis->fd, buf, size, 0);
    } while (n == -1 && errno == EINTR);

    if (n > 0) {
        return n;
    }

    if (n == 0) {
        return redis_fail(redis, "closed the connection");
    }

    return (errno == EAGAIN || errno == EWOULDBLOCK)
           ? 0 : redis_fail(redis, "%s", strerror(errno));
}


/*
 * What there is.  A socket that can be read may have nothing for us but TLS's
 * own messages; no record of TLS is longer than the buffer, so that nothing
 * stays behind where poll() doesn't see it.
 */

static int
redis_receive(redis_t *redis, int wait)
{
    char     buf[16384];
    short    events;
    ssize_t  n;

    do {
        n = redis_read(redis, buf, sizeof(buf), &events);

        if (n < 0) {
            return -1;
        }

        if (n == 0
            && wait
            && redis_wait(redis, events, redis->patience) != 0)
        {
            return -1;
        }
    } while (n == 0 && wait);

    if (redisReaderFeed(redis->reader, buf, n) != REDIS_OK) {
        return redis_fail(redis, "%s", redis->reader->errstr);
    }

    return 0;
}


int
redis_fail(redis_t *redis, const char *format, ...)
{
    va_list  args;

    va_start(args, format);
    vsnprintf(redis->error, REDIS_ERROR, format, args);
    va_end(args);

    redis->failed = 1;

    return -1;
}
