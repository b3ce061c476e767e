#include "ngx_http_apikey_report.h"


static void ngx_http_apikey_json_numbers(ngx_http_apikey_writer_t *w,
    ngx_http_apikey_snapshot_t *snapshot);
static void ngx_http_apikey_json_results(ngx_http_apikey_writer_t *w,
    ngx_http_apikey_snapshot_t *snapshot);
static void ngx_http_apikey_json_locations(ngx_http_apikey_writer_t *w,
    ngx_http_apikey_metrics_t *metrics);
static void ngx_http_apikey_json_failovers(ngx_http_apikey_writer_t *w,
    ngx_http_apikey_metrics_t *metrics);
static void ngx_http_apikey_json_redis(ngx_http_apikey_writer_t *w,
    ngx_http_apikey_snapshot_t *snapshot);
static void ngx_http_apikey_json_latency(ngx_http_apikey_writer_t *w,
    ngx_redis_latency_t *latency);
static void ngx_http_apikey_json_guards(ngx_http_apikey_writer_t *w,
    ngx_array_t *guards);


void
ngx_http_apikey_report_json(ngx_http_apikey_writer_t *w,
    ngx_http_apikey_snapshot_t *snapshot)
{
    ngx_http_apikey_print(w, "{\"version\":\"%s\"", APIKEY_VERSION);

    ngx_http_apikey_json_numbers(w, snapshot);
    ngx_http_apikey_json_results(w, snapshot);
    ngx_http_apikey_json_locations(w, snapshot->amcf->metrics);
    ngx_http_apikey_json_failovers(w, snapshot->amcf->metrics);
    ngx_http_apikey_json_redis(w, snapshot);
    ngx_http_apikey_json_latency(w, &snapshot->latency);
    ngx_http_apikey_json_guards(w, &snapshot->amcf->guards);

    ngx_http_apikey_print(w, "}\n");
}


/* Those of a group stand together. */

static void
ngx_http_apikey_json_numbers(ngx_http_apikey_writer_t *w,
    ngx_http_apikey_snapshot_t *snapshot)
{
    const char                      *group;
    const ngx_http_apikey_number_t  *n;

    group = "";

    for (n = ngx_http_apikey_number_list; n->name; n++) {

        if (n->zone && snapshot->amcf->zone == NULL) {
            continue;
        }

        if (ngx_strcmp(group, n->group) != 0) {
            ngx_http_apikey_print(w, "%s,\"%s\":{\"%s\":", *group ? "}" : "",
                                  n->group, n->name);
            group = n->group;

        } else {
            ngx_http_apikey_print(w, ",\"%s\":", n->name);
        }

        ngx_http_apikey_print_number(w, snapshot, n);
    }

    ngx_http_apikey_print(w, "%s", *group ? "}" : "");
}


static void
ngx_http_apikey_json_results(ngx_http_apikey_writer_t *w,
    ngx_http_apikey_snapshot_t *snapshot)
{
    uint64_t    requests;
    ngx_uint_t  i;

    requests = 0;

    ngx_http_apikey_print(w, ",\"results\":{");

    for (i = NGX_HTTP_APIKEY_OK; i < NGX_HTTP_APIKEY_RESULTS; i++) {
        requests += snapshot->results[i];

        ngx_http_apikey_print(w, "%s\"%V\":%uL",
                              i > NGX_HTTP_APIKEY_OK ? "," : "",
                              ngx_http_apikey_result_name(i),
                              snapshot->results[i]);
    }

    ngx_http_apikey_print(w, "},\"requests\":%uL", requests);
}


/* Those that have decided something. */

static void
ngx_http_apikey_json_locations(ngx_http_apikey_writer_t *w,
    ngx_http_apikey_metrics_t *metrics)
{
    ngx_uint_t                i, first, shown;
    ngx_http_apikey_score_t  *score;

    first = 1;

    ngx_http_apikey_print(w, ",\"locations\":[");

    for (score = metrics->scores; score; score = score->next) {

        shown = 0;

        for (i = NGX_HTTP_APIKEY_OK; i < NGX_HTTP_APIKEY_RESULTS; i++) {

            if (score->results[i] == 0) {
                continue;
            }

            if (shown++ == 0) {
                ngx_http_apikey_print(w, "%s{\"server\":", first ? "" : ",");
                ngx_http_apikey_print_label(w, score->data, score->server_len);

                ngx_http_apikey_print(w, ",\"location\":");
                ngx_http_apikey_print_label(w, score->data + score->server_len,
                                            score->location_len);

                ngx_http_apikey_print(w, ",\"results\":{");
                first = 0;
            }

            ngx_http_apikey_print(w, "%s\"%V\":%uA", shown > 1 ? "," : "",
                                  ngx_http_apikey_result_name(i),
                                  score->results[i]);
        }

        if (shown) {
            ngx_http_apikey_print(w, "}}");
        }
    }

    ngx_http_apikey_print(w, "]");
}


static void
ngx_http_apikey_json_failovers(ngx_http_apikey_writer_t *w,
    ngx_http_apikey_metrics_t *metrics)
{
    ngx_http_apikey_failover_e  by;

    ngx_http_apikey_print(w, ",\"failover\":{");

    for (by = 0; by < NGX_HTTP_APIKEY_FAILOVERS; by++) {
        ngx_http_apikey_print(w, "%s\"%s\":{\"active\":%s,\"requests\":%uA}",
                              by ? "," : "",
                              ngx_http_apikey_failover_name(by),
                              ngx_http_apikey_failover_active(metrics, by)
                              ? "true" : "false",
                              metrics->failovers[by].requests);
    }

    ngx_http_apikey_print(w, "}");
}


static void
ngx_http_apikey_json_redis(ngx_http_apikey_writer_t *w,
    ngx_http_apikey_snapshot_t *snapshot)
{
    ngx_uint_t                 i, k;
    ngx_http_apikey_server_t  *server;

    ngx_http_apikey_print(w, ",\"connects\":{");

    for (i = 0; i < NGX_REDIS_ROLES; i++) {
        ngx_http_apikey_print(w, "%s\"%s\":{\"made\":%uL,\"failed\":%uL}",
                              i ? "," : "", ngx_http_apikey_roles[i],
                              snapshot->made[i], snapshot->failed[i]);
    }

    ngx_http_apikey_print(w, "},\"connections\":[");

    server = snapshot->servers.elts;

    for (i = 0; i < snapshot->servers.nelts; i++) {
        ngx_http_apikey_print(w, "%s{\"server\":", i ? "," : "");
        ngx_http_apikey_print_label(w, server[i].name, server[i].len);
        ngx_http_apikey_print(w, ",\"role\":\"%s\"",
                              ngx_http_apikey_roles[server[i].role]);

        for (k = 0; k < NGX_REDIS_CONDITIONS; k++) {
            ngx_http_apikey_print(w, ",\"%s\":%ui",
                                  ngx_http_apikey_conditions[k],
                                  server[i].states[k]);
        }

        ngx_http_apikey_print(w, "}");
    }

    ngx_http_apikey_print(w, "]");
}


/* As the usage of a key has it: milliseconds, and so many up to each. */

static void
ngx_http_apikey_json_latency(ngx_http_apikey_writer_t *w,
    ngx_redis_latency_t *latency)
{
    ngx_uint_t  i;

    ngx_http_apikey_print(w, ",\"latency\":{\"le\":[");

    for (i = 0; i < NGX_REDIS_LATENCIES; i++) {
        ngx_http_apikey_print(w, "%s%ui.%03ui", i ? "," : "",
                              ngx_redis_latencies[i] / 1000,
                              ngx_redis_latencies[i] % 1000);
    }

    ngx_http_apikey_print(w, "],\"count\":[");

    for (i = 0; i <= NGX_REDIS_LATENCIES; i++) {
        ngx_http_apikey_print(w, "%s%uL", i ? "," : "", latency->count[i]);
    }

    ngx_http_apikey_print(w, "],\"sum_ms\":%uL.%03uL}",
                          latency->sum / 1000, latency->sum % 1000);
}


static void
ngx_http_apikey_json_guards(ngx_http_apikey_writer_t *w, ngx_array_t *guards)
{
    ngx_str_t                 *name;
    ngx_uint_t                 i, addresses;
    ngx_http_apikey_guard_t  **guard;

    guard = guards->elts;

    ngx_http_apikey_print(w, ",\"guards\":[");

    for (i = 0; i < guards->nelts; i++) {
        name = ngx_http_apikey_guard_known(guard[i], &addresses);

        ngx_http_apikey_print(w, "%s{\"zone\":", i ? "," : "");
        ngx_http_apikey_print_label(w, name->data, name->len);
        ngx_http_apikey_print(w, ",\"addresses\":%ui}", addresses);
    }

    ngx_http_apikey_print(w, "]");
}
