#include "common/nn/nn_bench.h"

#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/nn/mat.h"
#include "common/nn/policy.h"

enum { GLYPHS = 40, CAPTIONS = 8 };

static const char *const TEXTS[CAPTIONS] = {"",
                                            "You see a staircase leading down.",
                                            "The gaunt newt bites!",
                                            "There is an iron key here.",
                                            "This vault is locked.",
                                            "You hear the splashing of a naiad.",
                                            "Welcome to the crypt.",
                                            "You find 17 gold pieces."};

struct screens {
    uint8_t *chars, *colors, *prev, *starts;
    int32_t *stats;
    uint32_t *caption;
    struct bytes captions[CAPTIONS];
};

static void screens_make(struct screens *s, int rows, int actions)
{
    const size_t N = (size_t)rows;
    struct rng rng;
    rng_init(&rng, 1);
    s->chars = mem_new(N, POLICY_CELLS);
    s->colors = mem_new(N, POLICY_CELLS);
    s->prev = mem_new(N, 1);
    s->starts = mem_new(N, 1);
    s->stats = mem_new(N * POLICY_STATS, sizeof(int32_t));
    s->caption = mem_new(N, sizeof(uint32_t));
    for (size_t i = 0; i < N * POLICY_CELLS; i++) {
        const uint32_t g = rng_below(&rng, 3) == 0 ? rng_below(&rng, GLYPHS) : 0;
        s->chars[i] = (uint8_t)(' ' + g);
        s->colors[i] = (uint8_t)(7 + g % 8);
    }
    for (size_t i = 0; i < N * POLICY_STATS; i++) {
        s->stats[i] = (int32_t)rng_below(&rng, 40);
    }
    for (size_t n = 0; n < N; n++) {
        s->prev[n] = (uint8_t)rng_below(&rng, (uint32_t)actions);
        s->starts[n] = rng_below(&rng, 200) == 0;
        s->caption[n] = rng_below(&rng, 3) == 0 ? rng_below(&rng, CAPTIONS) : 0;
    }
    for (int u = 0; u < CAPTIONS; u++) {
        s->captions[u] = bytes_text(TEXTS[u]);
    }
}

static void screens_release(struct screens *s)
{
    mem_free(s->chars);
    mem_free(s->colors);
    mem_free(s->prev);
    mem_free(s->starts);
    mem_free(s->stats);
    mem_free(s->caption);
}

static struct policy_input screens_from(const struct screens *s, int first)
{
    const size_t n = (size_t)first;
    return (struct policy_input){.chars = s->chars + n * POLICY_CELLS,
                                 .colors = s->colors + n * POLICY_CELLS,
                                 .stats = s->stats + n * POLICY_STATS,
                                 .prev_action = s->prev + n,
                                 .caption = s->caption + n,
                                 .captions = s->captions,
                                 .U = CAPTIONS};
}

/* Multiplications of one row's forward products, from the parameters' shapes: each
 * weight of a product is used once a row, a convolution's once for each output. */
static double products(struct policy *p)
{
    const struct params *ps = policy_params(p);
    double sum = 0;
    for (int i = 0; i < ps->count; i++) {
        const struct param *d = &ps->table[i];
        const double size = (double)d->rows * (double)d->cols;
        const size_t len = strlen(d->name);
        if (d->rows == 1 && strcmp(d->name, "value.w") != 0) {
            continue; // a bias
        }
        if (strstr(d->name, "conv1") != NULL || strstr(d->name, "message") != NULL ||
            (d->name[len - 1] != 'w' && strncmp(d->name, "gru.w", 5) != 0)) {
            continue; // a table, or once per caption
        }
        const bool tiles = strncmp(d->name, "tiles", 5) == 0;
        const int outputs = strstr(d->name, "conv3") != NULL            ? 9
                            : strstr(d->name, "conv2") != NULL && tiles ? 49
                            : strstr(d->name, "conv2") != NULL          ? 9
                                                                        : 1;
        sum += size * outputs;
    }
    return sum;
}

static enum status open_policy(const char *net, int actions, int rows, int sequences,
                               bool train, struct policy **p)
{
    struct policy_shape shape = {.actions = actions, .value_heads = 1};
    struct rng rng;
    mat_set_threads(1);
    snprintf(shape.net, sizeof shape.net, "%s", net);
    TRY(policy_new(&shape, rows, sequences, train, p));
    rng_init(&rng, 1);
    policy_init_weights(*p, &rng);
    return ST_OK;
}

struct timing {
    double rows, wall, cpu;
};

static void report(struct metrics_row *out, const char *net, struct policy *p, int rows,
                   const struct timing *t, double flops_per_row)
{
    metrics_text(out, "net", net);
    metrics_int(out, "actions", policy_actions(p));
    metrics_int(out, "params", (int64_t)params_count(policy_params(p)));
    metrics_int(out, "rows", rows);
    metrics_num(out, "seconds", t->wall);
    metrics_num(out, "rows_per_s", t->rows / t->wall);
    metrics_num(out, "us_per_row", 1e6 * t->cpu / t->rows);
    metrics_num(out, "gflops", 1e-9 * flops_per_row * t->rows / t->cpu);
    metrics_text(out, "blas_core", mat_core_name());
}

enum status nn_bench_infer(const char *net, int actions, int N, double seconds,
                           struct metrics_row *out)
{
    enum { STEPS = 16 };
    struct policy *p;
    struct screens s;
    struct timing t = {0};
    TRY(open_policy(net, actions, N, N, false, &p));
    const size_t floats = (size_t)N * (size_t)(policy_state_floats(p) + actions + 1);
    float *state = mem_new(floats, sizeof(float));
    float *logits = state + (size_t)N * (size_t)policy_state_floats(p);
    float *values = logits + (size_t)N * (size_t)actions;
    screens_make(&s, N * STEPS, actions);

    uint64_t start = clock_ns(clock_system()), cpu = clock_thread_cpu_ns();
    for (int step = 0; t.wall < seconds; step++) {
        const struct policy_input in = screens_from(&s, step % STEPS * N);
        if (step == STEPS) { // tables are built and caches warm: begin
            start = clock_ns(clock_system());
            cpu = clock_thread_cpu_ns();
            t.rows = 0;
        }
        policy_act(p, &in, N, state, logits, values);
        t.rows += N;
        t.wall = 1e-9 * (double)(clock_ns(clock_system()) - start);
    }
    t.cpu = 1e-9 * (double)(clock_thread_cpu_ns() - cpu);
    report(out, net, p, N, &t, 2 * products(p));
    mem_free(state);
    screens_release(&s);
    policy_free(p);
    return ST_OK;
}

enum status nn_bench_update(const char *net, int actions, int T, int B, double seconds,
                            struct metrics_row *out)
{
    struct policy *p;
    struct screens s;
    struct timing t = {0};
    const float *logits, *values;
    const size_t N = (size_t)T * (size_t)B;
    TRY(open_policy(net, actions, T * B, B, true, &p));
    float *state = mem_new((size_t)B * (size_t)policy_state_floats(p), sizeof(float));
    float *dlogits = mem_new(N * (size_t)actions, sizeof(float));
    float *dvalues = mem_new(N, sizeof(float));
    for (size_t i = 0; i < N * (size_t)actions; i++) {
        dlogits[i] = 1e-3f * (float)(i % 7);
    }
    for (size_t i = 0; i < N; i++) {
        dvalues[i] = 1e-3f * (float)(i % 5);
    }
    screens_make(&s, T * B, actions);
    const struct policy_input in = screens_from(&s, 0);

    uint64_t start = clock_ns(clock_system()), cpu = clock_thread_cpu_ns();
    for (int update = 0; t.wall < seconds; update++) {
        if (update == 1) {
            start = clock_ns(clock_system());
            cpu = clock_thread_cpu_ns();
            t.rows = 0;
        }
        params_zero_grads(policy_params(p));
        policy_weights_changed(p);
        policy_forward_seq(p, &in, T, B, state, s.starts, &logits, &values);
        policy_backward_seq(p, dlogits, dvalues);
        t.rows += (double)N;
        t.wall = 1e-9 * (double)(clock_ns(clock_system()) - start);
    }
    t.cpu = 1e-9 * (double)(clock_thread_cpu_ns() - cpu);
    // backward: once for the inputs' gradient, once for the weights'
    report(out, net, p, T * B, &t, 3 * 2 * products(p));
    mem_free(state);
    mem_free(dlogits);
    mem_free(dvalues);
    screens_release(&s);
    policy_free(p);
    return ST_OK;
}
