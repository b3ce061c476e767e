#ifndef APIKEY_TEMPLATE_H
#define APIKEY_TEMPLATE_H

/*
 * Scope templates.  Some are shipped; others, and those that replace a shipped
 * one, are in Redis (core/names.h) as {"scopes":[...],"binds":"project"}.
 */

#include "cli.h"


typedef struct {
    char        *name;
    const char  *title;     /* of a shipped one, or NULL */
    char        *scopes;
    char        *binds;     /* org, project or service; NULL: nothing */
    int          stored;    /* it isn't the shipped one, or replaces it */
} template_t;


/*
 * By name or title: CLI_DONE and a template to be freed, else another status,
 * told on stderr.
 */
int template_find(cli_t *cli, const char *name, template_t *template);

void template_free(template_t *template);


#endif /* APIKEY_TEMPLATE_H */
