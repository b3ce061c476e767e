/*
 * Which changes a worker has heard of: counters, one for all keys whose
 * digests begin alike.  Whatever was learnt of a key is used only if its
 * counter is what it was when Redis was asked.  A change is counted before the
 * worker acknowledges it, so once "revoke" has been confirmed nothing from
 * before decides.
 *
 * Many counters, because each change has those ask again that share its
 * counter, and an import makes tens of thousands of changes a second.
 */

#include "ngx_http_apikey_changes.h"


ngx_int_t
ngx_http_apikey_changes_start(ngx_http_apikey_main_conf_t *amcf,
    ngx_pool_t *pool)
{
    amcf->changes = ngx_pcalloc(pool, sizeof(ngx_http_apikey_changes_t));

    return amcf->changes ? NGX_OK : NGX_ERROR;
}


void
ngx_http_apikey_changes_hear(ngx_http_apikey_changes_t *changes,
    u_char *digest)
{
    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, ngx_cycle->log, 0,
                   "apikey change heard of %s key", digest ? "a" : "any");

    if (digest) {
        changes->heard[ngx_http_apikey_changes_slot(digest)]++;

    } else {
        changes->missed++;
    }

    if (changes->handler) {
        changes->handler(changes->data, digest);
    }
}
