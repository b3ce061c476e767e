#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <hiredis/hiredis.h>
#include <sodium.h>

#include "memory.h"
#include "redis.h"


#define REDIS_ARGS_MAX  128


static void redis_expect(redis_t *redis, const reply_expected_t *expected);
static reply_t *redis_received(redis_t *redis,
    const reply_expected_t *expected);
static ssize_t redis_write(redis_t *redis, const char *data, size_t len,
    short *events);
static ssize_t redis_read(redis_t *redis, char *buf, size_t size,
    short *events);
static int redis_receive(redis_t *redis, int wait);


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
    free(redis->expected);
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

    redis_expect(redis, reply_expect(argv, argc));
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


reply_t *
redis_reply(redis_t *redis)
{
    reply_t                 *reply;
    const reply_expected_t  *expected;

    if (redis->failed || redis_flush(redis) != 0) {
        return NULL;
    }

    expected = redis->expected[redis->expected_first++];

    if (redis->expected_first == redis->expected_count) {
        redis->expected_first = 0;
        redis->expected_count = 0;
    }

    do {
        reply = redis_received(redis, expected);

    } while (reply == NULL && !redis->failed && redis_receive(redis, 1) == 0);

    return reply;
}


reply_t *
redis_command(redis_t *redis, const apikey_text_t *argv, unsigned argc)
{
    redis_append(redis, argv, argc);

    return redis_reply(redis);
}


reply_t *
redis_message(redis_t *redis, uint64_t until)
{
    uint64_t  now;
    reply_t  *reply;

    if (redis->failed) {
        return NULL;
    }

    /* Replies to commands come as messages, too. */

    redis->expected_count = 0;

    for ( ;; ) {
        reply = redis_received(redis, &reply_message);

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


int
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


int
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


static void
redis_expect(redis_t *redis, const reply_expected_t *expected)
{
    if (redis->expected_count == redis->expected_room) {
        redis->expected_room = redis->expected_room ? redis->expected_room * 2
                                                    : 16;
        redis->expected = must(realloc(redis->expected,
                                       redis->expected_room
                                       * sizeof(*redis->expected)));
    }

    redis->expected[redis->expected_count++] = expected;
}


/* A reply that is whole already, or NULL. */

static reply_t *
redis_received(redis_t *redis, const reply_expected_t *expected)
{
    void  *reply;
    char   why[REPLY_WHY];

    if (redisReaderGetReply(redis->reader, &reply) != REDIS_OK) {
        (void) redis_fail(redis, "an answer that isn't Redis's: %s",
                          redis->reader->errstr);
        return NULL;
    }

    if (reply != NULL && reply_check(reply, expected, why) != 0) {
        (void) redis_fail(redis, "%s", why);
        reply_free(reply);
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
