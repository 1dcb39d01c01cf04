/* The same bytes in another language: Debian's Python reads a segment, and the example
 * judge, which knows only schemas/README.md, joins and answers. */

#include "tests/support/harness.h"

#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/text.h"
#include "common/wire/bus.h"
#include "common/wire/codec.h"
#include "tests/support/wire_samples.h"

extern char **environ;

enum { PATIENCE_MS = 120000, FRAME_MOST = 1 << 20 };

static const char *source_dir(void)
{
    const char *dir = getenv("MINOS_SOURCE");

    assert_non_null(dir);
    return dir;
}

static pid_t child; // 0: none runs

static void start_python(char *const argv[])
{
    assert_int_equal(posix_spawn(&child, "/usr/bin/python3", NULL, NULL, argv, environ),
                     0);
}

static int end_child(void **state)
{
    (void)state;
    harness_kill(&child);
    return 0;
}

/* ---- a segment ---- */

static void add_rows(struct text_buf *out, const struct sample_segment *s)
{
    for (int t = 0; t < SAMPLE_T; t++) {
        text_buf_add(out, "row %d %d %d %d %d %g %g %g\n", t, s->caption[t],
                     s->count[t], s->action[t], s->flags[t], (double)s->logp[t],
                     (double)s->value[t], (double)s->reward[t]);
    }
    for (int i = 0; i < s->fill.texts; i++) {
        const struct segment_text *t = &s->text[i];
        text_buf_add(out, "text %d ", i);
        for (size_t k = 0; k < t->text.len; k++) {
            text_buf_add(out, "%02x", ((const uint8_t *)t->text.data)[k]);
        }
        text_buf_add(out, " %d %d %d\n", t->event, t->truth, t->strength);
    }
    for (int i = 0; i < s->fill.episodes; i++) {
        const struct segment_episode *e = &s->episode[i];
        text_buf_add(out, "episode %d %d %g %g %d %llx %d %.*s\n", e->row,
                     e->next_caption, (double)e->final_value, (double)e->episode_return,
                     e->length, (unsigned long long)e->seed, e->success,
                     (int)e->cause.len, (const char *)e->cause.data);
    }
}

static void expected_reading(struct text_buf *out, const struct sample_segment *s)
{
    const struct segment_fill *f = &s->fill;
    long chars = 0, colors = 0, stats = 0;

    for (int i = 0; i < SAMPLE_T * SEGMENT_CELLS; i++) {
        chars += s->chars[i];
        colors += s->colors[i];
    }
    for (int i = 0; i < SAMPLE_T * SEGMENT_STATS; i++) {
        stats += s->stats[i];
    }
    text_buf_add(out, "header MINO 1 2 %llx %u %u %llu\n",
                 (unsigned long long)f->header.run, f->header.actor,
                 f->header.incarnation, (unsigned long long)f->header.seq);
    text_buf_add(out, "acted %u %llu seed %llu env %u\n", f->version.start,
                 (unsigned long long)f->version.update, (unsigned long long)f->seed,
                 f->env);
    text_buf_add(out, "steps %d %d %d %d\nsums %ld %ld %ld\n", SAMPLE_T,
                 SAMPLE_T * SEGMENT_CELLS, SAMPLE_T * SEGMENT_STATS, SAMPLE_STATE,
                 chars, colors, stats);
    add_rows(out, s);
    text_buf_add(out, "first %d %d %d %g\n", f->first_caption, f->first_action,
                 f->first_starts, (double)f->bootstrap);
}

static void python_reads_every_field_of_a_segment(void **state)
{
    const char *dir = harness_make_dir();
    char script[1024], schemas[1024], frame_path[1024], command[4096];
    struct codec *codec = codec_new();
    struct text_buf expected = {0}, got = {0};
    struct sample_segment s;
    char line[4096];

    (void)state;
    sample_segment_init(&s);
    expected_reading(&expected, &s);
    text_format(frame_path, sizeof(frame_path), "%s/segment", dir);
    assert_int_equal(
        file_write_atomic(frame_path, codec_encode_segment(codec, &s.fill)), ST_OK);
    text_format(script, sizeof(script), "%s/tests/support/segment_reader.py",
                source_dir());
    text_format(schemas, sizeof(schemas), "%s/schemas", source_dir());
    text_format(command, sizeof(command), "/usr/bin/python3 '%s' '%s' '%s'", script,
                schemas, frame_path);
    FILE *out = popen(command, "r");
    assert_non_null(out);
    while (fgets(line, sizeof(line), out) != NULL) {
        text_buf_add(&got, "%s", line);
    }
    assert_int_equal(pclose(out), 0);
    assert_string_equal(got.data, expected.data);
    text_buf_release(&expected);
    text_buf_release(&got);
    codec_free(codec);
    harness_remove_dir(dir);
}

/* ---- a judge ---- */

struct learner {
    struct bus *bus;
    struct bus_socket *socket;
    struct codec *codec;
    struct bus_frame frame;
    char endpoint[BUS_ENDPOINT_MAX];
};

static void learner_open(struct learner *l)
{
    l->bus = bus_new();
    l->codec = codec_new();
    l->frame = (struct bus_frame){0};
    assert_int_equal(bus_listen(l->bus, "127.0.0.1", 0, true, NULL, FRAME_MOST,
                                &l->socket, l->endpoint),
                     ST_OK);
}

static void learner_close(struct learner *l)
{
    bus_frame_release(&l->frame);
    bus_close(l->socket);
    bus_free(l->bus);
    codec_free(l->codec);
}

/* The next frame of `kind`; others are passed over. */
static struct frame_header learner_expect(struct learner *l, uint8_t kind)
{
    const uint64_t end = clock_ms(clock_system()) + PATIENCE_MS;
    struct frame_header h = {0};

    while (h.kind != kind) {
        assert_true(clock_ms(clock_system()) < end);
        if (bus_receive(l->socket, &l->frame) == ST_OK) {
            assert_int_equal(frame_read_header(l->frame.bytes, &h), ST_OK);
        } else {
            (void)bus_wait(&l->socket, 1, NULL, 0, NULL, 100);
        }
    }
    return h;
}

static void learner_send(struct learner *l, const struct bus_peer *to,
                         struct bytes frame)
{
    assert_int_equal(bus_send(l->socket, to, frame), ST_OK);
}

static void ask(struct learner *l, const struct bus_peer *judge,
                const struct frame_header *h, struct msg_verdicts *answers)
{
    const struct msg_questions m = {
        .count = 3,
        .question = {{.id = 11,
                      .kind = QUESTION_RATE,
                      .lease_ms = 10000,
                      .captions = 1,
                      .caption = {bytes_text("You find 12 GOLD pieces.")},
                      .truth = {-1}},
                     {.id = 12,
                      .kind = QUESTION_RATE,
                      .lease_ms = 10000,
                      .captions = 1,
                      .caption = {bytes_text("You hear \xe9 water.")},
                      .truth = {-1}},
                     {.id = 13,
                      .kind = QUESTION_ORDER,
                      .lease_ms = 10000,
                      .captions = 2,
                      .caption = {bytes_text("a"), bytes_text("b")},
                      .truth = {-1, -1}}}};

    learner_send(l, judge, codec_encode_questions(l->codec, h, &m));
    const struct frame_header got = learner_expect(l, FRAME_VERDICTS);
    assert_true(got.run == h->run);
    assert_int_equal(got.actor, h->actor);
    assert_int_equal(got.incarnation, h->incarnation);
    assert_int_equal(codec_decode_verdicts(l->codec, l->frame.bytes, answers), ST_OK);
    assert_int_equal(answers->count, 3);
}

static struct bus_peer join(struct learner *l, const struct frame_header *h)
{
    const struct msg_judge_welcome welcome = sample_judge_welcome();
    struct msg_judge_hello hello;

    (void)learner_expect(l, FRAME_JUDGE_HELLO);
    const struct bus_peer judge = l->frame.peer;
    assert_int_equal(codec_decode_judge_hello(l->codec, l->frame.bytes, &hello), ST_OK);
    assert_true(hello.can_rate && !hello.can_order && hello.credits == 64);
    assert_false(hello.prompt_digest.lo == 0 && hello.prompt_digest.hi == 0);
    learner_send(l, &judge, codec_encode_judge_welcome(l->codec, h, &welcome));
    return judge;
}

static void the_example_judge_in_python_joins_answers_and_stops(void **state)
{
    struct frame_header h = {.run = 77, .actor = 4, .incarnation = 1};
    struct msg_verdicts v;
    struct learner l;
    char script[1024], flag[BUS_ENDPOINT_MAX + 16];
    int rc;

    (void)state;
    learner_open(&l);
    text_format(script, sizeof(script), "%s/judge/examples/judge_example.py",
                source_dir());
    text_format(flag, sizeof(flag), "--learner=%s", l.endpoint);
    char *argv[] = {"python3", script, flag, "--id=3", "gold", NULL};
    start_python(argv);
    struct bus_peer judge = join(&l, &h);
    ask(&l, &judge, &h, &v);
    assert_int_equal(v.verdict[0].question, 11);
    assert_int_equal(v.verdict[0].kind, VERDICT_LABEL);
    assert_true(v.verdict[0].label == 1);
    assert_int_equal(v.verdict[1].kind, VERDICT_LABEL);
    assert_true(v.verdict[1].label == 0);
    assert_int_equal(v.verdict[2].kind, VERDICT_REFUSED);
    // What is not acknowledged comes again.
    const struct msg_verdict_ack ack = {.count = 2, .question = {11, 13}};
    learner_send(&l, &judge, codec_encode_verdict_ack(l.codec, &h, &ack));
    do { // all three once more, where it is slow to read that
        (void)learner_expect(&l, FRAME_VERDICTS);
        assert_int_equal(codec_decode_verdicts(l.codec, l.frame.bytes, &v), ST_OK);
    } while (v.count == 3);
    assert_int_equal(v.count, 1);
    assert_int_equal(v.verdict[0].question, 12);
    // One that is told to introduce itself does, and goes on.
    struct frame_header who = h;
    who.kind = FRAME_WHO;
    learner_send(&l, &judge, codec_encode_bare(l.codec, &who));
    judge = join(&l, &h);
    (void)learner_expect(&l, FRAME_BEAT);
    who.kind = FRAME_STOP;
    learner_send(&l, &judge, codec_encode_bare(l.codec, &who));
    (void)learner_expect(&l, FRAME_GOODBYE);
    assert_int_equal(waitpid(child, &rc, 0), child);
    child = 0;
    assert_true(WIFEXITED(rc) && WEXITSTATUS(rc) == 0);
    learner_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(python_reads_every_field_of_a_segment),
        cmocka_unit_test_teardown(the_example_judge_in_python_joins_answers_and_stops,
                                  end_child),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
