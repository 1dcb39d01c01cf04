#ifndef LEARNER_INTAKE_LABEL_STREAM_H
#define LEARNER_INTAKE_LABEL_STREAM_H
/* What a run's captions were, in their order, to be asked about again in another way: how
 * much of the progress would have been known by then? For `minos bench label-budget` and
 * for tests; asks with the very scheduler of asking.c. One thread. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/bytes.h"

enum label_order {
    LABEL_ORDER_SCHEDULE, // schedule.h
    LABEL_ORDER_NEWEST,   // the one that came last first, as the reference asks
    LABEL_ORDER_UNIFORM,  // any of those that wait
    LABEL_ORDERS
};
const char *label_order_name(enum label_order order); // "schedule"

struct label_stream;

struct label_stream *label_stream_new(void);
void label_stream_free(struct label_stream *s); // NULL is fine

/* The next segment: its steps, and the update whose weights acted; then its captions. */
void label_stream_segment(struct label_stream *s, uint32_t steps, uint64_t update);
/* Came so often in the segment. truth: 1, 0, or -1 when the game does not tell, in which
 * case it is asked about but not scored. */
void label_stream_caption(struct label_stream *s, struct bytes text, uint32_t visits,
                          int truth);
/* What a judge says of this caption; without it its truth. False: not in the stream. */
bool label_stream_label(struct label_stream *s, struct bytes text, float p);
uint32_t label_stream_captions(const struct label_stream *s); // distinct
uint64_t label_stream_steps(const struct label_stream *s);

struct label_play {
    enum label_order order;
    uint64_t budget;    // labels, spread evenly over the steps
    uint64_t delay;     // updates from question to label
    uint32_t in_flight; // questions at a time
    uint64_t seed;      // of the uniform order
};

/* Over all emissions whose truth is known: positive = labelled above 0.5 by then. */
struct label_score {
    uint64_t labels, true_positive, false_negative, false_positive, true_negative;
    uint32_t forms;
    /* Updates from the first sight to the label of captions that are progress; those that
     * got none wait to the end. */
    double delay_p50, delay_p90;
    double ns_per_caption; // CPU of the scheduler for each caption of a segment
};
void label_stream_play(const struct label_stream *s, const struct label_play *play,
                       struct label_score *out);
double label_score_recall(const struct label_score *s); // NAN where nothing is positive
double label_score_precision(const struct label_score *s);
double
label_score_balanced(const struct label_score *s); // mean of both classes' recalls

#endif
