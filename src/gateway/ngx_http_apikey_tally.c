/* The use of one key, as long as it waits to be sent. */

#include "ngx_http_apikey_usage.h"


time_t
ngx_http_apikey_usage_now(ngx_http_apikey_usage_t *usage)
{
    return usage->now ? usage->now + (ngx_time() - usage->heard) : ngx_time();
}


void
ngx_http_apikey_tally_free(ngx_http_apikey_tally_t *use)
{
    ngx_queue_remove(&use->queue);

    use->usage->size -= sizeof(ngx_http_apikey_tally_t) + use->entry->size
                        + use->tally.size;

    if (use->entry->use == use) {
        use->entry->use = NULL;
    }

    ngx_http_apikey_records_release(use->entry);

    if (use->tally.data) {
        ngx_free(use->tally.data);
    }

    ngx_free(use);
}
