/* The llm judge against a server that misbehaves in every way, over real sockets: the right
 * verdict, the right number of requests, and no other caption suffers. */

#include "tests/support/llm_stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/text.h"
#include "tests/support/runner.h"

static const char key[] = "sk-stand-in-7f3a9c51d2e84b06";

/* What the server does when this caption comes, and what the first verdict is then. */
struct fault {
    const char *kind; // of standin_faults.py; the caption ends with it
    int times;        // 0: always
    enum verdict_kind verdict;
    int requests; // of the first verdict
};

/* With one retry, six seconds for each request, and answers in free text. */
static const struct fault faults[] = {
    {"hang", 1, VERDICT_LABEL, 2},
    {"hang", 0, VERDICT_TIMEOUT, 2},
    {"drip", 0, VERDICT_TIMEOUT, 2},
    {"half", 1, VERDICT_LABEL, 2},
    {"half", 0, VERDICT_OVERLOAD, 2},
    {"closed", 1, VERDICT_LABEL, 2},
    {"closed", 0, VERDICT_OVERLOAD, 2},
    {"429", 1, VERDICT_LABEL, 2},
    {"429", 0, VERDICT_OVERLOAD, 2},
    {"429-date", 1, VERDICT_LABEL, 2},
    {"429-day", 0, VERDICT_OVERLOAD, 1}, // a minute of it is past the deadline
    {"500", 1, VERDICT_LABEL, 2},
    {"500", 0, VERDICT_OVERLOAD, 2},
    {"503", 0, VERDICT_OVERLOAD, 2},
    {"wrong-json", 1, VERDICT_LABEL, 2},
    {"wrong-json", 0, VERDICT_UNPARSEABLE, 2},
    {"wrong-types", 0, VERDICT_UNPARSEABLE, 2},
    {"html", 0, VERDICT_UNPARSEABLE, 2},
    {"empty", 0, VERDICT_UNPARSEABLE, 2},
    {"huge", 0, VERDICT_UNPARSEABLE, 2},
    {"headers", 0, VERDICT_UNPARSEABLE, 2},
    {"bomb", 0, VERDICT_UNPARSEABLE, 2},
    {"redirect", 1, VERDICT_LABEL, 2},
    {"redirect", 0, VERDICT_OVERLOAD, 2},
    {"404", 1, VERDICT_LABEL, 2},
    {"404", 0, VERDICT_OVERLOAD, 2},
    {"403", 1, VERDICT_LABEL, 2},
    {"403", 0, VERDICT_REFUSED, 2},
    {"reorder", 0, VERDICT_LABEL, 1},
    {"key-error", 1, VERDICT_LABEL, 2},
    {"key-error", 0, VERDICT_OVERLOAD, 2},
    {"key-echo", 0, VERDICT_LABEL, 1},
    {"unparseable", 1, VERDICT_LABEL, 2}, // asked once more, with the reminder
    {"unparseable", 0, VERDICT_UNPARSEABLE, 2},
    {"contradict", 0, VERDICT_UNPARSEABLE, 2},
    {"inject", 1, VERDICT_LABEL, 2},
    {"inject", 0, VERDICT_UNPARSEABLE, 2},
};
enum {
    FAULTS = sizeof(faults) / sizeof(faults[0]),
    BETWEEN =
        3, // captions without a fault behind each, so that the breaker stays closed
    CAPTIONS = FAULTS * (1 + BETWEEN),
    PEAK_KB = 120 << 10, // of a judge's memory
    CUT_BYTES = 8 << 20  // of an endless answer until it is cut, all in buffers
};

/* Those that climb are helpful by the rules: about a half. */
static size_t write_caption(uint64_t n, char out[FEEDER_TEXT_MAX])
{
    const int i = (int)(n / (1 + BETWEEN)), rest = (int)(n % (1 + BETWEEN));
    const char *verb = n % 2 == 0 ? "climb to" : "walk by";

    if (rest == 0) {
        text_format(out, FEEDER_TEXT_MAX, "You %s fault %d, %s.", verb, i,
                    faults[i].kind);
    } else {
        text_format(out, FEEDER_TEXT_MAX, "You %s lamp %d of hall %d.", verb, rest, i);
    }
    return strlen(out);
}

struct given {
    int count; // verdicts of this caption
    struct ledger_entry first;
};
static struct given given[CAPTIONS];
static int leaks;
static struct llm_stage s;

static bool take_entry(void *ctx, const struct ledger_entry *e)
{
    char text[FEEDER_TEXT_MAX];

    (void)ctx;
    leaks +=
        e->raw.len > 0 && memmem(e->raw.data, e->raw.len, key, sizeof(key) - 1) != NULL;
    for (uint64_t n = 0; n < CAPTIONS; n++) {
        const size_t len = write_caption(n, text);
        if (e->captions == 1 && bytes_equal(e->caption[0], bytes_of(text, len)) &&
            given[n].count++ == 0) {
            given[n].first = *e;
        }
    }
    return true;
}

static int unanswered(void)
{
    int n = 0;

    memset(given, 0, sizeof(given));
    leaks = 0;
    llm_stage_read(&s, take_entry, NULL);
    for (int i = 0; i < CAPTIONS; i++) {
        n += given[i].count == 0;
    }
    return n;
}

static bool all_answered(struct llm_stage *stage, void *arg)
{
    static int looks;

    (void)stage;
    (void)arg;
    return ++looks % 20 == 0 && unanswered() == 0;
}

static void check_verdicts(void)
{
    for (int n = 0; n < CAPTIONS; n++) {
        const struct fault *f = &faults[n / (1 + BETWEEN)];
        const bool faulty = n % (1 + BETWEEN) == 0;
        const enum verdict_kind kind = faulty ? f->verdict : VERDICT_LABEL;
        const struct ledger_entry *e = &given[n].first;
        if (e->verdict_kind != kind || e->requests != (faulty ? f->requests : 1)) {
            fail_msg("%s*%d: verdict %d after %d requests, not %d after %d",
                     faulty ? f->kind : "none", f->times, e->verdict_kind, e->requests,
                     kind, faulty ? f->requests : 1);
        }
        if (kind == VERDICT_LABEL && e->label != (n % 2 == 0 ? 1.0f : 0.0f)) {
            fail_msg("%s*%d: a wrong label, %g", faulty ? f->kind : "none", f->times,
                     (double)e->label);
        }
    }
}

/* Kilobytes of memory at the most, from /proc. */
static long peak_kb(pid_t pid)
{
    char path[64], line[256];
    long kb = -1;

    text_format(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    while (kb < 0 && fgets(line, sizeof(line), f) != NULL) {
        if (strncmp(line, "VmHWM:", 6) == 0) {
            kb = strtol(line + 6, NULL, 10);
        }
    }
    fclose(f);
    return kb;
}

static void fill_whens(char text[FAULTS][96], const char *option[FAULTS + 8])
{
    for (int i = 0; i < FAULTS; i++) {
        const int times = faults[i].times > 0 ? faults[i].times : 1000000;
        text_format(text[i], sizeof(text[i]), "--when=fault %d,=%s*%d", i,
                    faults[i].kind, times);
        option[i] = text[i];
    }
}

static void
each_misbehaviour_ends_in_its_verdict_and_hurts_no_other_caption(void **state)
{
    static char when[FAULTS][96], where[STAGE_PATH];
    const char *options[FAULTS + 8], need_key[] = "--key=sk-stand-in-7f3a9c51d2e84b06";

    (void)state;
    fill_whens(when, options);
    options[FAULTS] = "--median=0.05";
    options[FAULTS + 1] = "--tail=0.2";
    options[FAULTS + 2] = need_key;
    options[FAULTS + 3] = NULL;
    llm_stage_serve(&s, options);
    llm_stage_tell(&s, CAPTIONS);
    llm_stage_judge(&s, key,
                    (const char *const[]){"--llm-structured=text", "--llm-retries=1",
                                          "--llm-timeout=6", "--llm-inflight=6",
                                          "--judge-deadline=50", NULL});
    const bool done = llm_stage_until(&s, all_answered, NULL, 2 * RUNNER_PATIENCE_MS);
    if (!done) {
        fail_msg("%d captions have no verdict: %s", unanswered(),
                 llm_stage_judge_says(&s));
    }
    check_verdicts();
    assert_true(peak_kb(s.judge) < PEAK_KB);
    assert_true(llm_stage_state(&s, "other_connections") == 0);
    assert_true(llm_stage_state(&s, "compressed_wanted") == 0);
    assert_true(llm_stage_state(&s, "in_flight_peak") <=
                6 + 2); // cut ones end a little later
    const double endless = llm_stage_state(&s, "huge") + llm_stage_state(&s, "headers");
    assert_true(endless >= 4);
    assert_true(llm_stage_state(&s, "huge_bytes") < endless * CUT_BYTES);
    assert_true(llm_stage_state(&s, "key_wrong") == 0);
    assert_true(llm_stage_state(&s, "key_missing") == 0);
    assert_int_equal(leaks, 0);
    llm_stage_end_server(&s); // its own command line and files may hold the key
    if (llm_stage_finds(&s, key, where)) {
        fail_msg("the key stands in %s", where);
    }
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            each_misbehaviour_ends_in_its_verdict_and_hurts_no_other_caption, set_up,
            tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
