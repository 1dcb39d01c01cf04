#include "judge/cache.h"

#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "tests/support/harness.h"

static struct judge_caption caption[ITEM_CAPTIONS_MAX];

static struct judge_question question(enum question_kind kind, const char *a,
                                      const char *b)
{
    const char *texts[2] = {a, b};
    struct judge_question q = {.kind = kind, .caption = caption};

    for (int i = 0; i < 2 && texts[i] != NULL; i++) {
        strcpy(caption[i].text, texts[i]);
        caption[i].len = (uint8_t)strlen(texts[i]);
        q.captions = i + 1;
    }
    return q;
}

static struct hash128 key_of(const char *a)
{
    const struct judge_question q = question(QUESTION_RATE, a, NULL);

    return cache_key(&q);
}

static struct hash128 pair_key(const char *a, const char *b)
{
    const struct judge_question q = question(QUESTION_ORDER, a, b);

    return cache_key(&q);
}

static void the_key_knows_the_captions_apart_and_in_their_order(void **state)
{
    (void)state;
    assert_true(hash_equal(pair_key("ab", "c"), pair_key("ab", "c")));
    assert_false(hash_equal(pair_key("ab", "c"), pair_key("a", "bc")));
    assert_false(hash_equal(pair_key("ab", "c"), pair_key("c", "ab")));
    assert_false(hash_equal(key_of("abc"), pair_key("abc", "")));
}

static void what_was_put_comes_back_without_its_cost(void **state)
{
    struct cache *c = cache_new(4);
    struct judge_verdict v = {.kind = VERDICT_LABEL,
                              .label = 0.25f,
                              .confidence = 0.5f,
                              .tokens_in = 9,
                              .raw_len = 3},
                         back = {.tokens_in = 7, .raw_len = 7};

    (void)state;
    assert_false(cache_get(c, key_of("a"), &back));
    cache_put(c, key_of("a"), &v);
    assert_true(cache_get(c, key_of("a"), &back));
    assert_int_equal(back.kind, VERDICT_LABEL);
    assert_true(back.label == 0.25f && back.confidence == 0.5f);
    assert_int_equal(back.tokens_in, 0);
    assert_int_equal(back.raw_len, 0);
    cache_free(c);
}

static void a_failure_of_the_moment_is_not_kept(void **state)
{
    struct cache *c = cache_new(4);
    struct judge_verdict v = {.kind = VERDICT_TIMEOUT};

    (void)state;
    for (int k = VERDICT_UNPARSEABLE; k < VERDICT_KINDS; k++) {
        v.kind = (enum verdict_kind)k;
        cache_put(c, key_of("a"), &v);
    }
    assert_int_equal(cache_count(c), 0);
    cache_free(c);
}

static void the_oldest_leaves_for_a_new_one_and_nothing_is_allocated(void **state)
{
    enum { SIZE = 100, MANY = 10000 };
    struct cache *c = cache_new(SIZE);
    struct judge_verdict v = {.kind = VERDICT_LABEL};
    char text[32];

    (void)state;
    const uint64_t before = mem_allocations();
    for (int i = 0; i < MANY; i++) {
        snprintf(text, sizeof(text), "caption %d", i);
        v.label = (float)i / MANY;
        cache_put(c, key_of(text), &v);
    }
    assert_int_equal(mem_allocations(), before);
    assert_int_equal(cache_count(c), SIZE);
    for (int i = 0; i < MANY; i++) {
        snprintf(text, sizeof(text), "caption %d", i);
        const bool found = cache_get(c, key_of(text), &v);
        assert_int_equal(found, i >= MANY - SIZE);
        assert_true(!found || v.label == (float)i / MANY);
    }
    cache_clear(c);
    assert_false(cache_get(c, key_of(text), &v));
    cache_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_key_knows_the_captions_apart_and_in_their_order),
        cmocka_unit_test(what_was_put_comes_back_without_its_cost),
        cmocka_unit_test(a_failure_of_the_moment_is_not_kept),
        cmocka_unit_test(the_oldest_leaves_for_a_new_one_and_nothing_is_allocated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
