#ifndef JUDGE_BACKENDS_LLM_PROMPT_H
#define JUDGE_BACKENDS_LLM_PROMPT_H
/* What a language model is asked: a prompt file (judge/prompts/README.md) filled with the
 * goal, the environment's description and the captions, which are data: delimited, and
 * escaped so that neither a delimiter, a chat template's token nor a control byte of
 * theirs survives. How the answers are read is parse.h.
 *
 * Threads: one. prompt_fill() and prompt_schema() replace what their buffers hold. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/hash.h"
#include "common/base/status.h"
#include "common/base/text.h"
#include "judge/judge.h"

enum prompt_style {
    STYLE_BINARY, // rate: yes or no
    STYLE_GRADED, // rate: a whole number from 0 to 10
    STYLE_PAIR,   // order two captions: 1, 2 or tie
    STYLE_ORDER,  // order 2 to ITEM_CAPTIONS_MAX captions: "2 > 1 = 3", best first
    STYLES
};

/* How the server is made to answer; how to answer is said to the model accordingly. */
enum prompt_mode {
    MODE_TEXT,   // free text that ends with the tagged answer: parse_text()
    MODE_SCHEMA, // an object of prompt_schema(): parse_structured()
    MODE_CHOICE, // one of prompt_choices() and nothing else: parse_choice()
};

struct prompt_options {
    const char *style; // "binary", "graded", "pair" or "order"
    bool reasoning;    // a short reasoning comes before the answer
    const char *file;  // a prompt file; "" or NULL = ours for style and reasoning
};

struct prompt;

/* "binary", … */
const char *prompt_style_name(enum prompt_style style);
/* False: no such style; nothing is logged. */
bool prompt_style_find(const char *name, enum prompt_style *out);

/* `goal` is borrowed until prompt_free(). Begins in MODE_TEXT. Logged: ST_INVALID, no
 * such style (with the nearest) or a file that is not as the README says (with file,
 * line and what is missing); ST_NOTFOUND, no such file; ST_FULL, larger than 64 KB. */
MUST_USE enum status prompt_open(const struct judge_goal *goal,
                                 const struct prompt_options *o, struct prompt **out);
void prompt_free(struct prompt *p); // NULL is fine

enum prompt_style prompt_style_of(const struct prompt *p);
/* Once it is known what the server can do; texts got before are void. */
void prompt_set_mode(struct prompt *p, enum prompt_mode mode);

/* What is sent about this question with its captions in the order `shown` (indices into
 * q->caption; NULL = as they are): UTF-8. The question has 1 caption for a rating style,
 * 2 for pairs, 2 to ITEM_CAPTIONS_MAX for orders; this is CHECKed. */
void prompt_fill(const struct prompt *p, const struct judge_question *q,
                 const uint8_t *shown, struct text_buf *system, struct text_buf *user);
/* The one short follow-up to an answer that could not be read. Borrowed. */
const char *prompt_reminder(const struct prompt *p);

/* The JSON schema of a structured answer, an object: "answer", and before it "reasoning"
 * where that was asked for. `captions` as in the question. */
void prompt_schema(const struct prompt *p, int captions, struct text_buf *out);
/* The words of a constrained choice ("yes", "no"; "0" … "10"; "1", "2", "tie"; all
 * orders of two or three captions), borrowed. Returns how many; 0: no choice is possible,
 * since reasoning comes first or they are more than `most`. */
enum { PROMPT_CHOICES_MOST = 16 }; // never more
int prompt_choices(const struct prompt *p, int captions, const char *out[], int most);

/* Of everything that shapes an answer beside the captions: all texts with the item slot
 * empty, style, mode, schema, choices, delimiters, PARSE_VERSION and `decoding`, the
 * caller's own account of votes, temperature, model parameters and so on. */
struct hash128 prompt_digest(const struct prompt *p, struct bytes decoding);

#endif
