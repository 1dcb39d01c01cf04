/* What a fitted ranking model is worth: comparisons that it was not fitted to, and how its
 * scores lie. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/nn/caploss.h"
#include "learner/reward/motif_fit_impl.h"

/* ---- held out ---- */

static void add_pairs(struct fit *f, const struct fit_list *yes,
                      const struct fit_list *no)
{
    if (yes->count == 0 || no->count == 0) {
        return;
    }
    const uint64_t all = (uint64_t)yes->count * no->count;
    if (all <= FIT_PAIRS / 2) { // each once
        for (uint64_t i = 0; i < all; i++) {
            f->test[f->tests++] = (struct fit_item){yes->number[i / no->count],
                                                    no->number[i % no->count]};
        }
        return;
    }
    for (int i = 0; i < FIT_PAIRS / 2; i++) {
        const uint32_t a = fit_draw(&f->rng, yes), b = fit_draw(&f->rng, no);
        f->test[f->tests++] = (struct fit_item){a, b};
    }
}

/* Orders that are held out, and pairs of ratings at least one of which is: forms are few,
 * and both of them held out would often be none. */
void fit_choose_tests(struct fit *f)
{
    f->test = mem_new((size_t)f->order[1].count + FIT_PAIRS, sizeof(*f->test));
    for (uint32_t i = 0; i < f->order[1].count; i++) {
        const uint32_t n = f->order[1].number[i];
        f->test[f->tests++] = (struct fit_item){n, n};
    }
    add_pairs(f, &f->rate[1][1],
              f->rate[0][1].count > 0 ? &f->rate[0][1] : &f->rate[0][0]);
    add_pairs(f, &f->rate[1][0], &f->rate[0][1]);
}

void fit_measure(struct fit *f, struct fit_measured *out)
{
    int taken;

    *out = (struct fit_measured){0};
    for (uint32_t at = 0; at < f->tests;) {
        at = fit_gather(f, f->test, at, f->tests, &taken);
        const float *s = capnet_forward(f->net, f->text, f->first[taken], NULL);
        out->items += taken;
        out->loss += caploss_order(f->dout, s, f->place, f->first, taken);
        for (int i = 0; i < taken; i++) {
            for (int a = f->first[i]; a < f->first[i + 1]; a++) {
                for (int b = a + 1; b < f->first[i + 1]; b++) {
                    const bool tie = f->place[a] == f->place[b];
                    const bool right = (s[a] > s[b]) == (f->place[a] < f->place[b]);
                    out->compared += !tie;
                    out->right += !tie && right;
                }
            }
        }
    }
}

/* ---- how scores lie ---- */

struct scores {
    double *score;
    size_t count;
};

static void score_list(struct fit *f, const struct fit_list *l, struct scores *s)
{
    struct labels_item it;
    uint32_t at = 0;

    while (at < l->count) {
        int n = 0;
        for (; at < l->count; at++) {
            labels_get(f->labels, l->number[at], &it);
            if (n + it.captions > FIT_ROWS) {
                break;
            }
            for (int k = 0; k < it.captions; k++) {
                f->text[n++] = it.text[k];
            }
        }
        const float *out = capnet_forward(f->net, f->text, n, NULL);
        for (int i = 0; i < n; i++) {
            s->score[s->count++] = (double)out[i];
        }
    }
}

static int by_score(const void *a, const void *b)
{
    double x, y;

    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return (x > y) - (x < y);
}

static enum status moments_of(const struct scores *s, struct motif_about *a)
{
    const double n = (double)s->count;
    double sum = 0, squares = 0;

    for (size_t i = 0; i < s->count; i++) {
        sum += s->score[i];
    }
    a->mean = sum / n;
    for (size_t i = 0; i < s->count; i++) {
        squares += (s->score[i] - a->mean) * (s->score[i] - a->mean);
    }
    a->sigma = sqrt(squares / n);
    if (!isfinite(a->sigma) || a->sigma < 1e-6) {
        LOG_ERROR(
            "FIT-SAME",
            "the fitted model tells nothing apart, its scores deviate by %g; more "
            "epochs, or labels that agree more",
            a->sigma);
        return ST_CORRUPT;
    }
    return ST_OK;
}

/* Every caption that is trained on counts as often as judges were asked about it, as in the
 * reference, where it is the sides of all pairs. Of ratings the common kind counts most, so
 * that what is rare and good lies many deviations above the mean. */
enum status fit_statistics(struct fit *f)
{
    const uint32_t rates = f->rate[0][0].count + f->rate[1][0].count;
    struct scores s = {
        .score = mem_new((size_t)ITEM_CAPTIONS_MAX * f->order[0].count + rates,
                         sizeof(double))};

    score_list(f, &f->order[0], &s);
    score_list(f, &f->rate[0][0], &s);
    score_list(f, &f->rate[1][0], &s);
    const enum status st = moments_of(&s, f->about);
    if (st == ST_OK) {
        qsort(s.score, s.count, sizeof(double), by_score);
        for (size_t i = 0; i < MOTIF_QUANTILES; i++) {
            const size_t at = (s.count - 1) * i / (MOTIF_QUANTILES - 1);
            f->about->quantile[i] = (s.score[at] - f->about->mean) / f->about->sigma;
        }
    }
    mem_free(s.score);
    return st;
}
