#ifndef TESTS_SUPPORT_RANKS_TWIN_H
#define TESTS_SUPPORT_RANKS_TWIN_H
/* Ranks in one process: each on a thread of its own, with the collectives of
 * learner/train/ranks.h between them. One thread runs at a time, from collective to
 * collective in order of ranks: all repeats, and ranks may share what knows one thread
 * alone, such as the in-memory bus. */

#include "learner/train/ranks.h"

struct ranks_twin;

struct ranks_twin *ranks_twin_new(int count);
void ranks_twin_free(struct ranks_twin *t);
/* Rank i's end, borrowed: never ranks_close() it. */
struct ranks *ranks_twin_rank(struct ranks_twin *t, int i);
/* Runs body(ctx, i) for every rank at once and waits for all. */
void ranks_twin_run(struct ranks_twin *t, void (*body)(void *ctx, int rank), void *ctx);

#endif
