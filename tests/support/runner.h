#ifndef TESTS_SUPPORT_RUNNER_H
#define TESTS_SUPPORT_RUNNER_H
/* Starts programs for process tests, catches what they write, finds and counts the
 * processes of a run directory. One thread. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* How long a test waits for what should happen: far longer than that takes, also where the
 * machine is slow and stands still for seconds. A wait ends as soon as it has happened. */
enum { RUNNER_PATIENCE_MS = 120000 };

/* Starts a program with arguments up to NULL, stdout and stderr into DIR/out. */
pid_t runner_start(const char *dir, const char *program, ...);
/* The same from a list, the program first and NULL last. */
pid_t runner_spawn(const char *dir, char *const argv[]);
/* Waits for its end; kills it after `most_ms`: -1. The exit code, 128 + signal. */
int runner_wait(pid_t pid, uint64_t most_ms);
/* runner_start() and runner_wait() of RUNNER_PATIENCE_MS. */
int runner_run(const char *dir, const char *program, ...);
/* What was written to DIR/out, good until the next call. */
const char *runner_output(const char *dir);

/* A port that nobody has now; one of our own, so that tests beside this one do not take it
 * between a learner's death and its next start. */
int runner_free_port(void);

/* Processes (not zombies) whose command line holds both words; the first one's pid. */
int runner_count(const char *word, const char *other, pid_t *first);
/* The youngest of them (largest pid); false when there is none. */
bool runner_last(const char *word, const char *other, pid_t *pid);
/* Waits until DIR/name exists and has at least `lines` lines; false after
 * RUNNER_PATIENCE_MS. */
bool runner_wait_file(const char *dir, const char *name, int lines);
/* Waits until cond() holds; false after most_ms. */
bool runner_wait_for(bool (*cond)(void *arg), void *arg, uint64_t most_ms);

/* A number of the flat JSON object in dir/name ("": name is a whole path); -1: there is no
 * such file, or no such number in it. */
double runner_json_number(const char *dir, const char *name, const char *key);

#endif
