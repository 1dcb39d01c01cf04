#include "learner/reward/rnd_net.h"

#include <math.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/mem.h"
#include "common/base/rng.h"
#include "common/nn/act.h"
#include "common/nn/init.h"
#include "common/nn/linear.h"
#include "common/nn/scaling.h"

_Static_assert((int)RND_NET_BITS == (int)SCALING_BITS, "one input for each condition");
enum { HIDDEN = 128, OUT = RND_NET_OUTPUTS, COLORS = 32 };

struct layer {
    const struct param *w, *b;
    struct panels packed;
};

struct rnd_net {
    struct params drawn, learnt;
    const struct param *chars, *colors;
    struct layer target[2], predictor[3];
    bool stale;     // packings are older than the weights
    const float *x; // of the last pass
    int N;          // its rows; 0: its backward pass is done
    float *t1, *target_out, *y1, *y2, *out, *d1, *d2; // (RND_NET_ROWS, width)
};

static struct layer declare(struct params *p, const char *w, const char *b, int to,
                            int from)
{
    return (struct layer){.w = params_declare(p, w, to, from),
                          .b = params_declare(p, b, 1, to)};
}

static void open_layer(struct layer *l)
{
    panels_open(&l->packed, l->w->w, true, l->w->rows, l->w->cols);
}

static void init_layer(struct layer *l, double gain, struct rng *rng)
{
    init_orthogonal(l->w, gain, rng);
    init_zero(l->b);
}

static void init_weights(struct rnd_net *n, uint64_t seed)
{
    struct rng rng;

    // Of the learner, so that it is not the stream of the policy's first weights.
    rng_init_stream(&rng,
                    &(struct rng_stream){.seed = seed, .role = RNG_LEARNER, .env = 1});
    init_normal(n->chars, sqrt(0.5), &rng);
    init_normal(n->colors, sqrt(0.5), &rng);
    for (int i = 0; i < 2; i++) {
        init_layer(&n->target[i], sqrt(2.0), &rng);
    }
    for (int i = 0; i < 3; i++) {
        init_layer(&n->predictor[i], sqrt(2.0), &rng);
    }
    n->stale = true;
}

struct rnd_net *rnd_net_new(uint64_t seed)
{
    struct rnd_net *n = mem_new(1, sizeof(*n));
    struct params *t = &n->drawn, *p = &n->learnt;

    n->chars = params_declare(t, "rnd.chars", 256, 2);
    n->colors = params_declare(t, "rnd.colors", COLORS, 2);
    n->target[0] = declare(t, "rnd.target1.w", "rnd.target1.b", HIDDEN, RND_NET_INPUTS);
    n->target[1] = declare(t, "rnd.target2.w", "rnd.target2.b", OUT, HIDDEN);
    n->predictor[0] = declare(p, "rnd.fc1.w", "rnd.fc1.b", HIDDEN, RND_NET_INPUTS);
    n->predictor[1] = declare(p, "rnd.fc2.w", "rnd.fc2.b", HIDDEN, HIDDEN);
    n->predictor[2] = declare(p, "rnd.fc3.w", "rnd.fc3.b", OUT, HIDDEN);
    params_alloc(t, false);
    params_alloc(p, true);
    for (int i = 0; i < 2; i++) {
        open_layer(&n->target[i]);
    }
    for (int i = 0; i < 3; i++) {
        open_layer(&n->predictor[i]);
    }
    float **const wide[] = {&n->t1, &n->y1, &n->y2, &n->d1, &n->d2};
    for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++) {
        *wide[i] = mem_new((size_t)RND_NET_ROWS * HIDDEN, sizeof(float));
    }
    n->target_out = mem_new((size_t)RND_NET_ROWS * OUT, sizeof(float));
    n->out = mem_new((size_t)RND_NET_ROWS * OUT, sizeof(float));
    init_weights(n, seed);
    return n;
}

void rnd_net_free(struct rnd_net *n)
{
    if (n == NULL) {
        return;
    }
    for (int i = 0; i < 2; i++) {
        panels_release(&n->target[i].packed);
    }
    for (int i = 0; i < 3; i++) {
        panels_release(&n->predictor[i].packed);
    }
    params_release(&n->drawn);
    params_release(&n->learnt);
    void *all[] = {n->t1, n->target_out, n->y1, n->y2, n->out, n->d1, n->d2};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        mem_free(all[i]);
    }
    mem_free(n);
}

struct params *rnd_net_target(struct rnd_net *n)
{
    return &n->drawn;
}

struct params *rnd_net_predictor(struct rnd_net *n)
{
    return &n->learnt;
}

void rnd_net_weights_changed(struct rnd_net *n)
{
    n->stale = true;
}

static void refresh(struct rnd_net *n)
{
    for (int i = 0; i < 2 && n->stale; i++) {
        panels_pack(&n->target[i].packed);
    }
    for (int i = 0; i < 3 && n->stale; i++) {
        panels_pack(&n->predictor[i].packed);
    }
    n->stale = false;
}

void rnd_net_look(const struct rnd_net *n, float *x, const uint8_t *chars,
                  const uint8_t *colors, const int32_t *stats)
{
    for (size_t c = 0; c < POLICY_CELLS; c++) {
        const float *shape = n->chars->w + 2 * (size_t)chars[c];
        const float *color = n->colors->w + 2 * (size_t)(colors[c] % COLORS);
        x[2 * c] = shape[0] + color[0];
        x[2 * c + 1] = shape[1] + color[1];
    }
    scaling_stats(x + 2 * POLICY_CELLS, stats);
    scaling_condition(x + 2 * POLICY_CELLS + POLICY_STATS, stats[SCALING_CONDITION]);
}

static void pass(float *y, const float *x, const struct layer *l, bool relu, int N)
{
    linear_forward_packed(y, x, &l->packed, l->b, N);
    if (relu) {
        act_relu(y, (size_t)N * (size_t)l->w->rows);
    }
}

void rnd_net_forward(struct rnd_net *n, float *error, const float *x, int N)
{
    CHECK(N >= 0 && N <= RND_NET_ROWS);
    refresh(n);
    n->x = x;
    n->N = N;
    pass(n->t1, x, &n->target[0], true, N);
    pass(n->target_out, n->t1, &n->target[1], false, N);
    pass(n->y1, x, &n->predictor[0], true, N);
    pass(n->y2, n->y1, &n->predictor[1], true, N);
    pass(n->out, n->y2, &n->predictor[2], false, N);
    for (size_t i = 0; i < (size_t)N; i++) {
        const float *restrict y = n->out + i * OUT, *restrict t =
                                                        n->target_out + i * OUT;
        float sum = 0;
        for (size_t o = 0; o < OUT; o++) {
            sum += (y[o] - t[o]) * (y[o] - t[o]);
        }
        error[i] = sum / OUT;
    }
}

void rnd_net_backward(struct rnd_net *n, int rows)
{
    const size_t outs = (size_t)rows * OUT;

    CHECK(rows >= 0 && rows <= n->N);
    n->N = 0;
    for (size_t i = 0; i < outs; i++) { // d mean (y - t)^2 / dy
        n->out[i] = 2.0F / OUT * (n->out[i] - n->target_out[i]);
    }
    linear_backward(n->d2, n->out, n->y2, n->predictor[2].w, n->predictor[2].b, rows);
    act_relu_backward(n->d2, n->y2, (size_t)rows * HIDDEN);
    linear_backward(n->d1, n->d2, n->y1, n->predictor[1].w, n->predictor[1].b, rows);
    act_relu_backward(n->d1, n->y1, (size_t)rows * HIDDEN);
    linear_backward(NULL, n->d1, n->x, n->predictor[0].w, n->predictor[0].b, rows);
}
