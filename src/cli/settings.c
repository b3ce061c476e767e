#include <ctype.h>
#include <errno.h>
#include <pwd.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "core/names.h"
#include "core/record.h"

#include "store/memory.h"
#include "store/secret.h"

#include "output.h"
#include "settings.h"


typedef struct {
    const char  *option;
    const char  *variable;
    const char  *line;      /* of the configuration file */
    size_t       offset;
} setting_t;


static char **settings_value(settings_t *settings, unsigned i);
static int settings_read_file(settings_t *settings, const char *path,
    int required);
static int settings_read_line(settings_t *settings, char *line);
static void settings_replace(char **value, const char *given);
static int settings_check(settings_t *settings);
static int settings_check_actor(settings_t *settings);
static int settings_check_tls(settings_t *settings);


static const setting_t  settings_known[] = {
    { "redis", "APIKEY_REDIS", "redis", offsetof(settings_t, redis) },
    { "pepper-file", "APIKEY_PEPPER_FILE", "pepper_file",
      offsetof(settings_t, pepper_file) },
    { "redis-prefix", "APIKEY_REDIS_PREFIX", "redis_prefix",
      offsetof(settings_t, redis_prefix) },
    { "actor", "APIKEY_ACTOR", "actor", offsetof(settings_t, actor) },
    { "tls-ca", "APIKEY_TLS_CA", "tls_ca", offsetof(settings_t, tls_ca) },
    { "tls-name", "APIKEY_TLS_NAME", "tls_name",
      offsetof(settings_t, tls_name) },
    { "tls-cert", "APIKEY_TLS_CERT", "tls_cert",
      offsetof(settings_t, tls_cert) },
    { "tls-key", "APIKEY_TLS_KEY", "tls_key", offsetof(settings_t, tls_key) },
};

#define SETTINGS_COUNT  (sizeof(settings_known) / sizeof(setting_t))


int
settings_read(settings_t *settings, const options_t *options)
{
    int          given;
    char       **to;
    unsigned     i;
    const char  *path;

    memset(settings, 0, sizeof(settings_t));

    path = options_value(options, "config");

    if (path == NULL) {
        path = getenv("APIKEY_CONFIG");
    }

    given = path != NULL && *path != '\0';

    if (settings_read_file(settings, given ? path : SETTINGS_FILE, given)
        != 0)
    {
        return -1;
    }

    for (i = 0; i < SETTINGS_COUNT; i++) {
        to = settings_value(settings, i);

        settings_replace(to, getenv(settings_known[i].variable));
        settings_replace(to, options_value(options, settings_known[i].option));
    }

    return settings_check(settings);
}


void
settings_free(settings_t *settings)
{
    unsigned  i;

    for (i = 0; i < SETTINGS_COUNT; i++) {
        memory_wipe(*settings_value(settings, i));
    }

    address_free(&settings->address);
}


int
settings_pepper(const settings_t *settings, apikey_pepper_t *pepper,
    char why[SETTINGS_WHY], const char **mend)
{
    int             rc, exposed;
    ssize_t         n;
    const char     *reason;
    unsigned char   content[APIKEY_PEPPER_FILE_MAX + 1];

    if (settings->pepper_file == NULL) {
        snprintf(why, SETTINGS_WHY, "no pepper file is given");
        *mend = "--pepper-file FILE, APIKEY_PEPPER_FILE or pepper_file = FILE "
                "in " SETTINGS_FILE;
        return -1;
    }

    n = secret_read("pepper file", settings->pepper_file, content,
                    sizeof(content), why, &exposed);

    if (n == -1) {
        *mend = exposed
                ? "chmod 640 FILE, and then a new pepper and new keys if "
                  "somebody may have read it"
                : "name the file that the gateway's apikey_pepper_file names, "
                  "and let this user read it";
        return -1;
    }

    *mend = "make one: (umask 027; head -c 32 /dev/urandom | base64 > FILE)";

    reason = "it is longer than 4096 bytes";
    rc = APIKEY_INVALID;

    if (n <= APIKEY_PEPPER_FILE_MAX) {
        rc = apikey_pepper_set(pepper,
                               (apikey_text_t) { (char *) content, n },
                               &reason);
    }

    sodium_memzero(content, sizeof(content));

    if (rc != APIKEY_OK) {
        snprintf(why, SETTINGS_WHY, "pepper file \"%s\": %s",
                 settings->pepper_file, reason);
        return -1;
    }

    return 0;
}


static char **
settings_value(settings_t *settings, unsigned i)
{
    return (char **) ((char *) settings + settings_known[i].offset);
}


static int
settings_read_file(settings_t *settings, const char *path, int required)
{
    int           rc;
    char         *line;
    FILE         *file;
    size_t        size;
    unsigned      number;
    struct stat   st;
    const char   *why;
    address_t     address;

    file = fopen(path, "re");

    if (file == NULL) {

        if (errno == ENOENT && !required) {
            return 0;
        }

        complain("configuration file \"%s\": %s", path, strerror(errno));
        return -1;
    }

    rc = 0;
    line = NULL;
    size = 0;

    for (number = 1; rc == 0 && getline(&line, &size, file) != -1; number++) {

        if (settings_read_line(settings, line) != 0) {
            complain("configuration file \"%s\", line %u: not a line like "
                     "redis = URL, pepper_file = PATH or redis_prefix = TEXT",
                     path, number);
            rc = -1;
        }
    }

    if (rc == 0 && ferror(file)) {
        complain("configuration file \"%s\": %s", path, strerror(errno));
        rc = -1;
    }

    if (rc == 0 && settings->redis != NULL) {

        if (address_parse(&address, settings->redis, &why) == 0
            && address.password != NULL
            && fstat(fileno(file), &st) == 0
            && (st.st_mode & S_IRWXO))
        {
            complain("configuration file \"%s\": holds a password and is "
                     "open to others (mode %04o): chmod 640 it", path,
                     (unsigned) st.st_mode & 07777);
            rc = -1;
        }

        address_free(&address);
    }

    memory_wipe(line);
    fclose(file);

    return rc;
}


/* "name = value"; a line may be empty, or a comment after #. */

static int
settings_read_line(settings_t *settings, char *line)
{
    char      *name, *value, *end, **to;
    size_t     len;
    unsigned   i;

    name = line + strspn(line, " \t");

    if (*name == '#' || *name == '\r' || *name == '\n' || *name == '\0') {
        return 0;
    }

    len = strcspn(name, " \t=");
    value = name + len;
    value += strspn(value, " \t");

    if (*value++ != '=') {
        return -1;
    }

    value += strspn(value, " \t");
    name[len] = '\0';

    for (end = value + strlen(value);
         end > value && isspace((unsigned char) end[-1]);
         end--)
    {
        end[-1] = '\0';
    }

    to = NULL;

    for (i = 0; i < SETTINGS_COUNT; i++) {
        if (strcmp(name, settings_known[i].line) == 0) {
            to = settings_value(settings, i);
        }
    }

    if (to == NULL) {
        return -1;
    }

    if (*value == '\0' || *to != NULL) {
        return -1;
    }

    settings_replace(to, value);

    return 0;
}


/* What isn't given, or is empty in the environment, leaves the value. */

static void
settings_replace(char **value, const char *given)
{
    if (given != NULL && *given != '\0') {
        memory_wipe(*value);
        *value = must(strdup(given));
    }
}


static int
settings_check(settings_t *settings)
{
    const char     *why;
    apikey_text_t   prefix;

    if (settings->redis == NULL) {
        settings->redis = must(strdup(ADDRESS_DEFAULT));
    }

    if (settings->redis_prefix == NULL) {
        settings->redis_prefix = must(strdup(APIKEY_NAMES_PREFIX));
    }

    /* The URL may hold a password and isn't shown, but for its scheme. */

    if (address_parse(&settings->address, settings->redis, &why) != 0) {
        complain("Redis URL \"%.*s...\": %s",
                 (int) strcspn(settings->redis, ":/@"), settings->redis, why);
        return -1;
    }

    if (settings_check_tls(settings) != 0
        || settings_check_actor(settings) != 0)
    {
        return -1;
    }

    prefix.data = settings->redis_prefix;
    prefix.len = strlen(prefix.data);

    if (apikey_names_prefix_check(prefix) != APIKEY_OK) {
        complain("Redis prefix \"%s\": not 1 to %d printable ASCII characters "
                 "without space and braces", prefix.data,
                 APIKEY_NAMES_PREFIX_MAX);
        return -1;
    }

    return 0;
}


static int
settings_check_actor(settings_t *settings)
{
    char            name[256];
    struct passwd  *user;

    if (settings->actor == NULL) {

        /* Who has logged in, also where he has become root since. */

        if (getlogin_r(name, sizeof(name)) != 0) {
            user = getpwuid(getuid());
            snprintf(name, sizeof(name), "%s", user ? user->pw_name : "");

            if (user == NULL) {
                snprintf(name, sizeof(name), "uid %u", (unsigned) getuid());
            }
        }

        settings->actor = must(strdup(name));
    }

    if (apikey_name_check((apikey_text_t) { settings->actor,
                                            strlen(settings->actor) })
        != APIKEY_OK)
    {
        complain("the actor's name is not 1 to %d bytes of UTF-8 without "
                 "control characters", APIKEY_NAME_MAX);
        return -1;
    }

    return 0;
}


static int
settings_check_tls(settings_t *settings)
{
    tls_files_t  *tls;

    tls = &settings->address.tls;

    tls->ca = settings->tls_ca;
    tls->name = settings->tls_name;
    tls->cert = settings->tls_cert;
    tls->key = settings->tls_key;

    if (!tls->on && (tls->ca || tls->name || tls->cert || tls->key)) {
        complain("TLS is set up, but the Redis URL is not rediss://...");
        return -1;
    }

    if (tls->cert != NULL && tls->key == NULL) {
        complain("a TLS certificate needs its key: --tls-key");
        return -1;
    }

    if (tls->key != NULL && tls->cert == NULL) {
        complain("a TLS key needs its certificate: --tls-cert");
        return -1;
    }

    return 0;
}
