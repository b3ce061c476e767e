#ifndef APIKEY_ASSETS_H
#define APIKEY_ASSETS_H

/* The web console's files, made by src/console/embed at build time. */

#include <stddef.h>


typedef struct {
    const char           *path;
    const char           *type;
    const char           *etag;    /* in its quotes */
    const unsigned char  *data;
    size_t                len;
} asset_t;


extern const asset_t   assets[];
extern const unsigned  asset_count;


#endif /* APIKEY_ASSETS_H */
