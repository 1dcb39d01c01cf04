#include "learner/label.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/metrics.h"
#include "common/base/stop.h"
#include "learner/intake/asking.h"
#include "learner/label_impl.h"
#include "learner/start_ledger.h"
#include "learner/store/ledger_source.h"
#include "learner/store/replay.h"

enum { FIRST_PORT = 7340, RING_SLOTS = 16384, ARGS_MAX = 256 };
static const uint64_t store_bytes = (uint64_t)1 << 30; // its index of captions

static struct option label_table[] = {
    OPT(struct label_options, captions, "captions", OPT_TEXT, "", 0, 0,
        "whose captions: a run directory, or the --store-dir of one"),
    OPT_ONE_OF(struct label_options, ask, "ask", "rate", "rate|order",
               "rate each caption, or put --order-captions of them in order"),
    OPT(struct label_options, idle_seconds, "idle-seconds", OPT_FLOAT, "300", 1, 1e9,
        "without a verdict, after which it ends unfinished"),
    OPT(struct label_options, describe, "describe", OPT_BOOL, "false", 0, 0,
        "only tell of the captions, as JSON"),
    OPT_END,
};

/* ---- settings ---- */

static bool is_own(const char *arg)
{
    char name[64];

    if (strncmp(arg, "--", 2) != 0) {
        return false;
    }
    (void)text_format(name, sizeof(name), "%.*s", (int)strcspn(arg + 2, "="), arg + 2);
    return option_find(label_table, name) != NULL;
}

/* The learner's settings, and a few of its own. */
static enum status read_options(struct label *l, int argc, char **argv)
{
    char *own[ARGS_MAX] = {argv[0]}, *rest[ARGS_MAX] = {argv[0]};
    int owns = 1, rests = 1;

    for (int i = 1; i < argc && i < ARGS_MAX; i++) {
        if (is_own(argv[i])) {
            own[owns++] = argv[i];
        } else {
            rest[rests++] = argv[i];
        }
    }
    option_defaults(label_table, &l->own);
    TRY(option_parse(label_table, &l->own, owns, own));
    TRY(learner_options_read(&l->options, rests, rest));
    if (l->own.captions[0] == '\0') {
        fprintf(stderr, "minos label: whose captions? Give --run-dir or --store-dir\n");
        return ST_INVALID;
    }
    // What training would never take for a run of its own.
    text_format(l->options.reward, sizeof(l->options.reward), "label");
    return ST_OK;
}

/* The environment that the captions' own ledger is about; "" where it has none. */
static enum status source_environment(const struct label *l,
                                      char out[LEDGER_ENVIRONMENT_MAX])
{
    struct ledger_source *s = NULL;
    char path[PATH_MAX_];

    out[0] = '\0';
    if (ledger_source_find(l->own.captions, path, sizeof(path)) != ST_OK) {
        return ST_OK;
    }
    TRY(ledger_source_open(l->own.captions, &s));
    text_format(out, LEDGER_ENVIRONMENT_MAX, "%s", ledger_source_environment(s));
    ledger_source_close(s);
    return ST_OK;
}

static enum status check_environment(const struct label *l)
{
    char name[LEDGER_ENVIRONMENT_MAX];

    TRY(source_environment(l, name));
    if (name[0] != '\0' && !ledger_same_environment(name, l->options.env)) {
        LOG_ERROR("LABEL-ENVIRONMENT", "the captions of %s are of %s, --env says %s",
                  l->own.captions, name, l->options.env);
        return ST_INVALID;
    }
    return ST_OK;
}

static int describe(struct label *l)
{
    char name[LEDGER_ENVIRONMENT_MAX];
    struct metrics_row row = {0};

    if (label_captions_open(l->own.captions, &l->captions) != ST_OK ||
        source_environment(l, name) != ST_OK) {
        return EXIT_USAGE;
    }
    metrics_begin(&row);
    metrics_text(&row, "environment", name);
    metrics_int(&row, "captions", label_captions_count(l->captions));
    puts(metrics_end(&row));
    metrics_release(&row);
    label_captions_close(l->captions);
    return EXIT_DONE;
}

/* ---- opening ---- */

static enum status listen_for_judges(struct label *l)
{
    const struct learner_options *o = &l->options;
    const int64_t known = o->port > 0 ? o->port : (int64_t)l->dir.port;
    const struct io_listen_plan plan = {.bus = l->bus,
                                        .addr = o->bind,
                                        .advertise = o->bind,
                                        .port = known > 0 ? (int)known : FIRST_PORT,
                                        .strict = o->port > 0,
                                        .run_dir = o->run_dir};

    TRY(io_listen(&plan, &l->listener));
    const char *colon = strrchr(l->listener.endpoint, ':');
    int64_t port = 0;
    (void)text_to_i64(colon != NULL ? colon + 1 : "", 1, 65535, &port);
    const struct rundir_goal goal = {l->goal.name, l->goal.digest};
    return rundir_put_port(o, &goal, 1, &l->dir, (int)port);
}

static enum status open_stores(struct label *l)
{
    char path[PATH_MAX_ + 64];
    const struct start_ledger plan = {.path = path,
                                      .run = l->dir.run,
                                      .environment = l->options.env,
                                      .goal_digest = l->goal.digest,
                                      .question_kind =
                                          l->orders ? QUESTION_ORDER : QUESTION_RATE,
                                      .labels_from = l->options.labels_from,
                                      .relabel = l->options.relabel};

    text_format(path, sizeof(path), "%s/store/rank-0", l->options.run_dir);
    TRY(file_make_dirs(path));
    TRY(replay_open(path, l->dir.run, store_bytes, &l->replay));
    text_format(path, sizeof(path), "%s/ledger", l->options.run_dir);
    return start_ledger_open(&plan, &l->ledger, &l->relabel_serial);
}

static enum status open_intake(struct label *l)
{
    const struct learner_options *o = &l->options;
    struct io_plan plan = {.listener = &l->listener,
                           .clock = l->clock,
                           .rings = l->rings,
                           .report = l->report,
                           .replay = l->replay,
                           .ledger = l->ledger,
                           .run_dir = o->run_dir,
                           .run = l->dir.run,
                           .start = l->dir.start,
                           .ranks = 1,
                           .endpoints =
                               (const char(*)[BUS_ENDPOINT_MAX])l->listener.endpoint,
                           .hosts = (const char(*)[64])l->host,
                           .net = o->net,
                           .segment_steps = (int)o->segment_steps,
                           .value_heads = 1,
                           .seed = (uint64_t)o->seed,
                           .goal = l->goal.name,
                           .goal_digest = l->goal.digest,
                           .goal_text = bytes_of(l->goal.text, l->goal.len),
                           .reward = o->reward,
                           .needs_labels = true,
                           .asks_order = l->orders,
                           .order_captions = (int)o->order_captions,
                           .label_budget = (uint64_t)o->label_budget,
                           .label_budget_hour = (uint64_t)o->label_budget_hour,
                           .consistency_share = o->consistency_share,
                           .judge_alarm = o->judge_alarm,
                           .relabel_serial = l->relabel_serial};

    text_format(plan.spec.task, sizeof(plan.spec.task), "%s", o->env);
    return io_open(&plan, &l->io);
}

/* Labels of this goal that are of the kind not asked for now. */
static bool count_other(void *label, const struct ledger_entry *e)
{
    struct label *l = label;

    l->other += e->trains && hash_equal(e->goal_digest, l->goal.digest) &&
                (e->captions > 1) != l->orders;
    return true;
}

/* Not wrong, but seldom meant: nobody takes both but minos fit. */
static enum status tell_mixed(struct label *l)
{
    l->other = 0;
    TRY(ledger_scan(l->ledger, 1, 0, count_other, l));
    if (l->other > 0) {
        LOG_WARN("LABEL-MIXED",
                 "%s holds %" PRIu64 " %s already, %s go beside them: a run takes the "
                 "kind that its reward reads, minos fit learns from both",
                 l->options.run_dir, l->other, l->orders ? "ratings" : "orders",
                 l->orders ? "orders" : "ratings");
    }
    return ST_OK;
}

/* Started by hand: judges that are given the directory find their settings in it. */
static enum status write_config(const struct label *l)
{
    struct text_buf b = {0};
    char path[PATH_MAX_];

    TRY(file_make_dirs(l->options.run_dir));
    text_format(path, sizeof(path), "%s/config.ini", l->options.run_dir);
    if (file_exists(path)) {
        return ST_OK;
    }
    text_buf_add(&b, "# Written by minos-learner label.\nenv = %s\ngoal = %s\n",
                 l->options.env, l->options.goal);
    const enum status st = file_write_atomic(path, bytes_of(b.data, b.len));
    text_buf_release(&b);
    return st;
}

static enum status open_label(struct label *l)
{
    const struct learner_options *o = &l->options;

    l->clock = clock_system();
    l->orders = strcmp(l->own.ask, "order") == 0;
    l->dir.lock = -1;
    TRY(check_environment(l));
    TRY(start_read_goal(o, &l->goal));
    TRY(label_captions_open(l->own.captions, &l->captions));
    label_captions_want(l->captions, ASKING_COMPARED_MOST);
    TRY(write_config(l));
    const struct rundir_goal goal = {l->goal.name, l->goal.digest};
    TRY(rundir_open(o, &goal, 1, &l->dir));
    l->bus = bus_new();
    TRY(listen_for_judges(l));
    TRY(open_stores(l));
    TRY(tell_mixed(l));
    l->rings.to_training = ring_new(sizeof(struct to_training), RING_SLOTS);
    l->rings.to_io = ring_new(sizeof(struct to_io), RING_SLOTS);
    l->report = io_report_new();
    TRY(open_intake(l));
    l->begin_ms = l->busy_ms = l->verdict_ms = l->hopeful_ms = clock_ms(l->clock);
    LOG_INFO("LABEL-BEGIN", "%u captions of %s, goal %s; judges dial %s",
             label_captions_count(l->captions), l->own.captions, l->goal.name,
             l->listener.endpoint);
    return ST_OK;
}

static void close_label(struct label *l)
{
    io_close(l->io);
    replay_close(l->replay);
    ledger_close(l->ledger);
    io_listener_close(&l->listener);
    bus_free(l->bus);
    io_report_free(l->report);
    ring_free(l->rings.to_training);
    ring_free(l->rings.to_io);
    label_captions_close(l->captions);
    mem_free(l->goal.text);
    rundir_close(&l->dir);
}

int label_main(int argc, char **argv)
{
    static struct label l; // large
    enum status st;

    if (option_is_given(argc, argv, "help")) {
        option_print_help(label_table,
                          "minos-learner label --run-dir=OUT --captions=DIR "
                          "[--NAME=VALUE ...]",
                          "Settings of minos-learner may stand beside these.\n",
                          stdout);
        return EXIT_DONE;
    }
    if (read_options(&l, argc, argv) != ST_OK) {
        return EXIT_USAGE;
    }
    if (l.own.describe) {
        return describe(&l);
    }
    log_open("learner", 0, log_level_of(l.options.log_level));
    stop_open();
    st = open_label(&l);
    if (st == ST_OK) {
        st = label_work(&l);
    }
    close_label(&l);
    return st == ST_OK                     ? EXIT_DONE
           : st == ST_IO || st == ST_AGAIN ? EXIT_FAILED
                                           : EXIT_USAGE;
}
