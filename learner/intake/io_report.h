#ifndef LEARNER_INTAKE_IO_REPORT_H
#define LEARNER_INTAKE_IO_REPORT_H
/* What the I/O thread tells of itself: an immutable snapshot of counters that the other
 * thread reads when it writes metrics. One writer (I/O), one reader (training). */

#include <stdbool.h>
#include <stdint.h>

#include "common/wire/messages.h"
#include "learner/intake/pairs.h"

enum io_bad {
    IO_BAD_HEADER,    // no header of ours
    IO_BAD_PROTOCOL,  // another protocol or table version
    IO_BAD_KIND,      // not a kind that comes this way
    IO_BAD_BODY,      // the verifier or a range refused it
    IO_BAD_RUN,       // of another run
    IO_BAD_STRANGER,  // no hello in this start: answered `who`
    IO_BAD_MULTIPART, // refused by the bus
    IO_BAD_SIZE,
    IO_BAD_EMPTY,
    IO_BAD_REASONS
};
const char *io_bad_name(enum io_bad reason); // "header"

/* Whether judges are asked, and if not, why. */
enum io_asking {
    IO_ASKING_NOT,           // the reward needs no labels; ranks > 0
    IO_ASKING_ON,            // as fast as judges answer
    IO_ASKING_NOBODY,        // no judge is attached
    IO_ASKING_PAUSED,        // all that are want no questions now, and do not say why
    IO_ASKING_SERVER,        // what they ask themselves is not there, or fails
    IO_ASKING_JUDGES_HOUR,   // budgets of theirs are spent for now
    IO_ASKING_JUDGES_BUDGET, // and for good
    IO_ASKING_BUDGET,        // --label-budget is spent
    IO_ASKING_BUDGET_HOUR,   // --label-budget-hour is spent for now
    IO_ASKING_STATES
};
const char *io_asking_name(enum io_asking state); // "budget spent"; "" for NOT

/* What one judge's answers were like in this start; names cut to fit. */
enum { IO_JUDGES_TOLD = 8, IO_JUDGE_NAME = 64 };
struct io_judge {
    char name[IO_JUDGE_NAME], model[IO_JUDGE_NAME];
    uint64_t answers, labels, failures; // labels: ties of orders too, no checks
    uint64_t again, agreed; // captions it labelled twice, and on the same side of 0.5
    double difference;      // mean |p - p'| of those; 0 without any
    uint64_t pairs, first_won, second_won; // asked in both orders; by place alone
    double per_s;                          // answers, while it holds questions
};

/* Sums since this start unless told otherwise; of this rank. */
struct io_counters {
    uint64_t segments_taken, segments_duplicate, segments_ahead;
    uint64_t segments_dropped[DROP_REASONS]; // on arrival
    uint64_t segments_forced;                // evicted before a checkpoint held them
    uint64_t segments_waiting;               // stored, neither trained nor dropped: now
    uint64_t run_taken, run_dropped; // over the run directory: sequences taken; dropped
    uint64_t bytes_in, bytes_out, frames_in;
    uint64_t frames_bad[IO_BAD_REASONS];
    uint64_t go_backs, refusals, stop_lost; // stop_lost: members gone without goodbye
    uint32_t members, environments;         // alive now
    uint64_t store_live_bytes;
    double store_file_ratio;
    uint64_t captions, lexicon_full; // known over the run; not kept, table full
    /* rank 0 */
    uint64_t labels;            // training verdicts of this goal, over the run
    uint64_t orders_tied;       // of those: orders in which all are equal
    uint64_t pairs[PAIRS_HOWS]; // orders asked, by what was put beside the one due
    uint64_t questions_asked, questions_duplicate, questions_in_flight;
    uint64_t questions_queued, questions_dropped, questions_expired;
    uint64_t
        questions_open; // captions that wait: queued, with a judge, or to be asked again
    uint64_t verdicts[VERDICT_KINDS], verdicts_late, verdicts_repeated;
    uint64_t tokens_in, tokens_out;
    double judge_p50_ms, judge_p99_ms;         // asked to answered, as seen here
    uint64_t judge_requests, judge_cost_micro; // as judges say
    uint64_t tokens_estimated;                 // answers whose tokens were not reported
    uint64_t captions_given_up;                // refused, or failed too often: now
    uint64_t forms;                            // of captions, now
    uint64_t consistency_asked, consistency_answered;
    /* Where the game tells the truth: emissions that are progress; of those, and of the
     * others, labelled as progress by then. */
    uint64_t progress_emissions, progress_helpful, other_helpful;
    double progress_delay_p50_ms, progress_delay_p99_ms; // first sight to label
    double failing_share;                                // of the last verdicts
    uint32_t alarm, failing_kind; // 1: failing_share is above the limit; the worst
    uint32_t asking;              // enum io_asking
    struct io_judge judge[IO_JUDGES_TOLD];
    uint32_t judges_told; // rows of `judge`
    uint32_t judges;      // attached now
    /* CPU of this thread by stage */
    uint64_t cpu_total_ns, cpu_store_ns, cpu_asking_ns, cpu_ledger_ns;
};

struct io_report;
struct io_report *io_report_new(void);
void io_report_free(struct io_report *r); // NULL is fine
/* Writer. */
void io_report_put(struct io_report *r, const struct io_counters *c);
/* Reader: the newest that was put (zeros before the first). Never waits. */
void io_report_get(struct io_report *r, struct io_counters *out);

#endif
