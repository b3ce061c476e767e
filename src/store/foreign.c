#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "foreign.h"


#define FOREIGN_SHOWN  64      /* of a text from the file */


static void foreign_windows(foreign_t *foreign);
static size_t foreign_windows_format(foreign_t *foreign, char *out);
static int foreign_window_compare(const void *a, const void *b);
static int foreign_whole(double number, uint64_t *whole);


int
foreign_each(foreign_t *foreign, const document_node_t *list,
    foreign_node_pt read)
{
    int                     rc;
    const document_node_t  *node;

    rc = 0;

    for (node = document_first(list);
         rc == 0 && node != NULL && foreign->why[0] == '\0';
         node = node->next)
    {
        rc = read(foreign, node);
    }

    return rc;
}


void
foreign_begin(foreign_t *foreign, unsigned line)
{
    memset(&foreign->entry, 0, sizeof(entry_t));

    foreign->entry_line = line;
    foreign->lost_len = 0;
    foreign->lost[0] = '\0';
    foreign->sliding = 0;
    foreign->window_count = 0;
    foreign->limits[0] = '\0';
}


void
foreign_token(foreign_t *foreign, apikey_text_t text)
{
    unsigned  i;

    static const char  *references[] = {
        "$secret://", "$env://", "$ENV://", "{vault://", "${"
    };

    for (i = 0; i < sizeof(references) / sizeof(char *); i++) {

        if (text.len >= strlen(references[i])
            && memcmp(text.data, references[i], strlen(references[i])) == 0)
        {
            foreign_refuse(foreign, "key: is a reference, \"%s...\", to where "
                           "the key is kept", references[i]);
            return;
        }
    }

    foreign_set(foreign, "key", text);
}


void
foreign_set(foreign_t *foreign, const char *name, apikey_text_t text)
{
    if (foreign->plan != NULL && strcmp(name, "plan") == 0) {
        return;
    }

    if (foreign->entry.why[0] == '\0') {
        (void) entry_set(&foreign->entry, name, text);
    }
}


void
foreign_may(foreign_t *foreign, const char *name, apikey_text_t text)
{
    if (foreign->entry.why[0] == '\0'
        && entry_set(&foreign->entry, name, text) != APIKEY_OK)
    {
        foreign->entry.why[0] = '\0';
        foreign_lose(foreign, "its %s \"%.*s\", which can't be one here", name,
                     text.len < FOREIGN_SHOWN ? (int) text.len : FOREIGN_SHOWN,
                     text.data);
    }
}


void
foreign_set_time(foreign_t *foreign, const char *name, double seconds)
{
    int   n;
    char  text[32];

    if (seconds < 1 || seconds > 1e12) {
        foreign_refuse(foreign, "%s: not a time", name);
        return;
    }

    n = snprintf(text, sizeof(text), "%.0f", floor(seconds));
    foreign_set(foreign, name, (apikey_text_t) { text, n });
}


/* 0.5 a second are 1 in 2 seconds. */

void
foreign_limit(foreign_t *foreign, double count, double seconds)
{
    unsigned         k;
    uint64_t         limit, window;

    if (foreign->plan != NULL) {
        return;
    }

    for (k = 1; k <= 1000; k++) {

        if (foreign_whole(count * k, &limit)
            && foreign_whole(seconds * k, &window)
            && limit <= APIKEY_COUNT_MAX
            && window <= APIKEY_WINDOW_SECONDS)
        {
            break;
        }
    }

    if (k > 1000 || foreign->window_count == FOREIGN_WINDOWS) {
        foreign_refuse(foreign, "a limit of %g requests in %g seconds can't "
                       "be one here", count, seconds);
        return;
    }

    foreign->windows[foreign->window_count++] =
        (apikey_window_t) { limit, window };
}


void
foreign_limit_text(foreign_t *foreign, apikey_text_t count, const char *unit)
{
    size_t  len;

    if (foreign->plan != NULL) {
        return;
    }

    len = strlen(foreign->limits);

    snprintf(foreign->limits + len, sizeof(foreign->limits) - len,
             " %.*sr/%s", count.len < 24 ? (int) count.len : 24, count.data,
             unit);
}


void
foreign_lose(foreign_t *foreign, const char *format, ...)
{
    size_t   room;
    va_list  args;

    room = FOREIGN_LOST - foreign->lost_len;

    if (foreign->lost_len != 0) {
        foreign->lost_len += snprintf(foreign->lost + foreign->lost_len, room,
                                      ", ");
    }

    if (foreign->lost_len < FOREIGN_LOST) {
        room = FOREIGN_LOST - foreign->lost_len;

        va_start(args, format);
        foreign->lost_len += vsnprintf(foreign->lost + foreign->lost_len, room,
                                       format, args);
        va_end(args);
    }

    if (foreign->lost_len >= FOREIGN_LOST) {
        foreign->lost_len = FOREIGN_LOST - 1;
    }
}


void
foreign_lose_list(foreign_t *foreign, const char *what,
    const document_node_t *list)
{
    char                    text[FOREIGN_LOST];
    size_t                  len;
    apikey_text_t           word;
    const document_node_t  *node;

    len = 0;

    for (node = document_first(list); node != NULL; node = node->next) {

        /* Of a map, the names; of maps in a list, what they are called. */

        word = (list->kind == DOCUMENT_MAP) ? node->name : document_text(node);

        if (node->kind == DOCUMENT_MAP && list->kind == DOCUMENT_LIST) {
            word = document_get_text(node, "group");
            word = word.len ? word : document_get_text(node, "name");
        }

        if (word.len != 0 && len < sizeof(text)) {
            len += snprintf(text + len, sizeof(text) - len, "%s\"%.*s\"",
                            len ? ", " : "",
                            word.len < FOREIGN_SHOWN ? (int) word.len
                                                     : FOREIGN_SHOWN,
                            word.data);
        }
    }

    if (len != 0) {
        foreign_lose(foreign, "its %s %s", what, text);
    }
}


void
foreign_refuse(foreign_t *foreign, const char *format, ...)
{
    va_list  args;

    if (foreign->entry.why[0] == '\0') {
        va_start(args, format);
        vsnprintf(foreign->entry.why, ENTRY_WHY, format, args);
        va_end(args);
    }
}


int
foreign_end(foreign_t *foreign)
{
    int                    rc;
    entry_t               *entry;
    static const char      all[] = "*:*";
    const apikey_text_t    every = { all, sizeof(all) - 1 };

    entry = &foreign->entry;

    if (entry->attributes.value[ATTRIBUTE_SCOPES] == NULL
        || foreign->scopes.len != 0)
    {
        foreign_set(foreign, "scopes", foreign->scopes.len ? foreign->scopes
                                                           : every);
    }

    foreign_windows(foreign);

    if (foreign->plan != NULL && entry->why[0] == '\0') {
        (void) entry_set(entry, "plan",
                         (apikey_text_t) { foreign->plan,
                                           strlen(foreign->plan) });
    }

    if (entry->why[0] == '\0') {
        (void) entry_finish(entry);
    }

    rc = foreign->key(foreign->data, entry, foreign->entry_line,
                      foreign->lost_len ? foreign->lost : NULL);

    attributes_free(&entry->attributes);
    sodium_memzero(entry, sizeof(entry_t));

    return rc;
}


int
foreign_note(foreign_t *foreign, unsigned line, const char *format, ...)
{
    char     text[FOREIGN_LOST];
    va_list  args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);

    return foreign->key(foreign->data, NULL, line, text);
}


int
foreign_unknown(foreign_t *foreign, unsigned line, const char *why)
{
    foreign->line = line;
    snprintf(foreign->why, sizeof(foreign->why), "%s", why);

    return 0;
}


static void
foreign_windows(foreign_t *foreign)
{
    char           text[FOREIGN_WINDOWS * 48 + APIKEY_LIMITS_TEXT + 32];
    char           why[ENTRY_WHY];
    size_t         len;
    const char    *reason;

    len = foreign_windows_format(foreign, text);

    len += snprintf(text + len, sizeof(text) - len, "%s", foreign->limits);

    if (len == 0) {
        return;
    }

    len += snprintf(text + len, sizeof(text) - len, "%s",
                    foreign->sliding ? " algorithm=sliding" : "");

    if (foreign->entry.why[0] != '\0'
        || entry_set(&foreign->entry, "limits", (apikey_text_t) { text, len })
           == APIKEY_OK)
    {
        return;
    }

    /* What was wrong is not in the file in these words. */

    snprintf(why, sizeof(why), "%s", foreign->entry.why);
    reason = strncmp(why, "limits: ", 8) ? why : why + 8;

    foreign->entry.why[0] = '\0';
    foreign_refuse(foreign, "limits \"%.*s\": %.80s", 48,
                   text[0] == ' ' ? text + 1 : text, reason);
}


/*
 * In the order of their seconds.  Of two over the same time, and of a shorter
 * one that allows more than a longer one, the other decides alone.
 */

static size_t
foreign_windows_format(foreign_t *foreign, char *out)
{
    size_t            len;
    unsigned          i, n;
    apikey_window_t  *w;

    w = foreign->windows;
    n = foreign->window_count;

    qsort(w, n, sizeof(apikey_window_t), foreign_window_compare);

    len = 0;

    for (i = 0; i < n; i++) {

        if (i > 0 && w[i].seconds == w[i - 1].seconds) {
            w[i].limit = w[i - 1].limit;
            continue;
        }
    }

    for (i = n; i > 0; i--) {
        if (i < n && w[i - 1].limit > w[i].limit) {
            w[i - 1] = w[i];
        }
    }

    for (i = 0; i < n; i++) {

        if (i > 0 && w[i].seconds == w[i - 1].seconds) {
            continue;
        }

        len += sprintf(out + len, "%s%llu/%u", len ? " " : "",
                       (unsigned long long) w[i].limit, w[i].seconds);
    }

    return len;
}


static int
foreign_window_compare(const void *a, const void *b)
{
    const apikey_window_t *x = a;
    const apikey_window_t *y = b;

    if (x->seconds != y->seconds) {
        return (x->seconds < y->seconds) ? -1 : 1;
    }

    return (x->limit > y->limit) - (x->limit < y->limit);
}


static int
foreign_whole(double number, uint64_t *whole)
{
    if (number < 0.5 || number > 1e15
        || fabs(number - round(number)) > 1e-9 * number)
    {
        return 0;
    }

    *whole = (uint64_t) round(number);

    return 1;
}
