/*
 * Tallies wait in a queue, oldest first, and go out to Redis some at a time.
 * What Redis has refused, or what couldn't be sent, waits on; what was sent and
 * not answered may have been counted, and is never sent again.
 */

#include "ngx_http_apikey_metrics.h"
#include "ngx_http_apikey_usage.h"


#define NGX_HTTP_APIKEY_USAGE_SLICE   100      /* between some and some */
#define NGX_HTTP_APIKEY_USAGE_SOME    100
#define NGX_HTTP_APIKEY_USAGE_FLYING  1024     /* sent, not answered */
#define NGX_HTTP_APIKEY_USAGE_LAST    256      /* at a time, at the end */
#define NGX_HTTP_APIKEY_USAGE_QUIET   60       /* seconds, between complaints */


static void ngx_http_apikey_use_lose(ngx_http_apikey_use_t *use);
static void ngx_http_apikey_use_drop(ngx_http_apikey_use_t *use);
static void ngx_http_apikey_usage_due(ngx_event_t *ev);
static void ngx_http_apikey_usage_wake(ngx_http_apikey_usage_t *usage);
static ngx_int_t ngx_http_apikey_use_send(ngx_http_apikey_use_t *use);
static void ngx_http_apikey_use_sent(void *data, redisReply *reply);
static void ngx_http_apikey_use_again(ngx_http_apikey_use_t *use);
static void ngx_http_apikey_usage_complain(ngx_http_apikey_usage_t *usage,
    redisReply *reply);
static ngx_uint_t ngx_http_apikey_usage_refused(redisReply *reply);


/* Of the tally that is sent; nothing stays here between calls. */
static u_char  ngx_http_apikey_usage_packed[
                           APIKEY_TALLY_PACKED(NGX_HTTP_APIKEY_TALLY_MAX)];


ngx_int_t
ngx_http_apikey_usage_start(ngx_http_apikey_main_conf_t *amcf, ngx_log_t *log)
{
    ngx_http_apikey_usage_t  *usage;

    usage = ngx_calloc(sizeof(ngx_http_apikey_usage_t), log);
    if (usage == NULL) {
        return NGX_ERROR;
    }

    ngx_queue_init(&usage->waiting);
    ngx_queue_init(&usage->flying);

    usage->amcf = amcf;

    usage->timer.handler = ngx_http_apikey_usage_due;
    usage->timer.data = usage;
    usage->timer.log = log;
    usage->timer.cancelable = 1;

    amcf->usage = usage;

    return NGX_OK;
}


/* What is left is sent, as far as Redis takes it in time. */

void
ngx_http_apikey_usage_stop(ngx_http_apikey_main_conf_t *amcf)
{
    ngx_uint_t                n;
    ngx_queue_t              *q;
    ngx_http_apikey_use_t    *use;
    ngx_http_apikey_usage_t  *usage;

    usage = amcf->usage;
    usage->ending = 1;

    if (usage->timer.timer_set) {
        ngx_del_timer(&usage->timer);
    }

    do {
        for (n = 0;
             n < NGX_HTTP_APIKEY_USAGE_LAST
                 && !ngx_queue_empty(&usage->waiting);
             n++)
        {
            q = ngx_queue_head(&usage->waiting);

            if (ngx_http_apikey_use_send(ngx_queue_data(q,
                                             ngx_http_apikey_use_t, queue))
                != NGX_OK)
            {
                break;
            }
        }

    } while (ngx_redis_finish(amcf->client) == NGX_OK
             && n && !ngx_queue_empty(&usage->waiting));

    while (!ngx_queue_empty(&usage->flying)) {
        q = ngx_queue_head(&usage->flying);
        use = ngx_queue_data(q, ngx_http_apikey_use_t, queue);

        /* its answer may come while other things end */
        ngx_redis_cancel(use->command);

        ngx_http_apikey_use_lose(use);
    }

    while (!ngx_queue_empty(&usage->waiting)) {
        q = ngx_queue_head(&usage->waiting);
        ngx_http_apikey_use_lose(ngx_queue_data(q, ngx_http_apikey_use_t,
                                                queue));
    }

    if (usage->lost) {
        amcf->seat->usage_dropped += usage->lost;

        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "this worker's usage of %ui keys is lost, "
                      "for it ends and redis doesn't take it", usage->lost);
    }

    ngx_free(usage);
    amcf->usage = NULL;
}


static void
ngx_http_apikey_use_lose(ngx_http_apikey_use_t *use)
{
    use->usage->lost++;
    ngx_http_apikey_use_free(use);
}


size_t
ngx_http_apikey_usage_waiting(ngx_http_apikey_main_conf_t *amcf)
{
    return amcf->usage ? amcf->usage->size : 0;
}


void
ngx_http_apikey_usage_relieve(ngx_http_apikey_usage_t *usage)
{
    ngx_queue_t            *q;
    ngx_http_apikey_use_t  *use;

    if (ngx_queue_empty(&usage->waiting)) {
        return;
    }

    q = ngx_queue_head(&usage->waiting);
    use = ngx_queue_data(q, ngx_http_apikey_use_t, queue);

    if (ngx_http_apikey_use_send(use) == NGX_OK) {
        return;
    }

    ngx_http_apikey_use_drop(use);
}


static void
ngx_http_apikey_use_drop(ngx_http_apikey_use_t *use)
{
    use->usage->amcf->seat->usage_dropped++;

    if (!use->usage->dropping) {
        use->usage->dropping = 1;

        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "the usage of too many keys waits for redis: "
                      "the oldest is dropped");
    }

    ngx_http_apikey_use_free(use);
}


/*
 * Some at a time: so few that neither the worker nor Redis is held up, so many
 * that Redis, for which each is cheaper the more there are in a write, finds
 * the script in the processor's caches.
 */

static void
ngx_http_apikey_usage_due(ngx_event_t *ev)
{
    ngx_uint_t                n;
    ngx_queue_t              *q;
    ngx_http_apikey_use_t    *use;
    ngx_http_apikey_usage_t  *usage;

    usage = ev->data;

    for (n = 0;
         n < NGX_HTTP_APIKEY_USAGE_SOME && !ngx_queue_empty(&usage->waiting);
         n++)
    {
        q = ngx_queue_head(&usage->waiting);
        use = ngx_queue_data(q, ngx_http_apikey_use_t, queue);

        if (ngx_current_msec - use->since < NGX_HTTP_APIKEY_USAGE_AGE
            || ngx_http_apikey_use_send(use) != NGX_OK)
        {
            break;
        }
    }

    ngx_http_apikey_usage_wake(usage);
}


static void
ngx_http_apikey_usage_wake(ngx_http_apikey_usage_t *usage)
{
    ngx_msec_t              age;
    ngx_queue_t            *q;
    ngx_http_apikey_use_t  *use;

    if (ngx_queue_empty(&usage->waiting)) {
        return;
    }

    q = ngx_queue_head(&usage->waiting);
    use = ngx_queue_data(q, ngx_http_apikey_use_t, queue);

    age = ngx_min(ngx_current_msec - use->since, NGX_HTTP_APIKEY_USAGE_AGE);

    ngx_add_timer(&usage->timer,
                  ngx_max(NGX_HTTP_APIKEY_USAGE_AGE - age,
                          NGX_HTTP_APIKEY_USAGE_SLICE));
}


/* NGX_DECLINED: not now. */

static ngx_int_t
ngx_http_apikey_use_send(ngx_http_apikey_use_t *use)
{
    u_char                       *p;
    apikey_text_t                 prefix;
    ngx_redis_args_t              args;
    ngx_http_apikey_usage_t      *usage;
    ngx_http_apikey_main_conf_t  *amcf;
    char                          record[APIKEY_NAME_SIZE];
    char                          past[APIKEY_NAME_SIZE];
    char                          counts[APIKEY_NAME_SIZE];
    u_char                        day[NGX_INT64_LEN], kept[NGX_INT64_LEN];
    u_char                        used[NGX_TIME_T_LEN + 1
                                       + NGX_HTTP_APIKEY_ADDRESS_LEN];

    usage = use->usage;
    amcf = usage->amcf;

    if (usage->nflying >= NGX_HTTP_APIKEY_USAGE_FLYING) {
        return NGX_DECLINED;
    }

    prefix = ngx_http_apikey_text(&amcf->prefix);

    args.n = 0;

    ngx_redis_arg(&args, record,
                  apikey_names_record(record, prefix, use->entry->digest));
    ngx_redis_arg(&args, past,
                  apikey_names_usage(past, prefix, use->entry->digest, 0));
    ngx_redis_arg(&args, counts,
                  apikey_names_usage(counts, prefix, use->entry->digest,
                                     use->day));

    p = ngx_sprintf(day, "%uD", use->day);
    ngx_redis_arg(&args, day, p - day);

    p = ngx_sprintf(kept, "%i", amcf->usage_days * 86400);
    ngx_redis_arg(&args, kept, p - kept);

    p = ngx_sprintf(used, "%T %*s", use->used, (size_t) use->address_len,
                    use->address);
    ngx_redis_arg(&args, used, p - used);

    ngx_redis_arg(&args, ngx_http_apikey_usage_packed,
                  apikey_tally_pack(ngx_http_apikey_usage_packed,
                                    &use->tally));

    use->command = ngx_redis_eval(amcf->client, &amcf->usage_script, &args, 3,
                                  ngx_http_apikey_use_sent, use);
    if (use->command == NULL) {
        return NGX_DECLINED;
    }

    /* what comes from now on is another one */

    if (use->entry->use == use) {
        use->entry->use = NULL;
    }

    ngx_queue_remove(&use->queue);
    ngx_queue_insert_tail(&usage->flying, &use->queue);
    usage->nflying++;

    return NGX_OK;
}


static void
ngx_http_apikey_use_sent(void *data, redisReply *reply)
{
    ngx_http_apikey_use_t *use = data;

    ngx_http_apikey_usage_t  *usage;

    usage = use->usage;
    usage->nflying--;

    if (reply && reply->type == REDIS_REPLY_ERROR) {
        ngx_http_apikey_usage_complain(usage, reply);

        if (ngx_http_apikey_usage_refused(reply)) {
            ngx_http_apikey_use_again(use);
            return;
        }

    } else if (reply) {
        usage->dropping = 0;

        if (reply->type == REDIS_REPLY_ARRAY) {
            ngx_http_apikey_events_found(usage->amcf, reply);
        }
    }

    ngx_http_apikey_use_free(use);
}


static void
ngx_http_apikey_use_again(ngx_http_apikey_use_t *use)
{
    ngx_http_apikey_usage_t  *usage;

    usage = use->usage;

    if (usage->ending) {
        ngx_http_apikey_use_lose(use);
        return;
    }

    if (usage->size > NGX_HTTP_APIKEY_USAGE_SIZE) {
        ngx_http_apikey_use_drop(use);
        return;
    }

    use->since = ngx_current_msec;

    ngx_queue_remove(&use->queue);
    ngx_queue_insert_tail(&usage->waiting, &use->queue);

    if (!usage->timer.timer_set) {
        ngx_http_apikey_usage_wake(usage);
    }
}


static void
ngx_http_apikey_usage_complain(ngx_http_apikey_usage_t *usage,
    redisReply *reply)
{
    ngx_uint_t  level;

    level = NGX_LOG_INFO;

    if (usage->complained == 0
        || ngx_time() - usage->complained > NGX_HTTP_APIKEY_USAGE_QUIET)
    {
        level = NGX_LOG_ERR;
        usage->complained = ngx_time();
    }

    ngx_log_error(level, ngx_cycle->log, 0,
                  "redis could not count usage: \"%*s\"",
                  (size_t) ngx_min(reply->len, 256), reply->str);
}


/* Nothing was done, and may be later. */

static ngx_uint_t
ngx_http_apikey_usage_refused(redisReply *reply)
{
    ngx_uint_t  i;

    static ngx_str_t  errors[] = {
        ngx_string("BUSY "),
        ngx_string("CLUSTERDOWN "),
        ngx_string("LOADING "),
        ngx_string("MASTERDOWN "),
        ngx_string("MISCONF "),
        ngx_string("NOPERM "),
        ngx_string("NOREPLICAS "),
        ngx_string("OOM "),
        ngx_string("READONLY "),
        ngx_string("TRYAGAIN ")
    };

    for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        if (ngx_strncmp(reply->str, errors[i].data, errors[i].len) == 0) {
            return 1;
        }
    }

    return 0;
}
