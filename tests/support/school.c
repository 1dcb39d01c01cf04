#include "tests/support/harness.h"

#include "tests/support/school.h"

#include <string.h>

#include "common/base/hash.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/wire/bus.h"
#include "learner/store/ledger.h"
#include "learner/store/replay.h"
#include "learner/train/journal.h"

enum { RUN = 77, SLOTS = 1 << 14 };

static void open_games(struct school *s, const struct school_plan *plan, uint32_t actor)
{
    const struct env_kind *kind = NULL;

    assert_int_equal(env_find(plan->task, &kind), ST_OK);
    const struct vecenv_plan games = {
        .kind = kind,
        .options = {plan->task, plan->overrides, "", false},
        .envs = plan->envs,
        .stream = {.seed = 7, .role = RNG_ENV, .index = actor, .incarnation = 1},
        .count_key = COUNT_DIGITS_MASKED,
    };
    assert_int_equal(vecenv_open(&games, &s->games), ST_OK);
    const struct policy_shape shape = {"cells", vecenv_spec(s->games)->actions,
                                       (int)s->options.value_heads};
    assert_int_equal(policy_new(&shape, plan->envs, plan->envs, false, &s->policy),
                     ST_OK);
    struct rollout_plan rollout = {s->games, s->policy, plan->T, games.stream};
    rollout.stream.role = RNG_ACTOR;
    s->rollout = rollout_new(&rollout);
}

static void open_training(struct school *s, const struct school_plan *plan)
{
    const struct train_plan train = {
        .options = &s->options,
        .ranks = plan->ranks != NULL ? plan->ranks : s->own,
        .rings = s->rings,
        .replay = s->replay,
        .clock = &s->clock,
        .shape = {.net = "cells",
                  .actions = vecenv_spec(s->games)->actions,
                  .value_heads = (int)s->options.value_heads},
        .run = RUN,
        .start = plan->start > 0 ? plan->start : 1,
        .goal = bytes_text(SCHOOL_GOAL),
    };

    assert_int_equal(train_init(&s->train, &train), ST_OK);
    s->train.inbox.top = replay_top(s->replay);
}

void school_open(struct school *s, const struct school_plan *plan, uint32_t actor)
{
    char path[600];

    memset(s, 0, sizeof(*s));
    option_defaults(learner_option_table, &s->options);
    text_format(s->options.run_dir, sizeof(s->options.run_dir), "%s", plan->dir);
    text_format(s->options.env, sizeof(s->options.env), "%s", plan->task);
    s->options.segment_steps = plan->T;
    s->options.batch = plan->envs * plan->T;
    s->options.draw_timeout = 0; // the clock stands still
    s->options.checkpoint_seconds = 1e6;
    if (plan->tune != NULL) {
        plan->tune(&s->options);
    }
    clock_init_manual(&s->clock, 1000000000u);
    if (plan->ranks == NULL) {
        assert_int_equal(ranks_open(&(struct ranks_options){10, false}, &s->own),
                         ST_OK);
    }
    text_format(path, sizeof(path), "%s/store-%u", plan->dir, actor);
    assert_int_equal(replay_open(path, RUN, 64u << 20, &s->replay), ST_OK);
    s->rings.to_training = ring_new(sizeof(struct to_training), SLOTS);
    s->rings.to_io = ring_new(sizeof(struct to_io), SLOTS);
    s->codec = codec_new();
    open_games(s, plan, actor);
    open_training(s, plan);
}

void school_close(struct school *s)
{
    school_listen(s);
    train_release(&s->train);
    replay_close(s->replay);
    rollout_free(s->rollout);
    policy_free(s->policy);
    vecenv_close(s->games);
    codec_free(s->codec);
    ring_free(s->rings.to_training);
    ring_free(s->rings.to_io);
    ranks_close(s->own);
}

void school_put_frame(struct school *s, struct bytes frame)
{
    uint64_t serial = 0;

    assert_int_equal(replay_begin(s->replay), ST_OK);
    assert_int_equal(replay_put_segment(s->replay, frame, &serial), ST_OK);
    assert_int_equal(replay_commit(s->replay), ST_OK);
    const struct to_training m = {.kind = TO_TRAINING_STORED, .serial = serial};
    assert_true(ring_push(s->rings.to_training, &m));
}

struct bytes school_frame(struct school *s, const struct segment_fill *fill)
{
    struct segment_fill f = *fill;

    f.header = (struct frame_header){.kind = FRAME_SEGMENT,
                                     .run = RUN,
                                     .actor = 1,
                                     .incarnation = 1,
                                     .seq = s->seq++};
    return codec_encode_segment(s->codec, &f);
}

void school_put(struct school *s, const struct segment_fill *fill)
{
    school_put_frame(s, school_frame(s, fill));
}

void school_play(struct school *s, uint64_t update)
{
    const struct params *from = policy_params(s->train.policy);
    enum status st = ST_OK;

    memcpy(policy_params(s->policy)->weights, from->weights,
           sizeof(float) * from->floats);
    policy_weights_changed(s->policy);
    struct rollout_moments moments[HEADS_MAX];
    for (int h = 0; h < HEADS_MAX; h++) {
        const struct moments m = heads_moments(&s->train.heads, h);
        moments[h] = (struct rollout_moments){m.mean, m.scale};
    }
    rollout_set_version(s->rollout, (struct version){1, update}, moments);
    rollout_begin(s->rollout);
    while (st == ST_OK) {
        st = rollout_step(s->rollout);
    }
    assert_int_equal(st, ST_FULL);
    for (int e = 0; e < vecenv_count(s->games); e++) {
        struct segment_fill fill;
        rollout_segment(s->rollout, e, &fill);
        fill.env = (uint32_t)e;
        fill.seed = 7;
        school_put(s, &fill);
    }
}

void school_label(struct school *s, const char *caption, float p, uint64_t serial)
{
    const struct to_training m = {.kind = TO_TRAINING_VERDICT,
                                  .verdict = {.key = hash_128(bytes_text(caption)),
                                              .ledger_serial = serial,
                                              .p = p,
                                              .kind = VERDICT_LABEL,
                                              .captions = 1}};

    assert_true(ring_push(s->rings.to_training, &m));
}

void school_text(struct school *s, const char *caption)
{
    struct to_training m = {.kind = TO_TRAINING_TEXT,
                            .text = {.key = hash_128(bytes_text(caption)),
                                     .len = (uint8_t)strlen(caption)}};

    memcpy(m.text.text, caption, m.text.len);
    assert_true(ring_push(s->rings.to_training, &m));
}

void school_order(struct school *s, const char *better, const char *worse,
                  uint64_t serial)
{
    const struct hash128 both[2] = {hash_128(bytes_text(better)),
                                    hash_128(bytes_text(worse))};
    const struct to_training m = {.kind = TO_TRAINING_VERDICT,
                                  .verdict = {.key = ledger_set_key(both, 2),
                                              .ledger_serial = serial,
                                              .kind = VERDICT_LABEL,
                                              .captions = 2,
                                              .place = {0, 1},
                                              .caption = {both[0], both[1]}}};

    school_text(s, better);
    school_text(s, worse);
    assert_true(ring_push(s->rings.to_training, &m));
}

static void take_journal(struct school *s, const struct to_io *m)
{
    struct journal_row row;

    memcpy(s->row + s->row_len, m->journal.data, m->journal.len);
    s->row_len += m->journal.len;
    if (!m->journal.last) {
        return;
    }
    assert_int_equal(journal_read(bytes_of(s->row, s->row_len), &row), ST_OK);
    assert_int_equal(row.update, m->journal.update);
    assert_int_equal(replay_begin(s->replay), ST_OK);
    assert_int_equal(
        replay_put_journal(s->replay, row.update, bytes_of(s->row, s->row_len)), ST_OK);
    assert_int_equal(replay_commit(s->replay), ST_OK);
    s->journal_update[s->journals % SCHOOL_JOURNAL] = row.update;
    s->journal_weights[s->journals++ % SCHOOL_JOURNAL] = row.weights;
    s->row_len = 0;
}

void school_listen(struct school *s)
{
    struct to_io m;

    while (ring_pop(s->rings.to_io, &m)) {
        s->trained += m.kind == TO_IO_TRAINED;
        s->dropped += m.kind == TO_IO_DROPPED;
        if (m.kind == TO_IO_WEIGHTS) {
            s->blobs++;
            bus_blob_release(m.weights.blob);
        }
        if (m.kind == TO_IO_CAPTION) {
            s->captions++;
            s->caption = m.caption;
        }
        if (m.kind == TO_IO_SCORES) {
            s->scores += (uint64_t)m.scores.count;
        }
        if (m.kind == TO_IO_VERDICT_TAKEN) {
            s->verdicts_taken = m.serial;
        }
        if (m.kind == TO_IO_JOURNAL) {
            take_journal(s, &m);
        }
    }
}

void school_step(struct school *s)
{
    assert_int_equal(train_step(&s->train), ST_OK);
    school_listen(s);
}
