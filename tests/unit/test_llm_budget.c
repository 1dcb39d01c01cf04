/* Budgets: reserved before a request, kept over restarts and crashes, shared by judges. */

#include <stdio.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "judge/backends/llm/budget.h"
#include "tests/support/harness.h"

enum { HOUR = 3600000 };

static const struct budget_amount none = {.of = {UINT64_MAX, UINT64_MAX, UINT64_MAX}};
static const uint64_t noon = (uint64_t)1000 * HOUR + 60000;

static const char *dir;

static int set_up(void **state)
{
    (void)state;
    dir = harness_make_dir();
    log_open("test", 0, LOG_ERROR_);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    harness_remove_dir(dir);
    return 0;
}

static struct budget *open_with(struct budget_amount all, struct budget_amount hour)
{
    const struct budget_limits limits = {.all = all, .hour = hour};
    struct budget *b = NULL;

    assert_int_equal(budget_open(harness_path(dir, "judges/llm-used"), &limits, &b),
                     ST_OK);
    return b;
}

static struct budget_amount amount(uint64_t requests, uint64_t tokens, uint64_t micro)
{
    return (struct budget_amount){.of = {requests, tokens, micro}};
}

/* Reserves and settles requests of 10 tokens until the budget ends; how many. */
static int spend(struct budget *b, uint64_t tokens_each, uint64_t wall_ms, int most)
{
    struct budget_reached reached;
    int n = 0;

    while (n < most) {
        struct budget_amount need = amount(1, tokens_each, 0);
        const enum status st = budget_reserve(b, &need, wall_ms, &reached);
        if (st == ST_FULL) {
            break;
        }
        assert_int_equal(st, ST_OK);
        budget_settle(b, &need, &need);
        n++;
    }
    return n;
}

static void a_budget_lets_through_exactly_what_it_says(void **state)
{
    struct budget_reached reached;
    struct budget *b = open_with(amount(1000, UINT64_MAX, UINT64_MAX), none);

    (void)state;
    assert_int_equal(spend(b, 10, noon, 5000), 1000);
    struct budget_amount need = amount(1, 1, 0);
    assert_int_equal(budget_reserve(b, &need, noon, &reached), ST_FULL);
    assert_int_equal(reached.kind, BUDGET_REQUESTS);
    assert_int_equal(reached.limit, 1000);
    assert_false(reached.hourly);
    assert_false(budget_has_room(b, &need, noon, &reached));
    budget_close(b);
}

static void what_was_used_is_known_after_a_restart(void **state)
{
    struct budget *b = open_with(amount(1000, UINT64_MAX, UINT64_MAX), none);

    (void)state;
    assert_int_equal(spend(b, 10, noon, 400), 400);
    budget_close(b); // gives the rest of its block back
    b = open_with(amount(1000, UINT64_MAX, UINT64_MAX), none);
    assert_int_equal(spend(b, 10, noon, 5000), 600);
    budget_close(b);
}

static void
after_a_crash_at_most_a_block_too_much_counts_and_never_too_little(void **state)
{
    struct budget *crashed = open_with(amount(1000, UINT64_MAX, UINT64_MAX), none);

    (void)state;
    assert_int_equal(spend(crashed, 10, noon, 400), 400);
    // Never closed: as if killed.
    struct budget *b = open_with(amount(1000, UINT64_MAX, UINT64_MAX), none);
    assert_in_range(spend(b, 10, noon, 5000), 600 - 1000 / 64 - 1, 600);
    budget_close(b);
    budget_close(crashed);
}

/* Of each kind, in the file: what is reserved and not used. */
static uint64_t in_file(const char *name)
{
    char *text = NULL, line[64];
    size_t len = 0;
    unsigned long long value = 0;

    assert_int_equal(file_read(harness_path(dir, "judges/llm-used"), 4096, &text, &len),
                     ST_OK);
    text_format(line, sizeof(line), "\n%s ", name);
    const char *at =
        strncmp(text, line + 1, strlen(line + 1)) == 0 ? text : strstr(text, line);
    assert_non_null(at);
    assert_int_equal(sscanf(at + (*at == '\n'), "%*s %llu", &value), 1);
    mem_free(text);
    return value;
}

static void a_crash_counts_at_most_64_requests_worth_of_what_has_no_limit(void **state)
{
    struct budget *crashed = open_with(none, none);
    struct budget_reached reached;

    (void)state;
    for (int i = 0; i < 300; i++) {
        struct budget_amount need = amount(1, 700, 148);
        assert_int_equal(budget_reserve(crashed, &need, noon, &reached), ST_OK);
        budget_settle(crashed, &need, &need);
        assert_in_range(in_file("requests"), i + 1, i + 1 + 64);
        assert_in_range(in_file("tokens"), (i + 1) * 700, (i + 1 + 64) * 700);
        assert_in_range(in_file("micro"), (i + 1) * 148, (i + 1 + 64) * 148);
    }
    // A limit that is set later, after a kill, finds nearly all of its room.
    struct budget *b = open_with(amount(UINT64_MAX, UINT64_MAX, 400 * 148), none);
    int n = 0;
    for (struct budget_amount need = amount(1, 700, 148);
         budget_reserve(b, &need, noon, &reached) == ST_OK; n++) {
        budget_settle(b, &need, &need);
    }
    assert_in_range(n, 100 - 64, 100);
    assert_in_range(reached.used, 399 * 148, 400 * 148);
    budget_close(b);
    budget_close(crashed);
}

static void two_judges_share_one_budget(void **state)
{
    struct budget *a = open_with(amount(UINT64_MAX, 10000, UINT64_MAX), none);
    struct budget *b = open_with(amount(UINT64_MAX, 10000, UINT64_MAX), none);
    int sum = 0, n;

    (void)state;
    do {
        n = spend(a, 10, noon, 7) + spend(b, 10, noon, 3);
        sum += n;
    } while (n > 0);
    assert_int_equal(sum, 1000);
    budget_close(a);
    budget_close(b);
}

static void what_a_request_did_not_use_may_be_used_by_another(void **state)
{
    struct budget *b = open_with(amount(UINT64_MAX, 1000, UINT64_MAX), none);
    struct budget_reached reached;
    int n = 0;

    (void)state;
    for (;; n++) {
        struct budget_amount need = amount(1, 100, 0), used = amount(1, 20, 0);
        if (budget_reserve(b, &need, noon, &reached) != ST_OK) {
            break;
        }
        budget_settle(b, &need, &used);
    }
    assert_in_range(n, 45, 46); // the last 100 must be there to be reserved
    budget_close(b);
}

static void what_a_request_used_beyond_its_reservation_counts(void **state)
{
    struct budget *b = open_with(amount(UINT64_MAX, 1000, UINT64_MAX), none);
    struct budget_amount need = amount(1, 10, 0), used = amount(1, 900, 0);
    struct budget_reached reached;

    (void)state;
    assert_int_equal(budget_reserve(b, &need, noon, &reached), ST_OK);
    budget_settle(b, &need, &used);
    budget_close(b);
    b = open_with(amount(UINT64_MAX, 1000, UINT64_MAX), none);
    assert_int_equal(spend(b, 10, noon, 5000), 10);
    budget_close(b);
}

static void an_hour_has_its_own_budget_and_gives_nothing_to_the_next(void **state)
{
    struct budget *b = open_with(none, amount(100, UINT64_MAX, UINT64_MAX));
    struct budget_reached reached;

    (void)state;
    assert_int_equal(spend(b, 10, noon, 40), 40);
    assert_int_equal(spend(b, 10, noon + HOUR, 5000), 100);
    struct budget_amount need = amount(1, 1, 0);
    assert_int_equal(budget_reserve(b, &need, noon + HOUR, &reached), ST_FULL);
    assert_true(reached.hourly);
    budget_close(b);
    b = open_with(none, amount(100, UINT64_MAX, UINT64_MAX));
    assert_int_equal(spend(b, 10, noon + HOUR, 5000), 0);
    assert_int_equal(spend(b, 10, noon + 2 * HOUR, 5000), 100);
    // A clock that was set back gives no hour twice.
    assert_int_equal(spend(b, 10, noon, 5000), 0);
    budget_close(b);
}

static void what_an_hour_reserved_and_did_not_use_is_not_the_next_ones(void **state)
{
    struct budget *b = open_with(none, amount(UINT64_MAX, 1000, UINT64_MAX));
    struct budget_amount early = amount(1, 500, 0), used = amount(1, 0, 0);
    struct budget_reached reached;

    (void)state;
    assert_int_equal(budget_reserve(b, &early, noon, &reached), ST_OK);
    assert_int_equal(spend(b, 100, noon + HOUR, 5), 5);
    budget_settle(b, &early, &used); // its answer came in the next hour
    assert_int_equal(spend(b, 100, noon + HOUR, 5000), 5);
    budget_close(b);
}

static void money_ends_a_budget_too(void **state)
{
    struct budget *b = open_with(amount(UINT64_MAX, UINT64_MAX, 5000000), none);
    struct budget_reached reached;
    int n = 0;

    (void)state;
    for (;; n++) {
        struct budget_amount need = amount(1, 10, 300000);
        if (budget_reserve(b, &need, noon, &reached) != ST_OK) {
            break;
        }
        budget_settle(b, &need, &need);
    }
    assert_int_equal(n, 16);
    assert_int_equal(reached.kind, BUDGET_MICRO);
    budget_close(b);
}

static void a_file_of_something_else_is_refused_and_left_alone(void **state)
{
    const struct budget_limits limits = {.all = none, .hour = none};
    const char *path = harness_path(dir, "llm-used");
    static const char *const texts[] = {"hello\n", "requests 12x\n", "requests -1 2\n",
                                        "", "wishes 3\n"};
    struct budget *b = NULL;

    (void)state;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(file_write_atomic(path, bytes_text(texts[i])), ST_OK);
        harness_stderr_begin();
        assert_int_equal(budget_open(path, &limits, &b), ST_CORRUPT);
        assert_non_null(strstr(harness_stderr_end(), "LLM-BUDGET-FILE"));
    }
}

static void without_a_file_a_budget_holds_for_the_process(void **state)
{
    const struct budget_limits limits = {.all = amount(50, UINT64_MAX, UINT64_MAX),
                                         .hour = none};
    struct budget *b = NULL;

    (void)state;
    assert_int_equal(budget_open("", &limits, &b), ST_OK);
    assert_int_equal(spend(b, 10, noon, 5000), 50);
    budget_close(b);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_budget_lets_through_exactly_what_it_says),
        TEST(what_was_used_is_known_after_a_restart),
        TEST(after_a_crash_at_most_a_block_too_much_counts_and_never_too_little),
        TEST(a_crash_counts_at_most_64_requests_worth_of_what_has_no_limit),
        TEST(two_judges_share_one_budget),
        TEST(what_a_request_did_not_use_may_be_used_by_another),
        TEST(what_a_request_used_beyond_its_reservation_counts),
        TEST(an_hour_has_its_own_budget_and_gives_nothing_to_the_next),
        TEST(what_an_hour_reserved_and_did_not_use_is_not_the_next_ones),
        TEST(money_ends_a_budget_too),
        TEST(a_file_of_something_else_is_refused_and_left_alone),
        TEST(without_a_file_a_budget_holds_for_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
