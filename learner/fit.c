#include "learner/fit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/option.h"
#include "common/base/stop.h"
#include "common/base/text.h"
#include "common/nn/mat.h"
#include "learner/reward/motif_fit.h"
#include "learner/start.h"
#include "learner/store/ledger_source.h"

enum { GOALS_MAX = 1024 };

struct fit_options {
    char ledger[OPTION_TEXT_MAX], out[OPTION_TEXT_MAX];
    char goal[OPTION_TEXT_MAX], env[OPTION_TEXT_MAX], text_net[OPTION_TEXT_MAX];
    int64_t epochs, batch, seed;
    double lr, held_out;
};

#define ROW(field, name, type, preset, least, most, help)                              \
    OPT(struct fit_options, field, name, type, preset, least, most, help)
static struct option fit_table[] = {
    ROW(ledger, "ledger", OPT_TEXT, "", 0, 0,
        "what to fit: a run directory, a ledger directory or an exported .jsonl file"),
    ROW(out, "out", OPT_TEXT, "", 0, 0, "directory of the model, made when missing"),
    ROW(goal, "goal", OPT_TEXT, "", 0, 0,
        "a name of share/minos/goals or the path of a goal file; empty: the ledger's "
        "only one"),
    ROW(env, "env", OPT_TEXT, "", 0, 0,
        "environment of the captions, where the ledger does not tell"),
    OPT_ONE_OF(struct fit_options, text_net, "text-net", "ngram", "ngram|cnn",
               "network that reads captions"),
    ROW(epochs, "epochs", OPT_INT, "30", 1, 1e6,
        "passes over the labels at most; it ends after 5 that held-out labels gain "
        "nothing from"),
    ROW(batch, "batch", OPT_INT, "64", 1, 65536, "comparisons in a gradient step"),
    ROW(lr, "lr", OPT_FLOAT, "0.001", 1e-9, 1, "learning rate of Adam"),
    ROW(held_out, "held-out", OPT_FLOAT, "0.2", 0, 0.9,
        "share of the labels, by the forms of their captions, that is not trained on"),
    ROW(seed, "seed", OPT_INT, "1", 0, 4294967295.0, "of weights and order"),
    OPT_END,
};

static const char usage[] = "minos fit --ledger=LEDGER --out=DIR [--NAME=VALUE ...]";
static const char examples[] =
    "Examples:\n"
    "  minos label --run-dir=runs/none --out=ledgers/none\n"
    "  minos fit --ledger=ledgers/none --out=models/none\n"
    "  minos train --reward=motif --reward-model=models/none --run-dir=runs/motif\n";

/* A goal that the ledger has labels for. */
struct fit_goal {
    struct hash128 digest;
    char name[MOTIF_NAME_MAX];
    uint64_t labels;
};

struct fit_command {
    struct fit_options o;
    struct ledger_source *source;
    struct fit_goal goals[GOALS_MAX];
    int goal_count;
    bool goals_beyond; // more than GOALS_MAX
    struct motif_about about;
    struct labels *labels;
    struct hash_state *digest;
};

/* ---- whose captions, for which goal ---- */

static enum status choose_environment(struct fit_command *c)
{
    const char *known = ledger_source_environment(c->source);
    const char *given = c->o.env;

    if (known[0] == '\0' && given[0] == '\0') {
        LOG_ERROR("FIT-ENVIRONMENT",
                  "%s does not tell of which environment its captions are; give --env",
                  ledger_source_path(c->source));
        return ST_INVALID;
    }
    if (known[0] != '\0' && given[0] != '\0' &&
        !ledger_same_environment(known, given)) {
        LOG_ERROR("FIT-ENVIRONMENT", "the captions of %s are of %s, --env says %s",
                  ledger_source_path(c->source), known, given);
        return ST_INVALID;
    }
    (void)text_format(c->about.environment, sizeof(c->about.environment), "%s",
                      known[0] != '\0' ? known : given);
    return ST_OK;
}

static bool may_train(const struct ledger_entry *e)
{
    return e->trains && e->captions >= 1 &&
           (e->verdict_kind == VERDICT_LABEL || e->verdict_kind == VERDICT_TIE);
}

static bool note_goal(void *ctx, const struct ledger_entry *e)
{
    struct fit_command *c = ctx;
    int i;

    if (!may_train(e)) {
        return true;
    }
    for (i = 0; i < c->goal_count; i++) {
        if (hash_equal(c->goals[i].digest, e->goal_digest)) {
            break;
        }
    }
    if (i == GOALS_MAX) {
        c->goals_beyond = true;
        return true;
    }
    if (i == c->goal_count) {
        c->goals[c->goal_count++].digest = e->goal_digest;
        (void)text_format(c->goals[i].name, MOTIF_NAME_MAX, "%.*s", (int)e->goal.len,
                          (const char *)e->goal.data);
    }
    c->goals[i].labels++;
    return true;
}

static void list_goals(const struct fit_command *c, char *out, size_t size)
{
    size_t used = 0;

    out[0] = '\0';
    for (int i = 0; i < c->goal_count && used < size; i++) {
        (void)text_format(out + used, size - used, "%s%s (%" PRIu64 ")",
                          i > 0 ? ", " : "", c->goals[i].name, c->goals[i].labels);
        used += strlen(out + used);
    }
}

/* The one that is named must be among them, to the byte of its file. */
static enum status find_named(struct fit_command *c, const struct fit_goal **out)
{
    static struct learner_options o; // large; start_read_goal() reads two of them
    struct start_goal goal;
    char all[512];

    (void)text_format(o.goal, sizeof(o.goal), "%s", c->o.goal);
    (void)text_format(o.env, sizeof(o.env), "%s", c->about.environment);
    TRY(start_read_goal(&o, &goal));
    mem_free(goal.text);
    for (int i = 0; i < c->goal_count; i++) {
        if (hash_equal(c->goals[i].digest, goal.digest)) {
            *out = &c->goals[i];
            return ST_OK;
        }
    }
    list_goals(c, all, sizeof(all));
    LOG_ERROR("FIT-GOAL",
              "%s has no labels for goal %s as its file is now; its labels are for %s",
              ledger_source_path(c->source), goal.name, all);
    return ST_INVALID;
}

static enum status choose_goal(struct fit_command *c)
{
    const struct fit_goal *chosen = &c->goals[0];
    char all[512];

    TRY(ledger_source_scan(c->source, 1, 0, note_goal, c));
    if (c->goals_beyond) {
        LOG_ERROR("FIT-GOAL", "%s has labels for more than %d goals",
                  ledger_source_path(c->source), GOALS_MAX);
        return ST_INVALID;
    }
    if (c->goal_count == 0) {
        LOG_ERROR("FIT-GOAL", "%s has no label that may train",
                  ledger_source_path(c->source));
        return ST_INVALID;
    }
    if (c->o.goal[0] != '\0') {
        TRY(find_named(c, &chosen));
    } else if (c->goal_count > 1) {
        list_goals(c, all, sizeof(all));
        LOG_ERROR("FIT-GOAL",
                  "%s has labels for several goals, %s; name one with --goal",
                  ledger_source_path(c->source), all);
        return ST_INVALID;
    }
    c->about.goal_digest = chosen->digest;
    (void)text_format(c->about.goal, sizeof(c->about.goal), "%s", chosen->name);
    return ST_OK;
}

/* ---- the labels ---- */

static bool take_entry(void *ctx, const struct ledger_entry *e)
{
    struct fit_command *c = ctx;
    const bool label = e->verdict_kind == VERDICT_LABEL;
    struct reward_label l = {.key = e->key,
                             .serial = e->serial,
                             .kind = e->verdict_kind,
                             .captions = e->captions,
                             .p = label && e->captions == 1 ? e->label : 0.5F};

    if (!may_train(e) || !hash_equal(e->goal_digest, c->about.goal_digest)) {
        return true;
    }
    for (int i = 0; i < e->captions; i++) {
        l.caption[i] = hash_128(e->caption[i]);
        l.place[i] = label ? e->order[i] : 0;
        labels_take_text(c->labels, l.caption[i], e->caption[i]);
    }
    (void)labels_take(c->labels, &l);
    hash_add(c->digest, bytes_of(&l.key, sizeof(l.key)));
    hash_add(c->digest, bytes_of(&l.p, sizeof(l.p)));
    hash_add(c->digest, bytes_of(l.caption, sizeof(l.caption)));
    hash_add(c->digest, bytes_of(l.place, sizeof(l.place)));
    return true;
}

/* Ratings and orders apart: what is rare among each is another thing. */
static void tell_labels(const struct fit_command *c)
{
    uint32_t of[2][2] = {{0}}; // orders or not; helpful, or no tie
    char orders[64] = "";
    struct labels_item it;

    for (uint32_t i = 0; i < labels_count(c->labels); i++) {
        labels_get(c->labels, i, &it);
        of[it.captions > 1][it.helpful]++;
    }
    if (of[1][0] + of[1][1] > 0) {
        (void)text_format(orders, sizeof(orders), " and %u orders, %u of them ties",
                          of[1][0] + of[1][1], of[1][0]);
    }
    LOG_INFO("FIT-BEGIN",
             "%u ratings, %u of them helpful,%s of %s for goal %s; %u labels held out",
             of[0][0] + of[0][1], of[0][1], orders, c->about.environment, c->about.goal,
             labels_held(c->labels));
}

static enum status read_labels(struct fit_command *c)
{
    c->labels = labels_new(c->o.held_out);
    c->digest = hash_begin();
    const enum status st = ledger_source_scan(c->source, 1, 0, take_entry, c);
    c->about.ledger_digest = hash_end(c->digest);
    TRY(st);
    tell_labels(c);
    return ST_OK;
}

/* ---- the whole ---- */

static enum status fit(struct fit_command *c)
{
    const struct fit_options *o = &c->o;
    const struct motif_fit_options plan = {
        .text = strcmp(o->text_net, "cnn") == 0 ? CAPNET_CNN : CAPNET_NGRAM,
        .epochs = o->epochs,
        .batch = o->batch,
        .lr = o->lr,
        .seed = (uint64_t)o->seed};
    struct motif_about *a = &c->about;
    struct capnet *net = NULL;

    TRY(motif_dir_check_free(o->out));
    TRY(ledger_source_open(o->ledger, &c->source));
    TRY(choose_environment(c));
    TRY(choose_goal(c));
    TRY(read_labels(c));
    TRY(motif_dir_try(o->out, plan.text));
    TRY(motif_fit(&plan, c->labels, a, &net));
    const enum status st = motif_dir_write(o->out, a, net);
    capnet_free(net);
    TRY(st);
    char right[MOTIF_RIGHT_MAX];

    LOG_INFO("FIT-END", "the model of epoch %" PRIu64 ", %s; it is in %s", a->epochs,
             motif_fit_right(a->accuracy, a->compared, right), o->out);
    return ST_OK;
}

static enum status read_options(struct fit_options *o, int argc, char **argv)
{
    option_defaults(fit_table, o);
    TRY(option_parse(fit_table, o, argc, argv));
    if (o->ledger[0] == '\0' || o->out[0] == '\0') {
        fprintf(stderr, "minos fit: --%s is missing\nUsage: %s\n",
                o->ledger[0] == '\0' ? "ledger" : "out", usage);
        return ST_INVALID;
    }
    return ST_OK;
}

int fit_main(int argc, char **argv)
{
    static struct fit_command c; // large

    if (option_is_given(argc, argv, "help")) {
        option_print_help(fit_table, usage, examples, stdout);
        return EXIT_DONE;
    }
    if (read_options(&c.o, argc, argv) != ST_OK) {
        return EXIT_USAGE;
    }
    log_open("fit", -1, LOG_INFO_);
    stop_open();
    mat_set_threads(1);
    const enum status st = fit(&c);
    ledger_source_close(c.source);
    labels_free(c.labels);
    if (st == ST_CLOSED) {
        LOG_WARN("FIT-STOPPED", "stopped before the end; nothing was written");
    }
    return st == ST_OK                      ? EXIT_DONE
           : st == ST_IO || st == ST_CLOSED ? EXIT_FAILED
                                            : EXIT_USAGE;
}
