#include "judge/backends/sim/noise.h"

#include <math.h>
#include <string.h>

#include "common/base/hash.h"
#include "common/base/rng.h"

/* What is drawn. Each has streams of its own, so that turning one knob leaves what the
 * others draw as it was. Numbers are for ever: results depend on them. */
enum use {
    USE_LABEL = 0, // sim_draw(): the labels of --sim=permuted
    USE_FLIP = 1,
    USE_ADVERSARY = 2,
    USE_VOTE = 3,
    USE_FAILURE = 4,
    USE_LATENCY = 5
};

static const double normal_p99 = 2.3263478740408408; // 99 % of a normal lie below

static double uniform(struct rng *rng)
{
    return (double)(rng_next(rng) >> 11) * 0x1p-53;
}

static double draw_by_text(const struct judge_caption *c, uint64_t seed, enum use use)
{
    struct rng rng;

    rng_init_stream(
        &rng, &(struct rng_stream){.seed = seed,
                                   .role = RNG_JUDGE,
                                   .index = use,
                                   .episode = hash_64(bytes_of(c->text, c->len))});
    return uniform(&rng);
}

double sim_draw(const struct judge_caption *c, uint64_t seed)
{
    return draw_by_text(c, seed, USE_LABEL);
}

/* One ask: a question asked again has another id, and its draws are fresh. */
static void stream_of_ask(struct rng *rng, uint64_t seed,
                          const struct judge_question *q, enum use use, int vote,
                          int order)
{
    uint64_t h = q->id;

    for (int i = 0; i < q->captions; i++) {
        const struct judge_caption *c = &q->caption[i];
        const uint64_t pair[] = {h, hash_64(bytes_of(c->text, c->len))};
        h = hash_64(bytes_of(pair, sizeof(pair)));
    }
    rng_init_stream(rng, &(struct rng_stream){.seed = seed,
                                              .role = RNG_JUDGE,
                                              .index = use,
                                              .incarnation = (uint32_t)order,
                                              .env = (uint32_t)vote,
                                              .episode = h});
}

bool noise_lies(const struct sim_knobs *k, uint64_t seed, const struct judge_caption *c,
                double flipped)
{
    const size_t len = strlen(k->target);
    const bool aimed_at = len == 0 || memmem(c->text, c->len, k->target, len) != NULL;
    const bool flips = flipped > 0 && draw_by_text(c, seed, USE_FLIP) < flipped;
    const bool lies = k->adversary > 0 && aimed_at &&
                      draw_by_text(c, seed, USE_ADVERSARY) < k->adversary;

    return flips != lies;
}

void noise_rate(const struct sim_knobs *k, uint64_t seed,
                const struct judge_question *q, double truth, struct judge_verdict *v)
{
    const int votes = (int)k->votes;
    int yes = 0;

    for (int i = 0; i < votes; i++) {
        struct rng rng;
        stream_of_ask(&rng, seed, q, USE_VOTE, i, 0);
        const bool flip = uniform(&rng) < k->flip_ask;
        yes += (truth > 0) != flip;
    }
    judge_rate(v, (double)yes / votes);
    v->confidence = (float)(2 * yes > votes ? yes : votes - yes) / (float)votes;
}

/* ---- orders ---- */

/* One vote's score of each caption; place[i]: where caption i is shown, 0 first. */
static void vote_on(const struct sim_knobs *k, struct rng *rng,
                    const struct judge_question *q, const double *score,
                    const int *place, double *out)
{
    // Drawn even where a knob is at rest: the others then draw as they did.
    const double position = uniform(rng), length = uniform(rng), flip = uniform(rng);
    bool tie = true;

    for (int i = 0; i < q->captions; i++) {
        if (position < fabs(k->position_bias)) {
            out[i] = k->position_bias > 0 ? -place[i] : place[i];
        } else if (length < fabs(k->length_bias)) {
            out[i] = k->length_bias > 0 ? q->caption[i].len : -q->caption[i].len;
        } else {
            out[i] = flip < k->flip_ask ? -score[i] : score[i];
        }
        tie = tie && out[i] == out[0];
    }
    if (tie && flip < k->flip_ask) {
        for (int i = 0; i < q->captions; i++) {
            out[i] = uniform(rng); // it sees a difference where none is
        }
    }
}

/* Twice the rank of each caption, a tie counting half; into sum. */
static void add_ranks(const double *score, int captions, double *sum)
{
    for (int i = 0; i < captions; i++) {
        for (int j = 0; j < captions; j++) {
            sum[i] += j == i                 ? 0
                      : score[j] > score[i]  ? 2
                      : score[j] == score[i] ? 1
                                             : 0;
        }
    }
}

/* lead[o]: by how many votes the caption shown first won in order o. */
static int8_t position_of(const int lead[2])
{
    const int a = (lead[0] > 0) - (lead[0] < 0), b = (lead[1] > 0) - (lead[1] < 0);

    if (a == -b) {
        return 0; // the same caption won both, or both are ties
    }
    return a == b ? (int8_t)a : POSITION_UNKNOWN;
}

void noise_order(const struct sim_knobs *k, uint64_t seed,
                 const struct judge_question *q, const double *score,
                 struct judge_verdict *v)
{
    const bool pair = q->captions == 2;
    const int orders = pair ? (int)k->orders : 1, votes = (int)k->votes;
    double sum[ITEM_CAPTIONS_MAX] = {0}, one[ITEM_CAPTIONS_MAX];
    uint8_t vote[2 * SIM_VOTES_MAX][ITEM_CAPTIONS_MAX];
    int place[ITEM_CAPTIONS_MAX], lead[2] = {0}, agreed = 0;

    for (int n = 0; n < votes * orders; n++) {
        const int order = n / votes;
        struct rng rng;
        for (int i = 0; i < q->captions; i++) {
            place[i] = order == 0 ? i : 1 - i;
        }
        stream_of_ask(&rng, seed, q, USE_VOTE, n % votes, order);
        vote_on(k, &rng, q, score, place, one);
        add_ranks(one, q->captions, sum);
        judge_order(v, one, q->captions);
        memcpy(vote[n], v->order, sizeof(vote[n]));
        lead[order] += (one[order] > one[1 - order]) - (one[order] < one[1 - order]);
    }
    for (int i = 0; i < q->captions; i++) {
        sum[i] = -sum[i];
    }
    judge_order(v, sum, q->captions);
    for (int n = 0; n < votes * orders; n++) {
        agreed += memcmp(vote[n], v->order, (size_t)q->captions) == 0;
    }
    v->confidence = (float)agreed / (float)(votes * orders);
    v->position = pair && orders == 2 ? position_of(lead) : POSITION_UNKNOWN;
}

/* ---- failures, time ---- */

/* What no reader may take for an answer; answer.c makes it unparseable. */
static void talk_nonsense(struct rng *rng, const struct judge_question *q,
                          struct judge_verdict *v)
{
    v->kind = VERDICT_LABEL;
    switch (rng_below(rng, 4)) {
    case 0:
        v->kind = (enum verdict_kind)200;
        break;
    case 1:
        v->label = q->captions == 1 ? NAN : 0;
        memset(v->order, 0xff, sizeof(v->order));
        break;
    case 2:
        v->label = -7;
        v->order[0] = (uint8_t)q->captions;
        break;
    default:
        v->confidence = 40;
        break;
    }
}

bool noise_fails(const struct sim_knobs *k, uint64_t seed,
                 const struct judge_question *q, struct judge_verdict *v)
{
    const struct {
        double share;
        enum verdict_kind kind;
    } failures[] = {{k->abstain, VERDICT_ABSTAIN},
                    {k->timeout, VERDICT_TIMEOUT},
                    {k->refused, VERDICT_REFUSED},
                    {k->overload, VERDICT_OVERLOAD},
                    {k->unparseable, VERDICT_UNPARSEABLE}};
    struct rng rng;

    stream_of_ask(&rng, seed, q, USE_FAILURE, 0, 0);
    double u = uniform(&rng);
    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
        if (u < failures[i].share) {
            v->kind = failures[i].kind;
            return true;
        }
        u -= failures[i].share;
    }
    if (u < k->garbage) {
        talk_nonsense(&rng, q, v);
        return true;
    }
    return false;
}

double noise_latency_s(const struct sim_knobs *k, uint64_t seed,
                       const struct judge_question *q)
{
    double s = k->latency;
    struct rng rng;

    if (k->latency > 0 && k->latency_p99 > k->latency) {
        stream_of_ask(&rng, seed, q, USE_LATENCY, 0, 0);
        s *= exp(log(k->latency_p99 / k->latency) / normal_p99 *
                 (double)rng_normal(&rng));
    }
    return s < k->latency_cap ? s : k->latency_cap;
}
