#include "common/nn/caploss.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    TIE_MOST = 3,             // whose orders are averaged: 2^3 subsets
    BELOW_ALL = UINT8_MAX + 1 // no place
};

double caploss_rate(float *dout, const float *out, const float *p, int N)
{
    double sum = 0;

    for (int n = 0; n < N; n++) {
        const size_t at = 2 * (size_t)n;
        const double yes = (double)p[n];
        const double z = (double)out[at + 1] - (double)out[at]; // log q1 - log q0
        const double soft = log1p(exp(-fabs(z)));               // never overflows
        const double log_yes = (z < 0 ? z : 0) - soft, log_no = log_yes - z;
        const double d = exp(log_yes) - yes;

        sum += -(1 - yes) * log_no - yes * log_yes;
        dout[at + 1] = (float)d;
        dout[at] = (float)-d;
    }
    return sum;
}

/* One item: K captions. */
struct order {
    const float *score;
    const uint8_t *place;
    float *d;
    int K;
};

/* The captions from which a draw is made: those below `place`, and of the tied block the
 * ones whose bit is set in `left`. */
struct pool {
    int place;
    const int *block; // (size) captions of this place
    int size;
    unsigned left;
};

static bool in_pool(const struct order *o, const struct pool *p, int k)
{
    if (o->place[k] > p->place) {
        return true;
    }
    for (int b = 0; b < p->size; b++) {
        if (p->block[b] == k) {
            return (p->left >> b & 1) != 0;
        }
    }
    return false;
}

/* share * log sum_{k in pool} e^score_k; its gradient is added. */
static double add_pool(const struct order *o, const struct pool *p, double share)
{
    double most = -INFINITY, sum = 0;

    for (int k = 0; k < o->K; k++) {
        if (in_pool(o, p, k)) {
            most = fmax(most, (double)o->score[k]);
        }
    }
    for (int k = 0; k < o->K; k++) {
        if (in_pool(o, p, k)) {
            sum += exp((double)o->score[k] - most);
        }
    }
    for (int k = 0; k < o->K; k++) {
        if (in_pool(o, p, k)) {
            o->d[k] += (float)(share * exp((double)o->score[k] - most) / sum);
        }
    }
    return share * (most + log(sum));
}

/* The draws that take a block of `size` captions of one place. In the mean over the
 * orders of the block, when s of it are left any s of it are, with equal chances:
 *   sum_{s = 1..size} mean_{S, |S| = s} log sum_{S and all below} e^score
 *     - sum_{block} score */
static double add_block(const struct order *o, int place, const int *block, int size)
{
    static const double subsets[TIE_MOST + 1][TIE_MOST + 1] = {
        {1}, {1, 1}, {1, 2, 1}, {1, 3, 3, 1}};
    double sum = 0;

    for (unsigned left = 1; left < 1u << size; left++) {
        const struct pool pool = {place, block, size, left};
        const int s = __builtin_popcount(left);
        sum += add_pool(o, &pool, 1 / subsets[size][s]);
    }
    for (int b = 0; b < size; b++) {
        sum -= (double)o->score[block[b]];
        o->d[block[b]] -= 1;
    }
    return sum;
}

/* Of the place below `after`; block gets the first TIE_MOST captions of it. Returns how
 * many captions have it, 0 when no place is left. */
static int next_block(const struct order *o, int after, int *place, int *block)
{
    int size = 0;

    *place = BELOW_ALL;
    for (int k = 0; k < o->K; k++) {
        if (o->place[k] > after && o->place[k] < *place) {
            *place = o->place[k];
        }
    }
    for (int k = 0; k < o->K; k++) {
        if (o->place[k] == *place) {
            if (size < TIE_MOST) {
                block[size] = k;
            }
            size++;
        }
    }
    return size;
}

/* share * cross-entropy of "a is better than b" at P = 1, of a tie at 1/2. */
static double add_pair(const struct order *o, int a, int b, double share)
{
    const double yes = o->place[a] == o->place[b] ? 0.5 : o->place[a] < o->place[b];
    const double z = (double)o->score[a] - (double)o->score[b];
    const double soft = log1p(exp(-fabs(z)));
    const double log_yes = (z < 0 ? z : 0) - soft, log_no = log_yes - z;
    const double d = share * (exp(log_yes) - yes);

    o->d[a] += (float)d;
    o->d[b] -= (float)d;
    return share * (-(1 - yes) * log_no - yes * log_yes);
}

static double add_pairs(const struct order *o)
{
    double sum = 0;

    for (int a = 0; a < o->K; a++) {
        for (int b = a + 1; b < o->K; b++) {
            sum += add_pair(o, a, b, 2.0 / o->K);
        }
    }
    return sum;
}

static double add_order(const struct order *o)
{
    int block[TIE_MOST], place, size;
    double sum = 0;

    for (int after = -1; (size = next_block(o, after, &place, block)) > 0;
         after = place) {
        if (size > TIE_MOST) {
            return add_pairs(o);
        }
    }
    for (int after = -1; (size = next_block(o, after, &place, block)) > 0;
         after = place) {
        sum += add_block(o, place, block, size);
    }
    return sum;
}

double caploss_order(float *dscore, const float *score, const uint8_t *place,
                     const int *first, int items)
{
    double sum = 0;

    for (int i = 0; i < items; i++) {
        const int at = first[i];
        const struct order o = {score + at, place + at, dscore + at, first[i + 1] - at};
        for (int k = 0; k < o.K; k++) {
            o.d[k] = 0;
        }
        sum += o.K >= 2 ? add_order(&o) : 0;
    }
    return sum;
}
