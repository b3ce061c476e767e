#ifndef APIKEY_NAMES_H
#define APIKEY_NAMES_H

/*
 * Names in Redis.  P is the prefix, "apikey:" unless configured otherwise.
 *
 *   P{DIGEST}          hash: a key's record and its counters (record.h)
 *   Pids:NNNN          hash: public id => digest, 64 lower case hexadecimal
 *                      digits; NNNN is four lower case hexadecimal digits of
 *                      the id's CRC-16 (XMODEM) mod 4096, so that each of the
 *                      hashes stays small
 *   Porg:{ORG}:PLAN Pproject:{PROJECT}:PLAN Paddress:{ADDRESS}:PLAN
 *                      hash of one field, "n": the counters of a plan that many
 *                      keys share, or that an anonymous client has; it expires
 *   Pusage:{DIGEST}:YYYYMMDD Pusage:{DIGEST}
 *                      hashes: what was counted of a key's use on a day of UTC,
 *                      and what is known of its past (usage.h); they expire
 *   Pgone:YYYYMM       hash: digest => JSON, the id, name, org, project,
 *                      service, plan and creation of a deleted key; what was
 *                      counted of it expires in that month, and the hash then
 *   Pevents            stream: what has happened, about the last 100000
 *   Pexpiring          sorted set: public id => when the key expires, in Unix
 *                      seconds; whoever tells of it removes it.  "*", which is
 *                      no id, says that gateways have begun to tell: see
 *                      expiring.lua
 *   Pwebhooks          hash: name of a webhook => id of the latest event that
 *                      it has taken
 *   Pretry:HEX         string, of a request to make a key that may be sent
 *                      again, for a day; HEX: 32 digits, of whose request it is
 *                      and of its Idempotency-Key; see store_retry.h
 *   Ptemplates         hash: template => JSON
 *   Pplans             hash: "HOST:TAG:PID" of a worker of each gateway => its
 *                      plans, a line each: "PLAN LIMITS [per=org | per=project]
 *                      [mode=leased] [default]", LIMITS as
 *                      apikey_limits_parse() takes them, default if it is that
 *                      of a location; they hold as long as the worker registers
 *   Pgateways          hash: "HOST:TAG:PID" of a gateway's worker => "TIME
 *                      VERSION SINCE PEPPER", TAG being random, one of each
 *                      gateway, times in Unix seconds by Redis's clock, TIME
 *                      being that of its last heartbeat, one a second, and
 *                      PEPPER as apikey_pepper_print() has it, or "-" of a
 *                      worker that is about to end; it is removed by a worker
 *                      that leaves, and stands still after one that was killed
 *   Pchanges           channel: "DIGEST REV" after each write of a record, or
 *                      "DIGEST REV TOKEN" if the writer waits for the workers;
 *                      TOKEN: 16 random base62 digits
 *   Packs:TOKEN        channel: "HOST:TAG:PID" of each worker, for each message
 *                      with that token, once it has dropped what it had cached
 */

#include "text.h"

#define APIKEY_NAMES_PREFIX      "apikey:"
#define APIKEY_NAMES_PREFIX_MAX  64
#define APIKEY_NAMES_BUCKETS     4096

/* Room for any of the names, given a prefix of at most that size. */
#define APIKEY_NAME_SIZE         (APIKEY_NAMES_PREFIX_MAX + 160)


/* 1 to 64 bytes of printable ASCII without space and braces. */
int apikey_names_prefix_check(apikey_text_t prefix);

/* All write to out, of APIKEY_NAME_SIZE bytes, and return the length; no
   zero at the end. */
size_t apikey_names_record(char *out, apikey_text_t prefix,
    const unsigned char *digest);
size_t apikey_names_ids(char *out, apikey_text_t prefix, unsigned bucket);
size_t apikey_names_holder(char *out, apikey_text_t prefix,
    const char *kind, apikey_text_t holder, apikey_text_t plan);

/* day: YYYYMMDD as a number; 0: what is known of the key's past. */
size_t apikey_names_usage(char *out, apikey_text_t prefix,
    const unsigned char *digest, uint32_t day);

/* month: YYYYMM as a number. */
size_t apikey_names_gone(char *out, apikey_text_t prefix, uint32_t month);

size_t apikey_names_events(char *out, apikey_text_t prefix);
size_t apikey_names_expiring(char *out, apikey_text_t prefix);
size_t apikey_names_webhooks(char *out, apikey_text_t prefix);
size_t apikey_names_retry(char *out, apikey_text_t prefix,
    apikey_text_t hex);
size_t apikey_names_templates(char *out, apikey_text_t prefix);
size_t apikey_names_plans(char *out, apikey_text_t prefix);
size_t apikey_names_gateways(char *out, apikey_text_t prefix);
size_t apikey_names_changes(char *out, apikey_text_t prefix);
size_t apikey_names_acks(char *out, apikey_text_t prefix,
    apikey_text_t token);

/* The bucket of a public id. */
unsigned apikey_names_bucket(apikey_text_t id);


#endif /* APIKEY_NAMES_H */
