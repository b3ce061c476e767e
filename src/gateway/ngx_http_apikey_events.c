/*
 * What a gateway tells of, in a stream in Redis.  usage.lua finds most of it
 * and marks it as told; that keys expire soon is found here, once a minute, by
 * the one who takes the key off the list.
 */

#include "ngx_http_apikey.h"


#define NGX_HTTP_APIKEY_WHO           4          /* id, name, org, project */
#define NGX_HTTP_APIKEY_DETAILS       8          /* names and values */

#define NGX_HTTP_APIKEY_EXPIRING      (7 * 86400)
#define NGX_HTTP_APIKEY_EXPIRING_LATE (6 * 86400)   /* after that */
#define NGX_HTTP_APIKEY_EXPIRING_ROUND  60000    /* milliseconds */
#define NGX_HTTP_APIKEY_EXPIRING_AGAIN  1000     /* there may be more */
#define NGX_HTTP_APIKEY_EXPIRING_MANY   100


/* A key that expires soon, on its way from its id to its event. */
typedef struct {
    ngx_http_apikey_main_conf_t  *amcf;
    u_char                        digest[APIKEY_DIGEST_SIZE];
    size_t                        id_len;
    u_char                        id[1];
} ngx_http_apikey_expiring_t;


struct ngx_http_apikey_events_s {
    ngx_http_apikey_main_conf_t  *amcf;
    ngx_event_t                   timer;
};


static void ngx_http_apikey_event_add(ngx_http_apikey_main_conf_t *amcf,
    ngx_str_t *type, ngx_str_t *who, ngx_str_t *details, ngx_uint_t n);
static ngx_uint_t ngx_http_apikey_event_text(redisReply *reply,
    ngx_str_t *text);
static void ngx_http_apikey_expiring_look(ngx_event_t *ev);
static void ngx_http_apikey_expiring_listed(void *data, redisReply *reply);
static void ngx_http_apikey_expiring_find(ngx_http_apikey_main_conf_t *amcf,
    redisReply *id);
static void ngx_http_apikey_expiring_found(void *data, redisReply *reply);
static void ngx_http_apikey_expiring_taken(void *data, redisReply *reply);
static void ngx_http_apikey_expiring_read(void *data, redisReply *reply);


void
ngx_http_apikey_events_found(ngx_http_apikey_main_conf_t *amcf,
    redisReply *reply)
{
    size_t       i, k;
    ngx_str_t    who[NGX_HTTP_APIKEY_WHO], details[NGX_HTTP_APIKEY_DETAILS];
    ngx_str_t    type;
    redisReply  *event;

    if (reply->elements < NGX_HTTP_APIKEY_WHO) {
        return;
    }

    for (i = 0; i < NGX_HTTP_APIKEY_WHO; i++) {
        (void) ngx_http_apikey_event_text(reply->element[i], &who[i]);
    }

    for ( /* void */ ; i < reply->elements; i++) {
        event = reply->element[i];

        if (event->type != REDIS_REPLY_ARRAY
            || event->elements % 2 == 0
            || event->elements - 1 > NGX_HTTP_APIKEY_DETAILS
            || !ngx_http_apikey_event_text(event->element[0], &type))
        {
            continue;
        }

        for (k = 1; k < event->elements; k++) {
            (void) ngx_http_apikey_event_text(event->element[k],
                                              &details[k - 1]);
        }

        ngx_http_apikey_event_add(amcf, &type, who, details, k - 1);
    }
}


static ngx_uint_t
ngx_http_apikey_event_text(redisReply *reply, ngx_str_t *text)
{
    text->len = 0;
    text->data = (u_char *) "";

    if (reply->type != REDIS_REPLY_STRING) {
        return 0;
    }

    text->len = reply->len;
    text->data = (u_char *) reply->str;

    return 1;
}


static void
ngx_http_apikey_event_add(ngx_http_apikey_main_conf_t *amcf, ngx_str_t *type,
    ngx_str_t *who, ngx_str_t *details, ngx_uint_t n)
{
    ngx_uint_t        i;
    ngx_redis_args_t  fields;

    static ngx_str_t  names[NGX_HTTP_APIKEY_WHO] = {
        ngx_string("key"),
        ngx_string("name"),
        ngx_string("org"),
        ngx_string("project")
    };

    fields.n = 0;

    ngx_redis_arg(&fields, "type", 4);
    ngx_redis_arg(&fields, type->data, type->len);

    for (i = 0; i < NGX_HTTP_APIKEY_WHO; i++) {
        if (who[i].len) {
            ngx_redis_arg(&fields, names[i].data, names[i].len);
            ngx_redis_arg(&fields, who[i].data, who[i].len);
        }
    }

    for (i = 0; i < n; i++) {
        ngx_redis_arg(&fields, details[i].data, details[i].len);
    }

    ngx_http_apikey_stream_add(amcf, &fields);
}


ngx_int_t
ngx_http_apikey_events_start(ngx_http_apikey_main_conf_t *amcf,
    ngx_log_t *log)
{
    ngx_http_apikey_events_t  *events;

    if (ngx_worker) {
        /* one worker is enough */
        return NGX_OK;
    }

    events = ngx_calloc(sizeof(ngx_http_apikey_events_t), log);
    if (events == NULL) {
        return NGX_ERROR;
    }

    events->amcf = amcf;
    events->timer.handler = ngx_http_apikey_expiring_look;
    events->timer.data = events;
    events->timer.log = log;
    events->timer.cancelable = 1;

    amcf->events = events;

    ngx_add_timer(&events->timer, NGX_HTTP_APIKEY_EXPIRING_AGAIN);

    return NGX_OK;
}


void
ngx_http_apikey_events_stop(ngx_http_apikey_main_conf_t *amcf)
{
    if (amcf->events == NULL) {
        return;
    }

    if (amcf->events->timer.timer_set) {
        ngx_del_timer(&amcf->events->timer);
    }

    ngx_free(amcf->events);
    amcf->events = NULL;
}


static void
ngx_http_apikey_expiring_look(ngx_event_t *ev)
{
    char                          name[APIKEY_NAME_SIZE];
    u_char                       *p, till[NGX_TIME_T_LEN], many[NGX_INT_T_LEN],
                                  late[NGX_TIME_T_LEN];
    ngx_redis_args_t              args;
    ngx_http_apikey_events_t     *events;
    ngx_http_apikey_main_conf_t  *amcf;

    events = ev->data;
    amcf = events->amcf;

    ngx_add_timer(ev, NGX_HTTP_APIKEY_EXPIRING_ROUND);

    args.n = 0;

    ngx_redis_arg(&args, name,
                  apikey_names_expiring(name,
                                        ngx_http_apikey_text(&amcf->prefix)));

    p = ngx_sprintf(till, "%T", ngx_time() + NGX_HTTP_APIKEY_EXPIRING);
    ngx_redis_arg(&args, till, p - till);

    p = ngx_sprintf(many, "%i", (ngx_int_t) NGX_HTTP_APIKEY_EXPIRING_MANY);
    ngx_redis_arg(&args, many, p - many);

    p = ngx_sprintf(late, "%i", (ngx_int_t) NGX_HTTP_APIKEY_EXPIRING_LATE);
    ngx_redis_arg(&args, late, p - late);

    (void) ngx_redis_eval(amcf->client, &amcf->expiring, &args, 1,
                          ngx_http_apikey_expiring_listed, amcf);
}


/* How many there were, and ids. */

static void
ngx_http_apikey_expiring_listed(void *data, redisReply *reply)
{
    ngx_http_apikey_main_conf_t *amcf = data;

    size_t  i;

    if (reply == NULL) {
        return;
    }

    if (reply->type != REDIS_REPLY_ARRAY
        || reply->elements == 0
        || reply->element[0]->type != REDIS_REPLY_INTEGER)
    {
        if (reply->type == REDIS_REPLY_ERROR) {
            ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                          "redis does not list the keys that expire soon: "
                          "\"%*s\"",
                          (size_t) ngx_min(reply->len, NGX_REDIS_LOG_MAX),
                          reply->str);
        }

        return;
    }

    for (i = 1; i < reply->elements; i++) {
        if (reply->element[i]->type == REDIS_REPLY_STRING) {
            ngx_http_apikey_expiring_find(amcf, reply->element[i]);
        }
    }

    if (reply->element[0]->integer == NGX_HTTP_APIKEY_EXPIRING_MANY
        && amcf->events)
    {
        ngx_add_timer(&amcf->events->timer, NGX_HTTP_APIKEY_EXPIRING_AGAIN);
    }
}


static void
ngx_http_apikey_expiring_find(ngx_http_apikey_main_conf_t *amcf,
    redisReply *id)
{
    char                         name[APIKEY_NAME_SIZE];
    unsigned                     bucket;
    apikey_text_t                text;
    ngx_redis_args_t             args;
    ngx_http_apikey_expiring_t  *key;

    key = ngx_alloc(sizeof(ngx_http_apikey_expiring_t) + id->len,
                    ngx_cycle->log);
    if (key == NULL) {
        return;
    }

    key->amcf = amcf;
    key->id_len = id->len;
    ngx_memcpy(key->id, id->str, id->len);

    text.data = id->str;
    text.len = id->len;
    bucket = apikey_names_bucket(text);

    args.n = 0;

    ngx_redis_arg(&args, "HGET", 4);
    ngx_redis_arg(&args, name,
                  apikey_names_ids(name, ngx_http_apikey_text(&amcf->prefix),
                                   bucket));
    ngx_redis_arg(&args, key->id, key->id_len);

    if (ngx_redis_command_send(amcf->client, &args,
                               ngx_http_apikey_expiring_found, key)
        == NULL)
    {
        ngx_free(key);
    }
}


/* Whoever removes it from the list tells of it, if there is such a key. */

static void
ngx_http_apikey_expiring_found(void *data, redisReply *reply)
{
    ngx_http_apikey_expiring_t *key = data;

    char              name[APIKEY_NAME_SIZE];
    apikey_text_t     hex;
    ngx_redis_args_t  args;

    hex.data = "";
    hex.len = 0;

    if (reply && reply->type == REDIS_REPLY_STRING) {
        hex.data = reply->str;
        hex.len = reply->len;
    }

    if (apikey_digest_parse(key->digest, hex) != APIKEY_OK) {
        ngx_memzero(key->digest, APIKEY_DIGEST_SIZE);
    }

    args.n = 0;

    ngx_redis_arg(&args, "ZREM", 4);
    ngx_redis_arg(&args, name,
                  apikey_names_expiring(name,
                                   ngx_http_apikey_text(&key->amcf->prefix)));
    ngx_redis_arg(&args, key->id, key->id_len);

    if (reply == NULL
        || reply->type == REDIS_REPLY_ERROR
        || ngx_redis_command_send(key->amcf->client, &args,
                                  ngx_http_apikey_expiring_taken, key)
           == NULL)
    {
        ngx_free(key);
    }
}


static void
ngx_http_apikey_expiring_taken(void *data, redisReply *reply)
{
    ngx_http_apikey_expiring_t *key = data;

    char              name[APIKEY_NAME_SIZE];
    ngx_redis_args_t  args;

    args.n = 0;

    ngx_redis_arg(&args, "HMGET", 5);
    ngx_redis_arg(&args, name,
                  apikey_names_record(name,
                                   ngx_http_apikey_text(&key->amcf->prefix),
                                   key->digest));
    ngx_redis_arg(&args, "id", 2);
    ngx_redis_arg(&args, "name", 4);
    ngx_redis_arg(&args, "org", 3);
    ngx_redis_arg(&args, "project", 7);
    ngx_redis_arg(&args, "status", 6);
    ngx_redis_arg(&args, "expires", 7);

    if (reply == NULL
        || reply->type != REDIS_REPLY_INTEGER
        || reply->integer != 1
        || ngx_redis_command_send(key->amcf->client, &args,
                                  ngx_http_apikey_expiring_read, key)
           == NULL)
    {
        ngx_free(key);
    }
}


/* It may have got another time, or have been revoked. */

static void
ngx_http_apikey_expiring_read(void *data, redisReply *reply)
{
    ngx_http_apikey_expiring_t *key = data;

    size_t      i;
    time_t      expires;
    ngx_str_t   who[NGX_HTTP_APIKEY_WHO], status, details[2];

    static ngx_str_t  type = ngx_string("expiring");

    if (reply == NULL
        || reply->type != REDIS_REPLY_ARRAY
        || reply->elements != NGX_HTTP_APIKEY_WHO + 2)
    {
        goto done;
    }

    for (i = 0; i < NGX_HTTP_APIKEY_WHO; i++) {
        (void) ngx_http_apikey_event_text(reply->element[i], &who[i]);
    }

    (void) ngx_http_apikey_event_text(reply->element[i++], &status);
    (void) ngx_http_apikey_event_text(reply->element[i], &details[1]);

    expires = ngx_atotm(details[1].data, details[1].len);

    if (who[0].len
        && ngx_http_apikey_is(&status, "active")
        && expires > ngx_time()
        && expires <= ngx_time() + NGX_HTTP_APIKEY_EXPIRING)
    {
        ngx_str_set(&details[0], "expires");
        ngx_http_apikey_event_add(key->amcf, &type, who, details, 2);
    }

done:

    ngx_free(key);
}
