/* The text format 0.0.4. */

#include "ngx_http_apikey_report.h"


static void ngx_http_apikey_family(ngx_http_apikey_writer_t *w,
    const char *metric, const char *help);
static void ngx_http_apikey_prometheus_results(ngx_http_apikey_writer_t *w,
    ngx_http_apikey_snapshot_t *snapshot);
static void ngx_http_apikey_prometheus_locations(ngx_http_apikey_writer_t *w,
    ngx_http_apikey_metrics_t *metrics);
static void ngx_http_apikey_prometheus_failovers(ngx_http_apikey_writer_t *w,
    ngx_http_apikey_metrics_t *metrics);
static void ngx_http_apikey_prometheus_guards(ngx_http_apikey_writer_t *w,
    ngx_array_t *guards);


void
ngx_http_apikey_report_prometheus(ngx_http_apikey_writer_t *w,
    ngx_http_apikey_snapshot_t *snapshot)
{
    const ngx_http_apikey_number_t  *n;

    ngx_http_apikey_family(w, "apikey_build_info", "The module's version.");
    ngx_http_apikey_print(w, "apikey_build_info{version=\"%s\"} 1\n",
                          NGX_HTTP_APIKEY_VERSION);

    for (n = ngx_http_apikey_number_list; n->name; n++) {

        if (n->zone && snapshot->amcf->zone == NULL) {
            continue;
        }

        ngx_http_apikey_family(w, n->metric, n->help);
        ngx_http_apikey_print(w, "%s ", n->metric);
        ngx_http_apikey_print_number(w, snapshot, n);
        ngx_http_apikey_print(w, "\n");
    }

    ngx_http_apikey_prometheus_results(w, snapshot);
    ngx_http_apikey_prometheus_locations(w, snapshot->amcf->metrics);
    ngx_http_apikey_prometheus_failovers(w, snapshot->amcf->metrics);
    ngx_http_apikey_prometheus_guards(w, &snapshot->amcf->guards);
}


/* By its name it is known what it is. */

static void
ngx_http_apikey_family(ngx_http_apikey_writer_t *w, const char *metric,
    const char *help)
{
    size_t       len;
    const char  *type;

    len = ngx_strlen(metric);
    type = "gauge";

    if (len > 6 && ngx_strcmp(metric + len - 6, "_total") == 0) {
        type = "counter";
    }

    ngx_http_apikey_print(w, "# HELP %s %s\n# TYPE %s %s\n", metric, help,
                          metric, type);
}


static void
ngx_http_apikey_prometheus_results(ngx_http_apikey_writer_t *w,
    ngx_http_apikey_snapshot_t *snapshot)
{
    ngx_uint_t  i;

    ngx_http_apikey_family(w, "apikey_requests_total",
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
    ngx_http_apikey_tally_t  *tally;

    ngx_http_apikey_family(w, "apikey_location_requests_total",
                           "The same by the location that decided.");

    for (tally = metrics->tallies; tally; tally = tally->next) {

        for (i = NGX_HTTP_APIKEY_OK; i < NGX_HTTP_APIKEY_RESULTS; i++) {

            if (tally->results[i] == 0) {
                continue;
            }

            ngx_http_apikey_print(w, "apikey_location_requests_total{server=");
            ngx_http_apikey_print_label(w, tally->data, tally->server_len);

            ngx_http_apikey_print(w, ",location=");
            ngx_http_apikey_print_label(w, tally->data + tally->server_len,
                                        tally->location_len);

            ngx_http_apikey_print(w, ",result=\"%V\"} %uA\n",
                                  ngx_http_apikey_result_name(i),
                                  tally->results[i]);
        }
    }
}


static void
ngx_http_apikey_prometheus_failovers(ngx_http_apikey_writer_t *w,
    ngx_http_apikey_metrics_t *metrics)
{
    const char                 *name;
    ngx_http_apikey_failover_e  by;

    ngx_http_apikey_family(w, "apikey_failover_active",
                           "Whether something stands in for Redis: stale "
                           "records, apikey_limit_failure allow or local.");

    for (by = 0; by < NGX_HTTP_APIKEY_FAILOVERS; by++) {
        name = ngx_http_apikey_failover_name(by);

        ngx_http_apikey_print(w, "apikey_failover_active{policy=\"%s\"} %ui\n",
                              name,
                              ngx_http_apikey_failing_over(metrics, by));
    }

    ngx_http_apikey_family(w, "apikey_failover_requests_total",
                           "Requests that were decided so.");

    for (by = 0; by < NGX_HTTP_APIKEY_FAILOVERS; by++) {
        name = ngx_http_apikey_failover_name(by);

        ngx_http_apikey_print(w, "apikey_failover_requests_total"
                              "{policy=\"%s\"} %uA\n", name,
                              metrics->failovers[by].requests);
    }
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
        ngx_http_apikey_family(w, "apikey_guard_addresses",
                               "Addresses with bad keys, in the zone.");
    }

    for (i = 0; i < guards->nelts; i++) {
        name = ngx_http_apikey_guard_known(guard[i], &addresses);

        ngx_http_apikey_print(w, "apikey_guard_addresses{zone=");
        ngx_http_apikey_print_label(w, name->data, name->len);
        ngx_http_apikey_print(w, "} %ui\n", addresses);
    }
}
