#include "common/nn/cellconv.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/nn/glyphs.h"
#include "common/nn/policy.h"
#include "common/nn/vec.h"

enum {
    K = 3,
    KK = K * K,
    STRIDE = 2,
    O = CELLCONV_OUT,
    CH = CELLCONV_CH,
    E = CELLCONV_EMBED,
    SEEN = (O - 1) * STRIDE + K, // 11 of the 12 rows and columns
    ROW = KK * CH,               // floats of one glyph's table
};

struct cellconv {
    struct cellconv_params p;
    struct glyphs glyphs, dglyphs;
    float *table;           // (GLYPHS_SLOTS, 9, 32)
    float *dtable;          // same, zero beyond dglyphs.used; NULL unless training
    float wt[KK * E * CH];  // W as (9,16,32): the inner loops run over outputs
    float dwt[KK * E * CH]; // its gradient, during one backward
    uint16_t slot[POLICY_CELLS];
};

struct cellconv *cellconv_new(const struct cellconv_params *p, bool train)
{
    struct cellconv *c = mem_new(1, sizeof *c);
    c->p = *p;
    c->table = mem_new((size_t)GLYPHS_SLOTS * ROW, sizeof(float));
    if (train) {
        c->dtable = mem_new((size_t)GLYPHS_SLOTS * ROW, sizeof(float));
    }
    glyphs_clear(&c->dglyphs);
    cellconv_changed(c);
    return c;
}

void cellconv_free(struct cellconv *c)
{
    if (c != NULL) {
        mem_free(c->table);
        mem_free(c->dtable);
        mem_free(c);
    }
}

void cellconv_changed(struct cellconv *c)
{
    glyphs_clear(&c->glyphs);
    for (int o = 0; o < CH; o++) {
        for (int i = 0; i < KK * E; i++) {
            c->wt[i * CH + o] = c->p.w->w[o * KK * E + i];
        }
    }
}

/* e (16) of a glyph. */
static void embed(float e[E], const struct cellconv *c, uint16_t glyph)
{
    const float *a = c->p.chars->w + (size_t)(glyph & 255u) * E;
    const float *b = c->p.colors->w + (size_t)(glyph >> 8) * E;
    for (int i = 0; i < E; i++) {
        e[i] = a[i] + b[i];
    }
}

static void build_row(struct cellconv *c, int slot)
{
    float e[E];
    float *row = c->table + (size_t)slot * ROW;
    embed(e, c, c->glyphs.glyph_of[slot]);
    for (int k = 0; k < KK; k++) {
        struct vec32 sum = vec_zero();
        for (int i = 0; i < E; i++) {
            sum = vec_fma(sum, vec_get(c->wt + (k * E + i) * CH), e[i]);
        }
        vec_put(row + k * CH, sum);
    }
}

/* Fills c->slot for the cells of one crop that are seen. */
static void find_slots(struct cellconv *c, struct glyphs *g, const uint8_t *chars,
                       const uint8_t *colors)
{
    for (int y = 0; y < SEEN; y++) {
        for (int x = 0; x < SEEN; x++) {
            const int i = y * POLICY_CROP + x;
            c->slot[i] = (uint16_t)glyphs_slot(g, glyphs_key(chars[i], colors[i]));
        }
    }
}

void cellconv_forward(struct cellconv *c, float *y, const uint8_t *chars,
                      const uint8_t *colors, int N)
{
    const struct vec32 b = vec_get(c->p.b->w);
    for (int n = 0; n < N; n++) {
        if (!glyphs_have_room(&c->glyphs, SEEN * SEEN)) {
            glyphs_clear(&c->glyphs); // begin again: what is in use comes back
        }
        const int known = c->glyphs.used;
        find_slots(c, &c->glyphs, chars + (size_t)n * POLICY_CELLS,
                   colors + (size_t)n * POLICY_CELLS);
        for (int s = known; s < c->glyphs.used; s++) {
            build_row(c, s);
        }
        for (int oy = 0; oy < O; oy++) {
            for (int ox = 0; ox < O; ox++) {
                const uint16_t *at = c->slot + oy * STRIDE * POLICY_CROP + ox * STRIDE;
                struct vec32 sum = b;
                for (int k = 0; k < KK; k++) {
                    const float *row = c->table + k * CH +
                                       (size_t)at[k / K * POLICY_CROP + k % K] * ROW;
                    sum = vec_sum(sum, vec_get(row));
                }
                vec_put(y, sum);
                y += CH;
            }
        }
    }
}

/* One glyph's dtable row into dwt and the two embeddings' gradients. */
static void contract_row(struct cellconv *c, const float *d, uint16_t glyph)
{
    float e[E];
    float *dchar = c->p.chars->g + (size_t)(glyph & 255u) * E;
    float *dcolor = c->p.colors->g + (size_t)(glyph >> 8) * E;
    float de[E] = {0};
    embed(e, c, glyph);
    for (int k = 0; k < KK; k++) {
        const struct vec32 dk = vec_get(d + k * CH);
        for (int i = 0; i < E; i++) {
            const int at = (k * E + i) * CH;
            vec_put(c->dwt + at, vec_fma(vec_get(c->dwt + at), dk, e[i]));
            de[i] += vec_dot(vec_get(c->wt + at), dk);
        }
    }
    for (int i = 0; i < E; i++) {
        dchar[i] += de[i];
        dcolor[i] += de[i];
    }
}

void cellconv_contract(struct cellconv *c)
{
    memset(c->dwt, 0, sizeof c->dwt);
    for (int s = 0; s < c->dglyphs.used; s++) {
        contract_row(c, c->dtable + (size_t)s * ROW, c->dglyphs.glyph_of[s]);
    }
    for (int o = 0; o < CH; o++) {
        for (int i = 0; i < KK * E; i++) {
            c->p.w->g[o * KK * E + i] += c->dwt[i * CH + o];
        }
    }
    memset(c->dtable, 0, (size_t)c->dglyphs.used * ROW * sizeof(float));
    glyphs_clear(&c->dglyphs);
}

void cellconv_backward(struct cellconv *c, const float *dy, const uint8_t *chars,
                       const uint8_t *colors, int N)
{
    struct vec32 db = vec_zero();
    for (int n = 0; n < N; n++) {
        if (!glyphs_have_room(&c->dglyphs, SEEN * SEEN)) {
            cellconv_contract(c);
        }
        find_slots(c, &c->dglyphs, chars + (size_t)n * POLICY_CELLS,
                   colors + (size_t)n * POLICY_CELLS);
        for (int oy = 0; oy < O; oy++) {
            for (int ox = 0; ox < O; ox++) {
                const uint16_t *at = c->slot + oy * STRIDE * POLICY_CROP + ox * STRIDE;
                const struct vec32 d = vec_get(dy);
                for (int k = 0; k < KK; k++) {
                    float *row = c->dtable + k * CH +
                                 (size_t)at[k / K * POLICY_CROP + k % K] * ROW;
                    vec_add(row, d);
                }
                db = vec_sum(db, d);
                dy += CH;
            }
        }
    }
    vec_add(c->p.b->g, db);
}
