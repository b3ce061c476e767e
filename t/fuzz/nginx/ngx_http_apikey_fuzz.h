#ifndef _NGX_HTTP_APIKEY_FUZZ_H_INCLUDED_
#define _NGX_HTTP_APIKEY_FUZZ_H_INCLUDED_

/*
 * Fuzzing inside nginx: libFuzzer is preloaded (libfuzzer.c), both modules are
 * built for it, and "nginx -t" of t/fuzz.t's configuration doesn't come back
 * from the directive "fuzz".
 */

#include "gateway/ngx_http_apikey.h"
#include "fuzz.h"


typedef struct {
    ngx_array_t    locations;    /* void **: those with "fuzz_location" */
    ngx_str_t      target;
    ngx_array_t    args;         /* char *: libFuzzer's */
} ngx_http_apikey_fuzz_conf_t;


/* What "fuzz" has been given, and the configuration being read. */
extern ngx_conf_t                   *fuzz_cf;
extern ngx_http_apikey_fuzz_conf_t  *fuzz_conf;


/* Each allocation in it is malloc's, so that the sanitizer sees its end. */
ngx_pool_t *fuzz_pool_create(void);

int fuzz_credential(const uint8_t *data, size_t size);
int fuzz_directive(const uint8_t *data, size_t size);
int fuzz_answer_bytes(const uint8_t *data, size_t size);


#endif /* _NGX_HTTP_APIKEY_FUZZ_H_INCLUDED_ */
