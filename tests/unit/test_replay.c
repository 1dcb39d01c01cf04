#include "tests/support/harness.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/wire/frame.h"
#include "learner/store/replay.h"

enum { RUN = 77, BOUND = 1 << 20 };

static const char *dir;

static int make_dir(void **state)
{
    (void)state;
    dir = harness_make_dir();
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    harness_remove_dir(dir);
    return 0;
}

static struct replay *open_store(uint64_t bound)
{
    struct replay *r = NULL;

    assert_int_equal(replay_open(harness_path(dir, "s"), RUN, bound, &r), ST_OK);
    return r;
}

/* A frame of `len` bytes whose content follows from actor and seq. */
static struct bytes make_frame(uint8_t *room, size_t len, uint32_t actor, uint64_t seq)
{
    const struct frame_header h = {.kind = FRAME_SEGMENT,
                                   .run = RUN,
                                   .actor = actor,
                                   .incarnation = 1,
                                   .seq = seq};

    for (size_t i = 0; i < len; i++) {
        room[i] = (uint8_t)(i * 31 + seq * 7 + actor);
    }
    frame_write_header(&h, room);
    return bytes_of(room, len);
}

static uint64_t put(struct replay *r, size_t len, uint32_t actor, uint64_t seq)
{
    static uint8_t room[1 << 20];
    uint64_t serial = 0;

    assert_int_equal(replay_begin(r), ST_OK);
    assert_int_equal(replay_put_segment(r, make_frame(room, len, actor, seq), &serial),
                     ST_OK);
    assert_int_equal(replay_commit(r), ST_OK);
    return serial;
}

static void set_cursor(struct replay *r, uint64_t serial)
{
    assert_int_equal(replay_begin(r), ST_OK);
    assert_int_equal(replay_put_cursor(r, serial), ST_OK);
    assert_int_equal(replay_commit(r), ST_OK);
}

static void the_bytes_stored_are_the_bytes_sent_at_any_length(void **state)
{
    struct replay *r = open_store(64 << 20);
    struct replay_view *v = NULL;
    uint8_t want[40000];
    struct bytes got;

    (void)state;
    for (size_t i = 0; i < 200; i++) {
        const size_t len =
            FRAME_HEADER + i * i % 9000 + (i % 7) + (i == 199 ? 30000 : 0);
        assert_int_equal(put(r, len, 1, i), i + 1);
    }
    assert_int_equal(replay_view_open(r, &v), ST_OK);
    for (size_t i = 0; i < 200; i++) {
        const size_t len =
            FRAME_HEADER + i * i % 9000 + (i % 7) + (i == 199 ? 30000 : 0);
        assert_int_equal(replay_view_segment(v, i + 1, &got), ST_OK);
        assert_true(bytes_equal(got, make_frame(want, len, 1, i)));
        assert_int_equal((uintptr_t)got.data % 8, 0); // decoded in place
    }
    replay_view_close(v);
    replay_close(r);
}

static void serials_go_on_after_a_restart(void **state)
{
    struct replay *r = open_store(BOUND);

    (void)state;
    assert_int_equal(put(r, 500, 1, 0), 1);
    assert_int_equal(put(r, 500, 1, 1), 2);
    replay_close(r);
    r = open_store(BOUND);
    assert_int_equal(replay_top(r), 2);
    assert_int_equal(put(r, 500, 1, 2), 3);
    replay_start_after(r, 10); // a checkpoint counts up to 10: the store was lost
    assert_int_equal(put(r, 500, 1, 3), 11);
    replay_close(r);
}

static void eviction_takes_trained_segments_first_and_keeps_the_bound(void **state)
{
    struct replay *r = open_store(BOUND);

    (void)state;
    for (uint64_t i = 1; i <= 500; i++) {
        put(r, 20000, 1, i);
        set_cursor(r, i); // trained at once, and in both checkpoints
        assert_true(replay_live_bytes(r) <= BOUND);
    }
    replay_close(r);
    r = open_store(BOUND); // the cursor is remembered
    put(r, 20000, 1, 501);
    assert_int_equal(replay_forced(r), 0);
    assert_true(replay_bottom(r) > 400);
    assert_true(replay_file_ratio(r) < 2.5);
    replay_close(r);
}

static bool count_forced(void *ctx, uint64_t serial, uint32_t actor,
                         uint32_t incarnation)
{
    int *count = ctx;

    assert_int_equal(actor, serial % 2 == 0 ? 2 : 1);
    assert_int_equal(incarnation, 1);
    (*count)++;
    return true;
}

static void what_the_bound_forces_out_is_known_by_its_actor(void **state)
{
    struct replay *r = open_store(BOUND);
    struct replay_view *v = NULL;
    uint32_t actor = 0, incarnation = 0;
    int count = 0;

    (void)state;
    harness_stderr_begin();
    set_cursor(r, 3);
    for (uint64_t i = 1; i <= 100; i++) {
        put(r, 20000, i % 2 == 0 ? 2 : 1, i);
    }
    assert_non_null(strstr(harness_stderr_end(), "REPLAY-FORCED"));
    const uint64_t bottom = replay_bottom(r);
    assert_true(bottom > 10);
    assert_int_equal(replay_forced(r), bottom - 1 - 3);
    assert_int_equal(replay_view_open(r, &v), ST_OK);
    assert_int_equal(replay_view_forced(v, 3, &actor, &incarnation), ST_NOTFOUND);
    assert_int_equal(replay_view_forced(v, 4, &actor, &incarnation), ST_OK);
    assert_int_equal(actor, 2);
    assert_int_equal(replay_view_scan_forced(v, 6, count_forced, &count), ST_OK);
    assert_int_equal(count, bottom - 6);
    set_cursor(r, 8); // the rows go once a checkpoint is past them
    assert_int_equal(replay_view_renew(v), ST_OK);
    assert_int_equal(replay_view_forced(v, 8, &actor, &incarnation), ST_NOTFOUND);
    assert_int_equal(replay_view_forced(v, 9, &actor, &incarnation), ST_OK);
    replay_view_close(v);
    replay_close(r);
}

static void keep_last(void *ctx, const struct replay_member *m)
{
    *(struct replay_member *)ctx = *m;
}

/* What stands before the frame of (actor, seq) in the file: its length, now 0. */
static void damage(uint32_t actor, uint64_t seq)
{
    static uint8_t room[1 << 20];
    const struct bytes frame = make_frame(room, 3000, actor, seq);
    const uint64_t nothing = 0;
    char path[600], *data;
    size_t len;

    snprintf(path, sizeof(path), "%s/data.mdb", harness_path(dir, "s"));
    assert_int_equal(file_read(path, 1 << 26, &data, &len), ST_OK);
    char *at = memmem(data, len, frame.data, frame.len);
    assert_non_null(at);
    for (; at != NULL; at = memmem(at + 1, len - (size_t)(at + 1 - data), frame.data,
                                   frame.len)) { // also on pages that are free again
        memcpy(at - sizeof(nothing), &nothing, sizeof(nothing));
    }
    FILE *f = fopen(path, "r+");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    fclose(f);
    mem_free(data);
}

static bool sum_serials(void *ctx, uint64_t serial, struct bytes frame)
{
    (void)frame;
    *(uint64_t *)ctx += serial;
    return true;
}

static void one_damaged_segment_costs_that_one_alone(void **state)
{
    struct replay *r = open_store(BOUND);
    struct replay_view *v = NULL;
    struct bytes frame;
    uint64_t sum = 0;

    (void)state;
    for (uint64_t i = 1; i <= 5; i++) {
        put(r, 3000, 1, i);
    }
    assert_int_equal(replay_sync(r), ST_OK);
    replay_close(r);
    damage(1, 2);
    r = open_store(BOUND);
    assert_int_equal(replay_view_open(r, &v), ST_OK);
    assert_int_equal(replay_view_segment(v, 2, &frame), ST_CORRUPT);
    assert_int_equal(replay_view_scan(v, 1, sum_serials, &sum), ST_OK);
    assert_int_equal(sum, 1 + 3 + 4 + 5);
    replay_view_close(v);
    for (uint64_t i = 6; i <= 400; i++) { // it leaves before its turn, like others
        put(r, 3000, 1, i);
    }
    assert_true(replay_bottom(r) > 5);
    replay_close(r);
}

static void members_journal_and_meta_come_back(void **state)
{
    struct replay *r = open_store(BOUND);
    struct replay_view *v = NULL;
    const struct replay_member m = {
        .actor = 3, .incarnation = 2, .next_seq = 9, .goodbye = 10, .host = "here"};
    struct replay_member got = {0};
    struct bytes b;

    (void)state;
    assert_int_equal(replay_begin(r), ST_OK);
    assert_int_equal(replay_put_member(r, &m), ST_OK);
    assert_int_equal(replay_put_journal(r, 5, bytes_text("five")), ST_OK);
    assert_int_equal(replay_put_meta(r, "note", bytes_text("hi")), ST_OK);
    assert_int_equal(replay_commit(r), ST_OK);
    assert_int_equal(replay_sync(r), ST_OK);
    replay_close(r);
    r = open_store(BOUND);
    assert_int_equal(replay_view_open(r, &v), ST_OK);
    assert_int_equal(replay_view_members(v, keep_last, &got), ST_OK);
    assert_memory_equal(&got, &m, sizeof(m));
    assert_int_equal(replay_view_journal(v, 5, &b), ST_OK);
    assert_true(bytes_equal(b, bytes_text("five")));
    assert_int_equal(replay_view_journal(v, 6, &b), ST_NOTFOUND);
    assert_int_equal(replay_view_meta(v, "note", &b), ST_OK);
    replay_view_close(v);
    replay_close(r);
}

static void an_old_journal_gives_way_to_a_new_one(void **state)
{
    static const char row[8000];
    struct replay *r = open_store(BOUND);
    struct replay_view *v = NULL;
    struct bytes b;

    (void)state;
    for (uint64_t u = 1; u <= 100; u++) {
        assert_int_equal(replay_begin(r), ST_OK);
        assert_int_equal(replay_put_journal(r, u, bytes_of(row, sizeof(row))), ST_OK);
        assert_int_equal(replay_commit(r), ST_OK);
    }
    assert_int_equal(replay_view_open(r, &v), ST_OK);
    assert_int_equal(replay_view_journal(v, 100, &b), ST_OK);
    assert_int_equal(replay_view_journal(v, 90, &b), ST_OK);
    assert_int_equal(replay_view_journal(v, 80, &b), ST_NOTFOUND);
    replay_view_close(v);
    replay_close(r);
}

static void a_view_sees_one_moment(void **state)
{
    struct replay *r = open_store(BOUND);
    struct replay_view *v = NULL;
    struct bytes b;

    (void)state;
    put(r, 500, 1, 0);
    assert_int_equal(replay_view_open(r, &v), ST_OK);
    put(r, 500, 1, 1);
    assert_int_equal(replay_view_segment(v, 2, &b), ST_NOTFOUND);
    assert_int_equal(replay_view_renew(v), ST_OK);
    assert_int_equal(replay_view_segment(v, 2, &b), ST_OK);
    replay_view_close(v);
    replay_close(r);
}

static void what_a_killed_writer_committed_is_there(void **state)
{
    struct replay *r;
    int status = 0;
    const pid_t child = fork();

    (void)state;
    if (child == 0) {
        r = open_store(BOUND);
        put(r, 3000, 1, 0);
        put(r, 3000, 1, 1);
        assert_int_equal(replay_begin(r), ST_OK);
        kill(getpid(), SIGKILL); // no close, no sync
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    r = open_store(BOUND);
    assert_int_equal(replay_top(r), 2);
    assert_int_equal(put(r, 3000, 1, 2), 3);
    replay_close(r);
}

static void a_second_writer_and_another_run_are_refused(void **state)
{
    struct replay *r = open_store(BOUND), *other = NULL;

    (void)state;
    harness_stderr_begin();
    assert_int_equal(replay_open(harness_path(dir, "s"), RUN, BOUND, &other), ST_IO);
    assert_non_null(strstr(harness_stderr_end(), "in use by another learner"));
    replay_close(r);
    harness_stderr_begin();
    assert_int_equal(replay_open(harness_path(dir, "s"), RUN + 1, BOUND, &other),
                     ST_INVALID);
    assert_non_null(strstr(harness_stderr_end(), "belongs to run"));
    assert_int_equal(replay_open_read(harness_path(dir, "none"), &other), ST_NOTFOUND);
}

static void a_store_of_another_schema_is_refused(void **state)
{
    struct replay *r = open_store(BOUND), *other = NULL;
    const uint64_t schema = 99;

    (void)state;
    put(r, 100, 1, 0);
    assert_int_equal(replay_begin(r), ST_OK);
    assert_int_equal(replay_put_meta(r, "schema", bytes_of(&schema, sizeof(schema))),
                     ST_OK);
    assert_int_equal(replay_commit(r), ST_OK);
    replay_close(r);
    harness_stderr_begin();
    assert_int_equal(replay_open(harness_path(dir, "s"), RUN, BOUND, &other),
                     ST_VERSION);
    assert_int_equal(replay_open_read(harness_path(dir, "s"), &other), ST_VERSION);
    assert_non_null(strstr(harness_stderr_end(), "has schema 99, this program reads"));
    assert_null(other);
}

static void a_steady_run_allocates_nothing(void **state)
{
    struct replay *r = open_store(BOUND);
    struct replay_view *v = NULL;
    struct bytes b;

    (void)state;
    put(r, 20000, 1, 0);
    assert_int_equal(replay_view_open(r, &v), ST_OK);
    replay_view_reset(v);
    const uint64_t before = mem_allocations();
    for (uint64_t i = 1; i < 300; i++) {
        const uint64_t serial = put(r, 20000, 1, i);
        assert_int_equal(replay_view_renew(v), ST_OK);
        assert_int_equal(replay_view_segment(v, serial, &b), ST_OK);
        replay_view_reset(v);
        set_cursor(r, serial);
    }
    assert_int_equal(mem_allocations(), before);
    replay_view_close(v);
    replay_close(r);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)

static void a_bound_that_the_disk_has_no_room_for_is_said_at_the_start(void **state)
{
    (void)state;
    replay_close(open_store(BOUND));
    harness_stderr_begin();
    replay_close(open_store(BOUND));
    assert_null(strstr(harness_stderr_end(), "STORE-ROOM"));
    harness_stderr_begin();
    replay_close(open_store(file_free_bytes(dir) + ((uint64_t)1 << 32)));
    assert_non_null(strstr(harness_stderr_end(), "STORE-ROOM"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_bytes_stored_are_the_bytes_sent_at_any_length),
        TEST(serials_go_on_after_a_restart),
        TEST(eviction_takes_trained_segments_first_and_keeps_the_bound),
        TEST(what_the_bound_forces_out_is_known_by_its_actor),
        TEST(a_bound_that_the_disk_has_no_room_for_is_said_at_the_start),
        TEST(one_damaged_segment_costs_that_one_alone),
        TEST(members_journal_and_meta_come_back),
        TEST(an_old_journal_gives_way_to_a_new_one),
        TEST(a_view_sees_one_moment),
        TEST(what_a_killed_writer_committed_is_there),
        TEST(a_second_writer_and_another_run_are_refused),
        TEST(a_store_of_another_schema_is_refused),
        TEST(a_steady_run_allocates_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
