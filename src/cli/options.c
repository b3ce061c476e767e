#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"

#include "store/memory.h"

#include "options.h"
#include "output.h"


static int options_parse_one(options_t *options, int argc, char **argv,
    int *i);
static const option_t *options_find(const char *name, size_t len);
static int options_listed(const char *names, const char *name);
static void options_help_text(const char *text);


#define OPTIONS_LEFT   33    /* columns of help before an option's text */
#define OPTIONS_WIDTH  80


static const option_t  options_known[] = {

    { "redis", "URL", 0,
      "redis[s][-sentinel|-cluster]://HOST[:PORT],... or unix:/PATH", NULL },
    { "pepper-file", "FILE", 0, "the secret of the keyed hash", NULL },
    { "redis-prefix", "TEXT", 0, "what names in Redis begin with", NULL },
    { "tls-ca", "FILE", 0,
      "authorities of rediss://, else the system's", NULL },
    { "tls-name", "NAME", 0, "of Redis's certificate, else the host's", NULL },
    { "tls-cert", "FILE", 0, "our own certificate, with --tls-key", NULL },
    { "tls-key", "FILE", 0, "its key", NULL },
    { "config", "FILE", 0, "in place of /etc/apikey.conf", NULL },
    { "actor", "NAME", 0,
      "who does this, for events; else who is logged in", NULL },
    { "json", NULL, 0, "output for programs", NULL },
    { "help", NULL, 0, "what a command does, and its options", NULL },
    { "version", NULL, 0, "the version of this program", NULL },

    { "name", "TEXT", 0, "what people call the key", NULL },
    { "permissions", "read|write|full", 1,
      "*:read; *:write *:delete; *:*", NULL },
    { "scope", "RESOURCE:ACTION", 1, "either side may be *", NULL },
    { "permissions-json", "FILE", 0,
      "{\"permissions\":{\"projects\":[\"read\"]}}; - is standard input",
      NULL },
    { "template", "NAME", 0, "the scopes of a template", NULL },
    { "org", "NAME", 0, "the organization that the key is bound to", NULL },
    { "project", "NAME", 0, "the project that the key is bound to", NULL },
    { "service", "NAME", 0, "the service that the key is bound to", NULL },
    { "plan", "NAME", 0, "a plan that the gateway defines", NULL },
    { "limits", "LIST", 0, "in place of a plan's: \"60r/m 10000r/d\"", NULL },
    { "expires", "WHEN", 0,
      "30d, 12h, 2030-01-31, 2030-01-31T12:00:00Z or Unix seconds", NULL },
    { "not-before", "WHEN", 0, "the key is refused until then", NULL },
    { "allow", "NETWORK", 1, "where the key may be used from", NULL },
    { "prefix", "TEXT", 0, "what the key begins with, ak otherwise", NULL },

    { "status", "STATUS", 0,
      "active, disabled, revoked, expired, early or unreadable", NULL },
    { "search", "TEXT", 0,
      "part of name, id, organization, project or service; or the hint", NULL },
    { "unused", "TIME", 0,
      "made and used longer ago than that, like 90d", NULL },
    { "expires-within", "TIME", 0, "ends within that time, like 30d", NULL },
    { "yes", NULL, 0, "without asking", NULL },
    { "dry-run", NULL, 0, "says what would be done, and does nothing", NULL },
    { "force", NULL, 0, "though gateways don't know the plan or pepper", NULL },
    { "method", "METHOD", 0, "what it asks of a resource is required", NULL },
    { "require", "SCOPE", 1,
      "a scope, or a resource to which the method adds the action", NULL },
    { "grace", "TIME", 0, "for how long the old key lives on, like 24h", NULL },
    { "key-stdin", NULL, 0, "keys on standard input, one a line", NULL },
    { "wait", "TIME", 0,
      "for gateways to confirm: 2s unless given, 500ms, 0: not at all", NULL },
    { "reset", NULL, 0, "start counting anew", NULL },
    { "format", "csv|json", 0, "of what is read or written", NULL },
    { "from", "GATEWAY", 0,
      "kong, apisix, tyk, aws, unkey or zuplo: the file is its export",
      "import" },
    { "skip-unknown", NULL, 0,
      "pass by columns and fields of no known name", NULL },
    { "days", "N", 0, "so many days up to today, 30 otherwise", NULL },
    { "month", "YYYY-MM", 0, "the days of that month", NULL },
    { "from", "YYYY-MM-DD", 0, "from that day on, up to --to or today",
      "usage" },
    { "to", "YYYY-MM-DD", 0, "up to that day, with --from", NULL },
    { "by", "WHAT", 0,
      "sums by key, org, project, day or endpoint, the most used first", NULL },
    { "limit", "N", 0, "no more than so many of them", NULL },
    { "follow", NULL, 0, "go on with what happens from now on", NULL },
    { "id", "ID", 0, "the public id of a key", NULL },
    { "type", "TYPE", 1, "of these types", NULL },
    { "since", "WHEN", 0,
      "24h ago, a date as for --expires, or behind an event's id", NULL },
    { "webhook", "URL", 0, "sends them there, each once it was taken", NULL },
    { "webhook-secret-file", "FILE", 0, "what they are signed with", NULL },
    { "webhook-name", "NAME", 0,
      "under which it is kept how far it got, else made from the URL", NULL },
    { "webhook-timeout", "TIME", 0, "for an answer: 10s unless given", NULL },
    { "webhook-ca", "FILE", 0,
      "authorities of https://, else the system's", NULL },
    { "count", "N", 0, "the latest ones, 100 otherwise", NULL },
    { "listen", "ADDRESS:PORT", 0, "127.0.0.1:8401 otherwise", NULL },
    { "token-file", "FILE", 0, "who may use the console", NULL },
    { "host", "NAME", 1,
      "the console's name at a proxy on this machine, which has TLS", NULL },
    { "binds", "org|project|service", 0,
      "what keys of the template have to be bound to", NULL },
};


int
options_parse(options_t *options, int argc, char **argv)
{
    int  i, ended;

    memset(options, 0, sizeof(options_t));

    options->given = calloc(argc, sizeof(option_given_t));
    options->operands = calloc(argc, sizeof(char *));

    if (options->given == NULL || options->operands == NULL) {
        complain("out of memory");
        return -1;
    }

    ended = 0;

    for (i = 1; i < argc; i++) {

        if (!ended && strcmp(argv[i], "--") == 0) {
            ended = 1;

        } else if (!ended && strcmp(argv[i], "-h") == 0) {
            options->given[options->given_count++] =
                (option_given_t) { options_find("help", 4), "" };

        } else if (!ended && argv[i][0] == '-' && argv[i][1] != '\0') {

            if (options_parse_one(options, argc, argv, &i) != 0) {
                return -1;
            }

        } else if (options->command == NULL) {
            options->command = argv[i];

        } else {
            options->operands[options->operand_count++] = argv[i];
        }
    }

    return 0;
}


static int
options_parse_one(options_t *options, int argc, char **argv, int *i)
{
    size_t           len;
    const char      *name, *value;
    const option_t  *option;

    name = argv[*i] + 2;
    len = strcspn(name, "=");
    value = (name[len] == '=') ? name + len + 1 : NULL;

    option = (argv[*i][1] == '-') ? options_find(name, len) : NULL;

    if (option == NULL) {
        complain("unknown option \"%.*s\"", (int) strcspn(argv[*i], "="),
                 argv[*i]);
        return -1;
    }

    if (option->argument == NULL) {

        if (value != NULL) {
            complain("option --%s takes no value", option->name);
            return -1;
        }

        value = "";

    } else if (value == NULL) {

        if (++*i == argc) {
            complain("option --%s needs a value: %s", option->name,
                     option->argument);
            return -1;
        }

        value = argv[*i];
    }

    if (option->argument != NULL
        && !option->list
        && options_value(options, option->name) != NULL)
    {
        complain("option --%s is given twice", option->name);
        return -1;
    }

    options->given[options->given_count++] =
        (option_given_t) { option, value };

    return 0;
}


int
options_check(const options_t *options, const char *allowed,
    const char *refused)
{
    unsigned     i;
    const char  *name;

    for (i = 0; i < options->given_count; i++) {
        name = options->given[i].option->name;

        if (!options_listed(OPTIONS_GLOBAL, name)
            && !options_listed(allowed, name)
            && (refused == NULL || !options_listed(refused, name)))
        {
            complain("%s takes no option --%s", options->command, name);
            return -1;
        }
    }

    return 0;
}


void
options_init(options_t *options, const char *command)
{
    memset(options, 0, sizeof(options_t));
    options->command = command;
}


void
options_add(options_t *options, const char *name, const char *value)
{
    options->given = must(realloc(options->given,
                                  (options->given_count + 1)
                                  * sizeof(option_given_t)));

    options->given[options->given_count++] =
        (option_given_t) { options_find(name, strlen(name)), value };
}


void
options_add_operand(options_t *options, const char *operand)
{
    options->operands = must(realloc(options->operands,
                                     (options->operand_count + 1)
                                     * sizeof(char *)));

    options->operands[options->operand_count++] = operand;
}


void
options_free(options_t *options)
{
    free(options->given);
    free(options->operands);
}


const char *
options_value(const options_t *options, const char *name)
{
    unsigned  i = 0;

    return options_next(options, name, &i);
}


const char *
options_next(const options_t *options, const char *name, unsigned *i)
{
    const option_given_t  *given;

    while (*i < options->given_count) {
        given = &options->given[(*i)++];

        if (strcmp(given->option->name, name) == 0) {
            return given->value;
        }
    }

    return NULL;
}


void
options_help(const char *names, const char *command)
{
    char             left[64], text[160];
    unsigned         i;
    const option_t  *option;

    for (i = 0; i < sizeof(options_known) / sizeof(option_t); i++) {
        option = &options_known[i];

        if (!options_listed(names, option->name)
            || (option->command && strcmp(option->command, command) != 0))
        {
            continue;
        }

        snprintf(left, sizeof(left), "--%s%s%s", option->name,
                 option->argument ? " " : "",
                 option->argument ? option->argument : "");

        snprintf(text, sizeof(text), "%s%s", option->help,
                 option->list ? " (may be repeated)" : "");

        printf("  %-*s", OPTIONS_LEFT - 2, left);
        options_help_text(text);
    }
}


static void
options_help_text(const char *text)
{
    size_t         column;
    apikey_text_t  rest, word;

    column = OPTIONS_LEFT;
    rest = (apikey_text_t) { text, strlen(text) };

    while ((word = apikey_text_word(&rest)).len != 0) {

        if (word.data == text) {
            /* the first */

        } else if (column + 1 + word.len > OPTIONS_WIDTH) {
            printf("\n%*s", OPTIONS_LEFT, "");
            column = OPTIONS_LEFT;

        } else {
            putchar(' ');
            column++;
        }

        printf("%.*s", (int) word.len, word.data);
        column += word.len;
    }

    putchar('\n');
}


static const option_t *
options_find(const char *name, size_t len)
{
    unsigned         i;
    const option_t  *option;

    for (i = 0; i < sizeof(options_known) / sizeof(option_t); i++) {
        option = &options_known[i];

        if (strlen(option->name) == len
            && memcmp(option->name, name, len) == 0)
        {
            return option;
        }
    }

    return NULL;
}


static int
options_listed(const char *names, const char *name)
{
    size_t       len;
    const char  *p;

    len = strlen(name);

    for (p = names; *p != '\0'; p += strspn(p, " ")) {

        if (strcspn(p, " ") == len && memcmp(p, name, len) == 0) {
            return 1;
        }

        p += strcspn(p, " ");
    }

    return 0;
}
