#ifndef APIKEY_SETTINGS_H
#define APIKEY_SETTINGS_H

/*
 * Where Redis and the pepper are: an option, else the environment, else the
 * configuration file, else what is usual.
 */

#include "core/text.h"
#include "core/token.h"

#include "store/address.h"
#include "store/secret.h"

#include "options.h"


#define SETTINGS_FILE  "/etc/apikey.conf"
#define SETTINGS_WHY   SECRET_WHY


typedef struct {
    char       *redis;          /* URL */
    char       *pepper_file;    /* NULL: none */
    char       *redis_prefix;
    char       *actor;          /* who runs this */
    char       *tls_ca;         /* these are NULL: none */
    char       *tls_name;
    char       *tls_cert;
    char       *tls_key;
    address_t   address;
} settings_t;


/* Tells what is wrong on stderr and returns -1 then. */
int settings_read(settings_t *settings, const options_t *options);

/* 0, or -1 and why the file can't be used, and how to mend it. */
int settings_pepper(const settings_t *settings, apikey_pepper_t *pepper,
    char why[SETTINGS_WHY], const char **mend);

void settings_free(settings_t *settings);


#endif /* APIKEY_SETTINGS_H */
