/* Facts about the door to LMDB that its users' tests do not see. */
#include "tests/support/harness.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "learner/store/db.h"

enum { ROWS = 64, ROW_BYTES = 8192 };

static const char *dir;

static const struct db_table tables[] = {{"rows", DB_KEY_U64}};

static enum status open_db(bool read_only, struct db **out)
{
    const struct db_plan plan = {.path = dir,
                                 .max_bytes = 1 << 24,
                                 .tables = tables,
                                 .table_count = 1,
                                 .read_only = read_only};

    return db_open(&plan, out);
}

static int fill(void **state)
{
    static uint8_t row[ROW_BYTES];
    struct db_txn t;
    struct db *d = NULL;

    (void)state;
    dir = harness_make_dir();
    assert_int_equal(open_db(false, &d), ST_OK);
    assert_int_equal(db_begin(d, true, &t), ST_OK);
    for (uint64_t i = 0; i < ROWS; i++) {
        const struct bytes key = bytes_of(&i, sizeof(i));
        assert_int_equal(db_put(&t, 0, key, bytes_of(row, sizeof(row)), true), ST_OK);
    }
    assert_int_equal(db_commit(&t), ST_OK);
    db_close(d);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    harness_remove_dir(dir);
    return 0;
}

static void a_file_that_was_cut_off_is_refused_and_named(void **state)
{
    const char *path = harness_path(dir, "data.mdb");
    struct stat file;
    struct db *d = NULL;

    (void)state;
    assert_int_equal(stat(path, &file), 0);
    assert_int_equal(truncate(path, file.st_size / 2), 0);
    for (int read_only = 0; read_only < 2; read_only++) {
        harness_stderr_begin();
        const enum status st = open_db(read_only, &d);
        const char *said = harness_stderr_end();
        assert_int_equal(st, ST_CORRUPT);
        assert_non_null(strstr(said, "STORE-SHORT"));
        assert_non_null(strstr(said, path));
    }
    assert_int_equal(truncate(path, file.st_size), 0); // and nothing was written to it
    struct stat now;
    assert_int_equal(stat(path, &now), 0);
    assert_int_equal(now.st_size, file.st_size);
}

static void a_whole_file_opens_again(void **state)
{
    struct db *d = NULL;

    (void)state;
    for (int read_only = 0; read_only < 2; read_only++) {
        assert_int_equal(open_db(read_only, &d), ST_OK);
        db_close(d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_that_was_cut_off_is_refused_and_named,
                                        fill, remove_dir),
        cmocka_unit_test_setup_teardown(a_whole_file_opens_again, fill, remove_dir),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
