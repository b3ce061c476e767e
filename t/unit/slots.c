#include "redis/slots.h"
#include "tap.h"


static void test_entries(void);
static void test_errors(void);
static int entry(redis_slots_t *slots, apikey_text_t bytes);


int
main(void)
{
    test_entries();
    test_errors();

    return done_testing();
}


static void
test_entries(void)
{
    size_t         i, bad;
    redis_slots_t  s;

    static const apikey_text_t  malformed[] = {
        apikey_text(":1\r\n"),
        apikey_text("*0\r\n"),
        apikey_text("*2\r\n:0\r\n:1\r\n"),
        apikey_text("*3\r\n:0\r\n:1\r\n:2\r\n"),
        apikey_text("*3\r\n:0\r\n:1\r\n*1\r\n$1\r\na\r\n"),
        apikey_text("*3\r\n$1\r\n0\r\n:1\r\n*2\r\n$1\r\na\r\n:1\r\n"),
        apikey_text("*3\r\n:0\r\n$1\r\n1\r\n*2\r\n$1\r\na\r\n:1\r\n"),
        apikey_text("*3\r\n:2\r\n:1\r\n*2\r\n$1\r\na\r\n:1\r\n"),
        apikey_text("*3\r\n:-1\r\n:1\r\n*2\r\n$1\r\na\r\n:1\r\n"),
        apikey_text("*3\r\n:0\r\n:16384\r\n*2\r\n$1\r\na\r\n:1\r\n"),
        apikey_text("*3\r\n:0\r\n:1\r\n*2\r\n$1\r\na\r\n:0\r\n"),
        apikey_text("*3\r\n:0\r\n:1\r\n*2\r\n$1\r\na\r\n:65536\r\n"),
        apikey_text("*3\r\n:0\r\n:1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n"),
        apikey_text("*3\r\n:0\r\n:1\r\n*2\r\n:1\r\n:1\r\n"),
        apikey_text("*3\r\n:0\r\n:1\r\n*2\r\n$1\r\n?\r\n:1\r\n"),
        apikey_text("*3\r\n:0\r\n:1\r\n*2\r\n$1\r\n\0\r\n:1\r\n"),
        apikey_text("*3\r\n:0\r\n:1\r\n*2\r\n$3\r\na b\r\n:1\r\n"),
    };

    ok(entry(&s, text("*4\r\n:0\r\n:5460\r\n*4\r\n$9\r\n127.0.0.1\r\n"
                      ":7000\r\n$2\r\nid\r\n*0\r\n*3\r\n$9\r\n127.0.0.2"
                      "\r\n:7001\r\n$2\r\nid\r\n")),
       "slots of a master with a replica");
    is_number(s.first, 0, "the first");
    is_number(s.last, 5460, "the last");
    is_text(s.host, "127.0.0.1", "the master's host");
    is_number(s.port, 7000, "and port");

    ok(entry(&s, text("*3\r\n:16383\r\n:16383\r\n*2\r\n$-1\r\n:65535\r\n")),
       "the last slot, at the node that tells it");
    is_text(s.host, "", "which doesn't say where that is");

    ok(entry(&s, text("*3\r\n:1\r\n:1\r\n*2\r\n$0\r\n\r\n:1\r\n")), "or so");
    ok(entry(&s, text("*3\r\n:1\r\n:1\r\n*2\r\n$3\r\n::1\r\n:1\r\n")), "IPv6");
    ok(entry(&s, text("*3\r\n:1\r\n:1\r\n*2\r\n$8\r\nr-1.a_b.\r\n:1\r\n")),
       "a name");

    bad = 0;

    for (i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
        bad += entry(&s, malformed[i]);
    }

    no_failures(bad, i, "what isn't an entry");
}


static int
entry(redis_slots_t *slots, apikey_text_t bytes)
{
    int            good;
    void          *reply;
    redisReader   *reader;

    static char  host[REDIS_HOST_MAX];

    reader = redisReaderCreate();

    if (reader == NULL
        || redisReaderFeed(reader, bytes.data, bytes.len) != REDIS_OK
        || redisReaderGetReply(reader, &reply) != REDIS_OK
        || reply == NULL)
    {
        redisReaderFree(reader);
        return 0;
    }

    good = redis_slots_entry(slots, reply);

    if (good) {
        memcpy(host, slots->host.data, slots->host.len);
        slots->host.data = host;
    }

    freeReplyObject(reply);
    redisReaderFree(reader);

    return good;
}


static void
test_errors(void)
{
    size_t         i, bad;
    redis_slots_t  s;

    static const apikey_text_t  others[] = {
        apikey_text(""),
        apikey_text("MOVED"),
        apikey_text("MOVED 1"),
        apikey_text("MOVED 1 "),
        apikey_text("MOVED 1 a"),
        apikey_text("MOVED 1 a:"),
        apikey_text("MOVED 1 a:0"),
        apikey_text("MOVED 1 a:65536"),
        apikey_text("MOVED 1 a:1x"),
        apikey_text("MOVED 16384 a:1"),
        apikey_text("MOVED -1 a:1"),
        apikey_text("MOVED x a:1"),
        apikey_text("MOVED 1 ?:1"),
        apikey_text("MOVED 1 a\0b:1"),
        apikey_text("MOVEDX 1 a:1"),
        apikey_text("moved 1 a:1"),
        apikey_text("ASKING 1 a:1"),
        apikey_text("TRYAGAIN Multiple keys request during rehashing of slot"),
        apikey_text("CLUSTERDOWN The cluster is down"),
    };

    is_number(redis_slots_error(&s, text("MOVED 3999 127.0.0.1:6381")),
              REDIS_SLOTS_MOVED, "MOVED");
    is_number(s.first, 3999, "the slot");
    is_number(s.last, 3999, "alone");
    is_text(s.host, "127.0.0.1", "the host");
    is_number(s.port, 6381, "and port");

    is_number(redis_slots_error(&s, text("ASK 16383 ::1:65535")),
              REDIS_SLOTS_ASK, "ASK");
    is_text(s.host, "::1", "an IPv6 address");
    is_number(s.port, 65535, "and port");

    is_number(redis_slots_error(&s, text("MOVED 0 :1")), REDIS_SLOTS_MOVED,
              "to a port of the same host");
    is_text(s.host, "", "which isn't named");

    bad = 0;

    for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        bad += redis_slots_error(&s, others[i]) != REDIS_SLOTS_NONE;
    }

    no_failures(bad, i, "errors that tell of no slot");
}
