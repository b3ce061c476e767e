#ifndef APIKEY_STORE_ADDRESS_H
#define APIKEY_STORE_ADDRESS_H

/*
 * Where Redis is, as a URL:
 *
 *   redis://[[USER]:PASSWORD@]HOST[:PORT][/DB]       rediss://...: with TLS
 *   redis-sentinel://[[USER]:PASSWORD@]HOST[:PORT],.../MASTER[/DB]
 *       rediss-sentinel://...; also .../DB#MASTER
 *   unix:/PATH[?db=N]      unix://[[USER]:PASSWORD@]/PATH[?db=N]
 *   redis-cluster://[[USER]:PASSWORD@]HOST[:PORT],...[/DB]
 *                                            rediss-cluster://...: with TLS
 *
 * USER, PASSWORD, PATH and MASTER may be percent-encoded; PASSWORD@ alone is a
 * password.
 */


#include "tls.h"


#define ADDRESS_DEFAULT  "redis://127.0.0.1:6379"


typedef struct {
    char            *name;
    char            *port;
} address_host_t;


typedef struct {
    char            *path;        /* of a unix socket; NULL: hosts */
    address_host_t  *hosts;
    unsigned         host_count;
    char            *master;      /* NULL: the hosts aren't sentinels */
    unsigned         cluster:1;   /* they are some of its nodes */
    char            *user;        /* NULL: none */
    char            *password;    /* NULL: none */
    unsigned         db;
    tls_files_t      tls;         /* on by the URL; the rest is of settings */
    char            *shown;       /* for messages: without the password */
} address_t;


/* 0, or -1 and why, a static text; the address has to be freed in any case. */
int address_parse(address_t *address, const char *url, const char **why);

/* Wipes the password too. */
void address_free(address_t *address);


#endif /* APIKEY_STORE_ADDRESS_H */
