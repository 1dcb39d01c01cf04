/* A judge against a learner that the test plays by hand, on the in-memory bus. */

#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/rng.h"
#include "common/base/text.h"
#include "common/wire/codec.h"
#include "judge/answer.h"
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
    struct bus_peer peer; // the judge, from its hello
    struct bus_frame frame;
    int hellos, beats, goodbyes;
    struct msg_judge_hello hello;
    struct msg_verdicts last;
    int verdicts;      // received in all
    int asked, opened; // of the backend
    bool under_way;
} t;

static enum status fake_open(const struct judge_setup *setup, void **self)
{
    *self = NULL;
    t.opened++;
    return strcmp(setup->goal->name, "broken") == 0 ? ST_NOTFOUND : ST_OK;
}

/* Likes captions that begin with y. */
static enum status fake_ask(void *self, const struct judge_question *q,
                            struct judge_verdict *v)
{
    (void)self;
    if (t.under_way) {
        return ST_AGAIN;
    }
    t.asked++;
    if (q->caption[0].text[0] == 'x') {
        v->kind = (enum verdict_kind)200; // a mistake of the backend's
        return ST_OK;
    }
    judge_rate(v, q->caption[0].text[0] == 'y' ? 1 : 0);
    return ST_OK;
}

static const struct judge_backend fake = {
    .name = "fake", .can_rate = true, .open = fake_open, .ask = fake_ask};

static void learner_send(struct bytes frame)
{
    assert_int_equal(bus_send(t.learner, &t.peer, frame), ST_OK);
}

static struct frame_header header(enum frame_kind kind)
{
    return (struct frame_header){
        .kind = (uint8_t)kind, .run = RUN, .actor = 3, .incarnation = 1};
}

static void send_bare(enum frame_kind kind)
{
    const struct frame_header h = header(kind);

    learner_send(codec_encode_bare(t.codec, &h));
}

static void send_welcome(uint64_t run, const char *goal)
{
    struct frame_header h = header(FRAME_JUDGE_WELCOME);
    const struct msg_judge_welcome w = {.goal = bytes_text(goal),
                                        .goal_digest = hash_128(bytes_text(goal)),
                                        .goal_text = bytes_text("Find it."),
                                        .credits = CREDITS,
                                        .environment = bytes_text("crypt-vault")};

    h.run = run;
    learner_send(codec_encode_judge_welcome(t.codec, &h, &w));
}

static void ask_for(uint64_t id, const char *text, enum question_purpose purpose,
                    bool order)
{
    const struct frame_header h = header(FRAME_QUESTIONS);
    struct msg_questions q = {.count = 1};

    q.question[0] =
        (struct msg_question){.id = id,
                              .kind = order ? QUESTION_ORDER : QUESTION_RATE,
                              .purpose = (uint8_t)purpose,
                              .lease_ms = 15000,
                              .captions = order ? 2 : 1,
                              .caption = {bytes_text(text), bytes_text("other")},
                              .truth = {-1, -1}};
    learner_send(codec_encode_questions(t.codec, &h, &q));
}

static void ask(uint64_t id, const char *text)
{
    ask_for(id, text, PURPOSE_LABEL, false);
}

static void acknowledge(uint64_t id)
{
    const struct frame_header h = header(FRAME_VERDICT_ACK);
    const struct msg_verdict_ack a = {.count = 1, .question = {id}};

    learner_send(codec_encode_verdict_ack(t.codec, &h, &a));
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
        } else if (h.kind == FRAME_BEAT) {
            t.beats++;
        } else {
            assert_int_equal(h.kind, FRAME_GOODBYE);
            t.goodbyes++;
        }
    }
    bus_frame_release(&t.frame);
}

/* Turns the judge and reads its frames for `ms` of virtual time, as a learner that says
 * nothing; its first other status, or ST_OK. */
static enum status turn(uint64_t ms)
{
    for (uint64_t spent = 0; spent <= ms; spent += 50) {
        enum status st;
        int steps = 0;
        do {
            st = serve_step(t.serve);
            learner_read();
        } while (st == ST_OK && ++steps < 1000);
        if (st != ST_OK && st != ST_AGAIN) {
            return st;
        }
        clock_turn_ms(&t.clock, spent < ms ? 50 : 0);
    }
    return ST_OK;
}

/* As turn(), with a learner that beats. */
static void turn_alive(uint64_t ms)
{
    for (uint64_t spent = 0; spent < ms; spent += 500) {
        send_bare(FRAME_BEAT);
        assert_int_equal(turn(500), ST_OK);
    }
}

static int set_up(void **state)
{
    (void)state;
    memset(&t, 0, sizeof(t));
    clock_init_manual(&t.clock, 1000000000);
    t.bus = bus_new_memory(&t.clock);
    t.codec = codec_new();
    assert_int_equal(
        bus_listen(t.bus, "127.0.0.1", 0, true, NULL, 1 << 20, &t.learner, t.endpoint),
        ST_OK);
    option_defaults(judge_option_table, &t.options);
    text_format(t.options.learner, sizeof(t.options.learner), "%s", t.endpoint);
    t.options.credits = CREDITS;
    t.serve = serve_new(&t.options, &fake, t.bus, &t.clock);
    log_open("judge", 0, LOG_ERROR_);
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

static void join(void)
{
    assert_int_equal(turn(0), ST_OK);
    assert_int_equal(t.hellos, 1);
    send_welcome(RUN, "treasure");
    assert_int_equal(turn(0), ST_OK);
    assert_int_equal(t.opened, 1);
}

static void a_judge_says_who_it_is_and_again_once_it_knows_the_goal(void **state)
{
    (void)state;
    assert_int_equal(turn(0), ST_OK);
    assert_int_equal(t.hellos, 1);
    assert_true(t.hello.can_rate && !t.hello.can_order && !t.hello.wants_truth);
    assert_int_equal(t.hello.credits, CREDITS);
    assert_int_equal(t.hello.deadline_ms, 10000);
    assert_int_equal(t.hello.prompt_digest.lo, 0);
    send_welcome(RUN, "treasure");
    assert_int_equal(turn(0), ST_OK);
    assert_int_equal(t.hellos, 2);
    assert_int_not_equal(t.hello.prompt_digest.lo, 0);
    send_welcome(RUN, "treasure");
    assert_int_equal(turn(0), ST_OK);
    assert_int_equal(t.hellos, 2);
    assert_int_equal(t.opened, 1);
}

static void a_question_is_answered_and_repeated_from_the_cache(void **state)
{
    (void)state;
    join();
    ask(1, "yes");
    assert_int_equal(turn(0), ST_OK);
    assert_int_equal(t.verdicts, 1);
    assert_int_equal(t.last.verdict[0].question, 1);
    assert_int_equal(t.last.verdict[0].kind, VERDICT_LABEL);
    assert_true(t.last.verdict[0].label == 1 && !t.last.verdict[0].cached);
    ask(2, "yes");
    assert_int_equal(turn(0), ST_OK);
    assert_true(t.last.verdict[0].label == 1 && t.last.verdict[0].cached);
    assert_int_equal(t.asked, 1);
}

static void a_question_with_another_purpose_is_asked_anew(void **state)
{
    (void)state;
    join();
    ask(1, "yes");
    ask_for(2, "yes", PURPOSE_CONSISTENCY, false);
    ask_for(3, "yes", PURPOSE_CANARY, false);
    assert_int_equal(turn(0), ST_OK);
    assert_int_equal(t.verdicts, 3);
    assert_int_equal(t.asked, 3);
}

static void an_answer_is_kept_until_acknowledged(void **state)
{
    (void)state;
    join();
    ask(1, "yes");
    assert_int_equal(turn(0), ST_OK);
    assert_int_equal(t.verdicts, 1);
    // The learner did not get it: the same question comes once more.
    ask(1, "yes");
    assert_int_equal(turn(0), ST_OK);
    assert_int_equal(t.verdicts, 2);
    assert_int_equal(t.asked, 1);
    // A new link: sent again unasked.
    send_bare(FRAME_WHO);
    assert_int_equal(turn(0), ST_OK);
    send_welcome(RUN, "treasure");
    assert_int_equal(turn(0), ST_OK);
    assert_int_equal(t.verdicts, 3);
    acknowledge(1);
    send_bare(FRAME_WHO);
    assert_int_equal(turn(0), ST_OK);
    send_welcome(RUN, "treasure");
    assert_int_equal(turn(0), ST_OK);
    assert_int_equal(t.verdicts, 3);
    assert_int_equal(t.asked, 1);
}

static void a_who_counts_whatever_run_it_names_and_a_question_does_not(void **state)
{
    struct frame_header h = header(FRAME_WHO);

    (void)state;
    join();
    h.run = 0;
    learner_send(codec_encode_bare(t.codec, &h));
    assert_int_equal(turn(0), ST_OK);
    assert_int_equal(t.hellos, 3);
    send_welcome(RUN + 1, "treasure");
    ask(1, "yes"); // of RUN
    assert_int_equal(turn(0), ST_OK);
    assert_int_equal(t.verdicts, 0);
}

static void answers_for_another_run_are_dropped(void **state)
{
    (void)state;
    join();
    ask(1, "yes");
    assert_int_equal(turn(0), ST_OK);
    send_bare(FRAME_WHO);
    assert_int_equal(turn(0), ST_OK);
    send_welcome(RUN + 1, "treasure");
    assert_int_equal(turn(0), ST_OK);
    assert_int_equal(t.verdicts, 1);
}

static void a_judge_of_a_run_directory_does_not_serve_another_run(void **state)
{
    const char *dir = harness_make_dir();

    (void)state;
    text_format(t.options.run_dir, sizeof(t.options.run_dir), "%s", dir);
    assert_int_equal(file_write_atomic(harness_path(dir, "run.json"),
                                       bytes_text("{\"run\": \"000000000000004d\"}")),
                     ST_OK); // 77, RUN
    assert_int_equal(turn(0), ST_OK);
    send_welcome(RUN + 1, "treasure");
    assert_int_equal(turn(0), ST_OK);
    assert_int_equal(t.opened, 0);
    assert_int_equal(turn(1500), ST_OK);
    assert_int_equal(t.hellos, 2); // goes on trying
    send_welcome(RUN, "treasure");
    assert_int_equal(turn(0), ST_OK);
    assert_int_equal(t.opened, 1);
    harness_remove_dir(dir);
}

static void more_than_the_desk_holds_is_an_overload(void **state)
{
    enum { DESK = 2 * CREDITS + QUESTIONS_PER_FRAME };

    (void)state;
    join();
    t.under_way = true;
    for (int i = 0; i < DESK + 5; i++) {
        ask((uint64_t)i + 1, "yes");
    }
    assert_int_equal(turn(0), ST_OK);
    assert_int_equal(t.verdicts, 5);
    assert_int_equal(t.last.verdict[0].kind, VERDICT_OVERLOAD);
    t.under_way = false;
    assert_int_equal(turn(0), ST_OK);
    assert_int_equal(t.verdicts, DESK + 5);
    assert_int_equal(t.asked, 1); // the cache knew the rest
}

static void a_question_past_its_deadline_is_answered_timeout_by_the_judge(void **state)
{
    (void)state;
    join();
    t.under_way = true;
    ask(1, "yes");
    turn_alive(9500);
    assert_int_equal(t.verdicts, 0);
    turn_alive(1000);
    assert_int_equal(t.verdicts, 1);
    assert_int_equal(t.last.verdict[0].kind, VERDICT_TIMEOUT);
    // It says nothing about the caption, so it is not remembered.
    t.under_way = false;
    acknowledge(1);
    ask(2, "yes");
    assert_int_equal(turn(0), ST_OK);
    assert_int_equal(t.last.verdict[0].kind, VERDICT_LABEL);
}

static void a_kind_that_a_judge_cannot_do_is_refused(void **state)
{
    (void)state;
    join();
    ask_for(1, "yes", PURPOSE_LABEL, true);
    assert_int_equal(turn(0), ST_OK);
    assert_int_equal(t.last.verdict[0].kind, VERDICT_REFUSED);
    assert_int_equal(t.asked, 0);
}

static void a_mistake_of_the_backend_is_unparseable_and_never_a_label(void **state)
{
    (void)state;
    join();
    ask(1, "x");
    assert_int_equal(turn(0), ST_OK);
    assert_int_equal(t.last.verdict[0].kind, VERDICT_UNPARSEABLE);
}

static void
a_judge_beats_each_second_and_says_hello_after_three_of_silence(void **state)
{
    (void)state;
    join();
    turn_alive(4000);
    assert_in_range(t.beats, 3, 4);
    assert_int_equal(t.hellos, 2);
    assert_int_equal(turn(3500), ST_OK);
    assert_int_equal(t.hellos, 3);
}

static void hellos_without_an_answer_come_ever_more_rarely(void **state)
{
    (void)state;
    // After 0, 1, 3, 7, 15, 23 ... s.
    assert_int_equal(turn(60000), ST_OK);
    assert_in_range(t.hellos, 9, 10);
}

static void a_restarted_learner_is_found_again(void **state)
{
    (void)state;
    join();
    ask(1, "yes");
    assert_int_equal(turn(0), ST_OK);
    bus_close(t.learner);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(serve_step(t.serve) == ST_INVALID, 0);
        clock_turn_ms(&t.clock, 100);
    }
    const int port = (int)strtol(strrchr(t.endpoint, ':') + 1, NULL, 10);
    assert_int_equal(bus_listen(t.bus, "127.0.0.1", port, true, NULL, 1 << 20,
                                &t.learner, t.endpoint),
                     ST_OK);
    t.verdicts = t.hellos = 0;
    assert_int_equal(turn(9000), ST_OK);
    assert_true(t.hellos >= 1);
    send_welcome(RUN, "treasure");
    assert_int_equal(turn(0), ST_OK);
    assert_int_equal(t.verdicts, 1); // what was never acknowledged
    assert_int_equal(t.opened, 1);
}

static void a_new_goal_opens_the_backend_anew_and_empties_the_cache(void **state)
{
    (void)state;
    join();
    ask(1, "yes");
    assert_int_equal(turn(0), ST_OK);
    send_welcome(RUN, "lore");
    ask(2, "yes");
    assert_int_equal(turn(0), ST_OK);
    assert_int_equal(t.opened, 2);
    assert_int_equal(t.asked, 2);
}

static void a_backend_that_cannot_judge_the_goal_ends_the_judge(void **state)
{
    (void)state;
    assert_int_equal(turn(0), ST_OK);
    send_welcome(RUN, "broken");
    assert_int_equal(turn(0), ST_NOTFOUND);
}

static void a_judge_for_one_goal_leaves_a_run_with_another(void **state)
{
    (void)state;
    strcpy(t.options.goal, "some/where/lore.goal");
    assert_int_equal(turn(0), ST_OK);
    send_welcome(RUN, "lore");
    assert_int_equal(turn(0), ST_OK);
    send_welcome(RUN, "treasure");
    harness_stderr_begin();
    const enum status st = turn(0);
    assert_non_null(strstr(harness_stderr_end(), "JUDGE-GOAL"));
    assert_int_equal(st, ST_INVALID);
}

static void
a_stop_sends_what_is_answered_says_goodbye_and_waits_two_seconds(void **state)
{
    (void)state;
    join();
    ask(1, "yes");
    assert_int_equal(turn(0), ST_OK);
    send_bare(FRAME_STOP);
    assert_int_equal(turn(1500), ST_OK); // not acknowledged yet
    assert_int_equal(t.goodbyes, 0);
    assert_int_equal(turn(1500), ST_CLOSED);
    assert_int_equal(t.goodbyes, 1);
}

static void an_acknowledged_judge_stops_at_once(void **state)
{
    (void)state;
    join();
    ask(1, "yes");
    assert_int_equal(turn(0), ST_OK);
    acknowledge(1);
    assert_int_equal(turn(0), ST_OK);
    serve_stop(t.serve);
    assert_int_equal(turn(0), ST_CLOSED);
    assert_int_equal(t.goodbyes, 1);
}

static void a_final_refusal_ends_the_judge(void **state)
{
    const struct frame_header h = {.kind = FRAME_REFUSE};
    const struct msg_refuse m = {.reason = bytes_text("another protocol"),
                                 .final = true};

    (void)state;
    assert_int_equal(turn(0), ST_OK);
    harness_stderr_begin();
    learner_send(codec_encode_refuse(t.codec, &h, &m));
    const enum status st = turn(0);
    assert_non_null(strstr(harness_stderr_end(), "another protocol"));
    assert_int_equal(st, ST_INVALID);
}

static void garbage_is_counted_and_dropped(void **state)
{
    uint8_t junk[512];
    struct rng rng;

    (void)state;
    join();
    rng_init(&rng, 5);
    for (int n = 0; n < 3000; n++) {
        const struct frame_header h = header(
            (enum frame_kind)(n % 2 == 0 ? FRAME_QUESTIONS : FRAME_JUDGE_WELCOME));
        const size_t len = 1 + rng_below(&rng, sizeof(junk));
        for (size_t i = 0; i < len; i++) {
            junk[i] = (uint8_t)rng_next(&rng);
        }
        if (len > FRAME_HEADER && n % 3 != 0) {
            frame_write_header(&h, junk); // garbage behind a good header
        }
        learner_send(bytes_of(junk, len));
        if (n % 100 == 0) {
            assert_int_equal(turn(0), ST_OK);
        }
    }
    assert_int_equal(turn(0), ST_OK);
    assert_int_equal(serve_counters(t.serve)->frames_refused, 3000);
    ask(1, "yes");
    assert_int_equal(turn(0), ST_OK);
    assert_int_equal(t.verdicts, 1);
}

static void a_thousand_questions_allocate_nothing(void **state)
{
    char text[32];
    uint64_t before = 0;

    (void)state;
    join();
    for (uint64_t id = 1; id <= 1100; id++) {
        text_format(text, sizeof(text), "y%llu", (unsigned long long)id);
        ask(id, text);
        assert_int_equal(turn(0), ST_OK);
        acknowledge(id);
        assert_int_equal(turn(0), ST_OK);
        if (id == 100) {
            before = mem_allocations();
        }
    }
    assert_int_equal(mem_allocations(), before);
    assert_int_equal(serve_answers(t.serve)->answers, 1100);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_judge_says_who_it_is_and_again_once_it_knows_the_goal),
        TEST(a_question_is_answered_and_repeated_from_the_cache),
        TEST(a_question_with_another_purpose_is_asked_anew),
        TEST(an_answer_is_kept_until_acknowledged),
        TEST(a_who_counts_whatever_run_it_names_and_a_question_does_not),
        TEST(answers_for_another_run_are_dropped),
        TEST(a_judge_of_a_run_directory_does_not_serve_another_run),
        TEST(more_than_the_desk_holds_is_an_overload),
        TEST(a_question_past_its_deadline_is_answered_timeout_by_the_judge),
        TEST(a_kind_that_a_judge_cannot_do_is_refused),
        TEST(a_mistake_of_the_backend_is_unparseable_and_never_a_label),
        TEST(a_judge_beats_each_second_and_says_hello_after_three_of_silence),
        TEST(hellos_without_an_answer_come_ever_more_rarely),
        TEST(a_restarted_learner_is_found_again),
        TEST(a_new_goal_opens_the_backend_anew_and_empties_the_cache),
        TEST(a_backend_that_cannot_judge_the_goal_ends_the_judge),
        TEST(a_judge_for_one_goal_leaves_a_run_with_another),
        TEST(a_stop_sends_what_is_answered_says_goodbye_and_waits_two_seconds),
        TEST(an_acknowledged_judge_stops_at_once),
        TEST(a_final_refusal_ends_the_judge),
        TEST(garbage_is_counted_and_dropped),
        TEST(a_thousand_questions_allocate_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
