#include "judge/check/check_main.h"

#include <stdio.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/option.h"
#include "common/base/share.h"
#include "common/base/stop.h"
#include "judge/check/checks.h"

struct check_options {
    char listen[OPTION_TEXT_MAX];
    bool json;
    char goal[OPTION_TEXT_MAX], env[OPTION_TEXT_MAX];
    double wait, patience; // seconds
    int64_t questions;
    bool help;
};

#define ROW(field, name_, type, preset_, least_, most_, help_)                         \
    OPT(struct check_options, field, name_, type, preset_, least_, most_, help_)

static struct option table[] = {
    ROW(listen, "listen", OPT_TEXT, "tcp://127.0.0.1:0", 0, 0,
        "where the judge dials; port 0: any free one"),
    ROW(json, "json", OPT_BOOL, "false", 0, 0, "a JSON object a line instead of text"),
    ROW(goal, "goal", OPT_TEXT, "treasure", 0, 0,
        "the goal told: a name of share/minos/goals"),
    ROW(env, "env", OPT_TEXT, "crypt-vault", 0, 0, "the task told"),
    ROW(wait, "wait", OPT_FLOAT, "30", 1, 3600, "seconds for a judge to dial in"),
    ROW(patience, "patience", OPT_FLOAT, "150", 1, 3600,
        "most seconds that one answer is waited for, whatever deadline the judge "
        "tells"),
    ROW(questions, "questions", OPT_INT, "64", 1, 1024,
        "captions to spend on its credits; about 100 more are asked"),
    ROW(help, "help", OPT_BOOL, "false", 0, 0, "this list"),
    OPT_END,
};

static const char usage[] = "minos judge-check [--NAME=VALUE ...] [-- COMMAND ...]";
static const char examples[] =
    "Examples:\n"
    "  minos judge-check -- minos-judge --judge=rule\n"
    "  minos judge-check --listen=tcp://127.0.0.1:7400 --json\n";

/* Arguments behind -- are the judge's. */
static char *const *cut_command(int *argc, char **argv)
{
    for (int i = 1; i < *argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            *argc = i;
            return argv[i + 1] != NULL ? argv + i + 1 : NULL;
        }
    }
    return NULL;
}

/* tcp://HOST:PORT, cut in two in place. */
static bool parse_address(char *listen, const char **host, int *port)
{
    static const char scheme[] = "tcp://";
    char *colon = strrchr(listen, ':');
    int64_t number = 0;

    if (strncmp(listen, scheme, sizeof(scheme) - 1) != 0 ||
        colon < listen + sizeof(scheme) || !text_to_i64(colon + 1, 0, 65535, &number)) {
        fprintf(stderr, "minos judge-check: --listen: %s is not tcp://HOST:PORT\n",
                listen);
        return false;
    }
    *colon = '\0';
    *host = listen + sizeof(scheme) - 1;
    *port = (int)number;
    return true;
}

static enum status read_goal(const char *name, char **text)
{
    char relative[OPTION_TEXT_MAX + 16], path[PATH_MAX_], suggestion[256];
    size_t len;

    (void)text_format(relative, sizeof(relative), "goals/%s.goal", name);
    if (strchr(name, '/') != NULL || !share_path(relative, path, sizeof(path))) {
        share_suggest("goals", ".goal", name, suggestion, sizeof(suggestion));
        fprintf(stderr, "minos judge-check: --goal: there is no goal %s; %s\n", name,
                suggestion);
        return ST_INVALID;
    }
    return file_read(path, 1 << 20, text, &len);
}

static void check_all(struct check *c)
{
    if (!checks_of_joining(c)) {
        return;
    }
    checks_of_kinds(c);
    checks_of_credit(c);
    checks_of_repeats(c);
    checks_of_cache(c);
    checks_of_garbage(c);
    checks_of_late_questions(c);
    checks_of_overload(c);
    checks_of_life(c);
    checks_of_figures(c);
    checks_of_restarts(c);
    checks_of_all_time(c);
    checks_of_leaving(c);
}

static int work(struct check_options *o, char *const *command)
{
    struct stage_plan plan = {
        .goal = o->goal, .task = o->env, .patience_ms = (uint64_t)(o->patience * 1000)};
    static struct check c; // too large for a stack
    char *text = NULL;

    if (!parse_address(o->listen, &plan.host, &plan.port) ||
        read_goal(o->goal, &text) != ST_OK) {
        return EXIT_USAGE;
    }
    plan.goal_text = text;
    c = (struct check){.report = {.json = o->json},
                       .wait_ms = (uint64_t)(o->wait * 1000),
                       .questions = (int)o->questions};
    stop_open();
    if (stage_open(&c.stage, &plan) != ST_OK) {
        mem_free(text);
        return EXIT_FAILED;
    }
    c.stage.child.command = command;
    if (command == NULL) {
        fprintf(stderr, "minos judge-check: waits %g s for a judge at %s\n", o->wait,
                c.stage.endpoint);
    }
    check_all(&c);
    stage_close(&c.stage);
    check_report_end(&c.report);
    mem_free(text);
    return c.report.count[CHECK_FAIL] > 0 || stop_asked() ? EXIT_FAILED : EXIT_DONE;
}

int check_main(int argc, char **argv)
{
    static struct check_options options;
    const int all = argc;
    char *const *command = cut_command(&argc, argv);

    option_defaults(table, &options);
    if (option_is_given(argc, argv, "help")) {
        option_print_help(table, usage, examples, stdout);
        return EXIT_DONE;
    }
    if (option_parse(table, &options, argc, argv) != ST_OK) {
        return EXIT_USAGE;
    }
    if (argc < all && command == NULL) {
        fprintf(stderr, "minos judge-check: no COMMAND stands behind --\n");
        return EXIT_USAGE;
    }
    log_open("judge-check", -1, LOG_WARN_);
    return work(&options, command);
}
