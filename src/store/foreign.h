#ifndef APIKEY_FOREIGN_H
#define APIKEY_FOREIGN_H

/*
 * Keys as the exports of other gateways have them.  What a key has there and
 * can't have here is lost, and named; where that can't be, since more would be
 * allowed than was meant, the key is refused.
 */

#include "document.h"
#include "entry.h"

#define FOREIGN_LOST     512
#define FOREIGN_WINDOWS  16


typedef enum {
    FOREIGN_KONG = 0,
    FOREIGN_APISIX,
    FOREIGN_TYK,
    FOREIGN_AWS,
    FOREIGN_UNKEY,
    FOREIGN_ZUPLO,
    FOREIGN_COUNT
} foreign_e;


/*
 * A key with what is lost of it, or NULL; entry->why is "" unless it is
 * refused.  Without an entry, lost says what else that line has.  Whatever else
 * than 0 it returns ends the reading.  The attributes may be taken out of the
 * entry.
 */
typedef int (*foreign_key_pt)(void *data, entry_t *entry, unsigned line,
    const char *lost);


typedef struct {
    uint64_t          now;       /* Unix seconds */
    const char       *plan;      /* in place of plans and limits; or NULL */
    apikey_text_t     scopes;    /* empty: all of them */
    foreign_key_pt    key;
    void             *data;

    unsigned          line;      /* of what is wrong with the file */
    char              why[ENTRY_WHY];

    /* of the key that is being read */
    entry_t           entry;
    unsigned          entry_line;
    size_t            lost_len;
    char              lost[FOREIGN_LOST];
    unsigned          sliding:1;
    unsigned          window_count;
    apikey_window_t   windows[FOREIGN_WINDOWS];
    char              limits[APIKEY_LIMITS_TEXT];   /* besides the windows */
} foreign_t;


/* FOREIGN_COUNT: there is none of that name. */
foreign_e foreign_find(const char *name);

/*
 * Reads a file, which is UTF-8 and gets changed.  The caller sets the fields up
 * to data, the others being zero; why is "" if the file could be read.  Returns
 * what the last call of key() did.
 */
int foreign_read(foreign_t *foreign, foreign_e from, char *text, size_t len);


/* What those that know a format call. */

/* Reads each node of a list until one returns something else than 0. */
typedef int (*foreign_node_pt)(foreign_t *foreign,
    const document_node_t *node);

int foreign_each(foreign_t *foreign, const document_node_t *list,
    foreign_node_pt read);

/* A new key, of this line. */
void foreign_begin(foreign_t *foreign, unsigned line);

/* Its text; one that is only a reference to where it is kept is refused. */
void foreign_token(foreign_t *foreign, apikey_text_t text);

/* A field of entry.h; foreign_may() loses a value that can't be had here. */
void foreign_set(foreign_t *foreign, const char *name, apikey_text_t text);
void foreign_may(foreign_t *foreign, const char *name, apikey_text_t text);
void foreign_set_time(foreign_t *foreign, const char *name, double seconds);

/* So many requests in so many seconds, neither of which need be whole. */
void foreign_limit(foreign_t *foreign, double count, double seconds);

/* The same in our own words, such as "100r/month". */
void foreign_limit_text(foreign_t *foreign, apikey_text_t count,
    const char *unit);

void foreign_lose(foreign_t *foreign, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Loses these, if there are any: 'its tags "a", "b"'. */
void foreign_lose_list(foreign_t *foreign, const char *what,
    const document_node_t *list);

/* The first reason is kept. */
void foreign_refuse(foreign_t *foreign, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The key is complete. */
int foreign_end(foreign_t *foreign);

/* A line that holds no key. */
int foreign_note(foreign_t *foreign, unsigned line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The file is of no known form. */
int foreign_unknown(foreign_t *foreign, unsigned line, const char *why);


/* The formats, which may move nodes of the document. */
typedef int (*foreign_format_pt)(foreign_t *foreign, document_t *document);

int foreign_kong(foreign_t *foreign, document_t *document);
int foreign_apisix(foreign_t *foreign, document_t *document);
int foreign_tyk(foreign_t *foreign, document_t *document);
int foreign_aws(foreign_t *foreign, document_t *document);
int foreign_unkey(foreign_t *foreign, document_t *document);
int foreign_zuplo(foreign_t *foreign, document_t *document);

/* The CSV that AWS imports. */
int foreign_aws_csv(foreign_t *foreign, apikey_text_t text);


#endif /* APIKEY_FOREIGN_H */
