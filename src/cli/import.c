/*
 * import: existing keys, from rows of CSV or JSON.  Rows that can't be taken
 * over are told and passed by; keys that are there already are left alone, so
 * that an import can be run again, or go on after it was interrupted.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "store/entry.h"
#include "store/memory.h"

#include "cli.h"
#include "given.h"
#include "tell.h"


#define IMPORT_BATCH     1000
#define IMPORT_POLL      500       /* milliseconds */
#define IMPORT_PROGRESS  200000    /* microseconds from one to the next */


typedef struct {
    cli_t            *cli;
    const char       *path;
    int               fd;
    uint64_t          size;        /* 0: not known */
    rows_t            rows;
    entry_columns_t   columns;

    store_new_t       keys[IMPORT_BATCH];
    uint32_t          given[IMPORT_BATCH];
    unsigned          lines[IMPORT_BATCH];
    unsigned          count;

    unsigned          imported;
    unsigned          known;
    unsigned          refused;

    unsigned          begun:1;     /* the columns are known, if there are any */
    unsigned          peppered:1;
    unsigned          shown:1;     /* progress stands on the terminal */
    uint64_t          progress;    /* since when */
} import_t;


static int import_open(import_t *import);
static ssize_t import_read(void *data, char *buf, size_t size);
static int import_rows(import_t *import);
static int import_row(import_t *import);
static int import_digest(import_t *import, entry_t *entry);
static void import_complete(import_t *import, attributes_t *attributes);
static int import_flush(import_t *import);
static int import_existing(import_t *import);
static void import_compare(import_t *import, unsigned i,
    const stored_t *stored);
static void import_drop(import_t *import);
static void import_refuse(import_t *import, unsigned line, const char *why);
static void import_progress(import_t *import);
static void import_progress_clear(import_t *import);
static void import_print(const import_t *import);
static void import_signal(int signo);


static volatile sig_atomic_t  import_stopped;


int
command_import(cli_t *cli)
{
    int        rc;
    import_t  *import;

    rc = cli_operands(cli, 1, 1, "one file, or - for standard input");

    if (rc != CLI_DONE) {
        return rc;
    }

    import = must(calloc(1, sizeof(import_t)));

    import->cli = cli;
    import->fd = -1;

    rc = import_open(import);

    if (rc == CLI_DONE) {
        rc = cli_open(cli);
    }

    if (rc == CLI_DONE) {
        rc = import_rows(import);
        import_progress_clear(import);

        if (import->imported != 0) {
            tell_imported(cli, import->imported, import->refused);
        }

        import_print(import);
    }

    if (rc == CLI_DONE && (import->refused != 0 || import_stopped)) {
        rc = CLI_REFUSED;
    }

    if (import->fd > STDIN_FILENO) {
        close(import->fd);
    }

    rows_free(&import->rows);
    import_drop(import);
    free(import);

    return rc;
}


static int
import_open(import_t *import)
{
    int                rc;
    struct stat        st;
    rows_format_e      format;
    struct sigaction   sa;

    rc = given_format(import->cli, &format);

    if (rc != CLI_DONE) {
        return rc;
    }

    import->path = import->cli->options->operands[0];

    import->fd = strcmp(import->path, "-")
                 ? open(import->path, O_RDONLY|O_CLOEXEC)
                 : STDIN_FILENO;

    if (import->fd == -1) {
        complain("\"%s\": %s", import->path, strerror(errno));
        return CLI_USAGE;
    }

    if (fstat(import->fd, &st) == 0 && S_ISREG(st.st_mode)) {
        import->size = st.st_size;
    }

    rows_init(&import->rows, format, import_read, import);

    /* What is under way is finished, and reading ends. */

    memset(&sa, 0, sizeof(sa));
    sa.sa_handler = import_signal;
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);

    return CLI_DONE;
}


static ssize_t
import_read(void *data, char *buf, size_t size)
{
    import_t *import = data;

    int            n;
    struct pollfd  pfd;

    pfd.fd = import->fd;
    pfd.events = POLLIN;

    /* A signal just before poll() is seen when its time is over. */

    do {
        n = poll(&pfd, 1, IMPORT_POLL);

        if (import_stopped) {
            return -1;
        }
    } while (n == 0 || (n == -1 && errno == EINTR));

    return (n == 1) ? read(import->fd, buf, size) : -1;
}


static int
import_rows(import_t *import)
{
    int  rc, more;

    rc = CLI_DONE;
    more = 0;

    while (rc == CLI_DONE
           && !import_stopped
           && (more = rows_next(&import->rows)) == 1)
    {
        rc = import_row(import);

        if (rc == CLI_DONE && import->count == IMPORT_BATCH) {
            rc = import_flush(import);
            import_progress(import);
        }
    }

    if (more == -1 && !import_stopped) {
        complain("\"%s\": %s", import->path, strerror(errno));
        rc = CLI_USAGE;
    }

    if (rc == CLI_DONE || rc == CLI_USAGE) {
        more = import_flush(import);
        rc = more ? more : rc;
    }

    return rc;
}


/* CLI_DONE also where the row is refused; other statuses end the import. */

static int
import_row(import_t *import)
{
    int            rc;
    rows_t        *row;
    entry_t        entry;
    store_new_t   *key;

    row = &import->rows;

    if (row->why != NULL) {
        import_refuse(import, row->line, row->why);

        return import->begun || row->format == ROWS_JSON ? CLI_DONE
                                                         : CLI_REFUSED;
    }

    if (!import->begun && row->format == ROWS_CSV) {

        if (entry_columns(&import->columns, row, entry.why) != APIKEY_OK) {
            import_refuse(import, row->line, entry.why);
            return CLI_REFUSED;
        }

        import->begun = 1;
        return CLI_DONE;
    }

    rc = (row->format == ROWS_CSV)
         ? entry_csv(&entry, &import->columns, row)
         : entry_json(&entry, row);

    if (rc != APIKEY_OK) {
        import_refuse(import, row->line, entry.why);
        rc = CLI_DONE;

    } else {
        rc = import_digest(import, &entry);

        if (rc == CLI_DONE) {
            import_complete(import, &entry.attributes);

            key = &import->keys[import->count];
            memcpy(key->digest, entry.digest, APIKEY_DIGEST_SIZE);
            key->attributes = entry.attributes;

            /* Nothing that was counted ahead of an earlier key is its own. */
            strcpy(key->reset, "now");

            memset(&entry.attributes, 0, sizeof(attributes_t));

            import->given[import->count] = entry.given;
            import->lines[import->count++] = row->line;
        }
    }

    attributes_free(&entry.attributes);
    sodium_memzero(entry.token, sizeof(entry.token));

    return rc;
}


/* Digests alone need no pepper. */

static int
import_digest(import_t *import, entry_t *entry)
{
    int             rc;
    const char     *why;
    apikey_text_t   token;

    if (entry->hashed) {
        return CLI_DONE;
    }

    if (!import->peppered) {
        rc = cli_pepper(import->cli);

        if (rc == CLI_DONE) {
            rc = cli_pepper_check(import->cli);
        }

        if (rc != CLI_DONE) {
            return rc;
        }

        import->peppered = 1;
    }

    token = (apikey_text_t) { entry->token, entry->token_len };

    apikey_token_digest(entry->digest, token, &import->cli->pepper);
    (void) attributes_set(&entry->attributes, ATTRIBUTE_HINT,
                          apikey_token_hint(token), &why);

    return CLI_DONE;
}


/* What a record has to have and the row doesn't say. */

static void
import_complete(import_t *import, attributes_t *attributes)
{
    char         id[APIKEY_ID_SIZE];
    const char  *why;

    if (attributes->value[ATTRIBUTE_ID] == NULL) {
        apikey_token_generate_id(id);
        (void) attributes_set(attributes, ATTRIBUTE_ID,
                              (apikey_text_t) { id, sizeof(id) }, &why);
    }

    if (attributes->value[ATTRIBUTE_NAME] == NULL) {
        (void) attributes_set(attributes, ATTRIBUTE_NAME,
                              attributes_get(attributes, ATTRIBUTE_ID), &why);
    }

    if (attributes->value[ATTRIBUTE_STATUS] == NULL) {
        (void) attributes_set(attributes, ATTRIBUTE_STATUS,
                              (apikey_text_t) apikey_text("active"), &why);
    }

    if (attributes->value[ATTRIBUTE_CREATED] == NULL) {
        (void) attributes_set_time(attributes, ATTRIBUTE_CREATED,
                                   cli_now(import->cli), &why);
    }
}


static int
import_flush(import_t *import)
{
    int          rc;
    unsigned     i;
    store_rc_e   done;

    done = store_create(&import->cli->store, import->keys, import->count);

    for (i = 0; i < import->count; i++) {

        switch (import->keys[i].result) {

        case STORE_NEW_CREATED:
            import->imported++;
            break;

        case STORE_NEW_TAKEN:
            import_refuse(import, import->lines[i],
                          "id: is another key's already");
            break;

        default: /* STORE_NEW_EXISTS, STORE_NEW_PENDING: Redis failed */
            break;
        }
    }

    if (done == STORE_DONE) {
        rc = import_existing(import);

    } else {
        import_progress_clear(import);
        rc = cli_failed(import->cli);
    }

    import_drop(import);

    return rc;
}


/* Is what was there already what the rows say? */

static int
import_existing(import_t *import)
{
    unsigned     i;
    stored_t    *stored[IMPORT_BATCH];
    store_rc_e   rc;

    rc = store_read_existing(&import->cli->store, import->keys,
                             import->count, stored);

    for (i = 0; i < import->count; i++) {

        if (rc == STORE_DONE && import->keys[i].result == STORE_NEW_EXISTS) {
            import_compare(import, i, stored[i]);
        }

        free(stored[i]);
    }

    if (rc != STORE_DONE) {
        import_progress_clear(import);
        return cli_failed(import->cli);
    }

    return CLI_DONE;
}


static void
import_compare(import_t *import, unsigned i, const stored_t *stored)
{
    char          why[ENTRY_WHY];
    size_t        len;
    attribute_e   attribute;

    if (stored == NULL) {
        import_refuse(import, import->lines[i],
                      "was deleted meanwhile: import it again");
        return;
    }

    len = 0;

    for (attribute = 0; attribute < ATTRIBUTE_COUNT; attribute++) {

        if (!(import->given[i] & (uint32_t) 1 << attribute)
            || apikey_text_equal(attributes_get(&import->keys[i].attributes,
                                                attribute),
                                 stored_get(stored,
                                            attribute_name(attribute))))
        {
            continue;
        }

        if (len < sizeof(why)) {
            len += snprintf(why + len, sizeof(why) - len, "%s%s",
                            len ? ", " : "is there already, with another ",
                            attribute_name(attribute));
        }
    }

    if (len == 0) {
        import->known++;
    } else {
        import_refuse(import, import->lines[i], why);
    }
}


static void
import_drop(import_t *import)
{
    unsigned  i;

    for (i = 0; i < import->count; i++) {
        attributes_free(&import->keys[i].attributes);
    }

    import->count = 0;
}


static void
import_refuse(import_t *import, unsigned line, const char *why)
{
    import_progress_clear(import);

    complain("\"%s\", line %u: %s", import->path, line, why);
    import->refused++;
}


/* For people who wait: a line on their terminal. */

static void
import_progress(import_t *import)
{
    uint64_t  now;

    now = redis_clock();

    if (!isatty(STDERR_FILENO) || now - import->progress < IMPORT_PROGRESS) {
        return;
    }

    import->progress = now;
    import->shown = 1;

    fprintf(stderr, "\r\033[K%u keys", import->imported + import->known);

    if (import->size != 0) {
        fprintf(stderr, ", %.0f %%",
                100.0 * import->rows.taken / import->size);
    }

    fflush(stderr);
}


static void
import_progress_clear(import_t *import)
{
    if (import->shown) {
        fputs("\r\033[K", stderr);
        import->shown = 0;
    }
}


static void
import_print(const import_t *import)
{
    if (import_stopped) {
        complain("interrupted behind line %u: import it again to go on",
                 import->rows.next - 1);
    }

    if (import->cli->json) {
        json_print(json_pack("{s:i,s:i,s:i}",
                             "imported", (int) import->imported,
                             "exists", (int) import->known,
                             "refused", (int) import->refused));
        return;
    }

    printf("%u imported, %u known already, %u refused\n", import->imported,
           import->known, import->refused);
}


static void
import_signal(int signo)
{
    (void) signo;

    import_stopped = 1;
}
