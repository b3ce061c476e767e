#include "core/slot.h"
#include "tap.h"
#include "vectors.h"


static void test_vectors(void);
static void test_redis(void);
static void test_ends(void);


int
main(void)
{
    test_vectors();
    test_redis();
    test_ends();

    return done_testing();
}


static void
test_vectors(void)
{
    size_t  i, n, bad;

    n = sizeof(vector_slots) / sizeof(vector_slots[0]);
    bad = 0;

    for (i = 0; i < n; i++) {
        bad += apikey_slot(vector_slots[i].name) != vector_slots[i].slot;
    }

    no_failures(bad, n, "slots are those of Python's binascii.crc_hqx");
}


/* As redis-server's CLUSTER KEYSLOT answers. */
static void
test_redis(void)
{
    is_number(apikey_slot_crc(text("123456789")), 0x31c3,
              "the check value that CRC catalogues give");
    is_number(apikey_slot(text("foo")), 12182, "a name");
    is_number(apikey_slot(text("x{foo}y{z}")), 12182, "a tag in a name");
    is_number(apikey_slot(text("foo{}{bar}")), 8363, "an empty tag is none");
    is_number(apikey_slot(text("foo{{bar}}zap")), 4015, "a tag with a brace");
}


/* A tag at the very end of the text, and the text at that of its memory. */
static void
test_ends(void)
{
    char           *data;
    apikey_text_t   t;

    t.data = NULL;
    t.len = 0;
    is_number(apikey_slot(t), 0, "no name");

    data = malloc(3);
    if (data == NULL) {
        exit(1);
    }

    memcpy(data, "{a}", 3);
    t.data = data;

    t.len = 3;
    is_number(apikey_slot(t), apikey_slot(text("a")), "nothing but a tag");
    t.len = 2;
    is_number(apikey_slot(t), apikey_slot_crc(text("{a")) % APIKEY_SLOTS,
              "a tag without its end");
    t.len = 1;
    is_number(apikey_slot(t), apikey_slot_crc(text("{")) % APIKEY_SLOTS,
              "nothing but a brace");

    free(data);
}
