#ifndef ACTOR_TOOLS_H
#define ACTOR_TOOLS_H
/* What minos-actor does beside playing for a run. Each takes its own command line (argv[0]
 * is its name) and returns an exit code. Main thread. */

#include "actor/options.h"
#include "actor/vecenv.h"
#include "common/nn/policy.h"

/* Dispatches to the tool of that name; an unknown one is an error, exit 2. */
int tools_main(const char *name, int argc, char **argv);

int describe_main(int argc, char **argv); // the environment's spec as one JSON object
int eval_main(int argc, char **argv);     // episodes of a checkpoint, one JSON object
int play_main(int argc, char **argv);     // a person plays
int watch_main(int argc, char **argv);    // a checkpoint plays in the terminal
/* The key of an action in minos play; 0: it has none. */
enum { PLAY_QUIT = 'q', PLAY_KEYS = '?' };
char play_key(const char *action, int index);
int bench_main(int argc, char **argv); // env, infer, crypt-calibrate

/* Parses a tool's command line by its table. False: *code is the exit code (help was
 * printed, or an error). */
bool tools_parse(struct option *table, int argc, char **argv, const char *usage,
                 struct show_options *o, int *code);
/* The checkpoint's network with its weights and the environment it was trained on. With
 * --untrained fresh weights and no run. Logged errors. */
struct tools_player {
    struct policy *policy;
    const struct env_kind *kind;
    struct env_options env_options; // texts borrowed from the show_options
    uint64_t update, env_steps;
};
MUST_USE enum status tools_open_player(struct show_options *o, int rows,
                                       struct tools_player *out);
/* The terminal on stdout; 80 by 24 where there is none. */
void tools_terminal(int *rows, int *cols);
/* Writes a screen with ANSI colours, the caption in row 0. In a terminal without room for
 * it and `below` more lines empty rows are left out, from the lowest up, so that the
 * caption does not scroll away. */
void tools_draw(const struct env_obs *obs, int below);

#endif
