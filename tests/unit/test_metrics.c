/* Facts about metrics files. */
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/metrics.h"
#include "tests/support/harness.h"

static void a_row_is_json_that_reads_back(void **state)
{
    struct metrics_row m = {0};

    (void)state;
    metrics_begin(&m);
    assert_string_equal(metrics_end(&m), "{}");
    metrics_begin(&m);
    metrics_int(&m, "update", INT64_MIN);
    metrics_num(&m, "loss", 1.0 / 3);
    metrics_num(&m, "nothing", NAN);
    metrics_num(&m, "too much", -INFINITY);
    metrics_text(&m, "task \"x\"", "va\\ult\n");
    metrics_raw(&m, "list", "[1, 2]");
    json_t *v = json_loads(metrics_end(&m), 0, NULL);
    assert_non_null(v);
    assert_true(json_integer_value(json_object_get(v, "update")) == INT64_MIN);
    assert_true(json_real_value(json_object_get(v, "loss")) == 1.0 / 3);
    assert_true(json_is_null(json_object_get(v, "nothing")));
    assert_true(json_is_null(json_object_get(v, "too much")));
    assert_string_equal(json_string_value(json_object_get(v, "task \"x\"")),
                        "va\\ult\n");
    assert_int_equal(json_array_size(json_object_get(v, "list")), 2);
    json_decref(v);
    metrics_release(&m);
}

static void a_row_keeps_its_memory(void **state)
{
    struct metrics_row m = {0};
    uint64_t before = 0;

    (void)state;
    for (int i = 0; i < 100; i++) {
        metrics_begin(&m);
        for (int j = 0; j < 50; j++) {
            metrics_num(&m, "some name", 1.0 / (j + 3));
        }
        metrics_end(&m);
        before = i == 0 ? mem_allocations() : before;
    }
    assert_int_equal(mem_allocations(), before);
    metrics_release(&m);
}

/* Writes `left` as a killed process would leave it, appends a line and compares. */
static void append_after(const char *left, const char *want)
{
    const char *dir = harness_make_dir();
    const char *path = harness_path(dir, "m.jsonl");
    char *data;
    size_t len;
    FILE *f;

    assert_int_equal(file_write_atomic(path, bytes_text(left)), ST_OK);
    assert_int_equal(metrics_open(path, &f), ST_OK);
    metrics_append(f, "{\"a\": 2}");
    fclose(f);
    assert_int_equal(file_read(path, 1 << 20, &data, &len), ST_OK);
    assert_string_equal(data, want);
    mem_free(data);
    harness_remove_dir(dir);
}

static void a_torn_last_line_is_cut_off_and_whole_ones_stay(void **state)
{
    static char torn[20000], want[20000];

    (void)state;
    append_after("", "{\"a\": 2}\n");
    append_after("{\"a\": 1}\n", "{\"a\": 1}\n{\"a\": 2}\n");
    append_after("{\"a\": 1}\n{\"a", "{\"a\": 1}\n{\"a\": 2}\n");
    append_after("{\"a", "{\"a\": 2}\n");
    memset(torn, 'x', sizeof(torn) - 1); // longer than the block that is searched
    memcpy(torn, "{}\n", 3);
    append_after(torn, "{}\n{\"a\": 2}\n");
    for (size_t i = 0; i < 12000; i += 3) { // a line break in the last block, too
        memcpy(torn + i, "{}\n", 3);
    }
    snprintf(torn + 12000, 20, "{\"tor");
    snprintf(want, sizeof(want), "%.12000s{\"a\": 2}\n", torn);
    append_after(torn, want);
}

static void a_file_that_cannot_be_opened_is_said(void **state)
{
    FILE *f = NULL;

    (void)state;
    harness_stderr_begin();
    const enum status st = metrics_open("/nowhere/at/all", &f);
    const char *said = harness_stderr_end();
    assert_int_equal(st, ST_IO);
    assert_null(f);
    assert_non_null(strstr(said, "METRICS-OPEN"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_is_json_that_reads_back),
        cmocka_unit_test(a_row_keeps_its_memory),
        cmocka_unit_test(a_torn_last_line_is_cut_off_and_whole_ones_stay),
        cmocka_unit_test(a_file_that_cannot_be_opened_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
