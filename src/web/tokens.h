#ifndef APIKEY_TOKENS_H
#define APIKEY_TOKENS_H

/*
 * Who may use the web console: lines "NAME ROLE TOKEN" of a file, of which
 * only keyed hashes of the tokens are kept.
 */

#include <stdatomic.h>
#include <stddef.h>


#define TOKENS_HASH  32
#define TOKENS_MIN   32     /* bytes of a token */
#define TOKENS_MAX   256
#define TOKENS_TEXT  (2 * TOKENS_HASH + 1)


typedef enum {
    ROLE_VIEWER = 0,
    ROLE_ADMIN
} role_e;


typedef struct {
    char           *name;
    role_e          role;
    unsigned char   hash[TOKENS_HASH];
    unsigned        number;     /* in the list */
    atomic_int      streams;    /* of events, open ones */
} token_t;


typedef struct {
    unsigned char   key[TOKENS_HASH];
    token_t        *list;
    unsigned        count;
} tokens_t;


/* 0, or -1 having told why on stderr. */
int tokens_read(tokens_t *tokens, const char *path);

/* One random token, of an admin: the caller wipes text. */
void tokens_make(tokens_t *tokens, char text[TOKENS_TEXT]);

/* NULL if there is none; in the same time for all. */
const token_t *tokens_find(const tokens_t *tokens, const char *text);

const char *role_name(role_e role);

void tokens_free(tokens_t *tokens);


#endif /* APIKEY_TOKENS_H */
