/* Who sends a request, by address. */

#include "ngx_http_apikey.h"


size_t
ngx_http_apikey_client_address(ngx_http_request_t *r, u_char **addr)
{
    struct sockaddr_in   *sin;
#if (NGX_HAVE_INET6)
    struct sockaddr_in6  *sin6;
#endif

    switch (r->connection->sockaddr->sa_family) {

    case AF_INET:
        sin = (struct sockaddr_in *) r->connection->sockaddr;
        *addr = (u_char *) &sin->sin_addr;
        return 4;

#if (NGX_HAVE_INET6)
    case AF_INET6:
        sin6 = (struct sockaddr_in6 *) r->connection->sockaddr;
        *addr = (u_char *) &sin6->sin6_addr;
        return 16;
#endif

    default: /* AF_UNIX */
        *addr = (u_char *) "";
        return 0;
    }
}


size_t
ngx_http_apikey_client_network(ngx_http_request_t *r, u_char **addr)
{
    size_t  len;

    len = ngx_http_apikey_client_address(r, addr);

#if (NGX_HAVE_INET6)

    if (len == 16) {

        if (IN6_IS_ADDR_V4MAPPED((struct in6_addr *) *addr)) {
            *addr += 12;
            return 4;
        }

        return 8;
    }

#endif

    return len;
}


size_t
ngx_http_apikey_client_text(u_char *text, u_char *addr, size_t len)
{
    u_char               *p;
#if (NGX_HAVE_INET6)
    struct sockaddr_in6   sin6;
#endif

    switch (len) {

    case 4:
        p = ngx_sprintf(text, "%ud.%ud.%ud.%ud", addr[0], addr[1], addr[2],
                        addr[3]);
        return p - text;

#if (NGX_HAVE_INET6)
    case 8:
        ngx_memzero(&sin6, sizeof(struct sockaddr_in6));
        ngx_memcpy(&sin6.sin6_addr, addr, 8);

        return ngx_inet6_ntop((u_char *) &sin6.sin6_addr, text,
                              NGX_INET6_ADDRSTRLEN);
#endif

    default: /* a unix socket */
        p = ngx_cpymem(text, "unix", 4);
        return p - text;
    }
}
