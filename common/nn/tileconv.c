#include "common/nn/tileconv.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/nn/glyphs.h"
#include "common/nn/policy.h"
#include "common/nn/tilefont.h"
#include "common/nn/vec.h"

enum {
    K = TILECONV_K,
    KK = K * K,
    STRIDE = 4,
    O = TILECONV_OUT,
    CH = TILECONV_CH,
    PX = TILEFONT_PX,
    RGB = 3,
    COLORS = 16,
    SPANS = 3 * 2,            // phase, corner
    ROW = SPANS * SPANS * CH, // floats of one glyph's table: 1152
};

/* Where a window that starts at pixel START of a tile lies on that tile (corner 0) and on
 * the next one (corner 1): `count` pixels from `pixel` on, under the kernel from `tap`. */
struct span {
    int pixel, tap, count;
};

/* Output i starts at pixel 4i, in tile 4i / 6 at pixel 4i % 6 = 0, 4, 2, 0, ... */
static const struct span SPAN[SPANS] = {
    {0, 0, 6}, {0, 6, 2}, {4, 0, 2}, {0, 2, 6}, {2, 0, 4}, {0, 4, 4},
};

struct tileconv {
    const struct param *w, *b;
    struct glyphs glyphs, dglyphs;
    float *table;  // (GLYPHS_SLOTS, 6, 6, 32)
    float *dtable; // same, zero beyond dglyphs.used; NULL unless training
    /* A tile is a colour times a coverage, so the kernel is first summed over red, green
     * and blue of each of the 16 colours: (16,64,32). */
    float *tint, *dtint;
    float coverage[256][TILEFONT_PIXELS];
    uint16_t slot[POLICY_CELLS];
};

struct tileconv *tileconv_new(const struct param *w, const struct param *b, bool train)
{
    struct tileconv *c = mem_new(1, sizeof *c);
    c->w = w;
    c->b = b;
    c->table = mem_new((size_t)GLYPHS_SLOTS * ROW, sizeof(float));
    c->tint = mem_new((size_t)COLORS * KK * CH, sizeof(float));
    if (train) {
        c->dtable = mem_new((size_t)GLYPHS_SLOTS * ROW, sizeof(float));
        c->dtint = mem_new((size_t)COLORS * KK * CH, sizeof(float));
    }
    for (int i = 0; i < 256; i++) {
        tilefont_coverage(c->coverage[i], (uint8_t)i);
    }
    glyphs_clear(&c->dglyphs);
    tileconv_changed(c);
    return c;
}

void tileconv_free(struct tileconv *c)
{
    if (c != NULL) {
        mem_free(c->table);
        mem_free(c->dtable);
        mem_free(c->tint);
        mem_free(c->dtint);
        mem_free(c);
    }
}

void tileconv_changed(struct tileconv *c)
{
    glyphs_clear(&c->glyphs);
    for (int color = 0; color < COLORS; color++) {
        float rgb[RGB];
        tilefont_color(rgb, (uint8_t)color);
        for (int k = 0; k < KK; k++) {
            float *to = c->tint + (color * KK + k) * CH;
            for (int o = 0; o < CH; o++) {
                const float *w = c->w->w + (o * KK + k) * RGB;
                to[o] = w[0] * rgb[0] + w[1] * rgb[1] + w[2] * rgb[2];
            }
        }
    }
}

/* The tile of a glyph: coverage, or what it leaves in reverse video. */
static void tile_of(float out[TILEFONT_PIXELS], const struct tileconv *c,
                    uint16_t glyph)
{
    const float *cover = c->coverage[glyph & 255u];
    const bool reverse = (glyph >> 8 & 16u) != 0;
    for (int i = 0; i < TILEFONT_PIXELS; i++) {
        out[i] = reverse ? 1.0f - cover[i] : cover[i];
    }
}

static float *tint_of(float *tint, uint16_t glyph)
{
    return tint + (size_t)(glyph >> 8 & 15u) * KK * CH;
}

static void build_row(struct tileconv *c, int slot)
{
    const uint16_t glyph = c->glyphs.glyph_of[slot];
    const float *tint = tint_of(c->tint, glyph);
    float *row = c->table + (size_t)slot * ROW, tile[TILEFONT_PIXELS];
    tile_of(tile, c, glyph);
    for (int s = 0; s < SPANS * SPANS; s++) {
        const struct span *v = &SPAN[s / SPANS], *h = &SPAN[s % SPANS];
        struct vec32 sum = vec_zero();
        for (int i = 0; i < v->count * h->count; i++) {
            const int y = i / h->count, x = i % h->count;
            const float pixel = tile[(v->pixel + y) * PX + h->pixel + x];
            const float *w = tint + ((v->tap + y) * K + h->tap + x) * CH;
            sum = vec_fma(sum, vec_get(w), pixel);
        }
        vec_put(row + s * CH, sum);
    }
}

static void find_slots(struct tileconv *c, struct glyphs *g, const uint8_t *chars,
                       const uint8_t *colors)
{
    for (int i = 0; i < POLICY_CELLS; i++) {
        c->slot[i] = (uint16_t)glyphs_slot(g, glyphs_key(chars[i], colors[i]));
    }
}

/* The four table rows that output (oy,ox) is the sum of, as offsets into a table. */
static inline void corners(size_t at[4], const uint16_t *slot, int oy, int ox)
{
    const int first = oy * STRIDE / PX * POLICY_CROP + ox * STRIDE / PX;
    const int v = oy % 3 * 2, h = ox % 3 * 2;
    for (int corner = 0; corner < 4; corner++) {
        const int cy = corner / 2, cx = corner % 2;
        at[corner] = (size_t)slot[first + cy * POLICY_CROP + cx] * ROW +
                     (size_t)(((v + cy) * SPANS + h + cx) * CH);
    }
}

void tileconv_forward(struct tileconv *c, float *y, const uint8_t *chars,
                      const uint8_t *colors, int N)
{
    const struct vec32 b = vec_get(c->b->w);
    for (int n = 0; n < N; n++) {
        if (!glyphs_have_room(&c->glyphs, POLICY_CELLS)) {
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
                size_t at[4];
                struct vec32 sum = b;
                corners(at, c->slot, oy, ox);
                for (int i = 0; i < 4; i++) {
                    sum = vec_sum(sum, vec_get(c->table + at[i]));
                }
                vec_put(y, sum);
                y += CH;
            }
        }
    }
}

/* One glyph's dtable row into its colour's part of dtint. */
static void contract_row(struct tileconv *c, const float *d, uint16_t glyph)
{
    float *dtint = tint_of(c->dtint, glyph), tile[TILEFONT_PIXELS];
    tile_of(tile, c, glyph);
    for (int s = 0; s < SPANS * SPANS; s++) {
        const struct span *v = &SPAN[s / SPANS], *h = &SPAN[s % SPANS];
        const struct vec32 ds = vec_get(d + s * CH);
        for (int i = 0; i < v->count * h->count; i++) {
            const int y = i / h->count, x = i % h->count;
            const float pixel = tile[(v->pixel + y) * PX + h->pixel + x];
            float *g = dtint + ((v->tap + y) * K + h->tap + x) * CH;
            vec_put(g, vec_fma(vec_get(g), ds, pixel));
        }
    }
}

void tileconv_contract(struct tileconv *c)
{
    memset(c->dtint, 0, (size_t)COLORS * KK * CH * sizeof(float));
    for (int s = 0; s < c->dglyphs.used; s++) {
        contract_row(c, c->dtable + (size_t)s * ROW, c->dglyphs.glyph_of[s]);
    }
    for (int color = 0; color < COLORS; color++) {
        float rgb[RGB];
        tilefont_color(rgb, (uint8_t)color);
        for (int k = 0; k < KK; k++) {
            const float *from = c->dtint + (color * KK + k) * CH;
            for (int o = 0; o < CH; o++) {
                float *g = c->w->g + (o * KK + k) * RGB;
                for (int i = 0; i < RGB; i++) {
                    g[i] += from[o] * rgb[i];
                }
            }
        }
    }
    memset(c->dtable, 0, (size_t)c->dglyphs.used * ROW * sizeof(float));
    glyphs_clear(&c->dglyphs);
}

void tileconv_backward(struct tileconv *c, const float *dy, const uint8_t *chars,
                       const uint8_t *colors, int N)
{
    struct vec32 db = vec_zero();
    for (int n = 0; n < N; n++) {
        if (!glyphs_have_room(&c->dglyphs, POLICY_CELLS)) {
            tileconv_contract(c);
        }
        find_slots(c, &c->dglyphs, chars + (size_t)n * POLICY_CELLS,
                   colors + (size_t)n * POLICY_CELLS);
        for (int oy = 0; oy < O; oy++) {
            for (int ox = 0; ox < O; ox++) {
                size_t at[4];
                const struct vec32 d = vec_get(dy);
                corners(at, c->slot, oy, ox);
                for (int i = 0; i < 4; i++) {
                    vec_add(c->dtable + at[i], d);
                }
                db = vec_sum(db, d);
                dy += CH;
            }
        }
    }
    vec_add(c->b->g, db);
}
