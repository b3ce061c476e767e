#ifndef APIKEY_STORE_SERVERS_H
#define APIKEY_STORE_SERVERS_H

/*
 * The servers that a store's keys are on, for looking at each of them: one, or
 * the masters of a Cluster.  Their numbers hold until the store is closed.
 */

#include "store.h"


/* Of those that have slots now; to be freed. */
unsigned *store_servers(const store_t *store, unsigned *count);

const char *store_server_name(const store_t *store, unsigned server);

/* That has given the latest reply. */
unsigned store_server_latest(const store_t *store);

/* As store_append() and store_command(). */
void store_server_append(store_t *store, unsigned server,
    const apikey_text_t *argv, unsigned argc);
reply_t *store_server_command(store_t *store, unsigned server,
    const apikey_text_t *argv, unsigned argc);

/* Does its Cluster know where it is? */
int store_server_placed(const store_t *store, unsigned server);

/* Is it there, whatever it says?  Else error says why not. */
int store_server_answers(store_t *store, unsigned server);

/* Was it, when it was asked last? */
int store_server_connected(const store_t *store, unsigned server);

/* Its clock, in microseconds. */
store_rc_e store_server_time(store_t *store, unsigned server, uint64_t *now);

/* Does this server have the record, if there is one? */
int store_server_has(const store_t *store, unsigned server,
    const unsigned char digest[APIKEY_DIGEST_SIZE]);


#endif /* APIKEY_STORE_SERVERS_H */
