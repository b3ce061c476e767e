/*
 * How a worker learns of changes, and shows that it does: it listens on the
 * channel of changes, answers those who wait for it, and registers itself
 * every second.  Whoever changes a record waits for the workers registered
 * within the last five seconds; a worker that has not been heard of, or has not
 * heard of Redis, for less than that trusts nothing that it has cached.
 *
 * One worker also tells the plans, wherever it may not be known to have told
 * them, until it has to end: who reads them asks whether it still registers.
 */

#include "ngx_http_apikey_changes.h"
#include "ngx_http_apikey_metrics.h"


#define NGX_HTTP_APIKEY_BEAT        1000   /* milliseconds */
#define NGX_HTTP_APIKEY_UNBEATEN    3500   /* of this worker */
#define NGX_HTTP_APIKEY_TAG_LEN     6
#define NGX_HTTP_APIKEY_NAME_LEN    (NGX_MAXHOSTNAMELEN + 1                   \
                                     + NGX_HTTP_APIKEY_TAG_LEN + 1            \
                                     + NGX_INT64_LEN)


struct ngx_http_apikey_watch_s {
    ngx_http_apikey_main_conf_t  *amcf;
    ngx_redis_subscription_t      subscription;
    ngx_event_t                   beat;
    ngx_msec_t                    sent;      /* the beat under way */
    ngx_msec_t                    beaten;    /* the last that Redis knows */
    ngx_msec_t                    started;
    ngx_msec_t                    registered;  /* without a lapse since */
    ngx_uint_t                    known;     /* to Redis, ever */
    ngx_uint_t                    planned;   /* Redis has the plans */
    ngx_uint_t                    logged;    /* that Redis refuses */
    ngx_uint_t                    up;
    ngx_uint_t                    beating;   /* a beat is under way */
    ngx_str_t                     gateways;
    ngx_str_t                     plans;
    ngx_str_t                     name;
    ngx_str_t                     text;      /* of the plans */
    char                          pepper[APIKEY_PEPPER_PRINT];
    u_char                        buf[3 * APIKEY_NAME_SIZE
                                      + NGX_HTTP_APIKEY_NAME_LEN];
};


static void ngx_http_apikey_watch_up(void *data);
static void ngx_http_apikey_watch_down(void *data);
static void ngx_http_apikey_watch_message(void *data, ngx_str_t *text);
static void ngx_http_apikey_watch_beat(ngx_event_t *ev);
static void ngx_http_apikey_watch_beaten(void *data, redisReply *reply);
static void ngx_http_apikey_watch_plans(ngx_http_apikey_watch_t *watch);
static void ngx_http_apikey_watch_planned(void *data, redisReply *reply);
static void ngx_http_apikey_watch_leave(ngx_http_apikey_watch_t *watch,
    ngx_str_t *register_name);
static void ngx_http_apikey_watch_ignore(void *data, redisReply *reply);


/* Of the gateway, as long as its master runs. */
static ngx_str_t  ngx_http_apikey_tag;


/* Containers may share the name of their host, and their pids. */

void
ngx_http_apikey_watch_init(void)
{
    static char  id[APIKEY_ID_SIZE];

    if (ngx_http_apikey_tag.len == 0) {
        apikey_token_generate_id(id);

        ngx_http_apikey_tag.data = (u_char *) id;
        ngx_http_apikey_tag.len = NGX_HTTP_APIKEY_TAG_LEN;
    }
}


ngx_int_t
ngx_http_apikey_watch_start(ngx_http_apikey_main_conf_t *amcf,
    ngx_cycle_t *cycle)
{
    char                     *p;
    apikey_text_t             prefix;
    ngx_http_apikey_watch_t  *watch;

    watch = ngx_pcalloc(cycle->pool, sizeof(ngx_http_apikey_watch_t));
    if (watch == NULL) {
        return NGX_ERROR;
    }

    prefix = ngx_http_apikey_text(&amcf->prefix);

    p = (char *) watch->buf;

    watch->subscription.channel.data = (u_char *) p;
    watch->subscription.channel.len = apikey_names_changes(p, prefix);
    p += watch->subscription.channel.len;

    watch->gateways.data = (u_char *) p;
    watch->gateways.len = apikey_names_gateways(p, prefix);
    p += watch->gateways.len;

    watch->plans.data = (u_char *) p;
    watch->plans.len = apikey_names_plans(p, prefix);
    p += watch->plans.len;

    watch->name.data = (u_char *) p;
    watch->name.len = ngx_sprintf(watch->name.data, "%V:%V:%P",
                                  &cycle->hostname, &ngx_http_apikey_tag,
                                  ngx_pid)
                      - watch->name.data;

    watch->subscription.up = ngx_http_apikey_watch_up;
    watch->subscription.down = ngx_http_apikey_watch_down;
    watch->subscription.message = ngx_http_apikey_watch_message;
    watch->subscription.data = watch;

    watch->amcf = amcf;
    watch->started = ngx_current_msec;

    watch->beat.handler = ngx_http_apikey_watch_beat;
    watch->beat.data = watch;
    watch->beat.log = cycle->log;
    watch->beat.cancelable = 1;

    if (ngx_http_apikey_plan_list(amcf, cycle->pool, &watch->text) != NGX_OK)
    {
        return NGX_ERROR;
    }

    apikey_pepper_print(watch->pepper, amcf->pepper);

    amcf->watch = watch;

    ngx_add_timer(&watch->beat, NGX_HTTP_APIKEY_BEAT);

    return ngx_redis_subscribe(amcf->client, &watch->subscription);
}


void
ngx_http_apikey_watch_stop(ngx_http_apikey_main_conf_t *amcf)
{
    ngx_http_apikey_watch_t  *watch;

    watch = amcf->watch;

    if (watch->beat.timer_set) {
        ngx_del_timer(&watch->beat);
    }

    if (watch->planned) {
        ngx_http_apikey_watch_leave(watch, &watch->plans);
    }

    ngx_http_apikey_watch_leave(watch, &watch->gateways);
}


ngx_uint_t
ngx_http_apikey_watch_trusted(ngx_http_apikey_main_conf_t *amcf)
{
    ngx_http_apikey_watch_t  *watch;

    watch = amcf->watch;

    return watch->up
           && watch->known
           && (ngx_msec_int_t) (watch->subscription.heard - watch->registered)
              >= 0
           && ngx_current_msec - watch->subscription.heard
              < NGX_HTTP_APIKEY_UNHEARD
           && ngx_current_msec - watch->beaten < NGX_HTTP_APIKEY_UNBEATEN;
}


void
ngx_http_apikey_watch_sample(ngx_http_apikey_main_conf_t *amcf)
{
    ngx_http_apikey_seat_t   *seat;
    ngx_http_apikey_watch_t  *watch;

    seat = amcf->seat;
    watch = amcf->watch;

    if (seat == NULL || amcf->client == NULL) {
        return;
    }

    seat->sampled = ngx_current_msec;
    seat->heard = watch->subscription.heard;
    seat->subscribed = watch->up;
    seat->trusting = ngx_http_apikey_watch_trusted(amcf);
    seat->usage_waiting = ngx_http_apikey_usage_waiting(amcf);
    seat->nreports = ngx_redis_reports(amcf->client, seat->reports,
                                       NGX_HTTP_APIKEY_REPORTS);
}


static void
ngx_http_apikey_watch_up(void *data)
{
    ngx_http_apikey_watch_t *watch = data;

    watch->up = 1;

    /* nobody knows what was missed, nor whether this one knows the worker */

    watch->known = 0;
    watch->planned = 0;

    if (watch->amcf->zone) {
        ngx_http_apikey_zone_doubt(watch->amcf->zone);
    }

    ngx_http_apikey_changes_hear(watch->amcf->changes, NULL);

    ngx_http_apikey_watch_beat(&watch->beat);
}


static void
ngx_http_apikey_watch_down(void *data)
{
    ngx_http_apikey_watch_t *watch = data;

    watch->up = 0;
    ngx_http_apikey_watch_sample(watch->amcf);
}


/* "DIGEST REV" or, if somebody waits, "DIGEST REV TOKEN" */

static void
ngx_http_apikey_watch_message(void *data, ngx_str_t *text)
{
    ngx_http_apikey_watch_t *watch = data;

    apikey_text_t                 list, digest, token, prefix;
    ngx_redis_args_t              args;
    unsigned char                 key[APIKEY_DIGEST_SIZE];
    char                          channel[APIKEY_NAME_SIZE];
    ngx_http_apikey_main_conf_t  *amcf;

    amcf = watch->amcf;
    list = ngx_http_apikey_text(text);

    digest = apikey_text_word(&list);
    (void) apikey_text_word(&list);
    token = apikey_text_word(&list);

    if (apikey_digest_parse(key, digest) != APIKEY_OK) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "apikey got a change that names no key");
        return;
    }

    if (amcf->zone) {
        ngx_http_apikey_zone_drop(amcf->zone, key);
    }

    ngx_http_apikey_changes_hear(amcf->changes, key);

    if (token.len == 0 || token.len > APIKEY_LABEL_MAX) {
        return;
    }

    prefix = ngx_http_apikey_text(&amcf->prefix);

    args.n = 0;

    ngx_redis_arg(&args, "PUBLISH", 7);
    ngx_redis_arg(&args, channel, apikey_names_acks(channel, prefix, token));
    ngx_redis_arg(&args, watch->name.data, watch->name.len);

    (void) ngx_redis_command_send(amcf->client, &args,
                                  ngx_http_apikey_watch_ignore, NULL);
}


static void
ngx_http_apikey_watch_beat(ngx_event_t *ev)
{
    u_char                       *p, uptime[NGX_INT64_LEN];
    ngx_redis_args_t              args;
    ngx_http_apikey_watch_t      *watch;
    ngx_http_apikey_main_conf_t  *amcf;

    watch = ev->data;
    amcf = watch->amcf;

    if (ev->timer_set) {
        ngx_del_timer(ev);
    }

    ngx_add_timer(ev, NGX_HTTP_APIKEY_BEAT);

    ngx_http_apikey_watch_sample(amcf);

    p = ngx_sprintf(uptime, "%M", (ngx_current_msec - watch->started) / 1000);

    args.n = 0;

    ngx_redis_arg(&args, watch->gateways.data, watch->gateways.len);
    ngx_redis_arg(&args, watch->name.data, watch->name.len);
    ngx_redis_arg(&args, APIKEY_VERSION,
                  sizeof(APIKEY_VERSION) - 1);
    ngx_redis_arg(&args, uptime, p - uptime);

    /* a worker that has to end knows no new keys, whatever their pepper */

    if (ngx_exiting) {
        ngx_redis_arg(&args, "-", 1);
    } else {
        ngx_redis_arg(&args, watch->pepper, APIKEY_PEPPER_PRINT);
    }

    if (amcf->zone) {
        ngx_http_apikey_lease_sweep(amcf, 0);
    }

    if (watch->beating) {
        return;
    }

    watch->sent = ngx_current_msec;

    if (ngx_redis_eval(amcf->client, &amcf->beat, &args, 1,
                       ngx_http_apikey_watch_beaten, watch))
    {
        watch->beating = 1;
    }
}


static void
ngx_http_apikey_watch_beaten(void *data, redisReply *reply)
{
    ngx_http_apikey_watch_t *watch = data;

    watch->beating = 0;

    if (reply == NULL) {
        return;
    }

    if (reply->type == REDIS_REPLY_STRING) {

        /*
         * who has changed a record just before didn't wait for this worker:
         * that change is heard of before the answer to a PING from now on
         */

        if (!watch->known
            || ngx_current_msec - watch->beaten >= NGX_HTTP_APIKEY_UNBEATEN)
        {
            watch->registered = ngx_current_msec;
            ngx_redis_subscription_check(watch->amcf->client);
        }

        ngx_http_apikey_failover_end(watch->amcf, 1);

        watch->known = 1;
        watch->logged = 0;
        watch->beaten = watch->sent;

        if (reply->len == 3 /* "new" */) {
            watch->planned = 0;
        }

        ngx_http_apikey_watch_plans(watch);

        return;
    }

    if (!watch->logged && reply->type == REDIS_REPLY_ERROR) {
        watch->logged = 1;

        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "redis does not register this worker, "
                      "so it trusts no cached record: \"%*s\"",
                      (size_t) ngx_min(reply->len, NGX_REDIS_LOG_MAX),
                      reply->str);
    }
}


/* A worker that has to end serves nobody new. */

static void
ngx_http_apikey_watch_plans(ngx_http_apikey_watch_t *watch)
{
    ngx_redis_args_t  args;

    if (ngx_exiting) {

        if (watch->planned) {
            ngx_http_apikey_watch_leave(watch, &watch->plans);
            watch->planned = 0;
        }

        return;
    }

    if (watch->planned || ngx_worker || watch->text.len == 0) {
        return;
    }

    args.n = 0;

    ngx_redis_arg(&args, "HSET", 4);
    ngx_redis_arg(&args, watch->plans.data, watch->plans.len);
    ngx_redis_arg(&args, watch->name.data, watch->name.len);
    ngx_redis_arg(&args, watch->text.data, watch->text.len);

    if (ngx_redis_command_send(watch->amcf->client, &args,
                               ngx_http_apikey_watch_planned, watch))
    {
        watch->planned = 1;
    }
}


/* What is lost is told again; what Redis refuses, it would refuse again. */

static void
ngx_http_apikey_watch_planned(void *data, redisReply *reply)
{
    ngx_http_apikey_watch_t *watch = data;

    if (reply == NULL) {
        watch->planned = 0;
    }
}


static void
ngx_http_apikey_watch_leave(ngx_http_apikey_watch_t *watch,
    ngx_str_t *register_name)
{
    ngx_redis_args_t  args;

    args.n = 0;

    ngx_redis_arg(&args, "HDEL", 4);
    ngx_redis_arg(&args, register_name->data, register_name->len);
    ngx_redis_arg(&args, watch->name.data, watch->name.len);

    (void) ngx_redis_command_send(watch->amcf->client, &args,
                                  ngx_http_apikey_watch_ignore, NULL);
}


static void
ngx_http_apikey_watch_ignore(void *data, redisReply *reply)
{
    /* who waits for it notices */
}
