#include "redis/view.h"
#include "tap.h"


static void test_maps(void);
static void test_ranges(void);
static void test_unknown(void);
static void test_errors(void);
static int range(apikey_slots_t *slots, apikey_text_t bytes);
static const char *check(apikey_slots_t *slots, const char *map,
    apikey_text_t bytes);


int
main(void)
{
    test_maps();
    test_ranges();
    test_unknown();
    test_errors();

    return done_testing();
}


static void
test_maps(void)
{
    const char      *why;
    apikey_slots_t   s;

    why = check(&s, "", text("+OK\r\n"));
    ok(why && strcmp(why, "not a map") == 0, "a reply that is no array");

    why = check(&s, "", text("$-1\r\n"));
    ok(why && strcmp(why, "not a map") == 0, "none");

    why = check(&s, "", text("*-1\r\n"));
    ok(why && strcmp(why, "not a map") == 0, "the array that isn't there");

    why = check(&s, "", text("*0\r\n"));
    ok(why && strcmp(why, "the map is empty") == 0, "an empty one");

    why = check(&s, "*2\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\na\r\n:1\r\n",
                text("*3\r\n:2\r\n:2\r\n*2\r\n$1\r\nb\r\n:2\r\n"));
    ok(why == NULL, "two ranges");
    is_number(s.last, 2, "the last of them");

    why = check(&s, "*2\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\na\r\n:1\r\n",
                text(":2\r\n"));
    ok(why && strcmp(why, "malformed map") == 0, "one that isn't");
}


static void
test_ranges(void)
{
    size_t         i, bad;
    apikey_slots_t  s;

    static const apikey_text_t  malformed[] = {
        apikey_text(":1\r\n"),
        apikey_text("$-1\r\n"),
        apikey_text("*0\r\n"),
        apikey_text("*2\r\n:0\r\n:1\r\n"),
        apikey_text("*3\r\n:0\r\n:1\r\n:2\r\n"),
        apikey_text("*3\r\n:0\r\n:1\r\n*1\r\n$1\r\na\r\n"),
        apikey_text("*3\r\n$1\r\n0\r\n:1\r\n*2\r\n$1\r\na\r\n:1\r\n"),
        apikey_text("*3\r\n:0\r\n$1\r\n1\r\n*2\r\n$1\r\na\r\n:1\r\n"),
        apikey_text("*3\r\n:2\r\n:1\r\n*2\r\n$1\r\na\r\n:1\r\n"),
        apikey_text("*3\r\n:-1\r\n:1\r\n*2\r\n$1\r\na\r\n:1\r\n"),
        apikey_text("*3\r\n:0\r\n:16384\r\n*2\r\n$1\r\na\r\n:1\r\n"),
        apikey_text("*3\r\n:0\r\n:1\r\n*2\r\n$1\r\na\r\n:-1\r\n"),
        apikey_text("*3\r\n:0\r\n:1\r\n*2\r\n$1\r\na\r\n:65536\r\n"),
        apikey_text("*3\r\n:0\r\n:1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n"),
        apikey_text("*3\r\n:0\r\n:1\r\n*2\r\n:1\r\n:1\r\n"),
        apikey_text("*3\r\n:0\r\n:1\r\n*2\r\n$2\r\n??\r\n:1\r\n"),
        apikey_text("*3\r\n:0\r\n:1\r\n*2\r\n$1\r\n\0\r\n:1\r\n"),
        apikey_text("*3\r\n:0\r\n:1\r\n*2\r\n$3\r\na b\r\n:1\r\n"),
    };

    ok(range(&s, text("*4\r\n:0\r\n:5460\r\n*4\r\n$9\r\n127.0.0.1\r\n"
                      ":7000\r\n$2\r\nid\r\n*0\r\n*3\r\n$9\r\n127.0.0.2"
                      "\r\n:7001\r\n$2\r\nid\r\n")),
       "slots of a master with a replica");
    is_number(s.first, 0, "the first");
    is_number(s.last, 5460, "the last");
    is_text(s.host, "127.0.0.1", "the master's host");
    is_number(s.port, 7000, "and port");
    is_text(s.id, "id", "its id");
    is_number(s.replicas, 1, "and how many replicas");

    ok(range(&s, text("*3\r\n:16383\r\n:16383\r\n*2\r\n$-1\r\n:65535\r\n")),
       "the last slot, at the node that tells it");
    is_text(s.host, "", "which doesn't say where that is");
    is_number(s.port, 65535, "but for its port");
    is_text(s.id, "", "nor its id");

    ok(range(&s, text("*3\r\n:1\r\n:1\r\n*2\r\n$0\r\n\r\n:1\r\n")), "or so");
    ok(range(&s, text("*3\r\n:1\r\n:1\r\n*2\r\n$3\r\n::1\r\n:1\r\n")), "IPv6");
    ok(range(&s, text("*3\r\n:1\r\n:1\r\n*2\r\n$8\r\nr-1.a_b.\r\n:1\r\n")),
       "a name");
    ok(range(&s, text("*3\r\n:1\r\n:1\r\n*3\r\n$1\r\na\r\n:1\r\n$3\r\ni d"
                      "\r\n")),
       "an id that can't be one");
    is_text(s.id, "", "isn't taken");

    bad = 0;

    for (i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
        bad += range(&s, malformed[i]);
    }

    no_failures(bad, i, "what isn't a range");
}


static void
test_unknown(void)
{
    size_t          i, bad;
    apikey_slots_t  s;

    static const apikey_text_t  unknown[] = {
        apikey_text("*3\r\n:0\r\n:1\r\n*3\r\n$1\r\n?\r\n:7000\r\n$2\r\nid\r\n"),
        apikey_text("*3\r\n:0\r\n:1\r\n*3\r\n$1\r\n?\r\n:0\r\n$2\r\nid\r\n"),
        apikey_text("*3\r\n:0\r\n:1\r\n*3\r\n$0\r\n\r\n:0\r\n$2\r\nid\r\n"),
        apikey_text("*3\r\n:0\r\n:1\r\n*3\r\n$-1\r\n:0\r\n$2\r\nid\r\n"),
        apikey_text("*3\r\n:0\r\n:1\r\n*3\r\n$1\r\na\r\n:0\r\n$2\r\nid\r\n"),
    };

    bad = 0;

    for (i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        bad += !range(&s, unknown[i])
               || s.port != 0
               || s.host.len != 0
               || s.last != 1
               || s.id.len != 2;
    }

    no_failures(bad, i, "a master without an address");

    is_number(apikey_slots_error(&s, text("MOVED 7 ?:7000")),
              APIKEY_SLOTS_MOVED, "MOVED to such a one");
    is_number(s.port, 0, "has none, either");
    is_number(apikey_slots_error(&s, text("MOVED 7 :0")),
              APIKEY_SLOTS_MOVED, "nor if it is lost");
    is_number(s.port, 0, "has it");
}


/* As the only range of a map. */

static int
range(apikey_slots_t *slots, apikey_text_t bytes)
{
    return check(slots, "*1\r\n", bytes) == NULL;
}


/* The last range goes to *slots. */

static const char *
check(apikey_slots_t *slots, const char *map, apikey_text_t bytes)
{
    void                 *reply;
    redisReader          *reader;
    const char           *why;
    apikey_slots_view_t   view;

    static char  host[APIKEY_SLOTS_HOST_MAX], id[APIKEY_SLOTS_HOST_MAX];

    reply = NULL;
    reader = redisReaderCreate();

    if (reader == NULL
        || redisReaderFeed(reader, map, strlen(map)) != REDIS_OK
        || redisReaderFeed(reader, bytes.data, bytes.len) != REDIS_OK
        || redisReaderGetReply(reader, &reply) != REDIS_OK
        || reply == NULL)
    {
        redisReaderFree(reader);
        return "not a reply";
    }

    redis_view(&view, reply);
    why = apikey_slots_check(&view);

    if (why == NULL) {
        apikey_slots_range(slots, &view, view.count - 1);

        if (slots->host.len) {
            memcpy(host, slots->host.data, slots->host.len);
            slots->host.data = host;
        }

        if (slots->id.len) {
            memcpy(id, slots->id.data, slots->id.len);
            slots->id.data = id;
        }
    }

    freeReplyObject(reply);
    redisReaderFree(reader);

    return why;
}


static void
test_errors(void)
{
    size_t         i, bad;
    apikey_slots_t  s;

    static const apikey_text_t  others[] = {
        apikey_text(""),
        apikey_text("MOVED"),
        apikey_text("MOVED 1"),
        apikey_text("MOVED 1 "),
        apikey_text("MOVED 1 a"),
        apikey_text("MOVED 1 a:"),
        apikey_text("MOVED 1 a:-1"),
        apikey_text("MOVED 1 a:65536"),
        apikey_text("MOVED 1 a:1x"),
        apikey_text("MOVED 16384 a:1"),
        apikey_text("MOVED -1 a:1"),
        apikey_text("MOVED x a:1"),
        apikey_text("MOVED 1 ??:1"),
        apikey_text("MOVED 1 a\0b:1"),
        apikey_text("MOVEDX 1 a:1"),
        apikey_text("moved 1 a:1"),
        apikey_text("ASKING 1 a:1"),
        apikey_text("TRYAGAIN Multiple keys request during rehashing of slot"),
        apikey_text("CLUSTERDOWN The cluster is down"),
    };

    is_number(apikey_slots_error(&s, text("MOVED 3999 127.0.0.1:6381")),
              APIKEY_SLOTS_MOVED, "MOVED");
    is_number(s.first, 3999, "the slot");
    is_number(s.last, 3999, "alone");
    is_text(s.host, "127.0.0.1", "the host");
    is_number(s.port, 6381, "and port");

    is_number(apikey_slots_error(&s, text("ASK 16383 ::1:65535")),
              APIKEY_SLOTS_ASK, "ASK");
    is_text(s.host, "::1", "an IPv6 address");
    is_number(s.port, 65535, "and port");

    is_number(apikey_slots_error(&s, text("MOVED 0 :1")), APIKEY_SLOTS_MOVED,
              "to a port of the same host");
    is_text(s.host, "", "which isn't named");

    bad = 0;

    for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        bad += apikey_slots_error(&s, others[i]) != APIKEY_SLOTS_NONE;
    }

    no_failures(bad, i, "errors that tell of no slot");
}
