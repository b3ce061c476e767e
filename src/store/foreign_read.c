#include <stdio.h>
#include <string.h>

#include "foreign.h"


static const struct {
    const char         *name;
    foreign_format_pt   read;
} foreign_formats[] = {
    [FOREIGN_KONG] =   { "kong", foreign_kong },
    [FOREIGN_APISIX] = { "apisix", foreign_apisix },
    [FOREIGN_TYK] =    { "tyk", foreign_tyk },
    [FOREIGN_AWS] =    { "aws", foreign_aws },
    [FOREIGN_UNKEY] =  { "unkey", foreign_unkey },
    [FOREIGN_ZUPLO] =  { "zuplo", foreign_zuplo },
};


foreign_e
foreign_find(const char *name)
{
    foreign_e  i;

    for (i = 0; i < FOREIGN_COUNT; i++) {
        if (strcmp(foreign_formats[i].name, name) == 0) {
            break;
        }
    }

    return i;
}


int
foreign_read(foreign_t *foreign, foreign_e from, char *text, size_t len)
{
    int          rc;
    size_t       blank;
    document_t   document;

    for (blank = 0;
         blank < len && memchr(" \t\r\n", text[blank], 4) != NULL;
         blank++)
    {
        /* void */
    }

    if (from == FOREIGN_AWS
        && (blank == len || (text[blank] != '{' && text[blank] != '[')))
    {
        return foreign_aws_csv(foreign, (apikey_text_t) { text, len });
    }

    if (document_parse(&document, text, len) == APIKEY_OK) {
        rc = foreign_formats[from].read(foreign, &document);

    } else {
        rc = foreign_unknown(foreign, document.line, document.why);
    }

    document_free(&document);

    return rc;
}
