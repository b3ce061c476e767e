/* The text format 0.0.4. */

#include "ngx_http_apikey_report.h"


static void ngx_http_apikey_prometheus_family(ngx_http_apikey_writer_t *w,
    const char *metric, const char *type, const char *help);
static void ngx_http_apikey_prometheus_results(ngx_http_apikey_writer_t *w,
    ngx_http_apikey_snapshot_t *snapshot);
static void ngx_http_apikey_prometheus_locations(ngx_http_apikey_writer_t *w,
    ngx_http_apikey_metrics_t *metrics);
static void ngx_http_apikey_prometheus_failovers(ngx_http_apikey_writer_t *w,
    ngx_http_apikey_metrics_t *metrics);
static void ngx_http_apikey_prometheus_connects(ngx_http_apikey_writer_t *w,
    const char *metric, const char *help, uint64_t *roles);
static void ngx_http_apikey_prometheus_connections(
    ngx_http_apikey_writer_t *w, ngx_array_t *servers);
static void ngx_http_apikey_prometheus_latency(ngx_http_apikey_writer_t *w,
    ngx_redis_latency_t *latency);
static void ngx_http_apikey_prometheus_guards(ngx_http_apikey_writer_t *w,
    ngx_array_t *guards);


void
ngx_http_apikey_report_prometheus(ngx_http_apikey_writer_t *w,
    ngx_http_apikey_snapshot_t *snapshot)
{
    const ngx_http_apikey_number_t  *n;

    ngx_http_apikey_prometheus_family(w, "apikey_build_info", NULL,
                           "The module's version.");
    ngx_http_apikey_print(w, "apikey_build_info{version=\"%s\"} 1\n",
                          APIKEY_VERSION);

    for (n = ngx_http_apikey_number_list; n->name; n++) {

        if (n->zone && snapshot->amcf->zone == NULL) {
            continue;
        }

        ngx_http_apikey_prometheus_family(w, n->metric, NULL, n->help);
        ngx_http_apikey_print(w, "%s ", n->metric);
        ngx_http_apikey_print_number(w, snapshot, n);
        ngx_http_apikey_print(w, "\n");
    }

    ngx_http_apikey_prometheus_results(w, snapshot);
    ngx_http_apikey_prometheus_locations(w, snapshot->amcf->metrics);
    ngx_http_apikey_prometheus_failovers(w, snapshot->amcf->metrics);

    ngx_http_apikey_prometheus_connects(w, "apikey_redis_connects_total",
                                        "Connections that were made.",
                                        snapshot->made);
    ngx_http_apikey_prometheus_connects(w, "apikey_redis_failures_total",
                                        "Connections that were lost, or "
                                        "could not be made.",
                                        snapshot->failed);

    ngx_http_apikey_prometheus_connections(w, &snapshot->servers);
    ngx_http_apikey_prometheus_latency(w, &snapshot->latency);
    ngx_http_apikey_prometheus_guards(w, &snapshot->amcf->guards);
}


/* NULL for a type: a counter if the name says so, else a gauge. */

static void
ngx_http_apikey_prometheus_family(ngx_http_apikey_writer_t *w,
    const char *metric, const char *type, const char *help)
{
    size_t  len;

    if (type == NULL) {
        len = ngx_strlen(metric);
        type = len > 6 && ngx_strcmp(metric + len - 6, "_total") == 0
               ? "counter" : "gauge";
    }

    ngx_http_apikey_print(w, "# HELP %s %s\n# TYPE %s %s\n", metric, help,
                          metric, type);
}


static void
ngx_http_apikey_prometheus_results(ngx_http_apikey_writer_t *w,
    ngx_http_apikey_snapshot_t *snapshot)
{
    ngx_uint_t  i;

    ngx_http_apikey_prometheus_family(w, "apikey_requests_total", NULL,
                           "Requests decided, by $apikey_result.");

    for (i = NGX_HTTP_APIKEY_OK; i < NGX_HTTP_APIKEY_RESULTS; i++) {
        ngx_http_apikey_print(w, "apikey_requests_total{result=\"%V\"} %uL\n",
                              ngx_http_apikey_result_name(i),
                              snapshot->results[i]);
    }
}


/* What has happened there; the rest would be many zeros. */

static void
ngx_http_apikey_prometheus_locations(ngx_http_apikey_writer_t *w,
    ngx_http_apikey_metrics_t *metrics)
{
    ngx_uint_t                i;
    ngx_http_apikey_score_t  *score;

    ngx_http_apikey_prometheus_family(w, "apikey_location_requests_total", NULL,
                           "The same by the location that decided.");

    for (score = metrics->scores; score; score = score->next) {

        for (i = NGX_HTTP_APIKEY_OK; i < NGX_HTTP_APIKEY_RESULTS; i++) {

            if (score->results[i] == 0) {
                continue;
            }

            ngx_http_apikey_print(w, "apikey_location_requests_total{server=");
            ngx_http_apikey_print_label(w, score->data, score->server_len);

            ngx_http_apikey_print(w, ",location=");
            ngx_http_apikey_print_label(w, score->data + score->server_len,
                                        score->location_len);

            ngx_http_apikey_print(w, ",result=\"%V\"} %uA\n",
                                  ngx_http_apikey_result_name(i),
                                  score->results[i]);
        }
    }
}


static void
ngx_http_apikey_prometheus_failovers(ngx_http_apikey_writer_t *w,
    ngx_http_apikey_metrics_t *metrics)
{
    const char                 *name;
    ngx_http_apikey_failover_e  by;

    ngx_http_apikey_prometheus_family(w, "apikey_failover_active", NULL,
                           "Whether something stands in for Redis: stale "
                           "records, apikey_limit_failure allow or local.");

    for (by = 0; by < NGX_HTTP_APIKEY_FAILOVERS; by++) {
        name = ngx_http_apikey_failover_name(by);

        ngx_http_apikey_print(w, "apikey_failover_active{policy=\"%s\"} %ui\n",
                              name,
                              ngx_http_apikey_failover_active(metrics, by));
    }

    ngx_http_apikey_prometheus_family(w, "apikey_failover_requests_total", NULL,
                           "Requests that were decided so.");

    for (by = 0; by < NGX_HTTP_APIKEY_FAILOVERS; by++) {
        name = ngx_http_apikey_failover_name(by);

        ngx_http_apikey_print(w, "apikey_failover_requests_total"
                              "{policy=\"%s\"} %uA\n", name,
                              metrics->failovers[by].requests);
    }
}


static void
ngx_http_apikey_prometheus_connects(ngx_http_apikey_writer_t *w,
    const char *metric, const char *help, uint64_t *roles)
{
    ngx_uint_t  i;

    ngx_http_apikey_prometheus_family(w, metric, NULL, help);

    for (i = 0; i < NGX_REDIS_ROLES; i++) {
        ngx_http_apikey_print(w, "%s{role=\"%s\"} %uL\n", metric,
                              ngx_http_apikey_roles[i], roles[i]);
    }
}


static void
ngx_http_apikey_prometheus_connections(ngx_http_apikey_writer_t *w,
    ngx_array_t *servers)
{
    ngx_uint_t                 i, k;
    ngx_http_apikey_server_t  *server;

    ngx_http_apikey_prometheus_family(w, "apikey_redis_connections", NULL,
                           "Connections of workers; while one fails, its "
                           "worker refuses commands.");

    server = servers->elts;

    for (i = 0; i < servers->nelts; i++) {
        for (k = 0; k < NGX_REDIS_CONDITIONS; k++) {
            ngx_http_apikey_print(w, "apikey_redis_connections{server=");
            ngx_http_apikey_print_label(w, server[i].name, server[i].len);
            ngx_http_apikey_print(w, ",role=\"%s\",state=\"%s\"} %ui\n",
                                  ngx_http_apikey_roles[server[i].role],
                                  ngx_http_apikey_conditions[k],
                                  server[i].states[k]);
        }
    }
}


static void
ngx_http_apikey_prometheus_latency(ngx_http_apikey_writer_t *w,
    ngx_redis_latency_t *latency)
{
    uint64_t    n;
    ngx_uint_t  i;

    n = 0;

    ngx_http_apikey_prometheus_family(w, "apikey_redis_latency_seconds",
                                      "histogram",
                                      "Round trips of decisions to Redis.");

    for (i = 0; i < NGX_REDIS_LATENCIES; i++) {
        n += latency->count[i];

        ngx_http_apikey_print(w, "apikey_redis_latency_seconds_bucket"
                              "{le=\"%ui.%06ui\"} %uL\n",
                              ngx_redis_latencies[i] / 1000000,
                              ngx_redis_latencies[i] % 1000000, n);
    }

    n += latency->count[i];

    ngx_http_apikey_print(w, "apikey_redis_latency_seconds_bucket"
                          "{le=\"+Inf\"} %uL\n"
                          "apikey_redis_latency_seconds_sum %uL.%06uL\n"
                          "apikey_redis_latency_seconds_count %uL\n",
                          n, latency->sum / 1000000, latency->sum % 1000000,
                          n);
}


static void
ngx_http_apikey_prometheus_guards(ngx_http_apikey_writer_t *w,
    ngx_array_t *guards)
{
    ngx_str_t                 *name;
    ngx_uint_t                 i, addresses;
    ngx_http_apikey_guard_t  **guard;

    guard = guards->elts;

    if (guards->nelts) {
        ngx_http_apikey_prometheus_family(w, "apikey_guard_addresses", NULL,
                               "Addresses with bad keys, in the zone.");
    }

    for (i = 0; i < guards->nelts; i++) {
        name = ngx_http_apikey_guard_known(guard[i], &addresses);

        ngx_http_apikey_print(w, "apikey_guard_addresses{zone=");
        ngx_http_apikey_print_label(w, name->data, name->len);
        ngx_http_apikey_print(w, "} %ui\n", addresses);
    }
}
