#include "learner/train/tallies.h"

#include <math.h>

#include "common/base/mem.h"

void tallies_window_init(struct tallies_window *w, int ranks)
{
    *w = (struct tallies_window){.size = (TALLIES_WINDOW + ranks - 1) / ranks};
    w->success = mem_new((size_t)w->size, sizeof(float));
    w->ret = mem_new((size_t)w->size, sizeof(float));
}

void tallies_window_release(struct tallies_window *w)
{
    mem_free(w->success);
    mem_free(w->ret);
    *w = (struct tallies_window){0};
}

static void one_episode(struct tallies *t, struct tallies_window *w,
                        const struct segment_episode *e)
{
    const double ret = (double)e->episode_return;

    t->episodes++;
    t->returns += ret;
    t->returns2 += ret * ret;
    t->lengths += e->length;
    t->successes += e->success != 0 ? 1 : 0;
    t->depth += e->depth;
    t->gold += e->gold;
    t->experience += e->experience;
    t->scout += e->scout;
    t->score += (double)e->score;
    w->success[w->at] = e->success != 0 ? 1.0F : 0.0F;
    w->ret[w->at] = e->episode_return;
    w->at = (w->at + 1) % w->size;
    w->count += w->count < w->size ? 1 : 0;
}

void tallies_segment(struct tallies *t, struct tallies_window *w, uint64_t lag,
                     const struct segment_view *v)
{
    t->segments++;
    t->lag[lag < TALLIES_LAGS ? lag : TALLIES_LAGS - 1]++;
    for (int i = 0; i < v->episodes; i++) {
        const struct segment_episode e = segment_view_episode(v, i);
        one_episode(t, w, &e);
    }
}

void tallies_delay(struct tallies *t, int64_t updates)
{
    t->delay[reward_age_bin((uint64_t)updates)]++;
}

void tallies_replayed(struct tallies *t, uint64_t lag)
{
    t->replay.segments++;
    t->replay.lag[reward_age_bin(lag)]++;
}

void tallies_add(struct tallies *sum, const struct tallies *more)
{
    double *to = (double *)(void *)sum;
    const double *from = (const double *)(const void *)more;

    for (size_t i = 0; i < sizeof(*sum) / sizeof(double); i++) {
        to[i] += from[i];
    }
}

void tallies_gauge(struct gauges *g, const struct tallies_window *w)
{
    g->window = w->count;
    g->window_success = g->window_return = g->window_return2 = 0;
    for (int i = 0; i < w->count; i++) {
        const double ret = (double)w->ret[i];
        g->window_success += (double)w->success[i];
        g->window_return += ret;
        g->window_return2 += ret * ret;
    }
}

/* -1: all are empty. */
static int quantile_bin(const double *bins, int count, double q)
{
    double total = 0, below = 0;

    for (int i = 0; i < count; i++) {
        total += bins[i];
    }
    for (int i = 0; i < count; i++) {
        below += bins[i];
        if (total > 0 && below >= q * total) {
            return i;
        }
    }
    return -1;
}

double tallies_lag_quantile(const struct tallies *t, double q)
{
    const int bin = quantile_bin(t->lag, TALLIES_LAGS, q);

    return bin >= 0 ? (double)bin : NAN;
}

double tallies_age_quantile(const double bins[TALLIES_DELAYS], double q)
{
    const int bin = quantile_bin(bins, TALLIES_DELAYS, q);

    return bin >= 0 ? exp2(bin / 2.0) - 1 : NAN;
}

double tallies_delay_quantile(const struct tallies *t, double q)
{
    return tallies_age_quantile(t->delay, q);
}
