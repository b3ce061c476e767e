#ifndef APIKEY_IMPORT_BATCH_H
#define APIKEY_IMPORT_BATCH_H

/*
 * Keys on their way into Redis, a thousand at once, and what came of each: it
 * was imported, is known already, or was refused, by its line and the reason.
 */

#include "store/entry.h"

#include "cli.h"
#include "import_seen.h"


#define IMPORT_BATCH  1000


typedef struct {
    cli_t           *cli;
    const char      *path;
    unsigned         dry:1;       /* nothing is written */
    unsigned         peppered:1;
    unsigned         shown:1;     /* progress is on the terminal */
    uint64_t         progress;    /* since when */
    double           done;        /* of the file, from 0 to 1; 0: not known */

    store_new_t      keys[IMPORT_BATCH];
    uint32_t         given[IMPORT_BATCH];
    unsigned         lines[IMPORT_BATCH];
    char            *lost[IMPORT_BATCH];
    unsigned         count;

    import_seen_t    ids;         /* of a dry run */
    import_seen_t    digests;

    unsigned         imported;
    unsigned         known;
    unsigned         refused;
} import_batch_t;


/* To be freed. */
import_batch_t *import_batch_make(cli_t *cli, const char *path, int dry);

/*
 * Takes the entry's attributes over; lost is what can't be carried over, or
 * NULL.  CLI_DONE also where the key is refused; other statuses end the
 * import, as do those of import_batch_flush().
 */
int import_batch_add(import_batch_t *batch, entry_t *entry, unsigned line,
    const char *lost);
int import_batch_flush(import_batch_t *batch);

void import_batch_refuse(import_batch_t *batch, unsigned line,
    const char *why);

/* Of no key, but of that line. */
void import_batch_note(import_batch_t *batch, unsigned line,
    const char *text);

/* The terminal is for other lines. */
void import_batch_clear(import_batch_t *batch);

void import_batch_free(import_batch_t *batch);


#endif /* APIKEY_IMPORT_BATCH_H */
