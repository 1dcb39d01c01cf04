/* Rank 0's ledger at a start: what is asked anew, and what a lost ledger still knows. */
#include "tests/support/harness.h"

#include <math.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/text.h"
#include "learner/start_ledger.h"

enum { RUN = 5 };
static const struct hash128 goal = {1, 2};
static char dir[512], path[600], lines[600], source[600];

static int make_dir(void **state)
{
    (void)state;
    text_format(dir, sizeof(dir), "%s", harness_make_dir());
    text_format(path, sizeof(path), "%s/ledger", dir);
    text_format(lines, sizeof(lines), "%s/verdicts.jsonl", dir);
    text_format(source, sizeof(source), "%s/source", dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    harness_remove_dir(dir);
    return 0;
}

static struct start_ledger plan_of(const char *labels_from, bool relabel)
{
    return (struct start_ledger){.path = path,
                                 .lines = lines,
                                 .run = RUN,
                                 .environment = "bandit",
                                 .goal_digest = goal,
                                 .labels_from = labels_from,
                                 .relabel = relabel};
}

static struct ledger *start(bool relabel, uint64_t want)
{
    const struct start_ledger plan = plan_of("", relabel);
    struct ledger *l = NULL;
    uint64_t serial = 99;

    assert_int_equal(start_ledger_open(&plan, &l, &serial), ST_OK);
    assert_int_equal(serial, want);
    return l;
}

static void add(struct ledger *l, const char *caption)
{
    struct ledger_entry e = {.goal_digest = goal,
                             .verdict_kind = VERDICT_LABEL,
                             .trains = true,
                             .confidence = NAN,
                             .captions = 1,
                             .caption = {bytes_text(caption)}};

    e.key = ledger_item_key(e.caption, 1);
    assert_int_equal(ledger_append(l, &e), ST_OK);
}

static void a_relabelling_lasts_over_restarts_until_it_is_left_out(void **state)
{
    struct ledger *l = start(false, 0);

    (void)state;
    add(l, "first");
    add(l, "second");
    ledger_close(l);
    l = start(true, 2);
    add(l, "first");
    ledger_close(l);
    l = start(true, 2); // what was asked since counts
    ledger_close(l);
    l = start(false, 0);
    ledger_close(l);
    l = start(true, 3); // begins anew
    ledger_close(l);
}

static void a_lost_ledger_needs_its_sources_no_more(void **state)
{
    const struct start_ledger plan = plan_of(source, false);
    struct ledger *l = NULL;
    uint64_t serial;

    (void)state;
    assert_int_equal(ledger_open(source, 7, &l), ST_OK);
    assert_int_equal(ledger_put_environment(l, "bandit"), ST_OK);
    add(l, "first");
    ledger_close(l);
    assert_int_equal(start_ledger_open(&plan, &l, &serial), ST_OK);
    assert_int_equal(ledger_top(l), 1);
    assert_int_equal(ledger_export(l, lines), ST_OK);
    ledger_close(l);
    assert_int_equal(file_remove_tree(path), ST_OK);
    assert_int_equal(file_remove_tree(source), ST_OK);
    harness_stderr_begin();
    assert_int_equal(start_ledger_open(&plan, &l, &serial), ST_OK);
    assert_non_null(strstr(harness_stderr_end(), "LABELS-GONE"));
    assert_int_equal(ledger_top(l), 1);
    ledger_close(l);
}

static void a_ledger_of_another_environment_is_refused(void **state)
{
    struct start_ledger plan = plan_of("", false);
    struct ledger *l = start(false, 0);
    uint64_t serial;

    (void)state;
    ledger_close(l);
    plan.environment = "crypt-vault";
    harness_stderr_begin();
    assert_int_equal(start_ledger_open(&plan, &l, &serial), ST_INVALID);
    const char *said = harness_stderr_end();
    assert_non_null(strstr(said, "bandit"));
    assert_non_null(strstr(said, "crypt-vault"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_relabelling_lasts_over_restarts_until_it_is_left_out),
        TEST(a_lost_ledger_needs_its_sources_no_more),
        TEST(a_ledger_of_another_environment_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
