#define _GNU_SOURCE   /* memrchr, asprintf */

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include <sodium.h>

#include "core/text.h"

#include "address.h"
#include "memory.h"


static int address_parse_redis(address_t *address, const char *rest,
    const char **why);
static int address_parse_sentinel(address_t *address, const char *rest,
    const char **why);
static int address_parse_cluster(address_t *address, const char *rest,
    const char **why);
static int address_parse_master(address_t *address, const char *text,
    size_t len, const char **why);
static int address_parse_login(address_t *address, const char **rest,
    const char **why);
static int address_parse_host(address_t *address, const char **rest,
    const char *port, const char **why);
static void address_show_host(address_t *address,
    const address_host_t *host);
static int address_parse_unix(address_t *address, const char *rest,
    const char **why);
static int address_parse_user(address_t *address, const char *text,
    size_t len, const char **why);
static int address_parse_db(address_t *address, const char *text, size_t len,
    const char **why);
static char *address_decode(const char *text, size_t len);
static void address_wipe(char *text);


int
address_parse(address_t *address, const char *url, const char **why)
{
    memset(address, 0, sizeof(address_t));

    if (strncmp(url, "redis://", 8) == 0) {
        return address_parse_redis(address, url + 8, why);
    }

    if (strncmp(url, "rediss://", 9) == 0) {
        address->tls.on = 1;
        return address_parse_redis(address, url + 9, why);
    }

    if (strncmp(url, "redis-sentinel://", 17) == 0) {
        return address_parse_sentinel(address, url + 17, why);
    }

    if (strncmp(url, "rediss-sentinel://", 18) == 0) {
        address->tls.on = 1;
        return address_parse_sentinel(address, url + 18, why);
    }

    if (strncmp(url, "redis-cluster://", 16) == 0) {
        return address_parse_cluster(address, url + 16, why);
    }

    if (strncmp(url, "rediss-cluster://", 17) == 0) {
        address->tls.on = 1;
        return address_parse_cluster(address, url + 17, why);
    }

    if (strncmp(url, "unix:", 5) == 0) {
        return address_parse_unix(address, url + 5, why);
    }

    *why = "not redis://HOST[:PORT][/DB], rediss://, unix:/PATH[?db=N], "
           "redis-sentinel://HOST[:PORT],.../MASTER or "
           "redis-cluster://HOST[:PORT],...[/DB]";

    return -1;
}


void
address_free(address_t *address)
{
    unsigned  i;

    for (i = 0; i < address->host_count; i++) {
        free(address->hosts[i].name);
        free(address->hosts[i].port);
    }

    free(address->path);
    free(address->hosts);
    free(address->master);
    free(address->user);
    address_wipe(address->password);
    free(address->shown);

    memset(address, 0, sizeof(address_t));
}


static int
address_parse_redis(address_t *address, const char *rest, const char **why)
{
    if (address_parse_login(address, &rest, why) != 0
        || address_parse_host(address, &rest, "6379", why) != 0)
    {
        return -1;
    }

    if (*rest == '/' && rest[1] != '\0') {
        rest++;
        return address_parse_db(address, rest, strlen(rest), why);
    }

    if (*rest != '\0' && *rest != '/') {
        *why = "text that can't be read stands behind the host and port";
        return -1;
    }

    return 0;
}


/* "HOST,HOST/MASTER/DB", or "HOST,HOST/DB#MASTER" as others write it. */

static int
address_parse_sentinel(address_t *address, const char *rest, const char **why)
{
    size_t       len;
    const char  *hash;

    if (address_parse_login(address, &rest, why) != 0) {
        return -1;
    }

    do {
        if (address_parse_host(address, &rest, "26379", why) != 0) {
            return -1;
        }
    } while (*rest == ',' && rest++);

    hash = strchr(rest, '#');

    if (*rest != '/' && hash != rest) {
        *why = "the master's name is missing: redis-sentinel://HOST,.../NAME";
        return -1;
    }

    rest += (*rest == '/');

    if (hash != NULL) {
        len = hash - rest;

        if (address_parse_master(address, hash + 1, strlen(hash + 1), why)
            != 0)
        {
            return -1;
        }

    } else {
        len = strcspn(rest, "/");

        if (address_parse_master(address, rest, len, why) != 0) {
            return -1;
        }

        rest += len + (rest[len] == '/');
        len = strlen(rest);
    }

    return len ? address_parse_db(address, rest, len, why) : 0;
}


static int
address_parse_master(address_t *address, const char *text, size_t len,
    const char **why)
{
    char  *shown;

    address->master = address_decode(text, len);

    if (address->master == NULL) {
        *why = "the master's name is wrongly percent-encoded";
        return -1;
    }

    if (len == 0) {
        *why = "the master's name is missing: redis-sentinel://HOST,.../NAME";
        return -1;
    }

    if (asprintf(&shown, "%s/%s", address->shown, address->master) == -1) {
        shown = must(NULL);
    }

    free(address->shown);
    address->shown = shown;

    return 0;
}


static int
address_parse_cluster(address_t *address, const char *rest, const char **why)
{
    address->cluster = 1;

    if (address_parse_login(address, &rest, why) != 0) {
        return -1;
    }

    do {
        if (address_parse_host(address, &rest, "6379", why) != 0) {
            return -1;
        }
    } while (*rest == ',' && rest++);

    /* Some servers have several: each says whether it does. */

    if (*rest == '/' && rest[1] != '\0') {
        rest++;
        return address_parse_db(address, rest, strlen(rest), why);
    }

    if (*rest != '\0' && *rest != '/') {
        *why = "text that can't be read stands behind the hosts and ports";
        return -1;
    }

    return 0;
}


static int
address_parse_login(address_t *address, const char **rest, const char **why)
{
    size_t       len;
    const char  *at;

    /* A password may hold an @ that is not encoded: the last one counts. */

    len = strcspn(*rest, "/?");
    at = memrchr(*rest, '@', len);

    if (at == NULL) {
        return 0;
    }

    len = at - *rest;

    if (address_parse_user(address, *rest, len, why) != 0) {
        return -1;
    }

    *rest = at + 1;

    return 0;
}


/* One more host, and what is shown of it. */

static int
address_parse_host(address_t *address, const char **rest, const char *port,
    const char **why)
{
    size_t           len;
    uint64_t         number;
    const char      *p, *name;
    apikey_text_t    text;
    address_host_t  *host;

    p = *rest;

    if (*p == '[') {
        name = p + 1;
        len = strcspn(name, "],/?");
        p = name + len;

        if (*p++ != ']') {
            *why = "the ] of the IPv6 address is missing";
            return -1;
        }

    } else {
        name = p;
        len = strcspn(name, ":,/?#");
        p = name + len;
    }

    if (len == 0) {
        *why = "the host is missing";
        return -1;
    }

    text.data = port;
    text.len = strlen(port);

    if (*p == ':') {
        text.data = p + 1;
        text.len = strcspn(text.data, ",/?#");
        p = text.data + text.len;
    }

    if (apikey_text_number(text, 65535, &number) != APIKEY_OK
        || number == 0)
    {
        *why = "the port is not a number from 1 to 65535";
        return -1;
    }

    address->hosts = must(realloc(address->hosts, (address->host_count + 1)
                                                  * sizeof(address_host_t)));
    host = &address->hosts[address->host_count++];

    host->name = must(strndup(name, len));
    host->port = must(strndup(text.data, text.len));

    address_show_host(address, host);
    *rest = p;

    return 0;
}


static void
address_show_host(address_t *address, const address_host_t *host)
{
    int    n;
    char  *shown;

    n = asprintf(&shown, strchr(host->name, ':') ? "%s%s[%s]:%s"
                                                 : "%s%s%s:%s",
                 address->shown ? address->shown : "",
                 address->shown ? "," : "", host->name, host->port);
    if (n == -1) {
        shown = must(NULL);
    }

    free(address->shown);
    address->shown = shown;
}


static int
address_parse_unix(address_t *address, const char *rest, const char **why)
{
    size_t               len;
    const char          *at;
    struct sockaddr_un   un;

    if (strncmp(rest, "//", 2) == 0) {
        rest += 2;
        len = strcspn(rest, "/?");
        at = memrchr(rest, '@', len);

        if (at != NULL) {
            if (address_parse_user(address, rest, at - rest, why) != 0) {
                return -1;
            }

            rest = at + 1;
        }
    }

    if (*rest != '/') {
        *why = "the path of a unix socket begins with /";
        return -1;
    }

    len = strcspn(rest, "?");
    address->path = address_decode(rest, len);

    if (address->path == NULL) {
        *why = "the path is wrongly percent-encoded";
        return -1;
    }

    if (strlen(address->path) >= sizeof(un.sun_path)) {
        *why = "the path is too long for a unix socket";
        return -1;
    }

    address->shown = must(strdup(address->path));

    if (rest[len] == '\0') {
        return 0;
    }

    if (strncmp(rest + len, "?db=", 4) != 0) {
        *why = "only ?db=N may stand behind the path";
        return -1;
    }

    rest += len + 4;

    return address_parse_db(address, rest, strlen(rest), why);
}


static int
address_parse_user(address_t *address, const char *text, size_t len,
    const char **why)
{
    const char  *colon;

    colon = memchr(text, ':', len);

    if (colon != NULL && colon != text) {
        address->user = address_decode(text, colon - text);

        if (address->user == NULL) {
            *why = "the user is wrongly percent-encoded";
            return -1;
        }
    }

    if (colon != NULL) {
        len -= colon + 1 - text;
        text = colon + 1;
    }

    address->password = address_decode(text, len);

    if (address->password == NULL) {
        *why = "the password is wrongly percent-encoded";
        return -1;
    }

    return 0;
}


static int
address_parse_db(address_t *address, const char *text, size_t len,
    const char **why)
{
    uint64_t  db;

    if (apikey_text_number((apikey_text_t) { text, len }, 1000000, &db)
        != APIKEY_OK)
    {
        *why = "the database is not a number";
        return -1;
    }

    address->db = db;

    return 0;
}


/* NULL: a % without two digits, or with two zeros. */

static char *
address_decode(const char *text, size_t len)
{
    char    *out, hex[3];
    size_t   i, n;

    out = must(malloc(len + 1));
    hex[2] = '\0';
    n = 0;

    for (i = 0; i < len; i++) {

        if (text[i] != '%') {
            out[n++] = text[i];
            continue;
        }

        if (len - i < 3
            || !isxdigit((unsigned char) text[i + 1])
            || !isxdigit((unsigned char) text[i + 2]))
        {
            goto invalid;
        }

        memcpy(hex, text + i + 1, 2);
        out[n] = (char) strtoul(hex, NULL, 16);
        i += 2;

        if (out[n++] == '\0') {
            goto invalid;
        }
    }

    out[n] = '\0';

    return out;

invalid:

    sodium_memzero(out, len + 1);
    free(out);

    return NULL;
}


static void
address_wipe(char *text)
{
    if (text != NULL) {
        sodium_memzero(text, strlen(text));
        free(text);
    }
}
