#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "core/scope.h"

#include "store/dates.h"
#include "store/memory.h"

#include "selection.h"


#define SELECTION_ORGS  8       /* named */
#define SELECTION_TEXT  (SELECTION_ORGS * (APIKEY_LABEL_MAX + 32) + 128)


typedef struct {
    cli_t         *cli;
    selection_t   *selection;
} selection_visit_t;

typedef struct {
    const char    *org;
    json_int_t     keys;
} selection_org_t;


static int selection_filter_text(const cli_t *cli, const char *option,
    const char **value);
static int selection_filter_scopes(const cli_t *cli, filter_t *filter);
static int selection_filter_time(const cli_t *cli, const char *option,
    uint64_t *seconds);
static void selection_visit(void *data, apikey_text_t id, stored_t *stored);
static int selection_named(cli_t *cli, selection_t *selection);
static void selection_add(selection_t *selection, apikey_text_t id,
    apikey_text_t org);
static void selection_show(const selection_t *selection,
    char text[SELECTION_TEXT]);
static const char *selection_org_name(const selection_org_t *org);
static int selection_org_order(const void *one, const void *two);
static int selection_ask(const char *verb, const char *text);
static json_t *selection_json(const selection_t *selection);


int
selection_filter(const cli_t *cli, filter_t *filter)
{
    unsigned  i;
    const struct {
        const char   *option;
        const char  **value;
    } texts[] = {
        { "org", &filter->org },
        { "project", &filter->project },
        { "service", &filter->service },
        { "plan", &filter->plan },
        { "status", &filter->status },
        { "search", &filter->search }
    };

    memset(filter, 0, sizeof(filter_t));

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (selection_filter_text(cli, texts[i].option, texts[i].value)
            != CLI_DONE)
        {
            return CLI_USAGE;
        }
    }

    if (filter->status != NULL
        && filter_status_check(filter->status) != APIKEY_OK)
    {
        complain_option("status", filter->status, "not " FILTER_STATUSES);
        return CLI_USAGE;
    }

    if (selection_filter_scopes(cli, filter) != CLI_DONE
        || selection_filter_time(cli, "unused", &filter->unused) != CLI_DONE
        || selection_filter_time(cli, "expires-within", &filter->expires)
           != CLI_DONE)
    {
        return CLI_USAGE;
    }

    return CLI_DONE;
}


int
selection_given(const cli_t *cli, selection_t *selection, unsigned flags)
{
    memset(selection, 0, sizeof(selection_t));

    if (selection_filter(cli, &selection->filter) != CLI_DONE) {
        return CLI_USAGE;
    }

    if (flags & SELECTION_EDITED) {
        selection->filter.plan = NULL;
        selection->filter.scope_count = 0;
    }

    selection->filtered = filter_is_given(&selection->filter);

    if (selection->filtered && cli->options->operand_count != 0) {
        complain("%s takes ids of keys or filters, not both",
                 cli->options->command);
        return CLI_USAGE;
    }

    if (!selection->filtered && cli->options->operand_count == 0
        && !(flags & SELECTION_ALL))
    {
        complain("%s needs ids of keys, or filters", cli->options->command);
        return CLI_USAGE;
    }

    selection->filter.lasting = (flags & SELECTION_LASTING)
                                && selection->filter.status == NULL;

    return CLI_DONE;
}


int
selection_find(cli_t *cli, selection_t *selection, const char *verb)
{
    int                rc, dry;
    char               text[SELECTION_TEXT];
    selection_visit_t  visit;

    dry = (options_value(cli->options, "dry-run") != NULL);
    selection->orgs = json_object();

    if (!selection->filtered) {
        rc = selection_named(cli, selection);

        if (rc != CLI_DONE || !dry) {
            return rc;
        }

    } else {
        visit.cli = cli;
        visit.selection = selection;

        if (store_visit(&cli->store, selection_visit, &visit) != STORE_DONE) {
            return cli_failed(cli);
        }
    }

    selection_show(selection, text);

    if (dry) {

        if (cli->json) {
            json_print(selection_json(selection));
        } else {
            printf("would %s %s\n", verb ? verb : "show", text);
        }

        return SELECTION_OVER;
    }

    if (verb == NULL
        || selection->count == 0
        || options_value(cli->options, "yes") != NULL)
    {
        return CLI_DONE;
    }

    return selection_ask(verb, text);
}


int
selection_read(cli_t *cli, const selection_t *selection, size_t i,
    stored_t **stored)
{
    *stored = NULL;

    if (!selection->filtered) {
        return cli_read(cli, selection->ids[i], stored);
    }

    switch (store_read_id(&cli->store, store_text(selection->ids[i]), stored))
    {
    case STORE_DONE:
        return filter_matches_stored(&selection->filter, *stored,
                                     cli_now(cli))
               ? CLI_DONE : SELECTION_PASSED;

    case STORE_ABSENT:
        return SELECTION_PASSED;

    default:
        return cli_failed(cli);
    }
}


void
selection_free(selection_t *selection)
{
    size_t  i;

    for (i = 0; i < selection->count; i++) {
        free(selection->ids[i]);
    }

    free(selection->ids);
    json_decref(selection->orgs);
    memset(selection, 0, sizeof(selection_t));
}


/* An empty value, of a variable not set maybe, shall match nothing. */

static int
selection_filter_text(const cli_t *cli, const char *option,
    const char **value)
{
    *value = options_value(cli->options, option);

    if (*value != NULL && **value == '\0') {
        complain_option(option, "", "is empty");
        return CLI_USAGE;
    }

    return CLI_DONE;
}


static int
selection_filter_scopes(const cli_t *cli, filter_t *filter)
{
    unsigned     i;
    const char  *value;

    i = 0;

    while ((value = options_next(cli->options, "scope", &i)) != NULL) {

        if (filter->scope_count == FILTER_SCOPES) {
            complain_option("scope", value, "more than %d", FILTER_SCOPES);
            return CLI_USAGE;
        }

        if (apikey_scope_check(store_text(value)) != APIKEY_OK) {
            complain_option("scope", value, "not RESOURCE:ACTION");
            return CLI_USAGE;
        }

        filter->scopes[filter->scope_count++] = value;
    }

    return CLI_DONE;
}


static int
selection_filter_time(const cli_t *cli, const char *option,
    uint64_t *seconds)
{
    const char  *value;

    value = options_value(cli->options, option);

    if (value == NULL) {
        return CLI_DONE;
    }

    if (dates_parse_length(value, seconds) != 0 || *seconds == 0) {
        complain_option(option, value, "not like 90d, 12h or 30m");
        return CLI_USAGE;
    }

    return CLI_DONE;
}


static void
selection_visit(void *data, apikey_text_t id, stored_t *stored)
{
    selection_visit_t *visit = data;

    if (stored != NULL
        && filter_matches_stored(&visit->selection->filter, stored,
                                 cli_now(visit->cli)))
    {
        selection_add(visit->selection, id, stored_get(stored, "org"));
    }

    free(stored);
}


/* The operands; their records are read now only if they are to be shown. */

static int
selection_named(cli_t *cli, selection_t *selection)
{
    int            rc;
    unsigned       i;
    stored_t      *stored;
    apikey_text_t  org;

    for (i = 0; i < cli->options->operand_count; i++) {
        stored = NULL;
        org = store_text("");

        if (options_value(cli->options, "dry-run") != NULL) {
            rc = cli_read(cli, cli->options->operands[i], &stored);

            if (rc != CLI_DONE) {
                return rc;
            }

            org = stored_get(stored, "org");
        }

        selection_add(selection, store_text(cli->options->operands[i]), org);
        free(stored);
    }

    return CLI_DONE;
}


static void
selection_add(selection_t *selection, apikey_text_t id, apikey_text_t org)
{
    char     name[APIKEY_LABEL_MAX + 1];
    json_t  *keys;

    if (selection->count == selection->room) {
        selection->room = selection->room ? selection->room * 2 : 64;
        selection->ids = must(realloc(selection->ids,
                                      selection->room * sizeof(char *)));
    }

    selection->ids[selection->count++] = must(strndup(id.data, id.len));

    snprintf(name, sizeof(name), "%.*s", (int) org.len, org.data ? org.data
                                                                 : "");
    keys = json_object_get(selection->orgs, name);

    if (keys != NULL) {
        json_integer_set(keys, json_integer_value(keys) + 1);
    } else {
        json_object_set_new(selection->orgs, name, json_integer(1));
    }
}


/* "12 keys of acme", or "12 keys of 2 organizations: 9 of acme, 3 of none" */

static void
selection_show(const selection_t *selection, char text[SELECTION_TEXT])
{
    size_t            i, n, len;
    json_t           *keys;
    const char       *name;
    selection_org_t  *orgs;

    n = json_object_size(selection->orgs);
    orgs = must(calloc(n + 1, sizeof(selection_org_t)));
    i = 0;

    json_object_foreach(selection->orgs, name, keys) {
        orgs[i].org = name;
        orgs[i++].keys = json_integer_value(keys);
    }

    qsort(orgs, n, sizeof(selection_org_t), selection_org_order);

    len = snprintf(text, SELECTION_TEXT, "%zu %s", selection->count,
                   selection->count == 1 ? "key" : "keys");

    if (n == 1) {
        snprintf(text + len, SELECTION_TEXT - len, " of %s",
                 selection_org_name(&orgs[0]));

    } else if (n > 1) {
        len += snprintf(text + len, SELECTION_TEXT - len,
                        " of %zu organizations: ", n);

        for (i = 0; i < n && i < SELECTION_ORGS; i++) {
            len += snprintf(text + len, SELECTION_TEXT - len,
                            "%s%" JSON_INTEGER_FORMAT " of %s", i ? ", " : "",
                            orgs[i].keys, selection_org_name(&orgs[i]));
        }

        if (i < n) {
            snprintf(text + len, SELECTION_TEXT - len, ", and %zu more",
                     n - i);
        }
    }

    free(orgs);
}


static const char *
selection_org_name(const selection_org_t *org)
{
    return *org->org ? org->org : "none";
}


static int
selection_org_order(const void *one, const void *two)
{
    const selection_org_t  *a = one, *b = two;

    if (a->keys != b->keys) {
        return (a->keys < b->keys) ? 1 : -1;
    }

    return strcmp(a->org, b->org);
}


static int
selection_ask(const char *verb, const char *text)
{
    char  line[16];

    if (!isatty(STDIN_FILENO)) {
        complain("%s %s: without a terminal that asks, this needs --yes",
                 verb, text);
        return CLI_USAGE;
    }

    fprintf(stderr, "%s %s? [y/N] ", verb, text);
    fflush(stderr);

    if (fgets(line, sizeof(line), stdin) != NULL) {
        line[strcspn(line, "\r\n")] = '\0';

        if (strcasecmp(line, "y") == 0 || strcasecmp(line, "yes") == 0) {
            return CLI_DONE;
        }
    }

    complain("nothing is done");

    return CLI_REFUSED;
}


static json_t *
selection_json(const selection_t *selection)
{
    size_t   i;
    json_t  *ids;

    ids = json_array();

    for (i = 0; i < selection->count; i++) {
        json_array_append_new(ids, json_string(selection->ids[i]));
    }

    return json_pack("{s:I,s:O,s:o}", "keys", (json_int_t) selection->count,
                     "organizations", selection->orgs, "ids", ids);
}
