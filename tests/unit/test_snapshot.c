/* common/nn/snapshot: what was written is read, or nothing is. */

#include "common/nn/snapshot.h"

#include <math.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/rng.h"
#include "tests/support/harness.h"

struct subject {
    struct params p;
    float *m, *v;
    const char *dir, *path;
};

static const char *const EXTRA[] = {"adam.m", "adam.v"};

static void fill(float *a, size_t count, uint64_t seed)
{
    struct rng rng;
    rng_init(&rng, seed);
    for (size_t i = 0; i < count; i++) {
        a[i] = rng_normal(&rng);
    }
}

static void declare(struct params *p, int hidden)
{
    *p = (struct params){0};
    params_declare(p, "one.w", hidden, 3);
    params_declare(p, "one.b", 1, hidden);
    params_declare(p, "two.w", 2, hidden);
    params_alloc(p, false);
}

/* Random numbers, the padding left 0. */
static void fill_params(struct params *p, float *flat, uint64_t seed)
{
    for (int i = 0; i < p->count; i++) {
        const struct param *d = &p->table[i];
        fill(flat + (d->w - p->weights), (size_t)(d->rows * d->cols),
             seed + (uint64_t)i);
    }
}

static int begin(void **state)
{
    struct subject *s = mem_new(1, sizeof *s);
    declare(&s->p, 5);
    s->m = mem_new(s->p.floats, sizeof(float));
    s->v = mem_new(s->p.floats, sizeof(float));
    fill_params(&s->p, s->p.weights, 1);
    fill_params(&s->p, s->m, 10);
    fill_params(&s->p, s->v, 20);
    s->dir = harness_make_dir();
    s->path = harness_path(s->dir, "weights");
    *state = s;
    return 0;
}

static int end(void **state)
{
    struct subject *s = *state;
    harness_remove_dir(s->dir);
    params_release(&s->p);
    mem_free(s->m);
    mem_free(s->v);
    mem_free(s);
    return 0;
}

static struct hash128 write_all(struct subject *s)
{
    const float *const extra[] = {s->m, s->v};
    struct hash128 digest;
    assert_int_equal(snapshot_write(s->path, &s->p, extra, EXTRA, 2, &digest), ST_OK);
    return digest;
}

static void what_was_written_is_read_back_bit_for_bit(void **state)
{
    struct subject *s = *state;
    const size_t bytes = s->p.floats * sizeof(float);
    struct params q;
    declare(&q, 5);
    s->p.weights[1] = NAN; // a broken run's weights are kept as they are
    float *extra[] = {mem_new(q.floats, sizeof(float)),
                      mem_new(q.floats, sizeof(float))};
    write_all(s);
    assert_int_equal(snapshot_read(s->path, &q, extra, EXTRA, 2), ST_OK);
    assert_memory_equal(q.weights, s->p.weights, bytes);
    assert_memory_equal(extra[0], s->m, bytes);
    assert_memory_equal(extra[1], s->v, bytes);
    mem_free(extra[0]);
    mem_free(extra[1]);
    params_release(&q);
}

static void weights_alone_are_read_from_a_file_with_moments(void **state)
{
    struct subject *s = *state;
    struct params q;
    declare(&q, 5);
    write_all(s);
    assert_int_equal(snapshot_read(s->path, &q, NULL, NULL, 0), ST_OK);
    assert_memory_equal(q.weights, s->p.weights, s->p.floats * sizeof(float));
    params_release(&q);
}

static void the_digest_is_that_of_the_weights_in_memory(void **state)
{
    struct subject *s = *state;
    const struct hash128 digest = write_all(s);
    assert_true(hash_equal(digest, snapshot_digest(&s->p)));
    s->p.weights[0] += 1;
    assert_false(hash_equal(digest, snapshot_digest(&s->p)));
}

/* Reading `content` must give `want` and leave the weights alone. */
static void assert_refused(struct subject *s, struct bytes content, enum status want)
{
    struct params q;
    declare(&q, 5);
    fill(q.weights, 3, 99);
    float before[3];
    memcpy(before, q.weights, sizeof before);
    assert_int_equal(file_write_atomic(s->path, content), ST_OK);
    harness_stderr_begin();
    const enum status st = snapshot_read(s->path, &q, NULL, NULL, 0);
    assert_non_null(strstr(harness_stderr_end(), "SNAPSHOT-"));
    assert_int_equal(st, want);
    assert_memory_equal(q.weights, before, sizeof before);
    params_release(&q);
}

static void a_flipped_bit_in_any_place_is_refused_and_changes_nothing(void **state)
{
    struct subject *s = *state;
    char *file;
    size_t len;
    write_all(s);
    assert_int_equal(file_read(s->path, 1 << 20, &file, &len), ST_OK);
    for (size_t at = 0; at < len; at += 61) {
        file[at] ^= 4;
        const bool version = at >= 8 && at < 12;
        assert_refused(s, bytes_of(file, len), version ? ST_VERSION : ST_CORRUPT);
        file[at] ^= 4;
    }
    mem_free(file);
}

static void a_file_cut_short_or_grown_is_refused(void **state)
{
    struct subject *s = *state;
    char *file;
    size_t len;
    write_all(s);
    assert_int_equal(file_read(s->path, 1 << 20, &file, &len), ST_OK);
    assert_refused(s, bytes_of(file, 0), ST_CORRUPT);
    assert_refused(s, bytes_of(file, 20), ST_CORRUPT);
    assert_refused(s, bytes_of(file, 300), ST_CORRUPT);
    assert_refused(s, bytes_of(file, len - 1), ST_CORRUPT);
    assert_refused(s, bytes_of(file, len + 1), ST_CORRUPT); // file_read's 0 after it
    mem_free(file);
}

static void another_shape_is_refused_and_changes_nothing(void **state)
{
    struct subject *s = *state;
    struct params q;
    declare(&q, 6);
    fill(q.weights, q.floats, 5);
    float *before = mem_new(q.floats, sizeof(float));
    memcpy(before, q.weights, q.floats * sizeof(float));
    write_all(s);
    harness_stderr_begin();
    const enum status st = snapshot_read(s->path, &q, NULL, NULL, 0);
    const char *said = harness_stderr_end();
    assert_int_equal(st, ST_VERSION);
    assert_non_null(strstr(said, "one.w"));
    assert_memory_equal(q.weights, before, q.floats * sizeof(float));
    mem_free(before);
    params_release(&q);
}

static void moments_that_are_not_there_are_asked_for_in_vain(void **state)
{
    struct subject *s = *state;
    float *extra[] = {s->m};
    const char *const names[] = {"adam.m"};
    assert_int_equal(snapshot_write(s->path, &s->p, NULL, NULL, 0, NULL), ST_OK);
    harness_stderr_begin();
    const enum status st = snapshot_read(s->path, &s->p, extra, names, 1);
    (void)harness_stderr_end();
    assert_int_equal(st, ST_VERSION);
}

static void no_file_is_not_found_and_not_logged(void **state)
{
    struct subject *s = *state;
    harness_stderr_begin();
    const enum status st =
        snapshot_read(harness_path(s->dir, "none"), &s->p, NULL, NULL, 0);
    assert_string_equal(harness_stderr_end(), "");
    assert_int_equal(st, ST_NOTFOUND);
}

int main(void)
{
#define FACT(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        FACT(what_was_written_is_read_back_bit_for_bit),
        FACT(weights_alone_are_read_from_a_file_with_moments),
        FACT(the_digest_is_that_of_the_weights_in_memory),
        FACT(a_flipped_bit_in_any_place_is_refused_and_changes_nothing),
        FACT(a_file_cut_short_or_grown_is_refused),
        FACT(another_shape_is_refused_and_changes_nothing),
        FACT(moments_that_are_not_there_are_asked_for_in_vain),
        FACT(no_file_is_not_found_and_not_logged),
    };
#undef FACT
    return cmocka_run_group_tests(tests, NULL, NULL);
}
