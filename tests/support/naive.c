#include "tests/support/naive.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/mem.h"
#include "common/nn/ngram.h"
#include "common/nn/scaling.h"
#include "common/nn/tilefont.h"

void naive_copy(struct naive *v, const struct params *p)
{
    v->p = p;
    v->w = mem_new(p->floats, sizeof(double));
    for (size_t i = 0; i < p->floats; i++) {
        v->w[i] = (double)p->weights[i];
    }
}

void naive_release(struct naive *v)
{
    mem_free(v->w);
}

const double *naive_w(const struct naive *v, const char *name)
{
    const struct param *d = params_find(v->p, name);
    CHECK(d != NULL);
    return v->w + (d->w - v->p->weights);
}

/* Eight sums side by side, for time; in double their order does not matter here. */
static double dot(const double *a, const double *b, int count)
{
    double sum[8] = {0}, total = 0;
    int i = 0;
    for (; i + 8 <= count; i += 8) {
        for (int j = 0; j < 8; j++) {
            sum[j] += a[i + j] * b[i + j];
        }
    }
    for (; i < count; i++) {
        total += a[i] * b[i];
    }
    for (int j = 0; j < 8; j++) {
        total += sum[j];
    }
    return total;
}

void naive_linear(double *y, const double *x, const double *w, const double *b, int N,
                  int OUT, int IN)
{
    for (int n = 0; n < N; n++) {
        for (int o = 0; o < OUT; o++) {
            y[n * OUT + o] = b[o] + dot(x + n * IN, w + o * IN, IN);
        }
    }
}

void naive_conv(double *y, const double *x, const double *w, const double *b, int S,
                int IN, int K, int STRIDE, int OUT)
{
    const int O = (S - K) / STRIDE + 1;
    for (int at = 0; at < O * O * OUT; at++) {
        const int o = at % OUT, ox = at / OUT % O, oy = at / OUT / O;
        double sum = b[o];
        for (int ky = 0; ky < K; ky++) {
            const int from = (oy * STRIDE + ky) * S + ox * STRIDE;
            sum += dot(x + from * IN, w + (o * K + ky) * K * IN, K * IN);
        }
        y[at] = sum;
    }
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

void naive_gru(double *h, const double *x, const double *state0, const uint8_t *starts,
               const double *wx, const double *bx, const double *wh, const double *bh,
               int T, int B, int IN, int H)
{
    double *p = mem_new((size_t)(6 * H), sizeof(double)), *q = p + 3 * H;
    double *before = mem_new((size_t)H, sizeof(double));
    for (int n = 0; n < T * B; n++) {
        const double *last = n < B ? state0 + n * H : h + (n - B) * H;
        for (int i = 0; i < H; i++) {
            before[i] = starts != NULL && starts[n] ? 0 : last[i];
        }
        naive_linear(p, x + n * IN, wx, bx, 1, 3 * H, IN);
        naive_linear(q, before, wh, bh, 1, 3 * H, H);
        for (int i = 0; i < H; i++) {
            const double r = sigmoid(p[i] + q[i]), z = sigmoid(p[H + i] + q[H + i]);
            const double c = tanh(p[2 * H + i] + r * q[2 * H + i]);
            h[n * H + i] = (1 - z) * c + z * before[i];
        }
    }
    mem_free(p);
    mem_free(before);
}

static void relu(double *x, int count)
{
    for (int i = 0; i < count; i++) {
        x[i] = x[i] > 0 ? x[i] : 0;
    }
}

/* x (208) of one row of `cells`. */
static void cells_row(double *x, const struct naive *v, const struct policy_input *in,
                      int n, int actions)
{
    static double screen[12 * 12 * 16], y1[800], y2[288];
    float stats[POLICY_STATS + SCALING_BITS];
    double wide[POLICY_STATS + SCALING_BITS];
    const double *chars = naive_w(v, "cells.chars"),
                 *colors = naive_w(v, "cells.colors");
    for (int c = 0; c < POLICY_CELLS; c++) {
        for (int i = 0; i < 16; i++) {
            screen[c * 16 + i] = chars[in->chars[n * POLICY_CELLS + c] * 16 + i] +
                                 colors[in->colors[n * POLICY_CELLS + c] * 16 + i];
        }
    }
    naive_conv(y1, screen, naive_w(v, "cells.conv1.w"), naive_w(v, "cells.conv1.b"), 12,
               16, 3, 2, 32);
    relu(y1, 800);
    naive_conv(y2, y1, naive_w(v, "cells.conv2.w"), naive_w(v, "cells.conv2.b"), 5, 32,
               3, 1, 32);
    relu(y2, 288);
    naive_linear(x, y2, naive_w(v, "cells.dense.w"), naive_w(v, "cells.dense.b"), 1,
                 128, 288);
    relu(x, 128);
    scaling_stats(stats, in->stats + n * POLICY_STATS);
    scaling_condition(stats + POLICY_STATS,
                      in->stats[n * POLICY_STATS + SCALING_CONDITION]);
    for (int i = 0; i < POLICY_STATS + SCALING_BITS; i++) {
        wide[i] = (double)stats[i];
    }
    naive_linear(x + 128, wide, naive_w(v, "cells.stats.w"),
                 naive_w(v, "cells.stats.b"), 1, 32, POLICY_STATS + SCALING_BITS);
    relu(x + 128, 32);
    uint16_t rows[NGRAM_MOST];
    const int grams = ngram_rows(rows, in->captions[in->caption[n]]);
    memset(x + 160, 0, 32 * sizeof(double));
    for (int g = 0; g < grams; g++) {
        for (int i = 0; i < 32; i++) {
            x[160 + i] +=
                naive_w(v, "cells.ngrams")[rows[g] * 32 + i] / sqrt((double)grams);
        }
    }
    const int prev =
        in->prev_action[n] == POLICY_NO_ACTION ? actions : in->prev_action[n];
    memcpy(x + 192, naive_w(v, "cells.action") + prev * 16, 16 * sizeof(double));
}

static void elu(double *x, int count)
{
    for (int i = 0; i < count; i++) {
        x[i] = x[i] > 0 ? x[i] : exp(x[i]) - 1;
    }
}

/* The 72x72 RGB image of one row, channels last. */
static void paint(double *image, const struct policy_input *in, int n)
{
    for (int c = 0; c < POLICY_CELLS; c++) {
        const uint8_t color = in->colors[n * POLICY_CELLS + c];
        float cover[TILEFONT_PIXELS], rgb[3];
        tilefont_coverage(cover, in->chars[n * POLICY_CELLS + c]);
        tilefont_color(rgb, color & 15);
        for (int i = 0; i < TILEFONT_PIXELS * 3; i++) {
            const int y = c / 12 * 6 + i / 18, x = c % 12 * 6 + i / 3 % 6;
            const double full = (double)cover[i / 3];
            image[(y * 72 + x) * 3 + i % 3] =
                (color & 16 ? 1 - full : full) * (double)rgb[i % 3];
        }
    }
}

/* dense, ELU, dense, ELU. */
static void head(double *y, const double *x, const struct naive *v, const char *name,
                 int IN)
{
    char key[4][32];
    double hidden[128];
    for (int i = 0; i < 4; i++) {
        snprintf(key[i], sizeof key[i], "tiles.%s%d.%s", name, 1 + i / 2,
                 i % 2 == 0 ? "w" : "b");
    }
    naive_linear(hidden, x, naive_w(v, key[0]), naive_w(v, key[1]), 1, 128, IN);
    elu(hidden, 128);
    naive_linear(y, hidden, naive_w(v, key[2]), naive_w(v, key[3]), 1, 128, 128);
    elu(y, 128);
}

/* x (795) of one row of `tiles`. */
static void tiles_row(double *x, const struct naive *v, const struct policy_input *in,
                      int n)
{
    static double image[72 * 72 * 3], y1[9248], y2[3136], y3[1152];
    const struct bytes caption = in->captions[in->caption[n]];
    float stats[POLICY_STATS];
    double message[256] = {0};
    paint(image, in, n);
    naive_conv(y1, image, naive_w(v, "tiles.conv1.w"), naive_w(v, "tiles.conv1.b"), 72,
               3, 8, 4, 32);
    elu(y1, 9248);
    naive_conv(y2, y1, naive_w(v, "tiles.conv2.w"), naive_w(v, "tiles.conv2.b"), 17, 32,
               4, 2, 64);
    elu(y2, 3136);
    naive_conv(y3, y2, naive_w(v, "tiles.conv3.w"), naive_w(v, "tiles.conv3.b"), 7, 64,
               3, 2, 128);
    elu(y3, 1152);
    naive_linear(x, y3, naive_w(v, "tiles.dense.w"), naive_w(v, "tiles.dense.b"), 1,
                 512, 1152);
    elu(x, 512);
    scaling_stats(stats, in->stats + n * POLICY_STATS);
    for (int i = 0; i < POLICY_STATS; i++) {
        x[640 + i] = (double)stats[i];
    }
    head(x + 512, x + 640, v, "stats", POLICY_STATS);
    for (size_t i = 0; i < caption.len && i < 255; i++) {
        message[i] = (double)((const uint8_t *)caption.data)[i] / 255;
    }
    head(x + 667, message, v, "message", 256);
}

double naive_policy(const struct naive *v, const char *net, int actions,
                    const struct policy_input *in, int T, int B, const float *state0,
                    const uint8_t *starts, const float *dlogits, const float *dvalues,
                    double *logits, double *values)
{
    const bool cells = strcmp(net, "cells") == 0;
    const int IN = cells ? 208 : 795, H = cells ? 128 : 512, F = cells ? H + IN : H;
    double *x = mem_new((size_t)(T * B * (IN + H)), sizeof(double)),
           *h = x + T * B * IN;
    double *state = mem_new((size_t)(B * H), sizeof(double));
    double *feat = mem_new((size_t)F, sizeof(double));
    double out[64], value, sum = 0;
    CHECK(cells || strcmp(net, "tiles") == 0);

    for (int i = 0; i < B * H; i++) {
        state[i] = (double)state0[i];
    }
    for (int n = 0; n < T * B; n++) {
        if (cells) {
            cells_row(x + n * IN, v, in, n, actions);
        } else {
            tiles_row(x + n * IN, v, in, n);
        }
    }
    naive_gru(h, x, state, starts, naive_w(v, "gru.wx"), naive_w(v, "gru.bx"),
              naive_w(v, "gru.wh"), naive_w(v, "gru.bh"), T, B, IN, H);
    for (int n = 0; n < T * B; n++) {
        memcpy(feat, h + n * H, (size_t)H * sizeof(double));
        if (cells) {
            memcpy(feat + H, x + n * IN, (size_t)IN * sizeof(double));
        }
        naive_linear(out, feat, naive_w(v, "policy.w"), naive_w(v, "policy.b"), 1,
                     actions, F);
        naive_linear(&value, feat, naive_w(v, "value.w"), naive_w(v, "value.b"), 1, 1,
                     F);
        for (int a = 0; a < actions; a++) {
            sum += (double)dlogits[n * actions + a] * out[a];
        }
        sum += (double)dvalues[n] * value;
        if (logits != NULL) {
            memcpy(logits + n * actions, out, (size_t)actions * sizeof(double));
            values[n] = value;
        }
    }
    mem_free(x);
    mem_free(state);
    mem_free(feat);
    return sum;
}
