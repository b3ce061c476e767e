/* What both formats of apikey_status have in common: numbers, and text. */

#include "ngx_http_apikey_report.h"


#define NGX_HTTP_APIKEY_REPORT_SIZE  8192   /* at first */
#define NGX_HTTP_APIKEY_PRINT_MAX    512


static ngx_int_t ngx_http_apikey_print_room(ngx_http_apikey_writer_t *w,
    size_t n);


#define ngx_http_apikey_offset(field)                                         \
    offsetof(ngx_http_apikey_numbers_t, field)


const ngx_http_apikey_number_t  ngx_http_apikey_number_list[] = {

    { "", "started", "apikey_start_time_seconds",
      "When the counters began, in Unix seconds.",
      ngx_http_apikey_offset(started), 0, 0 },

    { "", "loaded", "apikey_config_load_time_seconds",
      "When the configuration was loaded, in Unix seconds.",
      ngx_http_apikey_offset(loaded), 0, 0 },

    { "", "loads", "apikey_config_loads_total",
      "Configurations loaded: the first, and one a reload.",
      ngx_http_apikey_offset(loads), 0, 0 },

    { "", "workers", "apikey_workers",
      "Worker processes, those shutting down included.",
      ngx_http_apikey_offset(workers), 0, 0 },

    { "redis", "commands", "apikey_redis_commands_total",
      "Commands sent, or that wait for a connection.",
      ngx_http_apikey_offset(accepted), 0, 0 },

    { "redis", "refused", "apikey_redis_refused_commands_total",
      "Commands refused at once, for Redis was failing or too many waited.",
      ngx_http_apikey_offset(refused), 0, 0 },

    { "redis", "lost", "apikey_redis_lost_commands_total",
      "Commands whose reply did not come, or not in time.",
      ngx_http_apikey_offset(lost), 0, 0 },

    { "redis", "script_loads", "apikey_redis_script_loads_total",
      "Scripts sent in full, for Redis did not know them.",
      ngx_http_apikey_offset(loaded_scripts), 0, 0 },

    { "redis", "redirects", "apikey_redis_redirects_total",
      "Commands that a node of a Cluster has sent to another one.",
      ngx_http_apikey_offset(redirected), 0, 0 },

    { "redis", "pending", "apikey_redis_pending_commands",
      "Commands that wait for a reply or a connection.",
      ngx_http_apikey_offset(pending), 0, 0 },

    { "redis", "failing_seconds", "apikey_redis_failing_seconds",
      "Since when a worker refuses commands, the longest; 0: none does.",
      ngx_http_apikey_offset(failing), 0, 1 },

    { "subscription", "workers", "apikey_subscribed_workers",
      "Workers that hear of changes of keys.",
      ngx_http_apikey_offset(subscribed), 0, 0 },

    { "subscription", "age_seconds", "apikey_subscription_age_seconds",
      "Since when a subscribed worker has not heard of Redis, at most.",
      ngx_http_apikey_offset(unheard), 0, 1 },

    { "subscription", "trusting", "apikey_trusting_workers",
      "Workers that trust what is cached.",
      ngx_http_apikey_offset(trusting), 0, 0 },

    { "usage", "waiting_bytes", "apikey_usage_waiting_bytes",
      "Memory of the usage that is not yet written.",
      ngx_http_apikey_offset(usage_waiting), 0, 0 },

    { "usage", "dropped", "apikey_usage_dropped_total",
      "Keys whose usage since it was last written is lost.",
      ngx_http_apikey_offset(usage_dropped), 0, 0 },

    { "cache", "hits", "apikey_cache_hits_total",
      "Records, or their absence, found in the cache.",
      ngx_http_apikey_offset(hits), 1, 0 },

    { "cache", "misses", "apikey_cache_misses_total",
      "Records not found there, or not trusted.",
      ngx_http_apikey_offset(misses), 1, 0 },

    { "cache", "evictions", "apikey_cache_evictions_total",
      "Records and leases that had to make room.",
      ngx_http_apikey_offset(evicted), 1, 0 },

    { "cache", "entries", "apikey_cache_entries",
      "Records, and keys known to have none.",
      ngx_http_apikey_offset(known), 1, 0 },

    { "cache", "size_bytes", "apikey_cache_size_bytes",
      "The size of the zone.",
      ngx_http_apikey_offset(size), 1, 0 },

    { "cache", "free_bytes", "apikey_cache_free_bytes",
      "Whole pages of it that are free.",
      ngx_http_apikey_offset(free), 1, 0 },

    { "leases", "entries", "apikey_leases",
      "Leases, empty ones included.",
      ngx_http_apikey_offset(leases), 1, 0 },

    { "leases", "tokens", "apikey_lease_tokens",
      "Requests counted in Redis and not yet spent.",
      ngx_http_apikey_offset(tokens), 1, 0 },

    { "leases", "taken", "apikey_lease_tokens_taken_total",
      "Requests counted in Redis ahead.",
      ngx_http_apikey_offset(taken), 1, 0 },

    { "leases", "returned", "apikey_lease_tokens_returned_total",
      "Requests of them that were given back.",
      ngx_http_apikey_offset(returned), 1, 0 },

    { "local", "entries", "apikey_local_counters",
      "Holders of limits that this gateway has counted by itself.",
      ngx_http_apikey_offset(locals), 1, 0 },

    { NULL, NULL, NULL, NULL, 0, 0, 0 }
};


const char *const  ngx_http_apikey_roles[] = {
    "commands", "subscription", "sentinel"
};

const char *const  ngx_http_apikey_conditions[] = {
    "ready", "connecting", "failing"
};


void
ngx_http_apikey_print(ngx_http_apikey_writer_t *w, const char *fmt, ...)
{
    va_list  args;

    if (ngx_http_apikey_print_room(w, NGX_HTTP_APIKEY_PRINT_MAX) != NGX_OK) {
        return;
    }

    va_start(args, fmt);
    w->pos = ngx_vslprintf(w->pos, w->last, fmt, args);
    va_end(args);
}


void
ngx_http_apikey_print_label(ngx_http_apikey_writer_t *w, u_char *data,
    size_t len)
{
    u_char    *p, *last, *begin;
    uint32_t   code;

    /* each byte may be two */

    if (ngx_http_apikey_print_room(w, 2 * len + 2) != NGX_OK) {
        return;
    }

    last = data + len;

    *w->pos++ = '"';

    for (p = data; p < last; /* void */ ) {

        if (*p < 0x80) {
            if (*p == '"' || *p == '\\') {
                *w->pos++ = '\\';
            }

            *w->pos++ = (*p < ' ' || *p == 0x7f) ? '?' : *p;
            p++;
            continue;
        }

        begin = p;
        code = *p < 0xf5 ? ngx_utf8_decode(&p, last - p) : 0xffffffff;

        if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
            *w->pos++ = '?';
            p = begin + 1;
            continue;
        }

        w->pos = ngx_cpymem(w->pos, begin, p - begin);
    }

    *w->pos++ = '"';
}


ngx_int_t
ngx_http_apikey_print_send(ngx_http_apikey_writer_t *w, ngx_http_request_t *r)
{
    ngx_buf_t    *b;
    ngx_int_t     rc;
    ngx_chain_t   out;

    if (w->failed) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    b->pos = w->start;
    b->last = w->pos;
    b->memory = 1;
    b->last_buf = (r == r->main);
    b->last_in_chain = 1;

    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = w->pos - w->start;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


void
ngx_http_apikey_print_number(ngx_http_apikey_writer_t *w,
    ngx_http_apikey_snapshot_t *snapshot, const ngx_http_apikey_number_t *n)
{
    uint64_t  value;

    value = *(uint64_t *) ((u_char *) &snapshot->numbers + n->offset);

    if (n->ms) {
        ngx_http_apikey_print(w, "%uL.%03uL", value / 1000, value % 1000);

    } else {
        ngx_http_apikey_print(w, "%uL", value);
    }
}


static ngx_int_t
ngx_http_apikey_print_room(ngx_http_apikey_writer_t *w, size_t n)
{
    size_t   size, used;
    u_char  *p;

    if (w->failed) {
        return NGX_ERROR;
    }

    if ((size_t) (w->last - w->pos) >= n) {
        return NGX_OK;
    }

    used = w->pos - w->start;
    size = ngx_max(2 * (size_t) (w->last - w->start), used + n);
    size = ngx_max(size, NGX_HTTP_APIKEY_REPORT_SIZE);

    p = ngx_palloc(w->pool, size);
    if (p == NULL) {
        w->failed = 1;
        return NGX_ERROR;
    }

    if (used) {
        ngx_memcpy(p, w->start, used);
        (void) ngx_pfree(w->pool, w->start);
    }

    w->start = p;
    w->pos = p + used;
    w->last = p + size;

    return NGX_OK;
}
