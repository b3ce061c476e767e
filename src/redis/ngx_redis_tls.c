/*
 * TLS to a server, by nginx's own SSL.  Its certificate and name are always
 * verified, within the handshake: a server that isn't ours is told nothing.
 */

#include "ngx_redis_connection.h"


#if (NGX_SSL)

#define NGX_REDIS_TLS_DEPTH  9


static ngx_int_t ngx_redis_tls_certificates(ngx_conf_t *cf,
    ngx_redis_tls_t *tls);
static ngx_str_t *ngx_redis_tls_expected(ngx_redis_connection_t *conn);
static ngx_int_t ngx_redis_tls_name(ngx_redis_connection_t *conn, SSL *ssl);
static void ngx_redis_tls_handler(ngx_connection_t *c);
static int ngx_redis_tls_verify(int ok, X509_STORE_CTX *store);


char *
ngx_redis_tls_init(ngx_conf_t *cf, ngx_redis_tls_t *tls)
{
    ngx_pool_cleanup_t  *cln;

    tls->ssl = ngx_pcalloc(cf->pool, sizeof(ngx_ssl_t));
    if (tls->ssl == NULL) {
        return NGX_CONF_ERROR;
    }

    tls->ssl->log = cf->log;

    if (ngx_ssl_create(tls->ssl, NGX_SSL_TLSv1_2|NGX_SSL_TLSv1_3, NULL)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        ngx_ssl_cleanup_ctx(tls->ssl);
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_ssl_cleanup_ctx;
    cln->data = tls->ssl;

    if (ngx_redis_tls_certificates(cf, tls) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    SSL_CTX_set_verify(tls->ssl->ctx, SSL_VERIFY_PEER, ngx_redis_tls_verify);

    /* what waits to be written may move and grow between two attempts */

    SSL_CTX_set_mode(tls->ssl->ctx, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
                                    |SSL_MODE_ENABLE_PARTIAL_WRITE);

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_redis_tls_certificates(ngx_conf_t *cf, ngx_redis_tls_t *tls)
{
    if (ngx_ssl_trusted_certificate(cf, tls->ssl, &tls->ca,
                                    NGX_REDIS_TLS_DEPTH)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (tls->ca.len == 0
        && SSL_CTX_set_default_verify_paths(tls->ssl->ctx) == 0)
    {
        ngx_ssl_error(NGX_LOG_EMERG, cf->log, 0,
                      "SSL_CTX_set_default_verify_paths() failed");
        return NGX_ERROR;
    }

    /* it may succeed and leave errors */
    ERR_clear_error();

    if (tls->cert.len == 0) {
        return NGX_OK;
    }

    return ngx_ssl_certificate(cf, tls->ssl, &tls->cert, &tls->key, NULL);
}


/* Ends in ngx_redis_greet(), or the connection fails. */

void
ngx_redis_tls_start(ngx_redis_connection_t *conn)
{
    ngx_connection_t  *c;

    c = conn->peer.connection;

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, &conn->log, 0,
                   "redis \"%V\": TLS handshake, name \"%V\"",
                   &conn->server->name, ngx_redis_tls_expected(conn));

    conn->state = NGX_REDIS_HANDSHAKING;
    conn->log.action = "TLS handshaking with redis";

    c->pool = ngx_create_pool(1024, &conn->log);
    if (c->pool == NULL) {
        ngx_redis_fail(conn, "no memory", 0);
        return;
    }

    if (ngx_ssl_create_connection(conn->conf->tls.ssl, c,
                                  NGX_SSL_BUFFER|NGX_SSL_CLIENT)
        != NGX_OK
        || ngx_redis_tls_name(conn, c->ssl->connection) != NGX_OK)
    {
        ngx_redis_fail(conn, "TLS failed", 0);
        return;
    }

    if (ngx_ssl_handshake(c) == NGX_AGAIN) {
        c->ssl->handler = ngx_redis_tls_handler;
        return;
    }

    ngx_redis_tls_handler(c);
}


static ngx_str_t *
ngx_redis_tls_expected(ngx_redis_connection_t *conn)
{
    return conn->conf->tls.name.len ? &conn->conf->tls.name
                                   : &conn->server->tls_name;
}


/* Whom we expect, as the certificate is judged, and as the server is told. */

static ngx_int_t
ngx_redis_tls_name(ngx_redis_connection_t *conn, SSL *ssl)
{
    char               *name;
    X509_VERIFY_PARAM  *param;

    name = (char *) ngx_redis_tls_expected(conn)->data;
    param = SSL_get0_param(ssl);

    if (X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1) {
        return NGX_OK;
    }

    ERR_clear_error();

    X509_VERIFY_PARAM_set_hostflags(param,
                                    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);

    if (X509_VERIFY_PARAM_set1_host(param, name, 0) != 1
        || SSL_set_tlsext_host_name(ssl, name) != 1)
    {
        ngx_ssl_error(NGX_LOG_ERR, conn->peer.connection->log, 0,
                      "can't set the name \"%s\" of redis", name);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_redis_tls_handler(ngx_connection_t *c)
{
    ngx_redis_connection_t  *conn;

    conn = c->data;

    if (!c->ssl->handshaked) {
        ngx_redis_fail(conn, "TLS handshake failed", 0);
        return;
    }

    c->read->handler = ngx_redis_read_handler;
    c->write->handler = ngx_redis_write_handler;

    ngx_redis_greet(conn);
}


static int
ngx_redis_tls_verify(int ok, X509_STORE_CTX *store)
{
    int                      err;
    SSL                     *ssl;
    ngx_connection_t        *c;
    ngx_redis_connection_t  *conn;

    if (ok) {
        return 1;
    }

    ssl = X509_STORE_CTX_get_ex_data(store,
                                     SSL_get_ex_data_X509_STORE_CTX_idx());
    c = ngx_ssl_get_connection(ssl);
    conn = c->data;

    err = X509_STORE_CTX_get_error(store);

    ngx_log_error(NGX_LOG_ERR, c->log, 0,
                  "the certificate of redis is refused for \"%V\": %s",
                  ngx_redis_tls_expected(conn),
                  X509_verify_cert_error_string(err));

    /* nginx would tell it again, without the reason */
    conn->attempt.log_level = NGX_LOG_STDERR;

    return 0;
}


/* TLS 1.3: that our certificate is refused is told after the handshake. */

void
ngx_redis_tls_alert(ngx_connection_t *c)
{
    u_char  byte;

    (void) c->recv(c, &byte, 1);
}


/* Redis needs no "close notify", and we wait for none. */

void
ngx_redis_tls_close(ngx_connection_t *c)
{
    if (c->ssl) {
        c->ssl->no_wait_shutdown = 1;
        c->ssl->no_send_shutdown = 1;

        (void) ngx_ssl_shutdown(c);
    }

    if (c->pool) {
        ngx_destroy_pool(c->pool);
        c->pool = NULL;
    }
}

#endif
