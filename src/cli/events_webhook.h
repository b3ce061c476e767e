#ifndef APIKEY_CLI_EVENTS_WEBHOOK_H
#define APIKEY_CLI_EVENTS_WEBHOOK_H

/*
 * Events sent to a URL: a POST of each, as JSON, in order; the next one when
 * it was taken, which is any status from 200 to 299.  How far it has got is
 * kept in Redis, written after each; so an event may be sent twice after a
 * crash, and none is left out.
 *
 *   Apikey-Signature: t=SECONDS,v1=HEX
 *
 * is the time of sending, and the HMAC-SHA256 with the secret over SECONDS, a
 * dot, and the body.
 */

#include "events_follow.h"


typedef struct webhook_s  webhook_t;


/*
 * From the options, and where to begin: behind which event.  A webhook that
 * is new begins behind since, or with what happens from now on if that is
 * "".  CLI_DONE, or a status told on stderr; to be closed in any case.
 */
int webhook_open(webhook_t **webhook, cli_t *cli, int forever,
    const char *since, char id[STORE_EVENT_ID]);

/*
 * Sends one, again and again where forever, and until it is to end; else a few
 * times: CLI_DONE, or CLI_REFUSED.
 */
int webhook_send(webhook_t *webhook, const event_t *event);

/* The event isn't asked for: it counts as taken. */
void webhook_skip(webhook_t *webhook, const event_t *event);

/* How many were sent. */
uint64_t webhook_sent(const webhook_t *webhook);

void webhook_close(webhook_t *webhook);


#endif /* APIKEY_CLI_EVENTS_WEBHOOK_H */
