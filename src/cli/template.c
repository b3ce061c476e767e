#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/names.h"

#include "store/memory.h"

#include "given.h"
#include "template.h"


typedef struct {
    const char  *name;
    const char  *title;
    const char  *scopes;
    const char  *binds;     /* NULL: nothing */
} template_shipped_t;


static int template_list(cli_t *cli);
static int template_list_one(cli_t *cli, const char *name, json_t *json,
    table_t *table);
static int template_show(cli_t *cli, const char *name);
static int template_set(cli_t *cli, const char *name);
static int template_remove(cli_t *cli, const char *name);
static int template_print(cli_t *cli, const char *name);
static const template_shipped_t *template_shipped(const char *name);
static int template_binds(const char *binds);
static int template_read(template_t *template, apikey_text_t text);
static reply_t *template_command(cli_t *cli, const char *command,
    const char *name, const char *value);
static json_t *template_json(const template_t *template);


static const template_shipped_t  template_shipping[] = {

    { "apps-sdk", "Apps/SDK", "*:read", "project" },
    { "mcp-server", "MCP Server", "*:read *:write *:delete", "project" },
    { "read-only", "Read Only", "*:read", NULL },

    /* Everything but billing: scopes only grant. */
    { "admin", "Admin",
      "projects:* users:* keys:* services:* settings:* logs:* usage:*",
      NULL },

    { "full-access", "Full Access", "*:*", NULL }
};

#define TEMPLATE_SHIPPED                                                      \
    (sizeof(template_shipping) / sizeof(template_shipped_t))


static const column_t  template_columns[] = {
    { "NAME", 0 },
    { "TITLE", 0 },
    { "BINDS", 0 },
    { "SCOPES", 0 }
};


int
command_template(cli_t *cli)
{
    int          rc;
    const char  *action, *name;

    rc = cli_operands(cli, 1, 2, "list, show NAME, set NAME or remove NAME");

    if (rc != CLI_DONE) {
        return rc;
    }

    action = cli->options->operands[0];
    name = cli->options->operand_count > 1 ? cli->options->operands[1] : NULL;

    if (strcmp(action, "set") != 0
        && (options_value(cli->options, "scope") != NULL
            || options_value(cli->options, "binds") != NULL))
    {
        complain("template %s takes no --scope and no --binds", action);
        return CLI_USAGE;
    }

    if (strcmp(action, "list") == 0 && name == NULL) {
        return template_list(cli);
    }

    if (strcmp(action, "show") == 0 && name != NULL) {
        return template_show(cli, name);
    }

    if (strcmp(action, "set") == 0 && name != NULL) {
        return template_set(cli, name);
    }

    if (strcmp(action, "remove") == 0 && name != NULL) {
        return template_remove(cli, name);
    }

    complain("template needs list, show NAME, set NAME or remove NAME");

    return CLI_USAGE;
}


int
template_find(cli_t *cli, const char *name, template_t *template)
{
    int                        rc, stored;
    reply_t                   *reply;
    const template_shipped_t  *shipped;

    memset(template, 0, sizeof(template_t));

    shipped = template_shipped(name);

    if (shipped != NULL) {
        name = shipped->name;
    }

    reply = template_command(cli, "HGET", name, NULL);

    if (reply == NULL) {
        return cli_failed(cli);
    }

    rc = CLI_DONE;
    stored = (reply_text(reply).data != NULL);

    if (!stored && shipped == NULL) {
        complain_absent("template", name);
        rc = CLI_REFUSED;

    } else if (stored
               && template_read(template, reply_text(reply)) != APIKEY_OK)
    {
        complain("template \"%s\": what is stored of it can't be read: set "
                 "or remove it", name);
        rc = CLI_REFUSED;

    } else if (!stored) {
        template->scopes = must(strdup(shipped->scopes));

        if (shipped->binds != NULL) {
            template->binds = must(strdup(shipped->binds));
        }
    }

    if (rc == CLI_DONE) {
        template->name = must(strdup(name));
        template->title = shipped ? shipped->title : NULL;
        template->stored = stored;
    }

    reply_free(reply);

    return rc;
}


void
template_free(template_t *template)
{
    free(template->name);
    free(template->scopes);
    free(template->binds);

    memset(template, 0, sizeof(template_t));
}


static int
template_list(cli_t *cli)
{
    int          rc;
    size_t       i;
    json_t      *json;
    table_t      table;
    reply_t     *reply;
    const char  *name;

    rc = cli_open(cli);

    if (rc != CLI_DONE) {
        return rc;
    }

    reply = template_command(cli, "HKEYS", NULL, NULL);

    if (reply == NULL) {
        return cli_failed(cli);
    }

    json = json_array();
    table_init(&table, template_columns,
               sizeof(template_columns) / sizeof(column_t));

    for (i = 0; rc != CLI_REDIS && i < TEMPLATE_SHIPPED; i++) {
        rc = template_list_one(cli, template_shipping[i].name, json, &table);
    }

    for (i = 0; rc != CLI_REDIS && i < reply_count(reply); i++) {
        name = reply_text(reply_at(reply, i)).data;

        if (template_shipped(name) == NULL) {
            rc = template_list_one(cli, name, json, &table);
        }
    }

    reply_free(reply);

    if (rc != CLI_REDIS && cli->json) {
        json_print(json_incref(json));

    } else if (rc != CLI_REDIS) {
        table_print(&table);
    }

    json_decref(json);
    table_free(&table);

    return rc;
}


static int
template_list_one(cli_t *cli, const char *name, json_t *json, table_t *table)
{
    int         rc;
    template_t  template;

    rc = template_find(cli, name, &template);

    if (rc != CLI_DONE) {
        return rc;
    }

    json_array_append_new(json, template_json(&template));

    table_add(table, store_text(template.name));
    table_add(table, store_text(template.title ? template.title : ""));
    table_add(table, store_text(template.binds ? template.binds : ""));
    table_add(table, store_text(template.scopes));

    template_free(&template);

    return CLI_DONE;
}


static int
template_show(cli_t *cli, const char *name)
{
    int  rc;

    rc = cli_open(cli);

    if (rc != CLI_DONE) {
        return rc;
    }

    return template_print(cli, name);
}


static int
template_set(cli_t *cli, const char *name)
{
    int                        rc;
    char                      *text;
    json_t                    *json;
    reply_t                   *reply;
    const char                *binds;
    attributes_t               attributes;
    const template_shipped_t  *shipped;

    shipped = template_shipped(name);
    name = shipped ? shipped->name : name;
    binds = options_value(cli->options, "binds");

    if (apikey_label_check(store_text(name)) != APIKEY_OK) {
        complain("template \"%s\": a name is 1 to 64 printable characters "
                 "without space, quotes, braces, comma and backslash", name);
        return CLI_USAGE;
    }

    if (options_value(cli->options, "scope") == NULL) {
        complain("template set needs --scope");
        return CLI_USAGE;
    }

    if (binds != NULL && !template_binds(binds)) {
        complain_option("binds", binds, "not org, project or service");
        return CLI_USAGE;
    }

    memset(&attributes, 0, sizeof(attributes));

    if ((rc = given_scopes(cli, &attributes)) != CLI_DONE
        || (rc = cli_open(cli)) != CLI_DONE)
    {
        attributes_free(&attributes);
        return rc;
    }

    json = json_object();
    json_object_set_new(json, "scopes",
                        json_words(attributes_get(&attributes,
                                                  ATTRIBUTE_SCOPES)));
    if (binds != NULL) {
        json_object_set_new(json, "binds", json_string(binds));
    }

    attributes_free(&attributes);

    text = must(json_dumps(json, JSON_COMPACT));
    reply = template_command(cli, "HSET", name, text);

    json_decref(json);
    memory_wipe(text);

    if (reply == NULL) {
        return cli_failed(cli);
    }

    reply_free(reply);

    return template_print(cli, name);
}


static int
template_remove(cli_t *cli, const char *name)
{
    int                        rc;
    reply_t                   *reply;
    const template_shipped_t  *shipped;

    shipped = template_shipped(name);
    name = shipped ? shipped->name : name;

    rc = cli_open(cli);

    if (rc != CLI_DONE) {
        return rc;
    }

    reply = template_command(cli, "HDEL", name, NULL);

    if (reply == NULL) {
        return cli_failed(cli);
    }

    if (reply_number(reply) == 0) {

        if (shipped != NULL) {
            complain("template \"%s\" is shipped, and as it was shipped", name);
        } else {
            complain_absent("template", name);
        }

        rc = CLI_REFUSED;

    } else if (cli->json) {
        json_print(json_pack("{s:s}", "removed", name));

    } else {
        printf("removed %s%s\n", name,
               shipped ? ": the shipped one holds again" : "");
    }

    reply_free(reply);

    return rc;
}


static int
template_print(cli_t *cli, const char *name)
{
    int         rc;
    template_t  template;

    rc = template_find(cli, name, &template);

    if (rc != CLI_DONE) {
        return rc;
    }

    if (cli->json) {
        json_print(template_json(&template));

    } else {
        printf("name    %s\ntitle   %s\nbinds   %s\nscopes  %s\n",
               template.name, template.title ? template.title : "-",
               template.binds ? template.binds : "-", template.scopes);
    }

    template_free(&template);

    return CLI_DONE;
}


static const template_shipped_t *
template_shipped(const char *name)
{
    unsigned  i;

    for (i = 0; i < TEMPLATE_SHIPPED; i++) {

        if (strcmp(template_shipping[i].name, name) == 0
            || strcasecmp(template_shipping[i].title, name) == 0)
        {
            return &template_shipping[i];
        }
    }

    return NULL;
}


static int
template_binds(const char *binds)
{
    return strcmp(binds, "org") == 0
           || strcmp(binds, "project") == 0
           || strcmp(binds, "service") == 0;
}


/* What is stored is checked as if it were given now. */

static int
template_read(template_t *template, apikey_text_t text)
{
    int            rc;
    size_t         i;
    json_t        *json, *scopes, *scope, *binds;
    const char    *why;
    attributes_t   attributes;

    memset(&attributes, 0, sizeof(attributes));

    json = json_loadb(text.data, text.len, 0, NULL);
    scopes = json_object_get(json, "scopes");
    binds = json_object_get(json, "binds");

    rc = (json_array_size(scopes) != 0
          && (binds == NULL
              || (json_is_string(binds)
                  && template_binds(json_string_value(binds)))))
         ? APIKEY_OK : APIKEY_INVALID;

    json_array_foreach(scopes, i, scope) {

        if (rc == APIKEY_OK && json_is_string(scope)) {
            rc = attributes_add(&attributes, ATTRIBUTE_SCOPES,
                                store_text(json_string_value(scope)), &why);
        } else {
            rc = APIKEY_INVALID;
        }
    }

    if (rc == APIKEY_OK) {
        template->scopes = attributes.value[ATTRIBUTE_SCOPES];
        attributes.value[ATTRIBUTE_SCOPES] = NULL;

        if (binds != NULL) {
            template->binds = must(strdup(json_string_value(binds)));
        }
    }

    attributes_free(&attributes);
    json_decref(json);

    return rc;
}


static reply_t *
template_command(cli_t *cli, const char *command, const char *name,
    const char *value)
{
    char            key[APIKEY_NAME_SIZE];
    unsigned        n;
    apikey_text_t   argv[4];

    n = 0;

    argv[n++] = store_text(command);
    argv[n].data = key;
    argv[n++].len = apikey_names_templates(key, cli->store.prefix);

    if (name != NULL) {
        argv[n++] = store_text(name);
    }

    if (value != NULL) {
        argv[n++] = store_text(value);
    }

    return store_command(&cli->store, argv, n);
}


static json_t *
template_json(const template_t *template)
{
    json_t  *json;

    json = json_object();

    json_object_set_new(json, "name", json_string(template->name));
    json_object_set_new(json, "title",
                        template->title ? json_string(template->title)
                                        : json_null());
    json_object_set_new(json, "scopes",
                        json_words(store_text(template->scopes)));
    json_object_set_new(json, "binds",
                        template->binds ? json_string(template->binds)
                                        : json_null());
    json_object_set_new(json, "stored", json_boolean(template->stored));

    return json;
}
