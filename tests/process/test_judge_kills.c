/* Judges that are killed and stand still at random while twenty thousand questions flow
 * through a real learner: every question ends exactly once, and what was paid twice is at
 * most what they held. */

#include "tests/support/harness.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/rng.h"
#include "common/base/text.h"
#include "launch/jsonline.h"
#include "learner/feeder.h"
#include "learner/store/ledger.h"
#include "tests/support/runner.h"

enum {
    QUESTIONS = 20000,
    IN_SEGMENT = 16,
    JUDGES = 4,
    STEPS = 32,  // of a segment, the default
    STATE = 128, // floats of the network `cells`
    PATIENCE_S = 500,
    FEED_MS = 25,     // so long between two pushes of FEED_MOST segments:
    FEED_MOST = 2,    // some 1,300 new captions a second
    WAIT_MOST = 4000, // captions without a label: fewer than may wait (schedule.h)
    OUT_MOST = 16 << 20
};

struct child {
    pid_t pid;
    bool stopped;
    double due; // when it is to go on
};

static char dir[PATH_MAX_], run[PATH_MAX_ + 16], run_flag[PATH_MAX_ + 32];
static struct child judges[JUDGES];
static pid_t learner;
static int killed, stalled, started;

static double now(void)
{
    return clock_s(clock_system());
}

static void start_learner(void)
{
    char program[PATH_MAX_], port[32];

    assert_int_equal(file_make_dirs(harness_path(dir, "learner")), ST_OK);
    text_format(program, sizeof(program), "%s/minos-learner", getenv("MINOS_BIN"));
    text_format(port, sizeof(port), "--port=%d", runner_free_port());
    learner = runner_start(harness_path(dir, "learner"), program, run_flag, port,
                           "--env=chain", "--reward=retrieval", "--steps=1000000000",
                           "--checkpoint-seconds=2", NULL);
    assert_true(runner_wait_file(run, "address", 1));
}

/* Two know the truth and take their time; two go by rules, at once. */
static void start_judge(int i)
{
    char program[PATH_MAX_], name[32], id[32];

    text_format(name, sizeof(name), "judge-%d-%d", i, started++);
    text_format(id, sizeof(id), "--id=%d", i);
    text_format(program, sizeof(program), "%s/minos-judge", getenv("MINOS_BIN"));
    assert_int_equal(file_make_dirs(harness_path(dir, name)), ST_OK);
    judges[i] = (struct child){
        .pid = runner_start(harness_path(dir, name), program, run_flag, id,
                            i % 2 == 1 ? "--judge=sim" : "--judge=rule",
                            "--sim-latency=0.2", "--sim-latency-p99=0.8",
                            "--sim-latency-cap=0.9", "--credits=256",
                            "--judge-deadline=1", NULL)};
}

static void kill_judge(int i)
{
    kill(judges[i].pid, SIGKILL);
    waitpid(judges[i].pid, NULL, 0);
    killed++;
    start_judge(i);
}

/* One of them, now and then. */
static void disturb(struct rng *rng, double *next)
{
    const int i = (int)rng_below(rng, JUDGES);
    struct child *c = &judges[i];

    for (int k = 0; k < JUDGES; k++) {
        if (judges[k].stopped && now() >= judges[k].due) {
            kill(judges[k].pid, SIGCONT);
            judges[k].stopped = false;
        }
    }
    if (now() < *next) {
        return;
    }
    *next = now() + 0.2 + 0.6 * (double)rng_float(rng);
    if (c->stopped || rng_below(rng, 2) == 0) {
        kill_judge(i);
    } else {
        kill(c->pid, SIGSTOP);
        c->stopped = true;
        c->due = now() + 8 * (double)rng_float(rng); // beyond lease and silence, or not
        stalled++;
    }
}

static double progress(const char *key)
{
    char *json;
    double n = 0;
    size_t len;

    if (!file_exists(harness_path(run, "progress.json")) ||
        file_read(harness_path(run, "progress.json"), 1 << 20, &json, &len) != ST_OK) {
        return 0;
    }
    jsonline_number(json, key, &n);
    mem_free(json);
    return n;
}

/* Twenty thousand captions, and judges that die, until each has its label. */
static void flow(struct feeder *f)
{
    const double end = now() + PATIENCE_S;
    double next_kill = 0, next_feed = 0, next_look = 0, labels = 0;
    struct rng rng;

    rng_init(&rng, 20260101);
    while (labels < QUESTIONS) {
        const bool feed = now() >= next_feed &&
                          (double)feeder_counters(f)->captions - labels < WAIT_MOST;
        if (feed) {
            next_feed = now() + FEED_MS * 1e-3;
        }
        assert_int_equal(feeder_step(f, feed ? FEED_MOST : 0), ST_OK);
        disturb(&rng, &next_kill);
        if (now() >= next_look) {
            next_look = now() + 0.5;
            labels = progress("labels");
        }
        if (now() > end) {
            fail_msg("%g of %d labels after %d s", labels, QUESTIONS, PATIENCE_S);
        }
        feeder_wait(f, 5);
    }
    assert_int_equal(feeder_counters(f)->captions, QUESTIONS);
    assert_int_equal(feeder_counters(f)->dropped, 0);
}

static void end_all(struct feeder *f)
{
    enum status st = ST_OK;

    for (int i = 0; i < JUDGES; i++) {
        kill(judges[i].pid, SIGCONT);
    }
    kill(learner, SIGUSR1);
    for (const double end = now() + 60; st == ST_OK && now() < end;) {
        st = feeder_step(f, 0);
        feeder_wait(f, 10);
    }
    assert_int_equal(st, ST_CLOSED);
    assert_int_equal(runner_wait(learner, RUNNER_PATIENCE_MS), 0);
    learner = 0;
    for (int i = 0; i < JUDGES; i++) {
        // One that stood still until now may have missed the learner's word.
        kill(judges[i].pid, SIGTERM);
        assert_int_equal(runner_wait(judges[i].pid, RUNNER_PATIENCE_MS), 0);
        judges[i].pid = 0;
    }
}

/* ---- what is left ---- */

struct tally {
    uint8_t given[QUESTIONS], trains[QUESTIONS];
    uint64_t entries, late, strangers;
    uint64_t by_kind[VERDICT_KINDS];
};

static struct {
    uint64_t key;
    int number;
} index_[1 << 16];

static int *find(struct hash128 key)
{
    uint64_t at = key.lo;

    while (index_[at & 0xffff].key != 0 && index_[at & 0xffff].key != key.lo) {
        at++;
    }
    index_[at & 0xffff].key = key.lo;
    return &index_[at & 0xffff].number;
}

static void index_captions(void)
{
    char text[FEEDER_TEXT_MAX];

    for (int i = 0; i < QUESTIONS; i++) {
        const size_t len = feeder_caption((uint64_t)i, text);
        *find(hash_128(bytes_of(text, len))) = i + 1;
    }
}

static bool tally_entry(void *ctx, const struct ledger_entry *e)
{
    struct tally *t = ctx;
    const int n = *find(e->key);

    t->entries++;
    t->late += e->late;
    t->by_kind[e->verdict_kind]++;
    if (n == 0) {
        t->strangers++;
        return true;
    }
    t->given[n - 1]++;
    t->trains[n - 1] += e->trains;
    return true;
}

/* "… its N questions are asked elsewhere …", summed: what those held who fell silent. */
static uint64_t held_by_the_silent(void)
{
    char *log;
    size_t len;
    uint64_t sum = 0;

    assert_int_equal(file_read(harness_path(harness_path(dir, "learner"), "out"),
                               OUT_MOST, &log, &len),
                     ST_OK);
    for (const char *at = log; (at = strstr(at, "ASKING-GONE")) != NULL; at++) {
        const char *its = strstr(at, ": its ");
        assert_non_null(its);
        sum += strtoull(its + 6, NULL, 10);
    }
    mem_free(log);
    return sum;
}

static double summary(const char *key)
{
    char *json;
    double n = -1;
    size_t len;

    assert_int_equal(file_read(harness_path(run, "summary.json"), 1 << 20, &json, &len),
                     ST_OK);
    jsonline_number(json, key, &n);
    mem_free(json);
    return n;
}

static void count_answers(struct tally *t)
{
    struct ledger *l = NULL;
    uint64_t twice = 0;

    index_captions();
    assert_int_equal(ledger_open_read(harness_path(run, "ledger"), &l), ST_OK);
    assert_int_equal(ledger_scan(l, 1, 0, tally_entry, t), ST_OK);
    ledger_close(l);
    for (int i = 0; i < QUESTIONS; i++) {
        if (t->trains[i] != 1) {
            fail_msg("caption %d has %d training verdicts of %d", i, t->trains[i],
                     t->given[i]);
        }
        twice += (uint64_t)t->given[i] - 1;
    }
    const uint64_t held = held_by_the_silent();
    print_message(
        "%d killed, %d stalled, %llu answers, %llu late, %llu paid again, %llu "
        "held by the silent, %llu timeouts\n",
        killed, stalled, (unsigned long long)t->entries, (unsigned long long)t->late,
        (unsigned long long)twice, (unsigned long long)held,
        (unsigned long long)t->by_kind[VERDICT_TIMEOUT]);
    assert_int_equal(t->strangers, 0);
    assert_true(twice <= held + t->by_kind[VERDICT_TIMEOUT]);
}

static void every_question_ends_once_though_judges_die_and_stand_still(void **state)
{
    static struct tally tally;
    char endpoint[BUS_ENDPOINT_MAX], minos[PATH_MAX_], *address;
    struct bus *bus = bus_new();
    struct feeder *f = NULL;
    size_t len;

    (void)state;
    start_learner();
    for (int i = 0; i < JUDGES; i++) {
        start_judge(i);
    }
    assert_int_equal(file_read(harness_path(run, "address"), 4096, &address, &len),
                     ST_OK);
    text_format(endpoint, sizeof(endpoint), "%s", text_trim(address));
    mem_free(address);
    const struct feeder_plan plan = {.bus = bus,
                                     .clock = clock_system(),
                                     .endpoint = endpoint,
                                     .task = "chain",
                                     .actions = 2,
                                     .segment_steps = STEPS,
                                     .state_floats = STATE,
                                     .environments = 64,
                                     .captions = QUESTIONS,
                                     .new_in_segment = IN_SEGMENT,
                                     .nonce = (uint64_t)getpid()};
    assert_int_equal(feeder_new(&plan, &f), ST_OK);
    flow(f);
    end_all(f);
    feeder_free(f);
    bus_free(bus);
    assert_true(killed >= 10 && stalled >= 10);
    count_answers(&tally);
    assert_true(summary("questions_duplicate") == 0);
    assert_true(summary("labels") == QUESTIONS);
    text_format(minos, sizeof(minos), "%s/minos", getenv("MINOS_BIN"));
    if (runner_run(dir, minos, "audit", run_flag, NULL) != 0) {
        fail_msg("the audit does not balance: %s", runner_output(dir));
    }
}

static void the_bench_measures_the_whole_way_of_a_verdict(void **state)
{
    char minos[PATH_MAX_], work[PATH_MAX_ + 16];
    double n = 0;

    (void)state;
    text_format(minos, sizeof(minos), "%s/minos", getenv("MINOS_BIN"));
    text_format(work, sizeof(work), "--work=%s/bench", dir);
    assert_int_equal(runner_run(dir, minos, "bench", "judge", work, "--verdicts=5000",
                                "--seconds=2", "--raw=300", "--segments=50", NULL),
                     0);
    const char *said = strstr(runner_output(dir), "{\"bench\"");
    assert_non_null(said);
    assert_true(jsonline_number(said, "verdicts_per_s", &n) && n > 0);
    assert_true(jsonline_number(said, "verdicts_before", &n) && n >= 5000);
    assert_true(jsonline_number(said, "segments_per_s", &n) && n > 0);
    assert_true(jsonline_number(said, "segments_dropped", &n) && n == 0);
    assert_true(jsonline_number(said, "questions_duplicate", &n) && n == 0);
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < JUDGES; i++) {
        if (judges[i].pid > 0) {
            kill(judges[i].pid, SIGKILL);
            waitpid(judges[i].pid, NULL, 0);
        }
    }
    if (learner > 0) {
        kill(learner, SIGKILL);
        waitpid(learner, NULL, 0);
    }
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(
            every_question_ends_once_though_judges_die_and_stand_still, tear_down),
        cmocka_unit_test(the_bench_measures_the_whole_way_of_a_verdict),
    };

    text_format(dir, sizeof(dir), "%s", harness_make_dir());
    text_format(run, sizeof(run), "%s/run", dir);
    text_format(run_flag, sizeof(run_flag), "--run-dir=%s", run);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (failed == 0) {
        harness_remove_dir(dir);
    }
    return failed;
}
