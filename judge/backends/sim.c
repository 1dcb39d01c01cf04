#include "judge/backends/sim.h"

#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/rng.h"
#include "common/base/text.h"
#include "judge/options.h"

struct sim {
    bool permuted;
    uint64_t seed;
    double share;
    char model[64];
};

double sim_draw(const struct judge_caption *c, uint64_t seed)
{
    const uint64_t text = hash_64(bytes_of(c->text, c->len));
    struct rng rng;

    rng_init_stream(
        &rng, &(struct rng_stream){.seed = seed, .role = RNG_JUDGE, .episode = text});
    return (double)(rng_next(&rng) >> 11) * 0x1p-53;
}

bool sim_left_out(const struct judge_caption *c)
{
    return c->len == 0 || memchr(c->text, '"', c->len) != NULL;
}

bool sim_drawn(const struct judge_caption *c, uint64_t seed, double share)
{
    return !sim_left_out(c) && sim_draw(c, seed) < share;
}

static enum status sim_open(const struct judge_setup *setup, void **self)
{
    const struct judge_options *o = setup->options;
    struct sim *s = mem_new(1, sizeof(*s));

    s->permuted = strcmp(o->sim, "permuted") == 0;
    s->seed = (uint64_t)o->sim_seed;
    s->share = o->sim_share;
    if (s->permuted) {
        text_format(s->model, sizeof(s->model), "permuted, share %g, seed %llu",
                    s->share, (unsigned long long)s->seed);
    } else {
        text_format(s->model, sizeof(s->model), "truth");
    }
    LOG_INFO("SIM-OPEN", "answers with %s",
             s->permuted ? "labels drawn by chance" : "the hidden truth");
    *self = s;
    return ST_OK;
}

static void sim_close(void *self)
{
    mem_free(self);
}

static enum status sim_ask(void *self, const struct judge_question *q,
                           struct judge_verdict *v)
{
    const struct sim *s = self;
    double score[ITEM_CAPTIONS_MAX];

    for (int i = 0; i < q->captions; i++) {
        const struct judge_caption *c = &q->caption[i];
        if (!s->permuted && c->truth < 0) {
            return ST_OK; // abstains: nobody told
        }
        score[i] = !s->permuted ? c->strength : sim_drawn(c, s->seed, s->share) ? 1 : 0;
    }
    if (q->kind == QUESTION_ORDER) {
        judge_order(v, score, q->captions);
    } else if (s->permuted) {
        judge_rate(v, score[0]);
    } else {
        judge_rate(v, q->caption[0].truth);
    }
    v->confidence = 1;
    return ST_OK;
}

static const char *sim_model(const void *self)
{
    return ((const struct sim *)self)->model;
}

const struct judge_backend sim_backend = {.name = "sim",
                                          .can_rate = true,
                                          .can_order = true,
                                          .wants_truth = true,
                                          .open = sim_open,
                                          .close = sim_close,
                                          .ask = sim_ask,
                                          .model = sim_model};
