#include <arpa/inet.h>
#include <string.h>

#include "address.h"


static int apikey_address_parse(unsigned char addr[16], apikey_text_t text,
    int *v4);
static int apikey_address_same(const unsigned char *a, const unsigned char *b,
    unsigned bits);


static const unsigned char  apikey_address_mapped[12] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff
};


int
apikey_network_parse(apikey_network_t *net, apikey_text_t text,
    const char **why)
{
    int             v4;
    uint64_t        bits, width;
    const char     *slash;
    unsigned        i;
    apikey_text_t   size;

    size.data = NULL;
    size.len = 0;

    slash = text.len ? memchr(text.data, '/', text.len) : NULL;

    if (slash != NULL) {
        size.data = slash + 1;
        size.len = text.data + text.len - size.data;
        text.len = slash - text.data;
    }

    if (apikey_address_parse(net->addr, text, &v4) != APIKEY_OK) {
        *why = "not an IPv4 or IPv6 address or network";
        return APIKEY_INVALID;
    }

    width = v4 ? 32 : 128;
    bits = width;

    if (slash != NULL && apikey_text_number(size, width, &bits) != APIKEY_OK) {
        *why = v4 ? "the prefix length is not 0 to 32"
                  : "the prefix length is not 0 to 128";
        return APIKEY_INVALID;
    }

    net->bits = 128 - width + bits;

    for (i = net->bits; i < 128; i++) {
        if (net->addr[i / 8] & (0x80 >> i % 8)) {
            *why = "bits are set beyond the prefix";
            return APIKEY_INVALID;
        }
    }

    return APIKEY_OK;
}


int
apikey_network_contains(const apikey_network_t *net,
    const unsigned char *addr, size_t len)
{
    if (len == 16 && memcmp(addr, apikey_address_mapped, 12) == 0) {
        addr += 12;
        len = 4;
    }

    if (len == 4) {

        /* A network that begins like this has 96 bits at least. */

        return memcmp(net->addr, apikey_address_mapped, 12) == 0
               && apikey_address_same(net->addr + 12, addr, net->bits - 96);
    }

    return len == 16 && apikey_address_same(net->addr, addr, net->bits);
}


static int
apikey_address_parse(unsigned char addr[16], apikey_text_t text, int *v4)
{
    char  buf[INET6_ADDRSTRLEN];

    if (text.len == 0 || text.len >= sizeof(buf)
        || memchr(text.data, '\0', text.len) != NULL)
    {
        return APIKEY_INVALID;
    }

    memcpy(buf, text.data, text.len);
    buf[text.len] = '\0';

    if (inet_pton(AF_INET6, buf, addr) == 1) {
        *v4 = 0;
        return APIKEY_OK;
    }

    if (inet_pton(AF_INET, buf, addr + 12) == 1) {
        memcpy(addr, apikey_address_mapped, 12);
        *v4 = 1;
        return APIKEY_OK;
    }

    return APIKEY_INVALID;
}


static int
apikey_address_same(const unsigned char *a, const unsigned char *b,
    unsigned bits)
{
    unsigned  bytes, mask;

    bytes = bits / 8;

    if (memcmp(a, b, bytes) != 0) {
        return 0;
    }

    if (bits % 8 == 0) {
        return 1;
    }

    mask = 0xff00 >> bits % 8;

    return ((a[bytes] ^ b[bytes]) & mask & 0xff) == 0;
}
