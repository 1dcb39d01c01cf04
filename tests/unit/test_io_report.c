#include "tests/support/harness.h"

#include <pthread.h>
#include <stdatomic.h>

#include "learner/intake/io_report.h"

enum { PUTS = 200000 };

static atomic_bool done;

/* Every field of a snapshot comes from the same put. */
static void *write_reports(void *report)
{
    struct io_counters c = {0};

    for (uint64_t i = 1; i <= PUTS; i++) {
        c.segments_taken = i;
        c.labels = 2 * i;
        c.cpu_ledger_ns = 3 * i;
        io_report_put(report, &c);
    }
    atomic_store(&done, true);
    return NULL;
}

static void a_snapshot_is_of_one_moment_and_never_older_than_the_last(void **state)
{
    struct io_report *r = io_report_new();
    struct io_counters c;
    uint64_t last = 0;
    pthread_t thread;
    bool over = false;

    (void)state;
    io_report_get(r, &c);
    assert_int_equal(c.segments_taken, 0);
    assert_int_equal(pthread_create(&thread, NULL, write_reports, r), 0);
    while (!over) {
        over = atomic_load(&done);
        io_report_get(r, &c);
        assert_true(c.segments_taken >= last);
        assert_int_equal(c.labels, 2 * c.segments_taken);
        assert_int_equal(c.cpu_ledger_ns, 3 * c.segments_taken);
        last = c.segments_taken;
    }
    assert_int_equal(last, PUTS);
    assert_int_equal(pthread_join(thread, NULL), 0);
    io_report_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_snapshot_is_of_one_moment_and_never_older_than_the_last),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
