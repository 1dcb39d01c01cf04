/* The llm judge and the servers that it meets: certificates, redirects, keys, forms of
 * answers, servers that are not there yet or fail for a while. One learner for all. */

#include "tests/support/llm_stage.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "launch/jsonline.h"
#include "tests/support/runner.h"

enum { PATIENCE_MS = RUNNER_PATIENCE_MS };

static struct llm_stage s;
static uint64_t told; // captions so far
static char certificates[STAGE_PATH], tls[STAGE_PATH + 16];

static size_t write_caption(uint64_t n, char out[FEEDER_TEXT_MAX])
{
    text_format(out, FEEDER_TEXT_MAX, "You %s door %llu.",
                n % 2 == 0 ? "climb to" : "walk by", (unsigned long long)n);
    return strlen(out);
}

/* ---- what the ledger says of captions from..to-1 ---- */

struct range {
    uint64_t from, to;
    int labels, right, others, refused;
    uint32_t requests; // of labels, summed
    float least, largest;
    struct hash128 prompt;
};

static bool take_entry(void *ctx, const struct ledger_entry *e)
{
    struct range *r = ctx;
    char text[FEEDER_TEXT_MAX];

    for (uint64_t n = r->from; n < r->to; n++) {
        const size_t len = write_caption(n, text);
        if (!bytes_equal(e->caption[0], bytes_of(text, len))) {
            continue;
        }
        if (e->verdict_kind != VERDICT_LABEL) {
            r->others++;
            r->refused += e->verdict_kind == VERDICT_REFUSED;
            continue;
        }
        r->labels++;
        r->right += (e->label > 0.5f) == (n % 2 == 0);
        r->requests += e->requests;
        r->least = e->label < r->least ? e->label : r->least;
        r->largest = e->label > r->largest ? e->label : r->largest;
        r->prompt = e->prompt_digest;
    }
    return true;
}

static struct range read_range(uint64_t from, uint64_t to)
{
    struct range r = {.from = from, .to = to, .least = 2, .largest = -1};

    llm_stage_read(&s, take_entry, &r);
    return r;
}

static bool has_labels(struct llm_stage *stage, void *arg)
{
    static int looks;
    const uint64_t *wanted = arg;

    (void)stage;
    return ++looks % 10 == 0 && read_range(told - *wanted, told).labels == (int)*wanted;
}

/* n more captions, each of which gets its label. */
static struct range label_more(uint64_t n)
{
    told += n;
    llm_stage_tell(&s, told);
    if (!llm_stage_until(&s, has_labels, &n, PATIENCE_MS)) {
        fail_msg("%d of %d labels: %s", read_range(told - n, told).labels, (int)n,
                 llm_stage_judge_says(&s));
    }
    const struct range r = read_range(told - n, told);
    assert_int_equal(r.right, n);
    assert_int_equal(r.others, 0);
    return r;
}

static bool judge_said(struct llm_stage *stage, void *text)
{
    return strstr(llm_stage_judge_says(stage), text) != NULL;
}

static void wait_said(const char *text)
{
    if (!llm_stage_until(&s, judge_said, (void *)(uintptr_t)text, PATIENCE_MS)) {
        fail_msg("the judge does not say '%s' but: %s", text, llm_stage_judge_says(&s));
    }
}

static bool has_ended(struct llm_stage *stage, void *arg)
{
    siginfo_t info = {0};

    (void)arg;
    return waitid(P_PID, (id_t)stage->judge, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid != 0;
}

/* It ends by itself with exit code 2 and one error that holds both words. */
static void judge_gives_up(const char *word, const char *other)
{
    if (!llm_stage_until(&s, has_ended, NULL, PATIENCE_MS)) {
        fail_msg("the judge goes on: %s", llm_stage_judge_says(&s));
    }
    const int code = runner_wait(s.judge, PATIENCE_MS);
    const char *said = llm_stage_judge_says(&s);
    s.judge = 0;
    if (code != 2 || strstr(said, word) == NULL || strstr(said, other) == NULL) {
        fail_msg("exit code %d, wanted 2, '%s' and '%s': %s", code, word, other, said);
    }
    const char *error = strstr(said, " ERROR ");
    assert_non_null(error);
    assert_null(strstr(error + 1, " ERROR "));
}

#define OPTIONS(...) ((const char *const[]){__VA_ARGS__, NULL})

static const char *const quick = "--median=0";

static int end_both(void **state)
{
    (void)state;
    llm_stage_kill_judge(&s);
    llm_stage_end_server(&s);
    return 0;
}

/* ---- TLS ---- */

static void a_server_of_a_trusted_authority_is_asked_over_tls(void **state)
{
    char authority[STAGE_PATH + 16];

    (void)state;
    llm_stage_serve(&s, OPTIONS(quick, tls, "--certificate=good", "--key=sk-tls"));
    text_format(authority, sizeof(authority), "%s/ca.pem", certificates);
    assert_int_equal(setenv("SSL_CERT_FILE", authority, 1), 0);
    llm_stage_judge(&s, "sk-tls", OPTIONS("--llm-inflight=4"));
    assert_int_equal(unsetenv("SSL_CERT_FILE"), 0);
    label_more(20);
    assert_true(llm_stage_state(&s, "key_right") >= 21);
}

static void a_certificate_that_is_not_right_is_refused_and_sees_no_key(void **state)
{
    static const char *const wrong[] = {
        "--certificate=stranger", "--certificate=other-host", "--certificate=expired"};
    char authority[STAGE_PATH + 16];

    (void)state;
    text_format(authority, sizeof(authority), "%s/ca.pem", certificates);
    for (int i = 0; i < 3; i++) {
        llm_stage_serve(&s, OPTIONS(quick, tls, wrong[i]));
        assert_int_equal(setenv("SSL_CERT_FILE", authority, 1), 0);
        llm_stage_judge(&s, "sk-tls", OPTIONS("--llm-inflight=4"));
        assert_int_equal(unsetenv("SSL_CERT_FILE"), 0);
        judge_gives_up("LLM-SERVER", "certificate");
        assert_true(llm_stage_state(&s, "requests") == 0);
        llm_stage_end_server(&s);
    }
}

/* ---- servers that are none ---- */

static void a_redirect_is_not_followed(void **state)
{
    (void)state;
    llm_stage_serve(&s, OPTIONS(quick, "--misbehave=1", "--kinds=redirect"));
    llm_stage_judge(&s, "sk-secret", OPTIONS("--llm-inflight=4"));
    judge_gives_up("LLM-SERVER", "redirect");
    assert_true(llm_stage_state(&s, "redirect") >= 1);
    assert_true(llm_stage_state(&s, "other_connections") == 0);
}

static void a_server_of_something_else_is_told_from_one_that_is_not_there(void **state)
{
    char where[STAGE_PATH];

    (void)state;
    llm_stage_serve(&s, OPTIONS(quick, "--not-openai"));
    llm_stage_judge(&s, NULL, OPTIONS("--llm-inflight=4"));
    judge_gives_up("not a server of OpenAI's protocol", "text/html");
    llm_stage_end_server(&s);
    llm_stage_serve(&s, OPTIONS(quick, "--key=sk-right"));
    llm_stage_judge(&s, "sk-wrong-1234567", OPTIONS("--llm-inflight=4"));
    judge_gives_up("refuses the key", "401");
    assert_false(llm_stage_finds(&s, "sk-wrong-1234567", where));
    llm_stage_judge(&s, NULL, OPTIONS("--llm-inflight=4"));
    judge_gives_up("wants a key", "OPENAI_API_KEY");
    llm_stage_end_server(&s);
    llm_stage_serve(&s, OPTIONS(quick, "--model=another"));
    llm_stage_judge(&s, NULL, OPTIONS("--llm-inflight=4"));
    judge_gives_up("LLM-SERVER", "no such model");
}

static void a_server_that_is_not_there_yet_is_waited_for(void **state)
{
    char port[32];

    (void)state;
    s.port = runner_free_port();
    s.scheme = "http";
    text_format(port, sizeof(port), "--port=%d", s.port);
    llm_stage_judge(&s, NULL, OPTIONS("--llm-inflight=4"));
    wait_said("LLM-WAIT");
    llm_stage_serve(&s, OPTIONS(quick, port));
    wait_said("LLM-START");
    label_more(8);
}

static void a_proxy_is_used_where_the_server_is_elsewhere(void **state)
{
    char proxy[64];

    (void)state;
    llm_stage_serve(&s, OPTIONS(quick));
    text_format(proxy, sizeof(proxy), "http://127.0.0.1:%d", s.port);
    assert_int_equal(setenv("http_proxy", proxy, 1), 0);
    llm_stage_judge(&s, NULL,
                    OPTIONS("--llm-inflight=4", "--llm-url=http://model.invalid/v1"));
    assert_int_equal(unsetenv("http_proxy"), 0);
    label_more(8);
    assert_true(llm_stage_state(&s, "proxied") == llm_stage_state(&s, "requests"));
}

/* ---- how it is asked ---- */

static void what_the_server_takes_is_found_out_at_the_start(void **state)
{
    (void)state;
    llm_stage_serve(&s, OPTIONS(quick));
    llm_stage_judge(&s, NULL, OPTIONS("--llm-inflight=4"));
    wait_said("form of the answers: schema, without log-probabilities");
    const struct range schema = label_more(8);
    assert_true(llm_stage_state(&s, "requests") == 1 + 8);
    end_both(state);
    llm_stage_serve(&s, OPTIONS(quick, "--schema=refuse", "--logprobs"));
    llm_stage_judge(&s, NULL, OPTIONS("--llm-inflight=4"));
    wait_said("form of the answers: choice, with log-probabilities");
    const struct range soft = label_more(8);
    assert_true(soft.largest < 1 && soft.largest > 0.9f); // the stand-in's 0.97
    end_both(state);
    llm_stage_serve(&s, OPTIONS(quick, "--schema=refuse", "--choice=refuse"));
    llm_stage_judge(&s, NULL, OPTIONS("--llm-inflight=4", "--llm-api=completion"));
    wait_said("form of the answers: text");
    const struct range text = label_more(8);
    assert_true(llm_stage_state(&s, "completions") >= 9);
    assert_true(llm_stage_state(&s, "chat") == 0);
    assert_false(hash_equal(schema.prompt, text.prompt));
    assert_false(hash_equal(schema.prompt, soft.prompt));
    end_both(state);
    llm_stage_serve(&s, OPTIONS(quick, "--schema=ignore", "--choice=ignore"));
    llm_stage_judge(&s, NULL, OPTIONS("--llm-inflight=4"));
    wait_said("form of the answers: text");
    label_more(8);
}

static void votes_are_so_many_requests_of_one_verdict(void **state)
{
    (void)state;
    llm_stage_serve(&s, OPTIONS(quick));
    llm_stage_judge(
        &s, NULL,
        OPTIONS("--llm-votes=3", "--style=graded", "--reasoning", "--llm-inflight=6"));
    const struct range r = label_more(10);
    assert_int_equal(r.requests, 30);
    assert_true(llm_stage_state(&s, "requests") == 1 + 30);
}

/* ---- many at a time ---- */

static void nobody_waits_for_one_that_hangs_and_connections_are_kept(void **state)
{
    char when[64];

    (void)state;
    text_format(when, sizeof(when), "--when=door %llu.=hang", (unsigned long long)told);
    llm_stage_serve(&s, OPTIONS("--median=0.02", "--tail=0.1", when));
    llm_stage_judge(&s, NULL,
                    OPTIONS("--llm-inflight=4", "--llm-timeout=1000", "--llm-retries=0",
                            "--judge-deadline=2000"));
    told++; // the one that hangs
    llm_stage_tell(&s, told);
    label_more(100);
    assert_true(llm_stage_state(&s, "in_flight") == 1);
    assert_true(llm_stage_state(&s, "in_flight_peak") == 4);
    assert_true(llm_stage_state(&s, "requests") == 1 + 101);
    assert_true(llm_stage_state(&s, "connections") <= 4 + 2);
    wait_said("LLM-SILENCE"); // not first at the time-out
    label_more(1);
    wait_said("the server answers again");
}

/* ---- a server that fails for a while ---- */

/* When the server read request n, by its log. */
static double came_at(int n)
{
    char word[32], *text, *line;
    double at = -1;
    size_t len;

    assert_int_equal(file_read(harness_path(s.dir, "requests"), 1 << 20, &text, &len),
                     ST_OK);
    text_format(word, sizeof(word), "{\"n\": %d,", n);
    line = strstr(text, word);
    assert_non_null(line);
    line[strcspn(line, "\n")] = '\0';
    assert_true(jsonline_number(line, "begin", &at));
    mem_free(text);
    return at;
}

static void the_breaker_opens_and_closes_and_no_caption_is_lost(void **state)
{
    uint64_t n = 20;
    char log[STAGE_PATH + 16];

    (void)state;
    text_format(log, sizeof(log), "--log=%s/requests", s.dir);
    llm_stage_serve(&s, OPTIONS(quick,
                                "--sequence=ok,500,500,500,500,500,"
                                "500,500,500,500,500",
                                log));
    llm_stage_judge(
        &s, NULL,
        OPTIONS("--llm-inflight=1", "--llm-retries=20", "--judge-deadline=60"));
    wait_said("LLM-START");
    told += n;
    llm_stage_tell(&s, told);
    wait_said("asks nothing for");
    if (!llm_stage_until(&s, has_labels, &n, PATIENCE_MS)) {
        fail_msg("%d labels: %s", read_range(told - n, told).labels,
                 llm_stage_judge_says(&s));
    }
    wait_said("the server answers again");
    const struct range r = read_range(told - n, told);
    assert_int_equal(r.right, n);
    assert_int_equal(r.others, 0);
    // One more may be the probe's own, where no question waited just then.
    const double all = llm_stage_state(&s, "requests");
    assert_true(all - (double)r.requests == 1 || all - (double)r.requests == 2);
    assert_int_equal(r.requests >= n && r.requests <= n + 10, true);
    assert_true(came_at(1 + 10 + 1) - came_at(1 + 10) > 4.9);
}

static bool has_failed(struct llm_stage *stage, void *arg)
{
    static int looks;

    (void)stage;
    (void)arg;
    return ++looks % 10 == 0 && read_range(told - 4, told).others == 3;
}

/* It says nothing of the captions: all are asked again, none is given up as refused. */
static void a_server_whose_settings_are_changed_costs_no_caption(void **state)
{
    (void)state;
    llm_stage_serve(&s, OPTIONS(quick, "--sequence=ok,404,redirect,401"));
    llm_stage_judge(
        &s, "sk-good-until-then",
        OPTIONS(
            "--llm-inflight=1", "--llm-retries=0", "--llm-structured=text",
            "--judge-deadline=5")); // a killed one's questions come back 5 s after it
    wait_said("LLM-START");
    told += 4;
    llm_stage_tell(&s, told);
    if (!llm_stage_until(&s, has_failed, NULL, PATIENCE_MS)) {
        const struct range r = read_range(told - 4, told);
        fail_msg("%d labels, %d others, %d refused: %s", r.labels, r.others, r.refused,
                 llm_stage_judge_says(&s));
    }
    wait_said("asks nothing for");
    assert_int_equal(read_range(told - 4, told).refused, 0);
    llm_stage_kill_judge(&s); // a minute is long
    llm_stage_judge(&s, "sk-good-again", OPTIONS("--llm-inflight=1"));
    uint64_t n = 4;
    if (!llm_stage_until(&s, has_labels, &n, PATIENCE_MS)) {
        fail_msg("%d labels: %s", read_range(told - 4, told).labels,
                 llm_stage_judge_says(&s));
    }
}

static void retry_after_a_day_is_at_most_a_minute(void **state)
{
    char when[64];

    (void)state;
    text_format(when, sizeof(when), "--when=door %llu.=429-day*1",
                (unsigned long long)told);
    llm_stage_serve(&s, OPTIONS(quick, when));
    llm_stage_judge(&s, NULL, OPTIONS("--llm-inflight=4", "--judge-deadline=90"));
    told++;
    llm_stage_tell(&s, told);
    label_more(6);
    llm_stage_play(&s, 2000);
    // With a minute it can still be asked again before the deadline: it waits, and is
    // neither sent again at once nor given up, as it would be with a day.
    const struct range r = read_range(told - 7, told - 6);
    assert_int_equal(r.labels + r.others, 0);
    assert_true(llm_stage_state(&s, "429-day") == 1);
    assert_true(llm_stage_state(&s, "requests") == 1 + 1 + 6);
}

static int open_all(void **state)
{
    char script[STAGE_PATH], make[STAGE_PATH + 32];

    (void)state;
    llm_stage_open(&s, write_caption);
    text_format(certificates, sizeof(certificates), "%.900s/certificates", s.dir);
    text_format(tls, sizeof(tls), "--tls=%s", certificates);
    text_format(make, sizeof(make), "--make-certificates=%s", certificates);
    text_format(script, sizeof(script), "%s/tests/support/standin/standin.py",
                getenv("MINOS_SOURCE"));
    return runner_run(s.dir, "/usr/bin/python3", "-B", script, make, NULL);
}

static int close_all(void **state)
{
    (void)state;
    llm_stage_close(&s);
    return 0;
}

#define TEST(f) cmocka_unit_test_teardown(f, end_both)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_server_of_a_trusted_authority_is_asked_over_tls),
        TEST(a_certificate_that_is_not_right_is_refused_and_sees_no_key),
        TEST(a_redirect_is_not_followed),
        TEST(a_server_of_something_else_is_told_from_one_that_is_not_there),
        TEST(a_server_that_is_not_there_yet_is_waited_for),
        TEST(a_proxy_is_used_where_the_server_is_elsewhere),
        TEST(what_the_server_takes_is_found_out_at_the_start),
        TEST(votes_are_so_many_requests_of_one_verdict),
        TEST(nobody_waits_for_one_that_hangs_and_connections_are_kept),
        TEST(the_breaker_opens_and_closes_and_no_caption_is_lost),
        TEST(a_server_whose_settings_are_changed_costs_no_caption),
        TEST(retry_after_a_day_is_at_most_a_minute),
    };

    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, open_all, close_all);
}
