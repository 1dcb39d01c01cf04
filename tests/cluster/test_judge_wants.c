/* What a backend that waits for something is told, and what the learner learns of it: a
 * judge with a learner that the test plays by hand, on the in-memory bus. */

#include <string.h>

#include "common/base/log.h"
#include "common/base/text.h"
#include "common/wire/codec.h"
#include "judge/options.h"
#include "judge/serve.h"
#include "tests/support/harness.h"

enum { RUN = 77, CREDITS = 8 };

static struct {
    struct clock clock;
    struct bus *bus;
    struct bus_socket *learner;
    char endpoint[BUS_ENDPOINT_MAX];
    struct codec *codec;
    struct judge_options options;
    struct serve *serve;
    struct bus_peer peer;
    struct bus_frame frame;
    struct msg_judge_hello hello;
    struct msg_verdicts last;
    int hellos, verdicts;
    uint32_t first_credits;
    // the backend's
    uint32_t credits;
    enum judge_pause pause;
    int turns, drops;
    uint64_t dropped, deadline_ns;
    bool done, begun; // begun: something is paid for
    int asked;
    enum status turn;
} t;

static enum status slow_ask(void *self, const struct judge_question *q,
                            struct judge_verdict *v)
{
    (void)self;
    t.deadline_ns = q->deadline_ns;
    t.asked++;
    if (!t.done) {
        return ST_AGAIN;
    }
    judge_rate(v, 1);
    v->requests = 2;
    v->cost_micro = 30;
    v->estimated = true;
    return ST_OK;
}

static enum status slow_turn(void *self)
{
    (void)self;
    t.turns++;
    return t.turn;
}

static void slow_drop(void *self, uint64_t id)
{
    (void)self;
    t.drops++;
    t.dropped = id;
}

static bool slow_stop(void *self)
{
    (void)self;
    return t.begun;
}

static uint32_t slow_credits(const void *self)
{
    (void)self;
    return t.credits;
}

static enum judge_pause slow_pause(const void *self)
{
    (void)self;
    return t.pause;
}

static void slow_kinds(const void *self, bool *rate, bool *order, uint32_t *order_most)
{
    (void)self;
    *rate = true;
    *order = false;
    *order_most = 0;
}

static const struct judge_backend slow = {.name = "slow",
                                          .can_rate = true,
                                          .can_order = true,
                                          .deadline_s = 120,
                                          .ask = slow_ask,
                                          .turn = slow_turn,
                                          .drop = slow_drop,
                                          .stop = slow_stop,
                                          .credits = slow_credits,
                                          .pause = slow_pause,
                                          .kinds = slow_kinds};

static struct frame_header header(enum frame_kind kind)
{
    return (struct frame_header){
        .kind = (uint8_t)kind, .run = RUN, .actor = 3, .incarnation = 1};
}

static void learner_send(struct bytes frame)
{
    assert_int_equal(bus_send(t.learner, &t.peer, frame), ST_OK);
}

static void send_welcome(uint64_t run)
{
    struct frame_header h = header(FRAME_JUDGE_WELCOME);
    const struct msg_judge_welcome w = {.goal = bytes_text("treasure"),
                                        .goal_digest = hash_128(bytes_text("treasure")),
                                        .goal_text = bytes_text("Find it."),
                                        .credits = CREDITS,
                                        .environment = bytes_text("crypt-vault")};

    h.run = run;
    learner_send(codec_encode_judge_welcome(t.codec, &h, &w));
}

static void ask(uint64_t id, const char *text)
{
    const struct frame_header h = header(FRAME_QUESTIONS);
    struct msg_questions q = {.count = 1};

    q.question[0] = (struct msg_question){.id = id,
                                          .kind = QUESTION_RATE,
                                          .lease_ms = 125000,
                                          .captions = 1,
                                          .caption = {bytes_text(text)},
                                          .truth = {-1}};
    learner_send(codec_encode_questions(t.codec, &h, &q));
}

static void learner_read(void)
{
    struct frame_header h;

    while (bus_receive(t.learner, &t.frame) == ST_OK) {
        t.peer = t.frame.peer;
        assert_int_equal(frame_read_header(t.frame.bytes, &h), ST_OK);
        if (h.kind == FRAME_JUDGE_HELLO) {
            assert_int_equal(codec_decode_judge_hello(t.codec, t.frame.bytes, &t.hello),
                             ST_OK);
            t.hellos++;
        } else if (h.kind == FRAME_VERDICTS) {
            assert_int_equal(codec_decode_verdicts(t.codec, t.frame.bytes, &t.last),
                             ST_OK);
            t.verdicts += t.last.count;
        }
    }
    bus_frame_release(&t.frame);
}

static enum status turn_judge(void)
{
    enum status st;
    int steps = 0;

    do {
        st = serve_step(t.serve);
        learner_read();
    } while (st == ST_OK && ++steps < 100);
    return st == ST_AGAIN ? ST_OK : st;
}

static void pass(uint64_t ms)
{
    const struct frame_header h = header(FRAME_BEAT);

    for (uint64_t spent = 0; spent < ms; spent += 500) {
        learner_send(codec_encode_bare(t.codec, &h));
        assert_int_equal(turn_judge(), ST_OK);
        clock_turn_ms(&t.clock, 500);
    }
    assert_int_equal(turn_judge(), ST_OK);
}

static void acknowledge_last(void)
{
    const struct frame_header h = header(FRAME_VERDICT_ACK);
    struct msg_verdict_ack m = {.count = t.last.count};

    for (int i = 0; i < t.last.count; i++) {
        m.question[i] = t.last.verdict[i].question;
    }
    learner_send(codec_encode_verdict_ack(t.codec, &h, &m));
}

static int set_up(void **state)
{
    (void)state;
    memset(&t, 0, sizeof(t));
    t.credits = 100;
    t.turn = ST_AGAIN;
    clock_init_manual(&t.clock, 1000000000);
    t.bus = bus_new_memory(&t.clock);
    t.codec = codec_new();
    assert_int_equal(
        bus_listen(t.bus, "127.0.0.1", 0, true, NULL, 1 << 20, &t.learner, t.endpoint),
        ST_OK);
    option_defaults(judge_option_table, &t.options);
    text_format(t.options.learner, sizeof(t.options.learner), "%s", t.endpoint);
    t.options.credits = CREDITS;
    t.serve = serve_new(&t.options, &slow, t.bus, &t.clock);
    log_open("judge", 0, LOG_ERROR_);
    assert_int_equal(turn_judge(), ST_OK);
    t.first_credits = t.hello.credits;
    send_welcome(RUN);
    assert_int_equal(turn_judge(), ST_OK);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    serve_free(t.serve);
    bus_close(t.learner);
    bus_free(t.bus);
    codec_free(t.codec);
    return 0;
}

static void the_hello_names_what_the_backend_knows_once_it_is_open(void **state)
{
    (void)state;
    assert_int_equal(t.hellos, 2);
    assert_true(t.hello.can_rate && !t.hello.can_order);
    assert_int_equal(t.first_credits, 0); // nothing can be asked before it is open
    assert_int_equal(t.hello.credits, CREDITS);
    assert_int_equal(t.hello.deadline_ms, 120000);
}

static void
a_backend_that_wants_no_questions_says_so_and_says_when_it_does(void **state)
{
    (void)state;
    t.pause = PAUSE_SERVER;
    assert_int_equal(turn_judge(), ST_OK);
    assert_int_equal(t.hellos, 2); // of no interest while it wants some
    t.credits = 0;
    assert_int_equal(turn_judge(), ST_OK);
    assert_int_equal(t.hellos, 3);
    assert_int_equal(t.hello.credits, 0);
    assert_int_equal(t.hello.pause, PAUSE_SERVER);
    assert_int_equal(turn_judge(), ST_OK);
    assert_int_equal(t.hellos, 3); // once
    t.pause = PAUSE_BUDGET;
    assert_int_equal(turn_judge(), ST_OK);
    assert_int_equal(t.hellos, 4);
    assert_int_equal(t.hello.pause, PAUSE_BUDGET);
    t.credits = 3;
    assert_int_equal(turn_judge(), ST_OK);
    assert_int_equal(t.hellos, 5);
    assert_int_equal(t.hello.credits, 3);
    assert_int_equal(t.hello.pause, PAUSE_UNSAID);
}

static void a_question_past_its_deadline_is_dropped_and_answered_timeout(void **state)
{
    (void)state;
    ask(5, "slow");
    pass(119000);
    assert_int_equal(t.verdicts, 0);
    assert_true(t.deadline_ns > 0);
    pass(2000);
    assert_int_equal(t.verdicts, 1);
    assert_int_equal(t.last.verdict[0].kind, VERDICT_TIMEOUT);
    assert_int_equal(t.drops, 1);
    assert_int_equal(t.dropped, 5);
}

static void a_question_that_the_cache_answers_meanwhile_is_dropped(void **state)
{
    (void)state;
    ask(5, "same");
    ask(6, "same");
    assert_int_equal(turn_judge(), ST_OK);
    t.done = true;
    assert_int_equal(turn_judge(), ST_OK);
    assert_int_equal(t.verdicts, 2);
    assert_int_equal(t.drops, 1);
    assert_int_equal(t.dropped, 6);
}

static void the_questions_of_another_run_are_dropped(void **state)
{
    (void)state;
    ask(5, "slow");
    assert_int_equal(turn_judge(), ST_OK);
    send_welcome(RUN + 1);
    assert_int_equal(turn_judge(), ST_OK);
    assert_int_equal(t.drops, 1);
    assert_int_equal(t.dropped, 5);
}

static void what_an_answer_cost_is_told(void **state)
{
    (void)state;
    t.done = true;
    ask(5, "one");
    assert_int_equal(turn_judge(), ST_OK);
    assert_int_equal(t.last.verdict[0].requests, 2);
    assert_int_equal(t.last.verdict[0].cost_micro, 30);
    assert_true(t.last.verdict[0].estimated);
    assert_int_equal(t.last.verdict[0].position, POSITION_UNKNOWN);
    // The cache costs nothing.
    ask(6, "one");
    assert_int_equal(turn_judge(), ST_OK);
    assert_true(t.last.verdict[0].cached && !t.last.verdict[0].estimated);
    assert_int_equal(t.last.verdict[0].requests, 0);
    assert_int_equal(t.last.verdict[0].cost_micro, 0);
}

static void a_backend_is_turned_and_may_end_the_judge(void **state)
{
    const int before = t.turns;

    (void)state;
    assert_int_equal(turn_judge(), ST_OK);
    assert_int_equal(t.turns, before + 1);
    t.turn = ST_INVALID;
    assert_int_equal(turn_judge(), ST_INVALID);
}

static void what_was_begun_is_answered_before_the_judge_leaves(void **state)
{
    (void)state;
    ask(5, "slow");
    assert_int_equal(turn_judge(), ST_OK);
    t.begun = true;
    serve_stop(t.serve);
    const int asked = t.asked;
    ask(6, "too late");
    pass(3000);
    assert_int_equal(t.hello.credits, 0);
    assert_true(t.asked > asked);
    assert_int_equal(t.verdicts, 0);
    t.done = true;
    assert_int_equal(turn_judge(), ST_OK);
    t.begun = false;
    assert_int_equal(turn_judge(), ST_OK); // until it is acknowledged
    assert_int_equal(t.verdicts, 1);
    assert_int_equal(t.last.verdict[0].question, 5);
    acknowledge_last();
    assert_int_equal(turn_judge(), ST_CLOSED);
}

static void a_judge_waits_five_seconds_at_most_for_what_was_begun(void **state)
{
    (void)state;
    ask(5, "slow");
    assert_int_equal(turn_judge(), ST_OK);
    t.begun = true;
    serve_stop(t.serve);
    pass(4500);
    clock_turn_ms(&t.clock, 500);
    assert_int_equal(turn_judge(), ST_CLOSED);
    assert_int_equal(t.verdicts, 0);
}

static void what_was_not_begun_keeps_no_judge(void **state)
{
    (void)state;
    ask(5, "slow");
    assert_int_equal(turn_judge(), ST_OK);
    serve_stop(t.serve);
    assert_int_equal(turn_judge(), ST_CLOSED);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_hello_names_what_the_backend_knows_once_it_is_open),
        TEST(a_backend_that_wants_no_questions_says_so_and_says_when_it_does),
        TEST(a_question_past_its_deadline_is_dropped_and_answered_timeout),
        TEST(a_question_that_the_cache_answers_meanwhile_is_dropped),
        TEST(the_questions_of_another_run_are_dropped),
        TEST(what_an_answer_cost_is_told),
        TEST(a_backend_is_turned_and_may_end_the_judge),
        TEST(what_was_begun_is_answered_before_the_judge_leaves),
        TEST(a_judge_waits_five_seconds_at_most_for_what_was_begun),
        TEST(what_was_not_begun_keeps_no_judge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
