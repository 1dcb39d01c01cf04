#include "judge/judge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mpijob.h"
#include "common/base/stop.h"
#include "common/base/text.h"
#include "judge/answer.h"
#include "judge/backends/llm/llm.h"
#include "judge/backends/rule.h"
#include "judge/backends/sim.h"
#include "judge/options.h"
#include "judge/serve.h"

static const struct judge_backend *const built_in[] = {&rule_backend, &llm_backend,
                                                       &sim_backend};
enum { BUILT_IN = sizeof(built_in) / sizeof(built_in[0]) };

static const char usage[] = "minos-judge [--config=FILE] [--NAME=VALUE ...]";
static const char examples[] =
    "Examples:\n"
    "  minos-judge --run-dir=runs/vault\n"
    "  minos-judge --learner=tcp://10.0.0.5:7340 --judge=rule --rules=my.rules\n";

static const struct judge_backend *find_backend(const char *name)
{
    for (int i = 0; i < BUILT_IN; i++) {
        if (strcmp(name, built_in[i]->name) == 0) {
            return built_in[i];
        }
    }
    return NULL;
}

static void tell_names(const char *name)
{
    const char *names[BUILT_IN];

    if (strcmp(name, "none") == 0) {
        fputs(
            "minos-judge: this run was started with --judge=none, for judges that join "
            "by themselves: say which one this is, --judge=rule, llm or sim\n",
            stderr);
        return;
    }
    for (int i = 0; i < BUILT_IN; i++) {
        names[i] = built_in[i]->name;
    }
    const char *nearest = text_nearest(name, names, BUILT_IN);
    fprintf(stderr, "minos-judge: --judge: %s is not a judge; %s%s%srule, llm or sim\n",
            name, nearest != NULL ? "did you mean " : "",
            nearest != NULL ? nearest : "",
            nearest != NULL ? "? there are " : "there are ");
}

static int exit_code_of(enum status st)
{
    switch (st) {
    case ST_CLOSED:
        return EXIT_DONE;
    case ST_INVALID:
    case ST_NOTFOUND:
        return EXIT_USAGE;
    default:
        return EXIT_FAILED;
    }
}

/* --learner or --run-dir; else what MINOS_ENDPOINT says, for those who start a judge
 * without knowing its options: minos judge-check. */
static bool find_learner(struct judge_options *o)
{
    const char *endpoint = getenv("MINOS_ENDPOINT");

    if (o->learner[0] != '\0' || o->run_dir[0] != '\0') {
        return true;
    }
    if (endpoint != NULL && endpoint[0] != '\0' &&
        text_format(o->learner, sizeof(o->learner), "%s", endpoint)) {
        return true;
    }
    fprintf(stderr, "minos-judge: needs --learner=tcp://HOST:PORT or --run-dir=DIR "
                    "to find its learner\n");
    return false;
}

/* Until stopped by a signal, by the learner or by an error. */
static int work(const struct judge_backend *backend, const struct judge_options *o)
{
    struct bus *bus = bus_new();
    struct serve *s = serve_new(o, backend, bus, clock_system());
    enum status st = ST_OK;

    while (st == ST_OK || st == ST_AGAIN) {
        stop_poll();
        if (stop_at_once()) {
            st = ST_CLOSED;
            break;
        }
        if (stop_asked() || mpijob_over()) {
            serve_stop(s);
        }
        st = serve_step(s);
        if (st == ST_AGAIN) {
            serve_wait(s, stop_fd());
        }
    }
    LOG_INFO("JUDGE-END",
             "answered %llu questions, %llu of them from the cache, in %.2f s "
             "of CPU",
             (unsigned long long)serve_answers(s)->answers,
             (unsigned long long)serve_answers(s)->from_cache,
             (double)clock_process_cpu_ns() * 1e-9);
    serve_free(s);
    bus_free(bus);
    return exit_code_of(st);
}

int judge_main(const struct judge_backend *backend, int argc, char **argv)
{
    struct judge_options options;

    option_defaults(judge_option_table, &options);
    if (option_is_given(argc, argv, "help")) {
        option_print_help(judge_option_table, usage, examples, stdout);
        return EXIT_DONE;
    }
    if (option_parse_run(judge_option_table, &options, argc, argv) != ST_OK) {
        return EXIT_USAGE;
    }
    // minos asks with the settings of a run, whose judge may be a program of one's own.
    if (backend == NULL && (backend = find_backend(options.judge)) == NULL &&
        !options.print_config) {
        tell_names(options.judge);
        return EXIT_USAGE;
    }
    log_open("judge", (int)options.id, log_level_of(options.log_level));
    if (backend != NULL && backend->check != NULL &&
        backend->check(&options) != ST_OK) {
        return EXIT_USAGE;
    }
    if (options.print_config) {
        option_print_config(judge_option_table, &options, stdout);
        return EXIT_DONE;
    }
    if (!find_learner(&options)) {
        return EXIT_USAGE;
    }
    stop_open();
    if (options.mpi && mpijob_open(MPIJOB_JUDGE) != ST_OK) {
        return EXIT_FAILED;
    }
    if (options.mpi) {
        log_set_index((int)options.id + mpijob_index());
    }
    const int code = work(backend, &options);
    mpijob_close(code);
    return code;
}
