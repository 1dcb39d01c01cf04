/* Who is in the run: joining, numbers, ranks, silence, stopping. */

#include "tests/support/rank_twin.h"

#include <stdio.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/stop.h"
#include "learner/intake/vetting.h"

static struct twin t;
static struct twin_actor a, b;

static int set_up(void **state)
{
    twin_init(&t, *state != NULL ? 2 : 1);
    actor_init(&a, &t, 101, "host0");
    actor_init(&b, &t, 102, "host0");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    actor_release(&a);
    actor_release(&b);
    twin_release(&t);
    return 0;
}

static void exchange(void)
{
    twin_poll(&t);
    actor_poll(&a);
    actor_poll(&b);
}

static void a_lost_welcome_brings_the_same_number_again(void **state)
{
    (void)state;
    bus_memory_faults(t.bus, &(struct bus_faults){.lose = 1000, .kind = FRAME_WELCOME});
    actor_hello(&a, -1);
    exchange();
    assert_int_equal(a.welcomes, 0);
    bus_memory_faults(t.bus, &(struct bus_faults){0});
    actor_join(&a, -1);
    assert_int_equal(a.number, 1);
    assert_int_equal(a.incarnation, 1);
    actor_join(&b, -1);
    assert_int_equal(b.number, 2);
}

static void two_living_actors_never_share_an_id(void **state)
{
    (void)state;
    actor_join(&a, 4);
    assert_int_equal(a.number, 5);
    actor_join(&b, 4);
    assert_int_equal(b.refusals, 1);
    assert_false(b.final); // it may ask again
    assert_non_null(strstr(b.reason, "--id=4 is held by a living actor on host0"));
    assert_int_equal(b.number, 0);
    seqfile_close(a.seqfile); // the first one dies
    a.seqfile = NULL;
    actor_join(&b, 4);
    assert_int_equal(b.number, 5);
    assert_int_equal(b.incarnation, 2);
}

static void a_second_process_with_the_same_pair_is_refused_for_good(void **state)
{
    (void)state;
    actor_join(&a, -1);
    b.number = a.number;
    b.incarnation = a.incarnation;
    actor_hello(&b, -1);
    exchange();
    assert_int_equal(b.welcomes, 0);
    assert_true(b.final);
    assert_non_null(strstr(b.reason, "held by another process"));
    actor_send(&b, 0);
    exchange();
    assert_int_equal(b.whos, 1);
    assert_int_equal(t.rank[0].top, 0);
}

static void an_incarnation_is_never_given_twice_even_if_the_store_is_lost(void **state)
{
    char path[700];

    (void)state;
    actor_join(&a, 0);
    actor_produce(&a, 3);
    exchange();
    twin_end(&t);
    snprintf(path, sizeof(path), "%s/store", t.dir);
    assert_int_equal(file_remove_tree(path), ST_OK);
    seqfile_close(a.seqfile);
    a.seqfile = NULL;
    twin_start(&t);
    actor_join(&b, 0);
    assert_int_equal(b.number, 1);
    assert_int_equal(b.incarnation, 2);
}

/* One hello as a process of its own would say it. */
static void say_hello_as(uint64_t nonce, uint32_t number, uint32_t incarnation,
                         uint64_t first_unacked)
{
    const struct frame_header h = {FRAME_HELLO, number != 0 ? TWIN_RUN : 0, number,
                                   incarnation, 0};
    const struct msg_hello m = {.host = bytes_text("host0"),
                                .task = bytes_text("crypt-vault"),
                                .spec_digest = 9,
                                .environments = 1,
                                .actions = SAMPLE_ACTIONS,
                                .wanted_id = -1,
                                .first_unacked = first_unacked,
                                .value_heads = 1,
                                .nonce = nonce};

    assert_int_equal(bus_send(a.root, NULL, codec_encode_hello(a.codec, &h, &m)),
                     ST_OK);
    twin_poll(&t);
}

static int rows;

static void count_row(void *ctx, const struct replay_member *m)
{
    (void)ctx;
    (void)m;
    rows++;
}

static void count_rows(void)
{
    struct replay_view *v = NULL;

    rows = 0;
    assert_int_equal(replay_view_open(t.rank[0].replay, &v), ST_OK);
    assert_int_equal(replay_view_members(v, count_row, NULL), ST_OK);
    replay_view_close(v);
}

/* As many incarnations as a rank keeps, none of which has produced anything; they came
 * and went in an earlier start. */
static void fill_rows(void)
{
    char path[700];
    struct replay *r = NULL;

    twin_end(&t);
    snprintf(path, sizeof(path), "%s/store/rank-0", t.dir);
    assert_int_equal(replay_open(path, TWIN_RUN, t.store_bytes, &r), ST_OK);
    assert_int_equal(replay_begin(r), ST_OK);
    for (uint32_t i = 1; i < VETTING_MEMBERS_MOST; i++) {
        const struct replay_member m = {
            .actor = 10 + i, .incarnation = 1, .environments = 1, .nonce = i};
        assert_int_equal(replay_put_member(r, &m), ST_OK);
    }
    assert_int_equal(replay_commit(r), ST_OK);
    replay_close(r);
    twin_start(&t);
}

static void hellos_without_end_take_no_rows_without_end(void **state)
{
    (void)state;
    actor_join(&b, 7);
    actor_produce(&b, 2);
    exchange();
    fill_rows();
    say_hello_as(1, 60000, 1,
                 0); // no row serves: their incarnations would be forgotten
    actor_poll(&a);
    assert_non_null(strstr(a.reason, "4096 incarnations of actors"));
    assert_false(a.final);
    count_rows();
    assert_int_equal(rows, VETTING_MEMBERS_MOST);
    actor_join(&b, 7);
    for (int i = 0; i < 12; i++) {
        actor_bare(&b, FRAME_BEAT, 0);
        twin_run_ms(&t, 500);
    }
    actor_join(&a, 10); // takes the row of the one that had this number before
    assert_int_equal(a.number, 11);
    assert_int_equal(a.incarnation, 2);
    count_rows();
    assert_int_equal(rows, VETTING_MEMBERS_MOST);
    actor_produce(&b, 1);
    exchange();
    assert_int_equal(b.next, 3); // b's row stayed
}

static void who_says_hello_as_another_is_not_the_first_any_more(void **state)
{
    (void)state;
    say_hello_as(1, 3, 1, 0);
    say_hello_as(2, 4, 1, 0);
    twin_run_ms(&t, 250);
    assert_int_equal(t.rank[0].members, 1);
}

static void numbers_that_cannot_be_are_refused(void **state)
{
    (void)state;
    say_hello_as(1, 3, 1, (uint64_t)1 << 63);
    actor_poll(&a);
    assert_true(a.final);
    assert_non_null(strstr(a.reason, "cannot have had 9223372036854775808 segments"));
    say_hello_as(1, 70000, 1, 0);
    actor_poll(&a);
    assert_non_null(strstr(a.reason, "actor 70000: numbers go from 1 to 65536"));
    count_rows();
    assert_int_equal(rows, 0);
    actor_join(&b, 0); // its sequence file says what it has produced
    actor_produce(&b, 2);
    exchange();
    say_hello_as(102, b.number, b.incarnation, 3);
    actor_poll(&a);
    assert_non_null(strstr(a.reason, "cannot have had 3 segments"));
}

static void another_task_build_or_run_is_refused_with_both_values(void **state)
{
    const struct frame_header h = {.kind = FRAME_HELLO};
    struct msg_hello m = {.host = bytes_text("x"),
                          .task = bytes_text("crypt-stairs"),
                          .spec_digest = 9,
                          .environments = 1,
                          .actions = SAMPLE_ACTIONS,
                          .wanted_id = -1,
                          .nonce = 5,
                          .value_heads = 1};

    (void)state;
    assert_int_equal(bus_send(a.root, NULL, codec_encode_hello(a.codec, &h, &m)),
                     ST_OK);
    exchange();
    assert_true(a.final);
    assert_non_null(
        strstr(a.reason, "this run plays crypt-vault, the actor crypt-stairs"));
    const struct frame_header other = {FRAME_HELLO, TWIN_RUN + 1, 1, 1, 0};
    m.task = bytes_text("crypt-vault");
    assert_int_equal(bus_send(a.root, NULL, codec_encode_hello(a.codec, &other, &m)),
                     ST_OK);
    exchange();
    assert_false(a.final); // its own run may come back to this port
    assert_non_null(strstr(a.reason, "the actor belongs to run"));
    m.actions = 5;
    a.final = false;
    assert_int_equal(bus_send(a.root, NULL, codec_encode_hello(a.codec, &h, &m)),
                     ST_OK);
    exchange();
    assert_true(a.final);
    assert_non_null(strstr(a.reason, "has 28 actions"));
}

static void an_actor_that_knows_fewer_value_heads_is_refused(void **state)
{
    (void)state;
    twin_end(&t);
    t.value_heads = 2;
    twin_start(&t);
    actor_hello(&a, -1); // knows one
    exchange();
    assert_true(a.final);
    assert_non_null(strstr(a.reason, "2 value heads, the actor knows 1"));
}

static void silence_is_presumed_death_until_the_actor_returns(void **state)
{
    (void)state;
    actor_join(&a, -1);
    actor_join(&b, -1);
    assert_int_equal(t.rank[0].members, 2);
    for (int i = 0; i < 60; i++) {
        actor_bare(&b, FRAME_BEAT, 0);
        twin_run_ms(&t, 100);
    }
    assert_int_equal(t.rank[0].members, 1);
    actor_poll(&a);
    assert_true(a.acks >= 4); // it was told the newest once a second
    actor_produce(&a, 1);
    exchange();
    assert_int_equal(t.rank[0].members, 2);
}

static void a_stop_in_order_ends_when_all_have_said_goodbye(void **state)
{
    (void)state;
    actor_join(&a, -1);
    actor_join(&b, -1);
    actor_produce(&a, 2);
    exchange();
    twin_stop(&t);
    exchange();
    assert_int_equal(a.stops, 1);
    assert_int_equal(b.stops, 1);
    actor_send(&a, 2);
    a.produced++;
    actor_bare(&a, FRAME_GOODBYE, 3);
    exchange();
    assert_int_equal(a.next, 3);
    assert_false(t.rank[0].drained);
    actor_bare(&b, FRAME_GOODBYE, 0);
    exchange();
    assert_true(t.rank[0].drained);
}

static void a_stop_does_not_wait_for_the_dead(void **state)
{
    (void)state;
    actor_join(&a, -1);
    twin_stop(&t);
    twin_run_ms(&t, 1900);
    assert_false(t.rank[0].drained);
    twin_run_ms(&t, 200);
    assert_true(t.rank[0].drained);
}

static void a_file_in_control_asks_to_stop(void **state)
{
    char path[700];

    (void)state;
    snprintf(path, sizeof(path), "%s/control", t.dir);
    assert_int_equal(file_make_dirs(path), ST_OK);
    snprintf(path, sizeof(path), "%s/control/stop", t.dir);
    assert_int_equal(file_write_atomic(path, bytes_text("")), ST_OK);
    twin_run_ms(&t, 1100);
    assert_true(t.rank[0].stop);
    assert_false(file_exists(path));
}

static void actors_are_spread_over_ranks_by_host_then_by_load(void **state)
{
    struct twin_actor more[4];

    (void)state;
    actor_join(&a, -1); // host0
    assert_int_equal(a.rank, 0);
    for (int i = 0; i < 4; i++) {
        actor_init(&more[i], &t, 300 + (uint64_t)i, i == 0 ? "host1" : "elsewhere");
        actor_join(&more[i], -1);
    }
    assert_int_equal(more[0].rank, 1);                // its own host
    assert_int_equal(more[1].rank + more[2].rank, 1); // one each
    assert_int_equal(more[3].rank, 0);
    assert_int_equal(more[0].welcomes, 2); // rank 0's, then its own
    actor_produce(&more[0], 3);
    exchange();
    actor_poll(&more[0]);
    assert_int_equal(more[0].next, 3);
    assert_int_equal(t.rank[1].top, 3);
    assert_int_equal(t.rank[0].top, 0);
    twin_end(&t);
    twin_start(&t);
    more[0].welcomes = 0;
    actor_join(&more[0], -1);
    assert_int_equal(more[0].rank, 1); // for life
    assert_int_equal(more[0].incarnation, 1);
    for (int i = 0; i < 4; i++) {
        actor_release(&more[i]);
    }
}

static void the_first_actor_tells_what_the_environment_is(void **state)
{
    struct io_listener l;
    struct io_spec spec = {0};
    const struct io_listen_plan plan = {
        .bus = t.bus, .addr = "127.0.0.1", .port = 0, .run_dir = t.dir};
    struct twin_actor early;

    (void)state;
    assert_int_equal(io_listen(&plan, &l), ST_OK);
    snprintf(t.endpoints[0], sizeof(t.endpoints[0]), "%s", l.endpoint);
    actor_init(&early, &t, 500, "host0");
    assert_int_equal(io_await_spec_step(&l, "crypt-vault", 0, &spec), ST_AGAIN);
    actor_bare(&early, FRAME_BEAT, 0);
    assert_int_equal(io_await_spec_step(&l, "crypt-vault", 0, &spec), ST_AGAIN);
    actor_hello(&early, -1);
    assert_int_equal(io_await_spec_step(&l, "crypt-vault", 0, &spec), ST_OK);
    assert_int_equal(spec.actions, SAMPLE_ACTIONS);
    assert_int_equal(spec.spec_digest, 9);
    assert_string_equal(spec.task, "crypt-vault");
    actor_hello(&early, -1);
    assert_int_equal(io_await_spec_step(&l, "crypt-oracle", 0, &spec), ST_AGAIN);
    actor_poll(&early);
    assert_true(early.final);
    stop_ask();
    assert_int_equal(io_await_spec_step(&l, "crypt-vault", 0, &spec), ST_CLOSED);
    actor_release(&early);
    io_listener_close(&l);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
#define TEST_RANKS(f) cmocka_unit_test_prestate_setup_teardown(f, set_up, tear_down, &t)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_lost_welcome_brings_the_same_number_again),
        TEST(two_living_actors_never_share_an_id),
        TEST(a_second_process_with_the_same_pair_is_refused_for_good),
        TEST(an_incarnation_is_never_given_twice_even_if_the_store_is_lost),
        TEST(hellos_without_end_take_no_rows_without_end),
        TEST(who_says_hello_as_another_is_not_the_first_any_more),
        TEST(numbers_that_cannot_be_are_refused),
        TEST(another_task_build_or_run_is_refused_with_both_values),
        TEST(an_actor_that_knows_fewer_value_heads_is_refused),
        TEST(silence_is_presumed_death_until_the_actor_returns),
        TEST(a_stop_in_order_ends_when_all_have_said_goodbye),
        TEST(a_stop_does_not_wait_for_the_dead),
        TEST(a_file_in_control_asks_to_stop),
        TEST_RANKS(actors_are_spread_over_ranks_by_host_then_by_load),
        TEST(the_first_actor_tells_what_the_environment_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
