#ifndef APIKEY_CLI_EVENTS_FOLLOW_H
#define APIKEY_CLI_EVENTS_FOLLOW_H

/*
 * Reading events as they come.  Redis may go away meanwhile, and is asked
 * until it is there again; SIGINT and SIGTERM end it in good order.
 */

#include "store/event.h"

#include "cli.h"


/* CLI_DONE to go on; with another status follow_events() returns that. */
typedef int (*follow_visit_pt)(void *data, const event_t *event);


/* Begins to heed the signals. */
void follow_signals(void);

/* CLI_REFUSED, too, when nobody reads standard output any more. */
void follow_reader(void);

int follow_stopped(void);

/* Waits for so many milliseconds, or until it is to end. */
void follow_wait(unsigned ms);

/* Redis failed: tells of it, and connects anew until it can or is to end. */
void follow_again(cli_t *cli);

/*
 * Visits what came after the id, in order; id is that of the latest one read
 * then.  Where forever, goes on with what comes until a signal, and only the
 * first failure of Redis is one.  Returns a status, told on stderr.
 */
int follow_events(cli_t *cli, char id[STORE_EVENT_ID], int forever,
    follow_visit_pt visit, void *data);


#endif /* APIKEY_CLI_EVENTS_FOLLOW_H */
