#ifndef TESTS_SUPPORT_LLM_STAGE_H
#define TESTS_SUPPORT_LLM_STAGE_H
/* A real learner, a feeder that brings it captions, a real llm judge and the stand-in for a
 * language model's server (standin/standin.py), all over real sockets. The environment is
 * chain, whose goal's rules look for "climb to". One thread; failures fail the test. */

#include "tests/support/harness.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/file.h"
#include "learner/feeder.h"
#include "learner/store/ledger.h"

enum { STAGE_PATH = PATH_MAX_ + 64, STAGE_OPTIONS_MAX = 48 };

struct llm_stage {
    char dir[PATH_MAX_], run[STAGE_PATH], run_flag[STAGE_PATH];
    char state[STAGE_PATH]; // the stand-in's
    pid_t learner, server, judge;
    int judges; // started so far
    int port;   // of the stand-in
    const char *scheme;
    struct bus *bus;
    struct feeder *feeder;
};

/* Starts the learner and joins it; no caption is told yet. */
void llm_stage_open(struct llm_stage *s, size_t (*caption)(uint64_t n, char *out));
/* Kills what still runs and removes the directory. */
void llm_stage_close(struct llm_stage *s);
/* The options end with NULL. The stand-in listens when it returns. */
void llm_stage_serve(struct llm_stage *s, const char *const options[]);
void llm_stage_end_server(struct llm_stage *s);
/* Starts minos-judge --judge=llm with OPENAI_API_KEY=key (NULL: none). */
void llm_stage_judge(struct llm_stage *s, const char *key, const char *const options[]);
void llm_stage_kill_judge(struct llm_stage *s); // kill -9
/* What the judge started last has written. */
const char *llm_stage_judge_says(const struct llm_stage *s);
/* So many distinct captions in all. */
void llm_stage_tell(struct llm_stage *s, uint64_t captions);
/* Plays on until cond() holds; false after most_ms. */
bool llm_stage_until(struct llm_stage *s, bool (*cond)(struct llm_stage *s, void *arg),
                     void *arg, uint64_t most_ms);
void llm_stage_play(struct llm_stage *s, uint64_t ms);
/* A number of the stand-in's state, of the run's progress.json; 0 before there is one. */
double llm_stage_state(const struct llm_stage *s, const char *key);
double llm_stage_progress(const struct llm_stage *s, const char *key);
/* Every verdict in the ledger. Returns how many there are. */
uint64_t llm_stage_read(const struct llm_stage *s,
                        bool (*each)(void *ctx, const struct ledger_entry *e),
                        void *ctx);
/* Whether the text stands in a file below the directory; *where says in which. */
bool llm_stage_finds(const struct llm_stage *s, const char *text,
                     char where[STAGE_PATH]);

#endif
