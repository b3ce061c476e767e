#ifndef APIKEY_CLI_H
#define APIKEY_CLI_H

/* What every command is given, and what it returns to the shell. */

#include "core/token.h"

#include "store/json.h"
#include "store/store_acks.h"
#include "store/store_replicas.h"
#include "store/store_retry.h"

#include "options.h"
#include "output.h"
#include "settings.h"


#define CLI_DONE     0
#define CLI_REFUSED  1    /* refused, or not found */
#define CLI_USAGE    2
#define CLI_REDIS    3


/* See confirm.h. */
typedef struct {
    unsigned          wait;      /* for gateways, milliseconds */
    unsigned          opened:1;
    unsigned          waited:1;
    unsigned          missed:1;  /* somebody didn't answer */
    store_replicas_t  replicas;
    json_t           *kept;      /* to be printed after that */
} confirm_t;


/* What a request of the console's API asks for beyond options. */
typedef struct {
    const char      *key;        /* to be verified; NULL: on standard input */
    const char      *match;      /* If-Match, a list of "REV", or NULL */
    store_retry_t   *retry;      /* its name and body; NULL: none */
    char             rev[24];    /* of the record that is answered */
    unsigned         stale:1;    /* the record isn't that of match */
    unsigned         unlike:1;   /* what was asked for first was another */
} cli_request_t;


typedef struct {
    const options_t   *options;
    const settings_t  *settings;
    store_t            store;
    uint64_t           now;      /* Redis's clock at cli_open(), microseconds */
    apikey_pepper_t    pepper;   /* after cli_pepper() */
    const char        *actor;    /* of events */
    int                json;
    confirm_t          confirm;
    cli_request_t      request;
} cli_t;


/* A command returns one of the statuses above, having told why on stderr. */
typedef int (*cli_command_pt)(cli_t *cli);

int command_create(cli_t *cli);
int command_rotate(cli_t *cli);
int command_verify(cli_t *cli);
int command_import(cli_t *cli);
int command_export(cli_t *cli);

int command_list(cli_t *cli);
int command_show(cli_t *cli);
int command_limits(cli_t *cli);
int command_usage(cli_t *cli);

int command_edit(cli_t *cli);
int command_enable(cli_t *cli);
int command_disable(cli_t *cli);
int command_revoke(cli_t *cli);
int command_delete(cli_t *cli);

int command_events(cli_t *cli);

int command_gateways(cli_t *cli);
int command_template(cli_t *cli);
int command_doctor(cli_t *cli);
int command_serve(cli_t *cli);


/* Connects, if it isn't, and reads Redis's clock: CLI_DONE or CLI_REDIS. */
int cli_open(cli_t *cli);

/* The same without a word; the store has the error. */
int cli_try(cli_t *cli);

/* Ends what cli_open() has begun, whatever it came to. */
void cli_close(cli_t *cli);

/* Says what wasn't written though the command is done, if anything. */
void cli_missed(cli_t *cli);

/* Reads the pepper: CLI_DONE or CLI_USAGE. */
int cli_pepper(cli_t *cli);

/*
 * Do the gateways have it, too?  Once Redis is open: CLI_DONE, also where
 * --force says that it doesn't matter, CLI_REFUSED or CLI_REDIS.
 */
int cli_pepper_check(cli_t *cli);

/* The store failed: says so, returns CLI_REDIS. */
int cli_failed(const cli_t *cli);

/* Reads the record of an id: CLI_DONE, CLI_REFUSED or CLI_REDIS. */
int cli_read(cli_t *cli, const char *id, stored_t **stored);

/* The same of the one operand, once Redis is open. */
int cli_read_operand(cli_t *cli, stored_t **stored);

/* Its rev is what the request is answered with. */
void cli_answered(cli_t *cli, apikey_text_t rev);

/* Wrong number of operands: says so, returns CLI_USAGE. */
int cli_operands(const cli_t *cli, unsigned min, unsigned max,
    const char *what);

/* Seconds of cli->now. */
uint64_t cli_now(const cli_t *cli);

/*
 * The next line of standard input without its end and the blanks around, or -1
 * at the end of input.  It may hold a key: the caller wipes line.  A terminal
 * is told what it is asked for.
 */
#define CLI_LINE  4096
int cli_read_line(char line[CLI_LINE], apikey_text_t *text);


#endif /* APIKEY_CLI_H */
