/* Plans: what a request is counted in, and how much it counts. */

#include "ngx_http_apikey.h"


static ngx_int_t ngx_http_apikey_limiter_meter(ngx_http_request_t *r,
    ngx_http_apikey_loc_conf_t *alcf, ngx_http_apikey_ctx_t *ctx);
static ngx_int_t ngx_http_apikey_limiter_family(ngx_http_request_t *r,
    ngx_http_apikey_ctx_t *ctx);
static ngx_int_t ngx_http_apikey_limiter_holder(ngx_http_request_t *r,
    ngx_http_apikey_ctx_t *ctx, const char *kind, apikey_text_t holder);


static ngx_str_t  ngx_http_apikey_own_field = ngx_string("n");


char *
ngx_http_apikey_plan(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_apikey_main_conf_t *amcf = conf;

    ngx_str_t               *value;
    ngx_uint_t               i;
    const char              *why;
    apikey_window_t          window;
    ngx_http_apikey_plan_t  *plan;

    value = cf->args->elts;

    if (apikey_label_check(ngx_http_apikey_text(&value[1])) != APIKEY_OK
        || ngx_http_apikey_is(&value[1], "off"))
    {
        return ngx_http_apikey_value_refuse(cf, cmd, &value[1],
                                            "not the name of a plan");
    }

    if (ngx_http_apikey_plan_find(amcf, ngx_http_apikey_text(&value[1]))) {
        return ngx_http_apikey_value_refuse(cf, cmd, &value[1],
                                            "the plan is defined twice");
    }

    plan = ngx_array_push(&amcf->plans);
    if (plan == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(plan, sizeof(ngx_http_apikey_plan_t));

    plan->name = value[1];
    plan->field.len = plan->name.len + 2;
    plan->field.data = ngx_pnalloc(cf->pool, plan->field.len);
    if (plan->field.data == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_sprintf(plan->field.data, "n:%V", &plan->name);

    for (i = 2; i < cf->args->nelts; i++) {

        if (ngx_http_apikey_is(&value[i], "algorithm=fixed")) {
            plan->limits.sliding = 0;

        } else if (ngx_http_apikey_is(&value[i], "algorithm=sliding")) {
            plan->limits.sliding = 1;

        } else if (ngx_http_apikey_is(&value[i], "per=key")) {
            plan->per = NGX_HTTP_APIKEY_PER_KEY;

        } else if (ngx_http_apikey_is(&value[i], "per=org")) {
            plan->per = NGX_HTTP_APIKEY_PER_ORG;

        } else if (ngx_http_apikey_is(&value[i], "per=project")) {
            plan->per = NGX_HTTP_APIKEY_PER_PROJECT;

        } else if (ngx_http_apikey_is(&value[i], "mode=exact")) {
            plan->leased = 0;

        } else if (ngx_http_apikey_is(&value[i], "mode=leased")) {
            plan->leased = 1;

        } else if (ngx_http_apikey_begins(&value[i], "algorithm=")) {
            return ngx_http_apikey_value_refuse(cf, cmd, &value[i],
                              "it must be one of \"fixed\", \"sliding\"");

        } else if (ngx_http_apikey_begins(&value[i], "per=")) {
            return ngx_http_apikey_value_refuse(cf, cmd, &value[i],
                             "it must be one of \"key\", \"org\", \"project\"");

        } else if (ngx_http_apikey_begins(&value[i], "mode=")) {
            return ngx_http_apikey_value_refuse(cf, cmd, &value[i],
                              "it must be one of \"exact\", \"leased\"");

        } else if (apikey_window_parse(&window, ngx_http_apikey_text(&value[i]),
                                       &why)
                   != APIKEY_OK
                   || apikey_limits_add(&plan->limits, window, &why)
                      != APIKEY_OK)
        {
            return ngx_http_apikey_value_refuse(cf, cmd, &value[i], why);
        }
    }

    if (plan->limits.count == 0) {
        return ngx_http_apikey_value_refuse(cf, cmd, &value[1],
                                            "the plan has no limit");
    }

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_apikey_plan_list(ngx_http_apikey_main_conf_t *amcf,
    ngx_pool_t *pool, ngx_str_t *text)
{
    u_char                  *p;
    size_t                   len;
    ngx_uint_t               i;
    ngx_http_apikey_plan_t  *plan;

    static const char  *per[] = { "", " per=org", " per=project" };

    plan = amcf->plans.elts;
    len = 0;

    for (i = 0; i < amcf->plans.nelts; i++) {
        len += plan[i].name.len + 1 + APIKEY_LIMITS_TEXT
               + sizeof(" per=project mode=leased default\n") - 1;
    }

    p = ngx_pnalloc(pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    text->data = p;

    for (i = 0; i < amcf->plans.nelts; i++) {
        p = ngx_sprintf(p, "%V ", &plan[i].name);
        p += apikey_limits_format((char *) p, &plan[i].limits);
        p = ngx_sprintf(p, "%s%s%s\n", per[plan[i].per],
                        plan[i].leased ? " mode=leased" : "",
                        plan[i].fallback ? " default" : "");
    }

    text->len = p - text->data;

    return NGX_OK;
}


/*
 * A key's own limits, else its plan's, else those of the location's default
 * plan, which are counted by themselves: another location may have another.
 */

static ngx_int_t
ngx_http_apikey_limiter_meter(ngx_http_request_t *r,
    ngx_http_apikey_loc_conf_t *alcf, ngx_http_apikey_ctx_t *ctx)
{
    u_char                   *addr;
    size_t                    len;
    apikey_text_t             holder;
    apikey_record_t          *record;
    ngx_http_apikey_plan_t   *plan;
    ngx_http_apikey_meter_t  *meter;
    char                      text[NGX_SOCKADDR_STRLEN];

    meter = &ctx->count.meter;
    ngx_memzero(meter, sizeof(ngx_http_apikey_meter_t));

    meter->field = ngx_http_apikey_own_field;

    if (!ctx->credential.key) {
        plan = ctx->amcf->anonymous;

        if (plan == NULL) {
            return NGX_OK;
        }

        meter->limits = &plan->limits;
        meter->plan = plan->name;
        meter->leased = plan->leased;

        len = ngx_http_apikey_client_network(r, &addr);

        holder.data = text;
        holder.len = ngx_http_apikey_client_text((u_char *) text, addr, len);

        return ngx_http_apikey_limiter_holder(r, ctx, "address", holder);
    }

    record = ctx->entry->record;
    plan = record->plan.len ? ngx_http_apikey_plan_find(ctx->amcf, record->plan)
                            : NULL;

    if (record->limits.count) {
        meter->limits = &record->limits;
        meter->plan.data = (u_char *) record->plan.data;
        meter->plan.len = record->plan.len;
        plan = plan ? plan : alcf->default_plan;
        meter->leased = plan && plan->leased;
        return ngx_http_apikey_limiter_family(r, ctx);
    }

    if (plan == NULL) {
        plan = alcf->default_plan;

        if (plan == NULL) {
            return NGX_OK;
        }

        meter->field = plan->field;
    }

    meter->limits = &plan->limits;
    meter->plan = plan->name;
    meter->leased = plan->leased;

    /* a key that belongs to nobody is counted by itself */

    if (plan->per == NGX_HTTP_APIKEY_PER_ORG && record->org.len) {
        return ngx_http_apikey_limiter_holder(r, ctx, "org", record->org);
    }

    if (plan->per == NGX_HTTP_APIKEY_PER_PROJECT && record->project.len) {
        return ngx_http_apikey_limiter_holder(r, ctx, "project",
                                              record->project);
    }

    return ngx_http_apikey_limiter_family(r, ctx);
}


/* Counted by the key itself or, once rotated, with its predecessors. */

static ngx_int_t
ngx_http_apikey_limiter_family(ngx_http_request_t *r,
    ngx_http_apikey_ctx_t *ctx)
{
    apikey_record_t          *record;
    ngx_http_apikey_meter_t  *meter;

    meter = &ctx->count.meter;
    record = ctx->entry->record;

    if (!record->rotated) {
        meter->owner = ctx->credential.digest;
        meter->epoch = record->reset ? record->reset : record->created;
        return NGX_OK;
    }

    meter->owner = record->family;
    meter->epoch = record->reset;

    meter->holder.data = ngx_pnalloc(r->pool, APIKEY_NAME_SIZE);
    if (meter->holder.data == NULL) {
        return NGX_ERROR;
    }

    meter->holder.len = apikey_names_record((char *) meter->holder.data,
                                    ngx_http_apikey_text(&ctx->amcf->prefix),
                                    meter->owner);
    return NGX_OK;
}


static ngx_int_t
ngx_http_apikey_limiter_holder(ngx_http_request_t *r,
    ngx_http_apikey_ctx_t *ctx, const char *kind, apikey_text_t holder)
{
    apikey_text_t             prefix, plan;
    ngx_http_apikey_meter_t  *meter;

    meter = &ctx->count.meter;
    meter->field = ngx_http_apikey_own_field;
    meter->epoch = 0;

    meter->holder.data = ngx_pnalloc(r->pool, APIKEY_NAME_SIZE);
    if (meter->holder.data == NULL) {
        return NGX_ERROR;
    }

    prefix.data = (char *) ctx->amcf->prefix.data;
    prefix.len = ctx->amcf->prefix.len;

    plan.data = (char *) meter->plan.data;
    plan.len = meter->plan.len;

    meter->holder.len = apikey_names_holder((char *) meter->holder.data,
                                            prefix, kind, holder, plan);
    return NGX_OK;
}


ngx_http_apikey_plan_t *
ngx_http_apikey_plan_find(ngx_http_apikey_main_conf_t *amcf,
    apikey_text_t name)
{
    ngx_uint_t               i;
    ngx_http_apikey_plan_t  *plan;

    plan = amcf->plans.elts;

    for (i = 0; i < amcf->plans.nelts; i++) {
        if (plan[i].name.len == name.len
            && ngx_memcmp(plan[i].name.data, name.data, name.len) == 0)
        {
            return &plan[i];
        }
    }

    return NULL;
}


ngx_int_t
ngx_http_apikey_limiter_price(ngx_http_request_t *r,
    ngx_http_apikey_loc_conf_t *alcf, ngx_http_apikey_ctx_t *ctx)
{
    ngx_int_t  rc;

    if (alcf->limit == NGX_HTTP_APIKEY_LIMIT_OFF
        || ctx->count.metered)
    {
        return NGX_DECLINED;
    }

    if (ngx_http_apikey_limiter_meter(r, alcf, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ctx->count.meter.limits == NULL) {
        return NGX_DECLINED;
    }

    if (!ctx->count.priced) {
        ctx->count.cost = 1;
        ctx->count.priced = 1;

        if (alcf->cost) {
            rc = ngx_http_apikey_amount_eval(r, ctx, alcf->cost, "apikey_cost",
                                             &ctx->count.cost);

            if (rc == NGX_ERROR) {
                return NGX_ERROR;
            }

            ctx->count.priceless = (rc == NGX_DECLINED);
        }
    }

    if (ctx->count.priceless) {
        /* that the key is good comes first */
        return ctx->question.confirmed || !ctx->credential.key
               ? NGX_ERROR : NGX_DECLINED;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_apikey_limiter_spend(ngx_http_apikey_loc_conf_t *alcf,
    ngx_http_apikey_ctx_t *ctx)
{
    if (ctx->count.meter.leased
        && !alcf->self
        && ngx_http_apikey_lease_spend(ctx) == NGX_OK)
    {
        return NGX_OK;
    }

    if (!ctx->count.uncounted && !ctx->question.unavailable) {
        return NGX_DECLINED;
    }

    switch (alcf->limit_failure) {

    case NGX_HTTP_APIKEY_ALLOW:

        if (alcf->self) {
            /* there is nothing to tell */
            return NGX_DECLINED;
        }

        ctx->count.allowed = 1;
        ngx_http_apikey_failover_begin(ctx, NGX_HTTP_APIKEY_BY_ALLOW);
        return NGX_OK;

    case NGX_HTTP_APIKEY_LOCAL:
        return ngx_http_apikey_local_spend(ctx);

    default: /* NGX_HTTP_APIKEY_DENY */
        return NGX_DECLINED;
    }
}


ngx_http_apikey_result_e
ngx_http_apikey_limiter_result(ngx_http_apikey_loc_conf_t *alcf,
    ngx_http_apikey_ctx_t *ctx, ngx_http_apikey_result_e passed)
{
    if (!ctx->count.limited
        || alcf->limit == NGX_HTTP_APIKEY_LIMIT_OFF
        || alcf->self)
    {
        return passed;
    }

    return alcf->limit == NGX_HTTP_APIKEY_LIMIT_DRY_RUN
           ? NGX_HTTP_APIKEY_DRY_RUN : NGX_HTTP_APIKEY_LIMITED;
}
