#include "core/record.h"
#include "tap.h"
#include "vectors.h"


#define FIELDS  40


typedef struct {
    const char         *why;
    void               *memory;     /* of exactly the size asked for */
    size_t              size;
    unsigned            count;
    apikey_field_t      fields[FIELDS];
    apikey_record_t    *record;
} trial_t;


static void test_whole(void);
static void test_least(void);
static void test_fields(void);
static void test_required(void);
static void test_sizes(void);
static void test_labels(void);
static void test_names(void);
static void test_usable(void);
static void test_allows(void);

static void trial_start(trial_t *t);
static void trial_add(trial_t *t, const char *name, const char *value);
static int trial_parse(trial_t *t);
static void trial_end(trial_t *t);
static int parse_with(const char *name, const char *value);


int
main(void)
{
    test_whole();
    test_least();
    test_fields();
    test_required();
    test_sizes();
    test_labels();
    test_names();
    test_usable();
    test_allows();

    return done_testing();
}


static void
test_whole(void)
{
    char              scopes[] = "projects:read *:list";
    trial_t           t;
    apikey_record_t  *r;

    trial_start(&t);
    trial_add(&t, "name", "the clé");
    trial_add(&t, "prefix", "apso_sk_live");
    trial_add(&t, "org", "acme");
    trial_add(&t, "project", "p-1");
    trial_add(&t, "service", "svc");
    trial_add(&t, "scopes", scopes);
    trial_add(&t, "plan", "pro");
    trial_add(&t, "limits", "60r/m 1000r/d algorithm=sliding");
    trial_add(&t, "created", "1767225600");
    trial_add(&t, "expires", "1767225601");
    trial_add(&t, "not_before", "1767225602");
    trial_add(&t, "revoked", "1767225603");
    trial_add(&t, "reset", "1767225600000001");
    trial_add(&t, "allow", "10.0.0.0/8 2001:db8::/32 192.0.2.7");
    trial_add(&t, "template", "read-only");
    trial_add(&t, "rotated_to", "next");
    trial_add(&t, "rotated_from", "last");
    trial_add(&t, "n", "\1\2\3");
    trial_add(&t, "n:free", "\1\2\3");
    trial_add(&t, "colour", "blue, or {green}");

    is_number(trial_parse(&t), APIKEY_OK, "a record with every field");

    memset(scopes, 'x', sizeof(scopes));
    r = t.record;

    is_text(r->rev, "1767225600000000", "rev");
    is_text(r->id, "id1", "id");
    is_number(r->status, APIKEY_ACTIVE, "status");
    is_text(r->name, "the clé", "name");
    is_text(r->prefix, "apso_sk_live", "prefix");
    is_text(r->org, "acme", "org");
    is_text(r->project, "p-1", "project");
    is_text(r->service, "svc", "service");
    is_text(r->scopes, "projects:read *:list", "scopes are a copy");
    is_text(r->plan, "pro", "plan");
    is_number(r->limits.count, 2, "limits");
    is_number(r->limits.window[1].limit, 1000, "the second of them");
    is_number(r->limits.sliding, 1, "sliding");
    is_number(r->created, 1767225600, "created");
    is_number(r->expires, 1767225601, "expires");
    is_number(r->not_before, 1767225602, "not_before");
    is_number(r->revoked, 1767225603, "revoked");
    is_number(r->reset, 1767225600000001, "reset");
    is_number(r->allow_count, 3, "networks");
    is_number(r->allow[1].bits, 32, "the second of them");
    is_text(r->template, "read-only", "template");
    is_text(r->rotated_to, "next", "rotated_to");
    is_text(r->rotated_from, "last", "rotated_from");
    is_number(r->rotated, 0, "counted by itself");

    trial_end(&t);
}


static void
test_least(void)
{
    trial_t           t;
    apikey_record_t  *r;

    trial_start(&t);
    trial_add(&t, "org", "");
    trial_add(&t, "expires", "");
    trial_add(&t, "allow", "");
    trial_add(&t, "limits", "");

    is_number(trial_parse(&t), APIKEY_OK, "a record of what it needs");

    r = t.record;
    is_text(r->org, "", "an empty field is absent");
    is_text(r->plan, "", "as one that is not there");
    is_number(r->expires, 0, "an empty time");
    is_number(r->allow_count, 0, "an empty list of networks");
    is_number(r->limits.count, 0, "no limits");
    is_number(apikey_record_usable(r, 1767225600), APIKEY_USABLE, "usable");

    trial_end(&t);
}


static void
test_fields(void)
{
    size_t  i;

    static const struct {
        const char  *name;
        const char  *value;
        int          rc;
    } rows[] = {
        { "name", "line\nbreak", APIKEY_INVALID },
        { "name", "\xff", APIKEY_INVALID },
        { "prefix", "Ag", APIKEY_INVALID },
        { "org", "a b", APIKEY_INVALID },
        { "project", "a{b", APIKEY_INVALID },
        { "service", "a\"b", APIKEY_INVALID },
        { "plan", "a,b", APIKEY_INVALID },
        { "template", "a\\b", APIKEY_INVALID },
        { "scopes", "a:b", APIKEY_OK },
        { "scopes", "a", APIKEY_INVALID },
        { "scopes", "a:b  c:d", APIKEY_INVALID },
        { "limits", "60r/m", APIKEY_OK },
        { "limits", "many", APIKEY_INVALID },
        { "limits", "60r/m 59r/h", APIKEY_INVALID },
        { "limits", " ", APIKEY_INVALID },
        { "created", "now", APIKEY_INVALID },
        { "expires", "-1", APIKEY_INVALID },
        { "expires", "1.5", APIKEY_INVALID },
        { "expires", "0", APIKEY_OK },
        { "expires", "253402300799", APIKEY_OK },
        { "expires", "253402300800", APIKEY_INVALID },
        { "expires", "99999999999999999999999", APIKEY_INVALID },
        { "not_before", "0x10", APIKEY_INVALID },
        { "revoked", "1 ", APIKEY_INVALID },
        { "reset", "9007199254740992", APIKEY_OK },
        { "reset", "9007199254740993", APIKEY_INVALID },
        { "reset", "now", APIKEY_INVALID },
        { "allow", "10.0.0.1", APIKEY_OK },
        { "allow", "10.0.0.1,10.0.0.2", APIKEY_INVALID },
        { "allow", "10.0.0.1 10.0.0.1/8", APIKEY_INVALID },
        { "allow", " ", APIKEY_INVALID },
        { "rotated_to", "a b", APIKEY_INVALID },
        { "rotated_from", "a/b", APIKEY_INVALID },
        { "family", "0123456789abcdef0123456789abcdef"
                    "0123456789abcdef0123456789abcdef", APIKEY_OK },
        { "family", "0123456789abcdef0123456789abcdef"
                    "0123456789abcdef0123456789abcde", APIKEY_INVALID },
        { "family", "0123456789abcdef0123456789abcdef"
                    "0123456789abcdef0123456789abcdeg", APIKEY_INVALID },
        { "Status", "revoked", APIKEY_OK },
        { "", "nameless", APIKEY_OK },
        { "status", "active", APIKEY_INVALID },
        { "id", "id1", APIKEY_INVALID },
        { "id", "", APIKEY_INVALID },
        { "rev", "1", APIKEY_INVALID }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        is_number(parse_with(rows[i].name, rows[i].value), rows[i].rc,
                  "field %s = \"%s\"", rows[i].name,
                  rows[i].value[0] == '\xff' ? "(0xff)"
                  : strchr(rows[i].value, '\n') ? "(newline)"
                                                : rows[i].value);
    }
}


static void
test_required(void)
{
    size_t    i;
    trial_t   t;
    unsigned  f;

    static const struct {
        unsigned     field;    /* 0 rev, 1 id, 2 status */
        const char  *value;    /* NULL: not there */
        int          rc;
    } rows[] = {
        { 0, NULL, APIKEY_INVALID },
        { 0, "", APIKEY_INVALID },
        { 0, "x", APIKEY_INVALID },
        { 0, "0", APIKEY_OK },
        { 1, NULL, APIKEY_INVALID },
        { 1, "", APIKEY_INVALID },
        { 1, "a:b", APIKEY_INVALID },
        { 2, NULL, APIKEY_INVALID },
        { 2, "", APIKEY_INVALID },
        { 2, "active", APIKEY_OK },
        { 2, "disabled", APIKEY_OK },
        { 2, "revoked", APIKEY_OK },
        { 2, "Active", APIKEY_INVALID },
        { 2, "activ", APIKEY_INVALID },
        { 2, "active ", APIKEY_INVALID },
        { 2, "expired", APIKEY_INVALID }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        trial_start(&t);
        f = rows[i].field;

        if (rows[i].value == NULL) {
            t.fields[f] = t.fields[--t.count];

        } else {
            t.fields[f].value = text(rows[i].value);
        }

        is_number(trial_parse(&t), rows[i].rc, "%s %s",
                  f == 0 ? "rev" : f == 1 ? "id" : "status",
                  rows[i].value == NULL ? "missing" : rows[i].value);

        if (rows[i].rc != APIKEY_OK) {
            ok(t.why != NULL, "says why");

        } else if (f == 2) {
            is_text(text(apikey_status_name(t.record->status)), rows[i].value,
                    "the status has its name");
        }

        trial_end(&t);
    }

    trial_start(&t);
    t.count = 0;
    is_number(trial_parse(&t), APIKEY_INVALID, "a record of nothing");
    trial_end(&t);
}


static void
test_sizes(void)
{
    char      buf[APIKEY_SCOPES_MAX + 2];
    size_t    i;
    trial_t   t;

    for (i = 0; i < sizeof(buf) - 1; i++) {
        buf[i] = "a:b "[i % 4];
    }

    buf[APIKEY_SCOPES_MAX - 1] = '\0';
    is_number(parse_with("scopes", buf), APIKEY_OK, "4095 bytes of scopes");

    buf[APIKEY_SCOPES_MAX - 1] = 'b';
    buf[APIKEY_SCOPES_MAX] = '\0';
    is_number(parse_with("scopes", buf), APIKEY_OK, "4096 bytes of scopes");

    buf[APIKEY_SCOPES_MAX] = 'b';
    buf[APIKEY_SCOPES_MAX + 1] = '\0';
    is_number(parse_with("scopes", buf), APIKEY_INVALID,
              "4097 bytes of scopes");

    for (i = 0; i <= APIKEY_ALLOW_MAX; i++) {
        memcpy(buf + i * 9, "10.0.0.1 ", 10);
    }

    buf[APIKEY_ALLOW_MAX * 9] = '\0';
    trial_start(&t);
    trial_add(&t, "allow", buf);
    trial_add(&t, "name", "behind the networks");
    is_number(trial_parse(&t), APIKEY_OK, "64 networks");
    is_number(t.record->allow_count, 64, "are counted");
    is_text(t.record->name, "behind the networks", "and a text behind them");
    trial_end(&t);

    buf[APIKEY_ALLOW_MAX * 9] = '1';
    is_number(parse_with("allow", buf), APIKEY_INVALID, "65 networks");
}


static void
test_labels(void)
{
    int            c, good;
    char           buf[APIKEY_LABEL_MAX + 1];
    size_t         bad;
    apikey_text_t  t;

    memset(buf, 'l', sizeof(buf));
    t.data = buf;

    t.len = 0;
    is_number(apikey_label_check(t), APIKEY_INVALID, "no label");
    t.len = 64;
    is_number(apikey_label_check(t), APIKEY_OK, "label of 64");
    t.len = 65;
    is_number(apikey_label_check(t), APIKEY_INVALID, "label of 65");

    t.len = 2;
    bad = 0;

    for (c = 0; c < 256; c++) {
        good = c > 0x20 && c < 0x7f && strchr("\"'{},\\", c) == NULL;
        buf[1] = (char) c;
        bad += (apikey_label_check(t) == APIKEY_OK) != good;
    }

    no_failures(bad, 256, "every byte in a label");
}


static void
test_names(void)
{
    char           buf[APIKEY_NAME_MAX + 1];
    size_t         i, n, bad;
    apikey_text_t  t;

    memset(buf, 'n', sizeof(buf));
    t.data = buf;

    t.len = 0;
    is_number(apikey_name_check(t), APIKEY_INVALID, "no name");
    t.len = 256;
    is_number(apikey_name_check(t), APIKEY_OK, "name of 256 bytes");
    t.len = 257;
    is_number(apikey_name_check(t), APIKEY_INVALID, "name of 257 bytes");

    n = sizeof(vector_names) / sizeof(vector_names[0]);
    bad = 0;

    for (i = 0; i < n; i++) {
        t = text_copy(vector_names[i].name);
        bad += (apikey_name_check(t) == APIKEY_OK) != vector_names[i].good;
        free((void *) t.data);
    }

    no_failures(bad, n, "names are UTF-8 as Python reads it");
}


static void
test_usable(void)
{
    size_t            i;
    apikey_record_t   r;

    static const struct {
        apikey_status_e  status;
        uint64_t         not_before;
        uint64_t         expires;
        uint64_t         now;
        apikey_usable_e  usable;
    } rows[] = {
        { APIKEY_ACTIVE, 0, 0, 0, APIKEY_USABLE },
        { APIKEY_ACTIVE, 0, 0, 253402300799, APIKEY_USABLE },
        { APIKEY_ACTIVE, 0, 100, 99, APIKEY_USABLE },
        { APIKEY_ACTIVE, 0, 100, 100, APIKEY_IS_EXPIRED },
        { APIKEY_ACTIVE, 0, 100, 101, APIKEY_IS_EXPIRED },
        { APIKEY_ACTIVE, 100, 0, 99, APIKEY_IS_EARLY },
        { APIKEY_ACTIVE, 100, 0, 100, APIKEY_USABLE },
        { APIKEY_ACTIVE, 100, 50, 60, APIKEY_IS_EXPIRED },
        { APIKEY_DISABLED, 0, 0, 10, APIKEY_IS_DISABLED },
        { APIKEY_DISABLED, 100, 5, 10, APIKEY_IS_DISABLED },
        { APIKEY_REVOKED, 0, 0, 10, APIKEY_IS_REVOKED },
        { APIKEY_REVOKED, 100, 5, 10, APIKEY_IS_REVOKED }
    };

    memset(&r, 0, sizeof(r));

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        r.status = rows[i].status;
        r.not_before = rows[i].not_before;
        r.expires = rows[i].expires;

        is_number(apikey_record_usable(&r, rows[i].now), rows[i].usable,
                  "%s, from %llu to %llu, at %llu",
                  apikey_status_name(r.status),
                  (unsigned long long) r.not_before,
                  (unsigned long long) r.expires,
                  (unsigned long long) rows[i].now);
    }
}


static void
test_allows(void)
{
    trial_t  t;

    static const unsigned char  v4[4] = { 192, 0, 2, 7 };
    static const unsigned char  other[4] = { 192, 0, 2, 8 };
    static const unsigned char  v6[16] = { 0x20, 0x01, 0x0d, 0xb8 };

    trial_start(&t);
    trial_parse(&t);
    ok(apikey_record_allows(t.record, v4, 4), "no networks: everywhere");
    ok(apikey_record_allows(t.record, v6, 16), "IPv6 too");
    ok(apikey_record_allows(t.record, v4, 0), "and from no address");
    trial_end(&t);

    trial_start(&t);
    trial_add(&t, "allow", "10.0.0.0/8 192.0.2.7");
    trial_parse(&t);
    ok(apikey_record_allows(t.record, v4, 4), "the second network");
    ok(!apikey_record_allows(t.record, other, 4), "the address beside it");
    ok(!apikey_record_allows(t.record, v6, 16), "no IPv6");
    ok(!apikey_record_allows(t.record, v4, 0), "and not from no address");
    trial_end(&t);
}


static void
trial_start(trial_t *t)
{
    memset(t, 0, sizeof(trial_t));

    trial_add(t, "rev", "1767225600000000");
    trial_add(t, "id", "id1");
    trial_add(t, "status", "active");
}


static void
trial_add(trial_t *t, const char *name, const char *value)
{
    t->fields[t->count].name = text(name);
    t->fields[t->count].value = text(value);
    t->count++;
}


static int
trial_parse(trial_t *t)
{
    t->size = apikey_record_size(t->fields, t->count);
    t->memory = malloc(t->size);

    if (t->memory == NULL) {
        exit(1);
    }

    return apikey_record_parse(&t->record, t->memory, t->fields, t->count,
                               &t->why);
}


static void
trial_end(trial_t *t)
{
    free(t->memory);
}


static int
parse_with(const char *name, const char *value)
{
    int      rc;
    trial_t  t;

    trial_start(&t);
    trial_add(&t, name, value);
    rc = trial_parse(&t);
    trial_end(&t);

    return rc;
}
