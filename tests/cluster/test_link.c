/* An actor's link against a hand-driven learner on the in-memory bus, under a turned
 * clock: joining, redirecting, the window, go-back-N, lost answers, silence. */
#include "tests/support/harness.h"

#include <string.h>

#include "actor/link.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/wire/seqfile.h"

enum { STEPS = 2, STATE = 4, ENVS = 2 };

/* A learner's end: what it heard last, and what it says. */
struct far {
    struct bus_socket *socket;
    struct bus_frame frame;
    struct bus_peer peer;       // who was heard last
    struct frame_header header; // of the last frame
    char endpoint[BUS_ENDPOINT_MAX];
    int hellos, fetches, beats, goodbyes, segments;
    uint64_t last_seq;
};

struct world {
    struct clock clock;
    struct bus *bus;
    struct codec *codec;
    struct far rank0, rank1;
    struct link *link;
};

static void far_open(struct world *w, struct far *f)
{
    assert_int_equal(bus_listen(w->bus, "127.0.0.1", 0, true, NULL, 1 << 20, &f->socket,
                                f->endpoint),
                     ST_OK);
}

static void world_open_in(struct world *w, const char *run_dir)
{
    struct link_plan plan = {.task = "chain",
                             .host = "h",
                             .spec_digest = 9,
                             .nonce = 77,
                             .pid = 5,
                             .environments = ENVS,
                             .actions = 2,
                             .wanted_id = -1,
                             .max_frame = 1 << 20};

    memset(w, 0, sizeof(*w));
    clock_init_manual(&w->clock, 1000000000u);
    w->bus = bus_new_memory(&w->clock);
    w->codec = codec_new();
    far_open(w, &w->rank0);
    far_open(w, &w->rank1);
    plan.bus = w->bus;
    plan.clock = &w->clock;
    memcpy(plan.endpoint, w->rank0.endpoint, sizeof(plan.endpoint));
    text_format(plan.run_dir, sizeof(plan.run_dir), "%s", run_dir);
    if (run_dir[0] != '\0') {
        text_format(plan.seq_dir, sizeof(plan.seq_dir), "%s/actors", run_dir);
    }
    assert_int_equal(link_open(&plan, &w->link), ST_OK);
}

static void world_open(struct world *w)
{
    world_open_in(w, "");
}

static void world_close(struct world *w)
{
    link_close(w->link);
    bus_frame_release(&w->rank0.frame);
    bus_frame_release(&w->rank1.frame);
    bus_close(w->rank0.socket);
    bus_close(w->rank1.socket);
    codec_free(w->codec);
    bus_free(w->bus);
}

static void hear(struct far *f)
{
    while (bus_receive(f->socket, &f->frame) == ST_OK) {
        f->peer = f->frame.peer;
        assert_int_equal(frame_read_header(f->frame.bytes, &f->header), ST_OK);
        switch (f->header.kind) {
        case FRAME_HELLO:
            f->hellos++;
            break;
        case FRAME_SEGMENT:
            f->segments++;
            f->last_seq = f->header.seq;
            break;
        case FRAME_FETCH:
            f->fetches++;
            break;
        case FRAME_GOODBYE:
            f->goodbyes++;
            break;
        default:
            f->beats++;
        }
    }
}

static void run_ms(struct world *w, int ms)
{
    for (int i = 0; i < ms; i += 10) {
        clock_turn_ms(&w->clock, 10);
        assert_int_equal(link_step(w->link), ST_OK);
        hear(&w->rank0);
        hear(&w->rank1);
    }
}

static struct frame_header from_learner(enum frame_kind kind, uint64_t seq)
{
    return (struct frame_header){(uint8_t)kind, 4711, 3, 8, seq};
}

static void say(struct far *f, struct bytes frame)
{
    assert_int_equal(bus_send(f->socket, &f->peer, frame), ST_OK);
}

static void welcome(struct world *w, struct far *f, uint32_t rank, const char *endpoint,
                    uint64_t next, uint64_t window)
{
    const struct frame_header h = from_learner(FRAME_WELCOME, 0);
    const struct msg_welcome m = {.endpoint = bytes_text(endpoint),
                                  .rank = rank,
                                  .segment_steps = STEPS,
                                  .net = bytes_text("cells"),
                                  .seed = 1,
                                  .window = window,
                                  .next_seq = next,
                                  .newest = {1, 0},
                                  .count_key = 1,
                                  .value_heads = 1};

    say(f, codec_encode_welcome(w->codec, &h, &m));
}

static void ack(struct world *w, struct far *f, uint64_t next, uint64_t window,
                struct version newest, bool go_back)
{
    const struct frame_header h = from_learner(FRAME_ACK, next);
    const struct msg_ack m = {window, newest, DROP_NONE, go_back};

    say(f, codec_encode_ack(w->codec, &h, &m));
}

static void weights(struct world *w, struct far *f, struct version v)
{
    static const float numbers[4] = {1, 2, 3, 4};
    const struct frame_header h = from_learner(FRAME_WEIGHTS, 0);
    const struct msg_weights m = {v, 5, 0, 0, 1, numbers, 4, 0, 1};

    say(f, codec_encode_weights(w->codec, &h, &m));
}

static void put(struct world *w)
{
    static uint8_t cells[STEPS * SEGMENT_CELLS];
    static int32_t stats[STEPS * SEGMENT_STATS];
    static const uint16_t caption[STEPS], count[STEPS] = {1, 2};
    static const uint8_t action[STEPS], flags[STEPS];
    static const float numbers[STEPS], state[STATE];
    static const struct segment_text text = {{"x", 1}, -1, -1, 0};
    struct segment_fill s = {.version = {1, 0},
                             .T = STEPS,
                             .state_floats = STATE,
                             .texts = 1,
                             .chars = cells,
                             .colors = cells,
                             .stats = stats,
                             .caption = caption,
                             .count = count,
                             .action = action,
                             .logp = numbers,
                             .value = numbers,
                             .reward = numbers,
                             .flags = flags,
                             .state = state,
                             .first_action = SEGMENT_NO_ACTION,
                             .text = &text};

    link_put_segment(w->link, &s);
}

/* Joined at rank 0 with a window of `window` and weights of version 1.0 taken. */
static void join(struct world *w, uint64_t window)
{
    struct msg_weights m;

    run_ms(w, 20);
    welcome(w, &w->rank0, 0, w->rank0.endpoint, 0, window);
    run_ms(w, 20);
    weights(w, &w->rank0, (struct version){1, 0});
    run_ms(w, 20);
    assert_true(link_weights(w->link, &m));
    link_drop_weights(w->link);
    hear(&w->rank0);
}

static void hello_is_said_each_second_until_welcomed(void **state)
{
    struct world w;

    (void)state;
    world_open(&w);
    run_ms(&w, 3500);
    assert_in_range(w.rank0.hellos, 3, 4);
    assert_false(link_joined(w.link));
    welcome(&w, &w.rank0, 0, w.rank0.endpoint, 0, 4);
    run_ms(&w, 20);
    assert_true(link_joined(w.link));
    assert_int_equal(link_run(w.link)->actor, 3);
    assert_int_equal(link_run(w.link)->incarnation, 8);
    world_close(&w);
}

static void rank_0_sends_an_actor_on_to_its_rank(void **state)
{
    struct world w;

    (void)state;
    world_open(&w);
    run_ms(&w, 20);
    welcome(&w, &w.rank0, 1, w.rank1.endpoint, 0, 0);
    run_ms(&w, 40);
    assert_int_equal(w.rank1.hellos, 1);
    assert_int_equal(w.rank1.header.actor, 3);
    assert_false(link_joined(w.link));
    welcome(&w, &w.rank1, 1, w.rank1.endpoint, 0, 4);
    run_ms(&w, 20);
    assert_true(link_joined(w.link));
    assert_int_equal(w.rank0.fetches, 0);
    assert_int_equal(w.rank1.fetches, 1);
    world_close(&w);
}

static void nothing_begins_outside_the_window_or_without_weights(void **state)
{
    struct world w;

    (void)state;
    world_open(&w);
    run_ms(&w, 20);
    assert_false(link_may_begin(w.link, 1));
    welcome(&w, &w.rank0, 0, w.rank0.endpoint, 0, 3);
    run_ms(&w, 20);
    assert_false(link_may_begin(w.link, 1)); // no weights
    weights(&w, &w.rank0, (struct version){1, 0});
    run_ms(&w, 20);
    assert_true(link_may_begin(w.link, 3));
    assert_false(link_may_begin(w.link, 4));
    put(&w);
    put(&w);
    assert_true(link_may_begin(w.link, 1));
    assert_false(link_may_begin(w.link, 2));
    run_ms(&w, 20);
    ack(&w, &w.rank0, 2, 6, (struct version){1, 0}, false);
    run_ms(&w, 20);
    assert_true(link_may_begin(w.link, 4));
    ack(&w, &w.rank0, 2, 2, (struct version){1, 0}, false); // a window is never lowered
    run_ms(&w, 20);
    assert_true(link_may_begin(w.link, 4));
    world_close(&w);
}

static void go_back_sends_again_from_there(void **state)
{
    struct world w;

    (void)state;
    world_open(&w);
    join(&w, 10);
    for (int i = 0; i < 4; i++) {
        put(&w);
    }
    run_ms(&w, 20);
    assert_int_equal(w.rank0.segments, 4);
    ack(&w, &w.rank0, 1, 10, (struct version){1, 0}, true);
    run_ms(&w, 20);
    assert_int_equal(w.rank0.segments, 7);
    assert_int_equal(w.rank0.last_seq, 3);
    assert_int_equal(link_unacked(w.link), 3);
    world_close(&w);
}

static void a_lost_ack_is_made_up_for_by_sending_again(void **state)
{
    struct world w;

    (void)state;
    world_open(&w);
    join(&w, 10);
    put(&w);
    run_ms(&w, 1000);
    ack(&w, &w.rank0, 0, 10, (struct version){1, 0}, false); // heard, but nothing taken
    run_ms(&w, 1500);
    assert_int_equal(w.rank0.segments, 2);
    ack(&w, &w.rank0, 1, 10, (struct version){1, 0}, false);
    run_ms(&w, 20);
    assert_int_equal(link_unacked(w.link), 0);
    world_close(&w);
}

static void an_ack_beyond_what_was_produced_is_not_believed(void **state)
{
    struct world w;

    (void)state;
    world_open(&w);
    join(&w, 10);
    put(&w);
    run_ms(&w, 20);
    ack(&w, &w.rank0, 50, 10, (struct version){1, 0}, false);
    run_ms(&w, 20);
    assert_int_equal(link_unacked(w.link), 1);
    world_close(&w);
}

static void a_lost_weights_reply_is_asked_for_again(void **state)
{
    struct world w;
    struct msg_weights m;

    (void)state;
    world_open(&w);
    join(&w, 10);
    const int before = w.rank0.fetches;
    for (int i = 0; i < 5; i++) { // the learner is heard, only the weights are not
        ack(&w, &w.rank0, 0, 10, (struct version){1, 7}, false);
        run_ms(&w, 1000);
    }
    assert_in_range(w.rank0.fetches - before, 2, 2);
    weights(&w, &w.rank0, (struct version){1, 7});
    run_ms(&w, 20);
    assert_true(link_weights(w.link, &m));
    assert_int_equal(m.version.update, 7);
    assert_float_equal(m.weights[3], 4, 0);
    ack(&w, &w.rank0, 0, 10, (struct version){1, 7}, false);
    run_ms(&w, 1000);
    assert_in_range(w.rank0.fetches - before, 2, 2);
    world_close(&w);
}

static void silence_and_who_bring_a_new_hello_and_a_welcome_resets(void **state)
{
    struct world w;
    const struct frame_header who = from_learner(FRAME_WHO, 0);

    (void)state;
    world_open(&w);
    join(&w, 10);
    put(&w);
    put(&w);
    run_ms(&w, 20);
    const int hellos = w.rank0.hellos;
    say(&w.rank0, codec_encode_bare(w.codec, &who));
    run_ms(&w, 20);
    assert_int_equal(w.rank0.hellos, hellos + 1);
    assert_int_equal(w.rank0.header.actor, 3);
    assert_int_equal(w.rank0.header.incarnation, 8);
    const int segments = w.rank0.segments;
    welcome(&w, &w.rank0, 0, w.rank0.endpoint, 1, 10); // it has the first one
    run_ms(&w, 20);
    assert_int_equal(w.rank0.segments, segments + 1);
    assert_int_equal(w.rank0.last_seq, 1);
    run_ms(&w, 3500); // nothing is heard
    assert_true(w.rank0.hellos > hellos + 1);
    assert_false(link_joined(w.link));
    world_close(&w);
}

/* Its learner is down, and another run's listens at the port. */
static void an_actor_of_a_run_directory_joins_that_run_alone(void **state)
{
    struct world w;
    const char *dir = harness_make_dir();

    (void)state;
    assert_int_equal(
        file_write_atomic(harness_path(dir, "run.json"),
                          bytes_text("{\"format\": 1, \"run\": "
                                     "\"00000000000000ab\", \"start\": 1}")),
        ST_OK);
    world_open_in(&w, dir);
    run_ms(&w, 20);
    assert_int_equal(w.rank0.hellos, 1);
    assert_int_equal(w.rank0.header.run, 0xab);
    assert_int_equal(w.rank0.header.actor, 0);
    harness_stderr_begin();
    welcome(&w, &w.rank0, 0, w.rank0.endpoint, 0, 2); // of run 4711
    run_ms(&w, 20);
    assert_non_null(strstr(harness_stderr_end(), "ACTOR-OTHER"));
    assert_false(link_joined(w.link));
    assert_int_equal(link_run(w.link)->actor, 0);
    world_close(&w);
    harness_remove_dir(dir);
}

/* The audit tells by it what a killed actor had made and nobody has. */
static void what_was_made_stands_in_the_run_directory_before_anybody_has_it(void **s)
{
    struct world w;
    struct seqfile_state made;
    const char *dir = harness_make_dir();

    (void)s;
    world_open_in(&w, dir);
    join(&w, 10);
    put(&w);
    put(&w);
    assert_int_equal(link_unacked(w.link), 2);
    assert_int_equal(seqfile_find(harness_path(dir, "actors"), 3, 8, &made), ST_OK);
    assert_int_equal(made.run, 4711);
    assert_int_equal(made.produced, 2);
    assert_true(made.alive);
    world_close(&w);
    harness_remove_dir(dir);
}

static void another_runs_welcome_is_refused(void **state)
{
    struct world w;
    const struct frame_header other = {FRAME_WELCOME, 4712, 3, 8, 0};
    const struct msg_welcome m = {.endpoint = bytes_text("tcp://127.0.0.1:1"),
                                  .segment_steps = STEPS,
                                  .net = bytes_text("cells"),
                                  .newest = {1, 0},
                                  .value_heads = 1};
    enum status st = ST_OK;

    (void)state;
    world_open(&w);
    join(&w, 10);
    say(&w.rank0, codec_encode_welcome(w.codec, &other, &m));
    harness_stderr_begin();
    for (int i = 0; i < 5 && st == ST_OK; i++) {
        clock_turn_ms(&w.clock, 10);
        st = link_step(w.link);
    }
    assert_non_null(strstr(harness_stderr_end(), "ACTOR-OTHER"));
    assert_int_equal(st, ST_VERSION);
    world_close(&w);
}

static void garbage_is_dropped_with_one_line_a_second(void **state)
{
    struct world w;
    const char *text;
    int lines = 0;

    (void)state;
    world_open(&w);
    join(&w, 10);
    harness_stderr_begin();
    for (int i = 0; i < 100; i++) {
        say(&w.rank0, bytes_text("this is no frame of ours, not at all"));
        run_ms(&w, 10);
    }
    text = harness_stderr_end();
    for (const char *at = text; (at = strstr(at, "ACTOR-FRAME")) != NULL; at++) {
        lines++;
    }
    assert_in_range(lines, 1, 2);
    assert_true(link_joined(w.link));
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hello_is_said_each_second_until_welcomed),
        cmocka_unit_test(rank_0_sends_an_actor_on_to_its_rank),
        cmocka_unit_test(nothing_begins_outside_the_window_or_without_weights),
        cmocka_unit_test(go_back_sends_again_from_there),
        cmocka_unit_test(a_lost_ack_is_made_up_for_by_sending_again),
        cmocka_unit_test(an_ack_beyond_what_was_produced_is_not_believed),
        cmocka_unit_test(a_lost_weights_reply_is_asked_for_again),
        cmocka_unit_test(silence_and_who_bring_a_new_hello_and_a_welcome_resets),
        cmocka_unit_test(an_actor_of_a_run_directory_joins_that_run_alone),
        cmocka_unit_test(
            what_was_made_stands_in_the_run_directory_before_anybody_has_it),
        cmocka_unit_test(another_runs_welcome_is_refused),
        cmocka_unit_test(garbage_is_dropped_with_one_line_a_second),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
