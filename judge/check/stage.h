#ifndef JUDGE_CHECK_STAGE_H
#define JUDGE_CHECK_STAGE_H
/* The learner that judge-check plays: one listening socket with the real codec, one judge
 * opposite, and a book of every question asked. What it does by itself (welcome, beat,
 * acknowledge) is switched by the checks. One thread; every wait has an end. */

#include "common/base/text.h"
#include "common/wire/bus.h"
#include "common/wire/codec.h"
#include "judge/check/check_child.h"

enum {
    STAGE_QUESTIONS = 8192, // asked in one run of judge-check
    STAGE_CREDITS_MOST = 4096,
    STAGE_HELLO_MS = 12000,   // a judge says hello again at the latest after 8 s
    STAGE_EXTRA_MS = 5000,    // what a lease is longer than the judge's deadline
    STAGE_PATIENCE_MS = 30000 // and the stage's patience: the machine may be slow
};

/* A question and what came of it. After a welcome a judge says again what was not
 * acknowledged: an answer that crosses a welcome may rightly come twice. */
struct asked {
    struct msg_question question; // captions: as stage_book() says
    uint64_t asked_ns, answered_ns;
    int times, verdicts;
    bool prompt;                // acknowledged as soon as it was answered
    int welcomes;               // that came while an answer may have been on its way
    bool changed;               // a later verdict differs from the first
    struct msg_verdict verdict; // the first; raw is empty
};

struct stage_plan {
    const char *goal, *task, *goal_text;
    const char *host; // to listen on
    int port;         // 0: any
    uint64_t patience_ms;
};

struct stage {
    struct stage_plan plan;
    struct bus *bus;
    struct bus_socket *socket;
    struct codec *codec;
    struct bus_frame frame;
    char endpoint[BUS_ENDPOINT_MAX];
    int port;
    struct check_child child;

    uint64_t run, next_id;
    uint32_t start; // ours: what the judge's incarnation is

    // The judge, from its hellos.
    struct bus_peer peer;
    struct msg_judge_hello hello; // texts point into the next three
    char name[256], model[256], host[256];
    struct frame_header hello_header;
    bool met, joined; // it has said hello; it was welcomed in this start
    uint64_t hellos, beats, goodbyes, heard_ms, sent_ms;

    // What the stage does by itself.
    bool welcomes, acknowledges, beating;

    // What was wrong, whenever it was seen: the first of each kind.
    char bad_frame[200], stray[200], bad_header[200], misfit[200];

    struct asked *asked;
    char (*text)[SEGMENT_TEXT_MAX + 1]; // copies of the captions to rate, by question
    int count;
    struct msg_questions out;
    struct msg_verdicts in;
};

MUST_USE enum status stage_open(struct stage *s, const struct stage_plan *plan);
void stage_close(struct stage *s); // with its child

/* Handles what comes until done(s, arg) holds (true) or ms have passed, the judge's
 * process has ended or we are stopped. done NULL: for the whole time. */
typedef bool stage_done(const struct stage *s, uint64_t arg);
bool stage_wait(struct stage *s, uint64_t ms, stage_done *done, uint64_t arg);
/* Some conditions. */
bool stage_hellos_above(const struct stage *s, uint64_t n);
bool stage_all_answered(const struct stage *s, uint64_t from); // questions from.. on
bool stage_has_joined(const struct stage *s, uint64_t unused);
/* Whether question `at` has more than `had` verdicts within ms. */
bool stage_comes_again(struct stage *s, int at, int had, uint64_t ms);
bool stage_beats_above(const struct stage *s, uint64_t n);

/* Whether there is a judge: its process lives, where it is ours, or it was heard. */
bool stage_alive(struct stage *s);
/* For how long an answer may take. */
uint64_t stage_patience_ms(const struct stage *s);

/* Books a question; purpose label. Its index. The caption of a rating is copied, those
 * of an order must stay. */
int stage_book(struct stage *s, enum question_kind kind, int captions,
               const char *const *text, const bool *helpful);
/* Sends the questions [from, to), 64 to a frame. */
void stage_send(struct stage *s, int from, int to);
/* Sends them and waits until all are answered; false: not all. */
bool stage_ask(struct stage *s, int from, int to);
struct asked *stage_at(struct stage *s, int index);

struct frame_header stage_header(const struct stage *s, enum frame_kind kind);
void stage_put(struct stage *s, struct bytes frame); // to the judge, as it is
void stage_put_bare(struct stage *s, enum frame_kind kind);
void stage_welcome(struct stage *s);
void stage_refuse(struct stage *s, bool final);
void stage_acknowledge(struct stage *s, const uint64_t *id, int count);
/* The learner is gone and comes back at its address, as another start of the run, or of
 * another run. */
MUST_USE enum status stage_restart(struct stage *s, bool other_run);

#endif
