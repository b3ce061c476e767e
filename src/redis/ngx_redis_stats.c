/* What a client has done, and how its connections are. */

#include "ngx_redis_node.h"

#include <time.h>


static void ngx_redis_connection_report(ngx_redis_report_t *report,
    ngx_redis_connection_t *conn);


/* Microseconds. */

const ngx_uint_t  ngx_redis_latencies[NGX_REDIS_LATENCIES] = {
    50, 100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000,
    500000, 1000000
};


uint64_t
ngx_redis_microseconds(void)
{
    struct timespec  ts;

    /* no finer than that, ngx_current_msec would tell nothing */
    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}


void
ngx_redis_latency_add(ngx_redis_latency_t *latency, uint64_t microseconds)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_REDIS_LATENCIES; i++) {
        if (microseconds <= ngx_redis_latencies[i]) {
            break;
        }
    }

    latency->count[i]++;
    latency->sum += microseconds;
}


ngx_uint_t
ngx_redis_reports(ngx_redis_t *redis, ngx_redis_report_t *reports,
    ngx_uint_t max)
{
    ngx_uint_t         i, n;
    ngx_redis_node_t  *node;

    n = 0;

    if (redis->sentinels && n < max) {
        ngx_redis_connection_report(&reports[n++],
                                    &redis->sentinels->connection);
    }

    if (redis->subscriber.conf && n < max) {
        ngx_redis_connection_report(&reports[n++], &redis->subscriber);
    }

    for (i = 0; i < redis->nnodes && n < max; i++) {
        node = redis->nodes[i];

        if (node && node->open) {
            ngx_redis_connection_report(&reports[n++], &node->connection);
        }
    }

    return n;
}


static void
ngx_redis_connection_report(ngx_redis_report_t *report,
    ngx_redis_connection_t *conn)
{
    report->len = ngx_min(conn->server->name.len, sizeof(report->name));
    ngx_memcpy(report->name, conn->server->name.data, report->len);

    report->role = conn->role;
    report->pending = conn->pending;
    report->since = conn->since;

    if (conn->failing) {
        report->state = NGX_REDIS_IS_FAILING;

    } else {
        report->state = (conn->state == NGX_REDIS_READY)
                        ? NGX_REDIS_IS_READY : NGX_REDIS_IS_CONNECTING;
    }
}
