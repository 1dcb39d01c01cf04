#include "learner/train/heads.h"

#include <math.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/mem.h"

void heads_init(struct heads *h, int count, size_t rows, bool value_norm, double rate)
{
    CHECK(count >= 1 && count <= HEADS_MAX);
    *h = (struct heads){.count = count};
    for (int i = 0; i < count; i++) {
        struct head *one = &h->head[i];
        float **const each[] = {&one->value,  &one->value_n,  &one->old_value_n,
                                &one->target, &one->target_n, &one->dvalue};
        for (size_t k = 0; k < sizeof(each) / sizeof(each[0]); k++) {
            *each[k] = mem_new(rows, sizeof(float));
        }
        one->advantage = i > 0 ? mem_new(rows, sizeof(float)) : NULL;
        moments_init(&one->moments, value_norm, rate);
    }
    h->gradient = count > 1 ? mem_new(rows * (size_t)count, sizeof(float)) : NULL;
}

void heads_release(struct heads *h)
{
    for (int i = 0; i < h->count; i++) {
        struct head *one = &h->head[i];
        float *all[] = {one->value,    one->value_n, one->old_value_n, one->target,
                        one->target_n, one->dvalue,  one->advantage};
        for (size_t k = 0; k < sizeof(all) / sizeof(all[0]); k++) {
            mem_free(all[k]);
        }
    }
    mem_free(h->gradient);
    *h = (struct heads){0};
}

struct moments heads_moments(const struct heads *h, int head)
{
    return head < h->count ? h->head[head].moments : (struct moments){.scale = 1};
}

void heads_take_values(struct heads *h, size_t row, const float *values, int N)
{
    if (h->count == 1) {
        memcpy(h->head[0].value_n + row, values, sizeof(float) * (size_t)N);
        return;
    }
    for (size_t n = 0; n < (size_t)N; n++) {
        for (int i = 0; i < h->count; i++) {
            h->head[i].value_n[row + n] = *values++;
        }
    }
}

static void one_head(struct head *h, float *advantage, const struct batch *b,
                     const struct batch_stream *s, const float *log_ratio)
{
    const float mean = (float)h->moments.mean, scale = (float)h->moments.scale;

    for (int i = 0; i < b->rows; i++) {
        h->value[i] = h->value_n[i] * scale + mean;
        h->old_value_n[i] = (s->old_value[i] - mean) / scale;
    }
    for (int p = 0; p < b->pieces; p++) {
        const size_t row = batch_piece_row(b, p);
        const struct vtrace_rows in = {.reward = s->reward + row,
                                       .value = h->value + row,
                                       .log_ratio = log_ratio + row,
                                       .flags = b->flags + row,
                                       .final_value = s->final_value + row,
                                       .last = s->last_value +
                                               (size_t)p * (size_t)b->shape.piece};
        vtrace_targets(h->target + row, advantage + row, &in, b->shape.T,
                       batch_piece_sequences(b, p), &h->vtrace);
    }
}

void heads_targets(struct heads *h, float *advantage, const struct batch *b,
                   const float *log_ratio)
{
    one_head(&h->head[0], advantage, b, &b->stream[0], log_ratio);
    for (int i = 1; i < h->count; i++) {
        float *own = h->head[i].advantage;
        one_head(&h->head[i], own, b, &b->stream[i], log_ratio);
        for (int n = 0; n < b->rows; n++) {
            advantage[n] += own[n];
        }
    }
}

double heads_scale(const struct heads *h)
{
    const double first = h->head[0].moments.scale;

    return h->count == 1 ? first : hypot(first, h->head[1].moments.scale);
}

void heads_add_up(struct heads *h, struct heads_sums *sums, const struct batch *b)
{
    for (int i = 0; i < h->count; i++) {
        struct head *one = &h->head[i];
        struct heads_sums *s = &sums[i];
        const float mean = (float)one->moments.mean, scale = (float)one->moments.scale;
        for (int n = 0; n < b->rows; n++) {
            const double v = (double)one->target[n];
            const double error = v - (double)one->value[n];
            one->target_n[n] = (one->target[n] - mean) / scale;
            if (b->part != NULL && b->part[n] != LOSS_FRESH) {
                continue; // what the critic is worth, fresh rows say
            }
            s->target += v;
            s->target2 += v * v;
            s->error += error;
            s->error2 += error * error;
        }
    }
}

const float *heads_gradient(struct heads *h, size_t row, int N)
{
    if (h->count == 1) {
        return h->head[0].dvalue + row;
    }
    float *to = h->gradient + row * (size_t)h->count;
    for (size_t n = 0; n < (size_t)N; n++) {
        for (int i = 0; i < h->count; i++) {
            to[n * (size_t)h->count + (size_t)i] = h->head[i].dvalue[row + n];
        }
    }
    return to;
}

void heads_move(struct heads *h, struct policy *p, double n,
                const struct heads_sums *sums)
{
    for (int i = 0; i < h->count; i++) {
        struct moments *m = &h->head[i].moments;
        const double mean = m->mean, scale = m->scale;
        moments_move(m, n, sums[i].target, sums[i].target2);
        if (m->on) {
            policy_rescale_values(p, i, mean, scale, m->mean, m->scale);
        }
    }
}
