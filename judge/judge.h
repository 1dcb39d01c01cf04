#ifndef JUDGE_JUDGE_H
#define JUDGE_JUDGE_H
/* The contract of a judge: what a backend is, for the built-in ones and for yours.
 *
 * A judge of your own is one file: fill a constant struct judge_backend and let main()
 * be `return judge_main(&my_backend, argc, argv);` (judge/examples/judge_example.c).
 * judge_main() does the rest: options, the link to the learner, credit, leases, the
 * cache of answers, heartbeats, reconnecting, stopping.
 *
 * Threads: one. All functions of a backend are called from it. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/hash.h"
#include "common/base/status.h"
#include "common/wire/messages.h"

enum { JUDGE_RAW_MAX = 4096 };

struct clock; // common/base/clock.h
struct judge_options;

/* The goal of the run, as its .goal file has it (judge/goals/README.md), and the task it
 * is judged in. Everything is borrowed until the backend is closed. */
struct judge_goal {
    const char *name;              // "treasure"
    const char *sentence;          // the preference
    const char *const *principles; // (principle_count)
    int principle_count;
    const char *task;   // "crypt-vault"
    const char *family; // "crypt": the task's name up to its first '-'
    const char *text;   // the whole file
};

struct judge_setup {
    const struct judge_goal *goal;
    const struct judge_options *options; // judge/options.h
    const struct clock *clock;
};

/* A caption: at most 255 bytes, Latin-1, any of them, also 0; a 0 stands behind it. */
struct judge_caption {
    char text[SEGMENT_TEXT_MAX + 1];
    uint8_t len;
    int8_t truth;     // -1 unless the backend wants the truth and the game knows it
    uint8_t strength; // 0..3, likewise
};

struct judge_question {
    uint64_t id;
    enum question_kind kind;
    enum question_purpose purpose;
    int captions;                        // 1 to rate, K to order
    const struct judge_caption *caption; // (captions)
    uint64_t taken_ns;                   // when it came, by the setup's clock
    uint64_t deadline_ns;                // by the same; then it is a timeout
};

/* Comes to ask() as VERDICT_ABSTAIN with unknown confidence. */
struct judge_verdict {
    enum verdict_kind kind;
    float label;                      // rate: P(helpful), 0..1
    uint8_t order[ITEM_CAPTIONS_MAX]; // order: rank of each caption, 0 best
    float confidence;                 // 0..1, NaN unknown
    uint32_t tokens_in, tokens_out;
    uint32_t cost_micro; // millionths of the currency of the prices
    uint16_t requests;   // made over HTTP for this question; 0 where there are none
    bool estimated;      // the tokens are, by us: the server did not say
    // Pairs shown in both orders: 0 they agreed, 1 the first shown won both, -1 the
    // second shown did; else POSITION_UNKNOWN.
    int8_t position;
    uint16_t raw_len;
    char raw[JUDGE_RAW_MAX]; // the answer as text, for the ledger; may be empty
};

struct judge_backend {
    const char *name; // in every record of the ledger
    bool can_rate, can_order;
    bool wants_truth;  // only a simulated judge may
    double deadline_s; // for one question, where --judge-deadline is 0; 0 = 10 s
    int pause_ms;      // between two asks of a question under way; 0 = 10 ms

    /* Optional. Called before anything else is done; what can be known from the options
     * and the environment alone. ST_INVALID, ST_NOTFOUND (logged here): exit 2. */
    enum status (*check)(const struct judge_options *options);
    /* Optional. Called when the learner has told the goal, and again after close() when
     * the goal changed. ST_INVALID, ST_NOTFOUND (logged here): the user must mend
     * something, exit 2; anything else: exit 1. */
    enum status (*open)(const struct judge_setup *setup, void **self);
    void (*close)(void *self);
    /* ST_OK: *v holds the verdict. ST_AGAIN: under way; the same question (same id) is
     * asked again soon, while others are asked too, until drop() or its deadline.
     * Anything else: the verdict is `refused`. Should return within a second: the
     * learner gives a silent judge up after three. */
    enum status (*ask)(void *self, const struct judge_question *q,
                       struct judge_verdict *v);
    /* Optional. The model's name, and a digest of everything beside the question that
     * shapes an answer (rules, prompt). Without it: of the goal's text. */
    const char *(*model)(const void *self);
    struct hash128 (*prompt)(const void *self);

    /* All optional, for backends that wait for something. turn() is called each turn of
     * the loop, to drive sockets and timers: ST_OK: at work, so at most 10 ms apart;
     * ST_AGAIN: nothing is under way; ST_INVALID, ST_NOTFOUND, others: as open(). */
    enum status (*turn)(void *self);
    /* The question is not asked again (its deadline passed, somebody else answered it, or
     * the learner is another): cancel and forget it. */
    void (*drop)(void *self, uint64_t id);
    /* How many questions it wants to hold now, at most --credits; 0: ask me nothing. The
     * learner is told when it becomes 0, when it no longer is, and when it falls by
     * more than an eighth or doubles. */
    uint32_t (*credits)(const void *self);
    /* Why credits() is 0: told with it, so that the run can say what it waits for. */
    enum judge_pause (*pause)(const void *self);
    /* Called again and again once the judge is to leave: from the first time on begin
     * nothing more. True while answers are to come of what was begun, and paid for; the
     * judge waits for them, 5 s at most. Without it what waits is left at once. */
    bool (*stop)(void *self);
    /* What it can do, known once it is open. Without it can_rate, can_order, K up to
     * 8. */
    void (*kinds)(const void *self, bool *rate, bool *order, uint32_t *order_most);
};

/* A rating: P(helpful) in [0,1]; anything else is `unparseable`. */
void judge_rate(struct judge_verdict *v, double p);
/* An order by score, the larger the better; equal scores share a rank, all equal is a
 * tie. A NaN among them is `unparseable`. */
void judge_order(struct judge_verdict *v, const double *score, int captions);

/* A whole program around `backend`; NULL: the built-in one that --judge names. Returns
 * the exit code. */
int judge_main(const struct judge_backend *backend, int argc, char **argv);

#endif
