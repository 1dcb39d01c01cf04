/* Judges that die, fall asleep and come back, in the whole system. */

#include "tests/cluster/cluster.h"

#include <string.h>

#include "judge/backends/rule.h"

enum { ASKED_MOST = 4096, UPDATES_MS = 60 };

static struct cluster c;

/* ---- what the judges were asked, whoever of them ---- */

static struct {
    struct hash128 key;
    int times;
} asked[ASKED_MOST];
static int asked_count, asked_most;

static enum status ask_and_count(void *self, const struct judge_question *q,
                                 struct judge_verdict *v)
{
    const struct hash128 key =
        hash_128(bytes_of(q->caption[0].text, q->caption[0].len));
    int i = 0;

    while (i < asked_count && !hash_equal(asked[i].key, key)) {
        i++;
    }
    assert_true(i < ASKED_MOST);
    asked[i].key = key;
    asked_count = i == asked_count ? asked_count + 1 : asked_count;
    asked[i].times++;
    asked_most = asked[i].times > asked_most ? asked[i].times : asked_most;
    return rule_backend.ask(self, q, v);
}

static void open_cluster(void)
{
    static struct judge_backend counting;

    memset(asked, 0, sizeof(asked));
    asked_count = asked_most = 0;
    counting = rule_backend;
    counting.ask = ask_and_count;
    cluster_init(&c, &(struct cluster_plan){.env = "crypt-stairs",
                                            .update_ms = UPDATES_MS,
                                            .backend = &counting});
}

static void freeze_actors(bool frozen)
{
    for (int i = 0; i < c.plan.actors; i++) {
        c.actor[i].frozen = frozen;
    }
}

static bool judge_is_welcome(struct cluster *cluster, uint64_t judge)
{
    return serve_counters(cluster->judge[judge].serve)->welcomes > 0;
}

/* Judge 0 was welcomed, was asked since, and did not see it. */
static void let_the_judge_fall_asleep(void)
{
    cluster_run_until(&c, judge_is_welcome, 0);
    assert_int_equal(serve_counters(c.judge[0].serve)->questions, 0);
    c.judge[0].frozen = true;
    cluster_run_until(&c, updates_at_least, 5);
    assert_true(cluster_counters(&c, 0)->questions_in_flight > 0);
}

/* ---- the ledger ---- */

struct rows {
    int trains, late, late_trains;
};

static bool count_row(void *ctx, const struct ledger_entry *e)
{
    struct rows *r = ctx;

    r->trains += e->trains;
    r->late += e->late;
    r->late_trains += e->late && e->trains;
    return true;
}

static struct rows read_ledger(void)
{
    struct rows r = {0};

    assert_int_equal(ledger_scan(c.learner[0].ledger, 1, 0, count_row, &r), ST_OK);
    return r;
}

/* Verdicts reach the rewards at the next round, which an empty batch makes too. */
static uint64_t labels_in_training(void)
{
    return c.learner[0].train.reward.table.labels;
}

/* ---- facts ---- */

static void a_dead_judge_costs_labels_but_not_steps(void **state)
{
    (void)state;
    open_cluster();
    cluster_run_until(&c, updates_at_least, 20);
    cluster_kill_judge(&c, 0);
    cluster_run_ms(&c, 1000);
    const uint64_t labels = cluster_counters(&c, 0)->labels;
    const uint64_t updates = cluster_updates(&c);
    assert_true(labels > 0);
    cluster_run_ms(&c, 6000);
    assert_int_equal(cluster_counters(&c, 0)->labels, labels);
    assert_true(cluster_updates(&c) >= updates + 90); // 100 at full speed
    assert_true(c.counters.questions_queued > 0);
    cluster_start_judge(&c, 0);
    cluster_run_ms(&c, 3000);
    freeze_actors(true);
    cluster_run_until(&c, nothing_is_asked, 0);
    assert_true(c.counters.labels > labels);
    assert_int_equal(c.counters.questions_duplicate, 0);
    freeze_actors(false);
    cluster_release(&c);
}

static void a_late_verdict_whose_key_has_none_trains(void **state)
{
    (void)state;
    open_cluster();
    let_the_judge_fall_asleep();
    cluster_run_ms(&c, 10000); // leases are the deadline of 1 s and 5 s more
    freeze_actors(true);
    cluster_run_ms(&c, 3000);
    assert_true(cluster_counters(&c, 0)->questions_expired > 0);
    assert_int_equal(c.counters.labels, 0);
    c.judge[0].frozen = false;
    cluster_run_until(&c, nothing_is_asked, 0);
    cluster_run_ms(&c, 3000);
    const struct rows rows = read_ledger();
    assert_true(rows.late > 0);
    assert_int_equal(rows.late_trains, rows.late);
    assert_int_equal(cluster_counters(&c, 0)->verdicts_late, rows.late);
    assert_int_equal(c.counters.labels, rows.trains);
    assert_int_equal(labels_in_training(), rows.trains);
    assert_int_equal(asked_most, 1); // nor was it paid for twice
    freeze_actors(false);
    cluster_release(&c);
}

static void a_late_verdict_whose_key_has_one_is_kept_and_does_not_train(void **state)
{
    (void)state;
    open_cluster();
    let_the_judge_fall_asleep();
    cluster_start_judge(&c, 1);
    cluster_run_ms(&c, 10000);
    freeze_actors(true);
    cluster_run_until(&c, nothing_is_asked, 0);
    cluster_run_ms(&c, 3000);
    const struct rows before = read_ledger();
    const uint64_t labels = labels_in_training();
    assert_int_equal(before.late, 0);
    assert_true(before.trains > 0);
    c.judge[0].frozen = false;
    cluster_run_ms(&c, 5000);
    const struct rows after = read_ledger();
    assert_true(after.late > 0);
    assert_int_equal(after.late_trains, 0);
    assert_int_equal(after.trains, before.trains);
    assert_int_equal(labels_in_training(), labels);
    freeze_actors(false);
    cluster_release(&c);
}

static void no_question_is_asked_twice_over_restarts_of_judges_and_learner(void **state)
{
    (void)state;
    open_cluster();
    for (int round = 0; round < 3; round++) {
        cluster_run_ms(&c, 3000);
        freeze_actors(true);
        cluster_run_until(&c, nothing_is_asked, 0);
        cluster_run_ms(&c, 1000); // answers are acknowledged
        if (round == 1) {
            cluster_kill_learner(&c);
            cluster_start_learner(&c);
        } else {
            cluster_kill_judge(&c, 0);
            cluster_start_judge(&c, 0);
        }
        freeze_actors(false);
    }
    cluster_run_ms(&c, 3000);
    freeze_actors(true);
    cluster_run_until(&c, nothing_is_asked, 0);
    cluster_run_ms(&c, 1000); // the counters tell of the last labels, too
    assert_true(asked_count > 20);
    assert_int_equal(asked_most, 1);
    assert_int_equal(cluster_counters(&c, 0)->questions_duplicate, 0);
    const struct rows rows = read_ledger();
    assert_int_equal(rows.trains, cluster_counters(&c, 0)->labels);
    freeze_actors(false);
    cluster_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dead_judge_costs_labels_but_not_steps),
        cmocka_unit_test(a_late_verdict_whose_key_has_none_trains),
        cmocka_unit_test(a_late_verdict_whose_key_has_one_is_kept_and_does_not_train),
        cmocka_unit_test(
            no_question_is_asked_twice_over_restarts_of_judges_and_learner),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
