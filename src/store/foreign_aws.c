/*
 * AWS API Gateway: the CSV file that it imports, and what "aws apigateway
 * get-api-keys --include-values" answers.
 */

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "foreign.h"
#include "rows.h"


#define AWS_PLANS_MAX  1024


typedef enum {
    AWS_OTHER = 0,      /* AWS ignores it, too */
    AWS_KEY,
    AWS_NAME,
    AWS_DESCRIPTION,
    AWS_ENABLED,
    AWS_PLANS
} aws_column_e;


typedef struct {
    foreign_t       *foreign;
    apikey_text_t    rest;       /* of the file */
    aws_column_e     column[ROWS_FIELDS];
    unsigned         count;
    unsigned         begun:1;
} aws_t;


static ssize_t aws_read(void *data, char *buf, size_t size);
static int aws_columns(aws_t *aws, const rows_t *row);
static int aws_row(aws_t *aws, const rows_t *row);
static unsigned aws_quoted(const rows_t *row, unsigned i);
static apikey_text_t aws_join(char out[AWS_PLANS_MAX], const rows_t *row,
    unsigned i, unsigned n);
static void aws_field(aws_t *aws, aws_column_e column, apikey_text_t text);
static void aws_enabled(foreign_t *foreign, apikey_text_t text);
static void aws_plans(foreign_t *foreign, apikey_text_t text);
static int aws_list(foreign_t *foreign, const document_node_t *node);
static int aws_item(foreign_t *foreign, const document_node_t *item);
static int aws_is(apikey_text_t text, const char *word);


int
foreign_aws_csv(foreign_t *foreign, apikey_text_t text)
{
    int     rc;
    aws_t   aws;
    rows_t  rows;

    memset(&aws, 0, sizeof(aws));
    aws.foreign = foreign;
    aws.rest = text;

    rows_init(&rows, ROWS_CSV, aws_read, &aws);
    rc = 0;

    while (rc == 0 && rows_next(&rows) == 1) {

        if (rows.why == NULL && !aws.begun) {
            rc = aws_columns(&aws, &rows);

            if (foreign->why[0] != '\0') {
                break;
            }

            continue;
        }

        rc = aws_row(&aws, &rows);
    }

    rows_free(&rows);

    return rc;
}


static ssize_t
aws_read(void *data, char *buf, size_t size)
{
    aws_t *aws = data;

    size_t  n;

    n = (aws->rest.len < size) ? aws->rest.len : size;

    if (n != 0) {
        memcpy(buf, aws->rest.data, n);
    }

    aws->rest.data += n;
    aws->rest.len -= n;

    return n;
}


static int
aws_columns(aws_t *aws, const rows_t *row)
{
    unsigned  i, j, keys;

    static const struct {
        const char    *name;
        aws_column_e   column;
    } names[] = {
        { "key", AWS_KEY }, { "name", AWS_NAME },
        { "description", AWS_DESCRIPTION }, { "enabled", AWS_ENABLED },
        { "usageplanids", AWS_PLANS }
    };

    aws->begun = 1;
    aws->count = row->count;
    keys = 0;

    for (i = 0; i < row->count; i++) {
        for (j = 0; j < sizeof(names) / sizeof(names[0]); j++) {
            if (aws_is(row->fields[i], names[j].name)) {
                aws->column[i] = names[j].column;
            }
        }

        keys += (aws->column[i] == AWS_KEY);
    }

    return (keys == 1) ? 0 : foreign_unknown(aws->foreign, row->line,
                                 "the first line names no column \"key\"");
}


static int
aws_row(aws_t *aws, const rows_t *row)
{
    char        plans[AWS_PLANS_MAX];
    unsigned    i, n, column;
    foreign_t  *foreign;

    foreign = aws->foreign;
    foreign_begin(foreign, row->line);

    if (row->why != NULL) {
        foreign_refuse(foreign, "%s", row->why);
        return foreign_end(foreign);
    }

    for (i = 0, column = 0;
         i < row->count && column < aws->count;
         i += n, column++)
    {
        n = (aws->column[column] == AWS_PLANS) ? aws_quoted(row, i) : 1;

        aws_field(aws, aws->column[column],
                  n > 1 ? aws_join(plans, row, i, n) : row->fields[i]);
    }

    if (i != row->count || column != aws->count) {
        foreign_refuse(foreign, "%u fields, but %u columns", row->count,
                       aws->count);
    }

    return foreign_end(foreign);
}


/*
 * The fields that single quotes hold together, which AWS takes as well: 1 if
 * there are none.
 */

static unsigned
aws_quoted(const rows_t *row, unsigned i)
{
    unsigned       j;
    apikey_text_t  text;

    text = row->fields[i];

    if (text.len == 0 || text.data[0] != '\'') {
        return 1;
    }

    for (j = i; j < row->count; j++) {
        text = row->fields[j];

        if (text.len > (j == i) && text.data[text.len - 1] == '\'') {
            return j - i + 1;
        }
    }

    return 1;
}


/* As they were before they were taken apart. */

static apikey_text_t
aws_join(char out[AWS_PLANS_MAX], const rows_t *row, unsigned i, unsigned n)
{
    size_t  len;

    len = 0;

    for ( /* void */ ; n != 0 && len < AWS_PLANS_MAX; n--, i++) {
        len += snprintf(out + len, AWS_PLANS_MAX - len, "%.*s%s",
                        (int) row->fields[i].len, row->fields[i].data,
                        n > 1 ? "," : "");
    }

    return (apikey_text_t) { out, len < AWS_PLANS_MAX ? len
                                                      : AWS_PLANS_MAX - 1 };
}


static void
aws_field(aws_t *aws, aws_column_e column, apikey_text_t text)
{
    foreign_t  *foreign;

    foreign = aws->foreign;

    switch (column) {

    case AWS_KEY:
        foreign_token(foreign, text);
        break;

    case AWS_NAME:
        foreign_may(foreign, "name", text);
        break;

    case AWS_DESCRIPTION:
        if (text.len != 0) {
            foreign_lose(foreign, "its description");
        }

        break;

    case AWS_ENABLED:
        aws_enabled(foreign, text);
        break;

    case AWS_PLANS:
        aws_plans(foreign, text);
        break;

    default: /* AWS_OTHER */
        break;
    }
}


static void
aws_enabled(foreign_t *foreign, apikey_text_t text)
{
    if (text.len == 0 || aws_is(text, "true")) {
        return;
    }

    if (!aws_is(text, "false")) {
        foreign_refuse(foreign, "enabled: neither true nor false");
        return;
    }

    foreign_set(foreign, "status", (apikey_text_t) apikey_text("disabled"));
}


/* A key has one plan: the first. */

static void
aws_plans(foreign_t *foreign, apikey_text_t text)
{
    unsigned       n;
    const char    *comma;
    apikey_text_t  plan;

    if (text.len > 1 && text.data[0] == '\''
        && text.data[text.len - 1] == '\'')
    {
        text.data++;
        text.len -= 2;
    }

    for (n = 0; text.len != 0; n++) {
        comma = memchr(text.data, ',', text.len);

        plan = text;
        plan.len = comma ? (size_t) (comma - text.data) : text.len;

        text.data += plan.len + (comma != NULL);
        text.len -= plan.len + (comma != NULL);

        while (plan.len != 0 && *plan.data == ' ') {
            plan.data++;
            plan.len--;
        }

        if (n == 0) {
            foreign_set(foreign, "plan", plan);

        } else {
            foreign_lose(foreign, "its usage plan \"%.*s\"",
                         plan.len < 40 ? (int) plan.len : 40, plan.data);
        }
    }
}


int
foreign_aws(foreign_t *foreign, document_t *document)
{
    return foreign_each(foreign, document->root, aws_list);
}


static int
aws_list(foreign_t *foreign, const document_node_t *node)
{
    const document_node_t  *items;

    items = document_get(node, "items");

    if (items == NULL && node->kind != DOCUMENT_LIST) {
        return foreign_unknown(foreign, node->line, "no \"items\" of AWS");
    }

    return foreign_each(foreign, items ? items : node, aws_item);
}


static int
aws_item(foreign_t *foreign, const document_node_t *item)
{
    double                  created;
    apikey_text_t           value;
    const document_node_t  *date;

    foreign_begin(foreign, item->line);

    value = document_get_text(item, "value");

    if (value.len == 0) {
        foreign_refuse(foreign, "has no value: get-api-keys --include-values "
                       "has them");
    }

    foreign_token(foreign, value);
    foreign_may(foreign, "id", document_get_text(item, "id"));
    foreign_may(foreign, "name", document_get_text(item, "name"));
    aws_enabled(foreign, document_get_text(item, "enabled"));

    date = document_get(item, "createdDate");

    if (document_number(date, &created) == APIKEY_OK) {
        foreign_set_time(foreign, "created", created);

    } else {
        foreign_set(foreign, "created", document_text(date));
    }

    if (document_get_text(item, "description").len != 0) {
        foreign_lose(foreign, "its description");
    }

    if (document_get_text(item, "customerId").len != 0) {
        foreign_lose(foreign, "its customerId");
    }

    foreign_lose_list(foreign, "tags", document_get(item, "tags"));
    foreign_lose_list(foreign, "stages", document_get(item, "stageKeys"));

    return foreign_end(foreign);
}


/* In any case, with blanks around. */

static int
aws_is(apikey_text_t text, const char *word)
{
    while (text.len != 0 && isspace((unsigned char) *text.data)) {
        text.data++;
        text.len--;
    }

    while (text.len != 0
           && isspace((unsigned char) text.data[text.len - 1]))
    {
        text.len--;
    }

    return text.len == strlen(word)
           && strncasecmp(text.data, word, text.len) == 0;
}
