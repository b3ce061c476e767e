#include <arpa/inet.h>

#include "core/address.h"
#include "fuzz.h"


static void fuzz_network(const apikey_network_t *net);
static apikey_text_t fuzz_format(const apikey_network_t *net);


/* A network, a newline, an address of any length. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int                inside;
    const char        *why;
    apikey_text_t      text, addr;
    apikey_network_t   net;

    text = fuzz_line(&data, &size);
    addr = fuzz_copy(data, size);
    why = NULL;

    if (apikey_network_parse(&net, text, &why) == APIKEY_OK) {
        fuzz_network(&net);

        inside = apikey_network_contains(&net,
                                         (const unsigned char *) addr.data,
                                         addr.len);
        must(!inside || addr.len == 4 || addr.len == 16);

    } else {
        must(why != NULL);
    }

    fuzz_free(text);
    fuzz_free(addr);

    return 0;
}


static void
fuzz_network(const apikey_network_t *net)
{
    unsigned           i;
    const char        *why;
    apikey_text_t      text;
    unsigned char      addr[16];
    apikey_network_t   again;

    static const unsigned char  mapped[12] = {
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff
    };

    must(net->bits <= 128);

    text = fuzz_format(net);
    must(apikey_network_parse(&again, text, &why) == APIKEY_OK);
    must(memcmp(&again, net, sizeof(apikey_network_t)) == 0);
    fuzz_free(text);

    memcpy(addr, net->addr, 16);
    must(apikey_network_contains(net, addr, 16));

    /* A bit in the prefix counts, any other doesn't. */

    for (i = 0; i < 128; i++) {
        addr[i / 8] ^= 0x80 >> i % 8;

        if (net->bits >= 96 || memcmp(addr, mapped, 12) != 0) {
            must(apikey_network_contains(net, addr, 16) == (i >= net->bits));
        }

        addr[i / 8] ^= 0x80 >> i % 8;
    }

    if (memcmp(addr, mapped, 12) == 0) {
        must(net->bits >= 96);
        must(apikey_network_contains(net, addr + 12, 4));
    }
}


static apikey_text_t
fuzz_format(const apikey_network_t *net)
{
    int   len;
    char  addr[INET6_ADDRSTRLEN], out[INET6_ADDRSTRLEN + 4];

    must(inet_ntop(AF_INET6, net->addr, addr, sizeof(addr)) != NULL);
    len = snprintf(out, sizeof(out), "%s/%u", addr, net->bits);

    return fuzz_copy(out, len);
}
