#include "tests/support/harness.h"

#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/rng.h"
#include "learner/intake/lexicon.h"
#include "learner/intake/queue.h"

static const char *dir;
static struct replay *replay;

static int set_up(void **state)
{
    (void)state;
    dir = harness_make_dir();
    return replay_open(harness_path(dir, "s"), 1, 16 << 20, &replay) == ST_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    replay_close(replay);
    harness_remove_dir(dir);
    return 0;
}

static int64_t meet(struct lexicon *c, const char *text, uint64_t visits, int truth,
                    uint64_t update)
{
    const struct bytes b = bytes_text(text);

    return lexicon_meet(c, b, hash_128(b), visits, truth, truth == 1 ? 3 : 1, update);
}

static void save(struct lexicon *c)
{
    bool all = false;

    assert_int_equal(replay_begin(replay), ST_OK);
    assert_int_equal(lexicon_put_new(c, replay), ST_OK);
    while (!all) {
        assert_int_equal(lexicon_save(c, replay, 100, &all), ST_OK);
    }
    assert_int_equal(replay_commit(replay), ST_OK);
}

static void a_caption_is_one_entry_however_often_it_comes(void **state)
{
    struct lexicon *c = NULL;

    (void)state;
    assert_int_equal(lexicon_open(replay, &c), ST_OK);
    const int64_t gold = meet(c, "You find gold.", 2, 1, 10);
    const int64_t wall = meet(c, "A wall.", 1, 0, 11);
    assert_int_not_equal(gold, wall);
    assert_int_equal(meet(c, "You find gold.", 3, 1, 20), gold);
    assert_int_equal(meet(c, "You find gold.", 1, 0, 15), gold);
    const struct caption *p = lexicon_at(c, (uint32_t)gold);
    assert_int_equal(p->visits, 6);
    assert_int_equal(p->first, 10);
    assert_int_equal(p->last, 20);
    assert_int_equal(lexicon_truth(p), 1); // two votes against one
    assert_int_equal(p->strength, 3);
    assert_int_equal(lexicon_count(c), 2);
    assert_int_equal(meet(c, "", 1, 0, 0), -1);
    lexicon_close(c);
}

static void captions_survive_a_restart(void **state)
{
    struct lexicon *c = NULL;
    char text[64];

    (void)state;
    assert_int_equal(lexicon_open(replay, &c), ST_OK);
    for (int i = 0; i < 10000; i++) {
        snprintf(text, sizeof(text), "caption %d", i);
        assert_int_equal(meet(c, text, 1, i % 2, 5), i);
    }
    save(c);
    meet(c, "caption 77", 4, 1, 9);
    save(c);
    lexicon_close(c);
    assert_int_equal(lexicon_open(replay, &c), ST_OK);
    assert_int_equal(lexicon_count(c), 10000);
    for (int i = 0; i < 10000; i++) {
        snprintf(text, sizeof(text), "caption %d", i);
        const int64_t n = lexicon_find(c, hash_128(bytes_text(text)));
        assert_true(n >= 0);
        const struct caption *p = lexicon_at(c, (uint32_t)n);
        assert_true(bytes_equal(bytes_of(p->text, p->len), bytes_text(text)));
        assert_int_equal(p->visits, i == 77 ? 5 : 1);
        assert_int_equal(lexicon_find_prefix(c, p->key.lo ^ 0xabc), n);
    }
    assert_false(lexicon_any_new(c));
    lexicon_close(c);
}

static void texts_that_share_a_key_are_not_mixed_up(void **state)
{
    struct lexicon *c = NULL;
    const struct hash128 key = {42, 43};

    (void)state;
    assert_int_equal(lexicon_open(replay, &c), ST_OK);
    assert_int_equal(lexicon_meet(c, bytes_text("a"), key, 1, -1, 0, 0), 0);
    assert_int_equal(lexicon_meet(c, bytes_text("b"), key, 1, -1, 0, 0), -1);
    assert_int_equal(lexicon_at(c, 0)->visits, 1);
    lexicon_close(c);
}

static const char *caption(int i)
{
    static char text[64];

    snprintf(text, sizeof(text), "caption %d", i);
    return text;
}

static int known_of(const struct lexicon *c, int from, int to)
{
    int known = 0;

    for (int i = from; i < to; i++) {
        const int64_t n = lexicon_find(c, hash_128(bytes_text(caption(i))));
        known += n >= 0;
        if (n >= 0) { // and it is itself
            const struct caption *p = lexicon_at((struct lexicon *)c, (uint32_t)n);
            assert_true(bytes_equal(bytes_of(p->text, p->len), bytes_text(caption(i))));
        }
    }
    return known;
}

static int forgotten;

static void note_forgotten(void *ctx, uint32_t number)
{
    assert_int_equal(lexicon_at(ctx, number)->visits, 1);
    forgotten++;
}

static void
a_full_lexicon_forgets_unlabelled_captions_that_came_once_long_ago(void **state)
{
    struct lexicon *c = NULL;

    (void)state;
    forgotten = 0;
    assert_int_equal(lexicon_open(replay, &c), ST_OK);
    lexicon_set_most(c, 3000);
    lexicon_on_forget(c, note_forgotten, c);
    for (int i = 0; i < 3000; i++) { // labelled, often, once long ago, once of late
        const int64_t n =
            meet(c, caption(i), i / 500 == 2 ? 5 : 1, -1, i < 2000 ? 1 : 9);
        lexicon_at(c, (uint32_t)n)->state =
            i < 1000 ? CAPTION_LABELLED : CAPTION_QUEUED;
    }
    save(c);
    for (int i = 3000; i < 3400; i++) {
        assert_true(meet(c, caption(i), 1, -1, 10) >= 0);
    }
    assert_true(lexicon_known(c) <= 3000 && lexicon_known(c) >= 2900);
    assert_int_equal(known_of(c, 0, 1000), 1000);
    assert_int_equal(known_of(c, 1000, 1500), 500);
    assert_int_equal(known_of(c, 1500, 2000), 500 - forgotten);
    assert_int_equal(known_of(c, 2000, 3400), 1400);
    assert_in_range(forgotten, 400, 500);
    meet(c, caption(1999), 1, -1, 11); // back again, or still there
    save(c);
    const uint32_t known = lexicon_known(c);
    lexicon_close(c);
    assert_int_equal(lexicon_open(replay, &c), ST_OK);
    assert_int_equal(lexicon_known(c), known);
    assert_int_equal(known_of(c, 0, 1500), 1500);
    assert_int_equal(known_of(c, 1999, 3400), 1401);
    lexicon_close(c);
}

static void labelled_captions_are_never_forgotten(void **state)
{
    struct lexicon *c = NULL;

    (void)state;
    assert_int_equal(lexicon_open(replay, &c), ST_OK);
    lexicon_set_most(c, 1000);
    for (int i = 0; i < 1000; i++) {
        lexicon_at(c, (uint32_t)meet(c, caption(i), 1, -1, 1))->state =
            CAPTION_LABELLED;
    }
    save(c);
    harness_stderr_begin();
    assert_int_equal(meet(c, caption(1000), 1, -1, 2), -1);
    assert_int_equal(meet(c, caption(1001), 1, -1, 2), -1);
    assert_non_null(strstr(harness_stderr_end(), "LEXICON-FULL"));
    assert_int_equal(lexicon_full(c), 2);
    assert_int_equal(known_of(c, 0, 1000), 1000);
    lexicon_close(c);
}

static void memory_is_flat_however_many_captions_come(void **state)
{
    enum { MOST = 20000, MET = 200000 };
    struct lexicon *c = NULL;
    double half = 0;

    (void)state;
    assert_int_equal(lexicon_open(replay, &c), ST_OK);
    lexicon_set_most(c, MOST);
    for (int i = 0; i < MET; i++) {
        assert_true(meet(c, caption(i), 1, -1, (uint64_t)i / 100) >= 0);
        if (i % 200 == 0) {
            assert_int_equal(replay_begin(replay), ST_OK);
            assert_int_equal(lexicon_put_new(c, replay), ST_OK);
            assert_int_equal(replay_commit(replay), ST_OK);
        }
        half = i == MET / 2 ? mem_anon_mb() : half;
    }
    assert_true(HARNESS_SANITIZED || mem_anon_mb() - half < 1);
    assert_in_range(lexicon_count(c), MOST - MOST / 64, MOST);
    // What is known is found, though numbers, rooms and slots have served ten times over.
    assert_int_equal(known_of(c, 0, MET), lexicon_known(c));
    assert_int_equal(known_of(c, MET - MOST / 2, MET), MOST / 2);
    lexicon_close(c);
}

static void the_queue_gives_the_heaviest_and_of_equals_the_oldest(void **state)
{
    struct queue *q = queue_new(4);
    uint32_t n = 0;

    (void)state;
    assert_true(queue_push(q, 10, 1));
    assert_true(queue_push(q, 20, 5));
    assert_true(queue_push(q, 30, 3));
    assert_true(queue_push(q, 40, 3));
    assert_false(queue_push(q, 50, 9)); // full
    assert_true(queue_push(q, 10, 4));  // raised
    assert_int_equal(queue_count(q), 4);
    assert_true(queue_pop_heaviest(q, &n) && n == 20);
    assert_true(queue_pop_heaviest(q, &n) && n == 10);
    assert_true(queue_pop_heaviest(q, &n) && n == 30);
    assert_true(queue_remove(q, 40));
    assert_false(queue_remove(q, 40));
    assert_false(queue_pop_heaviest(q, &n));
    queue_free(q);
}

/* Against a plain table, through some thousand random operations. */
static void the_queue_agrees_with_a_plain_search(void **state)
{
    enum { N = 60 };
    struct queue *q = queue_new(N);
    uint64_t weight[N] = {0}, arrival[N], now = 0;
    struct rng rng;

    (void)state;
    rng_init(&rng, 7);
    for (int i = 0; i < 20000; i++) {
        const uint32_t op = rng_below(&rng, 3), x = rng_below(&rng, N);
        const uint64_t w = 1 + rng_below(&rng, 20);
        uint32_t got = 0, want = N;
        if (op < 2) {
            assert_true(queue_push(q, x, w));
            arrival[x] = weight[x] == 0 ? now++ : arrival[x];
            weight[x] = w > weight[x] ? w : weight[x];
            continue;
        }
        for (uint32_t k = 0; k < N; k++) {
            const bool better =
                weight[k] != 0 &&
                (want == N || weight[k] > weight[want] ||
                 (weight[k] == weight[want] && arrival[k] < arrival[want]));
            want = better ? k : want;
        }
        const bool any = queue_pop_heaviest(q, &got);
        assert_int_equal(any, want != N);
        if (any) {
            assert_int_equal(got, want);
            weight[got] = 0;
        }
    }
    queue_free(q);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_caption_is_one_entry_however_often_it_comes),
        TEST(captions_survive_a_restart),
        TEST(texts_that_share_a_key_are_not_mixed_up),
        TEST(a_full_lexicon_forgets_unlabelled_captions_that_came_once_long_ago),
        TEST(labelled_captions_are_never_forgotten),
        TEST(memory_is_flat_however_many_captions_come),
        TEST(the_queue_gives_the_heaviest_and_of_equals_the_oldest),
        TEST(the_queue_agrees_with_a_plain_search),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
