#ifndef APIKEY_TLS_H
#define APIKEY_TLS_H

/*
 * TLS over a socket that is connected and doesn't block.  The server's
 * certificate and name are always verified, before anything is said.
 */

#include <stddef.h>
#include <sys/types.h>


typedef struct tls_s  tls_t;


typedef struct {
    int    on;
    char  *ca;      /* files; NULL: the system's authorities */
    char  *name;    /* NULL: the host's */
    char  *cert;    /* NULL: none */
    char  *key;
} tls_files_t;


/* NULL and error.  What was loaded is freed by tls_free(). */
tls_t *tls_create(const tls_files_t *files, const char *host, int fd,
    char *error, size_t size);
void tls_free(tls_t *tls);

/*
 * Above zero: done, of read and write so many bytes.  0: once more, when poll
 * shows these events.  Below: error, or the server closed the connection.  A
 * write is repeated with the same bytes.
 */
int tls_handshake(tls_t *tls, short *events, char *error, size_t size);
ssize_t tls_read(tls_t *tls, void *buf, size_t len, short *events,
    char *error, size_t size);
ssize_t tls_write(tls_t *tls, const void *buf, size_t len, short *events,
    char *error, size_t size);


#endif /* APIKEY_TLS_H */
