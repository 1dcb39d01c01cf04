/* Two ranks are one: the same batch, half on each, gives the same gradient, weights,
 * rewards and labels. Ranks are threads here (ranks_twin). */

#include "tests/support/harness.h"

#include <math.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/text.h"
#include "tests/support/ranks_twin.h"
#include "tests/support/school.h"

enum { E = 8, HALF = E / 2, T = 16, R = 2, ROUNDS = 3 };

static struct school alone, half[R]; // large
static char dirs[3][512];
static struct ranks_twin *twin;

static void tune(struct learner_options *o)
{
    o->batch = E * T; // of all ranks
}

static void tune_count(struct learner_options *o)
{
    o->batch = E * T;
    text_format(o->reward, sizeof(o->reward), "count");
}

static struct school_plan plan_of(int i, void (*how)(struct learner_options *o))
{
    return (struct school_plan){.task = "chain",
                                .overrides = "length=3,limit=7",
                                .envs = i == 2 ? E : HALF,
                                .T = T,
                                .ranks = i == 2 ? NULL : ranks_twin_rank(twin, i),
                                .dir = dirs[i],
                                .tune = how};
}

static void open_all(void (*how)(struct learner_options *o))
{
    twin = ranks_twin_new(R);
    for (int i = 0; i < 3; i++) {
        strcpy(dirs[i], harness_make_dir());
        const struct school_plan plan = plan_of(i, how);
        school_open(i == 2 ? &alone : &half[i], &plan, (uint32_t)i + 1);
    }
}

static void close_all(void)
{
    school_close(&alone);
    for (int i = 0; i < R; i++) {
        school_close(&half[i]);
    }
    for (int i = 0; i < 3; i++) {
        harness_remove_dir(dirs[i]);
    }
    ranks_twin_free(twin);
}

/* Plays E games for the one rank, and puts the same segments on the two, by halves. */
static void play_the_same(void)
{
    const uint64_t before = replay_top(alone.replay);
    struct replay_view *view;

    school_play(&alone, alone.train.update);
    assert_int_equal(replay_view_open(alone.replay, &view), ST_OK);
    for (int e = 0; e < E; e++) {
        struct school *to = &half[e < HALF ? 0 : 1];
        struct bytes frame;
        uint64_t serial;
        assert_int_equal(replay_view_segment(view, before + 1 + (uint64_t)e, &frame),
                         ST_OK);
        assert_int_equal(replay_begin(to->replay), ST_OK);
        assert_int_equal(replay_put_segment(to->replay, frame, &serial), ST_OK);
        assert_int_equal(replay_commit(to->replay), ST_OK);
        const struct to_training m = {.kind = TO_TRAINING_STORED, .serial = serial};
        assert_true(ring_push(to->rings.to_training, &m));
    }
    replay_view_close(view);
}

static void step_rank(void *ctx, int rank)
{
    struct school *s = ctx;

    school_step(&s[rank]);
}

static void step_all(void)
{
    school_step(&alone);
    ranks_twin_run(twin, step_rank, half);
}

static double furthest(const float *a, const float *b, size_t n)
{
    double most = 0;

    for (size_t i = 0; i < n; i++) {
        most = fmax(most, fabs((double)a[i] - (double)b[i]));
    }
    return most;
}

static void two_ranks_make_the_gradient_and_the_step_of_one(void **state)
{
    (void)state;
    open_all(tune);
    for (int round = 0; round < ROUNDS; round++) {
        play_the_same();
        step_all();
        const struct params *one = policy_params(alone.train.policy);
        const struct params *two = policy_params(half[0].train.policy);
        // The gradients are sums over 128 rows; per sample they agree to 1e-5.
        assert_true(furthest(one->grads, two->grads, one->floats) < 1e-5 * E * T);
        assert_int_equal(train_digest(&half[0].train), train_digest(&half[1].train));
        // Adam's first steps divide by the gradient's own size: rounding in a gradient
        // near 0 may turn a whole step around, so weights agree to a few steps of 1e-3.
        assert_true(furthest(one->weights, two->weights, one->floats) <
                    2e-3 * (round + 1));
        assert_float_equal(alone.train.heads.head[0].moments.mean,
                           half[1].train.heads.head[0].moments.mean, 1e-4);
        assert_float_equal(alone.train.last.sigma, half[1].train.last.sigma, 1e-4);
        assert_int_equal(half[1].train.env_steps, (round + 1) * E * T);
    }
    close_all();
}

static void a_rank_without_segments_adds_nothing_and_keeps_step(void **state)
{
    (void)state;
    open_all(tune);
    school_play(&half[0], 0);
    ranks_twin_run(twin, step_rank, half);
    assert_int_equal(half[1].train.update, 1);
    assert_int_equal(half[1].train.env_steps, HALF * T);
    assert_int_equal(half[1].trained, 0);
    assert_int_equal(train_digest(&half[0].train), train_digest(&half[1].train));
    close_all();
}

static void a_label_reaches_all_ranks_at_the_same_update(void **state)
{
    (void)state;
    open_all(tune);
    school_label(&half[0], "You fall.", 1, 9);
    play_the_same();
    ranks_twin_run(twin, step_rank, half);
    for (int i = 0; i < R; i++) {
        assert_int_equal(half[i].train.reward.table.labels, 1);
        assert_int_equal(half[i].train.exchange.ledger_serial, 9);
    }
    assert_int_equal(half[0].verdicts_taken, 9); // rank 0 alone has the ledger
    assert_int_equal(half[1].verdicts_taken, 0);
    close_all();
}

static void checkpoint_rank(void *ctx, int rank)
{
    struct school *s = ctx;

    assert_int_equal(train_checkpoint(&s[rank].train), ST_OK);
    school_listen(&s[rank]);
}

static void load_rank(void *ctx, int rank)
{
    struct school *s = ctx;
    struct checkpoint_manifest m;
    char path[600];

    assert_int_equal(checkpoint_find(dirs[0], false, &m, path, sizeof(path)), ST_OK);
    assert_int_equal(train_load(&s[rank].train, &m, path), ST_OK);
}

static void tune_replay(struct learner_options *o)
{
    tune(o);
    o->replay_ratio = 0.25;
}

/* The update at which a rank first met the landing. */
static uint64_t first_sight(const struct school *s)
{
    static const char landing[] = "You climb to the first landing.";
    const struct caption_entry *e =
        caption_table_find(&s->train.reward.table, hash_128(bytes_text(landing)));

    assert_non_null(e);
    return e->first_update;
}

/* Each rank replays of its own windows; the gradient is one. A rank that has not met the
 * caption has no window, and resumes with its own first sights. */
static void each_rank_replays_its_own_windows_and_resumes(void **state)
{
    uint64_t want[4], met[R];

    (void)state;
    open_all(tune_replay);
    school_play(&half[1], 0);
    ranks_twin_run(twin, step_rank, half); // rank 1 alone has met anything
    for (int i = 0; i < 5; i++) {
        school_play(&half[0], 0);
        school_play(&half[1], 0);
    }
    ranks_twin_run(twin, step_rank, half);
    ranks_twin_run(twin, checkpoint_rank, half);
    school_label(&half[0], "You climb to the first landing.", 1, 9);
    for (int i = 0; i < 4; i++) {
        ranks_twin_run(twin, step_rank, half);
        want[i] = train_digest(&half[0].train);
        assert_int_equal(train_digest(&half[1].train), want[i]);
        for (int r = 0; r < R; r++) {
            assert_int_equal(half[r].train.replaying.drawn, i == 0 ? 0 : HALF / 4);
        }
    }
    const struct replay_tallies *t = &half[0].train.totals.replay;
    assert_true(t->windows == 2);
    assert_true(t->window_segments == 2 * HALF + 3 * HALF);
    for (int i = 0; i < R; i++) {
        const struct school_plan plan = plan_of(i, tune_replay);
        met[i] = first_sight(&half[i]);
        school_close(&half[i]);
        school_open(&half[i], &plan, (uint32_t)i + 1);
    }
    ranks_twin_run(twin, load_rank, half);
    assert_true(met[0] > met[1]);
    assert_int_equal(first_sight(&half[0]), met[0]);
    assert_int_equal(first_sight(&half[1]), met[1]);
    school_label(&half[0], "You climb to the first landing.", 1, 9);
    for (int i = 0; i < 4; i++) {
        ranks_twin_run(twin, step_rank, half);
        assert_int_equal(train_digest(&half[0].train), want[i]);
        assert_int_equal(train_digest(&half[1].train), want[i]);
    }
    close_all();
}

enum { MOST_SUMS = sizeof(struct agreed) / sizeof(double) };
static double sums[R][MOST_SUMS];

static void agree_rank(void *ctx, int rank)
{
    (void)ctx;
    for (int i = 0; i < MOST_SUMS; i++) {
        sums[rank][i] = (rank + 1) * i;
    }
    assert_int_equal(ranks_agree(ranks_twin_rank(twin, rank), sums[rank], MOST_SUMS),
                     ST_OK);
}

/* A round's sums have a part for each rank. */
static void the_sums_of_as_many_ranks_as_may_be_are_agreed_on(void **state)
{
    (void)state;
    twin = ranks_twin_new(R);
    ranks_twin_run(twin, agree_rank, NULL);
    for (int i = 0; i < MOST_SUMS; i++) {
        assert_float_equal(sums[0][i], 3 * i, 0);
        assert_float_equal(sums[1][i], 3 * i, 0);
    }
    ranks_twin_free(twin);
}

/* A reward that writes down what it is given. */
enum { NOTES = 4096 };
struct notes {
    int texts, labels, texts_before;
    struct hash128 text[NOTES];
    struct reward_label label;
    uint64_t update;
};
static struct notes notes[R];

static void note_text(struct reward *r, struct hash128 key, struct bytes text)
{
    struct notes *n = &notes[r->peers.index];

    assert_true(hash_equal(key, hash_128(text)));
    n->text[n->texts++] = key;
}

static void note_label(struct reward *r, const struct reward_label *label,
                       uint64_t update)
{
    struct notes *n = &notes[r->peers.index];

    n->labels++;
    n->label = *label;
    n->update = update;
    n->texts_before = n->texts;
}

static void note_score(struct reward *r, float *score, const struct reward_rows *in)
{
    (void)r;
    memset(score, 0, sizeof(float) * (size_t)in->texts);
}

static const struct reward_kind noting = {.name = "noting",
                                          .needs_labels = true,
                                          .needs_texts = true,
                                          .asks = REWARD_ASKS_ORDER,
                                          .take_text = note_text,
                                          .take_label = note_label,
                                          .score = note_score};

static struct hash128 tell_text(struct school *s, int number)
{
    struct to_training m = {.kind = TO_TRAINING_TEXT};
    char text[32];

    (void)text_format(text, sizeof(text), "caption %d", number);
    m.text.key = hash_128(bytes_text(text));
    m.text.len = (uint8_t)strlen(text);
    memcpy(m.text.text, text, m.text.len);
    assert_true(ring_push(s->rings.to_training, &m));
    return m.text.key;
}

/* More texts than one exchange has room for, then an order that is about the last. */
static void orders_reach_all_ranks_after_the_texts_they_are_about(void **state)
{
    enum { TEXTS = INBOX_TEXTS + 9 };
    struct to_training m = {.kind = TO_TRAINING_VERDICT,
                            .verdict = {.key = {3, 4},
                                        .ledger_serial = 7,
                                        .kind = VERDICT_TIE,
                                        .captions = 2,
                                        .place = {1, 1}}};

    (void)state;
    open_all(tune);
    memset(notes, 0, sizeof(notes));
    for (int i = 0; i < R; i++) {
        half[i].train.reward.kind = &noting;
    }
    for (int i = 0; i < TEXTS; i++) {
        m.verdict.caption[i % 2] = tell_text(&half[0], i);
    }
    assert_true(ring_push(half[0].rings.to_training, &m));
    ranks_twin_run(twin, step_rank, half);
    assert_int_equal(notes[1].texts, INBOX_TEXTS);
    assert_int_equal(notes[1].labels, 0);
    ranks_twin_run(twin, step_rank, half);
    for (int i = 0; i < R; i++) {
        const struct reward_label *l = &notes[i].label;
        assert_int_equal(notes[i].texts, TEXTS);
        assert_int_equal(notes[i].labels, 1);
        assert_int_equal(notes[i].texts_before, TEXTS);
        assert_memory_equal(notes[i].text, notes[0].text, sizeof(notes[0].text));
        assert_int_equal(l->captions, 2);
        assert_int_equal(l->kind, VERDICT_TIE);
        assert_int_equal(l->place[1], 1);
        assert_true(hash_equal(l->caption[0], m.verdict.caption[0]));
        assert_true(hash_equal(l->caption[1], m.verdict.caption[1]));
        assert_int_equal(half[i].train.exchange.ledger_serial, 7);
        assert_int_equal(half[i].train.reward.table.labels, 2); // as of its captions
    }
    close_all();
}

static void captions_of_other_ranks_reach_rank_0(void **state)
{
    struct to_training m = {.kind = TO_TRAINING_CAPTION};

    (void)state;
    open_all(tune);
    memcpy(m.caption.text, "hello", 5);
    m.caption.len = 5;
    m.caption.visits = 3;
    assert_true(ring_push(half[1].rings.to_training, &m));
    ranks_twin_run(twin, step_rank, half);
    assert_int_equal(half[0].captions, 1);
    assert_int_equal(half[0].caption.visits, 3);
    assert_memory_equal(half[0].caption.text, "hello", 5);
    assert_int_equal(half[1].captions, 0);
    ranks_twin_run(twin, step_rank, half);
    assert_int_equal(half[0].captions, 1); // told once
    close_all();
}

static void visits_are_counted_over_all_ranks(void **state)
{
    (void)state;
    open_all(tune_count);
    for (int round = 0; round < ROUNDS; round++) {
        play_the_same();
        step_all();
        for (int i = 0; i < R; i++) {
            const struct batch *b = &half[i].train.batch;
            for (int u = 0; u < b->texts; u++) {
                const struct caption_entry *one =
                    caption_table_find(&alone.train.reward.table, b->key[u]);
                const struct caption_entry *two =
                    caption_table_find(&half[i].train.reward.table, b->key[u]);
                if (b->text[u].len > 0 && b->emissions[u] > 0) {
                    assert_int_equal(one->visits, two->visits);
                    assert_true(one->visits >= b->emissions[u]);
                }
            }
        }
    }
    close_all();
}

/* ---- a reward that is fitted ---- */

static void tune_classify(struct learner_options *o)
{
    o->batch = E * T;
    text_format(o->reward, sizeof(o->reward), "classify");
    o->gate_labels = 24;
    o->gate_class = 4;
    o->gate_steps = 8;
    o->ramp_updates = 4;
    o->reward_version_updates = 2;
}

/* Without a gate: what is new is scored at once, by chance. */
static void tune_rank(struct learner_options *o)
{
    o->batch = E * T;
    text_format(o->reward, sizeof(o->reward), "rank");
    o->gate_labels = o->gate_class = o->gate_steps = o->ramp_updates = 0;
}

static void what_any_rank_has_scored_goes_to_who_chooses_pairs(void **state)
{
    (void)state;
    open_all(tune_rank);
    for (int round = 0; round < ROUNDS; round++) {
        play_the_same();
        step_all();
    }
    const uint64_t own = half[0].train.reward.fitting.scored;
    const uint64_t other = half[1].train.reward.fitting.scored;
    assert_true(own > 0 && other > 0);
    assert_int_equal(alone.scores, alone.train.reward.fitting.scored);
    assert_int_equal(half[0].scores, own + other);
    assert_int_equal(half[1].scores, 0); // it asks no judge
    close_all();
}

static void teach(struct school *s, int n)
{
    char text[32];

    text_format(text, sizeof(text), "%s %c%c.", n % 3 == 0 ? "You climb" : "You fall",
                'a' + n % 26, 'a' + n / 26);
    school_text(s, text);
    school_label(s, text, n % 3 == 0 ? 1 : 0, (uint64_t)n + 1);
}

static enum status checkpointed[R];

static void try_checkpoint(void *ctx, int rank)
{
    struct school *s = ctx;

    checkpointed[rank] = train_checkpoint(&s[rank].train);
    school_listen(&s[rank]);
}

static uint64_t model_of(const struct school *s)
{
    return s->train.reward.kind->digest(&s->train.reward);
}

static void a_fitted_reward_is_the_same_on_all_ranks(void **state)
{
    (void)state;
    open_all(tune_classify);
    for (int round = 0; round < 16; round++) {
        for (int i = 0; round < 8 && i < 6; i++) {
            teach(&alone, 6 * round + i);
            teach(&half[0], 6 * round + i);
        }
        play_the_same();
        step_all();
        const struct fitting_figures *one = &alone.train.reward.fitting;
        const struct fitting_figures *two = &half[0].train.reward.fitting;
        assert_int_equal(model_of(&half[0]), model_of(&half[1]));
        assert_int_equal(two->version, one->version);
        assert_int_equal(two->steps, one->steps);
        assert_float_equal(two->ramp, one->ramp, 0);
        assert_float_equal(alone.train.agreed.tallies.reward.in,
                           half[1].train.agreed.tallies.reward.in,
                           1e-3 * (1 + alone.train.agreed.tallies.reward.in));
    }
    assert_true(alone.train.reward.fitting.ramp >= 1);
    assert_true(alone.train.agreed.tallies.reward.in > 0);
    ranks_twin_run(twin, try_checkpoint, half);
    assert_int_equal(checkpointed[0], ST_OK);
    assert_int_equal(checkpointed[1], ST_OK);

    // A rank that has parted from the others is found at the next checkpoint.
    half[1].train.reward.kind->take_text(&half[1].train.reward, (struct hash128){1, 2},
                                         bytes_text("You fall."));
    const struct reward_label label = {
        .key = {1, 2}, .kind = VERDICT_LABEL, .captions = 1, .p = 1};
    half[1].train.reward.kind->take_label(&half[1].train.reward, &label, 0);
    harness_stderr_begin();
    half[0].train.update++;
    half[1].train.update++;
    ranks_twin_run(twin, try_checkpoint, half);
    assert_int_equal(checkpointed[0], ST_CORRUPT);
    assert_non_null(
        strstr(harness_stderr_end(), "the reward's model of rank 1 differs"));
    close_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_ranks_make_the_gradient_and_the_step_of_one),
        cmocka_unit_test(a_rank_without_segments_adds_nothing_and_keeps_step),
        cmocka_unit_test(a_label_reaches_all_ranks_at_the_same_update),
        cmocka_unit_test(each_rank_replays_its_own_windows_and_resumes),
        cmocka_unit_test(the_sums_of_as_many_ranks_as_may_be_are_agreed_on),
        cmocka_unit_test(orders_reach_all_ranks_after_the_texts_they_are_about),
        cmocka_unit_test(captions_of_other_ranks_reach_rank_0),
        cmocka_unit_test(visits_are_counted_over_all_ranks),
        cmocka_unit_test(what_any_rank_has_scored_goes_to_who_chooses_pairs),
        cmocka_unit_test(a_fitted_reward_is_the_same_on_all_ranks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
