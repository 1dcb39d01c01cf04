/* What an llm judge may spend and whom it trusts with the key: budgets hold over kill -9,
 * and nobody but the judge and its server ever sees the key. */

#include "tests/support/llm_stage.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "tests/support/runner.h"

enum {
    CAPTIONS = 300,
    KILLS = 4,
    PATIENCE_MS = RUNNER_PATIENCE_MS,
    ENVIRONMENT_MOST = 1 << 20
};

static const char key[] = "sk-only-for-the-judge-5b1e77d0";
static struct llm_stage s;

#define OPTIONS(...) ((const char *const[]){__VA_ARGS__, NULL})

static size_t write_caption(uint64_t n, char out[FEEDER_TEXT_MAX])
{
    text_format(out, FEEDER_TEXT_MAX, "You climb to shelf %llu.",
                (unsigned long long)n);
    return strlen(out);
}

static int set_up(void **state)
{
    (void)state;
    llm_stage_open(&s, write_caption);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    llm_stage_close(&s);
    return 0;
}

static bool has_spent(struct llm_stage *stage, void *arg)
{
    (void)arg;
    return strstr(llm_stage_judge_says(stage), "LLM-BUDGET") != NULL;
}

/* No request comes in a second; the last ones may be on their way when that is looked at
 * first. */
static bool asks_no_more(struct llm_stage *stage, void *arg)
{
    const double before = llm_stage_state(stage, "requests");

    (void)arg;
    llm_stage_play(stage, 1000);
    return llm_stage_state(stage, "requests") == before &&
           llm_stage_state(stage, "in_flight") == 0;
}

static bool has_acknowledged(struct llm_stage *stage, void *more_than)
{
    return feeder_counters(stage->feeder)->acknowledged > *(const uint64_t *)more_than;
}

struct spent {
    double requests, tokens;
    uint64_t told_requests, told_tokens; // by the ledger
};

static bool add_entry(void *ctx, const struct ledger_entry *e)
{
    struct spent *spent = ctx;

    spent->told_requests += e->requests;
    spent->told_tokens += e->tokens_in + e->tokens_out;
    return true;
}

/* Kills the judge amid its work a few times, then lets it come to the end of its budget. */
static struct spent spend(const char *budget, const char *more)
{
    struct spent spent = {0};

    llm_stage_serve(&s, OPTIONS("--median=0.03", "--tail=0.2"));
    llm_stage_tell(&s, CAPTIONS);
    for (int i = 0; i <= KILLS; i++) {
        llm_stage_judge(
            &s, NULL, OPTIONS("--llm-inflight=4", "--judge-deadline=5", budget, more));
        if (i < KILLS) {
            llm_stage_play(&s, 400);
            llm_stage_kill_judge(&s);
        }
    }
    if (!llm_stage_until(&s, has_spent, NULL, PATIENCE_MS)) {
        fail_msg("%g requests, %g tokens, and more may come: %s",
                 llm_stage_state(&s, "requests"), llm_stage_state(&s, "tokens_in"),
                 llm_stage_judge_says(&s));
    }
    assert_true(llm_stage_until(&s, asks_no_more, NULL, PATIENCE_MS));
    spent.requests = llm_stage_state(&s, "requests");
    spent.tokens = llm_stage_state(&s, "tokens_in") + llm_stage_state(&s, "tokens_out");
    // Said once, when it is true. (The hour may turn.)
    const char *said = strstr(llm_stage_judge_says(&s), "LLM-BUDGET");
    assert_non_null(said);
    assert_true(strstr(said + 1, "LLM-BUDGET") == NULL ||
                strstr(budget, "-hour") != NULL);
    llm_stage_read(&s, add_entry, &spent);
    assert_true((double)spent.told_requests <= spent.requests);
    assert_true((double)spent.told_tokens <= spent.tokens);
    // Asking has ended; the run goes on.
    uint64_t before = feeder_counters(s.feeder)->acknowledged;
    llm_stage_tell(&s, CAPTIONS + 64);
    assert_true(llm_stage_until(&s, has_acknowledged, &before, PATIENCE_MS));
    return spent;
}

static void a_budget_of_requests_holds_over_kill_9(void **state)
{
    (void)state;
    const struct spent spent = spend("--request-budget=120", "--llm-retries=1");
    assert_true(spent.requests <= 120);
    assert_true(spent.requests > 40);
}

static void a_budget_of_tokens_holds_over_kill_9(void **state)
{
    (void)state;
    const struct spent spent = spend("--token-budget=60000", "--llm-retries=1");
    assert_true(spent.tokens <= 60000);
    assert_true(spent.tokens > 20000);
}

static void a_budget_of_an_hour_is_one_of_requests_too(void **state)
{
    (void)state;
    const struct spent spent = spend("--request-budget-hour=100", "--llm-retries=1");
    // The hour may have turned meanwhile: then it is the next one's, too.
    assert_true(spent.requests <= 200);
    assert_true(spent.requests > 30);
}

/* A labelling of five captions' worth ends by itself, and goes on with more. */
static void minos_label_ends_when_its_judges_have_spent_their_budget(void **state)
{
    char minos[STAGE_PATH], run_flag[STAGE_PATH], out_flag[STAGE_PATH], url[64],
        port[32], said[STAGE_PATH], label[STAGE_PATH];

    (void)state;
    llm_stage_serve(&s, OPTIONS("--median=0.02"));
    text_format(s.run, sizeof(s.run), "%s/train", s.dir);
    text_format(run_flag, sizeof(run_flag), "--run-dir=%s", s.run);
    text_format(label, sizeof(label), "%s/label", s.dir);
    text_format(out_flag, sizeof(out_flag), "--out=%s", label);
    text_format(minos, sizeof(minos), "%s/minos", getenv("MINOS_BIN"));
    text_format(url, sizeof(url), "--llm-url=http://127.0.0.1:%d/v1", s.port);
    text_format(port, sizeof(port), "--port=%d", runner_free_port());
    text_format(said, sizeof(said), "%s/minos", s.dir);
    assert_int_equal(file_make_dirs(said), ST_OK);
    const pid_t run = runner_start(said, minos, "train", run_flag, port, "--env=chain",
                                   "--reward=count", "--steps=8192", "--quiet", NULL);
    assert_int_equal(runner_wait(run, PATIENCE_MS), 0);
    for (int more = 0; more < 2; more++) {
        const pid_t pid =
            runner_start(said, minos, "label", run_flag, out_flag, port, "--judge=llm",
                         url, "--llm-model=any", "--llm-structured=text",
                         more == 0 ? "--request-budget=5" : "--request-budget=99",
                         "--idle-seconds=1000", NULL);
        if (runner_wait(pid, PATIENCE_MS) != 0) {
            fail_msg("%s", runner_output(said));
        }
        const double of =
                         runner_json_number(label, "summary.json", "captions_to_label"),
                     labelled = runner_json_number(label, "summary.json", "labelled");
        const bool spent = strstr(runner_output(said), "own budget is spent") != NULL;
        if (more == 0 ? labelled < 1 || labelled > 4 || !spent
                      : labelled != of || spent) {
            fail_msg("%g of %g: %s", labelled, of, runner_output(said));
        }
    }
}

/* ---- leaving ---- */

static bool works_on_eight(struct llm_stage *stage, void *arg)
{
    (void)arg;
    return llm_stage_state(stage, "in_flight") == 8;
}

static bool has_left(struct llm_stage *stage, void *arg)
{
    siginfo_t info = {0};

    (void)arg;
    return waitid(P_PID, (id_t)stage->judge, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid != 0;
}

static uint64_t told_requests(const struct llm_stage *stage)
{
    struct spent spent = {0};

    llm_stage_read(stage, add_entry, &spent);
    return spent.told_requests;
}

static bool all_told(struct llm_stage *stage, void *arg)
{
    (void)arg;
    return llm_stage_state(stage, "requests") == 1 + (double)told_requests(stage);
}

static void an_ordinary_stop_throws_no_answer_away(void **state)
{
    (void)state;
    llm_stage_serve(&s, OPTIONS("--median=0.3", "--tail=0.5"));
    llm_stage_judge(&s, NULL, OPTIONS("--llm-inflight=8"));
    llm_stage_tell(&s, 200);
    assert_true(llm_stage_until(&s, works_on_eight, NULL, PATIENCE_MS));
    assert_int_equal(kill(s.judge, SIGTERM), 0);
    assert_true(llm_stage_until(&s, has_left, NULL, PATIENCE_MS));
    assert_int_equal(runner_wait(s.judge, PATIENCE_MS), 0);
    s.judge = 0;
    // All but the start's stand in the ledger.
    if (!llm_stage_until(&s, all_told, NULL, PATIENCE_MS)) {
        fail_msg("%g requests, answers of %llu in the ledger",
                 llm_stage_state(&s, "requests"),
                 (unsigned long long)told_requests(&s));
    }
}

/* ---- the key ---- */

/* Whether a process of this run but `not` holds the key in its environment; its pid. */
static bool any_environment_has(const char *text, pid_t not, pid_t *who)
{
    static char data[ENVIRONMENT_MOST];
    DIR *proc = opendir("/proc");
    const struct dirent *e;
    bool found = false;

    assert_non_null(proc);
    while (!found && (e = readdir(proc)) != NULL) {
        char path[64], line[8192];
        const int pid = atoi(e->d_name);
        text_format(path, sizeof(path), "/proc/%.20s/cmdline", e->d_name);
        FILE *f = pid > 0 && pid != not ? fopen(path, "re") : NULL;
        if (f == NULL) {
            continue;
        }
        const size_t n = fread(line, 1, sizeof(line), f);
        fclose(f);
        if (memmem(line, n, s.run, strlen(s.run)) == NULL) {
            continue;
        }
        assert_null(memmem(line, n, text, strlen(text)));
        text_format(path, sizeof(path), "/proc/%.20s/environ", e->d_name);
        f = fopen(path, "re");
        if (f != NULL) {
            const size_t len = fread(data, 1, sizeof(data), f);
            found = memmem(data, len, text, strlen(text)) != NULL;
            *who = pid;
            fclose(f);
        }
    }
    closedir(proc);
    return found;
}

static bool has_labels(struct llm_stage *stage, void *arg)
{
    (void)arg;
    return llm_stage_progress(stage, "labels") >= 4;
}

static bool is_shown(struct llm_stage *stage, void *out)
{
    (void)stage;
    return strstr(runner_output(out), "any answered the first question") != NULL;
}

static const char *process_name(pid_t pid)
{
    static char name[64];
    char path[64];

    text_format(path, sizeof(path), "/proc/%d/comm", (int)pid);
    FILE *f = fopen(path, "re");
    name[0] = '\0';
    if (f != NULL) {
        name[fread(name, 1, sizeof(name) - 1, f)] = '\0';
        fclose(f);
    }
    return name;
}

static void minos_train_gives_the_key_to_its_judges_alone(void **state)
{
    char minos[STAGE_PATH], run_flag[STAGE_PATH], url[64], port[32], out[STAGE_PATH],
        where[STAGE_PATH];
    pid_t who = 0;

    (void)state;
    llm_stage_serve(&s,
                    OPTIONS("--median=0.02", "--key=sk-only-for-the-judge-5b1e77d0"));
    text_format(s.run, sizeof(s.run), "%s/train",
                s.dir); // another run than the feeder's
    text_format(run_flag, sizeof(run_flag), "--run-dir=%s", s.run);
    text_format(minos, sizeof(minos), "%s/minos", getenv("MINOS_BIN"));
    text_format(url, sizeof(url), "--llm-url=http://127.0.0.1:%d/v1", s.port);
    text_format(port, sizeof(port), "--port=%d", runner_free_port());
    text_format(out, sizeof(out), "%s/minos", s.dir);
    assert_int_equal(file_make_dirs(out), ST_OK);
    assert_int_equal(setenv("OPENAI_API_KEY", key, 1), 0);
    const pid_t run =
        runner_start(out, minos, "train", run_flag, port, "--env=chain", "--actors=1",
                     "--ranks=1", "--judge=llm", url, "--llm-model=any",
                     "--llm-price-in=1", "--steps=100000000", NULL);
    assert_int_equal(unsetenv("OPENAI_API_KEY"), 0);
    if (!llm_stage_until(&s, has_labels, NULL, PATIENCE_MS)) {
        kill(run, SIGTERM);
        runner_wait(run, PATIENCE_MS);
        fail_msg("no labels: %s", runner_output(out));
    }
    assert_true(llm_stage_state(&s, "key_right") >= 4);
    // The supervisor has it from its caller, to hand it on; nobody else.
    if (any_environment_has(key, run, &who)) {
        const char *name = process_name(who);
        kill(run, SIGTERM);
        runner_wait(run, PATIENCE_MS);
        fail_msg("%s has the key in its environment", name);
    }
    const bool shown = llm_stage_until(&s, is_shown, out, PATIENCE_MS);
    assert_int_equal(kill(run, SIGINT), 0);
    assert_int_equal(runner_wait(run, PATIENCE_MS), 0);
    const char *told = runner_output(out);
    assert_non_null(strstr(told, "minos: model any at http://127.0.0.1:"));
    assert_true(shown);
    const char *summary = strstr(told, "minos: env steps ");
    assert_non_null(summary);
    assert_non_null(strstr(summary, "  tokens in "));
    assert_non_null(strstr(summary, "  money 0.0"));
    if (llm_stage_finds(&s, key, where)) {
        fail_msg("the key stands in %s", where);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_budget_of_requests_holds_over_kill_9),
        TEST(a_budget_of_tokens_holds_over_kill_9),
        TEST(a_budget_of_an_hour_is_one_of_requests_too),
        TEST(minos_label_ends_when_its_judges_have_spent_their_budget),
        TEST(an_ordinary_stop_throws_no_answer_away),
        TEST(minos_train_gives_the_key_to_its_judges_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
