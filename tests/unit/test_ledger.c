#include "tests/support/harness.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "learner/store/ledger.h"

enum { RUN = 5 };

static const char *dir;
static uint8_t every_byte[256];
static char long_raw[65536];

static int make_dir(void **state)
{
    (void)state;
    dir = harness_make_dir();
    for (int i = 0; i < 256; i++) {
        every_byte[i] = (uint8_t)i;
    }
    for (size_t i = 0; i < sizeof(long_raw); i++) {
        long_raw[i] = (char)('a' + i * i % 17);
    }
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    harness_remove_dir(dir);
    return 0;
}

static struct ledger *open_ledger(const char *name)
{
    struct ledger *l = NULL;

    assert_int_equal(ledger_open(harness_path(dir, name), RUN, &l), ST_OK);
    return l;
}

static struct ledger_entry sample(uint64_t n)
{
    struct ledger_entry e = {.time_ms = 1700000000000u + n,
                             .question = 0xfedcba9876543210u + n,
                             .goal_digest = {1, 2},
                             .prompt_digest = {3, 4},
                             .goal = bytes_text("treasure"),
                             .judge = bytes_text("rule"),
                             .model = bytes_text("a \"model\""),
                             .question_kind = QUESTION_RATE,
                             .verdict_kind = VERDICT_LABEL,
                             .trains = true,
                             .label = 0.1f * (float)(n % 10),
                             .confidence = n % 2 == 0 ? NAN : 0.75f,
                             .captions = 1,
                             .tokens_in = 7,
                             .tokens_out = 8,
                             .latency_us = 9,
                             .cost_micro = 4000000000u + (uint32_t)n,
                             .requests = 65535,
                             .estimated = n % 2 == 0,
                             .position = (int8_t)(n % 3 == 0 ? -128 : 1),
                             .origin =
                                 bytes_text(n % 2 == 0 ? "" : "00ff00ff00ff00ff/7")};

    e.caption[0] = bytes_of(every_byte + 1, 255);
    e.key = ledger_item_key(e.caption, 1);
    e.raw = n % 3 == 0   ? bytes_of(long_raw, sizeof(long_raw))
            : n % 3 == 1 ? bytes_of(every_byte, 256)
                         : bytes_of("", 0);
    return e;
}

static void append(struct ledger *l, uint64_t n)
{
    struct ledger_entry e = sample(n);

    assert_int_equal(ledger_append(l, &e), ST_OK);
    assert_int_equal(e.serial, ledger_top(l));
}

static void assert_same(const struct ledger_entry *a, const struct ledger_entry *b)
{
    assert_int_equal(a->time_ms, b->time_ms);
    assert_int_equal(a->question, b->question);
    assert_true(hash_equal(a->key, b->key));
    assert_true(hash_equal(a->prompt_digest, b->prompt_digest));
    assert_true(bytes_equal(a->goal, b->goal));
    assert_true(bytes_equal(a->model, b->model));
    assert_int_equal(a->verdict_kind, b->verdict_kind);
    assert_int_equal(a->trains, b->trains);
    assert_memory_equal(&a->label, &b->label, sizeof(float));
    assert_int_equal(isnan(a->confidence), isnan(b->confidence));
    assert_int_equal(a->captions, b->captions);
    assert_true(bytes_equal(a->caption[0], b->caption[0]));
    assert_true(bytes_equal(a->raw, b->raw));
    assert_int_equal(a->latency_us, b->latency_us);
    assert_int_equal(a->cost_micro, b->cost_micro);
    assert_int_equal(a->requests, b->requests);
    assert_int_equal(a->estimated, b->estimated);
    assert_int_equal(a->position, b->position);
    assert_true(bytes_equal(a->origin, b->origin));
}

struct seen {
    uint64_t next;
    int count, most;
};

static bool check_entry(void *ctx, const struct ledger_entry *e)
{
    struct seen *s = ctx;
    const struct ledger_entry want = sample(e->serial);

    assert_int_equal(e->serial, s->next++);
    assert_same(e, &want);
    return ++s->count != s->most;
}

static void entries_come_back_as_they_were(void **state)
{
    struct ledger *l = open_ledger("l");
    struct seen s = {.next = 1};

    (void)state;
    for (uint64_t n = 1; n <= 20; n++) {
        append(l, n);
    }
    assert_int_equal(ledger_pending(l), 20);
    assert_int_equal(ledger_commit(l), ST_OK);
    assert_int_equal(ledger_pending(l), 0);
    ledger_close(l);
    l = open_ledger("l");
    assert_int_equal(ledger_top(l), 20);
    assert_int_equal(ledger_scan(l, 1, 0, check_entry, &s), ST_OK);
    assert_int_equal(s.count, 20);
    s = (struct seen){.next = 5};
    assert_int_equal(ledger_scan(l, 5, 9, check_entry, &s), ST_OK);
    assert_int_equal(s.count, 5);
    s = (struct seen){.next = 1, .most = 3};
    assert_int_equal(ledger_scan(l, 1, 0, check_entry, &s), ST_OK);
    assert_int_equal(s.count, 3);
    ledger_close(l);
}

static void a_committed_verdict_survives_kill_9_a_pending_one_does_not(void **state)
{
    int status = 0;
    const pid_t child = fork();

    (void)state;
    if (child == 0) {
        struct ledger *l = open_ledger("l");
        append(l, 1);
        assert_int_equal(ledger_commit(l), ST_OK);
        append(l, 2);
        kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    struct ledger *l = open_ledger("l");
    assert_int_equal(ledger_top(l), 1);
    ledger_close(l);
}

static bool note_label(void *ctx, const struct ledger_label *v)
{
    uint64_t *sum = ctx;

    *sum += v->serial;
    assert_int_equal(v->kind, VERDICT_LABEL);
    return true;
}

static void labels_are_the_training_verdicts_of_one_goal(void **state)
{
    struct ledger *l = open_ledger("l");
    struct ledger_entry e;
    uint64_t sum = 0;

    (void)state;
    append(l, 1);
    e = sample(2);
    e.trains = false;
    assert_int_equal(ledger_append(l, &e), ST_OK);
    e = sample(3);
    e.goal_digest.lo = 99;
    assert_int_equal(ledger_append(l, &e), ST_OK);
    append(l, 4);
    append(l, 5);
    assert_int_equal(ledger_labels(l, (struct hash128){1, 2}, 1, 4, note_label, &sum),
                     ST_OK);
    assert_int_equal(sum, 1 + 4);
    ledger_close(l);
}

static void a_lost_ledger_is_read_back_from_its_export(void **state)
{
    struct ledger *l = open_ledger("l");
    char path[512];
    struct seen s = {.next = 1};
    uint64_t taken = 0;
    FILE *f;

    (void)state;
    snprintf(path, sizeof(path), "%s/verdicts.jsonl", dir);
    for (uint64_t n = 1; n <= 6; n++) {
        append(l, n);
    }
    assert_int_equal(ledger_export(l, path), ST_OK);
    f = fopen(path, "ae"); // a writer was killed in the middle of a line
    fputs("{\"serial\":7,\"ti", f);
    fclose(f);
    append(l, 7);
    append(l, 8);
    assert_int_equal(ledger_export(l, path), ST_OK);
    assert_int_equal(ledger_export(l, path), ST_OK); // nothing twice
    ledger_close(l);
    l = open_ledger("other");
    assert_int_equal(ledger_restore(l, path, &taken), ST_OK);
    assert_int_equal(taken, 8);
    assert_int_equal(ledger_scan(l, 1, 0, check_entry, &s), ST_OK);
    assert_int_equal(s.count, 8);
    assert_int_equal(ledger_restore(l, path, &taken), ST_OK);
    assert_int_equal(taken, 0);
    assert_int_equal(ledger_restore(l, harness_path(dir, "none"), &taken), ST_OK);
    ledger_close(l);
}

static void another_run_is_refused_and_tools_read_beside_the_writer(void **state)
{
    struct ledger *l = open_ledger("l"), *other = NULL;
    struct seen s = {.next = 1};

    (void)state;
    append(l, 1);
    assert_int_equal(ledger_commit(l), ST_OK);
    ledger_close(l);
    harness_stderr_begin();
    assert_int_equal(ledger_open(harness_path(dir, "l"), RUN + 1, &other), ST_INVALID);
    assert_non_null(strstr(harness_stderr_end(), "belongs to run"));
    assert_int_equal(ledger_open_read(harness_path(dir, "l"), &other), ST_OK);
    assert_int_equal(ledger_scan(other, 1, 0, check_entry, &s), ST_OK);
    assert_int_equal(s.count, 1);
    ledger_close(other);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(entries_come_back_as_they_were),
        TEST(a_committed_verdict_survives_kill_9_a_pending_one_does_not),
        TEST(labels_are_the_training_verdicts_of_one_goal),
        TEST(a_lost_ledger_is_read_back_from_its_export),
        TEST(another_run_is_refused_and_tools_read_beside_the_writer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
