/* The balance of segments: over crashes, restarts, evictions, and when one is missing. */

#include "tests/support/rank_twin.h"

#include <stdio.h>
#include <string.h>

#include "learner/store/audit.h"
#include "learner/store/db.h"

static struct twin t;
static struct twin_actor a, b;
static struct audit audit;

static int set_up(void **state)
{
    (void)state;
    twin_init(&t, 1);
    actor_init(&a, &t, 101, "host0");
    actor_init(&b, &t, 102, "host0");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    actor_release(&a);
    actor_release(&b);
    audit_release(&audit);
    twin_release(&t);
    return 0;
}

static void exchange(void)
{
    twin_poll(&t);
    actor_poll(&a);
    actor_poll(&b);
}

static void kill_actor(struct twin_actor *x)
{
    seqfile_close(x->seqfile); // the lock goes with the process
    x->seqfile = NULL;
}

static void run_audit(void)
{
    audit_release(&audit);
    assert_int_equal(audit_run(t.dir, "", &audit), ST_OK);
}

/* Removes a stored segment behind everybody's back. */
static void remove_segment(uint64_t serial)
{
    static const struct db_table tables[] = {{"segments", DB_KEY_U64}};
    char path[600];
    struct db *db = NULL;
    struct db_txn txn;

    snprintf(path, sizeof(path), "%s/store/rank-0", t.dir);
    const struct db_plan plan = {
        .path = path, .max_bytes = 64 << 20, .tables = tables, .table_count = 1};
    assert_int_equal(db_open(&plan, &db), ST_OK);
    assert_int_equal(db_begin(db, true, &txn), ST_OK);
    assert_int_equal(db_delete(&txn, 0, db_u64(&serial)), ST_OK);
    assert_int_equal(db_commit(&txn), ST_OK);
    db_close(db);
}

static void every_segment_is_in_exactly_one_place(void **state)
{
    struct text_buf text = {0};

    (void)state;
    actor_join(&a, -1);
    actor_join(&b, -1);
    actor_produce(&a, 6);
    actor_produce(&b, 3);
    exchange();
    twin_train(&t, 0, 4);
    twin_checkpoint(&t);
    exchange();
    b.produced += 2; // complete, but killed before they were sent
    seqfile_set(b.seqfile, b.produced);
    kill_actor(&b);
    a.produced++; // on the way
    seqfile_set(a.seqfile, a.produced);
    twin_end(&t);
    run_audit();
    assert_true(audit.balances);
    assert_int_equal(audit.total.produced, 12);
    assert_int_equal(audit.total.trained, 4);
    assert_int_equal(audit.total.waiting, 5);
    assert_int_equal(audit.total.lost_with_actor, 2);
    assert_int_equal(audit.total.in_flight, 1);
    audit_print(&audit, &text);
    assert_non_null(strstr(text.data, "balances"));
    assert_null(strstr(text.data, "MISSING"));
    text_buf_clear(&text);
    audit_json(&audit, &text);
    assert_non_null(strstr(text.data, "{\"balances\":true,"));
    text_buf_release(&text);
}

static void one_waiting_segment_of_a_killed_actor_is_missed(void **state)
{
    (void)state;
    actor_join(&a, -1);
    actor_produce(&a, 6);
    exchange();
    twin_train(&t, 0, 2);
    twin_checkpoint(&t);
    exchange();
    kill_actor(&a);
    twin_end(&t);
    run_audit();
    assert_true(audit.balances);
    remove_segment(4);
    run_audit();
    assert_false(audit.balances);
    assert_int_equal(audit.total.missing, 1);
    assert_int_equal(audit.total.lost_with_actor, 0); // it was taken: no excuse
}

static void a_crash_makes_what_was_not_checkpointed_fresh_again(void **state)
{
    (void)state;
    actor_join(&a, -1);
    actor_produce(&a, 8);
    exchange();
    twin_train(&t, 0, 3);
    twin_checkpoint(&t);
    twin_train(&t, 0, 4); // forgotten
    exchange();
    twin_end(&t);
    run_audit();
    assert_true(audit.balances);
    assert_int_equal(audit.total.trained, 3);
    assert_int_equal(audit.total.waiting, 5);
    twin_start(&t);
    exchange();
    assert_int_equal(twin_train(&t, 0, 10), 5);
    twin_checkpoint(&t);
    exchange();
    actor_join(&a, -1);
    actor_bare(&a, FRAME_GOODBYE, 8);
    exchange();
    twin_end(&t);
    run_audit();
    assert_true(audit.balances);
    assert_int_equal(audit.total.trained, 8);
    assert_true(audit.rows[0].goodbye);
}

static void a_restarted_actor_is_another_incarnation_with_its_own_balance(void **state)
{
    (void)state;
    actor_join(&a, 0);
    actor_produce(&a, 3);
    exchange();
    kill_actor(&a);
    actor_join(&b, 0);
    assert_int_equal(b.number, 1);
    assert_int_equal(b.incarnation, 2);
    actor_produce(&b, 2);
    exchange();
    twin_end(&t);
    run_audit();
    assert_true(audit.balances);
    assert_int_equal(audit.count, 2);
    assert_int_equal(audit.rows[0].waiting, 3);
    assert_int_equal(audit.rows[1].waiting, 2);
}

static void what_the_bound_forced_out_is_counted(void **state)
{
    uint64_t forced;

    (void)state;
    twin_end(&t);
    t.store_bytes = 8 * 4096; // eight segments of the sample
    twin_start(&t);
    harness_stderr_begin();
    actor_join(&a, -1);
    for (int i = 0; i < 20; i++) {
        actor_produce(&a, 4);
        exchange();
        twin_train(&t, 0, 2); // trained, but in no checkpoint
        exchange();
    }
    twin_end(&t);
    harness_stderr_end();
    run_audit();
    assert_true(audit.balances);
    forced = audit.total.dropped[DROP_EVICTED_BEFORE_CHECKPOINT];
    assert_true(forced > 10);
    assert_int_equal(audit.total.waiting + forced, audit.total.taken);
}

static void a_promise_of_more_than_came_is_an_imbalance(void **state)
{
    (void)state;
    actor_join(&a, -1);
    actor_produce(&a, 2);
    exchange();
    actor_bare(&a, FRAME_GOODBYE, 2);
    exchange();
    seqfile_set(a.seqfile, 3); // it had said that nothing more comes
    kill_actor(&a);
    twin_end(&t);
    run_audit();
    assert_false(audit.balances);
    assert_int_equal(audit.total.missing, 1);
}

/* Of a rank on another host, say: nothing may be made up about what it holds. */
static void a_store_that_cannot_be_seen_is_told_and_not_guessed(void **state)
{
    struct audit none;

    (void)state;
    actor_join(&a, -1);
    actor_produce(&a, 6);
    exchange();
    twin_train(&t, 0, 2);
    twin_checkpoint(&t);
    exchange();
    twin_end(&t);
    harness_stderr_begin();
    assert_int_equal(audit_run(t.dir, "/nonexistent", &none), ST_NOTFOUND);
    assert_non_null(
        strstr(harness_stderr_end(), "there is no store at /nonexistent/store/rank-0"));
}

static void a_directory_without_a_run_is_refused(void **state)
{
    struct audit none;

    (void)state;
    harness_stderr_begin();
    assert_int_equal(audit_run("/nonexistent", "", &none), ST_NOTFOUND);
    assert_non_null(strstr(harness_stderr_end(), "holds no run"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_segment_is_in_exactly_one_place),
        TEST(one_waiting_segment_of_a_killed_actor_is_missed),
        TEST(a_crash_makes_what_was_not_checkpointed_fresh_again),
        TEST(a_restarted_actor_is_another_incarnation_with_its_own_balance),
        TEST(what_the_bound_forced_out_is_counted),
        TEST(a_promise_of_more_than_came_is_an_imbalance),
        TEST(a_store_that_cannot_be_seen_is_told_and_not_guessed),
        TEST(a_directory_without_a_run_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
