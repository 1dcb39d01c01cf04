/* minos label: judges are asked about the captions that a store holds, with no actor and no
 * training; what comes out is a ledger for --labels-from. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/share.h"
#include "common/base/stop.h"
#include "common/base/text.h"
#include "launch/commands.h"
#include "launch/jsonline.h"
#include "launch/judging.h"
#include "launch/process.h"
#include "launch/supervise.h"

enum { FILE_MOST = 1 << 20, ARGS_MAX = 256 };

struct label_options {
    char run_dir[OPTION_TEXT_MAX], store_dir[OPTION_TEXT_MAX], out[OPTION_TEXT_MAX];
    char ask[OPTION_TEXT_MAX];
    double idle_seconds;
};

#define ROW(field, name, type, preset, least, most, help)                              \
    OPT(struct label_options, field, name, type, preset, least, most, help)
static struct option label_option_table[] = {
    ROW(run_dir, "run-dir", OPT_TEXT, "", 0, 0, "whose captions: a run directory"),
    ROW(store_dir, "store-dir", OPT_TEXT, "", 0, 0,
        "whose captions: the --store-dir of a run"),
    ROW(out, "out", OPT_TEXT, "", 0, 0,
        "directory of the ledger that is made, for --labels-from; one that was begun "
        "is "
        "gone on with"),
    OPT_ONE_OF(struct label_options, ask, "ask", "rate", "rate|order",
               "rate each caption, or put --order-captions of them in order, each in 8 "
               "sets at most"),
    ROW(idle_seconds, "idle-seconds", OPT_FLOAT, "300", 1, 1e9,
        "without a verdict, after which it ends unfinished"),
    OPT_END,
};

static const char examples[] =
    "--env, --goal, --labels-from, --relabel, --label-budget, --order-captions, "
    "--port,\n--judges and all "
    "settings of judges (minos-judge --help) are as for minos train.\n\n"
    "Examples:\n"
    "  minos label --run-dir=runs/vault --goal=lore --judge=llm --out=ledgers/lore\n"
    "  minos train --env=crypt-vault --goal=lore --labels-from=ledgers/lore\n"
    "  minos label --run-dir=runs/vault --ask=order --label-budget=5000 "
    "--out=ledgers/orders\n";

static bool is_own(const char *arg)
{
    char name[64];

    if (strncmp(arg, "--", 2) != 0) {
        return false;
    }
    (void)text_format(name, sizeof(name), "%.*s", (int)strcspn(arg + 2, "="), arg + 2);
    return option_find(label_option_table, name) != NULL;
}

/* Splits the command line: rows of this word, and settings of learner and judges. */
static enum status read_own(struct label_options *o, int argc, char **argv,
                            char *rest[ARGS_MAX], int *rests)
{
    char *own[ARGS_MAX] = {argv[0]};
    int owns = 1;

    rest[0] = argv[0];
    *rests = 1;
    for (int i = 1; i < argc && i < ARGS_MAX; i++) {
        if (is_own(argv[i])) {
            own[owns++] = argv[i];
        } else {
            rest[(*rests)++] = argv[i];
        }
    }
    option_defaults(label_option_table, o);
    TRY(option_parse(label_option_table, o, owns, own));
    if (o->out[0] == '\0' || (o->run_dir[0] == '\0') == (o->store_dir[0] == '\0')) {
        fprintf(stderr, "minos label: %s\n",
                o->out[0] == '\0' ? "--out: which directory gets the ledger?"
                                  : "whose captions? Give --run-dir or --store-dir");
        return ST_INVALID;
    }
    return ST_OK;
}

static enum status find_captions(struct plan *p, const struct label_options *o)
{
    const char *dir = o->run_dir[0] != '\0' ? o->run_dir : o->store_dir;
    char *absolute = realpath(dir, NULL);
    const bool fits = absolute != NULL &&
                      text_format(p->captions, sizeof(p->captions), "%s", absolute);

    free(absolute);
    if (!fits) {
        fprintf(stderr, "minos label: there is no directory %s\n", dir);
    }
    return fits ? ST_OK : ST_INVALID;
}

/* Environment and goal are those of the run whose captions they are, as far as it is
 * there; nothing else of its settings says anything about labelling. */
static enum status take_run(struct plan *p)
{
    static const char *const names[] = {"env", "env-options", "goal"};
    char path[PATH_MAX_], value[3][OPTION_TEXT_MAX] = {"", "", ""};

    (void)text_format(path, sizeof(path), "%s/config.ini", p->captions);
    if (!file_exists(path)) {
        return ST_OK;
    }
    TRY(settings_read_file(&p->settings, path, true));
    for (int i = 0; i < 3; i++) {
        const char *has = settings_get(&p->settings, names[i]);
        (void)text_format(value[i], OPTION_TEXT_MAX, "%s", has != NULL ? has : "");
    }
    settings_reset(&p->settings);
    for (int i = 0; i < 3; i++) {
        if (settings_get(&p->settings, names[i]) != NULL && value[i][0] != '\0') {
            settings_put(&p->settings, names[i], "%s", value[i]);
        }
    }
    return ST_OK;
}

/* What the store itself says; it says what is wrong with it, too. */
static enum status look_at_captions(struct plan *p, bool env_known)
{
    struct process_args args = {0};
    struct text_buf out = {0};
    char dir[512], env[OPTION_TEXT_MAX] = "";
    double captions = 0;
    int code = 0;

    share_program_dir(dir, sizeof(dir));
    process_arg(&args, "%s/minos-learner", dir);
    process_arg(&args, "label");
    process_arg(&args, "--describe");
    process_arg(&args, "--captions=%s", p->captions);
    enum status st = process_capture(&args, &out, &code);
    process_args_release(&args);
    st = st == ST_OK && (code != 0 || out.data == NULL) ? ST_INVALID : st;
    if (st == ST_OK) {
        jsonline_text(out.data, "environment", env, sizeof(env));
        jsonline_number(out.data, "captions", &captions);
    }
    text_buf_release(&out);
    TRY(st);
    if (captions == 0) {
        fprintf(stderr, "minos label: the store of %s holds no captions\n",
                p->captions);
        return ST_INVALID;
    }
    if (!env_known && env[0] == '\0') {
        fprintf(stderr, "minos label: --env: what do the captions of %s come from?\n",
                p->captions);
        return ST_INVALID;
    }
    if (!env_known) {
        settings_put(&p->settings, "env", "%s", env);
    }
    const char *chosen = settings_get(&p->settings, "env");
    const size_t family = strcspn(env, "-");
    if (env[0] != '\0' &&
        (strcspn(chosen, "-") != family || strncmp(env, chosen, family) != 0)) {
        fprintf(stderr,
                "minos label: --env: the captions of %s come from %s, not from %s\n",
                p->captions, env, chosen);
        return ST_INVALID;
    }
    return ST_OK;
}

/* A directory that is there must be one that was begun so. */
static enum status check_out(const char *out)
{
    char path[PATH_MAX_], reward[32] = "", *json;
    size_t len;

    if (!text_format(path, sizeof(path), "%s/run.json", out)) {
        fprintf(stderr, "minos label: --out: too long\n");
        return ST_INVALID;
    }
    if (!file_exists(out) || plan_is_empty(out)) {
        return ST_OK;
    }
    if (file_exists(path) && file_read(path, FILE_MOST, &json, &len) == ST_OK) {
        jsonline_text(json, "reward", reward, sizeof(reward));
        mem_free(json);
    }
    if (strcmp(reward, "label") != 0) {
        fprintf(stderr,
                "minos label: --out: %s is neither empty nor what minos label began\n",
                out);
        return ST_INVALID;
    }
    return ST_OK;
}

static enum status check_all(struct plan *p)
{
    struct text_buf spec = {0};

    plan_find_family(p);
    enum status st = judging_check_env(p, &spec);
    st = st == ST_OK ? settings_check(&p->settings) : st;
    st = st == ST_OK ? judging_check_goal(p, spec.data) : st;
    st = st == ST_OK ? judging_check_judge(p, spec.data) : st;
    st = st == ST_OK ? judging_check_labels(p) : st;
    text_buf_release(&spec);
    return st;
}

static enum status make(struct plan *p, int argc, char **argv)
{
    struct label_options o;
    char *rest[ARGS_MAX], path[PATH_MAX_];
    int rests;

    TRY(read_own(&o, argc, argv, rest, &rests));
    TRY(find_captions(p, &o));
    TRY(check_out(o.out));
    TRY(settings_init(&p->settings));
    TRY(take_run(p));
    TRY(settings_parse(&p->settings, rests, rest));
    TRY(judging_check_words(p, rests, rest));
    (void)text_format(path, sizeof(path), "%s/config.ini", p->captions);
    TRY(look_at_captions(p, settings_is_set(&p->settings, "env") || file_exists(path)));
    settings_put(&p->settings, "run-dir", "%s", o.out);
    settings_put(&p->settings, "reward", "retrieval"); // which is to be fed
    settings_put(&p->settings, "store-dir", "%s", "");
    (void)text_format(p->ask, sizeof(p->ask), "%s", o.ask);
    TRY(check_all(p));
    p->idle_seconds = o.idle_seconds;
    p->topology = (struct topology){.ranks = 1};
    p->quiet = strcmp(settings_get(&p->settings, "quiet"), "true") == 0;
    TRY(plan_check_port(p));
    TRY(plan_make_dir(p));
    (void)text_format(path, sizeof(path), "%s/config.ini", p->run_dir);
    return settings_write(&p->settings, path);
}

/* The end, for people; false where captions are left that may be asked yet. */
static bool print_summary(const struct plan *p)
{
    char path[PATH_MAX_], end[32] = "", state[64] = "", *json;
    double of = 0, labelled = 0, asked = 0, given_up = 0, orders = 0, tied = 0;
    size_t len;

    (void)text_format(path, sizeof(path), "%s/summary.json", p->run_dir);
    if (file_read(path, FILE_MOST, &json, &len) != ST_OK) {
        printf("minos: ended before there was a summary; the same again goes on\n");
        return false;
    }
    jsonline_text(json, "end", end, sizeof(end));
    jsonline_text(json, "asking_state", state, sizeof(state));
    jsonline_number(json, "captions_to_label", &of);
    jsonline_number(json, "labelled", &labelled);
    jsonline_number(json, "questions_asked", &asked);
    jsonline_number(json, "given_up", &given_up);
    const bool ordered = jsonline_number(json, "orders", &orders) && orders > 0;
    jsonline_number(json, "orders_tied_share", &tied);
    mem_free(json);
    printf("minos: %.0f of %.0f captions have %s, %.0f were refused or failed; asked "
           "%.0f questions now\n",
           labelled, of, ordered ? "been compared" : "labels", given_up, asked);
    if (ordered) {
        printf("minos: %.0f orders, %.1f %% of them ties\n", orders, 100 * tied);
    }
    const bool done = strcmp(end, "done") == 0, budget = strcmp(end, "budget") == 0,
               judges = strcmp(end, "judges' budget") == 0;
    if (strcmp(end, "idle") == 0) {
        printf("minos: ended early, no verdict came for %g s (asking: %s); the same "
               "again goes on\n",
               p->idle_seconds, state);
    } else if (!done) {
        printf("minos: ended early, %s; the same again goes on%s\n",
               budget   ? "--label-budget is spent"
               : judges ? "the judges' own budget is spent"
                        : "as asked",
               budget || judges ? " with a larger one" : "");
    }
    if (labelled > 0) {
        const bool order = strcmp(p->ask, "order") == 0;
        printf(
            "minos: next:  minos train --env=%s --goal=%s --labels-from=%s%s    minos "
            "fit --ledger=%s --out=DIR    minos ledger stats %s\n",
            settings_get(&p->settings, "env"), p->goal, p->run_dir,
            order ? " --reward=rank" : "", p->run_dir, p->run_dir);
    } else if (asked > 0) {
        printf("minos: NO LABEL came; what the judges said:  minos ledger stats %s    "
               "%s/logs/judge-*.log\n",
               p->run_dir, p->run_dir);
    }
    return done || budget || judges || strcmp(end, "stopped") == 0;
}

int labelling_main(int argc, char **argv)
{
    static struct plan p;

    log_open("minos", -1, LOG_INFO_);
    if (option_is_given(argc, argv, "help")) {
        option_print_help(label_option_table,
                          "minos label --run-dir=DIR|--store-dir=DIR --out=DIR "
                          "[--NAME=VALUE ...]",
                          examples, stdout);
        return EXIT_DONE;
    }
    p = (struct plan){.lock_fd = -1, .word = "label"};
    const enum status st = make(&p, argc, argv);
    if (st != ST_OK) {
        plan_release(&p);
        return st == ST_INVALID || st == ST_NOTFOUND ? EXIT_USAGE : EXIT_FAILED;
    }
    if (!p.quiet) {
        printf("minos: labels the captions of %s, goal %s, judge %s, into %s\n",
               p.captions, p.goal, settings_get(&p.settings, "judge"), p.run_dir);
        fflush(stdout);
    }
    stop_open();
    int code = supervise_run(&p);
    if (code == EXIT_DONE && !print_summary(&p)) {
        code = EXIT_FAILED;
    }
    plan_release(&p);
    return code;
}
