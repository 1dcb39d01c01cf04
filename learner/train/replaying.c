#include "learner/train/replaying.h"

#include <math.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/rng.h"
#include "common/base/text.h"

/* What the store cannot hold need not be known: a segment there fills pages of its own. */
enum { PAGE = 4096 };

enum status replaying_check(const struct learner_options *o, bool labelled)
{
    if (!(o->replay_ratio > 0)) {
        return ST_OK;
    }
    if (strcmp(o->loss, "oni") == 0) {
        LOG_ERROR("TRAIN-REPLAY",
                  "--loss=oni is the reference's, which replays nothing: "
                  "it does not go with --replay-ratio; ppo and vtrace do");
        return ST_INVALID;
    }
    if (o->segment_steps <= REPLAYING_BURN_IN) {
        LOG_ERROR(
            "TRAIN-REPLAY",
            "--replay-ratio needs --segment-steps above %d, not %lld: the first %d "
            "steps of what is replayed carry no loss",
            REPLAYING_BURN_IN, (long long)o->segment_steps, REPLAYING_BURN_IN);
        return ST_INVALID;
    }
    if (strcmp(o->replay_mode, "labels") == 0 && !labelled) {
        LOG_ERROR("TRAIN-REPLAY",
                  "--replay-mode=labels replays what late labels pay, and --reward=%s "
                  "asks for no labels; --replay-mode=uniform goes with it",
                  o->reward);
        return ST_INVALID;
    }
    return ST_OK;
}

int replaying_most(const struct learner_options *o, int want)
{
    return (int)ceil(o->replay_ratio * want);
}

/* As many as can be young enough, and as the store can hold. */
static size_t room_of(const struct learner_options *o, int want)
{
    const uint64_t young = ((uint64_t)o->replay_age + 1) * (uint64_t)want;
    const uint64_t held = ((uint64_t)o->store_mb << 20) / PAGE;

    return (size_t)(young < held ? young : held);
}

void replaying_init(struct replaying *r, const struct learner_options *o, int want,
                    int rank)
{
    *r = (struct replaying){.on = o->replay_ratio > 0,
                            .ratio = o->replay_ratio,
                            .most = replaying_most(o, want),
                            .seed = (uint64_t)o->seed,
                            .rank = (uint32_t)rank};
    if (!r->on) {
        return;
    }
    const struct windows_options windows = {.uniform =
                                                strcmp(o->replay_mode, "uniform") == 0,
                                            .age = (uint64_t)o->replay_age,
                                            .room = room_of(o, want)};
    windows_init(&r->windows, &windows);
    r->serials = mem_new((size_t)r->most, sizeof(*r->serials));
    r->picked = mem_new((size_t)r->most, sizeof(*r->picked));
    r->prox =
        mem_new((size_t)(want + r->most) * (size_t)o->segment_steps, sizeof(*r->prox));
}

void replaying_release(struct replaying *r)
{
    windows_release(&r->windows);
    mem_free(r->serials);
    mem_free(r->picked);
    mem_free(r->prox);
    *r = (struct replaying){0};
}

/* The ratio is kept over updates where it is no whole number in each. What finds nothing
 * to replay is not made up for. */
static int due(struct replaying *r, int fresh)
{
    r->credit += r->ratio * fresh;
    const int whole = (int)r->credit;
    r->credit -= whole;
    return whole < r->most ? whole : r->most;
}

enum status replaying_draw(struct replaying *r, struct sampler *s, uint64_t update,
                           struct tallies *t)
{
    struct rng rng;

    r->drawn = 0;
    if (!r->on || s->drawn == 0) {
        return ST_OK;
    }
    // A stream for each update: what a checkpoint goes on from needs no state of chance.
    rng_init_stream(&rng, &(struct rng_stream){.seed = r->seed,
                                               .role = RNG_LEARNER,
                                               .index = r->rank,
                                               .episode = update});
    const int count =
        windows_draw(&r->windows, due(r, s->drawn), update, &rng, r->picked, t);
    for (int i = 0; i < count; i++) {
        const enum status st = sampler_replay(s, r->picked[i].serial);
        if (st == ST_NOTFOUND) {
            t->replay.gone++;
            continue;
        }
        TRY(st);
        r->serials[r->drawn++] = r->picked[i].serial;
        tallies_replayed(t, update - r->picked[i].acted);
    }
    for (int i = 0; i < s->drawn; i++) {
        windows_add(&r->windows, s->serials[i], s->views[i].version.update, update, t);
    }
    return ST_OK;
}

/* Over the rows that may carry loss. */
static double sample_size(const struct batch *b, int sequence, const float *log_ratio)
{
    const int T = b->shape.T, first = b->shape.burn_in;
    double sum = 0, squares = 0;

    for (int t = first; t < T; t++) {
        // what is not a number stays so, which fmin would hide, and is cut
        const double ratio = exp((double)log_ratio[batch_row(b, sequence, t)]);
        const double rho = ratio > 1 ? 1 : ratio;
        sum += rho;
        squares += rho * rho;
    }
    return squares > 0 ? sum * sum / ((T - first) * squares) : 0;
}

void replaying_cut(struct replaying *r, struct batch *b, const float *log_ratio,
                   struct tallies *t)
{
    if (!r->on) {
        return;
    }
    memcpy(r->prox, log_ratio, sizeof(float) * (size_t)b->rows);
    r->rows = 0;
    for (int i = b->fresh; i < b->B; i++) {
        if (sample_size(b, i, log_ratio) >= REPLAYING_LEAST_ESS) {
            r->rows += b->shape.T - b->shape.burn_in;
            continue;
        }
        t->replay.cut++;
        for (int step = 0; step < b->shape.T; step++) {
            b->part[batch_row(b, i, step)] = LOSS_NONE;
        }
    }
}

/* ---- the checkpoint ---- */

void replaying_file_name(int rank, char name[32])
{
    text_format(name, 32, "replay-%d.bin", rank);
}

void replaying_write(const struct replaying *r, char **data, size_t *len)
{
    char *windows;
    size_t size;

    windows_write(&r->windows, &windows, &size);
    *len = sizeof(r->credit) + size;
    *data = mem_new(*len, 1);
    memcpy(*data, &r->credit, sizeof(r->credit));
    memcpy(*data + sizeof(r->credit), windows, size);
    mem_free(windows);
}

enum status replaying_read(struct replaying *r, struct bytes b)
{
    const size_t head = b.len < sizeof(r->credit) ? b.len : sizeof(r->credit);

    memcpy(&r->credit, b.data, head);
    return windows_read(&r->windows,
                        bytes_of((const char *)b.data + head, b.len - head));
}
