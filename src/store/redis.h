#ifndef APIKEY_STORE_REDIS_H
#define APIKEY_STORE_REDIS_H

/*
 * One blocking connection to Redis, pipelined: commands are collected,
 * sent when a reply is asked for, and answered in their order.  A connection
 * that failed, or has answered a command as Redis never does, stays failed;
 * nothing is ever sent twice.
 */

#include "address.h"
#include "reply.h"
#include "tls.h"


#define REDIS_ERROR            512
#define REDIS_CONNECT_TIMEOUT  3000     /* milliseconds */
#define REDIS_TIMEOUT          5000     /* without a single byte moving */


typedef struct {
    int                       fd;
    tls_t                    *tls;       /* NULL: none */
    struct redisReader       *reader;

    char                     *out;       /* not yet sent */
    size_t                    out_len;
    size_t                    out_room;

    const reply_expected_t  **expected;  /* of commands not yet answered: */
    size_t                    expected_first;
    size_t                    expected_count;
    size_t                    expected_room;

    int                       patience;  /* ms without a byte moving */
    char                     *server;    /* the master that sentinels named; */
    char                     *port;      /* else NULL */

    int                       failed;
    char                      error[REDIS_ERROR];
} redis_t;


/*
 * Connects, with TLS or without, authenticates and selects the database: 0, or
 * -1 and error.  Where sentinels are given, to the master that they name.
 */
int redis_open(redis_t *redis, const address_t *address);

/* Another connection to the same server. */
int redis_open_beside(redis_t *redis, const address_t *address,
    const redis_t *other);

/* The same with another host than the first of the address. */
int redis_open_host(redis_t *redis, const address_t *address,
    const address_host_t *host);

/* Each step within so many milliseconds. */
int redis_open_within(redis_t *redis, const address_t *address,
    const address_host_t *host, int milliseconds);

/* Sets error: -1. */
int redis_fail(redis_t *redis, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void redis_close(redis_t *redis);

void redis_append(redis_t *redis, const apikey_text_t *argv, unsigned argc);

/* Sends what was appended, without waiting for a reply: 0, or -1 and error. */
int redis_flush(redis_t *redis);

/* The next reply, to be freed, or NULL and error: the connection failed. */
reply_t *redis_reply(redis_t *redis);

/* Both at once. */
reply_t *redis_command(redis_t *redis, const apikey_text_t *argv,
    unsigned argc);

/* Is a connection that waits for no reply of no use any more? */
int redis_closed(redis_t *redis);

/*
 * Of a connection that has subscribed: the next message that has come or comes
 * until redis_clock() shows that time, or NULL, and failed is set or not.
 */
reply_t *redis_message(redis_t *redis, uint64_t until);

/* Waits until it can be read or written: 1, 0 after so many ms, or -1. */
int redis_poll(redis_t *redis, int events, int milliseconds);

/* The same, but that the time is over is an error, too: 0, or -1. */
int redis_wait(redis_t *redis, int events, int milliseconds);

/* Microseconds, only ever growing. */
uint64_t redis_clock(void);


#endif /* APIKEY_STORE_REDIS_H */
