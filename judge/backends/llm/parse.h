#ifndef JUDGE_BACKENDS_LLM_PARSE_H
#define JUDGE_BACKENDS_LLM_PARSE_H
/* How a language model's answer is read: strictly, since what is guessed here would be
 * trained on. Bytes from outside; any length, any content.
 *
 * An answer, by style, in all three forms (tagged text, object, choice):
 *   binary   yes | no
 *   graded   0 … 10 (in an object: a whole number, not a text)
 *   pair     1 | 2 | tie: the shown caption that serves the goal better
 *   order    the shown captions, best first, each once: "2 > 1 = 3"; = is a tie
 *
 * Threads: any; nothing is kept. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/wire/messages.h"
#include "judge/backends/llm/prompt.h"

/* Part of the prompt digest. Raise it when anything here, the escaping of captions or
 * their delimiters change. */
enum { PARSE_VERSION = 1, PARSE_ANSWER_MAX = 1 << 16 };

struct parsed {
    bool ok;
    bool hard; // no degrees in it: everything but a grade
    /* rate: P(helpful), of a grade g/10. pair: 1 the first shown is better, 0 the second,
     * 0.5 a tie. order: 0. */
    double p;
    uint8_t
        rank[ITEM_CAPTIONS_MAX]; // pair, order: by SHOWN position, 0 best, equal = tie
    size_t at, len;  // where the answer's word lies in the bytes; len 0: not known
    const char *why; // not ok: a static text, "no last line with the answer"
};

/* Free text. Ok where the last line that is not blank is exactly "<answer>ANSWER</answer>"
 * (blanks around it aside) and no other tag anywhere holds another answer. */
void parse_text(enum prompt_style s, int captions, struct bytes answer,
                struct parsed *out);
/* {"reasoning": TEXT, "answer": ANSWER}, reasoning optional, nothing else, nothing nested,
 * no key twice, at most PARSE_ANSWER_MAX bytes. */
void parse_structured(enum prompt_style s, int captions, struct bytes json,
                      struct parsed *out);
/* Exactly one of prompt_choices(), white space around it aside. */
void parse_choice(enum prompt_style s, int captions, struct bytes answer,
                  struct parsed *out);

/* P from the log-probabilities of the tokens that compete at the answer's position
 * (parsed.at): binary P(yes), graded the expected grade / 10, pair P(first shown is
 * better) with ties by half. A token counts by its text without blanks, quotes, case and
 * tokenizers' marks for a space; the same text given twice counts once. False (*p
 * untouched) when less than half of the probability lies on answers, numbers are no
 * log-probabilities, a grade of 1 may be the beginning of 10, and for orders. */
bool parse_logprobs(enum prompt_style s, const char *const *token,
                    const double *logprob, int n, double *p);

#endif
