#include <string.h>

#include <sodium.h>

#include "store/redis.h"

#include "sessions.h"


static session_t *sessions_room(sessions_t *sessions, const token_t *token);
static session_t *sessions_get(sessions_t *sessions, const char *id);
static void sessions_hash(const sessions_t *sessions, const char *what,
    const char *id, unsigned char hash[TOKENS_HASH]);
static uint64_t sessions_now(void);


void
sessions_init(sessions_t *sessions)
{
    memset(sessions, 0, sizeof(sessions_t));

    pthread_mutex_init(&sessions->mutex, NULL);
    randombytes_buf(sessions->key, sizeof(sessions->key));
}


void
sessions_free(sessions_t *sessions)
{
    pthread_mutex_destroy(&sessions->mutex);
    sodium_memzero(sessions, sizeof(sessions_t));
}


void
sessions_begin(sessions_t *sessions, const token_t *token,
    char id[SESSION_TEXT])
{
    session_t      *session;
    unsigned char   random[(SESSION_TEXT - 1) / 2];

    randombytes_buf(random, sizeof(random));
    sodium_bin2hex(id, SESSION_TEXT, random, sizeof(random));
    sodium_memzero(random, sizeof(random));

    pthread_mutex_lock(&sessions->mutex);

    session = sessions_room(sessions, token);

    sessions_hash(sessions, "session", id, session->hash);
    session->token = token;
    session->began = sessions_now();
    session->used = session->began;

    pthread_mutex_unlock(&sessions->mutex);
}


const token_t *
sessions_find(sessions_t *sessions, const char *id, int use)
{
    session_t      *session;
    const token_t  *token;

    pthread_mutex_lock(&sessions->mutex);

    session = sessions_get(sessions, id);
    token = session ? session->token : NULL;

    if (token != NULL && use) {
        session->used = sessions_now();
    }

    pthread_mutex_unlock(&sessions->mutex);

    return token;
}


void
sessions_end(sessions_t *sessions, const char *id)
{
    session_t  *session;

    pthread_mutex_lock(&sessions->mutex);

    session = sessions_get(sessions, id);

    if (session != NULL) {
        sodium_memzero(session, sizeof(session_t));
    }

    pthread_mutex_unlock(&sessions->mutex);
}


void
sessions_csrf(const sessions_t *sessions, const char *id,
    char csrf[SESSION_TEXT])
{
    unsigned char  hash[TOKENS_HASH];

    sessions_hash(sessions, "csrf", id, hash);
    sodium_bin2hex(csrf, SESSION_TEXT, hash, sizeof(hash));
}


void
sessions_browser(const sessions_t *sessions, const token_t *token,
    char browser[SESSION_TEXT])
{
    unsigned char  hash[TOKENS_HASH];

    sessions_hash(sessions, "browser", token->name, hash);
    sodium_bin2hex(browser, SESSION_TEXT, hash, sizeof(hash));
}


/* Who begins many has to end own ones. */

static session_t *
sessions_room(sessions_t *sessions, const token_t *token)
{
    unsigned    i, own;
    session_t  *session, *any, *oldest;

    any = &sessions->list[0];
    oldest = NULL;
    own = 0;

    for (i = 0; i < SESSIONS_MAX; i++) {
        session = &sessions->list[i];

        if (session->token == token) {
            own++;

            if (oldest == NULL || session->used < oldest->used) {
                oldest = session;
            }
        }

        /* One that is free was used at 0. */

        if (session->used < any->used) {
            any = session;
        }
    }

    return (own >= SESSIONS_TOKEN) ? oldest : any;
}


/* A session that is over ends when somebody asks for it. */

static session_t *
sessions_get(sessions_t *sessions, const char *id)
{
    uint64_t        now;
    unsigned        i;
    session_t      *session, *found;
    unsigned char   hash[TOKENS_HASH];

    found = NULL;
    now = sessions_now();
    sessions_hash(sessions, "session", id, hash);

    for (i = 0; i < SESSIONS_MAX; i++) {
        session = &sessions->list[i];

        if (session->token != NULL
            && sodium_memcmp(session->hash, hash, TOKENS_HASH) == 0)
        {
            found = session;
        }
    }

    if (found != NULL
        && (now - found->used > SESSIONS_IDLE
            || now - found->began > SESSIONS_AGE))
    {
        sodium_memzero(found, sizeof(session_t));
        return NULL;
    }

    return found;
}


static void
sessions_hash(const sessions_t *sessions, const char *what, const char *id,
    unsigned char hash[TOKENS_HASH])
{
    crypto_generichash_state  state;

    (void) crypto_generichash_init(&state, sessions->key, TOKENS_HASH,
                                   TOKENS_HASH);
    (void) crypto_generichash_update(&state, (const unsigned char *) what,
                                     strlen(what) + 1);
    (void) crypto_generichash_update(&state, (const unsigned char *) id,
                                     strlen(id));
    (void) crypto_generichash_final(&state, hash, TOKENS_HASH);
}


static uint64_t
sessions_now(void)
{
    return redis_clock() / 1000000;
}
