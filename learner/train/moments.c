#include "learner/train/moments.h"

#include <math.h>

static const double least_scale = 0.01;

void moments_init(struct moments *m, bool on, double rate)
{
    *m = (struct moments){.on = on, .rate = rate, .mean = 0, .scale = 1};
}

/* Debiased by the weight that was given out, as Adam does (Kingma & Ba 2015, section 3):
 * the averages begin at 0, and at rate .005 they would still hold 1 % of that zero after
 * 900 updates, long after the critic needs its scale. */
void moments_move(struct moments *m, double n, double sum, double squares)
{
    if (!m->on || !(n > 0)) {
        return;
    }
    m->weight += m->rate * (1 - m->weight);
    m->first += m->rate * (sum / n - m->first);
    m->second += m->rate * (squares / n - m->second);
    m->mean = m->first / m->weight;
    const double variance = m->second / m->weight - m->mean * m->mean;
    // variance may come out a little below 0 when all targets are equal.
    m->scale = fmax(sqrt(fmax(variance, 0)), least_scale);
}
