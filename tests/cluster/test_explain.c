/* What minos explain computes again out of the journal, against what training paid. */

#include "tests/support/harness.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "learner/explain_impl.h"
#include "learner/store/replay_impl.h"
#include "tests/support/ranker.h"
#include "tests/support/school.h"

enum { E = 8, T = 16, MOST = 2 * E, LABELS = 6 };
enum { SAVED = 12, CRASH = 20, AGAIN = 16, UPDATES = 40 };

/* What a batch was paid, as it was. */
struct paid {
    int fresh, sequences;
    uint64_t serial[MOST];
    float reward[MOST][T];
};

static struct school school; // large
static struct paid paid[UPDATES + 1];
static char dir[512], vectors[600], model[600];
static const char *kind;
static double a_int;
static bool accidents;
static const char landing[] = "You climb to the first landing.";

static void tune(struct learner_options *o)
{
    text_format(o->reward, sizeof(o->reward), "%s", kind);
    text_format(o->word_vectors, sizeof(o->word_vectors), "%s", vectors);
    text_format(o->reward_model, sizeof(o->reward_model), "%s", model);
    text_format(o->replay_mode, sizeof(o->replay_mode), "uniform");
    o->replay_ratio = 0.25;
    o->a_ext = 1.1;
    o->a_int = a_int;
    o->reward_scale = 0.3;
    o->gate_labels = 64;
    o->gate_steps = 8;
    o->reward_version_updates = 2;
    o->ramp_updates = 6;
    o->reward_model_lr = 0.003;
    if (accidents) {
        text_format(o->pay_caption, sizeof(o->pay_caption), "seen");
        text_format(o->rank_pay, sizeof(o->rank_pay), "raw");
        text_format(o->soft, sizeof(o->soft), "raw");
        o->gate_labels = o->gate_class = o->gate_steps = 0;
    }
}

static void open_start(uint32_t start)
{
    const struct school_plan plan = {.task = "chain",
                                     .overrides = "length=3,limit=7",
                                     .start = start,
                                     .envs = E,
                                     .T = T,
                                     .dir = dir,
                                     .tune = tune};

    school_open(&school, &plan, 1);
    school.train.options.max_lag = 1000;
    school.train.sampler.options.max_lag = 1000;
}

/* ---- what judges said ---- */

/* By update u: of one caption that comes, again and again, and of others like it. */
static void send_labels(uint64_t u)
{
    char text[64], other[64];

    for (uint64_t i = 0; i < LABELS; i++) {
        const uint64_t n = u * LABELS + i;
        const bool good = n % 3 == 0;
        text_format(text, sizeof(text), good ? "You climb over %c%c%c." : "A %c%c%c.",
                    (char)('a' + n % 26), (char)('a' + n / 26 % 26),
                    (char)('a' + n % 7));
        text_format(other, sizeof(other), "A wall, %c%c.", (char)('a' + n % 26),
                    (char)('a' + n / 26 % 26));
        if (strcmp(kind, "rank") == 0) {
            school_order(&school, n % 5 == 0 ? landing : text, other, n + 1);
            continue;
        }
        const bool known = i == 0 && u % 4 == 1;
        school_text(&school, known ? landing : text);
        school_label(&school, known ? landing : text,
                     known  ? 1 - (float)(u % 7) / 17
                     : good ? 1
                            : 0,
                     n + 1);
    }
}

/* ---- training, and what it paid ---- */

static void record(struct paid *p)
{
    const struct batch *b = &school.train.batch;
    const struct replaying *r = &school.train.replaying;

    p->fresh = b->fresh;
    p->sequences = b->B;
    assert_in_range(b->B, b->fresh + (school.train.update > 5), MOST);
    for (int i = 0; i < b->B; i++) {
        p->serial[i] =
            i < b->fresh ? school.train.sampler.serials[i] : r->serials[i - b->fresh];
        for (int t = 0; t < T; t++) {
            p->reward[i][t] = b->stream[0].reward[batch_row(b, i, t)];
        }
    }
}

/* Some labels come in a round that has nothing to train, and pay the next batch. */
static void step(void)
{
    const uint64_t u = school.train.update;

    send_labels(u);
    // After the crash what it had trained waits once more.
    if (replay_top(school.replay) == school.train.sampler.counts.cursor) {
        if (u % 3 == 0) {
            school_step(&school);
            assert_int_equal(school.train.update, u);
        }
        school_play(&school, u);
    }
    school_step(&school);
    assert_int_equal(school.train.update, u + 1);
    record(&paid[u + 1]);
}

static void run_until(uint64_t update)
{
    while (school.train.update < update) {
        step();
    }
}

/* ---- against what the journal tells ---- */

static struct segment_view view;
static const struct reward_kind *explained;
static int equal, moved, unknown;

static void compare(const struct explain_walk *w, const struct journal_row *row,
                    uint64_t serial, bool replayed)
{
    const struct paid *p = &paid[row->update];
    int i = replayed ? p->fresh : 0;
    struct explain_step s;

    (void)w;
    while (i < p->sequences && p->serial[i] != serial) {
        i++;
    }
    assert_true(i < (replayed ? p->sequences : p->fresh));
    for (int t = 0; t < T; t++) {
        uint16_t count;
        const int text = explain_paid_for(row, &view, t, &count);
        explain_step(explained, row, &w->caption[text], &view, t, &s);
        if (isnan(s.worth)) {
            unknown++;
            continue;
        }
        if (memcmp(&s.reward, &p->reward[i][t], sizeof(s.reward)) != 0) {
            fail_msg("%s, update %d, segment %d, step %d: %.9g is told, %.9g was paid",
                     kind, (int)row->update, (int)serial, t, (double)s.reward,
                     (double)p->reward[i][t]);
        }
        equal++;
        moved += s.intrinsic != 0;
    }
}

/* Every segment of the store; the newest row is of update `last`. */
static void compare_all(uint64_t last, uint64_t rolled_back)
{
    static const struct codec_limits any;
    static struct explain_caption caption[2 * SEGMENT_STEPS_MAX + 1];
    struct replay_view *v;

    equal = moved = unknown = 0;
    explained = reward_find(kind);
    assert_int_equal(replay_view_open(school.replay, &v), ST_OK);
    for (uint64_t serial = 1; serial <= replay_top(school.replay); serial++) {
        struct bytes frame;
        struct explain_walk w = {.caption = caption,
                                 .serials = &serial,
                                 .count = 1,
                                 .hooks = {.paid = compare}};
        assert_int_equal(replay_view_segment(v, serial, &frame), ST_OK);
        assert_int_equal(codec_decode_segment(school.codec, frame, &any, &view), ST_OK);
        for (w.captions = 0; w.captions < view.texts; w.captions++) {
            const struct bytes text = segment_view_text(&view, w.captions).text;
            caption[w.captions] =
                (struct explain_caption){.key = hash_128(text), .text = text};
        }
        assert_int_equal(explain_walk_journal(v, &w), ST_OK);
        assert_int_equal(w.last_update, last);
        assert_int_equal(w.rolled_back, rolled_back);
    }
    replay_view_close(v);
}

/* What minos fit would have made for the school's goal. */
static void write_model(void)
{
    struct motif_about about;
    struct capnet *net;

    ranker_begin(0.2);
    ranker_rate_many();
    for (int i = 0; i < 8; i++) {
        ranker_order(landing, "You slip back to the floor.", 0, 1);
    }
    assert_int_equal(ranker_fit(&about, &net), ST_OK);
    text_format(about.environment, sizeof(about.environment), "chain");
    about.goal_digest = hash_128(bytes_text(SCHOOL_GOAL));
    text_format(model, sizeof(model), "%s/model", dir);
    assert_int_equal(motif_dir_write(model, &about, net), ST_OK);
    capnet_free(net);
    labels_free(ranker_labels);
    ranker_labels = NULL;
}

static void begin_kind(const char *name)
{
    kind = name;
    strcpy(dir, harness_make_dir());
    text_format(vectors, sizeof(vectors), "%s/toy.vec", dir);
    FILE *f = fopen(vectors, "we");
    assert_non_null(f);
    fputs("5 2\nclimb 1 0\nlanding. 0.3 1\nto 1 -0.2\nthe 0.5 0.7\nfirst -1 0\n", f);
    fclose(f);
}

/* A run that is killed behind its checkpoint and goes on from there with another
 * coefficient: twice as long ago as it gets at first, so that rows of the future that was
 * taken back still stand behind its own. */
static void run_kind(const char *name)
{
    struct checkpoint_manifest m;
    char path[600];

    begin_kind(name);
    a_int = 0.37;
    if (strcmp(name, "motif") == 0) {
        write_model();
    }
    open_start(1);
    run_until(SAVED);
    assert_int_equal(train_checkpoint(&school.train), ST_OK);
    run_until(CRASH);
    compare_all(CRASH, 0);
    school_close(&school);
    a_int = 0.73;
    open_start(2);
    assert_int_equal(checkpoint_find(dir, true, &m, path, sizeof(path)), ST_OK);
    assert_int_equal(train_load(&school.train, &m, path), ST_OK);
    run_until(AGAIN);
    compare_all(AGAIN, CRASH - AGAIN);
    run_until(UPDATES);
    compare_all(UPDATES, 0);
}

static void end_kind(void)
{
    school_close(&school);
    harness_remove_dir(dir);
}

static void expect_equal(const char *name, bool pays)
{
    run_kind(name);
    assert_true(equal > UPDATES * E * T);
    assert_int_equal(unknown, 0);
    assert_int_equal(moved > 0, pays);
    end_kind();
}

static void none_is_told_to_the_bit(void **state)
{
    (void)state;
    expect_equal("none", false);
}

static void retrieval_is_told_to_the_bit(void **state)
{
    (void)state;
    expect_equal("retrieval", true);
}

static void count_is_told_to_the_bit(void **state)
{
    (void)state;
    expect_equal("count", true);
}

static void bow_is_told_to_the_bit(void **state)
{
    (void)state;
    expect_equal("bow", true);
}

static void motif_is_told_to_the_bit(void **state)
{
    (void)state;
    expect_equal("motif", true);
}

static void classify_is_told_to_the_bit_through_gate_and_ramp(void **state)
{
    (void)state;
    run_kind("classify");
    assert_true(school.train.reward.fitting.open);
    assert_true(school.train.reward.fitting.ramp >= 1);
    assert_int_equal(unknown, 0);
    assert_true(moved > 0);
    end_kind();
}

static void rank_is_told_to_the_bit(void **state)
{
    (void)state;
    run_kind("rank");
    assert_true(school.train.reward.fitting.open);
    assert_int_equal(unknown, 0);
    assert_true(moved > 0);
    end_kind();
}

/* --pay-caption=seen, --rank-pay=raw, --soft=raw, no gate. */
static void accidents_of_the_reference_are_told_to_the_bit(void **state)
{
    (void)state;
    accidents = true;
    expect_equal("rank", true);
    expect_equal("classify", true);
    expect_equal("count", true);
    accidents = false;
}

static void rnd_is_not_guessed(void **state)
{
    (void)state;
    run_kind("rnd");
    assert_int_equal(equal, 0);
    assert_true(unknown > 0);
    end_kind();
}

/* The closed store, where minos explain looks for it. */
static void place_store(void)
{
    char from[600], to[600];

    text_format(from, sizeof(from), "%s/store", dir);
    assert_int_equal(file_make_dirs(from), ST_OK);
    text_format(from, sizeof(from), "%s/store-1", dir);
    text_format(to, sizeof(to), "%s/store/rank-0", dir);
    assert_int_equal(rename(from, to), 0);
}

static struct explain asked; // large

/* What minos explain prints of a segment, or where that is 0 of a caption. */
static const char *told(uint64_t serial, const char *caption, enum status want)
{
    text_buf_release(&asked.out);
    asked = (struct explain){.rank = 0,
                             .serial = serial,
                             .told = {.goal = "treasure", .ranks = 1},
                             .kind = reward_find(kind)};
    text_format(asked.run_dir, sizeof(asked.run_dir), "%s", dir);
    text_format(asked.told.reward, sizeof(asked.told.reward), "%s", kind);
    text_format(asked.caption, sizeof(asked.caption), "%s", caption);
    assert_int_equal(serial > 0 ? explain_segment(&asked) : explain_caption(&asked),
                     want);
    return asked.out.data;
}

static void expect_told(uint64_t serial, const char *what, enum status want)
{
    const char *text = told(serial, "", want);

    if (strstr(text, what) == NULL) {
        fail_msg("'%s' is not in '%s'", what, text);
    }
}

static void what_was_never_paid_is_told_apart(void **state)
{
    (void)state;
    kind = "count";
    strcpy(dir, harness_make_dir());
    open_start(1);
    school.train.sampler.options.max_lag = 2;
    for (uint64_t u = 0; u < 3; u++) {
        school_play(&school, u);
        school_step(&school);
    }
    school_play(&school, 0); // too old, so that those behind it are drawn
    school_play(&school, 3);
    school_step(&school);
    school_play(&school, 4);
    school_close(&school);
    place_store();
    expect_told(1, "was paid", ST_OK);
    expect_told(3 * E + 1,
                "was dropped and never trained: when its turn came, 3 updates", ST_OK);
    expect_told(4 * E + 1, "paid at update 4 by count", ST_OK);
    expect_told(5 * E + 1, "is stored and not trained yet", ST_OK);
    expect_told(6 * E + 1, "was never stored", ST_NOTFOUND);
    harness_remove_dir(dir);
}

/* One that training took after the last row of a start. */
static void a_label_that_stands_in_no_row_comes_from_the_ledger(void **state)
{
    struct explain_verdict all[] = {
        {.serial = 3, .captions = 1, .trains = true, .p = 0.25F},
        {.serial = 5, .captions = 1, .trains = true, .p = 1},
        {.serial = 6, .captions = 1, .trains = false, .p = 0.125F},
        {.serial = 7, .captions = 2, .trains = true, .p = 0.5F},
        {.serial = 8, .captions = 1, .trains = true, .p = 0.75F},
        {.serial = 5, .captions = 1, .trains = true, .p = 0.375F, .caption = 1}};
    const struct explain_verdicts v = {.verdict = all,
                                       .count = sizeof(all) / sizeof(all[0])};
    struct journal_row row = {.ledger_paid = 7};
    struct explain_caption c = {.labelled = false};

    (void)state;
    explain_merge_label(&c, 0, &row, &v); // 8 was not known yet
    assert_true(c.labelled);
    assert_float_equal(c.p, 1, 0);
    assert_int_equal(c.label_serial, 5);
    c.label_serial = 6; // the journal knows a later one
    c.p = 0.5F;
    explain_merge_label(&c, 0, &row, &v);
    assert_float_equal(c.p, 0.5F, 0);
    row.ledger_paid = 8;
    explain_merge_label(&c, 0, &row, &v);
    assert_float_equal(c.p, 0.75F, 0);
    row.ledger_paid = 2;
    c = (struct explain_caption){.labelled = false};
    explain_merge_label(&c, 0, &row, &v);
    assert_false(c.labelled);
}

static void play_updates(const char *name, uint64_t updates)
{
    begin_kind(name);
    open_start(1);
    for (uint64_t u = 0; u < updates; u++) {
        school_play(&school, u);
        school_step(&school);
    }
    school_close(&school);
    place_store();
}

static void a_reward_that_no_caption_pays_is_told_without_its_counts(void **state)
{
    (void)state;
    play_updates("rnd", 3);
    expect_told(1, "game, +-10) + 0.73 r_int\n", ST_OK);
    assert_null(strstr(told(1, "", ST_OK), "N^"));
    expect_told(1, " step      reward      game's     r_int  caption", ST_OK);
    harness_remove_dir(dir);
    play_updates("none", 3);
    expect_told(1, "game, +-10)\n", ST_OK);
    assert_null(strstr(told(1, "", ST_OK), "r_int"));
    harness_remove_dir(dir);
}

static void how_a_caption_is_paid_is_told_in_words(void **state)
{
    (void)state;
    play_updates("retrieval", 3);
    expect_told(
        1, "r_int of a caption: W(p) of its label p, 0 without one; W(p) = ", ST_OK);
    expect_told(1, "N: how often it had come in its episode", ST_OK);
    harness_remove_dir(dir);
    play_updates("count", 3);
    expect_told(1, "r_int of a caption: 1 / sqrt(n)", ST_OK);
    assert_null(strstr(told(1, "", ST_OK), "W(p)"));
    harness_remove_dir(dir);
}

/* The journal has room for that row alone: those before it go. */
static void forget_before(uint64_t update)
{
    struct replay_view *stored;
    struct bytes row;

    assert_int_equal(replay_view_open(school.replay, &stored), ST_OK);
    assert_int_equal(replay_view_journal(stored, update, &row), ST_OK);
    const size_t len = row.len;
    char *copy = mem_new(len, 1);
    memcpy(copy, row.data, len);
    replay_view_close(stored);
    school.replay->max_bytes = 8 * len; // an eighth is the journal's
    assert_int_equal(replay_begin(school.replay), ST_OK);
    assert_int_equal(replay_put_journal(school.replay, update, bytes_of(copy, len)),
                     ST_OK);
    assert_int_equal(replay_commit(school.replay), ST_OK);
    mem_free(copy);
}

static void a_score_that_the_journal_has_forgotten_is_not_known(void **state)
{
    static const char lost[] =
        "?: the score was told before update 3, the oldest that the journal still has";

    (void)state;
    play_updates("bow", 3);
    assert_null(strstr(told(2 * E + 1, "", ST_OK), "?:"));
    harness_remove_dir(dir);
    begin_kind("bow");
    open_start(1);
    for (uint64_t u = 0; u < 3; u++) {
        school_play(&school, u);
        school_step(&school);
    }
    forget_before(3);
    school_close(&school);
    place_store();
    expect_told(2 * E + 1, lost, ST_OK);
    expect_told(1, "was trained or dropped before update 3", ST_OK);
    harness_remove_dir(dir);
}

static void what_has_no_versions_is_told_by_update_and_not_without_end(void **state)
{
    int lines = 0;

    (void)state;
    play_updates("count", 40);
    const char *text = told(0, landing, ST_OK);
    assert_non_null(strstr(text, "  update      r_int\n"));
    assert_null(strstr(text, "version"));
    assert_non_null(strstr(text, " earlier ones are in --json\n"));
    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++) {
        lines++;
    }
    assert_in_range(lines, 16, 26);
    harness_remove_dir(dir);
    text_buf_release(&asked.out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(none_is_told_to_the_bit),
        cmocka_unit_test(retrieval_is_told_to_the_bit),
        cmocka_unit_test(count_is_told_to_the_bit),
        cmocka_unit_test(bow_is_told_to_the_bit),
        cmocka_unit_test(motif_is_told_to_the_bit),
        cmocka_unit_test(classify_is_told_to_the_bit_through_gate_and_ramp),
        cmocka_unit_test(rank_is_told_to_the_bit),
        cmocka_unit_test(accidents_of_the_reference_are_told_to_the_bit),
        cmocka_unit_test(rnd_is_not_guessed),
        cmocka_unit_test(what_was_never_paid_is_told_apart),
        cmocka_unit_test(a_label_that_stands_in_no_row_comes_from_the_ledger),
        cmocka_unit_test(a_reward_that_no_caption_pays_is_told_without_its_counts),
        cmocka_unit_test(how_a_caption_is_paid_is_told_in_words),
        cmocka_unit_test(a_score_that_the_journal_has_forgotten_is_not_known),
        cmocka_unit_test(what_has_no_versions_is_told_by_update_and_not_without_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
