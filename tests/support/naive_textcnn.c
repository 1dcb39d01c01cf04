#include "tests/support/naive_textcnn.h"

#include <math.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/mem.h"
#include "common/base/text.h"

enum { BYTES = 256, STAGES = 6, CH = 64 };

/* IN channels, K bytes wide, `rows` outputs, then the largest of each `pool`. */
static const struct {
    int IN, K, rows, pool;
} SHAPE[STAGES] = {{32, 7, 250, 3}, {64, 7, 77, 3}, {64, 3, 23, 1},
                   {64, 3, 21, 1},  {64, 3, 19, 1}, {64, 3, 17, 3}};

/* What each convolution reads and gives; the last in[] is the features. */
static double in[STAGES + 1][BYTES * CH], out[STAGES][BYTES * CH], d[BYTES * CH],
    below[BYTES * CH];

static size_t at_of(const struct naive *v, int s, const char *what)
{
    char name[16];
    (void)text_format(name, sizeof(name), "conv%d.%s", s + 1, what);
    const struct param *p = params_find(v->p, name);
    CHECK(p != NULL);
    return (size_t)(p->w - v->p->weights);
}

/* Where weight (o, k, i) lies: the first convolution is stored by k, the others by o. */
static size_t index_of(int s, int o, int k)
{
    const int row = s == 0 ? k * CH + o : o * SHAPE[s].K + k;
    return (size_t)(row * SHAPE[s].IN);
}

static int rows_after(int s)
{
    return SHAPE[s].rows / SHAPE[s].pool;
}

static int largest(const double *y, int from, int o, int count)
{
    int best = from;
    for (int r = from + 1; r < from + count; r++) {
        best = y[r * CH + o] > y[best * CH + o] ? r : best;
    }
    return best;
}

void naive_textcnn(double *x, const struct naive *v, struct bytes text)
{
    const uint8_t *s0 = text.data;
    const double *embed = naive_w(v, "embed.w");
    for (size_t i = 0; i < BYTES; i++) {
        const uint8_t byte = i < text.len ? s0[i] : 0;
        memcpy(in[0] + i * 32, embed + (size_t)byte * 32, 32 * sizeof(double));
    }
    for (int s = 0; s < STAGES; s++) {
        const int IN = SHAPE[s].IN;
        const double *w = v->w + at_of(v, s, "w"), *b = v->w + at_of(v, s, "b");
        for (int r = 0; r < SHAPE[s].rows; r++) {
            for (int o = 0; o < CH; o++) {
                double sum = b[o];
                for (int k = 0; k < SHAPE[s].K; k++) {
                    for (int i = 0; i < IN; i++) {
                        sum +=
                            w[index_of(s, o, k) + (size_t)i] * in[s][(r + k) * IN + i];
                    }
                }
                out[s][r * CH + o] = sum;
            }
        }
        for (int r = 0; r < rows_after(s); r++) {
            for (int o = 0; o < CH; o++) {
                const int best = largest(out[s], r * SHAPE[s].pool, o, SHAPE[s].pool);
                in[s + 1][r * CH + o] = fmax(out[s][best * CH + o], 0);
            }
        }
    }
    memcpy(x, in[STAGES], NAIVE_TEXT_WIDTH * sizeof(double));
}

void naive_textcnn_backward(double *grads, const double *dx, const struct naive *v,
                            struct bytes text)
{
    double x[NAIVE_TEXT_WIDTH];
    const size_t embed = (size_t)(params_find(v->p, "embed.w")->w - v->p->weights);

    naive_textcnn(x, v, text);
    memcpy(below, dx, sizeof x);
    for (int s = STAGES - 1; s >= 0; s--) {
        const int IN = SHAPE[s].IN;
        const size_t w = at_of(v, s, "w"), b = at_of(v, s, "b");
        memset(d, 0, sizeof d);
        for (int r = 0; r < rows_after(s) * CH; r++) {
            const int best =
                largest(out[s], r / CH * SHAPE[s].pool, r % CH, SHAPE[s].pool);
            d[best * CH + r % CH] += in[s + 1][r] > 0 ? below[r] : 0;
        }
        memset(below, 0, sizeof below);
        for (int r = 0; r < SHAPE[s].rows; r++) {
            for (int o = 0; o < CH; o++) {
                const double dy = d[r * CH + o];
                grads[b + (size_t)o] += dy;
                for (int k = 0; dy != 0 && k < SHAPE[s].K; k++) {
                    const size_t at = w + index_of(s, o, k);
                    for (int i = 0; i < IN; i++) {
                        grads[at + (size_t)i] += dy * in[s][(r + k) * IN + i];
                        below[(r + k) * IN + i] += dy * v->w[at + (size_t)i];
                    }
                }
            }
        }
    }
    for (size_t i = 0; i < text.len && i < BYTES; i++) {
        const size_t byte = ((const uint8_t *)text.data)[i];
        for (size_t e = 0; byte != 0 && e < 32; e++) {
            grads[embed + byte * 32 + e] += below[i * 32 + e];
        }
    }
}
