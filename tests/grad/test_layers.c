/* Each layer of common/nn alone: forward against naive double, every entry of every
 * gradient against central differences of it; the table convolutions against plain
 * ones. */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/nn/cellconv.h"
#include "common/nn/conv.h"
#include "common/nn/embed.h"
#include "common/nn/gru.h"
#include "common/nn/linear.h"
#include "common/nn/ngram.h"
#include "common/nn/policy.h"
#include "common/nn/tileconv.h"
#include "common/nn/tilefont.h"
#include "tests/support/harness.h"
#include "tests/support/naive.h"

enum { MOST = 40000 };

static float x[MOST], y[MOST], dx[MOST], dy[MOST], scratch[1 << 19];
static double wide_x[MOST], wide_y[MOST];

/* A layer's naive forward: wide_x and the double weights to wide_y. */
typedef void naive_layer(const struct naive *v);

static void fill(float *a, size_t count, uint64_t seed)
{
    struct rng rng;
    rng_init(&rng, seed);
    for (size_t i = 0; i < count; i++) {
        a[i] = rng_normal(&rng);
    }
}

static void fill_params(struct params *p)
{
    for (int i = 0; i < p->count; i++) {
        const struct param *d = &p->table[i];
        fill(d->w, (size_t)(d->rows * d->cols), 100 + (uint64_t)i);
        fill(d->g, (size_t)(d->rows * d->cols), 200 + (uint64_t)i); // is added to
    }
}

static double objective(const struct naive *v, naive_layer *layer, int outs)
{
    double sum = 0;
    layer(v);
    for (int i = 0; i < outs; i++) {
        sum += (double)dy[i] * wide_y[i];
    }
    return sum;
}

/* d objective / d *at by central differences. */
static double difference(double *at, const struct naive *v, naive_layer *layer,
                         int outs)
{
    const double was = *at, step = 1e-5;
    *at = was + step;
    const double up = objective(v, layer, outs);
    *at = was - step;
    const double down = objective(v, layer, outs);
    *at = was;
    return (up - down) / (2 * step);
}

static void assert_near(const char *what, int i, double got, double want)
{
    if (!(fabs(got - want) <= 2e-4 * (1 + fabs(want)))) {
        fail_msg("%s[%d] is %.7g, not %.7g", what, i, got, want);
    }
}

/* y, dx and the gradients stand as the layer left them; compares them all. ins = 0: the
 * layer gives no dx. */
static void assert_layer(struct params *p, naive_layer *layer, int ins, int outs)
{
    struct naive v;
    naive_copy(&v, p);
    for (int i = 0; i < MOST; i++) {
        wide_x[i] = (double)x[i];
    }
    layer(&v);
    for (int i = 0; i < outs; i++) {
        assert_near("y", i, (double)y[i], wide_y[i]);
    }
    for (int i = 0; i < ins; i++) {
        assert_near("dx", i, (double)dx[i], difference(&wide_x[i], &v, layer, outs));
    }
    for (int i = 0; i < p->count; i++) {
        const struct param *d = &p->table[i];
        const int size = d->rows * d->cols;
        float *before = mem_new((size_t)size, sizeof(float));
        fill(before, (size_t)size, 200 + (uint64_t)i);
        for (int j = 0; j < size; j++) {
            double *at = &v.w[d->w - p->weights + j];
            assert_near(d->name, j, (double)d->g[j] - (double)before[j],
                        difference(at, &v, layer, outs));
        }
        mem_free(before);
    }
    naive_release(&v);
}

static void naive_dense(const struct naive *v)
{
    naive_linear(wide_y, wide_x, naive_w(v, "w"), naive_w(v, "b"), 6, 5, 7);
}

static void the_dense_layer_and_its_gradients_are_right(void **state)
{
    struct params p = {0};
    const struct param *w = params_declare(&p, "w", 5, 7);
    const struct param *b = params_declare(&p, "b", 1, 5);
    (void)state;
    params_alloc(&p, true);
    fill_params(&p);
    linear_forward(y, x, w, b, 6);
    linear_backward(dx, dy, x, w, b, 6);
    assert_layer(&p, naive_dense, 6 * 7, 6 * 5);
    params_release(&p);
}

static void naive_dense_one_row(const struct naive *v)
{
    naive_linear(wide_y, wide_x, naive_w(v, "w"), naive_w(v, "b"), 1, 1, 7);
}

static void one_row_and_one_output_are_no_special_case(void **state)
{
    struct params p = {0};
    const struct param *w = params_declare(&p, "w", 1, 7);
    const struct param *b = params_declare(&p, "b", 1, 1);
    (void)state;
    params_alloc(&p, true);
    fill_params(&p);
    linear_forward(y, x, w, b, 1);
    linear_backward(dx, dy, x, w, b, 1);
    assert_layer(&p, naive_dense_one_row, 7, 1);
    linear_forward(y, x, w, b, 0); // and no row is nothing
    linear_backward(dx, dy, x, w, b, 0);
    params_release(&p);
}

static const struct conv_shape SHAPE = {.S = 7, .IN = 3, .K = 3, .STRIDE = 2, .OUT = 4};
static int images;

static void naive_convs(const struct naive *v)
{
    for (int n = 0; n < images; n++) {
        naive_conv(wide_y + n * 36, wide_x + n * 147, naive_w(v, "w"), naive_w(v, "b"),
                   7, 3, 3, 2, 4);
    }
}

static void the_convolution_and_its_gradients_are_right(void **state)
{
    struct params p = {0};
    const struct param *w = params_declare(&p, "w", 4, 27);
    const struct param *b = params_declare(&p, "b", 1, 4);
    (void)state;
    images = 3;
    params_alloc(&p, true);
    fill_params(&p);
    struct panels packed;
    panels_open(&packed, w->w, true, 4, 27);
    conv_forward(y, x, scratch, &SHAPE, &packed, b, images);
    conv_backward(dx, dy, x, scratch, &SHAPE, w, b, images);
    assert_layer(&p, naive_convs, images * 147, images * 36);
    params_release(&p);
}

/* 30 x 30 x 8: a chunk is one image. */
static void a_convolution_in_several_chunks_is_that_of_each_image(void **state)
{
    const struct conv_shape shape = {.S = 30, .IN = 8, .K = 5, .STRIDE = 1, .OUT = 3};
    enum { IN = 30 * 30 * 8, OUT = 26 * 26 * 3, N = 5 };
    struct params p = {0};
    const struct param *w = params_declare(&p, "w", 3, 200);
    const struct param *b = params_declare(&p, "b", 1, 3);
    float *once = mem_new(OUT, sizeof(float)), *donce = mem_new(IN, sizeof(float));
    (void)state;
    params_alloc(&p, true);
    fill_params(&p);
    assert_true(conv_scratch(&shape) <= sizeof scratch / sizeof scratch[0]);
    struct panels packed;
    panels_open(&packed, w->w, true, 3, 200);
    conv_forward(y, x, scratch, &shape, &packed, b, N);
    conv_backward(dx, dy, x, scratch, &shape, w, b, N);
    for (int n = 0; n < N; n++) {
        conv_forward(once, x + n * IN, scratch, &shape, &packed, b, 1);
        conv_backward(donce, dy + n * OUT, x + n * IN, scratch, &shape, w, b, 1);
        for (int i = 0; i < OUT; i++) {
            assert_near("y", i, (double)y[n * OUT + i], (double)once[i]);
        }
        for (int i = 0; i < IN; i++) {
            assert_near("dx", i, (double)dx[n * IN + i], (double)donce[i]);
        }
    }
    mem_free(once);
    mem_free(donce);
    params_release(&p);
}

enum { GT = 5, GB = 3, GIN = 4, GH = 6 };
static const uint8_t GSTARTS[GT * GB] = {1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0};
static double gstate[GB * GH];

static void naive_recurrence(const struct naive *v)
{
    naive_gru(wide_y, wide_x, gstate, GSTARTS, naive_w(v, "gru.wx"),
              naive_w(v, "gru.bx"), naive_w(v, "gru.wh"), naive_w(v, "gru.bh"), GT, GB,
              GIN, GH);
}

static void the_gru_and_its_gradients_are_right_over_starts(void **state)
{
    struct params p = {0};
    struct gru g;
    float state0[GB * GH];
    (void)state;
    gru_declare(&g, &p, GIN, GH);
    params_alloc(&p, true);
    gru_alloc(&g, GT * GB, GB, true);
    fill_params(&p);
    fill(state0, GB * GH, 3);
    for (int i = 0; i < GB * GH; i++) {
        gstate[i] = (double)state0[i];
    }
    gru_changed(&g);
    gru_forward(&g, y, x, state0, GSTARTS, GT, GB);
    gru_backward(&g, dx, dy, x, GSTARTS, GT, GB);
    assert_layer(&p, naive_recurrence, GT * GB * GIN, GT * GB * GH);
    gru_release(&g);
    params_release(&p);
}

static const uint8_t ROWS[4] = {2, 0, 2, 4};

static void naive_embedding(const struct naive *v)
{
    for (int i = 0; i < 4 * 3; i++) {
        wide_y[i] = naive_w(v, "w")[ROWS[i / 3] * 3 + i % 3];
    }
}

static void the_embedding_and_its_gradient_are_right(void **state)
{
    struct params p = {0};
    const struct param *w = params_declare(&p, "w", 5, 3);
    (void)state;
    params_alloc(&p, true);
    fill_params(&p);
    embed_forward(y, 3, ROWS, w, 4);
    embed_backward(dy, 3, ROWS, w, 4);
    assert_layer(&p, naive_embedding, 0, 4 * 3);
    params_release(&p);
}

static void the_caption_gradient_is_what_the_sum_says(void **state)
{
    const struct bytes text = bytes_text("You see here a key.");
    struct params p = {0};
    const struct param *w = params_declare(&p, "w", NGRAM_ROWS, NGRAM_DIM);
    uint16_t rows[NGRAM_MOST];
    (void)state;
    params_alloc(&p, true);
    fill(w->w, NGRAM_ROWS * NGRAM_DIM, 4);
    const int n = ngram_rows(rows, text);
    ngram_forward(y, text, w);
    ngram_backward(dy, text, w);
    double *g = mem_new(NGRAM_ROWS * NGRAM_DIM, sizeof *g);
    for (int i = 0; i < NGRAM_DIM; i++) {
        double sum = 0;
        for (int j = 0; j < n; j++) {
            sum += (double)w->w[rows[j] * NGRAM_DIM + i] / sqrt(n);
            g[rows[j] * NGRAM_DIM + i] += (double)dy[i] / sqrt(n);
        }
        assert_near("y", i, (double)y[i], sum);
    }
    for (int i = 0; i < NGRAM_ROWS * NGRAM_DIM; i++) {
        assert_near("w", i, (double)w->g[i], g[i]);
    }
    mem_free(g);
    params_release(&p);
}

enum { N = 6 };
static uint8_t chars[N * POLICY_CELLS], colors[N * POLICY_CELLS];

static void draw_screens(void)
{
    struct rng rng;
    rng_init(&rng, 8);
    for (int i = 0; i < N * POLICY_CELLS; i++) {
        const uint32_t g = rng_below(&rng, 2) == 0 ? 0 : rng_below(&rng, 50);
        chars[i] = (uint8_t)(' ' + g * 7 % 200);
        colors[i] = (uint8_t)(g % 32);
    }
}

static void the_cells_table_is_the_plain_convolution(void **state)
{
    static float seen[N * POLICY_CELLS * 16], dseen[N * POLICY_CELLS * 16];
    const struct conv_shape shape = {.S = 12, .IN = 16, .K = 3, .STRIDE = 2, .OUT = 32};
    enum { OUT = N * 25 * 32 };
    struct params p = {0};
    const struct cellconv_params of = {
        params_declare(&p, "chars", 256, 16), params_declare(&p, "colors", 32, 16),
        params_declare(&p, "w", 32, 144), params_declare(&p, "b", 1, 32)};
    const struct param *w = params_declare(&p, "plain.w", 32, 144);
    const struct param *b = params_declare(&p, "plain.b", 1, 32);
    static float dchars[256 * 16], dcolors[32 * 16];
    (void)state;
    params_alloc(&p, true);
    for (int i = 0; i < 4; i++) {
        fill(p.table[i].w, (size_t)(p.table[i].rows * p.table[i].cols),
             30 + (uint64_t)i);
    }
    memcpy(w->w, of.w->w, 32 * 144 * sizeof(float));
    memcpy(b->w, of.b->w, 32 * sizeof(float));
    draw_screens();
    for (int i = 0; i < N * POLICY_CELLS * 16; i++) {
        seen[i] = of.chars->w[chars[i / 16] * 16 + i % 16] +
                  of.colors->w[colors[i / 16] * 16 + i % 16];
    }
    struct cellconv *c = cellconv_new(&of, true);
    float *plain = mem_new(OUT, sizeof(float));
    cellconv_forward(c, y, chars, colors, N);
    struct panels packed;
    panels_open(&packed, w->w, true, 32, 144);
    panels_pack(&packed);
    conv_forward(plain, seen, scratch, &shape, &packed, b, N);
    for (int i = 0; i < OUT; i++) {
        assert_near("y", i, (double)y[i], (double)plain[i]);
    }
    cellconv_backward(c, dy, chars, colors, N);
    cellconv_contract(c);
    conv_backward(dseen, dy, seen, scratch, &shape, w, b, N);
    for (int i = 0; i < N * POLICY_CELLS * 16; i++) {
        dchars[chars[i / 16] * 16 + i % 16] += dseen[i];
        dcolors[colors[i / 16] * 16 + i % 16] += dseen[i];
    }
    for (int i = 0; i < 32 * 144; i++) {
        assert_near("w", i, (double)of.w->g[i], (double)w->g[i]);
    }
    for (int i = 0; i < 32; i++) {
        assert_near("b", i, (double)of.b->g[i], (double)b->g[i]);
    }
    for (int i = 0; i < 256 * 16; i++) {
        assert_near("chars", i, (double)of.chars->g[i], (double)dchars[i]);
    }
    for (int i = 0; i < 32 * 16; i++) {
        assert_near("colors", i, (double)of.colors->g[i], (double)dcolors[i]);
    }
    mem_free(plain);
    panels_release(&packed);
    cellconv_free(c);
    params_release(&p);
}

/* One row's 72 x 72 RGB pixels, channels last. */
static void paint(float *image, int n)
{
    for (int i = 0; i < POLICY_CELLS; i++) {
        float cover[TILEFONT_PIXELS], rgb[3];
        const uint8_t color = colors[n * POLICY_CELLS + i];
        tilefont_coverage(cover, chars[n * POLICY_CELLS + i]);
        tilefont_color(rgb, color & 15);
        for (int j = 0; j < TILEFONT_PIXELS; j++) {
            const int at = (i / 12 * 6 + j / 6) * 72 + i % 12 * 6 + j % 6;
            for (int k = 0; k < 3; k++) {
                image[at * 3 + k] = (color < 16 ? cover[j] : 1 - cover[j]) * rgb[k];
            }
        }
    }
}

static void the_tiles_table_is_the_plain_convolution(void **state)
{
    const struct conv_shape shape = {.S = 72, .IN = 3, .K = 8, .STRIDE = 4, .OUT = 32};
    enum { OUT = 289 * 32, IN = 72 * 72 * 3 };
    struct params p = {0};
    const struct param *tw = params_declare(&p, "w", 32, 192);
    const struct param *tb = params_declare(&p, "b", 1, 32);
    const struct param *w = params_declare(&p, "plain.w", 32, 192);
    const struct param *b = params_declare(&p, "plain.b", 1, 32);
    float *image = mem_new(IN, sizeof(float)), *plain = mem_new(OUT, sizeof(float));
    (void)state;
    params_alloc(&p, true);
    fill(tw->w, 32 * 192, 1);
    fill(tb->w, 32, 2);
    memcpy(w->w, tw->w, 32 * 192 * sizeof(float));
    memcpy(b->w, tb->w, 32 * sizeof(float));
    draw_screens();
    struct tileconv *c = tileconv_new(tw, tb, true);
    struct panels packed;
    panels_open(&packed, w->w, true, 32, 192);
    panels_pack(&packed);
    for (int n = 0; n < N; n++) {
        const size_t at = (size_t)n * POLICY_CELLS;
        paint(image, n);
        tileconv_forward(c, y, chars + at, colors + at, 1);
        conv_forward(plain, image, scratch, &shape, &packed, b, 1);
        for (int i = 0; i < OUT; i++) {
            assert_near("y", i, (double)y[i], (double)plain[i]);
        }
        tileconv_backward(c, dy, chars + at, colors + at, 1);
        conv_backward(NULL, dy, image, scratch, &shape, w, b, 1);
    }
    tileconv_contract(c);
    for (int i = 0; i < 32 * 192; i++) {
        assert_near("w", i, (double)tw->g[i], (double)w->g[i]);
    }
    for (int i = 0; i < 32; i++) {
        assert_near("b", i, (double)tb->g[i], (double)b->g[i]);
    }
    mem_free(image);
    mem_free(plain);
    panels_release(&packed);
    tileconv_free(c);
    params_release(&p);
}

/* Every number of rows and both forms, ours and BLAS's: 5 to 100 columns. */
static void a_packed_product_is_the_plain_one(void **state)
{
    (void)state;
    const int sizes[][2] = {{32, 7}, {96, 40}, {5, 9}, {64, 1}};
    for (int s = 0; s < 8; s++) {
        const int Ncols = sizes[s / 2][0], K = sizes[s / 2][1];
        struct panels packed;
        panels_open(&packed, dy, s % 2 == 0, Ncols, K);
        panels_pack(&packed);
        for (int M = 1; M <= 40; M += M < 14 ? 1 : 13) {
            for (int add = 0; add < 2; add++) {
                for (int i = 0; i < M * Ncols; i++) {
                    y[i] = 0.5f;
                }
                panels_mul(y, add, x, &packed, M);
                for (int i = 0; i < M * Ncols; i++) {
                    double want = add ? 0.5 : 0;
                    for (int k = 0; k < K; k++) {
                        const int at =
                            s % 2 == 0 ? i % Ncols * K + k : k * Ncols + i % Ncols;
                        want += (double)x[i / Ncols * K + k] * (double)dy[at];
                    }
                    assert_near("c", i, (double)y[i], want);
                }
            }
        }
        panels_release(&packed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_packed_product_is_the_plain_one),
        cmocka_unit_test(the_dense_layer_and_its_gradients_are_right),
        cmocka_unit_test(one_row_and_one_output_are_no_special_case),
        cmocka_unit_test(the_convolution_and_its_gradients_are_right),
        cmocka_unit_test(a_convolution_in_several_chunks_is_that_of_each_image),
        cmocka_unit_test(the_gru_and_its_gradients_are_right_over_starts),
        cmocka_unit_test(the_embedding_and_its_gradient_are_right),
        cmocka_unit_test(the_caption_gradient_is_what_the_sum_says),
        cmocka_unit_test(the_cells_table_is_the_plain_convolution),
        cmocka_unit_test(the_tiles_table_is_the_plain_convolution),
    };
    fill(x, MOST, 1);
    fill(dy, MOST, 2);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
