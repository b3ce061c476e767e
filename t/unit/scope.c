#include <string.h>

#include "core/scope.h"
#include "tap.h"


#define PART_64                                                               \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"


static void test_check(void);
static void test_bytes(void);
static void test_list(void);
static void test_covers(void);
static void test_allows(void);
static void test_action(void);


int
main(void)
{
    test_check();
    test_bytes();
    test_list();
    test_covers();
    test_allows();
    test_action();

    return done_testing();
}


static void
test_check(void)
{
    size_t  i;

    static const struct {
        const char  *scope;
        int          rc;
    } rows[] = {
        { "projects:read", APIKEY_OK },
        { "*:*", APIKEY_OK },
        { "*:read", APIKEY_OK },
        { "projects:*", APIKEY_OK },
        { "a/b.c_d-E9:x/y.z", APIKEY_OK },
        { "a:b", APIKEY_OK },
        { PART_64 ":" PART_64, APIKEY_OK },
        { PART_64 "a:b", APIKEY_INVALID },
        { "a:b" PART_64, APIKEY_INVALID },
        { "", APIKEY_INVALID },
        { ":", APIKEY_INVALID },
        { "a:", APIKEY_INVALID },
        { ":a", APIKEY_INVALID },
        { "a", APIKEY_INVALID },
        { "*", APIKEY_INVALID },
        { "a:b:c", APIKEY_INVALID },
        { "a::b", APIKEY_INVALID },
        { "**:a", APIKEY_INVALID },
        { "a*:b", APIKEY_INVALID },
        { "a:*b", APIKEY_INVALID },
        { " a:b", APIKEY_INVALID },
        { "a:b ", APIKEY_INVALID },
        { "a:b c:d", APIKEY_INVALID }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        is_number(apikey_scope_check(text(rows[i].scope)), rows[i].rc,
                  "scope \"%s\"", rows[i].scope);
    }
}


static void
test_bytes(void)
{
    int            c, good;
    char           buf[5];
    size_t         bad;
    apikey_text_t  t;

    memcpy(buf, "ab:cd", 5);
    t.data = buf;
    t.len = 5;
    bad = 0;

    for (c = 0; c < 256; c++) {
        good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
               || (c >= '0' && c <= '9')
               || (c != 0 && strchr("._-/", c) != NULL);

        buf[1] = (char) c;
        bad += (apikey_scope_check(t) == APIKEY_OK) != good;
        buf[1] = 'b';

        buf[4] = (char) c;
        bad += (apikey_scope_check(t) == APIKEY_OK) != good;
        buf[4] = 'd';
    }

    no_failures(bad, 512, "every byte on either side");
}


static void
test_list(void)
{
    size_t  i;

    static const struct {
        const char  *list;
        int          rc;
    } rows[] = {
        { "", APIKEY_OK },
        { "a:b", APIKEY_OK },
        { "a:b *:read c:*", APIKEY_OK },
        { " ", APIKEY_INVALID },
        { " a:b", APIKEY_INVALID },
        { "a:b ", APIKEY_INVALID },
        { "a:b  c:d", APIKEY_INVALID },
        { "a:b\tc:d", APIKEY_INVALID },
        { "a:b,c:d", APIKEY_INVALID },
        { "a:b c", APIKEY_INVALID },
        { "a b:c", APIKEY_INVALID }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        is_number(apikey_scope_list_check(text(rows[i].list)), rows[i].rc,
                  "list \"%s\"", rows[i].list);
    }
}


static void
test_covers(void)
{
    size_t         i;
    apikey_text_t  granted;

    static const struct {
        const char  *granted;
        const char  *required;
        int          covers;
    } rows[] = {
        { "users:read", "users:read", 1 },
        { "users:read", "users:write", 0 },
        { "users:read", "projects:read", 0 },
        { "users:read", "user:read", 0 },
        { "user:read", "users:read", 0 },
        { "users:read", "users:rea", 0 },
        { "users:rea", "users:read", 0 },
        { "Users:read", "users:read", 0 },
        { "users:*", "users:read", 1 },
        { "users:*", "users:*", 1 },
        { "users:*", "projects:read", 0 },
        { "*:read", "users:read", 1 },
        { "*:read", "*:read", 1 },
        { "*:read", "users:write", 0 },
        { "*:*", "users:read", 1 },
        { "*:*", "*:*", 1 },
        { "users:read", "users:*", 0 },
        { "users:read", "*:read", 0 },
        { "users:*", "*:*", 0 },
        { "*:read", "*:*", 0 },
        { "*:read", "users:*", 0 },
        { "a:b", "a:b:c", 0 },
        { "a:b:c", "a:b", 0 },
        { "*", "users:read", 0 },
        { "*:", "users:read", 0 },
        { "users:", "users:read", 0 },
        { "users", "users:read", 0 },
        { "", "users:read", 0 },
        { "*xread", "users:read", 0 },
        { "users:*x", "users:read", 0 },
        { "users:read", "", 0 },
        { "users:read", "users", 0 },
        { "*:*", "users", 0 },
        { "*:*", "", 0 }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        granted = text_copy(text(rows[i].granted));

        is_number(apikey_scope_covers(granted, text(rows[i].required)),
                  rows[i].covers, "\"%s\" %s \"%s\"", rows[i].granted,
                  rows[i].covers ? "covers" : "doesn't cover",
                  rows[i].required);

        is_number(apikey_scope_allows(granted, text(rows[i].required)),
                  rows[i].covers, "as a list, too");

        free((void *) granted.data);
    }
}


static void
test_allows(void)
{
    apikey_text_t  granted;

    granted = text("projects:read projects:write *:list");

    ok(apikey_scope_allows(granted, text("projects:read")), "the first");
    ok(apikey_scope_allows(granted, text("projects:write")), "the second");
    ok(apikey_scope_allows(granted, text("users:list")), "the last");
    ok(!apikey_scope_allows(granted, text("projects:delete")), "none");
    ok(!apikey_scope_allows(granted, text("projects:*")), "not all together");

    ok(!apikey_scope_allows(text("projects:write users:read"),
                            text("projects:read")),
       "one's resource and another's action");
    ok(!apikey_scope_allows(text("a:b c:d"), text("a:b c:d")),
       "two scopes are not required as one");

    granted.len = sizeof("projects:rea") - 1;
    ok(!apikey_scope_allows(granted, text("projects:read")),
       "no byte behind the list is read");
}


static void
test_action(void)
{
    size_t         i;
    apikey_text_t  method;

    static const struct {
        const char  *method;
        const char  *action;
    } rows[] = {
        { "GET", "read" },
        { "HEAD", "read" },
        { "OPTIONS", "read" },
        { "POST", "write" },
        { "PUT", "write" },
        { "PATCH", "write" },
        { "DELETE", "delete" },
        { "PROPFIND", "*" },
        { "get", "*" },
        { "GETS", "*" },
        { "GE", "*" },
        { "", "*" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        method.data = rows[i].method;
        method.len = strlen(rows[i].method);

        ok(strcmp(apikey_scope_action_name(apikey_scope_action(method)),
                  rows[i].action) == 0, "\"%s\" needs %s", rows[i].method,
           rows[i].action);
    }
}
