#include "common/nn/bytetable.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/nn/mat.h"
#include "common/nn/vec.h"

enum {
    EMBED = BYTETABLE_EMBED,
    K = BYTETABLE_K,
    CH = BYTETABLE_CH,
    ROW = K * CH, // floats of a byte
    BYTES = 256
};

struct bytetable {
    const struct param *e, *w, *b;
    bool made[BYTES];        // since the weights changed
    bool met[BYTES];         // in the gradients gathered
    float *rows, *grads;     // (256, 7, 64); grads are 0 between batches
    float *embeds, *dembeds; // (256,32) of the bytes met, scratch
};

struct bytetable *bytetable_new(const struct param *e, const struct param *w,
                                const struct param *b, bool train)
{
    struct bytetable *t = mem_new(1, sizeof *t);
    *t = (struct bytetable){.e = e, .w = w, .b = b};
    t->rows = mem_new((size_t)BYTES * ROW, sizeof(float));
    if (train) {
        t->grads = mem_new((size_t)BYTES * ROW, sizeof(float));
        t->embeds = mem_new((size_t)BYTES * EMBED, sizeof(float));
        t->dembeds = mem_new((size_t)BYTES * EMBED, sizeof(float));
    }
    return t;
}

void bytetable_free(struct bytetable *t)
{
    if (t == NULL) {
        return;
    }
    mem_free(t->rows);
    mem_free(t->grads);
    mem_free(t->embeds);
    mem_free(t->dembeds);
    mem_free(t);
}

void bytetable_changed(struct bytetable *t)
{
    memset(t->made, 0, sizeof t->made);
}

static void make_rows(struct bytetable *t, const uint8_t *s, int len)
{
    for (int i = 0; i < len; i++) {
        if (s[i] != 0 && !t->made[s[i]]) {
            mat_nt(t->rows + (size_t)s[i] * ROW, 0, t->e->w + (size_t)s[i] * EMBED,
                   t->w->w, 1, ROW, EMBED);
            t->made[s[i]] = true;
        }
    }
}

void bytetable_forward(struct bytetable *t, float *y, const uint8_t *s, int len, int C)
{
    make_rows(t, s, len);
    const struct vec32 b0 = vec_get(t->b->w), b1 = vec_get(t->b->w + 32);
    for (int i = 0; i < C; i++) {
        const int end = len - i < K ? len - i : K;
        struct vec32 y0 = b0, y1 = b1;
        for (int k = 0; k < end; k++) {
            const float *row = t->rows + ((size_t)s[i + k] * K + (size_t)k) * CH;
            y0 = vec_sum(y0, vec_get(row));
            y1 = vec_sum(y1, vec_get(row + 32));
        }
        vec_put(y + (size_t)i * CH, y0);
        vec_put(y + (size_t)i * CH + 32, y1);
    }
}

void bytetable_backward(struct bytetable *t, const float *dy, const uint8_t *s, int len,
                        int C)
{
    for (int i = 0; i < len; i++) {
        t->met[s[i]] = true;
    }
    for (int i = 0; i < C; i++) {
        const int end = len - i < K ? len - i : K;
        const struct vec32 d0 = vec_get(dy + (size_t)i * CH);
        const struct vec32 d1 = vec_get(dy + (size_t)i * CH + 32);
        for (int k = 0; k < end; k++) {
            float *row = t->grads + ((size_t)s[i + k] * K + (size_t)k) * CH;
            vec_add(row, d0);
            vec_add(row + 32, d1);
        }
    }
}

void bytetable_contract(struct bytetable *t)
{
    uint8_t byte[BYTES];
    int n = 0;

    memset(t->grads, 0, ROW * sizeof(float)); // byte 0
    for (int i = 1; i < BYTES; i++) {
        if (t->met[i]) { // moved together: n < i
            memcpy(t->grads + (size_t)n * ROW, t->grads + (size_t)i * ROW,
                   ROW * sizeof(float));
            memcpy(t->embeds + (size_t)n * EMBED, t->e->w + (size_t)i * EMBED,
                   EMBED * sizeof(float));
            memset(t->grads + (size_t)i * ROW, 0, ROW * sizeof(float));
            byte[n++] = (uint8_t)i;
        }
    }
    memset(t->met, 0, sizeof t->met);
    if (n == 0) {
        return;
    }
    mat_tn(t->w->g, 1, t->grads, t->embeds, ROW, EMBED, n);  // dw += rows' e
    mat_nn(t->dembeds, 0, t->grads, t->w->w, n, EMBED, ROW); // de = rows w
    for (int i = 0; i < n; i++) {
        float *g = t->e->g + (size_t)byte[i] * EMBED;
        vec_add(g, vec_get(t->dembeds + (size_t)i * EMBED));
    }
    memset(t->grads, 0, (size_t)n * ROW * sizeof(float));
}
