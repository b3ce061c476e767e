/* Connections to Redis: how one begins. */

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "memory.h"
#include "redis.h"


static int redis_connect_unix(redis_t *redis, const address_t *address);
static int redis_connect_tcp(redis_t *redis, const address_host_t *host);
static int redis_connect_to(redis_t *redis, const struct sockaddr *sockaddr,
    socklen_t socklen);
static int redis_start_tls(redis_t *redis, const address_t *address,
    const address_host_t *host);
static int redis_hello(redis_t *redis, const address_t *address);
static int redis_expect_ok(redis_t *redis, const char *command);


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
    redis->reader = reply_reader();

    rc = address->path ? redis_connect_unix(redis, address)
                       : redis_connect_tcp(redis, host);

    if (rc == 0 && address->tls.on) {
        rc = redis_start_tls(redis, address, host);
    }

    return (rc == 0) ? redis_hello(redis, address) : -1;
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
    int       rc;
    reply_t  *reply;

    reply = redis_reply(redis);

    if (reply == NULL) {
        return -1;
    }

    rc = 0;

    if (reply_error(reply) != NULL) {
        rc = redis_fail(redis, "%s: %s", command, reply_error(reply));
    }

    reply_free(reply);

    return rc;
}
