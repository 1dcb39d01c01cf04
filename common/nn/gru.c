#include "common/nn/gru.h"

#include <math.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/nn/act.h"
#include "common/nn/init.h"
#include "common/nn/linear.h"

void gru_declare(struct gru *g, struct params *p, int IN, int H)
{
    *g = (struct gru){.IN = IN, .H = H};
    g->wx = params_declare(p, "gru.wx", 3 * H, IN);
    g->bx = params_declare(p, "gru.bx", 1, 3 * H);
    g->wh = params_declare(p, "gru.wh", 3 * H, H);
    g->bh = params_declare(p, "gru.bh", 1, 3 * H);
}

void gru_alloc(struct gru *g, int max_rows, int max_sequences, bool train)
{
    const size_t rows = (size_t)max_rows, B = (size_t)max_sequences, H = (size_t)g->H;
    g->px = mem_new(rows * 3 * H, sizeof(float));
    g->gates = mem_new(rows * 4 * H, sizeof(float));
    g->before = mem_new(rows * H, sizeof(float));
    g->ph = mem_new(B * 3 * H, sizeof(float));
    if (train) {
        g->dph = mem_new(rows * 3 * H, sizeof(float));
        g->carry = mem_new(B * H, sizeof(float));
        panels_open(&g->h_nn, g->wh->w, false, g->H, 3 * g->H);
    }
    panels_open(&g->x_nt, g->wx->w, true, 3 * g->H, g->IN);
    panels_open(&g->h_nt, g->wh->w, true, 3 * g->H, g->H);
}

void gru_changed(struct gru *g)
{
    panels_pack(&g->x_nt);
    panels_pack(&g->h_nt);
    panels_pack(&g->h_nn);
}

void gru_release(struct gru *g)
{
    mem_free(g->px);
    mem_free(g->gates);
    mem_free(g->before);
    mem_free(g->ph);
    mem_free(g->dph);
    mem_free(g->carry);
    panels_release(&g->x_nt);
    panels_release(&g->h_nt);
    panels_release(&g->h_nn);
    *g = (struct gru){0};
}

void gru_init(struct gru *g, struct rng *rng)
{
    const double bound = 1.0 / sqrt((double)g->H);
    init_uniform(g->wx, bound, rng);
    init_uniform(g->bx, bound, rng);
    init_uniform(g->wh, bound, rng);
    init_uniform(g->bh, bound, rng);
}

/* One row of the cell. px, ph (3H)   gates (4H)   before, h (H) */
static void cell_forward(float *restrict h, float *restrict gates,
                         const float *restrict px, const float *restrict ph,
                         const float *restrict before, int H)
{
    for (int i = 0; i < H; i++) {
        const float un = ph[2 * H + i];
        const float r = act_sigmoid(px[i] + ph[i]);
        const float z = act_sigmoid(px[H + i] + ph[H + i]);
        const float n = act_tanh(px[2 * H + i] + r * un);
        gates[i] = r;
        gates[H + i] = z;
        gates[2 * H + i] = n;
        gates[3 * H + i] = un;
        h[i] = (1.0f - z) * n + z * before[i];
    }
}

void gru_forward(struct gru *g, float *h, const float *x, const float *state0,
                 const uint8_t *starts, int T, int B)
{
    const size_t H = (size_t)g->H;
    const float *last = state0;

    // The inputs' product needs no state: one product of all T*B rows.
    linear_forward_packed(g->px, x, &g->x_nt, g->bx, T * B);
    for (int t = 0; t < T; t++) {
        const size_t row = (size_t)t * (size_t)B;
        float *before = g->before + row * H;
        memcpy(before, last, (size_t)B * H * sizeof(float));
        for (int b = 0; starts != NULL && b < B; b++) {
            if (starts[row + (size_t)b]) {
                memset(before + (size_t)b * H, 0, H * sizeof(float));
            }
        }
        linear_forward_packed(g->ph, before, &g->h_nt, g->bh, B);
        for (size_t b = 0; b < (size_t)B; b++) {
            cell_forward(h + (row + b) * H, g->gates + (row + b) * 4 * H,
                         g->px + (row + b) * 3 * H, g->ph + b * 3 * H, before + b * H,
                         g->H);
        }
        last = h + row * H;
    }
}

/* One row, with dh = the whole gradient of h'. dpx replaces px; dph (3H); carry (H) gets
 * the part of dh that flows to the state directly, z dh. */
static void cell_backward(float *restrict dpx, float *restrict dph,
                          float *restrict carry, const float *restrict dh,
                          const float *restrict gates, const float *restrict before,
                          int H)
{
    for (int i = 0; i < H; i++) {
        const float r = gates[i], z = gates[H + i], n = gates[2 * H + i];
        const float d = dh[i] + carry[i];
        const float dn = d * (1.0f - z) * (1.0f - n * n);
        const float dz = d * (before[i] - n) * z * (1.0f - z);
        const float dr = dn * gates[3 * H + i] * r * (1.0f - r);
        dpx[i] = dr;
        dpx[H + i] = dz;
        dpx[2 * H + i] = dn;
        dph[i] = dr;
        dph[H + i] = dz;
        dph[2 * H + i] = dn * r;
        carry[i] = d * z;
    }
}

void gru_backward(struct gru *g, float *dx, const float *dh, const float *x,
                  const uint8_t *starts, int T, int B)
{
    const size_t H = (size_t)g->H;
    float *dpx = g->px; // px is not needed any more

    memset(g->carry, 0, (size_t)B * H * sizeof(float));
    for (int t = T - 1; t >= 0; t--) {
        const size_t row = (size_t)t * (size_t)B;
        for (size_t b = 0; b < (size_t)B; b++) {
            const size_t n = row + b;
            cell_backward(dpx + n * 3 * H, g->dph + n * 3 * H, g->carry + b * H,
                          dh + n * H, g->gates + n * 4 * H, g->before + n * H, g->H);
        }
        if (t == 0) {
            break; // state0 is a constant
        }
        panels_mul(g->carry, 1, g->dph + row * 3 * H, &g->h_nn, B);
        for (size_t b = 0; starts != NULL && b < (size_t)B; b++) {
            if (starts[row + b]) {
                memset(g->carry + b * H, 0, H * sizeof(float));
            }
        }
    }
    linear_backward(dx, dpx, x, g->wx, g->bx, T * B);
    linear_backward(NULL, g->dph, g->before, g->wh, g->bh, T * B);
}
