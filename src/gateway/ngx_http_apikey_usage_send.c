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
#define NGX_HTTP_APIKEY_USES          16       /* of those in one call */
#define NGX_HTTP_APIKEY_USAGE_QUIET   60       /* seconds, between complaints */
#define NGX_HTTP_APIKEY_USED_MAX                                              \
    (NGX_TIME_T_LEN + 1 + NGX_HTTP_APIKEY_ADDRESS_LEN)


/* Those that fly with one command. */
typedef struct {
    ngx_queue_t               queue;
    ngx_http_apikey_usage_t  *usage;
    ngx_redis_command_t      *command;
    ngx_uint_t                n;
    ngx_http_apikey_tally_t  *use[NGX_HTTP_APIKEY_USES];
} ngx_http_apikey_parcel_t;


/* The words of a command. */
typedef struct {
    char                          record[NGX_HTTP_APIKEY_USES]
                                        [APIKEY_NAME_SIZE];
    char                          counts[NGX_HTTP_APIKEY_USES]
                                        [APIKEY_NAME_SIZE];
    u_char                        kept[NGX_INT64_LEN];
    u_char                        packed[
                              APIKEY_TALLY_PACKED(NGX_HTTP_APIKEY_TALLY_MAX,
                                                  NGX_HTTP_APIKEY_USED_MAX)];
} ngx_http_apikey_usage_words_t;


static void ngx_http_apikey_tally_lose(ngx_http_apikey_tally_t *use);
static void ngx_http_apikey_tally_drop(ngx_http_apikey_tally_t *use);
static void ngx_http_apikey_usage_due(ngx_event_t *ev);
static void ngx_http_apikey_usage_wake(ngx_http_apikey_usage_t *usage);
static ngx_uint_t ngx_http_apikey_usage_send(ngx_http_apikey_usage_t *usage,
    ngx_uint_t most, ngx_msec_t age);
static ngx_uint_t ngx_http_apikey_usage_take(ngx_http_apikey_usage_t *usage,
    ngx_http_apikey_parcel_t *uses, ngx_uint_t most, ngx_msec_t age);
static ngx_redis_command_t *ngx_http_apikey_parcel_eval(
    ngx_http_apikey_parcel_t *uses);
static size_t ngx_http_apikey_tally_pack(ngx_http_apikey_tally_t *use,
    u_char *p);
static void ngx_http_apikey_parcel_sent(void *data, redisReply *reply);
static void ngx_http_apikey_tally_answered(ngx_http_apikey_tally_t *use,
    redisReply *reply);
static void ngx_http_apikey_tally_again(ngx_http_apikey_tally_t *use);
static void ngx_http_apikey_tally_wait(ngx_http_apikey_tally_t *use);
static void ngx_http_apikey_usage_complain(ngx_http_apikey_usage_t *usage,
    redisReply *reply);
static ngx_uint_t ngx_http_apikey_usage_refused(redisReply *reply);


/* Of what is being sent; nothing stays here between calls. */
static ngx_http_apikey_usage_words_t  ngx_http_apikey_usage_words;


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
    usage->together = amcf->redis->cluster ? 1 : NGX_HTTP_APIKEY_USES;

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
    ngx_uint_t                 n, sent;
    ngx_queue_t               *q;
    ngx_http_apikey_parcel_t  *uses;
    ngx_http_apikey_usage_t   *usage;

    usage = amcf->usage;
    usage->ending = 1;

    if (usage->timer.timer_set) {
        ngx_del_timer(&usage->timer);
    }

    do {
        n = 0;

        do {
            sent = ngx_http_apikey_usage_send(usage,
                                        NGX_HTTP_APIKEY_USAGE_LAST - n, 0);
            n += sent;
        } while (sent);

    } while (ngx_redis_finish(amcf->client) == NGX_OK
             && n && !ngx_queue_empty(&usage->waiting));

    while (!ngx_queue_empty(&usage->flying)) {
        q = ngx_queue_head(&usage->flying);
        uses = ngx_queue_data(q, ngx_http_apikey_parcel_t, queue);

        /* its answer may come while other things end */
        ngx_redis_cancel(uses->command);

        while (uses->n) {
            ngx_http_apikey_tally_lose(uses->use[--uses->n]);
        }

        ngx_queue_remove(q);
        ngx_free(uses);
    }

    while (!ngx_queue_empty(&usage->waiting)) {
        q = ngx_queue_head(&usage->waiting);
        ngx_http_apikey_tally_lose(ngx_queue_data(q, ngx_http_apikey_tally_t,
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
ngx_http_apikey_tally_lose(ngx_http_apikey_tally_t *use)
{
    use->usage->lost++;
    ngx_http_apikey_tally_free(use);
}


size_t
ngx_http_apikey_usage_waiting(ngx_http_apikey_main_conf_t *amcf)
{
    return amcf->usage ? amcf->usage->size : 0;
}


void
ngx_http_apikey_usage_relieve(ngx_http_apikey_usage_t *usage)
{
    ngx_queue_t  *q;

    if (ngx_queue_empty(&usage->waiting)
        || ngx_http_apikey_usage_send(usage, 1, 0))
    {
        return;
    }

    q = ngx_queue_head(&usage->waiting);
    ngx_http_apikey_tally_drop(ngx_queue_data(q, ngx_http_apikey_tally_t,
                                              queue));
}


static void
ngx_http_apikey_tally_drop(ngx_http_apikey_tally_t *use)
{
    use->usage->amcf->seat->usage_dropped++;

    if (!use->usage->dropping) {
        use->usage->dropping = 1;

        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "the usage of too many keys waits for redis: "
                      "the oldest is dropped");
    }

    ngx_http_apikey_tally_free(use);
}


/*
 * Some at a time: so few that neither the worker nor Redis is held up, so many
 * that Redis, for which each is cheaper the more there are in a write, finds
 * the script in the processor's caches.
 */

static void
ngx_http_apikey_usage_due(ngx_event_t *ev)
{
    ngx_uint_t                n, sent;
    ngx_http_apikey_usage_t  *usage;

    usage = ev->data;
    n = 0;

    do {
        sent = ngx_http_apikey_usage_send(usage,
                                          NGX_HTTP_APIKEY_USAGE_SOME - n,
                                          NGX_HTTP_APIKEY_USAGE_AGE);
        n += sent;
    } while (sent);

    ngx_http_apikey_usage_wake(usage);
}


static void
ngx_http_apikey_usage_wake(ngx_http_apikey_usage_t *usage)
{
    ngx_msec_t                age;
    ngx_queue_t              *q;
    ngx_http_apikey_tally_t  *use;

    if (ngx_queue_empty(&usage->waiting)) {
        return;
    }

    q = ngx_queue_head(&usage->waiting);
    use = ngx_queue_data(q, ngx_http_apikey_tally_t, queue);

    age = ngx_min(ngx_current_msec - use->since, NGX_HTTP_APIKEY_USAGE_AGE);

    ngx_add_timer(&usage->timer,
                  ngx_max(NGX_HTTP_APIKEY_USAGE_AGE - age,
                          NGX_HTTP_APIKEY_USAGE_SLICE));
}


/* The oldest, if they are of that age, by one command; returns how many. */

static ngx_uint_t
ngx_http_apikey_usage_send(ngx_http_apikey_usage_t *usage, ngx_uint_t most,
    ngx_msec_t age)
{
    ngx_uint_t                 i;
    ngx_http_apikey_tally_t   *use;
    ngx_http_apikey_parcel_t  *uses;

    if (usage->nflying >= NGX_HTTP_APIKEY_USAGE_FLYING
        || ngx_queue_empty(&usage->waiting))
    {
        return 0;
    }

    uses = ngx_alloc(sizeof(ngx_http_apikey_parcel_t), ngx_cycle->log);
    if (uses == NULL) {
        return 0;
    }

    uses->usage = usage;
    uses->n = ngx_http_apikey_usage_take(usage, uses,
                                         ngx_min(most, usage->together), age);

    uses->command = uses->n ? ngx_http_apikey_parcel_eval(uses) : NULL;

    if (uses->command == NULL) {
        ngx_free(uses);
        return 0;
    }

    for (i = 0; i < uses->n; i++) {
        use = uses->use[i];

        ngx_queue_remove(&use->queue);
        ngx_queue_init(&use->queue);

        /* what comes from now on is another one */

        if (use->entry->use == use) {
            use->entry->use = NULL;
        }
    }

    ngx_queue_insert_tail(&usage->flying, &uses->queue);
    usage->nflying += uses->n;

    return uses->n;
}


/* As many as there is room for in a command; they stay where they are. */

static ngx_uint_t
ngx_http_apikey_usage_take(ngx_http_apikey_usage_t *usage,
    ngx_http_apikey_parcel_t *uses, ngx_uint_t most, ngx_msec_t age)
{
    size_t                    size;
    ngx_uint_t                n;
    ngx_queue_t              *q;
    ngx_http_apikey_tally_t  *use;

    size = 0;
    n = 0;

    for (q = ngx_queue_head(&usage->waiting);
         q != ngx_queue_sentinel(&usage->waiting) && n < most;
         q = ngx_queue_next(q))
    {
        use = ngx_queue_data(q, ngx_http_apikey_tally_t, queue);
        size += APIKEY_TALLY_PACKED(use->tally.len, NGX_HTTP_APIKEY_USED_MAX);

        if (ngx_current_msec - use->since < age
            || size > sizeof(ngx_http_apikey_usage_words.packed))
        {
            break;
        }

        uses->use[n++] = use;
    }

    return n;
}


static ngx_redis_command_t *
ngx_http_apikey_parcel_eval(ngx_http_apikey_parcel_t *uses)
{
    u_char                         *p;
    size_t                          len;
    ngx_uint_t                      i;
    apikey_text_t                   prefix;
    ngx_redis_args_t                args;
    ngx_http_apikey_tally_t        *use;
    ngx_http_apikey_main_conf_t    *amcf;
    ngx_http_apikey_usage_words_t  *words;

    amcf = uses->usage->amcf;
    prefix = ngx_http_apikey_text(&amcf->prefix);
    words = &ngx_http_apikey_usage_words;

    args.n = 0;

    for (i = 0; i < uses->n; i++) {
        use = uses->use[i];

        ngx_redis_arg(&args, words->record[i],
                      apikey_names_record(words->record[i], prefix,
                                          use->entry->digest));
        ngx_redis_arg(&args, words->counts[i],
                      apikey_names_usage(words->counts[i], prefix,
                                         use->entry->digest, use->day));
    }

    p = ngx_sprintf(words->kept, "%i", amcf->usage_days * 86400);
    ngx_redis_arg(&args, words->kept, p - words->kept);

    p = words->packed;

    for (i = 0; i < uses->n; i++) {
        len = ngx_http_apikey_tally_pack(uses->use[i], p);

        ngx_redis_arg(&args, p, len);
        p += len;
    }

    return ngx_redis_eval(amcf->client, &amcf->usage_script, &args,
                          2 * uses->n, ngx_http_apikey_parcel_sent, uses);
}


static size_t
ngx_http_apikey_tally_pack(ngx_http_apikey_tally_t *use, u_char *p)
{
    u_char                 used[NGX_HTTP_APIKEY_USED_MAX];
    time_t                 now;
    apikey_usage_latest_t  latest;

    now = ngx_http_apikey_usage_now(use->usage);

    latest.seconds = use->used;
    latest.late = use->used / 86400 < now / 86400;

    latest.text.data = (char *) used;
    latest.text.len = ngx_sprintf(used, "%T %*s", use->used,
                                  (size_t) use->address_len, use->address)
                      - used;

    return apikey_tally_pack(p, &use->tally, &latest);
}


static void
ngx_http_apikey_parcel_sent(void *data, redisReply *reply)
{
    ngx_http_apikey_parcel_t *uses = data;

    ngx_uint_t                i;
    redisReply               *answer;
    ngx_http_apikey_usage_t  *usage;

    usage = uses->usage;
    usage->nflying -= uses->n;
    ngx_queue_remove(&uses->queue);

    for (i = 0; i < uses->n; i++) {

        if (reply && reply->type == REDIS_REPLY_ERROR && uses->n > 1
            && ngx_strncmp(reply->str, "CROSSSLOT ", 10) == 0)
        {
            /* a node of a Cluster, though configured as a single server */
            usage->together = 1;

            ngx_http_apikey_tally_wait(uses->use[i]);
            continue;
        }

        answer = reply;

        if (reply && reply->type == REDIS_REPLY_ARRAY) {
            answer = (i < reply->elements) ? reply->element[i] : NULL;
        }

        ngx_http_apikey_tally_answered(uses->use[i], answer);
    }

    ngx_free(uses);
}


static void
ngx_http_apikey_tally_answered(ngx_http_apikey_tally_t *use, redisReply *reply)
{
    ngx_http_apikey_usage_t  *usage;

    usage = use->usage;

    if (reply && reply->type == REDIS_REPLY_ERROR) {
        ngx_http_apikey_usage_complain(usage, reply);

        if (ngx_http_apikey_usage_refused(reply)) {
            ngx_http_apikey_tally_again(use);
            return;
        }

    } else if (reply) {
        usage->dropping = 0;

        if (reply->type == REDIS_REPLY_ARRAY) {
            ngx_http_apikey_events_found(usage->amcf, reply);
        }
    }

    ngx_http_apikey_tally_free(use);
}


static void
ngx_http_apikey_tally_again(ngx_http_apikey_tally_t *use)
{
    ngx_http_apikey_usage_t  *usage;

    usage = use->usage;

    if (usage->ending) {
        ngx_http_apikey_tally_lose(use);
        return;
    }

    if (usage->size > NGX_HTTP_APIKEY_USAGE_SIZE) {
        ngx_http_apikey_tally_drop(use);
        return;
    }

    ngx_http_apikey_tally_wait(use);
}


static void
ngx_http_apikey_tally_wait(ngx_http_apikey_tally_t *use)
{
    ngx_http_apikey_usage_t  *usage;

    usage = use->usage;
    use->since = ngx_current_msec;

    ngx_queue_remove(&use->queue);
    ngx_queue_insert_tail(&usage->waiting, &use->queue);

    if (!usage->ending && !usage->timer.timer_set) {
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
                  (size_t) ngx_min(reply->len, NGX_REDIS_LOG_MAX), reply->str);
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
