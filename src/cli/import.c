/*
 * import: existing keys, from rows of CSV or JSON, or from what another gateway
 * has exported.  Rows that can't be taken over are reported and passed by; keys
 * that are there already are left alone, so that an import can be run again, or
 * go on after it was interrupted.
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

#include "store/foreign.h"
#include "store/memory.h"

#include "cli.h"
#include "given.h"
#include "import_batch.h"
#include "tell.h"


#define IMPORT_POLL  500       /* milliseconds */


typedef struct {
    cli_t            *cli;
    const char       *path;
    int               fd;
    uint64_t          size;        /* 0: not known */
    rows_format_e     format;
    foreign_e         from;        /* FOREIGN_COUNT: our own */
    attributes_t      scopes;      /* of foreign keys */

    rows_t            rows;
    entry_columns_t   columns;
    unsigned          begun:1;     /* the columns are known, if there are any */

    import_batch_t   *batch;
} import_t;


static int import_options(import_t *import);
static int import_open(import_t *import);
static ssize_t import_read(void *data, char *buf, size_t size);
static int import_rows(import_t *import);
static int import_row(import_t *import);
static int import_foreign(import_t *import);
static int import_slurp(import_t *import, char **text, size_t *len);
static int import_foreign_key(void *data, entry_t *entry, unsigned line,
    const char *lost);
static void import_print(const import_t *import);
static void import_free(import_t *import);
static void import_signal(int signo);


static volatile sig_atomic_t  import_stopped;


int
command_import(cli_t *cli)
{
    int              rc;
    import_t        *import;
    import_batch_t  *batch;

    rc = cli_operands(cli, 1, 1, "one file, or - for standard input");

    if (rc != CLI_DONE) {
        return rc;
    }

    import = must(calloc(1, sizeof(import_t)));

    import->cli = cli;
    import->fd = -1;

    if ((rc = import_options(import)) != CLI_DONE
        || (rc = import_open(import)) != CLI_DONE
        || (rc = cli_open(cli)) != CLI_DONE)
    {
        goto done;
    }

    batch = import->batch;

    rc = (import->from == FOREIGN_COUNT) ? import_rows(import)
                                         : import_foreign(import);
    import_batch_clear(batch);

    if (batch->imported != 0 && !batch->dry) {
        tell_imported(cli, batch->imported, batch->refused);
    }

    import_print(import);

    if (rc == CLI_DONE && (batch->refused != 0 || import_stopped)) {
        rc = CLI_REFUSED;
    }

done:

    import_free(import);

    return rc;
}


static int
import_options(import_t *import)
{
    int               rc;
    const char       *from, *option;
    const options_t  *options;

    options = import->cli->options;
    from = options_value(options, "from");
    import->from = FOREIGN_COUNT;

    rc = given_format(import->cli, &import->format);

    if (rc != CLI_DONE) {
        return rc;
    }

    if (from != NULL) {
        import->from = foreign_find(from);

        if (import->from == FOREIGN_COUNT) {
            complain_option("from", from, "must be kong, apisix, tyk, aws, "
                            "unkey or zuplo");
            return CLI_USAGE;
        }

        return given_scopes(import->cli, &import->scopes);
    }

    option = options_value(options, "plan") ? "plan"
             : options_value(options, "scope") ? "scope" : NULL;

    if (option != NULL) {
        complain("option --%s needs --from: rows have their own", option);
        return CLI_USAGE;
    }

    return CLI_DONE;
}


static int
import_open(import_t *import)
{
    int                dry;
    struct stat        st;
    struct sigaction   sa;

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

    dry = (options_value(import->cli->options, "dry-run") != NULL);
    import->batch = import_batch_make(import->cli, import->path, dry);

    rows_init(&import->rows, import->format, import_read, import);

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

    import->columns.skip = (options_value(import->cli->options,
                                          "skip-unknown")
                            != NULL);

    while (rc == CLI_DONE
           && !import_stopped
           && (more = rows_next(&import->rows)) == 1)
    {
        if (import->size != 0) {
            import->batch->done = (double) import->rows.source.taken
                                  / import->size;
        }

        rc = import_row(import);
    }

    if (more == -1 && !import_stopped) {
        complain("\"%s\": %s", import->path, strerror(errno));
        rc = CLI_USAGE;
    }

    if (rc == CLI_DONE || rc == CLI_USAGE) {
        more = import_batch_flush(import->batch);
        rc = more ? more : rc;
    }

    return rc;
}


/* CLI_DONE also where the row is refused; other statuses end the import. */

static int
import_row(import_t *import)
{
    int       rc;
    rows_t   *row;
    entry_t   entry;

    row = &import->rows;

    if (row->why != NULL) {
        import_batch_refuse(import->batch, row->line, row->why);

        return import->begun || row->format == ROWS_JSON ? CLI_DONE
                                                         : CLI_REFUSED;
    }

    if (!import->begun && row->format == ROWS_CSV) {

        if (entry_columns(&import->columns, row, entry.why) != APIKEY_OK) {
            import_batch_refuse(import->batch, row->line, entry.why);
            return CLI_REFUSED;
        }

        import->begun = 1;
        return CLI_DONE;
    }

    rc = (row->format == ROWS_CSV)
         ? entry_csv(&entry, &import->columns, row)
         : entry_json(&entry, row, import->columns.skip);

    if (rc != APIKEY_OK) {
        import_batch_refuse(import->batch, row->line, entry.why);
        rc = CLI_DONE;

    } else {
        rc = import_batch_add(import->batch, &entry, row->line, NULL);
    }

    attributes_free(&entry.attributes);
    sodium_memzero(entry.token, sizeof(entry.token));

    return rc;
}


/* The whole file is read first: what belongs to a key is in several places. */

static int
import_foreign(import_t *import)
{
    int         rc;
    char       *text;
    size_t      len;
    foreign_t   foreign;

    rc = import_slurp(import, &text, &len);

    if (rc != CLI_DONE) {
        return rc;
    }

    memset(&foreign, 0, sizeof(foreign));

    foreign.now = cli_now(import->cli);
    foreign.plan = options_value(import->cli->options, "plan");
    foreign.scopes = attributes_get(&import->scopes, ATTRIBUTE_SCOPES);
    foreign.key = import_foreign_key;
    foreign.data = import;

    rc = foreign_read(&foreign, import->from, text, len);
    memory_wipe(text);

    if (foreign.why[0] != '\0') {
        import_batch_refuse(import->batch, foreign.line, foreign.why);
    }

    if (rc != CLI_DONE) {
        return rc;
    }

    return import_batch_flush(import->batch);
}


static int
import_slurp(import_t *import, char **text, size_t *len)
{
    char     *more;
    size_t    size;
    ssize_t   n;

    *len = 0;
    size = 65536;
    *text = memory_take(size);

    while ((n = encoding_read(&import->rows.source, *text + *len, size - *len))
           > 0)
    {
        *len += n;

        if (*len == size) {
            more = memory_take(2 * size);
            memcpy(more, *text, size);
            memory_wipe(*text);
            *text = more;
            size *= 2;
        }
    }

    if (n == 0) {
        return CLI_DONE;
    }

    memory_wipe(*text);

    if (!import_stopped) {
        complain("\"%s\": %s", import->path, strerror(errno));
    }

    return import_stopped ? CLI_REFUSED : CLI_USAGE;
}


static int
import_foreign_key(void *data, entry_t *entry, unsigned line,
    const char *lost)
{
    import_t *import = data;

    if (entry == NULL) {
        import_batch_note(import->batch, line, lost);
        return CLI_DONE;
    }

    if (entry->why[0] != '\0') {
        import_batch_refuse(import->batch, line, entry->why);
        return CLI_DONE;
    }

    return import_stopped ? CLI_REFUSED
                          : import_batch_add(import->batch, entry, line, lost);
}


static void
import_print(const import_t *import)
{
    const import_batch_t  *batch;

    batch = import->batch;

    if (import_stopped && import->from != FOREIGN_COUNT) {
        complain("interrupted: import it again to go on");

    } else if (import_stopped) {
        complain("interrupted behind line %u: import it again to go on",
                 import->rows.next - 1);
    }

    if (import->cli->json) {
        json_print(json_pack("{s:i,s:i,s:i}",
                             "imported", (int) batch->imported,
                             "exists", (int) batch->known,
                             "refused", (int) batch->refused));
        return;
    }

    printf("%u %simported, %u known already, %u refused\n", batch->imported,
           batch->dry ? "to be " : "", batch->known, batch->refused);
}


static void
import_free(import_t *import)
{
    if (import->batch != NULL) {
        import_batch_free(import->batch);
        rows_free(&import->rows);
    }

    if (import->fd > STDIN_FILENO) {
        close(import->fd);
    }

    attributes_free(&import->scopes);
    free(import);
}


static void
import_signal(int signo)
{
    (void) signo;

    import_stopped = 1;
}
