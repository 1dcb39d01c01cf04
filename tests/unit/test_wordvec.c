/* Files of word vectors: read whole once, then line by line, and never believed. */

#include "tests/support/harness.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/stop.h"
#include "common/base/text.h"
#include "learner/reward/wordvec.h"

static const char good[] = "3 2\nkey 1 -0.5\ndoor. 2.5e-1 +3 \nkey 9 9\n";

static char dir[PATH_MAX_], path[PATH_MAX_ + 16];

static void write_bytes(const char *text, size_t len)
{
    FILE *f = fopen(path, "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

static void expect(struct wordvec *v, const char *word, float a, float b)
{
    const float *x;

    assert_int_equal(wordvec_find(v, bytes_text(word), &x), ST_OK);
    assert_float_equal(x[0], a, 0);
    assert_float_equal(x[1], b, 0);
}

static void words_are_found_as_they_stand_and_the_first_of_two_counts(void **state)
{
    struct wordvec *v;
    const float *x;

    (void)state;
    write_bytes(good, strlen(good));
    assert_int_equal(wordvec_open(path, &v), ST_OK);
    assert_int_equal(wordvec_words(v), 3);
    assert_int_equal(wordvec_dim(v), 2);
    for (int twice = 0; twice < 2; twice++) { // from the file, then from memory
        expect(v, "key", 1, -0.5F);
        expect(v, "door.", 0.25F, 3);
    }
    assert_int_equal(wordvec_find(v, bytes_text("door"), &x), ST_NOTFOUND);
    assert_int_equal(wordvec_find(v, bytes_text(""), &x), ST_NOTFOUND);
    wordvec_close(v);
}

/* What is said of a file that is refused. */
static const char *refusal(const char *text, size_t len)
{
    struct wordvec *v = NULL;

    write_bytes(text, len);
    harness_stderr_begin();
    assert_int_equal(wordvec_open(path, &v), ST_INVALID);
    return harness_stderr_end();
}

static void a_broken_line_is_named_by_its_number_and_its_fault(void **state)
{
    static const char *const broken[][2] = {
        {"2 2\nkey 1 2\ndoor 1\n",
         "line 3, is not as a .vec file is: 1 numbers follow"},
        {"2 2\nkey 1 2 3\ndoor 1 2\n", "line 2, is not as a .vec file is: 3 numbers"},
        {"2 2\nkey 1 2\ndoor 1 x7\n",
         "line 3, is not as a .vec file is: number 2 is 'x7'"},
        {"2 2\nkey nan 2\ndoor 1 2\n", "number 1 is 'nan'"},
        {"2 2\nkey 1 1e39\ndoor 1 2\n", "number 2 is '1e39'"},
        {"2 2\nkey 1 123456789\ndoor 1 2\n", "number 2 is '123456789'"},
        {"2 2\nkey 1 1e\ndoor 1 2\n", "number 2 is '1e'"},
        {"2 2\nkey 1 2\n 1 2\n     \n",
         "line 3, is not as a .vec file is: it begins with no"},
        {"2 2\nkey 1 2\ndoor 1 2\nlock 1 2\n",
         "line 4, is not as a .vec file is: the first"},
        {"key 1 2\ndoor 1 2\n",
         "line 1, is not as a .vec file is: its first line is not"},
        {"2 2 2\nkey 1 2\ndoor 1 2\n", "its first line is not"},
        {"-2 2\nkey 1 2\ndoor 1 2\n", "its first line is not"},
        {"0 2\nkey 1 2\ndoor 1 2\n", "1 word or more"},
        {"2 5000\nkey 1 2\ndoor 1 2\n", "1 to 4,096 dimensions"},
        {"999999999999 2\nkey 1 2\n", "more words than the file has room for"},
        {"", "line 1, is not as a .vec file is: the file is empty"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        const char *said = refusal(broken[i][0], strlen(broken[i][0]));
        if (strstr(said, broken[i][1]) == NULL) {
            fail_msg("'%s' is not in '%s'", broken[i][1], said);
        }
    }
}

static void a_file_cut_off_anywhere_is_refused(void **state)
{
    (void)state;
    for (size_t len = 0; len < strlen(good); len++) {
        const char *said = refusal(good, len);
        assert_non_null(strstr(said, "line "));
    }
    assert_non_null(strstr(refusal("3 2\nkey 1 2\nlock 1 2\n", 21), "cut off"));
}

static void a_line_without_end_is_refused(void **state)
{
    const size_t len = 3 << 20;
    char *text = mem_new(len + 1, 1);

    (void)state;
    memset(text, 'x', len);
    memcpy(text, "2 2\n", 4);
    assert_non_null(strstr(refusal(text, len),
                           "line 2, is not as a .vec file is: it is "
                           "longer than 1 MB"));
    mem_free(text);
}

static void a_missing_file_and_a_directory_are_refused(void **state)
{
    struct wordvec *v = NULL;

    (void)state;
    harness_stderr_begin();
    assert_int_equal(wordvec_open(harness_path(dir, "none.vec"), &v), ST_INVALID);
    assert_int_equal(wordvec_open(dir, &v), ST_INVALID);
    const char *said = harness_stderr_end();
    assert_non_null(strstr(said, "none.vec, No such file"));
    assert_non_null(strstr(said, "is not a file"));
}

static void a_file_cut_off_in_use_is_told_and_does_not_crash(void **state)
{
    struct wordvec *v;
    const float *x;

    (void)state;
    write_bytes(good, strlen(good));
    assert_int_equal(wordvec_open(path, &v), ST_OK);
    expect(v, "key", 1, -0.5F);
    assert_int_equal(truncate(path, 6), 0);
    expect(v, "key", 1, -0.5F); // known by then
    harness_stderr_begin();
    assert_int_equal(wordvec_find(v, bytes_text("door."), &x), ST_CORRUPT);
    assert_non_null(strstr(harness_stderr_end(), "changed or cut off"));
    wordvec_close(v);
}

static void a_number_changed_in_place_is_told_by_the_files_time(void **state)
{
    const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    struct wordvec *v;
    const float *x;

    (void)state;
    write_bytes(good, strlen(good));
    assert_int_equal(wordvec_open(path, &v), ST_OK);
    FILE *f = fopen(path, "r+");
    assert_non_null(f);
    assert_int_equal(fseek(f, 8, SEEK_SET), 0);
    assert_int_equal(fputc('7', f), '7'); // key 7 -0.5
    assert_int_equal(fclose(f), 0);
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    harness_stderr_begin();
    assert_int_equal(wordvec_find(v, bytes_text("key"), &x), ST_CORRUPT);
    assert_non_null(strstr(harness_stderr_end(), "changed or cut off"));
    wordvec_close(v);
}

static void a_file_replaced_in_use_goes_on_as_it_was(void **state)
{
    struct wordvec *v;

    (void)state;
    write_bytes(good, strlen(good));
    assert_int_equal(wordvec_open(path, &v), ST_OK);
    assert_int_equal(unlink(path), 0);
    write_bytes("1 2\nlock 1 1\n", 13);
    expect(v, "door.", 0.25F, 3);
    wordvec_close(v);
}

/* 20,000 words, of which 8,192 are kept: all are found, twice. */
static void more_words_than_are_kept_are_all_found(void **state)
{
    enum { WORDS = 20000 };
    struct text_buf b = {0};
    struct wordvec *v;
    char word[16];

    (void)state;
    text_buf_add(&b, "%d 2\n", WORDS);
    for (int i = 0; i < WORDS; i++) {
        text_buf_add(&b, "w%d %d -%d\n", i, i, i);
    }
    write_bytes(b.data, b.len);
    text_buf_release(&b);
    assert_int_equal(wordvec_open(path, &v), ST_OK);
    const uint64_t before = mem_allocations();
    for (int i = 0; i < 2 * WORDS; i++) {
        text_format(word, sizeof(word), "w%d", i % WORDS);
        expect(v, word, (float)(i % WORDS), (float)-(i % WORDS));
    }
    assert_int_equal(mem_allocations(), before);
    wordvec_close(v);
}

/* 200,000 lines: seconds where each went past all before it. */
static void a_word_that_is_repeated_is_kept_once(void **state)
{
    enum { LINES = 200000 };
    struct text_buf b = {0};
    struct wordvec *v;

    (void)state;
    text_buf_add(&b, "%d 2\nkey 1 -0.5\n", LINES);
    for (int i = 1; i < LINES; i++) {
        text_buf_add(&b, i == LINES / 2 ? "door 3 4\n" : "key 9 9\n");
    }
    write_bytes(b.data, b.len);
    text_buf_release(&b);
    const uint64_t before = clock_thread_cpu_ns();
    assert_int_equal(wordvec_open(path, &v), ST_OK);
    assert_true(clock_thread_cpu_ns() - before < 5000000000U);
    assert_int_equal(wordvec_words(v), LINES);
    expect(v, "key", 1, -0.5F);
    expect(v, "door", 3, 4);
    wordvec_close(v);
}

/* One begins with the other, by more than is compared at once. */
static void long_words_that_differ_at_their_ends_are_two(void **state)
{
    enum { LONG = 600 };
    char a[LONG + 1], b[LONG + 2];
    struct text_buf file = {0};
    struct wordvec *v;

    (void)state;
    memset(a, 'x', LONG);
    memset(b, 'x', LONG);
    a[LONG] = '\0';
    strcpy(b + LONG, "y");
    text_buf_add(&file, "3 2\n%s 1 2\n%s 3 4\n%s 5 6\n", a, b, a);
    write_bytes(file.data, file.len);
    text_buf_release(&file);
    assert_int_equal(wordvec_open(path, &v), ST_OK);
    expect(v, a, 1, 2);
    expect(v, b, 3, 4);
    wordvec_close(v);
}

static void a_stop_ends_the_reading(void **state)
{
    struct wordvec *v = NULL;

    (void)state;
    write_bytes(good, strlen(good));
    stop_ask();
    assert_int_equal(wordvec_open(path, &v), ST_CLOSED);
    stop_open();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_found_as_they_stand_and_the_first_of_two_counts),
        cmocka_unit_test(a_broken_line_is_named_by_its_number_and_its_fault),
        cmocka_unit_test(a_file_cut_off_anywhere_is_refused),
        cmocka_unit_test(a_line_without_end_is_refused),
        cmocka_unit_test(a_missing_file_and_a_directory_are_refused),
        cmocka_unit_test(a_file_cut_off_in_use_is_told_and_does_not_crash),
        cmocka_unit_test(a_number_changed_in_place_is_told_by_the_files_time),
        cmocka_unit_test(a_file_replaced_in_use_goes_on_as_it_was),
        cmocka_unit_test(more_words_than_are_kept_are_all_found),
        cmocka_unit_test(a_word_that_is_repeated_is_kept_once),
        cmocka_unit_test(long_words_that_differ_at_their_ends_are_two),
        cmocka_unit_test(a_stop_ends_the_reading),
    };

    text_format(dir, sizeof(dir), "%s", harness_make_dir());
    text_format(path, sizeof(path), "%s/small.vec", dir);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    harness_remove_dir(dir);
    return failed;
}
