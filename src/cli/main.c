#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "store/memory.h"
#include "version.h"

#include "cli.h"
#include "selection.h"


typedef struct {
    const char      *name;
    cli_command_pt   run;
    const char      *operands;
    const char      *options;
    const char      *refused;   /* options that it takes to say why not */
    const char      *help;
    const char      *more;      /* NULL: nothing */
} command_t;


static int main_streams(void);
static const command_t *main_find(const char *name);
static int main_run(cli_t *cli, settings_t *settings,
    const command_t *command);
static int main_is_key(const char *argument);
static int main_help(const char *name);
static void main_help_command(const command_t *command);
static int main_finish(int status);


#define MAIN_LASTING                                                          \
    "permissions scope permissions-json template org project service"

static const command_t  commands[] = {

    { "create", command_create, "",
      "id name plan limits expires not-before allow prefix force "
      MAIN_LASTING, NULL,
      "Makes a key and prints it, once, with its public id.", NULL },

    { "list", command_list, "", SELECTION_FILTERS, NULL,
      "Lists keys.", NULL },

    { "show", command_show, "ID", "", NULL,
      "Shows what is known of a key.", NULL },

    { "verify", command_verify, "", "method require", NULL,
      "Judges the key on standard input.",
      "Exit status 0 if it may be used, 1 if not.  Of a resource that is\n"
      "required, the method (GET otherwise) asks what apikey_resource would\n"
      "ask; a method alone has to be allowed somewhere." },

    { "edit", command_edit, "[ID...]",
      "name plan limits expires not-before allow org project service status "
      "search unused expires-within yes dry-run force wait", MAIN_LASTING,
      "Changes name, plan, limits, expires, not-before or allow.",
      "\"none\" removes them.  Scopes and bindings never change: make a new\n"
      "key." },

    { "disable", command_disable, "[ID...]", SELECTION_OPTIONS " wait", NULL,
      "Refuses keys until they are enabled.", NULL },

    { "enable", command_enable, "[ID...]", SELECTION_OPTIONS " wait", NULL,
      "Makes disabled keys usable again.", NULL },

    { "rotate", command_rotate, "ID", "grace force wait", NULL,
      "Makes a new key like an old one, which ends.",
      "The old key ends at once, or lives on for --grace." },

    { "revoke", command_revoke, "[ID...]",
      "key-stdin " SELECTION_OPTIONS " wait", NULL,
      "Refuses keys from now on, for good.",
      "Like every change, it is told to all gateways at once, and waits for\n"
      "them: exit status 1, though the key is revoked, if one didn't answer." },

    { "delete", command_delete, "[ID...]", SELECTION_OPTIONS " wait", NULL,
      "Forgets keys: those named, or all that match every filter.", NULL },

    { "limits", command_limits, "ID", "reset wait", NULL,
      "Shows what is used of a key's limits, and what is left.", NULL },

    { "usage", command_usage, "[ID...]",
      "days month from to by limit format " SELECTION_FILTERS, NULL,
      "Shows what keys were used for: those, all that match, or all.",
      "Deleted keys are among them until what was counted expires.  --format\n"
      "csv writes a line for each day and count, or, with --by, each sum." },

    { "import", command_import, "FILE",
      "format from plan scope dry-run skip-unknown force", NULL,
      "Takes over existing keys from CSV, JSON or another gateway.",
      "Keys are plain, or hashed with this pepper; - is standard input.  What\n"
      "is known already is left alone, so an import can be run again.\n"
      "Keys of another gateway get the scopes of --scope, *:* otherwise; with\n"
      "--plan they have that plan, and no limits of the file." },

    { "export", command_export, "", "format " SELECTION_FILTERS, NULL,
      "Writes keys as JSON lines or CSV, for an import.",
      "With their digests: who has the pepper can import them elsewhere." },

    { "events", command_events, "", "follow id type since count "
      "webhook webhook-secret-file webhook-name webhook-timeout webhook-ca",
      NULL,
      "Shows what has happened to keys, and what gateways have noticed.",
      "With --json, one object a line.  With --webhook, they are sent from\n"
      "where it stopped the last time; with --follow too, it goes on." },

    { "gateways", command_gateways, "", "", NULL,
      "Lists the workers of gateways that are registered.", NULL },

    { "template", command_template,
      "list | show NAME | set NAME | remove NAME", "scope binds", NULL,
      "Manages scope templates, for create --template.", NULL },

    { "serve", command_serve, "", "listen token-file host force", NULL,
      "Serves the web console and its JSON API.",
      "Lines of the token file are \"NAME ROLE TOKEN\", ROLE being viewer or\n"
      "admin.  Without one, a token of an admin is made and printed." },

    { "doctor", command_doctor, "", "", NULL,
      "Says what is wrong with this set-up, and how to mend it.", NULL },
};


int
main(int argc, char **argv)
{
    int               status;
    cli_t             cli;
    options_t         options;
    settings_t        settings;
    const command_t  *command;

    /* Standard streams carry keys: their memory is wiped at the end. */

    static char       input[BUFSIZ], output[BUFSIZ];

    setvbuf(stdin, input, _IOFBF, sizeof(input));
    setvbuf(stdout, output, _IOFBF, sizeof(output));

    if (main_streams() != 0) {
        return CLI_REFUSED;
    }

    /* A reader that goes away is an error of writing: see main_finish(). */

    signal(SIGPIPE, SIG_IGN);

    /* UTF-8, whatever the user's locale is. */

    (void) setlocale(LC_CTYPE, "C.UTF-8");

    if (sodium_init() == -1) {
        complain("libsodium can't be used");
        return CLI_USAGE;
    }

    json_set_alloc_funcs(memory_take, memory_wipe);

    memset(&cli, 0, sizeof(cli));
    memset(&settings, 0, sizeof(settings));

    cli.store.redis.fd = -1;
    cli.options = &options;
    cli.settings = &settings;

    if (options_parse(&options, argc, argv) != 0) {
        status = CLI_USAGE;

    } else if (options_value(&options, "version") != NULL) {
        printf("apikey %s\n", APIKEY_VERSION);
        status = CLI_DONE;

    } else if (options.command == NULL) {
        status = main_help(NULL);

        if (options_value(&options, "help") == NULL) {
            status = CLI_USAGE;
        }

    } else if (strcmp(options.command, "help") == 0) {
        status = main_help(options.operand_count ? options.operands[0] : NULL);

    } else if (options_value(&options, "help") != NULL) {
        status = main_help(options.command);

    } else {
        command = main_find(options.command);
        status = command ? main_run(&cli, &settings, command) : CLI_USAGE;
    }

    cli_missed(&cli);
    cli_close(&cli);
    settings_free(&settings);
    options_free(&options);

    status = main_finish(status);

    sodium_memzero(&cli, sizeof(cli));
    sodium_memzero(input, sizeof(input));
    sodium_memzero(output, sizeof(output));

    return status;
}


/*
 * A stream that is closed is opened, such that it can't be used: else the
 * connection to Redis would take its place, and get what is printed.
 */

static int
main_streams(void)
{
    int  fd;

    for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {

        if (fcntl(fd, F_GETFD) == -1
            && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY)
               != fd)
        {
            return -1;
        }
    }

    return 0;
}


static const command_t *
main_find(const char *name)
{
    unsigned  i;

    for (i = 0; i < sizeof(commands) / sizeof(command_t); i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }

    complain("unknown command \"%s\": see apikey help", name);

    return NULL;
}


static int
main_run(cli_t *cli, settings_t *settings, const command_t *command)
{
    unsigned  i;

    for (i = 0; i < cli->options->operand_count; i++) {
        if (main_is_key(cli->options->operands[i])) {
            return CLI_USAGE;
        }
    }

    for (i = 0; i < cli->options->given_count; i++) {
        if (main_is_key(cli->options->given[i].value)) {
            return CLI_USAGE;
        }
    }

    if (options_check(cli->options, command->options, command->refused) != 0
        || settings_read(settings, cli->options) != 0)
    {
        return CLI_USAGE;
    }

    cli->actor = settings->actor;
    cli->json = (options_value(cli->options, "json") != NULL);

    return command->run(cli);
}


static int
main_is_key(const char *argument)
{
    if (apikey_token_check_own(store_text(argument)) != APIKEY_OK) {
        return 0;
    }

    complain("a key stands among the arguments, where others can see it: "
             "give its public id, or the key on standard input");

    return 1;
}


static int
main_help(const char *name)
{
    unsigned          i;
    const command_t  *command;

    if (name != NULL) {
        command = main_find(name);

        if (command == NULL) {
            return CLI_USAGE;
        }

        main_help_command(command);
        return CLI_DONE;
    }

    printf("Manages the API keys that nginx's apikey module checks.\n\n"
           "Usage: apikey [OPTIONS] COMMAND [OPERANDS]\n\nCommands:\n");

    for (i = 0; i < sizeof(commands) / sizeof(command_t); i++) {
        command = &commands[i];

        printf("  %-10s %s\n", command->name, command->help);
    }

    printf("\nOptions of every command, before or behind it:\n");
    options_help(OPTIONS_GLOBAL, "");

    printf("\nWhere they aren't given, APIKEY_REDIS, APIKEY_PEPPER_FILE,\n"
           "APIKEY_REDIS_PREFIX, APIKEY_TLS_CA and so on hold, else lines\n"
           "redis = URL, pepper_file = PATH, redis_prefix = TEXT, "
           "tls_ca = FILE\nand so on of " SETTINGS_FILE ".\n\n"
           "Exit status: 0 done, 1 refused or not found, 2 usage, 3 Redis.\n");

    return CLI_DONE;
}


static void
main_help_command(const command_t *command)
{
    printf("Usage: apikey %s%s%s%s\n\n%s\n", command->name,
           *command->operands ? " " : "", command->operands,
           *command->options ? " [OPTIONS]" : "", command->help);

    if (command->more != NULL) {
        printf("%s\n", command->more);
    }

    if (*command->options) {
        printf("\nOptions:\n");
        options_help(command->options, command->name);
    }

    printf("\nOptions of every command:\n");
    options_help(OPTIONS_GLOBAL, "");
}


static int
main_finish(int status)
{
    /* Who has stopped reading, as head does, knows that there was more. */

    if (fflush(stdout) != 0) {

        if (errno != EPIPE) {
            complain("standard output: %s", strerror(errno));
        }

    } else if (!ferror(stdout)) {
        return status;

    } else if (!output_unread()) {
        complain("standard output: not all could be written");
    }

    return status ? status : CLI_REFUSED;
}
