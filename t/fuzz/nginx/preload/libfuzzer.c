/*
 * libFuzzer, to be preloaded: its hooks have to be found before those that the
 * sanitizer has in their place.
 */

#include <netdb.h>


/* Names in inputs are nobody's business. */

int
getaddrinfo(const char *host, const char *service,
    const struct addrinfo *hints, struct addrinfo **found)
{
    return EAI_NONAME;
}
