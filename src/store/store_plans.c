#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "store_call.h"
#include "store_plans.h"


static int store_plans_told(const store_plans_t *plans);
static void store_plans_nearest(const store_plans_t *plans,
    apikey_text_t name, char nearest[APIKEY_LABEL_MAX + 1]);
static void store_plans_take(store_plans_t *plans, apikey_text_t gateway);
static apikey_text_t store_plans_text(const store_plans_t *plans,
    apikey_text_t gateway);
static void store_plans_add(store_plans_t *plans, const store_plan_t *plan,
    apikey_text_t gateway);
static apikey_text_t store_plans_line(apikey_text_t *lines);
static int store_plan_parse(store_plan_t *plan, apikey_text_t line);
static int store_plan_order(const void *one, const void *two);
static int store_plan_same(const store_plan_t *a, const store_plan_t *b);


store_rc_e
store_plans_read(store_t *store, store_plans_t *plans)
{
    unsigned               i;
    store_name_t           name;
    apikey_text_t          argv[2];

    memset(plans, 0, sizeof(store_plans_t));

    if (store_workers_read(store, &plans->workers) != STORE_DONE) {
        return STORE_FAILED;
    }

    store_name_plans(store, &name);

    argv[0] = store_text("HGETALL");
    argv[1] = name.text;

    plans->reply = store_command(store, argv, 2);

    if (plans->reply == NULL) {
        return STORE_FAILED;
    }

    for (i = 0; i < plans->workers.count; i++) {

        if (plans->workers.list[i].silent <= STORE_WORKER_GONE) {
            store_plans_take(plans, plans->workers.list[i].name);
        }
    }

    if (plans->count != 0) {
        qsort(plans->list, plans->count, sizeof(store_plan_t),
              store_plan_order);
    }

    return STORE_DONE;
}


void
store_plans_free(store_plans_t *plans)
{
    unsigned  i;

    for (i = 0; i < plans->count; i++) {
        free(plans->list[i].gateways);
    }

    reply_free(plans->reply);
    store_workers_free(&plans->workers);
    free(plans->list);
    memset(plans, 0, sizeof(store_plans_t));
}


const store_plan_t *
store_plans_find(const store_plans_t *plans, apikey_text_t name,
    unsigned *count)
{
    unsigned  i, first;

    first = 0;
    *count = 0;

    for (i = 0; i < plans->count; i++) {

        if (apikey_text_equal(plans->list[i].name, name)) {
            first = (*count)++ ? first : i;
        }
    }

    return *count ? &plans->list[first] : NULL;
}


store_rc_e
store_plan_check(store_t *store, apikey_text_t name,
    char nearest[APIKEY_LABEL_MAX + 1])
{
    unsigned        count;
    store_rc_e      rc;
    store_plans_t   plans;

    rc = store_plans_read(store, &plans);

    if (rc == STORE_DONE
        && store_plans_find(&plans, name, &count) == NULL
        && (plans.count != 0 || store_plans_told(&plans)))
    {
        store_plans_nearest(&plans, name, nearest);
        rc = STORE_ABSENT;
    }

    store_plans_free(&plans);

    return rc;
}


reply_t *
store_holder_read(store_t *store, const char *per, apikey_text_t holder,
    apikey_text_t plan)
{
    char           name[APIKEY_NAME_SIZE];
    apikey_text_t  argv[3];

    argv[0] = store_text("HGET");
    argv[1].data = name;
    argv[1].len = apikey_names_holder(name, store->prefix, per, holder, plan);
    argv[2] = store_text("n");

    return store_command(store, argv, 3);
}


/* Has any gateway been heard of that would have told of its plans? */

static int
store_plans_told(const store_plans_t *plans)
{
    unsigned  i;

    for (i = 0; i < plans->workers.count; i++) {
        if (plans->workers.list[i].silent <= STORE_WORKER_SILENT) {
            return 1;
        }
    }

    return 0;
}


/* Up to a third of the letters may differ. */

static void
store_plans_nearest(const store_plans_t *plans, apikey_text_t name,
    char nearest[APIKEY_LABEL_MAX + 1])
{
    unsigned        i, distance, best;
    apikey_text_t   plan;

    nearest[0] = '\0';
    best = (name.len + 2) / 3 + 1;

    for (i = 0; i < plans->count; i++) {
        plan = plans->list[i].name;
        distance = apikey_text_distance(name, plan);

        if (distance < best) {
            best = distance;
            snprintf(nearest, APIKEY_LABEL_MAX + 1, "%.*s", (int) plan.len,
                     plan.data);
        }
    }
}


static void
store_plans_take(store_plans_t *plans, apikey_text_t gateway)
{
    store_plan_t   plan;
    apikey_text_t  lines;

    lines = store_plans_text(plans, gateway);

    while (lines.len != 0) {

        if (store_plan_parse(&plan, store_plans_line(&lines)) == APIKEY_OK) {
            store_plans_add(plans, &plan, gateway);
        }
    }
}


static apikey_text_t
store_plans_text(const store_plans_t *plans, apikey_text_t gateway)
{
    size_t          i;
    apikey_field_t  told;

    for (i = 0; reply_pair(plans->reply, i, &told); i++) {

        if (apikey_text_equal(told.name, gateway)) {
            return told.value;
        }
    }

    return (apikey_text_t) { NULL, 0 };
}


static void
store_plans_add(store_plans_t *plans, const store_plan_t *plan,
    apikey_text_t gateway)
{
    unsigned       i;
    store_plan_t  *known;

    for (i = 0; i < plans->count; i++) {

        if (store_plan_same(&plans->list[i], plan)) {
            break;
        }
    }

    if (i == plans->count) {
        plans->list = must(realloc(plans->list,
                                   (i + 1) * sizeof(store_plan_t)));
        plans->list[i] = *plan;
        plans->count++;
    }

    known = &plans->list[i];
    known->fallback |= plan->fallback;

    known->gateways = must(realloc(known->gateways,
                                   (known->gateway_count + 1)
                                   * sizeof(apikey_text_t)));
    known->gateways[known->gateway_count++] = gateway;
}


static apikey_text_t
store_plans_line(apikey_text_t *lines)
{
    const char     *end;
    apikey_text_t   line;

    line = *lines;
    end = memchr(line.data, '\n', line.len);

    if (end != NULL) {
        line.len = end - line.data;
    }

    lines->data += line.len + (end != NULL);
    lines->len -= line.len + (end != NULL);

    return line;
}


/* The name, then the limits, then the rest. */

static int
store_plan_parse(store_plan_t *plan, apikey_text_t line)
{
    const char     *why;
    apikey_text_t   word, limits;

    memset(plan, 0, sizeof(store_plan_t));

    plan->name = apikey_text_word(&line);
    plan->per = "key";

    limits = line;
    limits.len = 0;

    while ((word = apikey_text_word(&line)).len != 0) {

        if (apikey_text_equal(word, store_text("per=org"))) {
            plan->per = "org";

        } else if (apikey_text_equal(word, store_text("per=project"))) {
            plan->per = "project";

        } else if (apikey_text_equal(word, store_text("default"))) {
            plan->fallback = 1;

        } else if (!apikey_text_equal(word, store_text("mode=leased"))) {
            limits.len = word.data + word.len - limits.data;
        }
    }

    if (apikey_label_check(plan->name) != APIKEY_OK
        || apikey_limits_parse(&plan->limits, limits, &why) != APIKEY_OK
        || plan->limits.count == 0)
    {
        return APIKEY_INVALID;
    }

    return APIKEY_OK;
}


/* Of those that are told differently, the one of most gateways first. */

static int
store_plan_order(const void *one, const void *two)
{
    const store_plan_t *a = one, *b = two;

    int  rc;

    rc = store_text_order(a->name, b->name);

    if (rc == 0) {
        rc = (a->gateway_count < b->gateway_count)
             - (a->gateway_count > b->gateway_count);
    }

    return rc ? rc : store_text_order(a->gateways[0], b->gateways[0]);
}


static int
store_plan_same(const store_plan_t *a, const store_plan_t *b)
{
    unsigned  i;

    if (!apikey_text_equal(a->name, b->name)
        || strcmp(a->per, b->per) != 0
        || a->limits.sliding != b->limits.sliding
        || a->limits.count != b->limits.count)
    {
        return 0;
    }

    for (i = 0; i < a->limits.count; i++) {

        if (a->limits.window[i].limit != b->limits.window[i].limit
            || a->limits.window[i].seconds != b->limits.window[i].seconds)
        {
            return 0;
        }
    }

    return 1;
}
