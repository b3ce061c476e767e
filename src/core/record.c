#include <assert.h>
#include <string.h>

#include "record.h"
#include "scope.h"


#define APIKEY_TIME_MAX  253402300799  /* the end of the year 9999 */
#define APIKEY_REV_MAX   ((uint64_t) 1 << 53)  /* in Redis's Lua */


typedef struct apikey_member_s  apikey_member_t;

/* *tail is where the memory for texts and networks is free. */
typedef int (*apikey_member_set_pt)(apikey_record_t *record,
    const apikey_member_t *member, apikey_text_t value, char **tail);

struct apikey_member_s {
    apikey_text_t          name;
    apikey_member_set_pt   set;
    size_t                 offset;
    int                  (*check)(apikey_text_t value);
    unsigned               required;
    const char            *why;
};


static const apikey_member_t *apikey_member_find(apikey_text_t name);
static int apikey_member_text(apikey_record_t *record,
    const apikey_member_t *member, apikey_text_t value, char **tail);
static int apikey_member_time(apikey_record_t *record,
    const apikey_member_t *member, apikey_text_t value, char **tail);
static int apikey_member_rev(apikey_record_t *record,
    const apikey_member_t *member, apikey_text_t value, char **tail);
static int apikey_member_status(apikey_record_t *record,
    const apikey_member_t *member, apikey_text_t value, char **tail);
static int apikey_member_limits(apikey_record_t *record,
    const apikey_member_t *member, apikey_text_t value, char **tail);
static int apikey_member_allow(apikey_record_t *record,
    const apikey_member_t *member, apikey_text_t value, char **tail);
static int apikey_member_family(apikey_record_t *record,
    const apikey_member_t *member, apikey_text_t value, char **tail);
static int apikey_rev_check(apikey_text_t rev);
static int apikey_scopes_check(apikey_text_t scopes);


/* Networks stand between texts. */
static_assert(_Alignof(apikey_network_t) == 1, "networks need alignment");


static const char *const  apikey_statuses[] = {
    "active", "disabled", "revoked"
};


#define apikey_member(name, set, check, required, why)                        \
    { apikey_text(#name), set, offsetof(apikey_record_t, name), check,        \
      required, why }

static const apikey_member_t  apikey_members[] = {
    apikey_member(rev, apikey_member_text, apikey_rev_check, 1,
                  "rev is missing or not a number"),
    apikey_member(id, apikey_member_text, apikey_token_id_check, 1,
                  "id is missing or malformed"),
    apikey_member(status, apikey_member_status, NULL, 1,
                  "status is missing or unknown"),
    apikey_member(name, apikey_member_text, apikey_name_check, 0,
                  "name is malformed"),
    apikey_member(prefix, apikey_member_text, apikey_token_prefix_check, 0,
                  "prefix is malformed"),
    apikey_member(org, apikey_member_text, apikey_label_check, 0,
                  "org is malformed"),
    apikey_member(project, apikey_member_text, apikey_label_check, 0,
                  "project is malformed"),
    apikey_member(service, apikey_member_text, apikey_label_check, 0,
                  "service is malformed"),
    apikey_member(scopes, apikey_member_text, apikey_scopes_check, 0,
                  "scopes are malformed"),
    apikey_member(plan, apikey_member_text, apikey_label_check, 0,
                  "plan is malformed"),
    apikey_member(limits, apikey_member_limits, NULL, 0,
                  "limits are malformed"),
    apikey_member(created, apikey_member_time, NULL, 0,
                  "created is not a time"),
    apikey_member(expires, apikey_member_time, NULL, 0,
                  "expires is not a time"),
    apikey_member(not_before, apikey_member_time, NULL, 0,
                  "not_before is not a time"),
    apikey_member(revoked, apikey_member_time, NULL, 0,
                  "revoked is not a time"),
    apikey_member(reset, apikey_member_rev, NULL, 0,
                  "reset is not a rev"),
    apikey_member(family, apikey_member_family, NULL, 0,
                  "family is not a digest"),
    apikey_member(allow, apikey_member_allow, NULL, 0,
                  "allow is malformed"),
    apikey_member(template, apikey_member_text, apikey_label_check, 0,
                  "template is malformed"),
    apikey_member(rotated_to, apikey_member_text, apikey_token_id_check, 0,
                  "rotated_to is malformed"),
    apikey_member(rotated_from, apikey_member_text, apikey_token_id_check, 0,
                  "rotated_from is malformed")
};

#define APIKEY_MEMBERS  (sizeof(apikey_members) / sizeof(apikey_members[0]))


size_t
apikey_record_size(const apikey_field_t *fields, unsigned count)
{
    size_t                  size;
    unsigned                i;
    apikey_text_t           list;
    const apikey_member_t  *member;

    size = sizeof(apikey_record_t);

    for (i = 0; i < count; i++) {
        member = apikey_member_find(fields[i].name);

        if (member == NULL) {
            continue;
        }

        if (member->set == apikey_member_text) {
            size += fields[i].value.len;

        } else if (member->set == apikey_member_allow) {
            list = fields[i].value;

            while (apikey_text_word(&list).len != 0) {
                size += sizeof(apikey_network_t);
            }
        }
    }

    return size;
}


int
apikey_record_parse(apikey_record_t **record, void *memory,
    const apikey_field_t *fields, unsigned count, const char **why)
{
    char                   *tail;
    unsigned                i, bit, seen, present;
    apikey_record_t        *rec;
    const apikey_member_t  *member;

    rec = memory;
    memset(rec, 0, sizeof(apikey_record_t));
    tail = (char *) (rec + 1);

    seen = 0;
    present = 0;

    for (i = 0; i < count; i++) {
        member = apikey_member_find(fields[i].name);

        if (member == NULL) {
            continue;
        }

        bit = 1u << (member - apikey_members);

        if (seen & bit) {
            *why = "a field twice";
            return APIKEY_INVALID;
        }

        seen |= bit;

        if (fields[i].value.len == 0) {
            continue;
        }

        present |= bit;

        if (member->set(rec, member, fields[i].value, &tail) != APIKEY_OK) {
            *why = member->why;
            return APIKEY_INVALID;
        }
    }

    for (i = 0; i < APIKEY_MEMBERS; i++) {
        if (apikey_members[i].required && !(present & (1u << i))) {
            *why = apikey_members[i].why;
            return APIKEY_INVALID;
        }
    }

    *record = rec;

    return APIKEY_OK;
}


int
apikey_label_check(apikey_text_t label)
{
    size_t         i;
    unsigned char  c;

    if (label.len == 0 || label.len > APIKEY_LABEL_MAX) {
        return APIKEY_INVALID;
    }

    for (i = 0; i < label.len; i++) {
        c = label.data[i];

        if (c <= ' ' || c >= 0x7f || strchr("\"'{},\\", c) != NULL) {
            return APIKEY_INVALID;
        }
    }

    return APIKEY_OK;
}


int
apikey_name_check(apikey_text_t name)
{
    unsigned  n;
    uint32_t  c;

    if (name.len == 0 || name.len > APIKEY_NAME_MAX) {
        return APIKEY_INVALID;
    }

    while (name.len != 0) {
        n = apikey_text_char(name, &c);

        if (n == 0 || apikey_text_is_control(c)) {
            return APIKEY_INVALID;
        }

        name.data += n;
        name.len -= n;
    }

    return APIKEY_OK;
}


const char *
apikey_status_name(apikey_status_e status)
{
    return apikey_statuses[status];
}


apikey_usable_e
apikey_record_usable(const apikey_record_t *record, uint64_t now)
{
    if (record->status == APIKEY_REVOKED) {
        return APIKEY_IS_REVOKED;
    }

    if (record->status == APIKEY_DISABLED) {
        return APIKEY_IS_DISABLED;
    }

    if (record->expires != 0 && record->expires <= now) {
        return APIKEY_IS_EXPIRED;
    }

    if (now < record->not_before) {
        return APIKEY_IS_EARLY;
    }

    return APIKEY_USABLE;
}


int
apikey_record_allows(const apikey_record_t *record,
    const unsigned char *addr, size_t len)
{
    unsigned  i;

    if (record->allow_count == 0) {
        return 1;
    }

    for (i = 0; i < record->allow_count; i++) {
        if (apikey_network_contains(&record->allow[i], addr, len)) {
            return 1;
        }
    }

    return 0;
}


static const apikey_member_t *
apikey_member_find(apikey_text_t name)
{
    unsigned  i;

    for (i = 0; i < APIKEY_MEMBERS; i++) {
        if (apikey_text_equal(apikey_members[i].name, name)) {
            return &apikey_members[i];
        }
    }

    return NULL;
}


static int
apikey_member_text(apikey_record_t *record, const apikey_member_t *member,
    apikey_text_t value, char **tail)
{
    apikey_text_t  *text;

    if (member->check(value) != APIKEY_OK) {
        return APIKEY_INVALID;
    }

    text = (apikey_text_t *) ((char *) record + member->offset);

    memcpy(*tail, value.data, value.len);
    text->data = *tail;
    text->len = value.len;

    *tail += value.len;

    return APIKEY_OK;
}


static int
apikey_member_time(apikey_record_t *record, const apikey_member_t *member,
    apikey_text_t value, char **tail)
{
    (void) tail;

    return apikey_text_number(value, APIKEY_TIME_MAX,
                              (uint64_t *) ((char *) record + member->offset));
}


static int
apikey_member_rev(apikey_record_t *record, const apikey_member_t *member,
    apikey_text_t value, char **tail)
{
    (void) tail;

    return apikey_text_number(value, APIKEY_REV_MAX,
                              (uint64_t *) ((char *) record + member->offset));
}


static int
apikey_member_status(apikey_record_t *record, const apikey_member_t *member,
    apikey_text_t value, char **tail)
{
    apikey_text_t    name;
    apikey_status_e  status;

    (void) member;
    (void) tail;

    for (status = APIKEY_ACTIVE; status <= APIKEY_REVOKED; status++) {
        name.data = apikey_statuses[status];
        name.len = strlen(name.data);

        if (apikey_text_equal(name, value)) {
            record->status = status;
            return APIKEY_OK;
        }
    }

    return APIKEY_INVALID;
}


static int
apikey_member_limits(apikey_record_t *record, const apikey_member_t *member,
    apikey_text_t value, char **tail)
{
    const char  *why;

    (void) member;
    (void) tail;

    if (apikey_limits_parse(&record->limits, value, &why) != APIKEY_OK) {
        return APIKEY_INVALID;
    }

    /* Spaces alone must not put the plan in place of what was meant. */

    return record->limits.count != 0 ? APIKEY_OK : APIKEY_INVALID;
}


static int
apikey_member_allow(apikey_record_t *record, const apikey_member_t *member,
    apikey_text_t value, char **tail)
{
    const char        *why;
    apikey_text_t      word;
    apikey_network_t  *net;

    (void) member;

    record->allow = (apikey_network_t *) *tail;

    for ( ;; ) {
        word = apikey_text_word(&value);

        if (word.len == 0) {
            break;
        }

        net = (apikey_network_t *) *tail;

        if (record->allow_count == APIKEY_ALLOW_MAX
            || apikey_network_parse(net, word, &why) != APIKEY_OK)
        {
            return APIKEY_INVALID;
        }

        record->allow_count++;
        *tail += sizeof(apikey_network_t);
    }

    /* Spaces alone must not open the key to every address. */

    return record->allow_count != 0 ? APIKEY_OK : APIKEY_INVALID;
}


static int
apikey_member_family(apikey_record_t *record, const apikey_member_t *member,
    apikey_text_t value, char **tail)
{
    (void) member;
    (void) tail;

    record->rotated = 1;

    return apikey_digest_parse(record->family, value);
}


static int
apikey_rev_check(apikey_text_t rev)
{
    uint64_t  n;

    return apikey_text_number(rev, UINT64_MAX, &n);
}


static int
apikey_scopes_check(apikey_text_t scopes)
{
    if (scopes.len > APIKEY_SCOPES_MAX) {
        return APIKEY_INVALID;
    }

    return apikey_scope_list_check(scopes);
}
