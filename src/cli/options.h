#ifndef APIKEY_OPTIONS_H
#define APIKEY_OPTIONS_H

/*
 * The arguments: options, which may stand before or after the command and its
 * operands, as "--name value" or "--name=value"; "--" ends them.  Every
 * option of every command is known here, so that their order doesn't matter; a
 * command says which of them it takes.
 */

#include <stddef.h>


#define OPTIONS_GLOBAL                                                        \
    "redis pepper-file redis-prefix tls-ca tls-name tls-cert tls-key "        \
    "config actor json help version"


typedef struct {
    const char  *name;
    const char  *argument;   /* NULL: a flag */
    int          list;       /* may be given several times */
    const char  *help;
    const char  *command;    /* for whose help this is; NULL: any */
} option_t;


typedef struct {
    const option_t  *option;
    const char      *value;  /* "" for a flag */
} option_given_t;


typedef struct {
    option_given_t  *given;
    unsigned         given_count;

    const char     **operands;   /* the command is not among them */
    unsigned         operand_count;

    const char      *command;    /* NULL: none */
} options_t;


/* All of these tell what is wrong on stderr and return -1 then. */
int options_parse(options_t *options, int argc, char **argv);

/* Is every option global, or one of these lists of names?  NULL: none. */
int options_check(const options_t *options, const char *allowed,
    const char *refused);

/*
 * Those of a command that no arguments gave.  Nothing is copied; the options
 * added are known ones, a flag's value is "".
 */
void options_init(options_t *options, const char *command);
void options_add(options_t *options, const char *name, const char *value);
void options_add_operand(options_t *options, const char *operand);

void options_free(options_t *options);

/* The option's value, or NULL. */
const char *options_value(const options_t *options, const char *name);

/* The next value of a list, or NULL; *i is 0 at first. */
const char *options_next(const options_t *options, const char *name,
    unsigned *i);

/* The options of a list of names, for help. */
void options_help(const char *names, const char *command);


#endif /* APIKEY_OPTIONS_H */
