#ifndef APIKEY_SESSIONS_H
#define APIKEY_SESSIONS_H

/*
 * Who has logged in to the web console.  A session is named by a random id,
 * which only the browser has; here is its hash.  It ends when it wasn't used
 * for some time, when it is old, when it is ended, or when so many others
 * began, of its token or of all, that there is no room for it: the one not used
 * for longest goes.
 */

#include <pthread.h>
#include <stdint.h>

#include "tokens.h"


#define SESSIONS_MAX      256
#define SESSIONS_TOKEN    32         /* of one token */
#define SESSIONS_IDLE     1800       /* seconds */
#define SESSIONS_AGE      43200
#define SESSIONS_BROWSER  2592000    /* that a browser is known */

#define SESSION_TEXT   (2 * 32 + 1)    /* an id, a CSRF token */


typedef struct {
    unsigned char    hash[TOKENS_HASH];
    const token_t   *token;     /* NULL: no session */
    uint64_t         began;     /* seconds, by redis_clock() */
    uint64_t         used;
} session_t;


typedef struct {
    pthread_mutex_t  mutex;
    unsigned char    key[TOKENS_HASH];
    session_t        list[SESSIONS_MAX];
} sessions_t;


void sessions_init(sessions_t *sessions);
void sessions_free(sessions_t *sessions);

/* Begins one and writes its id. */
void sessions_begin(sessions_t *sessions, const token_t *token,
    char id[SESSION_TEXT]);

/* Whose session it is, or NULL; with use it isn't idle any more. */
const token_t *sessions_find(sessions_t *sessions, const char *id, int use);

void sessions_end(sessions_t *sessions, const char *id);

/* What requests of that session have to bear if they change something. */
void sessions_csrf(const sessions_t *sessions, const char *id,
    char csrf[SESSION_TEXT]);

/* What a browser is known by, from then on, in which that token was right. */
void sessions_browser(const sessions_t *sessions, const token_t *token,
    char browser[SESSION_TEXT]);


#endif /* APIKEY_SESSIONS_H */
