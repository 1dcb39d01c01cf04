#include "common/nn/textcnn.h"

#include <math.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/mem.h"
#include "common/nn/act.h"
#include "common/nn/bytetable.h"
#include "common/nn/init.h"
#include "common/nn/linear.h"
#include "common/nn/mat.h"
#include "common/nn/vec.h"

enum {
    CH = BYTETABLE_CH, // channels of every layer
    STAGES = 6,
    FEATURES = TEXTCNN_WIDTH / CH, // places of the last pool
    K_MOST = 7,
    CHUNK = 32, // texts that go through all layers while their rows are in the cache
    WINDOWS_MOST = 77 * CHUNK,
    BLOCK = 192 // windows of one product, likewise
};

/* A convolution and what follows it. rows, pooled: its outputs over all 256 bytes before
 * and after the pool; without one pooled is 0. */
struct shape {
    int K, rows, pooled;
};

static const struct shape SHAPE[STAGES] = {
    {7, 250, 83}, {7, 77, 25}, {3, 23, 0}, {3, 21, 0}, {3, 19, 0}, {3, 17, FEATURES}};

static const char *const NAMES[STAGES][2] = {
    {"conv1.w", "conv1.b"}, {"conv2.w", "conv2.b"}, {"conv3.w", "conv3.b"},
    {"conv4.w", "conv4.b"}, {"conv5.w", "conv5.b"}, {"conv6.w", "conv6.b"}};

/* What stage s reads (s > 0; the first reads bytes). The texts lie one after another,
 * each with the rows that it reaches and then K - 1 rows of constants, so that every
 * window is one piece. */
struct stage {
    const struct param *w, *b; // w (64, K * 64); of the first (7 * 64, 32)
    struct panels packed, back;
    float *x;        // (., 64)
    float *dx;       // of one chunk
    uint8_t *choice; // (texts, pooled, 64) which of its 3 the pool took
    // of windows that touch no text: what they give before and after the ReLU
    float before[CH], after[CH], dbefore[CH], dafter[CH];
};

/* How far a text reaches: for each stage the outputs of the convolution that touch it,
 * the same after the pool, and the first row of the text in the stage's x. */
struct reach {
    int conv[STAGES], out[STAGES];
    size_t at[STAGES];
};

struct textcnn {
    int most;
    bool train;
    bool stale, back_stale; // what is derived from the weights is older than they
    const struct param *embed;
    struct bytetable *bytes; // the first convolution
    struct stage stage[STAGES];
    struct reach *reach; // (most)
    float *y;            // (WINDOWS_MOST, 64) of one stage and chunk, before the ReLU
    float *cols;         // (BLOCK, 7 * 64)
    size_t *window;      // (WINDOWS_MOST) its first row in x
    const struct bytes *text; // of the last forward
    int N;
};

static int least(int a, int b)
{
    return a < b ? a : b;
}

static int length(struct bytes text)
{
    return text.len < TEXTCNN_BYTES ? (int)text.len : TEXTCNN_BYTES;
}

struct textcnn *textcnn_new(struct params *p)
{
    struct textcnn *t = mem_new(1, sizeof *t);
    t->embed = params_declare(p, "embed.w", 256, BYTETABLE_EMBED);
    for (int s = 0; s < STAGES; s++) {
        struct stage *g = &t->stage[s];
        g->w = s == 0 ? params_declare(p, NAMES[s][0], K_MOST * CH, BYTETABLE_EMBED)
                      : params_declare(p, NAMES[s][0], CH, SHAPE[s].K * CH);
        g->b = params_declare(p, NAMES[s][1], 1, CH);
    }
    return t;
}

/* Rows of one text that fills all 256 bytes, with the constants behind it. */
static size_t rows_most(int s)
{
    const int out = SHAPE[s - 1].pooled > 0 ? SHAPE[s - 1].pooled : SHAPE[s - 1].rows;
    return (size_t)(out + SHAPE[s].K - 1);
}

void textcnn_alloc(struct textcnn *t, int most, bool train)
{
    const size_t held = (size_t)(train ? most : least(most, CHUNK));

    t->most = most;
    t->train = train;
    t->bytes = bytetable_new(t->embed, t->stage[0].w, t->stage[0].b, train);
    for (int s = 0; s < STAGES; s++) {
        struct stage *g = &t->stage[s];
        if (s > 0) {
            const int row = SHAPE[s].K * CH;
            panels_open(&g->packed, g->w->w, true, CH, row);
            g->x = mem_new(held * rows_most(s) * CH, sizeof(float));
            if (train) {
                panels_open(&g->back, g->w->w, false, row, CH);
                g->dx = mem_new(CHUNK * rows_most(s) * CH, sizeof(float));
            }
        }
        if (train && SHAPE[s].pooled > 0) {
            g->choice = mem_new(held * (size_t)SHAPE[s].pooled, CH);
        }
    }
    t->reach = mem_new((size_t)most, sizeof *t->reach);
    t->y = mem_new((size_t)WINDOWS_MOST * CH, sizeof(float));
    t->cols = mem_new((size_t)BLOCK * K_MOST * CH, sizeof(float));
    t->window = mem_new(WINDOWS_MOST, sizeof *t->window);
    textcnn_changed(t);
}

void textcnn_free(struct textcnn *t)
{
    if (t == NULL) {
        return;
    }
    bytetable_free(t->bytes);
    for (int s = 0; s < STAGES; s++) {
        struct stage *g = &t->stage[s];
        panels_release(&g->packed);
        panels_release(&g->back);
        mem_free(g->x);
        mem_free(g->dx);
        mem_free(g->choice);
    }
    mem_free(t->reach);
    mem_free(t->y);
    mem_free(t->cols);
    mem_free(t->window);
    mem_free(t);
}

void textcnn_init(struct textcnn *t, struct rng *rng)
{
    init_normal(t->embed, 1.0, rng);
    memset(t->embed->w, 0, BYTETABLE_EMBED * sizeof(float));
    for (int s = 0; s < STAGES; s++) {
        const int channels = s == 0 ? BYTETABLE_EMBED : CH;
        const double bound = 1 / sqrt(SHAPE[s].K * channels);
        init_uniform(t->stage[s].w, bound, rng);
        init_uniform(t->stage[s].b, bound, rng);
    }
    textcnn_changed(t);
}

void textcnn_changed(struct textcnn *t)
{
    t->stale = t->back_stale = true;
}

/* Packings, and the constants from the first layer to the last. */
static void refresh(struct textcnn *t)
{
    if (!t->stale) {
        return;
    }
    t->stale = false;
    bytetable_changed(t->bytes);
    for (int s = 0; s < STAGES; s++) {
        struct stage *g = &t->stage[s];
        if (s == 0) {
            memcpy(g->before, g->b->w, sizeof g->before);
        } else {
            panels_pack(&g->packed);
            for (int k = 0; k < SHAPE[s].K; k++) {
                memcpy(t->cols + (size_t)k * CH, t->stage[s - 1].after,
                       CH * sizeof(float));
            }
            linear_forward_packed(g->before, t->cols, &g->packed, g->b, 1);
        }
        memcpy(g->after, g->before, sizeof g->after);
        act_relu(g->after, CH);
    }
}

static void refresh_back(struct textcnn *t)
{
    for (int s = 1; t->back_stale && s < STAGES; s++) {
        panels_pack(&t->stage[s].back);
    }
    t->back_stale = false;
}

/* Where M texts lie; the levels of `first` begin behind those of the text before it,
 * which are kept when training. */
static void plan(struct textcnn *t, int first, int M)
{
    size_t at[STAGES] = {0};

    if (t->train && first > 0) {
        const struct reach *r = &t->reach[first - 1];
        for (int s = 1; s < STAGES; s++) {
            at[s] = r->at[s] + (size_t)(r->out[s - 1] + SHAPE[s].K - 1);
        }
    }
    for (int n = first; n < first + M; n++) {
        struct reach *r = &t->reach[n];
        int rows = length(t->text[n]);
        for (int s = 0; s < STAGES; s++) {
            r->at[s] = at[s];
            at[s] += s > 0 ? (size_t)(rows + SHAPE[s].K - 1) : 0;
            r->conv[s] = least(rows, SHAPE[s].rows);
            r->out[s] = SHAPE[s].pooled > 0
                            ? least(SHAPE[s].pooled, (r->conv[s] + 2) / 3)
                            : r->conv[s];
            rows = r->out[s];
        }
    }
}

/* The windows of stage s in M texts, in their order. */
static int find_windows(struct textcnn *t, int s, int first, int M)
{
    int R = 0;
    for (int n = first; n < first + M; n++) {
        for (int i = 0; i < t->reach[n].conv[s]; i++) {
            t->window[R++] = t->reach[n].at[s] + (size_t)i;
        }
    }
    return R;
}

/* cols (R, K * 64) of the windows from `from`. */
static void unfold(struct textcnn *t, int s, int from, int R)
{
    const size_t row = (size_t)(SHAPE[s].K * CH);
    for (int r = 0; r < R; r++) {
        memcpy(t->cols + (size_t)r * row, t->stage[s].x + t->window[from + r] * CH,
               row * sizeof(float));
    }
}

/* The larger of two, and which; a NaN is larger than all. */
static inline float larger(float a, float b, uint8_t at, uint8_t *choice)
{
    const bool second = b > a || b != b;
    *choice = second ? at : *choice;
    return second ? b : a;
}

/* x (V,64) = ReLU of the largest of each three rows of y (C,64), what is missing at the
 * end being `rest`. */
static void pool(float *restrict x, uint8_t *restrict choice, const float *y, int C,
                 int V, const float *rest)
{
    uint8_t unused[CH];
    for (int v = 0; v < V; v++) {
        const float *a = y + (size_t)(3 * v) * CH;
        const float *b = 3 * v + 1 < C ? a + CH : rest;
        const float *c = 3 * v + 2 < C ? a + 2 * CH : rest;
        float *to = x + (size_t)v * CH;
        uint8_t *which = choice != NULL ? choice + (size_t)v * CH : unused;
        for (int o = 0; o < CH; o++) {
            uint8_t i = 0;
            float most = larger(a[o], b[o], 1, &i);
            most = larger(most, c[o], 2, &i);
            to[o] = most < 0.0f ? 0.0f : most;
            which[o] = i;
        }
    }
}

/* Rows of constants behind the V outputs of stage s for a text. */
static int constants_behind(int s, int V)
{
    return s + 1 < STAGES ? SHAPE[s + 1].K - 1 : FEATURES - V;
}

/* What the pool of stage s took in text n; NULL unless training. */
static uint8_t *choices(const struct textcnn *t, int s, int n)
{
    const size_t row = (size_t)SHAPE[s].pooled * CH;
    return t->train ? t->stage[s].choice + (size_t)n * row : NULL;
}

/* y (C,64) of text n through pool and ReLU to the next stage. */
static void put_outputs(struct textcnn *t, int s, int n, const float *y,
                        float *features)
{
    const struct stage *g = &t->stage[s], *next = g + 1;
    const int C = t->reach[n].conv[s], V = t->reach[n].out[s];
    float *x = s + 1 < STAGES ? next->x + t->reach[n].at[s + 1] * CH
                              : features + (size_t)n * TEXTCNN_WIDTH;

    if (SHAPE[s].pooled > 0) {
        pool(x, choices(t, s, n), y, C, V, g->before);
    } else {
        memcpy(x, y, (size_t)C * CH * sizeof(float));
        act_relu(x, (size_t)C * CH);
    }
    for (int r = 0; r < constants_behind(s, V); r++) {
        memcpy(x + (size_t)(V + r) * CH, g->after, sizeof g->after);
    }
}

static void forward_bytes(struct textcnn *t, int first, int M, float *features)
{
    for (int n = first; n < first + M; n++) {
        bytetable_forward(t->bytes, t->y, t->text[n].data, length(t->text[n]),
                          t->reach[n].conv[0]);
        put_outputs(t, 0, n, t->y, features);
    }
}

static void forward_stage(struct textcnn *t, int s, int first, int M, float *features)
{
    const struct stage *g = &t->stage[s];
    const int R = find_windows(t, s, first, M);
    const float *y = t->y;

    for (int r = 0; r < R; r += BLOCK) {
        const int m = least(R - r, BLOCK);
        unfold(t, s, r, m);
        linear_forward_packed(t->y + (size_t)r * CH, t->cols, &g->packed, g->b, m);
    }
    for (int n = first; n < first + M; n++) {
        put_outputs(t, s, n, y, features);
        y += (size_t)t->reach[n].conv[s] * CH;
    }
}

void textcnn_forward(struct textcnn *t, float *x, const struct bytes *text, int N)
{
    CHECK(N <= t->most);
    t->text = text;
    t->N = N;
    refresh(t);
    for (int n = 0; n < N; n += CHUNK) {
        const int M = least(N - n, CHUNK);
        plan(t, n, M);
        forward_bytes(t, n, M, x);
        for (int s = 1; s < STAGES; s++) {
            forward_stage(t, s, n, M, x);
        }
    }
}

/* dy (C,64) of a pool: the gradient dx of each of its x (V,64) goes to the row that was
 * taken; what went to `rest` is added to drest. */
static void unpool(float *restrict dy, float *drest, const float *dx, const float *x,
                   const uint8_t *choice, int C, int V)
{
    float unused[CH] = {0};
    for (int v = 0; v < V; v++) {
        for (int j = 0; j < 3; j++) {
            const size_t at = (size_t)v * CH;
            float *to = 3 * v + j < C ? dy + (size_t)(3 * v + j) * CH : unused;
            for (int o = 0; o < CH; o++) {
                const bool taken = choice[at + o] == j && x[at + o] > 0.0f;
                to[o] = taken ? dx[at + o] : 0.0f;
            }
            for (int o = 0; to == unused && o < CH; o++) {
                drest[o] += unused[o];
            }
        }
    }
    for (int c = 3 * V; c < C; c++) { // the convolution's last, which no pool reads
        memset(dy + (size_t)c * CH, 0, CH * sizeof(float));
    }
}

/* dy (C,64) of text n, from the gradients of what stage s gave to the next. */
static void get_gradients(struct textcnn *t, int s, int n, int first, float *dy,
                          const float *features, const float *dfeatures)
{
    struct stage *g = &t->stage[s], *next = g + 1;
    const int C = t->reach[n].conv[s], V = t->reach[n].out[s];
    const float *x = features + (size_t)n * TEXTCNN_WIDTH;
    const float *dx = dfeatures + (size_t)n * TEXTCNN_WIDTH;

    if (s + 1 < STAGES) {
        const size_t at = t->reach[n].at[s + 1], from = t->reach[first].at[s + 1];
        x = next->x + at * CH;
        dx = next->dx + (at - from) * CH;
    }
    for (int r = 0; r < constants_behind(s, V); r++) {
        vec_add(g->dafter, vec_get(dx + (size_t)(V + r) * CH));
        vec_add(g->dafter + 32, vec_get(dx + (size_t)(V + r) * CH + 32));
    }
    if (SHAPE[s].pooled > 0) {
        unpool(dy, g->dbefore, dx, x, choices(t, s, n), C, V);
    } else {
        memcpy(dy, dx, (size_t)C * CH * sizeof(float));
        act_relu_backward(dy, x, (size_t)C * CH);
    }
}

static void backward_stage(struct textcnn *t, int s, int first, int M, const float *x,
                           const float *dx)
{
    struct stage *g = &t->stage[s];
    const size_t row = (size_t)(SHAPE[s].K * CH), from = t->reach[first].at[s];
    const struct reach *last = &t->reach[first + M - 1];
    const int R = find_windows(t, s, first, M);
    float *dy = t->y;

    for (int n = first; n < first + M; n++) {
        get_gradients(t, s, n, first, dy, x, dx);
        dy += (size_t)t->reach[n].conv[s] * CH;
    }
    linear_backward_bias(g->b, t->y, R);
    const size_t rows =
        last->at[s] + (size_t)(last->out[s - 1] + SHAPE[s].K - 1) - from;
    memset(g->dx, 0, rows * CH * sizeof(float));
    for (int r = 0; r < R; r += BLOCK) {
        const int m = least(R - r, BLOCK);
        const float *d = t->y + (size_t)r * CH;
        unfold(t, s, r, m);
        mat_tn(g->w->g, 1, d, t->cols, CH, (int)row, m);
        panels_mul(t->cols, 0, d, &g->back, m);
        for (int i = 0; i < m; i++) {
            float *to = g->dx + (t->window[r + i] - from) * CH;
            for (size_t k = 0; k < row; k++) {
                to[k] += t->cols[(size_t)i * row + k];
            }
        }
    }
}

static void backward_bytes(struct textcnn *t, int first, int M, const float *x,
                           const float *dx)
{
    for (int n = first; n < first + M; n++) {
        const int C = t->reach[n].conv[0];
        get_gradients(t, 0, n, first, t->y, x, dx);
        linear_backward_bias(t->stage[0].b, t->y, C);
        bytetable_backward(t->bytes, t->y, t->text[n].data, length(t->text[n]), C);
    }
}

/* The windows that touch no text: one row for all of them, from the last layer to the
 * first. */
static void backward_constants(struct textcnn *t)
{
    for (int s = STAGES - 1; s >= 0; s--) {
        struct stage *g = &t->stage[s];
        for (int o = 0; o < CH; o++) {
            const float d = g->dbefore[o] + (g->after[o] > 0.0f ? g->dafter[o] : 0.0f);
            g->b->g[o] += d;
            for (int k = 0; s > 0 && k < SHAPE[s].K; k++) {
                const size_t at = (size_t)(o * SHAPE[s].K + k) * CH;
                struct stage *below = &t->stage[s - 1];
                for (size_t i = 0; i < CH; i++) {
                    g->w->g[at + i] += d * below->after[i];
                    below->dafter[i] += d * g->w->w[at + i];
                }
            }
        }
    }
}

void textcnn_backward(struct textcnn *t, const float *dx, const float *x)
{
    CHECK(t->train);
    refresh_back(t);
    for (int s = 0; s < STAGES; s++) {
        memset(t->stage[s].dbefore, 0, CH * sizeof(float));
        memset(t->stage[s].dafter, 0, CH * sizeof(float));
    }
    for (int n = 0; n < t->N; n += CHUNK) {
        const int M = least(t->N - n, CHUNK);
        for (int s = STAGES - 1; s > 0; s--) {
            backward_stage(t, s, n, M, x, dx);
        }
        backward_bytes(t, n, M, x, dx);
    }
    backward_constants(t);
    bytetable_contract(t->bytes);
}
