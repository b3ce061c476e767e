#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "events_follow.h"


#define FOLLOW_PAGE   500
#define FOLLOW_BLOCK  1000    /* milliseconds, after which signals are seen */
#define FOLLOW_SLICE  200
#define FOLLOW_AGAIN  500     /* from one attempt to connect to the next */


static int follow_page(const store_events_t *events,
    char id[STORE_EVENT_ID], follow_visit_pt visit, void *data);
static void follow_signal(int signo);


static volatile sig_atomic_t  follow_ended;
static int                    follow_read;


void
follow_signals(void)
{
    struct sigaction  sa;

    memset(&sa, 0, sizeof(sa));
    sa.sa_handler = follow_signal;

    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
}


void
follow_reader(void)
{
    follow_read = 1;
}


int
follow_stopped(void)
{
    return follow_ended;
}


void
follow_wait(unsigned ms)
{
    unsigned         slice;
    struct timespec  ts;

    /* A signal just before nanosleep() is seen a slice later. */

    while (ms != 0 && !follow_ended) {
        slice = (ms < FOLLOW_SLICE) ? ms : FOLLOW_SLICE;
        ms -= slice;

        ts.tv_sec = 0;
        ts.tv_nsec = slice * 1000000L;
        (void) nanosleep(&ts, NULL);
    }
}


void
follow_again(cli_t *cli)
{
    (void) cli_failed(cli);
    complain("trying again until it answers");

    do {
        follow_wait(FOLLOW_AGAIN);
        cli_close(cli);
    } while (!follow_ended && cli_try(cli) != CLI_DONE);

    if (!follow_ended) {
        complain("Redis at %s answers again", cli->settings->address.shown);
    }
}


int
follow_events(cli_t *cli, char id[STORE_EVENT_ID], int forever,
    follow_visit_pt visit, void *data)
{
    int              rc, begun;
    store_rc_e       read;
    store_events_t   events;

    rc = CLI_DONE;
    begun = 0;

    while (rc == CLI_DONE && !follow_ended) {

        if (follow_read && output_unread()) {
            return CLI_REFUSED;
        }

        read = store_events_after(&cli->store, &events, id, FOLLOW_PAGE,
                                  (forever && begun) ? FOLLOW_BLOCK : 0);

        if (read != STORE_DONE) {

            if (!forever || !begun) {
                return cli_failed(cli);
            }

            follow_again(cli);
            continue;
        }

        begun = 1;

        if (events.count == 0 && !forever) {
            store_events_free(&events);
            break;
        }

        rc = follow_page(&events, id, visit, data);
        store_events_free(&events);
    }

    return rc;
}


static int
follow_page(const store_events_t *events, char id[STORE_EVENT_ID],
    follow_visit_pt visit, void *data)
{
    int      rc;
    size_t   i;
    event_t  event;

    for (i = 0; i < events->count && !follow_ended; i++) {

        if (event_read(&event, reply_at(events->entries, i)) == 0) {
            rc = visit(data, &event);

            if (rc != CLI_DONE) {
                return rc;
            }
        }

        event_entry_id(id, reply_at(events->entries, i));
    }

    return CLI_DONE;
}


static void
follow_signal(int signo)
{
    (void) signo;

    follow_ended = 1;
}
