/* What each stage of the two networks costs, in microseconds of CPU time per row: as an
 * actor runs it (32 rows, forward) and as a learner does (T 32, B 32, forward and
 * backward): the table in common/nn/README.md. One BLAS thread.
 * bench_nn_stages [seconds per figure] */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/rng.h"
#include "common/nn/act.h"
#include "common/nn/cellconv.h"
#include "common/nn/conv.h"
#include "common/nn/gru.h"
#include "common/nn/init.h"
#include "common/nn/linear.h"
#include "common/nn/mat.h"
#include "common/nn/ngram.h"
#include "common/nn/policy.h"
#include "common/nn/tileconv.h"

enum { T = 32, B = 32, ROWS = T * B, WIDE = 9248 };

static float *x, *y, *dx, *dy, *scratch;
static uint8_t *chars, *colors;
static double seconds = 0.2;

struct stage {
    const char *name;
    void (*forward)(const void *of, int N);
    void (*backward)(const void *of, int N);
    const void *of;
};

static double time_of(void (*f)(const void *, int), const void *of, int N)
{
    double rows = 0, spent = 0;
    f(of, N);
    const uint64_t start = clock_thread_cpu_ns();
    while (spent < seconds) {
        f(of, N);
        rows += N;
        spent = 1e-9 * (double)(clock_thread_cpu_ns() - start);
    }
    return 1e6 * spent / rows;
}

static void show(const struct stage *s)
{
    const double back = s->backward != NULL ? time_of(s->backward, s->of, ROWS) : 0;
    printf("| %-34s | %7.2f | %7.2f | %7.2f |\n", s->name,
           time_of(s->forward, s->of, 32), time_of(s->forward, s->of, ROWS), back);
}

struct dense {
    const struct param *w, *b;
    struct panels packed;
};

static void dense_forward(const void *of, int N)
{
    const struct dense *d = of;
    linear_forward_packed(y, x, &d->packed, d->b, N);
}

static void dense_backward(const void *of, int N)
{
    const struct dense *d = of;
    linear_backward(dx, dy, x, d->w, d->b, N);
}

static void show_dense(const char *name, int OUT, int IN)
{
    struct params p = {0};
    struct dense d = {.w = params_declare(&p, "w", OUT, IN),
                      .b = params_declare(&p, "b", 1, OUT)};
    params_alloc(&p, true);
    panels_open(&d.packed, d.w->w, true, OUT, IN);
    panels_pack(&d.packed);
    show(&(struct stage){name, dense_forward, dense_backward, &d});
    panels_release(&d.packed);
    params_release(&p);
}

struct conv {
    struct conv_shape shape;
    const struct param *w, *b;
    struct panels packed;
};

static void convolve_forward(const void *of, int N)
{
    const struct conv *c = of;
    conv_forward(y, x, scratch, &c->shape, &c->packed, c->b, N);
}

static void convolve_backward(const void *of, int N)
{
    const struct conv *c = of;
    const int O = conv_out(&c->shape);
    for (int n = 0; n < N; n += 32) { // the networks go in pieces, too
        conv_backward(dx, dy + (size_t)n * (size_t)(O * O * c->shape.OUT),
                      x + (size_t)n * (size_t)(c->shape.S * c->shape.S * c->shape.IN),
                      scratch, &c->shape, c->w, c->b, 32);
    }
}

static void show_conv(const char *name, const struct conv_shape *shape)
{
    struct params p = {0};
    const int IN = shape->K * shape->K * shape->IN;
    struct conv c = {.shape = *shape,
                     .w = params_declare(&p, "w", shape->OUT, IN),
                     .b = params_declare(&p, "b", 1, shape->OUT)};
    params_alloc(&p, true);
    panels_open(&c.packed, c.w->w, true, shape->OUT, IN);
    panels_pack(&c.packed);
    scratch = mem_new(conv_scratch(shape), sizeof(float));
    show(&(struct stage){name, convolve_forward, convolve_backward, &c});
    panels_release(&c.packed);
    mem_free(scratch);
    params_release(&p);
}

struct recurrent {
    struct gru *gru;
    float *state;
};

static void recur_forward(const void *of, int N)
{
    const struct recurrent *r = of;
    gru_forward(r->gru, y, x, r->state, NULL, N / B, B);
}

static void recur_backward(const void *of, int N)
{
    const struct recurrent *r = of;
    gru_backward(r->gru, dx, dy, x, NULL, N / B, B);
}

static void show_gru(const char *name, int IN, int H)
{
    struct params p = {0};
    struct gru g;
    struct rng rng;
    rng_init(&rng, 1);
    gru_declare(&g, &p, IN, H);
    params_alloc(&p, true);
    gru_alloc(&g, ROWS, B, true);
    gru_init(&g, &rng);
    gru_changed(&g);
    struct recurrent r = {&g, mem_new((size_t)(B * H), sizeof(float))};
    recur_forward(&r, ROWS);
    show(&(struct stage){name, recur_forward, recur_backward, &r});
    mem_free(r.state);
    gru_release(&g);
    params_release(&p);
}

static void cell_forward(const void *of, int N)
{
    cellconv_forward((struct cellconv *)(uintptr_t)of, y, chars, colors, N);
}

static void cell_backward(const void *of, int N)
{
    cellconv_backward((struct cellconv *)(uintptr_t)of, dy, chars, colors, N);
    cellconv_contract((struct cellconv *)(uintptr_t)of);
}

static void cell_rebuild(const void *of, int N)
{
    cellconv_changed((struct cellconv *)(uintptr_t)of);
    cell_forward(of, N);
}

static void tile_forward(const void *of, int N)
{
    tileconv_forward((struct tileconv *)(uintptr_t)of, y, chars, colors, N);
}

static void tile_backward(const void *of, int N)
{
    for (int n = 0; n < N; n += 16) { // one dy for all: it is as large as the cache
        tileconv_backward((struct tileconv *)(uintptr_t)of, dy,
                          chars + n * POLICY_CELLS, colors + n * POLICY_CELLS, 16);
    }
    tileconv_contract((struct tileconv *)(uintptr_t)of);
}

static void tile_rebuild(const void *of, int N)
{
    tileconv_changed((struct tileconv *)(uintptr_t)of);
    tile_forward(of, N);
}

static void activate_relu(const void *of, int N)
{
    act_relu(y, (size_t)N * (size_t) * (const int *)of);
}
static void activate_relu_backward(const void *of, int N)
{
    act_relu_backward(dy, y, (size_t)N * (size_t) * (const int *)of);
}
static void activate_elu(const void *of, int N)
{
    act_elu(y, (size_t)N * (size_t) * (const int *)of);
}
static void activate_elu_backward(const void *of, int N)
{
    act_elu_backward(dy, y, (size_t)N * (size_t) * (const int *)of);
}

static void show_cells(void)
{
    struct params p = {0};
    const struct cellconv_params of = {
        params_declare(&p, "chars", 256, 16), params_declare(&p, "colors", 32, 16),
        params_declare(&p, "w", 32, 144), params_declare(&p, "b", 1, 32)};
    params_alloc(&p, true);
    struct cellconv *c = cellconv_new(&of, true);
    puts("cells                                  act 32   forward  backward");
    show(&(struct stage){"conv 1 (table)", cell_forward, cell_backward, c});
    show(&(struct stage){"conv 1 and a new table", cell_rebuild, NULL, c});
    cellconv_free(c);
    params_release(&p);
    show(&(struct stage){"ReLU of 800", activate_relu, activate_relu_backward,
                         &(int){800}});
    show_conv("conv 2", &(struct conv_shape){5, 32, 3, 1, 32});
    show_dense("dense 288 -> 128", 128, 288);
    show_dense("stats 59 -> 32", 32, 59);
    show_gru("GRU 208 -> 128", 208, 128);
    show_dense("heads 336 -> 21", 21, 336);
}

static void show_tiles(void)
{
    struct params p = {0};
    const struct param *w = params_declare(&p, "w", 32, 192);
    const struct param *b = params_declare(&p, "b", 1, 32);
    params_alloc(&p, true);
    struct tileconv *c = tileconv_new(w, b, true);
    puts("tiles                                  act 32   forward  backward");
    show(&(struct stage){"conv 1 (table)", tile_forward, tile_backward, c});
    show(&(struct stage){"conv 1 and a new table", tile_rebuild, NULL, c});
    tileconv_free(c);
    params_release(&p);
    show(&(struct stage){"ELU of 9248", activate_elu, activate_elu_backward,
                         &(int){9248}});
    show_conv("conv 2", &(struct conv_shape){17, 32, 4, 2, 64});
    show_conv("conv 3", &(struct conv_shape){7, 64, 3, 2, 128});
    show_dense("dense 1152 -> 512", 512, 1152);
    show_dense("stats 27 -> 128", 128, 27);
    show_dense("stats 128 -> 128", 128, 128);
    show_gru("GRU 795 -> 512", 795, 512);
    show_dense("heads 512 -> 29", 29, 512);
}

int main(int argc, char **argv)
{
    struct rng rng;
    float **all[] = {&x, &y, &dx, &dy};
    rng_init(&rng, 1);
    seconds = argc > 1 ? atof(argv[1]) : seconds;
    mat_set_threads(1);
    for (int i = 0; i < 4; i++) {
        *all[i] = mem_new((size_t)ROWS * WIDE, sizeof(float));
        for (size_t j = 0; j < (size_t)ROWS * WIDE; j++) {
            (*all[i])[j] = rng_float(&rng) - 0.5f;
        }
    }
    chars = mem_new(ROWS, POLICY_CELLS);
    colors = mem_new(ROWS, POLICY_CELLS);
    for (size_t i = 0; i < (size_t)ROWS * POLICY_CELLS; i++) {
        const uint32_t g = rng_below(&rng, 3) == 0 ? rng_below(&rng, 40) : 0;
        chars[i] = (uint8_t)(' ' + g);
        colors[i] = (uint8_t)(7 + g % 8);
    }
    printf("%s\n", mat_core_name());
    show_cells();
    show_tiles();
    for (int i = 0; i < 4; i++) {
        mem_free(*all[i]);
    }
    mem_free(chars);
    mem_free(colors);
    return 0;
}
