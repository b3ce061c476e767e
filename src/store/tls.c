#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "memory.h"
#include "tls.h"


struct tls_s {
    SSL_CTX  *ctx;
    SSL      *ssl;
    char     *name;     /* whom we expect */
};


static int tls_load(tls_t *tls, const tls_files_t *files, char *error,
    size_t size);
static int tls_expect(tls_t *tls);
static int tls_result(tls_t *tls, int rc, short *events, char *error,
    size_t size);
static void tls_reason(char *error, size_t size, const char *what,
    const char *name);


tls_t *
tls_create(const tls_files_t *files, const char *host, int fd, char *error,
    size_t size)
{
    tls_t  *tls;

    ERR_clear_error();

    tls = must(calloc(1, sizeof(tls_t)));
    tls->name = must(strdup(files->name ? files->name : host));
    tls->ctx = SSL_CTX_new(TLS_client_method());

    if (tls->ctx == NULL) {
        tls_reason(error, size, "TLS", NULL);
        goto failed;
    }

    SSL_CTX_set_verify(tls->ctx, SSL_VERIFY_PEER, NULL);
    (void) SSL_CTX_set_min_proto_version(tls->ctx, TLS1_2_VERSION);

    /* As much as goes is written; the rest may have moved when it is. */

    SSL_CTX_set_mode(tls->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE
                               |SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);

    if (tls_load(tls, files, error, size) != 0) {
        goto failed;
    }

    tls->ssl = SSL_new(tls->ctx);

    if (tls->ssl == NULL
        || SSL_set_fd(tls->ssl, fd) != 1
        || tls_expect(tls) != 0)
    {
        tls_reason(error, size, "TLS to", tls->name);
        goto failed;
    }

    return tls;

failed:

    tls_free(tls);

    return NULL;
}


void
tls_free(tls_t *tls)
{
    SSL_free(tls->ssl);
    SSL_CTX_free(tls->ctx);
    free(tls->name);
    free(tls);
}


int
tls_handshake(tls_t *tls, short *events, char *error, size_t size)
{
    int   rc;
    long  refused;

    ERR_clear_error();

    rc = tls_result(tls, SSL_connect(tls->ssl), events, error, size);

    if (rc < 0) {
        refused = SSL_get_verify_result(tls->ssl);

        if (refused != X509_V_OK) {
            snprintf(error, size, "its certificate is refused for \"%s\": %s",
                     tls->name, X509_verify_cert_error_string(refused));
        }
    }

    return rc;
}


ssize_t
tls_read(tls_t *tls, void *buf, size_t len, short *events, char *error,
    size_t size)
{
    ERR_clear_error();

    return tls_result(tls, SSL_read(tls->ssl, buf, len), events, error, size);
}


ssize_t
tls_write(tls_t *tls, const void *buf, size_t len, short *events,
    char *error, size_t size)
{
    int   rc;
    char  byte;

    ERR_clear_error();

    /* SSL_write() takes an int. */

    len = (len < 1 << 20) ? len : 1 << 20;

    rc = tls_result(tls, SSL_write(tls->ssl, buf, len), events, error, size);

    if (rc < 0) {

        /* TLS 1.3: that our certificate is refused is told afterwards. */

        ERR_clear_error();

        if (SSL_get_error(tls->ssl, SSL_read(tls->ssl, &byte, 1))
            == SSL_ERROR_SSL)
        {
            tls_reason(error, size, "TLS", NULL);
        }
    }

    return rc;
}


static int
tls_load(tls_t *tls, const tls_files_t *files, char *error, size_t size)
{
    if (files->ca == NULL) {
        if (SSL_CTX_set_default_verify_paths(tls->ctx) != 1) {
            tls_reason(error, size, "the system's authorities", NULL);
            return -1;
        }

    } else if (SSL_CTX_load_verify_locations(tls->ctx, files->ca, NULL) != 1) {
        tls_reason(error, size, "tls_ca", files->ca);
        return -1;
    }

    if (files->cert == NULL) {
        return 0;
    }

    if (SSL_CTX_use_certificate_chain_file(tls->ctx, files->cert) != 1) {
        tls_reason(error, size, "tls_cert", files->cert);
        return -1;
    }

    if (SSL_CTX_use_PrivateKey_file(tls->ctx, files->key, SSL_FILETYPE_PEM)
        != 1)
    {
        tls_reason(error, size, "tls_key", files->key);
        return -1;
    }

    return 0;
}


static int
tls_expect(tls_t *tls)
{
    X509_VERIFY_PARAM  *param;

    param = SSL_get0_param(tls->ssl);

    if (X509_VERIFY_PARAM_set1_ip_asc(param, tls->name) == 1) {
        return 0;
    }

    X509_VERIFY_PARAM_set_hostflags(param,
                                    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);

    return X509_VERIFY_PARAM_set1_host(param, tls->name, 0) == 1
           && SSL_set_tlsext_host_name(tls->ssl, tls->name) == 1 ? 0 : -1;
}


static int
tls_result(tls_t *tls, int rc, short *events, char *error, size_t size)
{
    int  err;

    if (rc > 0) {
        return rc;
    }

    err = errno;

    switch (SSL_get_error(tls->ssl, rc)) {

    case SSL_ERROR_WANT_READ:
        *events = POLLIN;
        return 0;

    case SSL_ERROR_WANT_WRITE:
        *events = POLLOUT;
        return 0;

    case SSL_ERROR_ZERO_RETURN:
        snprintf(error, size, "closed the connection");
        return -1;

    case SSL_ERROR_SYSCALL:
        snprintf(error, size, "%s",
                 err ? strerror(err) : "closed the connection");
        return -1;

    default:
        tls_reason(error, size, "TLS", NULL);
        return -1;
    }
}


static void
tls_reason(char *error, size_t size, const char *what, const char *name)
{
    unsigned long   code;
    const char     *reason;

    /* The first error is the cause of the others. */

    code = ERR_get_error();
    reason = ERR_reason_error_string(code);

#ifdef ERR_SYSTEM_ERROR
    if (ERR_SYSTEM_ERROR(code)) {
        reason = strerror(ERR_GET_REASON(code));
    }
#endif

    snprintf(error, size, "%s%s%s%s: %s", what, name ? " \"" : "",
             name ? name : "", name ? "\"" : "", reason ? reason : "failed");
}
