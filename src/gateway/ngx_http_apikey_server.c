/*
 * The directives that name what the gateway stands on: the Redis server
 * and the secret of the keyed hash.
 */

#include "ngx_http_apikey.h"

#include <sodium.h>


#define NGX_HTTP_APIKEY_DB_MAX  65535


static char *ngx_http_apikey_redis_check(ngx_conf_t *cf,
    ngx_redis_conf_t *redis);
static char *ngx_http_apikey_redis_address(ngx_conf_t *cf,
    ngx_redis_conf_t *redis, ngx_str_t *value);
static char *ngx_http_apikey_redis_option(ngx_conf_t *cf,
    ngx_http_apikey_main_conf_t *amcf, ngx_redis_conf_t *redis,
    ngx_str_t *value);
static const char *ngx_http_apikey_server_read_secret(ngx_conf_t *cf,
    ngx_str_t *path, u_char *buf, size_t size, ssize_t *len, ngx_err_t *err);
static void ngx_http_apikey_pepper_cleanup(void *data);


char *
ngx_http_apikey_redis(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_apikey_main_conf_t *amcf = conf;

    char              *rv;
    ngx_str_t         *value;
    ngx_uint_t         i;
    ngx_redis_conf_t  *redis;

    if (amcf->redis) {
        return "is duplicate";
    }

    redis = ngx_pcalloc(cf->pool, sizeof(ngx_redis_conf_t));
    if (redis == NULL
        || ngx_array_init(&redis->servers, cf->pool, 1,
                          sizeof(ngx_redis_server_t))
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    redis->connect_timeout = 250;
    redis->timeout = 100;
    redis->tls.on = NGX_CONF_UNSET;

    amcf->redis = redis;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strlchr(value[i].data, value[i].data + value[i].len, '=')
            && ngx_http_apikey_redis_option(cf, amcf, redis, &value[i])
               != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    /* the mode is known: a sentinel has a port of its own */

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strlchr(value[i].data, value[i].data + value[i].len, '=')
            == NULL
            && ngx_http_apikey_redis_address(cf, redis, &value[i])
               != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    rv = ngx_http_apikey_redis_check(cf, redis);

    return rv == NGX_CONF_OK ? ngx_http_apikey_tls(cf, redis) : rv;
}


/* Does it all go together? */

static char *
ngx_http_apikey_redis_check(ngx_conf_t *cf, ngx_redis_conf_t *redis)
{
    ngx_redis_server_t  *server;

    if (redis->servers.nelts == 0) {
        return "has no address";
    }

    if (redis->sentinel && redis->master.len == 0) {
        return "has \"mode=sentinel\" without \"master\"";
    }

    if (redis->master.len && !redis->sentinel) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unexpected \"master=%V\" in \"apikey_redis\": "
                           "the mode isn't \"sentinel\"", &redis->master);
        return NGX_CONF_ERROR;
    }

    if (redis->servers.nelts > 1 && !redis->cluster && !redis->sentinel) {
        server = redis->servers.elts;

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unexpected \"%V\" in \"apikey_redis\": a single "
                           "server has one address", &server[1].name);
        return NGX_CONF_ERROR;
    }

    if (redis->user.len && redis->password.len == 0) {
        return "has \"user\" without \"password_file\"";
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_apikey_redis_address(ngx_conf_t *cf, ngx_redis_conf_t *redis,
    ngx_str_t *value)
{
    u_char              *last;
    ngx_url_t            url;
    ngx_redis_server_t  *server;

    server = ngx_array_push(&redis->servers);
    if (server == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(server, sizeof(ngx_redis_server_t));
    ngx_memzero(&url, sizeof(ngx_url_t));

    url.url = *value;
    url.default_port = redis->sentinel ? 26379 : 6379;

    if (ngx_parse_url(cf->pool, &url) != NGX_OK || url.naddrs == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid address \"%V\" in \"apikey_redis\": %s",
                           value, url.err ? url.err : "no address");
        return NGX_CONF_ERROR;
    }

    server->name = url.url;
    server->addrs = url.addrs;
    server->naddrs = url.naddrs;
    server->port = url.port;

    if (url.family == AF_UNIX) {
        return NGX_CONF_OK;
    }

    server->tls_name.len = url.host.len;
    server->tls_name.data = ngx_pnalloc(cf->pool, url.host.len + 1);
    if (server->tls_name.data == NULL) {
        return NGX_CONF_ERROR;
    }

    last = ngx_cpymem(server->tls_name.data, url.host.data, url.host.len);
    *last = '\0';

    if (url.host.data[0] == '[') {
        server->tls_name.data++;
        server->tls_name.len -= 2;
        server->tls_name.data[server->tls_name.len] = '\0';
    }

    /* a literal address stays what it is */

    if (ngx_inet_addr(url.host.data, url.host.len) == INADDR_NONE
        && url.host.data[0] != '[')
    {
        server->host = url.host;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_apikey_redis_option(ngx_conf_t *cf,
    ngx_http_apikey_main_conf_t *amcf, ngx_redis_conf_t *redis,
    ngx_str_t *value)
{
    u_char       buf[1024];
    size_t       skip;
    ssize_t      len;
    ngx_err_t    err;
    ngx_int_t    n;
    ngx_str_t    arg;
    const char  *why;

    skip = ngx_strlchr(value->data, value->data + value->len, '=') + 1
           - value->data;

    arg.data = value->data + skip;
    arg.len = value->len - skip;

#define ngx_http_apikey_option(name)                                          \
    (skip == sizeof(name)                                                     \
     && ngx_strncmp(value->data, name, sizeof(name) - 1) == 0)

    err = 0;
    why = NULL;

    if (arg.len == 0) {
        why = "the value is empty";

    } else if (ngx_http_apikey_option("mode")) {

        redis->sentinel = ngx_http_apikey_is(&arg, "sentinel");
        redis->cluster = ngx_http_apikey_is(&arg, "cluster");

        if (!redis->sentinel && !redis->cluster
            && !ngx_http_apikey_is(&arg, "single"))
        {
            why = "the mode must be one of "
                  "\"single\", \"sentinel\", \"cluster\"";
        }

    } else if (ngx_http_apikey_option("master")) {
        redis->master = arg;

    } else if (ngx_http_apikey_option("db")) {
        n = ngx_atoi(arg.data, arg.len);

        if (n == NGX_ERROR || n > NGX_HTTP_APIKEY_DB_MAX) {
            why = "not the number of a database";
        }

        redis->db = n;

    } else if (ngx_http_apikey_option("user")) {
        redis->user = arg;

    } else if (ngx_http_apikey_option("password_file")) {

        amcf->password_file = arg;
        why = ngx_http_apikey_server_read_secret(cf, &amcf->password_file, buf,
                                                 sizeof(buf), &len, &err);

        if (why == NULL) {
            while (len && (buf[len - 1] == LF || buf[len - 1] == CR)) {
                len--;
            }

            redis->password.data = ngx_pnalloc(cf->pool, len + 1);
            if (redis->password.data == NULL) {
                return NGX_CONF_ERROR;
            }

            ngx_memcpy(redis->password.data, buf, len);
            redis->password.len = len;

            if (len == 0) {
                why = "the file is empty";
            }
        }

        ngx_explicit_memzero(buf, sizeof(buf));

    } else if (ngx_http_apikey_option("connect_timeout")
               || ngx_http_apikey_option("timeout"))
    {
        n = ngx_parse_time(&arg, 0);

        if (n == NGX_ERROR || n == 0) {
            why = "not a time above zero";

        } else if (ngx_http_apikey_option("timeout")) {
            redis->timeout = n;

        } else {
            redis->connect_timeout = n;
        }

    } else {
        why = ngx_http_apikey_tls_option(&redis->tls, value, &arg);
    }

#undef ngx_http_apikey_option

    if (why == NULL) {
        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, err,
                       "invalid \"%V\" in \"apikey_redis\": %s", value, why);

    return NGX_CONF_ERROR;
}


char *
ngx_http_apikey_pepper_file(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_apikey_main_conf_t *amcf = conf;

    u_char               buf[APIKEY_PEPPER_FILE_MAX + 1];
    ssize_t              len;
    ngx_err_t            err;
    ngx_str_t           *value;
    const char          *why;
    apikey_text_t        content;
    ngx_pool_cleanup_t  *cln;

    if (amcf->pepper) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (sodium_init() == -1) {
        return "can't initialize libsodium";
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    /* memory of its own, which core dumps leave out */
    amcf->pepper = sodium_malloc(sizeof(apikey_pepper_t));
    if (amcf->pepper == NULL) {
        return "can't allocate memory for the pepper";
    }

    cln->handler = ngx_http_apikey_pepper_cleanup;
    cln->data = amcf;

    amcf->memo = apikey_memo_create(amcf->pepper);
    if (amcf->memo == NULL) {
        return "can't allocate memory for keys";
    }

    err = 0;
    why = ngx_http_apikey_server_read_secret(cf, &value[1], buf, sizeof(buf),
                                             &len, &err);
    if (why == NULL) {
        content.data = (char *) buf;
        content.len = len;

        if (apikey_pepper_set(amcf->pepper, content, &why) == APIKEY_OK) {
            why = NULL;
        }
    }

    ngx_explicit_memzero(buf, sizeof(buf));

    if (why) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, err,
                           "invalid pepper file \"%V\": %s", &value[1], why);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* Returns what speaks against the file, with *err, or NULL. */

static const char *
ngx_http_apikey_server_read_secret(ngx_conf_t *cf, ngx_str_t *path, u_char *buf,
    size_t size, ssize_t *len, ngx_err_t *err)
{
    ngx_fd_t         fd;
    const char      *why;
    ngx_file_info_t  fi;

    if (ngx_conf_full_name(cf->cycle, path, 1) != NGX_OK) {
        return "no memory";
    }

    fd = ngx_open_file(path->data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        *err = ngx_errno;
        return "it can't be opened";
    }

    why = NULL;

    if (ngx_fd_info(fd, &fi) == NGX_FILE_ERROR) {
        *err = ngx_errno;
        why = "its rights can't be read";

    } else if (ngx_is_dir(&fi)) {
        why = "it is a directory";

    } else if (ngx_file_access(&fi) & 0007) {
        why = "others may use it: chmod o-rwx";

    } else {
        *len = ngx_read_fd(fd, buf, size);

        if (*len == -1) {
            *err = ngx_errno;
            why = "it can't be read";

        } else if ((size_t) *len == size) {
            why = "it is too long";
        }
    }

    (void) ngx_close_file(fd);

    return why;
}


static void
ngx_http_apikey_pepper_cleanup(void *data)
{
    ngx_http_apikey_main_conf_t *amcf = data;

    if (amcf->memo) {
        apikey_memo_destroy(amcf->memo);
    }

    sodium_free(amcf->pepper);
}
