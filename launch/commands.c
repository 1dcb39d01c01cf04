#include "launch/commands.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/base/share.h"
#include "common/base/status.h"
#include "common/base/text.h"

static int help_main(int argc, char **argv);
static int bench_dispatch(int argc, char **argv);

/* A word: done here, or by another program's word of the same name. */
struct command {
    const char *name;
    int (*main)(int argc, char **argv);
    const char *program;
    const char *help;
};

static const struct command commands[] = {
    {"train", starting_main, NULL, "start a run, or go on with one"},
    {"label", labelling_main, NULL, "ask judges about the captions of a store"},
    {"fit", NULL, "minos-learner",
     "make a reward model of a ledger, for --reward=motif"},
    {"status", reporting_main, NULL, "how far a run is"},
    {"stop", stopping_main, NULL, "end a run in order"},
    {"eval", NULL, "minos-actor", "play held-out episodes with a run's policy"},
    {"watch", NULL, "minos-actor", "watch a run's policy play"},
    {"play", NULL, "minos-actor", "play an environment yourself"},
    {"audit", NULL, "minos-learner", "where every segment of a run went"},
    {"explain", NULL, "minos-learner", "what made a reward"},
    {"ledger", NULL, "minos-learner",
     "what judges said: list, grep, stats, export, import, merge"},
    {"judge-check", NULL, "minos-judge", "how a judge keeps the rules of the wire"},
    {"prompt", NULL, "minos-judge", "print what a language model would be sent"},
    {"bench", bench_dispatch, NULL,
     "measure env, infer, crypt-calibrate, update, bus, store, codec, judge or "
     "label-budget"},
    {"help", help_main, NULL, "this list, or the help of one command"},
};
enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static const struct {
    const char *name, *program;
} benches[] = {{"env", "minos-actor"},
               {"infer", "minos-actor"},
               {"crypt-calibrate", "minos-actor"},
               {"update", "minos-learner"},
               {"bus", "minos-learner"},
               {"store", "minos-learner"},
               {"judge", "minos-learner"},
               {"label-budget", "minos-learner"},
               {"codec", "minos-learner"}};
enum { BENCHES = sizeof(benches) / sizeof(benches[0]) };

static void print_help(FILE *to)
{
    fputs("Usage: minos COMMAND [--NAME=VALUE ...]\n\n", to);
    for (int i = 0; i < COMMANDS; i++) {
        fprintf(to, "  %-11s %s\n", commands[i].name, commands[i].help);
    }
    fputs("\nExamples:\n"
          "  minos train --env=crypt-vault --run-dir=runs/vault\n"
          "  minos eval --run-dir=runs/vault --episodes=500\n"
          "  minos help train\n",
          to);
}

/* Becomes another program; comes back only when that fails. argv[0] is replaced. */
static int become(const char *program, int argc, char **argv)
{
    char dir[512], path[640];
    char **args = mem_new((size_t)argc + 2, sizeof(*args));

    share_program_dir(dir, sizeof(dir));
    text_format(path, sizeof(path), "%s/%s", dir, program);
    args[0] = path;
    for (int i = 0; i < argc; i++) {
        args[i + 1] = argv[i];
    }
    execv(path, args);
    fprintf(stderr, "minos: cannot start %s: %s\n", path, strerror(errno));
    mem_free(args);
    return EXIT_FAILED;
}

static const struct command *find(const char *word)
{
    const char *names[COMMANDS];

    for (int i = 0; i < COMMANDS; i++) {
        names[i] = commands[i].name;
        if (strcmp(word, names[i]) == 0) {
            return &commands[i];
        }
    }
    const char *nearest = text_nearest(word, names, COMMANDS);
    fprintf(stderr, "minos: %s: no such command; %s%s%s\n", word,
            nearest != NULL ? "did you mean " : "minos help lists them",
            nearest != NULL ? nearest : "", nearest != NULL ? "?" : "");
    return NULL;
}

static int bench_dispatch(int argc, char **argv)
{
    const char *names[BENCHES], *word = argc > 1 ? argv[1] : "";
    static char bench[] = "bench";

    for (int i = 0; i < BENCHES; i++) {
        names[i] = benches[i].name;
        if (strcmp(word, names[i]) == 0) {
            argv[0] = bench;
            return become(benches[i].program, argc, argv);
        }
    }
    if (strcmp(word, "--help") == 0) {
        puts("Usage: minos bench NAME [--json] [--NAME=VALUE ...]\n\n"
             "  env, infer, crypt-calibrate (the actor's), update, bus, store, codec, "
             "judge, label-budget (the learner's)\n  minos bench NAME --help tells "
             "each one's "
             "settings");
        return EXIT_DONE;
    }
    const char *nearest = text_nearest(word, names, BENCHES);
    fprintf(stderr, "minos bench: %s%s; %s%s%s\n",
            word[0] != '\0' ? word : "a name is needed",
            word[0] != '\0' ? ": no such bench" : "",
            nearest != NULL
                ? "did you mean "
                : "env, infer, crypt-calibrate, update, bus, store, codec, judge or "
                  "label-budget",
            nearest != NULL ? nearest : "", nearest != NULL ? "?" : "");
    return EXIT_USAGE;
}

static int run(const struct command *c, int argc, char **argv)
{
    char name[64];

    if (c->program != NULL) {
        return become(c->program, argc, argv);
    }
    text_format(name, sizeof(name), "minos %s", c->name);
    argv[0] = name;
    return c->main(argc, argv);
}

static int help_main(int argc, char **argv)
{
    static char flag[] = "--help";
    char *args[] = {argc > 1 ? argv[1] : NULL, flag, NULL};

    if (argc < 2 || argv[1][0] == '-' || strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return EXIT_DONE;
    }
    const struct command *c = find(argv[1]);
    return c != NULL ? run(c, 2, args) : EXIT_USAGE;
}

int commands_main(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(stdout);
        return EXIT_DONE;
    }
    const struct command *c = find(argv[1]);
    return c != NULL ? run(c, argc - 1, argv + 1) : EXIT_USAGE;
}
