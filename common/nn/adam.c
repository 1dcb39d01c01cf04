#include "common/nn/adam.h"

#include <math.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/mem.h"

static const double beta1 = 0.9, beta2 = 0.999;
// The reference's (1e-8 is Adam's own): gradients of rarely seen captions are tiny, and a
// larger epsilon keeps their first steps small.
static const double epsilon = 1e-6;

void adam_init(struct adam *a, size_t floats)
{
    *a = (struct adam){.floats = floats};
    a->first = mem_new(floats, sizeof(float));
    a->second = mem_new(floats, sizeof(float));
}

void adam_release(struct adam *a)
{
    mem_free(a->first);
    mem_free(a->second);
    mem_free(a->met);
    *a = (struct adam){0};
}

void adam_set_table(struct adam *a, size_t rows, size_t cols, const bool *touched)
{
    CHECK(a->met == NULL && cols % 16 == 0 && rows * cols <= a->floats);
    a->rows = rows;
    a->cols = cols;
    a->touched = touched;
    a->met = mem_new(rows, sizeof *a->met);
}

/* In blocks: a sum of 10^6 squares in one float loses digits, one in double is slow. */
static double squares_of(const float *g, size_t floats)
{
    double sum = 0;

    for (size_t i = 0; i < floats; i += 256) {
        const size_t end = i + 256 < floats ? i + 256 : floats;
        float part[16] = {0};
        size_t k = i;
        for (; k + 16 <= end; k += 16) {
            for (size_t j = 0; j < 16; j++) {
                part[j] += g[k + j] * g[k + j];
            }
        }
        for (; k < end; k++) {
            part[0] += g[k] * g[k];
        }
        for (size_t j = 0; j < 16; j++) {
            sum += (double)part[j];
        }
    }
    return sum;
}

/* By their bits, which is faster than by their squares: most rows are zeros. */
static bool is_zeros(const float *row, size_t cols)
{
    uint32_t any = 0;

    for (size_t k = 0; k < cols; k++) {
        uint32_t bits;
        memcpy(&bits, row + k, sizeof bits);
        any |= bits;
    }
    return any == 0;
}

/* Puts the rows of the table that are not zeros into a->met and returns their number. */
static size_t find_met(const struct adam *a, const float *g)
{
    size_t met = 0;

    for (size_t r = 0; r < a->rows; r++) {
        if (a->touched != NULL && !a->touched[r]) {
            continue;
        }
        a->met[met] = (uint32_t)r;
        met += is_zeros(g + r * a->cols, a->cols) ? 0 : 1;
    }
    return met;
}

/* What is the same for all weights of a step. */
struct step {
    float scale, size, eps;
};

/* Algorithm 1, with the two corrections folded into the step size and epsilon (end of
 * section 2): one pass, no division by them per weight. */
static void move(struct adam *a, float *weights, const float *grads, size_t from,
                 size_t count, const struct step *s)
{
    float *restrict w = weights + from, *restrict m = a->first + from,
                    *restrict v = a->second + from;
    const float *restrict g = grads + from;
    const float b1 = (float)beta1, b2 = (float)beta2;
    const float scale = s->scale, size = s->size, eps = s->eps;

    for (size_t i = 0; i < count; i++) {
        const float gi = g[i] * scale;
        m[i] = b1 * m[i] + (1.0F - b1) * gi;
        v[i] = b2 * v[i] + (1.0F - b2) * gi * gi;
        w[i] -= size * m[i] / (sqrtf(v[i]) + eps);
    }
}

enum status adam_step(struct adam *a, float *weights, const float *grads, double n,
                      double lr, double most_norm, double *norm)
{
    const size_t table = a->rows * a->cols;
    const size_t met = find_met(a, grads);
    double squares = squares_of(grads + table, a->floats - table);

    for (size_t i = 0; i < met; i++) {
        squares += squares_of(grads + a->met[i] * a->cols, a->cols);
    }
    const double length = sqrt(squares) / n;

    if (!isfinite(length)) {
        return ST_CORRUPT;
    }
    const double shrink =
        most_norm > 0 && length > most_norm ? most_norm / length : 1.0;
    const double t = (double)(a->steps + 1);
    const double right = sqrt(1 - pow(beta2, t));
    const struct step step = {.scale = (float)(shrink / n),
                              .size = (float)(lr * right / (1 - pow(beta1, t))),
                              .eps = (float)(epsilon * right)};

    a->steps++;
    for (size_t i = 0; i < met; i++) {
        move(a, weights, grads, a->met[i] * a->cols, a->cols, &step);
    }
    move(a, weights, grads, table, a->floats - table, &step);
    *norm = length;
    return ST_OK;
}

double adam_lr(double first, double last, double progress)
{
    const double p = fmin(fmax(progress, 0), 1);
    return first + (last - first) * p;
}
