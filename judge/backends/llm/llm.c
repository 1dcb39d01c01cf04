#include "judge/backends/llm/llm.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "judge/backends/llm/discovery.h"
#include "judge/backends/llm/prompt_file.h"
#include "judge/backends/llm/url.h"
#include "judge/options.h"

enum {
    BODY_BASE = 65536,       // of an answer, beside what its tokens take
    BODY_PER_TOKEN = 64,     // as text, hidden reasoning included
    BODY_PER_LOGPROB = 2048, // with five others and their bytes beside each
    BODY_MOST = 4 << 20,
    THOUGHTS_TOKENS = 512, // --llm-max-tokens 0: with reasoning, and without
    WORD_TOKENS = 64,
    PROBE_MS = 60000,
    DEADLINE_S = 120, // unless --judge-deadline says
    REPORT_MS = 60000
};

struct llm {
    struct key key;
    struct url url;
    char model[OPTION_TEXT_MAX];
    struct prompt *prompt;
    struct traffic traffic;
    struct discovery discovery;
    struct hash128 digest; // 0 until it is known how the server is asked
    char decoding[256];
    const struct clock *clock;
    uint64_t reported_ms, reported_requests;
    int questions; // held at most
};

/* ---- what can be known without a server ---- */

static const char *base_url(const struct judge_options *o)
{
    const char *usual = getenv("OPENAI_BASE_URL");

    return o->llm_url[0] != '\0' ? o->llm_url : usual != NULL ? usual : "";
}

static const char *endpoint(const struct judge_options *o)
{
    return strcmp(o->llm_api, "chat") == 0 ? "chat/completions" : "completions";
}

static enum status refuse(const char *why)
{
    LOG_ERROR("LLM-OPTION", "%s", why);
    return ST_INVALID;
}

static enum status check_budgets(const struct judge_options *o)
{
    const struct {
        const char *name;
        bool zero;
    } budgets[] = {{"request-budget", o->request_budget == 0},
                   {"request-budget-hour", o->request_budget_hour == 0},
                   {"token-budget", o->token_budget == 0},
                   {"token-budget-hour", o->token_budget_hour == 0},
                   {"money-budget", o->money_budget == 0},
                   {"money-budget-hour", o->money_budget_hour == 0}};

    for (size_t i = 0; i < sizeof(budgets) / sizeof(budgets[0]); i++) {
        if (budgets[i].zero) {
            LOG_ERROR("LLM-OPTION",
                      "--%s: a budget of 0 asks nothing ever; leave it out (-1) for no "
                      "limit, or take --judges=0 for no judge",
                      budgets[i].name);
            return ST_INVALID;
        }
    }
    if ((o->money_budget > 0 || o->money_budget_hour > 0) && o->llm_price_in == 0 &&
        o->llm_price_out == 0) {
        return refuse(
            "a budget of money needs prices: --llm-price-in and --llm-price-out");
    }
    return ST_OK;
}

static enum status check_style(const struct judge_options *o)
{
    const char *names[STYLES];
    enum prompt_style style;

    if (prompt_style_find(o->style, &style)) {
        return ST_OK;
    }
    for (int i = 0; i < STYLES; i++) {
        names[i] = prompt_style_name((enum prompt_style)i);
    }
    const char *nearest = text_nearest(o->style, names, STYLES);
    LOG_ERROR(
        "LLM-OPTION",
        "--style: %s is not a style; %s%s%sthere are binary, graded, pair and order",
        o->style, nearest != NULL ? "did you mean " : "",
        nearest != NULL ? nearest : "", nearest != NULL ? "? " : "");
    return ST_INVALID;
}

/* A file of the user's own is read once more with the goal. */
static enum status check_prompt(const struct judge_options *o)
{
    struct prompt_file file = {.data = NULL};

    if (o->prompt_file[0] == '\0') {
        return ST_OK;
    }
    TRY(prompt_file_read(o->prompt_file, &file));
    prompt_file_release(&file);
    return ST_OK;
}

static enum status check_options(const struct judge_options *o, struct key *key,
                                 struct url *url)
{
    if (base_url(o)[0] == '\0') {
        return refuse("--judge=llm needs the address of a server: "
                      "--llm-url=http://HOST:PORT/v1, or "
                      "OPENAI_BASE_URL in the environment");
    }
    if (o->llm_model[0] == '\0') {
        return refuse(
            "--judge=llm needs --llm-model=NAME, as the server calls its model");
    }
    TRY(check_style(o));
    TRY(check_prompt(o));
    TRY(check_budgets(o));
    TRY(key_take(o->llm_key_env, key));
    return url_check(base_url(o), endpoint(o), key->len > 0, o->llm_allow_http, url);
}

static enum status llm_check(const struct judge_options *o)
{
    struct key key;
    struct url url;
    const enum status st = check_options(o, &key, &url);

    key_forget(&key);
    return st;
}

/* ---- opening ---- */

static int max_tokens(const struct judge_options *o)
{
    return o->llm_max_tokens > 0 ? (int)o->llm_max_tokens
           : o->reasoning        ? THOUGHTS_TOKENS
                                 : WORD_TOKENS;
}

/* One vote is the likeliest answer; several want to differ. */
static double temperature(const struct judge_options *o)
{
    return o->llm_temperature >= 0 ? o->llm_temperature : o->llm_votes > 1 ? 0.7 : 0;
}

static bool wants_logprobs(const struct judge_options *o, enum prompt_style style)
{
    // After a reasoning the answer is all but decided, and orders have no one token.
    return o->llm_votes == 1 && !o->reasoning && style != STYLE_ORDER;
}

static enum status open_http(const struct llm *l, const struct judge_options *o,
                             struct http **out)
{
    const bool logprobs = wants_logprobs(o, prompt_style_of(l->prompt));
    const size_t each = logprobs ? BODY_PER_LOGPROB : BODY_PER_TOKEN;
    const size_t most = BODY_BASE + (size_t)max_tokens(o) * each;
    const struct http_options h = {.url = l->url.post,
                                   .direct = l->url.loopback,
                                   .key = l->key.text,
                                   .handles = (int)o->llm_inflight,
                                   .body_most = most < BODY_MOST ? most : BODY_MOST};

    return http_open(&h, out);
}

static uint64_t limit_of(int64_t option)
{
    return option < 0 ? UINT64_MAX : (uint64_t)option;
}

static uint64_t micro_limit(double money)
{
    return money < 0 ? UINT64_MAX : (uint64_t)floor(money * 1e6);
}

static enum status open_budget(const struct judge_options *o, struct budget **out)
{
    const struct budget_limits limits = {
        .all = {.of = {limit_of(o->request_budget), limit_of(o->token_budget),
                       micro_limit(o->money_budget)}},
        .hour = {.of = {limit_of(o->request_budget_hour),
                        limit_of(o->token_budget_hour),
                        micro_limit(o->money_budget_hour)}}};
    char path[PATH_MAX_] = "";

    if (o->run_dir[0] != '\0' &&
        !text_format(path, sizeof(path), "%s/judges/llm-used", o->run_dir)) {
        return refuse("the run directory's path is too long");
    }
    if (path[0] == '\0' &&
        (o->request_budget > 0 || o->token_budget > 0 || o->money_budget > 0)) {
        LOG_WARN("LLM-BUDGET",
                 "without --run-dir budgets are this process's alone, and "
                 "forgotten when it ends");
    }
    return budget_open(path, &limits, out);
}

static void start_traffic(struct llm *l, const struct judge_setup *setup,
                          struct http *http, struct budget *budget)
{
    const struct judge_options *o = setup->options;
    const int shots =
        (int)o->llm_votes * (prompt_style_of(l->prompt) >= STYLE_PAIR ? 2 : 1);
    const struct traffic_options options = {
        .api = strcmp(o->llm_api, "chat") == 0 ? API_CHAT : API_COMPLETION,
        .model = l->model,
        .votes = (int)o->llm_votes,
        .in_flight = (int)o->llm_inflight,
        .retries = (int)o->llm_retries,
        .max_tokens = max_tokens(o),
        .temperature = temperature(o),
        .timeout_ms = (uint64_t)(o->llm_timeout * 1000),
        .deadline_ms = (uint64_t)((o->deadline > 0 ? o->deadline : DEADLINE_S) * 1000),
        .prices = {.in = o->llm_price_in, .out = o->llm_price_out}};
    // A few more than are in flight: the next ones are there when an answer comes.
    const int busy = ((int)o->llm_inflight + shots - 1) / shots;

    l->questions = busy + (busy / 4 > 2 ? busy / 4 : 2);
    traffic_open(&l->traffic, &options,
                 &(struct traffic_parts){.clock = setup->clock,
                                         .prompt = l->prompt,
                                         .http = http,
                                         .budget = budget,
                                         .key = &l->key,
                                         .requests_a_minute = o->llm_rpm,
                                         .tokens_a_minute = o->llm_tpm,
                                         .questions = l->questions});
    discovery_init(&l->discovery, &l->traffic, o->llm_structured,
                   wants_logprobs(o, prompt_style_of(l->prompt)), l->url.shown,
                   l->key.len > 0);
}

static void llm_close(void *self)
{
    struct llm *l = self;

    if (l->traffic.http != NULL) {
        traffic_close(&l->traffic);
    }
    prompt_free(l->prompt);
    key_forget(&l->key);
    mem_free(l);
}

static enum status llm_open(const struct judge_setup *setup, void **self)
{
    const struct judge_options *o = setup->options;
    const struct prompt_options prompt = {
        .style = o->style, .reasoning = o->reasoning, .file = o->prompt_file};
    struct llm *l = mem_new(1, sizeof(*l));
    struct http *http = NULL;
    struct budget *budget = NULL;
    enum status st = check_options(o, &l->key, &l->url);

    l->clock = setup->clock;
    l->reported_ms = clock_ms(l->clock);
    text_format(l->model, sizeof(l->model), "%s", o->llm_model);
    st = st != ST_OK ? st : prompt_open(setup->goal, &prompt, &l->prompt);
    st = st != ST_OK ? st : open_http(l, o, &http);
    st = st != ST_OK ? st : open_budget(o, &budget);
    if (st != ST_OK) {
        http_close(http);
        llm_close(l);
        // All of these are for the user to mend, but for the system's own refusals.
        return st == ST_IO ? st : ST_INVALID;
    }
    start_traffic(l, setup, http, budget);
    *self = l;
    return ST_OK;
}

/* ---- questions ---- */

static void take_decoding(struct llm *l)
{
    const struct traffic *t = &l->traffic;

    text_format(l->decoding, sizeof(l->decoding),
                "api %d, form %s, votes %d, temperature %.6g%s, most tokens %d, "
                "log-probabilities %d",
                (int)t->options.api, openai_form_name(t->manner.form), t->options.votes,
                t->options.temperature, t->manner.no_temperature ? " unsaid" : "",
                t->options.max_tokens, t->manner.top_logprobs);
    l->digest = prompt_digest(l->prompt, bytes_text(l->decoding));
}

static bool fits_style(const struct llm *l, const struct judge_question *q)
{
    switch (prompt_style_of(l->prompt)) {
    case STYLE_PAIR:
        return q->kind == QUESTION_ORDER && q->captions == 2;
    case STYLE_ORDER:
        return q->kind == QUESTION_ORDER;
    default:
        return q->kind == QUESTION_RATE;
    }
}

static enum status llm_ask(void *self, const struct judge_question *question,
                           struct judge_verdict *v)
{
    struct llm *l = self;
    struct traffic *t = &l->traffic;
    struct inquiry *q = traffic_find(t, question->id);

    if (!fits_style(l, question)) {
        v->kind = VERDICT_REFUSED;
        return ST_OK;
    }
    if (q == NULL) {
        q = l->discovery.done ? traffic_place(t) : NULL;
        if (q != NULL) {
            traffic_begin(t, q, question, t->options.votes, t->options.retries);
        }
        return ST_AGAIN;
    }
    if (!q->done) {
        return ST_AGAIN;
    }
    *v = q->verdict;
    traffic_drop(t, q);
    return ST_OK;
}

static void llm_drop(void *self, uint64_t id)
{
    struct llm *l = self;
    struct inquiry *q = traffic_find(&l->traffic, id);

    if (q != NULL) {
        traffic_drop(&l->traffic, q);
    }
}

/* ---- each turn ---- */

static void report(struct llm *l)
{
    const uint64_t now = clock_ms(l->clock);
    const struct traffic_counters *c = &l->traffic.counters;

    if (now - l->reported_ms < REPORT_MS || c->requests == l->reported_requests) {
        return;
    }
    LOG_INFO("LLM-SPENT",
             "%llu requests so far, %llu failed%s%s%s, %llu answers asked for again; "
             "%llu tokens in, "
             "%llu out, %.6f at the prices given",
             (unsigned long long)c->requests, (unsigned long long)c->failed,
             c->failed > 0 ? " (the last: " : "",
             c->failed > 0 ? l->traffic.last_failure : "", c->failed > 0 ? ")" : "",
             (unsigned long long)c->follow_ups, (unsigned long long)c->tokens_in,
             (unsigned long long)c->tokens_out, (double)c->cost_micro * 1e-6);
    l->reported_ms = now;
    l->reported_requests = c->requests;
}

/* A half-open breaker wants one request; where no question waits it is the start's. */
static void probe(struct llm *l)
{
    struct traffic *t = &l->traffic;
    struct inquiry *own = traffic_own_place(t);

    if (own->used && own->done) {
        traffic_drop(t, own);
    }
    if (!own->used && http_in_flight(t->http) == 0 &&
        breaker_look(&t->breaker, clock_ms(t->clock)) == BREAKER_HALF_OPEN) {
        discovery_ask(t, 0, PROBE_MS);
    }
}

static enum status llm_turn(void *self)
{
    struct llm *l = self;
    bool at_work = traffic_turn(&l->traffic);

    if (!l->discovery.done) {
        const enum status st = discovery_turn(&l->discovery, &l->traffic);
        if (st != ST_OK && st != ST_AGAIN) {
            return st;
        }
        if (l->discovery.done) {
            take_decoding(l);
        }
        return st == ST_OK || at_work ? ST_OK : ST_AGAIN;
    }
    probe(l);
    report(l);
    return at_work ? ST_OK : ST_AGAIN;
}

static bool llm_stop(void *self)
{
    return traffic_stop(&((struct llm *)self)->traffic);
}

static uint32_t llm_credits(const void *self)
{
    struct llm *l = (struct llm *)(uintptr_t)self; // a look may read the budget's file

    return l->discovery.done ? traffic_room(&l->traffic, (uint32_t)l->questions) : 0;
}

static enum judge_pause llm_pause(const void *self)
{
    return traffic_pause(&((const struct llm *)self)->traffic);
}

static void llm_kinds(const void *self, bool *rate, bool *order, uint32_t *order_most)
{
    const struct llm *l = self;
    const enum prompt_style style = prompt_style_of(l->prompt);

    *order = style == STYLE_PAIR || style == STYLE_ORDER;
    *rate = !*order;
    *order_most = style == STYLE_PAIR    ? 2
                  : style == STYLE_ORDER ? ITEM_CAPTIONS_MAX
                                         : 0;
}

static const char *llm_model(const void *self)
{
    return ((const struct llm *)self)->model;
}

static struct hash128 llm_prompt(const void *self)
{
    return ((const struct llm *)self)->digest;
}

const struct judge_backend llm_backend = {.name = "llm",
                                          .can_rate = true,
                                          .can_order = true,
                                          .deadline_s = DEADLINE_S,
                                          .check = llm_check,
                                          .open = llm_open,
                                          .close = llm_close,
                                          .ask = llm_ask,
                                          .model = llm_model,
                                          .prompt = llm_prompt,
                                          .turn = llm_turn,
                                          .drop = llm_drop,
                                          .stop = llm_stop,
                                          .credits = llm_credits,
                                          .pause = llm_pause,
                                          .kinds = llm_kinds};
