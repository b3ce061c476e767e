#ifndef APIKEY_ADDRESS_H
#define APIKEY_ADDRESS_H

/*
 * Networks from which a key may be used: "10.0.0.0/8 2001:db8::/32 192.0.2.7",
 * separated by spaces.  An IPv4-mapped IPv6 address (::ffff:192.0.2.7) is the
 * IPv4 address, which no IPv6 network contains, not even ::/0.
 */

#include "text.h"

typedef struct {
    unsigned char  addr[16];    /* IPv4 as ::ffff:a.b.c.d */
    unsigned char  bits;        /* 0..128; IPv4 /n is 96 + n */
} apikey_network_t;


/* An address or a network; bits set beyond the prefix are refused. */
int apikey_network_parse(apikey_network_t *net, apikey_text_t text,
    const char **why);

/* An address of 4 or 16 bytes, in network order. */
int apikey_network_contains(const apikey_network_t *net,
    const unsigned char *addr, size_t len);


#endif /* APIKEY_ADDRESS_H */
