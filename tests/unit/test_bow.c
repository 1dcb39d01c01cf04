/* The reward bow, worked by hand on four words in the plane. */

#include "tests/support/harness.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "learner/reward/reward.h"

enum { TEXTS = 7 };

static const char vectors[] = "4 2\nkey 1 0\nopen 1 1\nYou 0 1\nrock -1 0\n";
static const char goal[] = "# a comment\n\n  key open\n- rock is a principle\n";

static char dir[PATH_MAX_], path[PATH_MAX_ + 16];
static struct reward reward;
static float paid[TEXTS];

static void write_file(const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static enum status open_goal(const char *text, double threshold)
{
    const struct reward_options o = {.kind = "bow",
                                     .a_ext = 1,
                                     .a_int = 1,
                                     .scale = 1,
                                     .clip = 10,
                                     .beta = 3,
                                     .goal = bytes_text(text),
                                     .word_vectors = path,
                                     .bow_threshold = threshold};

    return reward_init(&reward, &o, &(struct reward_peers){.count = 1}, TEXTS);
}

/* Pays each caption once, with N = 1 and nothing from the game. */
static void pay(const char *const words[TEXTS])
{
    static const float nothing[TEXTS];
    static const uint16_t count[TEXTS] = {1, 1, 1, 1, 1, 1, 1};
    static const uint32_t caused[TEXTS] = {0, 1, 2, 3, 4, 5, 6};
    static const uint32_t emissions[TEXTS] = {1, 1, 1, 1, 1, 1, 1};
    struct bytes text[TEXTS];
    struct hash128 key[TEXTS];
    const struct reward_rows rows = {.rows = TEXTS,
                                     .texts = TEXTS,
                                     .env_reward = nothing,
                                     .count = count,
                                     .paid_caption = caused,
                                     .text = text,
                                     .key = key,
                                     .emissions = emissions};
    struct reward_sums sums;

    for (int i = 0; i < TEXTS; i++) {
        text[i] = bytes_text(words[i]);
        key[i] = hash_128(text[i]);
    }
    reward_apply(&reward, paid, &sums, &rows, 1);
}

static const char *const captions[TEXTS] = {
    "", "key open", "(Key), \t KEY.", "you", "nothing known", "rock", "You rock key"};

/* The goal is (2, 1). "You" has no small twin, so that "you" is unknown. */
static void a_caption_pays_its_cosine_with_the_goals_sentence(void **state)
{
    (void)state;
    write_file(vectors);
    assert_int_equal(open_goal(goal, 0), ST_OK);
    for (int twice = 0; twice < 2; twice++) { // counted, then remembered
        pay(captions);
        assert_float_equal(paid[0], 0, 0);
        assert_float_equal(paid[1], 1, 1e-6);
        assert_float_equal(paid[2], 2 / sqrt(5), 1e-6);
        assert_float_equal(paid[3], 0, 0);
        assert_float_equal(paid[4], 0, 0);
        assert_float_equal(paid[5], 0, 0); // opposed
        assert_float_equal(paid[6], 1 / sqrt(5), 1e-6);
    }
    assert_int_equal(reward_fit(&reward, 1), ST_OK);
    reward_release(&reward);
}

static void what_is_not_above_the_threshold_pays_nothing(void **state)
{
    (void)state;
    write_file(vectors);
    assert_int_equal(open_goal(goal, 0.6), ST_OK);
    pay(captions);
    assert_float_equal(paid[2], 2 / sqrt(5), 1e-6);
    assert_float_equal(paid[6], 0, 0);
    reward_release(&reward);
    assert_int_equal(open_goal(goal, -1),
                     ST_OK); // as the reference's -0.5: it may cost
    pay(captions);
    assert_float_equal(paid[5], -2 / sqrt(5), 1e-6);
    reward_release(&reward);
}

static void a_goal_of_unknown_words_is_refused(void **state)
{
    (void)state;
    write_file(vectors);
    harness_stderr_begin();
    assert_int_equal(open_goal("Find the treasure!\n", 0), ST_INVALID);
    assert_non_null(strstr(harness_stderr_end(), "knows none of the goal's 3 words, "
                                                 "'Find the treasure!'"));
    reward_release(&reward);
}

static void without_a_file_it_says_where_such_files_come_from(void **state)
{
    const struct reward_options o = {.kind = "bow", .word_vectors = ""};

    (void)state;
    harness_stderr_begin();
    assert_int_equal(
        reward_init(&reward, &o, &(struct reward_peers){.count = 1}, TEXTS),
        ST_INVALID);
    assert_non_null(strstr(harness_stderr_end(), "fasttext.cc"));
    reward_release(&reward);
}

static void a_checkpoint_goes_on_with_the_same_file_alone(void **state)
{
    char *data;
    size_t len;

    (void)state;
    write_file(vectors);
    assert_int_equal(open_goal(goal, 0), ST_OK);
    reward.kind->save(&reward, &data, &len);
    assert_int_equal(reward.kind->load(&reward, bytes_of(data, len)), ST_OK);
    reward_release(&reward);
    write_file("4 2\nkey 1 0\nopen 1 1\nYou 0 1\nrock -1 1\n");
    assert_int_equal(open_goal(goal, 0), ST_OK);
    harness_stderr_begin();
    assert_int_equal(reward.kind->load(&reward, bytes_of(data, len)), ST_INVALID);
    assert_int_equal(reward.kind->load(&reward, bytes_of(data, 3)), ST_CORRUPT);
    assert_non_null(strstr(harness_stderr_end(), "begun with word vectors of digest"));
    reward_release(&reward);
    mem_free(data);
}

static void a_file_cut_off_meanwhile_ends_the_run_before_it_learns(void **state)
{
    (void)state;
    write_file(vectors);
    assert_int_equal(open_goal(goal, 0), ST_OK);
    assert_int_equal(truncate(path, 10), 0);
    harness_stderr_begin();
    pay(captions);
    assert_int_equal(reward_fit(&reward, 1), ST_CORRUPT);
    assert_non_null(strstr(harness_stderr_end(), "WORDVEC-CHANGED"));
    reward_release(&reward);
}

/* As if one other rank had read a file of another digest. */
static enum status agree_with_another(void *ctx, double *v, int n)
{
    (void)ctx;
    for (int i = 0; i < n; i++) {
        v[i] += n > 1 ? 12345 : 0; // alone: whether somebody was stopped
    }
    return ST_OK;
}

static void ranks_with_different_files_are_refused(void **state)
{
    const struct reward_options o = {
        .kind = "bow", .goal = bytes_text(goal), .word_vectors = path};

    (void)state;
    write_file(vectors);
    harness_stderr_begin();
    assert_int_equal(
        reward_init(
            &reward, &o,
            &(struct reward_peers){.index = 1, .count = 2, .agree = agree_with_another},
            TEXTS),
        ST_INVALID);
    assert_non_null(strstr(harness_stderr_end(), "rank 1 reads another"));
    reward_release(&reward);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_caption_pays_its_cosine_with_the_goals_sentence),
        cmocka_unit_test(what_is_not_above_the_threshold_pays_nothing),
        cmocka_unit_test(a_goal_of_unknown_words_is_refused),
        cmocka_unit_test(without_a_file_it_says_where_such_files_come_from),
        cmocka_unit_test(a_checkpoint_goes_on_with_the_same_file_alone),
        cmocka_unit_test(a_file_cut_off_meanwhile_ends_the_run_before_it_learns),
        cmocka_unit_test(ranks_with_different_files_are_refused),
    };

    text_format(dir, sizeof(dir), "%s", harness_make_dir());
    text_format(path, sizeof(path), "%s/small.vec", dir);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    harness_remove_dir(dir);
    return failed;
}
