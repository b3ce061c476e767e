#ifndef APIKEY_STORE_REPLY_H
#define APIKEY_STORE_REPLY_H

/*
 * What Redis answers.  Each command has a reply of one shape, and a server may
 * send any other: redis_reply() compares them before anyone reads the reply,
 * and it is read by these functions only.
 *
 * Shapes are written in letters:
 *
 *     t  string      s  status      n  nil      _  whatever
 *     i  integer     u  integer that isn't negative
 *     [ttu]          array of these, in this order
 *     [*tt]          array of these, any number of times
 *     t|n            one or the other, not within an array
 */

#include "core/record.h"
#include "core/slots.h"


#define REPLY_WHY  128


/* hiredis' own, which only reply.c looks into. */
typedef struct redisReply  reply_t;
struct redisReader;


typedef struct {
    const char  *command;
    const char  *shape;
} reply_expected_t;


/* What a connection that has subscribed is sent. */
extern const reply_expected_t  reply_message;


/* By the command's first words; "_" if it isn't known. */
const reply_expected_t *reply_expect(const apikey_text_t *argv,
    unsigned argc);

/* Errors fit any shape: 0, or -1 and why. */
int reply_check(const reply_t *reply, const reply_expected_t *expected,
    char why[REPLY_WHY]);

int reply_fits(const reply_t *reply, const char *shape);

void reply_free(reply_t *reply);

/* To be freed by redisReaderFree(); it refuses arrays that are too long. */
struct redisReader *reply_reader(void);


/*
 * Of what isn't there, or has another type: NULL, "" whose data is NULL, 0, and
 * nil.  Texts live as long as the reply, and a zero byte ends them, too.
 */

const char *reply_error(const reply_t *reply);
apikey_text_t reply_text(const reply_t *reply);
long long reply_number(const reply_t *reply);
int reply_is_number(const reply_t *reply);

/* Elements of an array. */
size_t reply_count(const reply_t *reply);
const reply_t *reply_at(const reply_t *reply, size_t i);

/* For core/slots.h; it lives as long as the reply. */
void reply_view(apikey_slots_view_t *view, const reply_t *reply);

/* Of a hash: elements 2 i and 2 i + 1; 0 behind the last. */
int reply_pair(const reply_t *reply, size_t i, apikey_field_t *pair);


#endif /* APIKEY_STORE_REPLY_H */
