#include <string.h>

#include "store_call.h"
#include "store_plans.h"


static int store_plan_parse(store_plan_t *plan, apikey_text_t text);


store_rc_e
store_plan_read(store_t *store, apikey_text_t name, store_plan_t *plan)
{
    redisReply     *reply;
    store_rc_e      rc;
    store_name_t    plans;
    apikey_text_t   argv[3];

    store_name_plans(store, &plans);

    argv[0] = store_text("HGET");
    argv[1] = plans.text;
    argv[2] = name;

    reply = store_command(store, argv, 3);

    if (reply == NULL) {
        return STORE_FAILED;
    }

    rc = STORE_ABSENT;

    if (reply->type == REDIS_REPLY_STRING
        && store_plan_parse(plan, (apikey_text_t) { reply->str, reply->len })
           == APIKEY_OK)
    {
        rc = STORE_DONE;
    }

    freeReplyObject(reply);

    return rc;
}


int
store_plan_unknown(store_t *store, apikey_text_t name)
{
    int             unknown;
    size_t          i;
    redisReply     *reply, *told;
    store_name_t    plans;
    apikey_text_t   argv[2];

    store_name_plans(store, &plans);

    argv[0] = store_text("HKEYS");
    argv[1] = plans.text;

    reply = store_command(store, argv, 2);

    if (reply == NULL) {
        return 0;
    }

    unknown = (reply->type == REDIS_REPLY_ARRAY && reply->elements != 0);

    for (i = 0; unknown && i < reply->elements; i++) {
        told = reply->element[i];

        unknown = !apikey_text_equal(name,
                                     (apikey_text_t) { told->str, told->len });
    }

    freeReplyObject(reply);

    return unknown;
}


redisReply *
store_pool_read(store_t *store, const char *per, apikey_text_t holder,
    apikey_text_t plan)
{
    char           name[APIKEY_NAME_SIZE];
    apikey_text_t  argv[3];

    argv[0] = store_text("HGET");
    argv[1].data = name;
    argv[1].len = apikey_names_pool(name, store->prefix, per, holder, plan);
    argv[2] = store_text("n");

    return store_command(store, argv, 3);
}


/* The limits come first. */

static int
store_plan_parse(store_plan_t *plan, apikey_text_t text)
{
    const char     *why;
    apikey_text_t   rest, word, limits;

    plan->per = "key";

    rest = text;
    limits = text;

    while ((word = apikey_text_word(&rest)).len != 0) {

        if (apikey_text_equal(word, store_text("per=org"))) {
            plan->per = "org";

        } else if (apikey_text_equal(word, store_text("per=project"))) {
            plan->per = "project";

        } else if (!apikey_text_equal(word, store_text("mode=leased"))) {
            limits.len = word.data + word.len - text.data;
        }
    }

    if (apikey_limits_parse(&plan->limits, limits, &why) != APIKEY_OK
        || plan->limits.count == 0)
    {
        return APIKEY_INVALID;
    }

    return APIKEY_OK;
}
