#include "judge/backends/sim.h"

#include <math.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/rng.h"
#include "common/base/text.h"
#include "judge/options.h"

enum { MODEL_MAX = 256 }; // what the wire takes, and a 0

/* Latencies are seconds: to look at hundreds of questions a hundred times a second would
 * cost training a percent of its machine. */
enum { STRENGTH_MOST = 3, PAUSE_MS = 50 };

struct sim {
    const struct judge_options *options;
    const struct sim_knobs *knobs;
    const struct clock *clock;
    bool permuted;
    uint64_t seed;
    uint64_t opened_ns, answered;
    char model[MODEL_MAX];
    struct hash128 prompt;
};

bool sim_left_out(const struct judge_caption *c)
{
    return c->len == 0 || memchr(c->text, '"', c->len) != NULL;
}

bool sim_drawn(const struct judge_caption *c, uint64_t seed, double share)
{
    return !sim_left_out(c) && sim_draw(c, seed) < share;
}

static enum status sim_check(const struct judge_options *options)
{
    return knobs_check(&options->sim_knobs);
}

/* The model's name and the digest tell every knob that is not at rest: verdicts of
 * judges that err differently are told apart. */
static void name_model(struct sim *s, const char *goal_text)
{
    struct text_buf knobs = {0}, name = {0}, all = {0};

    knobs_describe(s->options, &knobs);
    if (s->permuted) {
        text_buf_add(&name, "permuted, share %g, seed %llu", s->options->sim_share,
                     (unsigned long long)s->seed);
    } else {
        text_buf_add(&name, "truth");
    }
    text_buf_add(&all, "%s", goal_text);
    if (knobs.len > 0) {
        if (!s->permuted) {
            text_buf_add(&name, ", seed %llu", (unsigned long long)s->seed);
        }
        text_buf_add(&name, ", %s", knobs.data);
        text_buf_add(&all, "\n%s", name.data);
    }
    if (!text_format(s->model, sizeof(s->model), "%s", name.data)) {
        strcpy(s->model + sizeof(s->model) - 4, "..."); // the digest has it all
    }
    s->prompt = hash_128(bytes_text(all.data));
    text_buf_release(&knobs);
    text_buf_release(&name);
    text_buf_release(&all);
}

static enum status sim_open(const struct judge_setup *setup, void **self)
{
    const struct judge_options *o = setup->options;
    const double deadline_s = o->deadline > 0 ? o->deadline : sim_backend.deadline_s;
    struct sim *s = mem_new(1, sizeof(*s));

    s->options = o;
    s->knobs = &o->sim_knobs;
    s->clock = setup->clock;
    s->permuted = strcmp(o->sim, "permuted") == 0;
    s->seed = (uint64_t)o->sim_seed;
    s->opened_ns = clock_ns(setup->clock);
    name_model(s, setup->goal->text != NULL ? setup->goal->text : "");
    LOG_INFO("SIM-OPEN", "answers with %s; %s",
             s->permuted ? "labels drawn by chance" : "the hidden truth", s->model);
    if (s->knobs->latency > 0 && s->knobs->latency_cap > deadline_s) {
        LOG_WARN("SIM-DEADLINE",
                 "answers may take %g s, but --judge-deadline is %g s; later ones are "
                 "timeouts",
                 s->knobs->latency_cap, deadline_s);
    }
    *self = s;
    return ST_OK;
}

static void sim_close(void *self)
{
    mem_free(self);
}

static double seconds_open(const struct sim *s)
{
    return (double)(clock_ns(s->clock) - s->opened_ns) * 1e-9;
}

/* Outages lie at the end of each period, so that a judge begins well. */
static bool is_out(const struct sim *s)
{
    const struct sim_knobs *k = s->knobs;

    return k->outage_every > 0 &&
           fmod(seconds_open(s), k->outage_every) >= k->outage_every - k->outage_length;
}

static bool outage_is(const struct sim *s, const char *kind)
{
    return strcmp(s->knobs->outage, kind) == 0;
}

/* ST_AGAIN: q is under way; *done: an outage has answered it already. */
static enum status pass_time(const struct sim *s, const struct judge_question *q,
                             struct judge_verdict *v, bool *done)
{
    const double waited_s = (double)(clock_ns(s->clock) - q->taken_ns) * 1e-9;

    *done = is_out(s) && (outage_is(s, "refuse") || outage_is(s, "overload"));
    if (*done) {
        v->kind = outage_is(s, "refuse") ? VERDICT_REFUSED : VERDICT_OVERLOAD;
        return ST_OK;
    }
    if (is_out(s) && outage_is(s, "silent")) {
        return ST_AGAIN;
    }
    return s->knobs->latency > 0 && waited_s < noise_latency_s(s->knobs, s->seed, q)
               ? ST_AGAIN
               : ST_OK;
}

/* The share of captions that this judge has come to see the other way round. */
static double flipped(const struct sim *s)
{
    const struct sim_knobs *k = s->knobs;
    double share = k->flip_caption + k->drift * (double)s->answered / 1000;

    if (k->drift_hour > 0) {
        share += k->drift_hour * seconds_open(s) / 3600;
    }
    return share < 1 ? share : 1;
}

/* What c is worth to this judge, in [0, most]. False: nobody told. */
static bool score_of(const struct sim *s, const struct judge_caption *c, double most,
                     double *out)
{
    double score = 0;

    if (s->permuted) {
        score = sim_drawn(c, s->seed, s->options->sim_share) ? most : 0;
    } else if (c->truth < 0) {
        return false;
    } else {
        score = most > 1 ? c->strength : c->truth;
    }
    *out = noise_lies(s->knobs, s->seed, c, flipped(s)) ? most - score : score;
    return true;
}

/* As long as asked for, and about as repetitive as a language model's words. */
static void reason(const struct sim *s, const struct judge_question *q,
                   struct judge_verdict *v)
{
    static const char *const words[16] = {
        "the ",      "line ", "says ",  "that ",   "something ", "was ",
        "found, ",   "so ",   "player", " comes ", "nearer to ", "what ",
        "the goal ", "asks ", "for; ",  "it "};
    struct rng rng;

    rng_init(&rng, s->seed ^ q->id);
    while (v->raw_len < s->knobs->raw) {
        const char *word = words[rng_below(&rng, 16)];
        for (; *word != '\0' && v->raw_len < s->knobs->raw; word++) {
            v->raw[v->raw_len++] = *word;
        }
    }
}

static enum status sim_ask(void *self, const struct judge_question *q,
                           struct judge_verdict *v)
{
    struct sim *s = self;
    double score[ITEM_CAPTIONS_MAX];
    const double most = q->kind == QUESTION_ORDER ? STRENGTH_MOST : 1;
    bool done;

    TRY(pass_time(s, q, v, &done));
    s->answered++;
    if (done || noise_fails(s->knobs, s->seed, q, v)) {
        return ST_OK;
    }
    for (int i = 0; i < q->captions; i++) {
        if (!score_of(s, &q->caption[i], most, &score[i])) {
            return ST_OK; // abstains
        }
    }
    if (q->kind == QUESTION_ORDER) {
        noise_order(s->knobs, s->seed, q, score, v);
    } else {
        noise_rate(s->knobs, s->seed, q, score[0], v);
    }
    reason(s, q, v);
    return ST_OK;
}

static const char *sim_model(const void *self)
{
    return ((const struct sim *)self)->model;
}

static struct hash128 sim_prompt(const void *self)
{
    return ((const struct sim *)self)->prompt;
}

static uint32_t sim_credits(const void *self)
{
    const struct sim *s = self;

    return is_out(s) && outage_is(s, "away") ? 0 : UINT32_MAX;
}

const struct judge_backend sim_backend = {.name = "sim",
                                          .can_rate = true,
                                          .can_order = true,
                                          .wants_truth = true,
                                          .deadline_s = 10,
                                          .pause_ms = PAUSE_MS,
                                          .check = sim_check,
                                          .open = sim_open,
                                          .close = sim_close,
                                          .ask = sim_ask,
                                          .model = sim_model,
                                          .prompt = sim_prompt,
                                          .credits = sim_credits};
