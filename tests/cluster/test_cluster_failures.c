/* A judge that fails in every way, in the whole system: what reaches the rewards. */

#include "tests/cluster/cluster.h"

#include <math.h>
#include <string.h>

#include "common/base/mem.h"
#include "judge/backends/rule.h"

enum { ANSWERS_MOST = 8192, FAILING_OF_1000 = 300 };

static struct cluster c;

/* ---- the judge: the rules', but for 30 % of its answers ---- */

static struct {
    struct hash128 key;
    float p;
} answer[ANSWERS_MOST]; // labels that it gave
static int answers, failures[VERDICT_KINDS];

static enum status ask_and_fail(void *self, const struct judge_question *q,
                                struct judge_verdict *v)
{
    static const enum verdict_kind
        kinds[] = {VERDICT_TIE,     VERDICT_ABSTAIN, VERDICT_UNPARSEABLE,
                   VERDICT_TIMEOUT, VERDICT_REFUSED, VERDICT_OVERLOAD,
                   VERDICT_LABEL}; // the last: a label out of range
    const uint64_t chance = hash_64(bytes_of(&q->id, sizeof(q->id)));
    const enum status st = rule_backend.ask(self, q, v);

    assert_int_equal(st, ST_OK);
    if (chance % 1000 < FAILING_OF_1000) {
        v->kind = kinds[chance / 1000 % (sizeof(kinds) / sizeof(kinds[0]))];
        v->label = v->kind == VERDICT_LABEL && chance % 2 == 0 ? NAN : 7;
        failures[v->kind] += q->purpose == PURPOSE_LABEL;
        return ST_OK;
    }
    if (q->purpose == PURPOSE_LABEL) {
        assert_true(answers < ANSWERS_MOST);
        answer[answers].key = hash_128(bytes_of(q->caption[0].text, q->caption[0].len));
        answer[answers++].p = v->label;
    }
    return ST_OK;
}

static bool nothing_is_open(struct cluster *cluster, uint64_t unused)
{
    (void)unused;
    return cluster_counters(cluster, 0)->questions_open == 0;
}

static void with_failures_of_every_kind_rewards_hold_what_was_answered_and_nothing_else(
    void **state)
{
    static struct judge_backend failing;
    uint64_t labelled = 0;

    (void)state;
    failing = rule_backend;
    failing.ask = ask_and_fail;
    answers = 0;
    memset(failures, 0, sizeof(failures));
    cluster_init(&c, &(struct cluster_plan){
                         .env = "crypt-vault", .update_ms = 60, .backend = &failing});
    cluster_run_until(&c, updates_at_least, 150);
    for (int i = 0; i < c.plan.actors; i++) {
        c.actor[i].frozen = true;
    }
    cluster_run_until(&c, nothing_is_open, 0);
    cluster_run_ms(&c, 3000);

    const struct caption_table *t = &c.learner[0].train.reward.table;
    for (size_t i = 0; i <= t->mask; i++) {
        const struct caption_entry *e = &t->slots[i];
        if (!e->used || !e->labelled) {
            continue;
        }
        int k = 0;
        while (k < answers && !hash_equal(answer[k].key, e->key)) {
            k++;
        }
        assert_true(k < answers);
        assert_true(e->p == answer[k].p);
        labelled++;
    }
    assert_true(answers > 100);
    assert_int_equal(labelled, answers);
    assert_int_equal(t->labels, answers);
    const struct io_counters *n = cluster_counters(&c, 0);
    assert_int_equal(n->labels, answers);
    assert_int_equal(n->verdicts[VERDICT_LABEL], answers);
    assert_int_equal(n->questions_duplicate, 0);
    // Every kind happened, and was counted as what it is; what is no answer to a question
    // about one caption (a tie, a label out of range) is unparseable.
    assert_int_equal(n->verdicts[VERDICT_TIMEOUT], failures[VERDICT_TIMEOUT]);
    assert_int_equal(n->verdicts[VERDICT_REFUSED], failures[VERDICT_REFUSED]);
    assert_int_equal(n->verdicts[VERDICT_ABSTAIN], failures[VERDICT_ABSTAIN]);
    assert_int_equal(n->verdicts[VERDICT_OVERLOAD], failures[VERDICT_OVERLOAD]);
    assert_int_equal(n->verdicts[VERDICT_UNPARSEABLE] + n->verdicts[VERDICT_TIE],
                     failures[VERDICT_UNPARSEABLE] + failures[VERDICT_TIE] +
                         failures[VERDICT_LABEL]);
    for (int k = VERDICT_LABEL; k < VERDICT_KINDS; k++) {
        assert_true(failures[k] > 0);
    }
    for (int i = 0; i < c.plan.actors; i++) {
        c.actor[i].frozen = false;
    }
    cluster_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            with_failures_of_every_kind_rewards_hold_what_was_answered_and_nothing_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
