/* Records in shared memory.  See ngx_http_apikey_zone.h for what is trusted. */

#include "ngx_http_apikey_zone.h"


static ngx_int_t ngx_http_apikey_zone_take(ngx_http_apikey_main_conf_t *amcf,
    ngx_http_apikey_ctx_t *ctx, ngx_str_t *packed);
static ngx_uint_t ngx_http_apikey_zone_trusted(ngx_http_apikey_zone_t *zone,
    ngx_http_apikey_known_t *known, ngx_http_apikey_trust_e trust);
static uint32_t *ngx_http_apikey_zone_changes(ngx_http_apikey_zone_t *zone,
    u_char *digest);
static ngx_http_apikey_known_t *ngx_http_apikey_zone_add(
    ngx_http_apikey_zone_t *zone, u_char *digest, apikey_text_t rev,
    ngx_str_t *packed);
static ngx_uint_t ngx_http_apikey_zone_useful(ngx_http_apikey_zone_t *zone,
    ngx_http_apikey_known_t *known);


/* A record on its way out of the zone, where the lock is held. */
static u_char  ngx_http_apikey_zone_copy[NGX_HTTP_APIKEY_ZONE_MAX];


void
ngx_http_apikey_zone_expect(ngx_http_apikey_zone_t *zone, u_char *digest)
{
    ngx_http_apikey_index_expect(&zone->shared->known, digest);
    ngx_http_apikey_index_expect(&zone->shared->leases, digest);
}


ngx_int_t
ngx_http_apikey_zone_get(ngx_http_apikey_main_conf_t *amcf,
    ngx_http_apikey_ctx_t *ctx, ngx_http_apikey_trust_e trust)
{
    ngx_str_t                  packed;
    ngx_http_apikey_zone_t    *zone;
    ngx_http_apikey_entry_t   *entry;
    ngx_http_apikey_known_t   *known;

    zone = amcf->zone;

    if (zone == NULL || amcf->cache == NULL) {
        return NGX_DECLINED;
    }

    ngx_http_apikey_index_approach(&zone->shared->known,
                                   ctx->credential.digest);
    ngx_http_apikey_index_approach(&zone->shared->leases,
                                   ctx->credential.digest);

    entry = ngx_http_apikey_records_get(amcf->cache, ctx->credential.digest);

    ngx_shmtx_lock(&zone->shpool->mutex);

    ctx->question.stamp.generation = zone->shared->generation;
    ctx->question.stamp.changes =
        *ngx_http_apikey_zone_changes(zone, ctx->credential.digest);

    known = (ngx_http_apikey_known_t *)
        ngx_http_apikey_index_find(&zone->shared->known,
                                   ctx->credential.digest);

    if (known == NULL || !ngx_http_apikey_zone_trusted(zone, known, trust)) {
        zone->shared->misses += trust != NGX_HTTP_APIKEY_TRUST_STALE;
        ngx_shmtx_unlock(&zone->shpool->mutex);

        ngx_log_debug0(NGX_LOG_DEBUG_HTTP, ctx->request->connection->log, 0,
                       "apikey zone: miss");
        goto declined;
    }

    zone->shared->hits += trust != NGX_HTTP_APIKEY_TRUST_STALE;

    /* often enough for what is not used to be forgotten first */

    if (known->rev_len
        && (ngx_msec_int_t) (ngx_current_msec - known->touched)
           > NGX_HTTP_APIKEY_ZONE_TOUCH)
    {
        known->touched = ngx_current_msec;
        ngx_queue_remove(&known->node.queue);
        ngx_queue_insert_head(&zone->shared->known.queue, &known->node.queue);
    }

    ctx->now = known->now
               + (uint64_t) (ngx_current_msec - known->confirmed) * 1000;

    if (known->rev_len == 0) {
        ngx_shmtx_unlock(&zone->shpool->mutex);

        ngx_log_debug0(NGX_LOG_DEBUG_HTTP, ctx->request->connection->log, 0,
                       "apikey zone: hit, of an unknown key");

        ctx->question.unknown = 1;
        goto declined;
    }

    if (entry
        && entry->record->rev.len == known->rev_len
        && ngx_memcmp(entry->record->rev.data, known->data, known->rev_len)
           == 0)
    {
        ngx_shmtx_unlock(&zone->shpool->mutex);

        ngx_log_debug0(NGX_LOG_DEBUG_HTTP, ctx->request->connection->log, 0,
                       "apikey zone: hit");

        ctx->entry = entry;
        return NGX_OK;
    }

    /* another worker has asked for it */

    packed.len = known->len - known->rev_len;
    packed.data = ngx_http_apikey_zone_copy;

    ngx_memcpy(packed.data, known->data + known->rev_len, packed.len);

    ngx_shmtx_unlock(&zone->shpool->mutex);

    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, ctx->request->connection->log, 0,
                   "apikey zone: hit, record new to this worker");

    if (entry) {
        ngx_http_apikey_records_release(entry);
    }

    return ngx_http_apikey_zone_take(amcf, ctx, &packed);

declined:

    /* its rev may still be the one that Redis confirms */
    ctx->entry = entry;

    return NGX_DECLINED;
}


/* A function of its own, for fields are a lot of memory. */

static ngx_int_t
ngx_http_apikey_zone_take(ngx_http_apikey_main_conf_t *amcf,
    ngx_http_apikey_ctx_t *ctx, ngx_str_t *packed)
{
    ngx_uint_t       n;
    const char      *why;
    apikey_field_t   fields[NGX_HTTP_APIKEY_FIELDS];

    n = ngx_http_apikey_records_unpack(packed, fields, NGX_HTTP_APIKEY_FIELDS);

    ctx->entry = ngx_http_apikey_records_put(amcf->cache,
                                             ctx->credential.digest, fields, n,
                                             &why);

    return ctx->entry ? NGX_OK : NGX_DECLINED;
}


static ngx_uint_t
ngx_http_apikey_zone_trusted(ngx_http_apikey_zone_t *zone,
    ngx_http_apikey_known_t *known, ngx_http_apikey_trust_e trust)
{
    ngx_msec_int_t  age;

    /* another worker's clock may be ahead */
    age = ngx_current_msec - known->confirmed;

    switch (trust) {

    case NGX_HTTP_APIKEY_TRUST_FRESH:
        return known->generation == zone->shared->generation
               && age < (ngx_msec_int_t) (known->rev_len ? zone->valid
                                                         : zone->invalid);

    case NGX_HTTP_APIKEY_TRUST_STALE:
        return zone->stale && known->rev_len
               && age < (ngx_msec_int_t) (zone->valid + zone->stale);

    default: /* NGX_HTTP_APIKEY_TRUST_NONE */
        return 0;
    }
}


void
ngx_http_apikey_zone_put(ngx_http_apikey_zone_t *zone,
    ngx_http_apikey_ctx_t *ctx)
{
    ngx_str_t                  packed;
    apikey_text_t              rev;
    ngx_http_apikey_entry_t   *entry;
    ngx_http_apikey_known_t   *known;
    ngx_http_apikey_shared_t  *shared;

    entry = ctx->entry;
    shared = zone->shared;

    rev.data = "";
    rev.len = 0;
    ngx_str_null(&packed);

    if (entry) {
        rev = entry->record->rev;
        packed = entry->packed;
    }

    ngx_shmtx_lock(&zone->shpool->mutex);

    if (ctx->question.stamp.generation != shared->generation
        || ctx->question.stamp.changes
           != *ngx_http_apikey_zone_changes(zone, ctx->credential.digest))
    {
        goto done;
    }

    known = (ngx_http_apikey_known_t *)
        ngx_http_apikey_index_find(&shared->known, ctx->credential.digest);

    if (known
        && (known->rev_len != rev.len
            || ngx_memcmp(known->data, rev.data, rev.len) != 0))
    {
        ngx_http_apikey_index_remove(&shared->known, &known->node);
        ngx_slab_free_locked(zone->shpool, known);
        known = NULL;
    }

    if (known == NULL) {
        known = ngx_http_apikey_zone_add(zone, ctx->credential.digest, rev,
                                         &packed);
        if (known == NULL) {
            goto done;
        }
    }

    known->generation = ctx->question.stamp.generation;
    known->confirmed = ctx->question.sent;
    known->now = ctx->now;

done:

    ngx_shmtx_unlock(&zone->shpool->mutex);
}


static ngx_http_apikey_known_t *
ngx_http_apikey_zone_add(ngx_http_apikey_zone_t *zone, u_char *digest,
    apikey_text_t rev, ngx_str_t *packed)
{
    size_t                    size;
    u_char                   *p;
    ngx_http_apikey_index_t  *index;
    ngx_http_apikey_known_t  *known;

    size = rev.len + packed->len;

    if (size > NGX_HTTP_APIKEY_ZONE_MAX) {
        return NULL;
    }

    known = ngx_http_apikey_zone_alloc(zone,
                               offsetof(ngx_http_apikey_known_t, data) + size,
                               rev.len == 0);
    if (known == NULL) {
        return NULL;
    }

    known->touched = ngx_current_msec;
    known->rev_len = (u_short) rev.len;
    known->len = (u_short) size;

    p = ngx_cpymem(known->data, rev.data, rev.len);
    ngx_memcpy(p, packed->data, packed->len);

    index = &zone->shared->known;

    ngx_http_apikey_index_insert(index, &known->node, digest);

    if (rev.len == 0) {
        /* the first to make room */
        ngx_queue_remove(&known->node.queue);
        ngx_queue_insert_tail(&index->queue, &known->node.queue);
    }

    return known;
}


/* The counter of changes that the key shares with others. */

static uint32_t *
ngx_http_apikey_zone_changes(ngx_http_apikey_zone_t *zone, u_char *digest)
{
    ngx_uint_t  slot;

    slot = (digest[0] << 8 | digest[1]) & (NGX_HTTP_APIKEY_ZONE_SLOTS - 1);

    return &zone->shared->changes[slot];
}


void
ngx_http_apikey_zone_drop(ngx_http_apikey_zone_t *zone, u_char *digest)
{
    ngx_http_apikey_node_t  *node;

    ngx_shmtx_lock(&zone->shpool->mutex);

    (*ngx_http_apikey_zone_changes(zone, digest))++;

    node = ngx_http_apikey_index_find(&zone->shared->known, digest);

    if (node) {
        ngx_http_apikey_index_remove(&zone->shared->known, node);
        ngx_slab_free_locked(zone->shpool, node);
    }

    ngx_shmtx_unlock(&zone->shpool->mutex);
}


void
ngx_http_apikey_zone_doubt(ngx_http_apikey_zone_t *zone)
{
    ngx_shmtx_lock(&zone->shpool->mutex);

    zone->shared->generation++;

    ngx_shmtx_unlock(&zone->shpool->mutex);
}


void
ngx_http_apikey_zone_enter(ngx_http_apikey_zone_t *zone)
{
    zone->shared->workers[ngx_process_slot] = ngx_pid;
}


/* A worker that was killed doesn't leave; who takes its place has its slot. */

ngx_uint_t
ngx_http_apikey_zone_leave(ngx_http_apikey_zone_t *zone)
{
    ngx_uint_t  i, last;
    ngx_pid_t   pid;

    last = 1;

    ngx_shmtx_lock(&zone->shpool->mutex);

    zone->shared->workers[ngx_process_slot] = 0;

    for (i = 0; i < NGX_MAX_PROCESSES; i++) {
        pid = zone->shared->workers[i];

        if (pid && (kill(pid, 0) == 0 || ngx_errno != NGX_ESRCH)) {
            last = 0;
            break;
        }
    }

    ngx_shmtx_unlock(&zone->shpool->mutex);

    return last;
}


void *
ngx_http_apikey_zone_alloc(ngx_http_apikey_zone_t *zone, size_t size,
    ngx_uint_t gently)
{
    void                      *p;
    ngx_uint_t                 i;
    ngx_queue_t               *q;
    ngx_http_apikey_node_t    *node;
    ngx_http_apikey_index_t   *index;
    ngx_http_apikey_shared_t  *shared;

    shared = zone->shared;

    for (i = 0; i < NGX_HTTP_APIKEY_ZONE_TRIES; i++) {

        p = ngx_slab_alloc_locked(zone->shpool, size);
        if (p) {
            return p;
        }

        /*
         * What was counted here is of no use while Redis counts; a record
         * costs a question, a lease is two.
         */

        if (!ngx_queue_empty(&shared->locals.queue)
            && !ngx_http_apikey_failover_active(zone->amcf->metrics,
                                                NGX_HTTP_APIKEY_BY_LOCAL))
        {
            index = &shared->locals;

        } else if (!ngx_queue_empty(&shared->known.queue)) {
            index = &shared->known;

        } else {
            index = &shared->leases;
        }

        if (ngx_queue_empty(&index->queue)) {
            return NULL;
        }

        q = ngx_queue_last(&index->queue);
        node = ngx_queue_data(q, ngx_http_apikey_node_t, queue);

        if (gently
            && (index == &shared->leases
                || (index == &shared->known
                    && ngx_http_apikey_zone_useful(zone,
                                          (ngx_http_apikey_known_t *) node))))
        {
            return NULL;
        }

        ngx_log_debug1(NGX_LOG_DEBUG_HTTP, ngx_cycle->log, 0,
                       "apikey zone: %s evicted",
                       index == &shared->leases ? "lease"
                       : index == &shared->known ? "record" : "local counters");

        if (index == &shared->leases) {
            zone->evict(zone, node);
        }

        if (index != &shared->locals) {
            shared->evicted++;
        }

        ngx_http_apikey_index_remove(index, node);
        ngx_slab_free_locked(zone->shpool, node);
    }

    return NULL;
}


/* Is it a key's record, and maybe still trusted? */

static ngx_uint_t
ngx_http_apikey_zone_useful(ngx_http_apikey_zone_t *zone,
    ngx_http_apikey_known_t *known)
{
    return known->rev_len
           && (ngx_msec_int_t) (ngx_current_msec - known->confirmed)
              < (ngx_msec_int_t) (zone->valid + zone->stale);
}
