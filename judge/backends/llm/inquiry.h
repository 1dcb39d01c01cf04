#ifndef JUDGE_BACKENDS_LLM_INQUIRY_H
#define JUDGE_BACKENDS_LLM_INQUIRY_H
/* One question on its way to one verdict: its shots, each a vote in one order of the
 * captions, and how their answers become one. Pure: nothing is sent here.
 *
 * Rates: P is the mean of the votes. Pairs and orders are shown in both directions,
 * which count alike; hard answers that disagree are a tie. A direction of which half the
 * votes or more failed gives no label: the verdict is the failure. One thread. */

#include "judge/backends/llm/budget.h"
#include "judge/backends/llm/parse.h"
#include "judge/judge.h"

enum { VOTES_MAX = 16, SHOTS_MAX = 2 * VOTES_MAX, ANSWERED_MAX = 1024, WHY_MAX = 256 };

enum shot_state { SHOT_READY, SHOT_SENT, SHOT_DONE, SHOT_FAILED };

struct shot {
    enum shot_state state;
    bool reversed;  // the captions are shown from last to first
    bool follow_up; // its answer could not be read, and it is asked once more
    bool soft;      // from log-probabilities
    bool hard;      // DONE: no degrees in the answer
    bool fresh;     // not over a connection that was kept
    int attempt;    // requests of it that came to nothing
    int handle;     // SENT
    uint64_t not_before_ms;
    struct budget_amount reserved;   // SENT
    size_t text_bytes;               // SENT: of the texts in the request
    double p;                        // DONE: as struct parsed has it, of what was shown
    uint8_t rank[ITEM_CAPTIONS_MAX]; // DONE: by caption
    char answered[ANSWERED_MAX];     // the end of what could not be read
};

struct inquiry {
    bool used, done;
    bool no_follow_up; // of a form that is tried out
    int retries;
    uint64_t serial; // the lower, the longer it waits
    uint64_t begun_ms;
    struct judge_question question;
    struct judge_caption caption[ITEM_CAPTIONS_MAX];
    enum prompt_style style;
    int votes, shots;
    struct shot *shot;            // (SHOTS_MAX)
    struct judge_verdict verdict; // its costs and raw text grow
    // How the last request failed: the HTTP code, 0 where no answer came.
    int code;
    bool untrusted, not_openai, cut;
    char why[WHY_MAX];
};

/* A copy of the question, with everything still to be done. `shot` has room for all. */
void inquiry_begin(struct inquiry *q, const struct judge_question *question,
                   enum prompt_style style, int votes, int retries);
/* The order in which a shot shows the captions, as prompt_fill() takes it. */
void inquiry_shown(const struct inquiry *q, const struct shot *s,
                   uint8_t shown[ITEM_CAPTIONS_MAX]);
/* The shot has its answer; `p` in place of the parsed one when soft. */
void inquiry_take(struct inquiry *q, struct shot *s, const struct parsed *answer,
                  bool soft, double p);
/* The shot came to nothing; `kind` is what the verdict is if that decides it. */
void inquiry_fail(struct inquiry *q, struct shot *s, enum verdict_kind kind);
/* The whole question did. */
void inquiry_end(struct inquiry *q, enum verdict_kind kind);
/* Adds what a server said to the raw text, within the shot's share of it; scrubbed by
 * the caller, from the place that is returned on. */
size_t inquiry_add_raw(struct inquiry *q, const struct shot *s, const char *note,
                       struct bytes text);

#endif
