#ifndef JUDGE_BACKENDS_SIM_KNOBS_H
#define JUDGE_BACKENDS_SIM_KNOBS_H
/* What a simulated judge does wrong, how often and when: the settings --sim-*, which
 * judge/backends/README.md tells one by one. At rest (all as preset) it answers rightly
 * and at once. Main thread. */

#include "common/base/option.h"
#include "common/base/text.h"

enum { SIM_VOTES_MAX = 15 };

struct sim_knobs {
    int64_t votes,
        orders; // votes on one question; orders that a pair is shown in: 1, 2
    double flip_ask, flip_caption;
    double position_bias, length_bias; // -1..1
    double adversary;
    char target[OPTION_TEXT_MAX];
    double drift, drift_hour; // captions flipped anew by 1,000 questions, by an hour
    int64_t raw;              // bytes of reasoning with each answer
    double abstain, timeout, refused, overload, unparseable, garbage;
    double latency, latency_p99, latency_cap; // seconds; p99 0: all the same
    char outage[OPTION_TEXT_MAX];
    double outage_every, outage_length; // seconds
};

/* ST_INVALID (logged): two settings contradict each other. */
MUST_USE enum status knobs_check(const struct sim_knobs *k);

/* Adds "flip-ask 0.2, votes 3": what is not at rest, from the judge's own option table;
 * nothing where all is. */
struct judge_options;
void knobs_describe(const struct judge_options *options, struct text_buf *out);

#endif
