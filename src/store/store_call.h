#ifndef APIKEY_STORE_CALL_H
#define APIKEY_STORE_CALL_H

/* Names, commands and scripts: what the store's files are written in. */

#include "core/names.h"
#include "scripts.h"

#include "store.h"


/* Fields of a record besides its attributes that are written at once. */
#define STORE_MORE  32

#define STORE_ARGS  (2 * (ATTRIBUTE_COUNT + STORE_MORE) + 8)


typedef struct {
    const char     *text;
    const char     *sha1;
} store_script_t;


/* A name in Redis; text points at data. */
typedef struct {
    char            data[APIKEY_NAME_SIZE];
    apikey_text_t   text;
} store_name_t;


/* What scripts that write a record begin with: its name, then arguments. */
typedef struct {
    store_name_t    record;
    store_name_t    changes;
    apikey_text_t   args[STORE_ARGS];
    unsigned        count;
} store_write_t;


extern const store_script_t  store_script_create;
extern const store_script_t  store_script_change;
extern const store_script_t  store_script_delete;
extern const store_script_t  store_script_forget;
extern const store_script_t  store_script_carry;


/* As memcmp() of both, the shorter one first. */
int store_text_order(apikey_text_t a, apikey_text_t b);

void store_name_record(const store_t *store, store_name_t *name,
    const unsigned char digest[APIKEY_DIGEST_SIZE]);
void store_name_ids(const store_t *store, store_name_t *name,
    unsigned bucket);
void store_name_usage(const store_t *store, store_name_t *name,
    const unsigned char digest[APIKEY_DIGEST_SIZE], uint32_t day);
void store_name_plans(const store_t *store, store_name_t *name);
void store_name_gateways(const store_t *store, store_name_t *name);
void store_name_events(const store_t *store, store_name_t *name);
void store_name_webhooks(const store_t *store, store_name_t *name);
void store_name_expiring(const store_t *store, store_name_t *name);
void store_name_acks(const store_t *store, store_name_t *name,
    apikey_text_t token);

/* A digest as Redis has it; *hex is its memory. */
apikey_text_t store_hex(char hex[APIKEY_DIGEST_HEX],
    const unsigned char digest[APIKEY_DIGEST_SIZE]);

void store_append(store_t *store, const apikey_text_t *argv, unsigned argc);

/* The next reply; NULL and error if it is one, or if the connection failed. */
reply_t *store_reply(store_t *store);

/* What was to be written besides a record failed: keeps the first, and why. */
void store_missed(store_t *store, const char *what);

/* What TIME answered, which is freed; NULL: it failed. */
store_rc_e store_time_take(store_t *store, reply_t *reply, uint64_t *now);

/* Passes the next reply by; error stays as it is. */
void store_skip(store_t *store);

/* Begins a write with name, channel and digest; fields may follow. */
void store_write_init(const store_t *store, store_write_t *write,
    const unsigned char digest[APIKEY_DIGEST_SIZE]);
void store_write_add(store_write_t *write, apikey_text_t arg);

/* Runs the script, whether Redis knows it already or not. */
reply_t *store_write(store_t *store, const store_script_t *script,
    const store_write_t *write);

/* As one of many; Redis may answer that it doesn't know the script. */
void store_write_append(store_t *store, const store_script_t *script,
    const store_write_t *write);
int store_script_unknown(const store_t *store);


#endif /* APIKEY_STORE_CALL_H */
