/* Facts about memory and arenas. */
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "tests/support/harness.h"

static void new_memory_is_zeroed_and_aligned(void **state)
{
    (void)state;
    for (size_t size = 0; size < 300; size += 7) {
        uint8_t *p = mem_new(size, 3);
        assert_int_equal((uintptr_t)p % 64, 0);
        for (size_t i = 0; i < 3 * size; i++) {
            assert_int_equal(p[i], 0);
        }
        memset(p, 0xff, 3 * size); // so that the next one finds it dirty
        mem_free(p);
    }
}

static void growing_keeps_the_old_and_zeroes_the_new(void **state)
{
    int *p = mem_grow(NULL, 0, 4, sizeof(*p));

    (void)state;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(p[i], 0);
        p[i] = i + 1;
    }
    void *dirty = mem_new(1000, sizeof(*p)); // what malloc will hand out again
    memset(dirty, 0xff, 1000 * sizeof(*p));
    mem_free(dirty);
    p = mem_grow(p, 4, 1000, sizeof(*p));
    assert_int_equal((uintptr_t)p % 64, 0);
    assert_int_equal(p[3], 4);
    for (int i = 4; i < 1000; i++) {
        assert_int_equal(p[i], 0);
    }
    p = mem_grow(p, 1000, 2, sizeof(*p));
    assert_int_equal(p[1], 2);
    mem_free(p);
}

static void every_allocation_is_counted_and_an_arena_makes_one(void **state)
{
    struct arena a;
    const uint64_t before = mem_allocations();

    (void)state;
    mem_free(mem_new(1, 1));
    mem_free(mem_text("text"));
    assert_int_equal(mem_allocations(), before + 2);
    arena_init(&a, 4096);
    assert_int_equal(mem_allocations(), before + 3);
    for (int i = 0; i < 10; i++) {
        arena_reset(&a);
        assert_non_null(arena_new(&a, 10, 100));
        assert_non_null(arena_new(&a, 0, 100));
    }
    assert_int_equal(mem_allocations(), before + 3);
    arena_release(&a);
}

static void an_arena_gives_aligned_pieces_that_do_not_touch(void **state)
{
    struct arena a;

    (void)state;
    arena_init(&a, 64 * 10);
    uint8_t *first = arena_new(&a, 1, 1), *second = arena_new(&a, 65, 1);
    assert_int_equal((uintptr_t)first % 64, 0);
    assert_ptr_equal(second, first + 64);
    assert_int_equal(a.used, 64 * 3);
    arena_reset(&a);
    assert_ptr_equal(arena_new(&a, 640, 1), first);
    assert_int_equal(a.peak, 640);
    arena_release(&a);
}

static bool aborts(void (*act)(void))
{
    int wait_status;

    harness_stderr_begin();
    const pid_t pid = fork();
    if (pid == 0) {
        signal(SIGABRT, SIG_DFL);
        act();
        _exit(0);
    }
    waitpid(pid, &wait_status, 0);
    harness_stderr_end();
    return WIFSIGNALED(wait_status) && WTERMSIG(wait_status) == SIGABRT;
}

static void ask_for_an_overflow(void)
{
    mem_new(SIZE_MAX / 2, 3);
}

static void overfill_an_arena(void)
{
    struct arena a;

    arena_init(&a, 128);
    arena_new(&a, 1, 100);
    arena_new(&a, 1, 1);
}

static void what_cannot_be_had_ends_the_process(void **state)
{
    (void)state;
    assert_true(aborts(ask_for_an_overflow));
    assert_true(aborts(overfill_an_arena));
}

static void anonymous_memory_follows_what_is_touched(void **state)
{
    const double before = mem_anon_mb();
    uint8_t *p = mem_new(64, 1 << 20);

    (void)state;
    assert_true(mem_anon_mb() > before + 60);
    mem_free(p);
#ifndef __SANITIZE_ADDRESS__ // which keeps freed memory for a while
    assert_true(mem_anon_mb() < before + 40);
#endif
    assert_true(mem_anon_peak_mb() > before + 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_memory_is_zeroed_and_aligned),
        cmocka_unit_test(growing_keeps_the_old_and_zeroes_the_new),
        cmocka_unit_test(every_allocation_is_counted_and_an_arena_makes_one),
        cmocka_unit_test(an_arena_gives_aligned_pieces_that_do_not_touch),
        cmocka_unit_test(what_cannot_be_had_ends_the_process),
        cmocka_unit_test(anonymous_memory_follows_what_is_touched),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
