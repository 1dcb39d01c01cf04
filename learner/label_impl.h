#ifndef LEARNER_LABEL_IMPL_H
#define LEARNER_LABEL_IMPL_H
/* Between label.c (settings, opening) and label_work.c (captions in, labels out). */

#include "learner/intake/io.h"
#include "learner/intake/io_report.h"
#include "learner/label_captions.h"
#include "learner/start.h"

struct label_options {
    char captions[OPTION_TEXT_MAX];
    char ask[OPTION_TEXT_MAX]; // "rate", "order"
    double idle_seconds;
    bool describe;
};

/* Why it ended. */
enum label_end {
    END_NOT,
    END_DONE,
    END_BUDGET, // --label-budget
    END_JUDGES, // their own budgets
    END_IDLE,
    END_STOP
};

struct label {
    struct label_options own;
    struct learner_options options;
    const struct clock *clock;
    struct start_goal goal;
    struct label_captions *captions;
    struct rundir dir;
    struct bus *bus;
    struct io_listener listener;
    char host[64]; // no actor of its own has a rank to choose
    struct replay *replay;
    struct ledger *ledger;
    uint64_t relabel_serial;
    struct rings rings;
    struct io_report *report;
    struct io *io;
    struct io_counters told;
    uint64_t begin_ms, fed_ms, busy_ms, verdict_ms, second_ms;
    uint64_t
        hopeful_ms; // when a judge was last known to have a budget, or none was there
    enum io_asking asking; // at the end, before judges were sent away
    uint64_t answers;      // verdicts of this start, as told last
    uint32_t next;         // caption to be handed over
    uint64_t before;       // labels when this round over the captions began
    uint64_t other;        // labels of the other kind that the ledger has for this goal
    bool orders;           // captions are put in order
    bool drained;
    enum label_end end;
};

/* From open to closed: asks about every caption, tells how far it is, leaves the judges in
 * order, writes the summary. */
MUST_USE enum status label_work(struct label *l);

#endif
