#ifndef APIKEY_GIVEN_H
#define APIKEY_GIVEN_H

/*
 * Attributes of a key as options give them.  All of these return CLI_DONE, or
 * another status having told which option's value is wrong.
 */

#include "store/attributes.h"
#include "store/dates.h"
#include "store/rows.h"

#include "cli.h"


/* A moment, as far as it can be known without Redis's clock. */
typedef struct {
    moment_t     moment;
    const char  *text;      /* NULL: not given; "none": to be removed */
} given_time_t;


/* The option of the attribute's name, if given. */
int given_text(const cli_t *cli, attributes_t *attributes,
    attribute_e attribute);

/* Is --plan one that there is, or --force given?  Once Redis is open. */
int given_plan_check(cli_t *cli);

/* --allow, which may be repeated. */
int given_allow(const cli_t *cli, attributes_t *attributes);

/* --permissions, --scope and --permissions-json together. */
int given_scopes(const cli_t *cli, attributes_t *attributes);

/* --expires or --not-before, before and after cli_open(). */
int given_time(const cli_t *cli, given_time_t *given, const char *option);
int given_time_set(const cli_t *cli, const given_time_t *given,
    const char *option, attributes_t *attributes, attribute_e attribute);

/* Does the key live at all?  Both times are of the attributes. */
int given_times_check(const attributes_t *attributes);

/* --format of a file. */
int given_format(const cli_t *cli, rows_format_e *format);

/*
 * "none" asks for an attribute to be removed.  Empty text doesn't: it may be of
 * a variable that isn't set.
 */
int given_none(const char *value);


#endif /* APIKEY_GIVEN_H */
