#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <sodium.h>

#include "core/record.h"

#include "store/complain.h"
#include "store/memory.h"

#include "tokens.h"


static const char *tokens_read_file(tokens_t *tokens, FILE *file,
    unsigned *number);
static const char *tokens_read_line(tokens_t *tokens, char *line);
static const char *tokens_add(tokens_t *tokens, const char *name,
    role_e role, const char *text);
static void tokens_hash(const tokens_t *tokens, const char *text,
    unsigned char hash[TOKENS_HASH]);


static const char *const  role_names[] = {
    [ROLE_VIEWER] = "viewer",
    [ROLE_ADMIN] = "admin"
};


int
tokens_read(tokens_t *tokens, const char *path)
{
    FILE         *file;
    unsigned      number;
    const char   *why;
    struct stat   st;

    memset(tokens, 0, sizeof(tokens_t));
    randombytes_buf(tokens->key, sizeof(tokens->key));

    file = fopen(path, "re");

    if (file == NULL || fstat(fileno(file), &st) == -1) {
        complain("token file \"%s\": %s", path, strerror(errno));

        if (file != NULL) {
            fclose(file);
        }

        return -1;
    }

    number = 0;

    if (st.st_mode & S_IRWXO) {
        complain("token file \"%s\": open to others (mode %04o): chmod 640 "
                 "it, and make new tokens if somebody may have read them",
                 path, (unsigned) st.st_mode & 07777);
        fclose(file);
        return -1;
    }

    why = tokens_read_file(tokens, file, &number);

    if (why != NULL && number != 0) {
        complain("token file \"%s\", line %u: %s", path, number, why);

    } else if (why != NULL) {
        complain("token file \"%s\": %s", path, why);
    }

    return why ? -1 : 0;
}


void
tokens_make(tokens_t *tokens, char text[TOKENS_TEXT])
{
    unsigned char  random[TOKENS_HASH];

    memset(tokens, 0, sizeof(tokens_t));
    randombytes_buf(tokens->key, sizeof(tokens->key));
    randombytes_buf(random, sizeof(random));

    sodium_bin2hex(text, TOKENS_TEXT, random, sizeof(random));
    sodium_memzero(random, sizeof(random));

    (void) tokens_add(tokens, "admin", ROLE_ADMIN, text);
}


const token_t *
tokens_find(const tokens_t *tokens, const char *text)
{
    unsigned        i;
    const token_t  *found;
    unsigned char   hash[TOKENS_HASH];

    found = NULL;
    tokens_hash(tokens, text, hash);

    for (i = 0; i < tokens->count; i++) {
        if (sodium_memcmp(tokens->list[i].hash, hash, TOKENS_HASH) == 0) {
            found = &tokens->list[i];
        }
    }

    return found;
}


const char *
role_name(role_e role)
{
    return role_names[role];
}


void
tokens_free(tokens_t *tokens)
{
    unsigned  i;

    for (i = 0; i < tokens->count; i++) {
        free(tokens->list[i].name);
    }

    free(tokens->list);
    sodium_memzero(tokens, sizeof(tokens_t));
}


/*
 * NULL, or why not, and the line's number if it is a line's fault.  Closes the
 * file, whose buffer has held tokens, too.
 */

static const char *
tokens_read_file(tokens_t *tokens, FILE *file, unsigned *number)
{
    char         *line, buffer[BUFSIZ];
    size_t        size;
    const char   *why;

    setvbuf(file, buffer, _IOFBF, sizeof(buffer));

    line = NULL;
    size = 0;
    why = NULL;

    while (why == NULL && getline(&line, &size, file) != -1) {
        (*number)++;
        why = tokens_read_line(tokens, line);
    }

    if (why == NULL) {
        *number = 0;

        if (ferror(file)) {
            why = strerror(errno);

        } else if (tokens->count == 0) {
            why = "holds no token: a line is like \"ops admin TOKEN\"";
        }
    }

    fclose(file);
    sodium_memzero(buffer, sizeof(buffer));
    memory_wipe(line);

    return why;
}


static const char *
tokens_read_line(tokens_t *tokens, char *line)
{
    char      *rest, *name, *role, *text;
    role_e     i;

    name = strtok_r(line, " \t\r\n", &rest);

    if (name == NULL || *name == '#') {
        return NULL;
    }

    role = strtok_r(NULL, " \t\r\n", &rest);
    text = strtok_r(NULL, " \t\r\n", &rest);

    if (text == NULL || strtok_r(NULL, " \t\r\n", &rest) != NULL) {
        return "not like \"NAME ROLE TOKEN\"";
    }

    for (i = ROLE_VIEWER; strcmp(role_names[i], role) != 0; i++) {
        if (i == ROLE_ADMIN) {
            return "the role is neither viewer nor admin";
        }
    }

    return tokens_add(tokens, name, i, text);
}


static const char *
tokens_add(tokens_t *tokens, const char *name, role_e role, const char *text)
{
    size_t     len;
    unsigned   i;
    token_t   *token;

    if (apikey_label_check((apikey_text_t) { name, strlen(name) })
        != APIKEY_OK)
    {
        return "a name is 1 to 64 printable characters without space, "
               "quotes, braces, comma and backslash";
    }

    len = strlen(text);

    if (len < TOKENS_MIN || len > TOKENS_MAX) {
        return "a token has 32 to 256 characters: make one with "
               "\"openssl rand -hex 32\"";
    }

    if (tokens_find(tokens, text) != NULL) {
        return "this token stands there already";
    }

    for (i = 0; i < tokens->count; i++) {
        if (strcmp(tokens->list[i].name, name) == 0) {
            return "this name stands there already";
        }
    }

    tokens->list = must(realloc(tokens->list,
                                (tokens->count + 1) * sizeof(token_t)));
    token = &tokens->list[tokens->count];
    token->number = tokens->count++;
    atomic_init(&token->streams, 0);

    token->name = must(strdup(name));
    token->role = role;
    tokens_hash(tokens, text, token->hash);

    return NULL;
}


static void
tokens_hash(const tokens_t *tokens, const char *text,
    unsigned char hash[TOKENS_HASH])
{
    (void) crypto_generichash(hash, TOKENS_HASH,
                              (const unsigned char *) text, strlen(text),
                              tokens->key, TOKENS_HASH);
}
