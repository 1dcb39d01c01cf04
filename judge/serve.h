#ifndef JUDGE_SERVE_H
#define JUDGE_SERVE_H
/* A judge at work: its link to rank 0, its desk and its cache, around one backend.
 *
 * A hello says what it can do; the welcome brings the goal and the credit. Questions lie
 * on the desk until answered, answers until acknowledged, over lost links and restarts
 * of the learner. One thread; the caller turns serve_step() and sleeps in serve_wait(). */

#include "common/base/clock.h"
#include "common/wire/bus.h"
#include "judge/judge.h"

struct serve;
struct answer_counters;

/* `options`, `backend`, `bus` and `clock` must live longer. Dials nothing yet. */
struct serve *serve_new(const struct judge_options *options,
                        const struct judge_backend *backend, struct bus *bus,
                        const struct clock *clock);
void serve_free(struct serve *s); // NULL is fine

/* Reads what came, answers what it can within about 100 ms, sends. ST_OK: did something;
 * ST_AGAIN: nothing to do now. ST_CLOSED: stopped in order. ST_INVALID, ST_NOTFOUND: the
 * user must mend something (logged), exit 2; others: exit 1. */
MUST_USE enum status serve_step(struct serve *s);
/* Sleeps until a frame comes or fd is readable (-1: none), but not past what is due. */
void serve_wait(struct serve *s, int fd);
/* Begins to stop: no more questions are begun; what the backend has begun it may finish
 * within 5 s, the answers go out within 2 s more, goodbye; then serve_step() says
 * ST_CLOSED. */
void serve_stop(struct serve *s);

struct serve_counters {
    uint64_t questions, overloads, acknowledged, frames_refused, hellos, welcomes;
};
const struct serve_counters *serve_counters(const struct serve *s);
const struct answer_counters *serve_answers(const struct serve *s); // judge/answer.h

#endif
