#include "learner/options.h"

#include <stdio.h>
#include <string.h>

#include "common/base/share.h"
#include "common/base/text.h"

#define ROW(field, name, type, preset, least, most, help)                              \
    OPT(struct learner_options, field, name, type, preset, least, most, help)

struct option learner_option_table[] = {
    {.name = "run-dir",
     .type = OPT_TEXT,
     .offset = offsetof(struct learner_options, run_dir),
     .preset = "",
     .help = "directory of the run: settings, checkpoints, metrics, logs; one that "
             "exists is gone on with",
     .group = "the run"},
    ROW(preset, "preset", OPT_TEXT, "", 0, 0,
        "settings file of share/minos/conf by name; empty: the one of the "
        "environment's "
        "family"),
    ROW(env, "env", OPT_TEXT, "crypt-vault", 0, 0, "environment and task, by name"),
    ROW(seed, "seed", OPT_INT, "1", 0, 4294967295.0,
        "of all chance: weights, games, actions"),
    ROW(steps, "steps", OPT_INT, "0", 0, 1e15,
        "environment steps to train in all, restarts included; 0 = no bound"),
    ROW(seconds, "seconds", OPT_FLOAT, "0", 0, 1e9,
        "seconds to train in all, restarts included; 0 = no bound"),
    ROW(checkpoint_seconds, "checkpoint-seconds", OPT_FLOAT, "30", 0.1, 1e6,
        "seconds between checkpoints"),
    ROW(metrics_seconds, "metrics-seconds", OPT_FLOAT, "5", 0.1, 3600,
        "seconds between lines of metrics.jsonl"),
    OPT_ONE_OF(struct learner_options, log_level, "log-level", "info",
               "error|warn|info|debug", "least important lines that are written"),

    {.name = "reward",
     .type = OPT_CHOICE,
     .offset = offsetof(struct learner_options, reward),
     .preset = "retrieval",
     .choices = "none|count|retrieval|classify|rank|rnd|bow|motif",
     .help = "what is paid beside the game",
     .group = "reward"},
    ROW(goal, "goal", OPT_TEXT, "", 0, 0,
        "what judges are asked for: a name of share/minos/goals or the path of a goal "
        "file; empty: the task's own"),
    ROW(judge, "judge", OPT_TEXT, "rule", 0, 0,
        "which judge minos starts; recorded here, judges join by themselves"),
    ROW(label_budget, "label-budget", OPT_INT, "0", 0, 1e12,
        "labels that judges may give in all; 0 = no bound"),
    ROW(label_budget_hour, "label-budget-hour", OPT_INT, "0", 0, 1e12,
        "labels that judges may give within any hour; 0 = no bound"),
    ROW(order_captions, "order-captions", OPT_INT, "2", 2, 8,
        "captions that one question puts in order, where the reward asks for orders"),
    ROW(consistency_share, "consistency-share", OPT_FLOAT, "0.01", 0, 0.5,
        "share of questions that ask a judge again about what it has labelled, which "
        "trains nothing"),
    OPT_ONE_OF(struct learner_options, ask_order, "ask-order", "schedule",
               "schedule|newest",
               "what judges are asked first: what is worth most, or what came last"),
    ROW(resend_in_flight, "resend-in-flight", OPT_BOOL, "false", 0, 0,
        "ask for a rating again each time that the caption comes before the answer "
        "does"),
    OPT_ONE_OF(struct learner_options, failure_label, "failure-label", "none", "none|0",
               "what an answer that cannot be read, or none in time, is to training: "
               "nothing, and asked again, or a label 0 (a tie)"),
    ROW(judge_alarm, "judge-alarm", OPT_FLOAT, "0.2", 0, 1,
        "share of failures among the last 200 answers that raises an alarm; 1 = none"),
    ROW(labels_from, "labels-from", OPT_TEXT, "", 0, 0,
        "ledgers of earlier runs (run or ledger directories, exported .jsonl files), "
        "separated by commas, whose labels are taken over at the first start"),
    ROW(relabel, "relabel", OPT_BOOL, "false", 0, 0,
        "ask anew, in this start of minos, what the ledger knows; its labels train "
        "until "
        "the new ones come; needed where the goal's text was changed"),
    ROW(a_ext, "a-ext", OPT_FLOAT, "1", 0, 1e6, "weight of the game's own reward"),
    ROW(a_int, "a-int", OPT_FLOAT, "1", 0, 1e6, "weight of what captions pay"),
    ROW(reward_scale, "reward-scale", OPT_FLOAT, "0.04", 0, 1e6,
        "the game's reward is multiplied with it, then clipped; a success of 50 is 2"),
    ROW(reward_clip, "reward-clip", OPT_FLOAT, "10", 0, 1e6,
        "bound of the scaled reward of one step"),
    ROW(beta, "beta", OPT_FLOAT, "3", 0, 100,
        "the n-th time in an episode a caption pays 1/n^beta"),
    ROW(rnd_lr, "rnd-lr", OPT_FLOAT, "0.001", 0, 1,
        "reward rnd: learning rate of what learns to predict the screen's features"),
    ROW(word_vectors, "word-vectors", OPT_TEXT, "", 0, 0,
        "reward bow: a file of words and their vectors as text, such as fastText's "
        "crawl-300d-2M.vec"),
    ROW(bow_threshold, "bow-threshold", OPT_FLOAT, "0", -1, 0.999,
        "reward bow: cosines that are not above it pay nothing"),
    ROW(reward_model, "reward-model", OPT_TEXT, "", 0, 0,
        "reward motif: a directory that minos fit made of a ledger"),
    ROW(motif_quantile, "motif-quantile", OPT_FLOAT, "0.5", 0, 0.999,
        "reward motif: share of the captions that the model was trained on that pay "
        "nothing, the lowest"),
    OPT_ONE_OF(struct learner_options, count_key, "count-key", "digits-masked",
               "exact|digits-masked", "what counts as the same caption in an episode"),
    OPT_ONE_OF(struct learner_options, soft, "soft", "center", "center|raw",
               "what a chance p of being helpful pays: max(0, 2p - 1), or p"),
    ROW(hard, "hard", OPT_BOOL, "false", 0, 0, "1 where p is above eta, else 0"),
    ROW(eta, "eta", OPT_FLOAT, "0.5", 0, 0.999, "that bound"),
    OPT_ONE_OF(
        struct learner_options, pay_caption, "pay-caption", "caused", "caused|seen",
        "which caption a step is paid for: the one that its action caused, or the "
        "one that it was chosen by"),
    OPT_ONE_OF(struct learner_options, rank_pay, "rank-pay", "normalised",
               "normalised|raw",
               "reward rank: what a score pays, by its place among all or as it is"),

    {.name = "text-net",
     .type = OPT_CHOICE,
     .offset = offsetof(struct learner_options, text_net),
     .preset = "ngram",
     .choices = "ngram|cnn",
     .help = "how a reward's model reads captions",
     .group = "model of the reward"},
    ROW(reward_model_lr, "reward-model-lr", OPT_FLOAT, "0", 0, 1,
        "its learning rate; 0 = by text net, 0.003 for ngram and 0.001 for cnn"),
    ROW(fit_steps, "fit-steps", OPT_INT, "1", 1, 10000,
        "its gradient steps for each update, while there is something to learn; with "
        "--fit-schedule=budget alone"),
    OPT_ONE_OF(struct learner_options, fit_schedule, "fit-schedule", "budget",
               "budget|oni",
               "when: so many in each update, or 32 in one that brings labels and from "
               "25,000 labels on one in each"),
    ROW(fit_batch, "fit-batch", OPT_INT, "64", 1, 65536, "labels in each step"),
    ROW(class_balance, "class-balance", OPT_FLOAT, "0.25", 0, 1,
        "share of these that are of helpful ones alone (rank: of orders that are not "
        "all "
        "tied)"),
    ROW(held_out, "held-out", OPT_FLOAT, "0.1", 0, 0.9,
        "share of the labels, by the form of the caption, that measure it and tell "
        "when "
        "it rests; what pays learns from all"),
    ROW(reward_version_updates, "reward-version-updates", OPT_INT, "16", 1, 1e9,
        "updates between two versions of it that pay, at least"),
    ROW(gate_labels, "gate-labels", OPT_INT, "64", 0, 1e9,
        "labels before it pays; until then classify pays as retrieval, rank nothing"),
    ROW(gate_class, "gate-class", OPT_INT, "8", 0, 1e9,
        "of these helpful and other ones at least so many each"),
    ROW(gate_steps, "gate-steps", OPT_INT, "100", 0, 1e9,
        "gradient steps before it pays; with all three 0 it pays from the first step, "
        "by chance"),
    ROW(ramp_updates, "ramp-updates", OPT_INT, "20", 0, 1e9,
        "updates from the gate's opening until it pays in full"),

    {.name = "net",
     .type = OPT_CHOICE,
     .offset = offsetof(struct learner_options, net),
     .preset = "cells",
     .choices = "cells|tiles",
     .help = "policy network",
     .group = "learning"},
    ROW(value_heads, "value-heads", OPT_INT, "1", 1, 2,
        "values that the critic predicts: 1, of all rewards; 2, of the game's and of "
        "what is paid beside it"),
    OPT_ONE_OF(struct learner_options, loss, "loss", "ppo", "ppo|vtrace|oni",
               "policy loss: clipped ratio, plain V-trace, or the reference's of both"),
    OPT_ONE_OF(
        struct learner_options, bootstrap, "bootstrap", "critic", "critic|fake",
        "what follows a segment: the critic's value, or what makes its last step "
        "teach nothing"),
    OPT_ONE_OF(struct learner_options, time_limits, "time-limits", "value",
               "value|death",
               "an episode that a time limit ended: worth what the critic says of its "
               "last sight, or nothing"),
    ROW(segment_steps, "segment-steps", OPT_INT, "32", 8, 512,
        "steps of one environment in a segment, over which gradients flow"),
    ROW(batch, "batch", OPT_INT, "1024", 8, 1048576,
        "environment steps in one update, all ranks together"),
    ROW(micro_batch, "micro-batch", OPT_INT, "0", 0, 1048576,
        "steps in one pass of the network, to bound memory; 0 = by network"),
    ROW(passes, "passes", OPT_INT, "1", 1, 16, "updates with each batch"),
    ROW(replay_ratio, "replay-ratio", OPT_FLOAT, "0", 0, 0.25,
        "trained segments that are trained again, for each fresh one; 0 = none"),
    ROW(replay_age, "replay-age", OPT_INT, "50", 1, 10000,
        "segments whose weights are more updates behind are not replayed"),
    OPT_ONE_OF(struct learner_options, replay_mode, "replay-mode", "labels",
               "labels|uniform",
               "which: what was trained between a caption's first sight and its late "
               "label, or any"),
    ROW(max_lag, "max-lag", OPT_INT, "20", 0, 1e9,
        "segments whose weights are more updates behind are dropped"),
    ROW(lr, "lr", OPT_FLOAT, "0.001", 0, 1, "learning rate at the beginning"),
    ROW(lr_end, "lr-end", OPT_FLOAT, "0.0001", 0, 1,
        "learning rate when steps or seconds are used up"),
    ROW(entropy, "entropy", OPT_FLOAT, "0.005", 0, 10, "weight of the entropy"),
    ROW(grad_norm, "grad-norm", OPT_FLOAT, "1", 0, 1e6,
        "longest gradient; 0 = no bound"),
    ROW(gamma, "gamma", OPT_FLOAT, "0.99", 0.01, 1, "discount"),
    ROW(value_coef, "value-coef", OPT_FLOAT, "0.5", 0, 100, "weight of the value loss"),
    ROW(value_clip, "value-clip", OPT_FLOAT, "1", 0, 1e6,
        "how far the critic may move from what it said, in normalised units; 0 = any"),
    ROW(ratio_clip, "ratio-clip", OPT_FLOAT, "1.1", 1.0001, 1e6,
        "ratios of probabilities count within 1/c and c"),
    ROW(adv_floor, "adv-floor", OPT_FLOAT, "0.1", 1e-8, 1e6,
        "least deviation that advantages are divided by"),
    ROW(adv_clip, "adv-clip", OPT_FLOAT, "10", 0, 1e6,
        "bound of normalised advantages; 0 = none"),
    ROW(value_norm, "value-norm", OPT_BOOL, "true", 0, 0,
        "the critic predicts values less their mean, by their deviation"),
    ROW(value_rate, "value-rate", OPT_FLOAT, "0.005", 1e-6, 1,
        "how fast that mean and deviation follow, per update"),

    {.name = "store-dir",
     .type = OPT_TEXT,
     .offset = offsetof(struct learner_options, store_dir),
     .preset = "",
     .help = "where segments and verdicts are kept, on a local disk; empty: run-dir",
     .group = "machine"},
    ROW(store_mb, "store-mb", OPT_INT, "1024", 16, 1e7,
        "bound of one rank's store of segments"),
    ROW(bind, "bind", OPT_TEXT, "127.0.0.1", 0, 0,
        "address to listen on, which actors and judges dial"),
    ROW(port, "port", OPT_INT, "0", 0, 65535,
        "port of rank 0, rank r takes the r-th after it; 0 = 7340 or the next free"),
    ROW(threads, "threads", OPT_INT, "1", 1, 256, "threads of BLAS in each rank"),
    ROW(draw_timeout, "draw-timeout", OPT_FLOAT, "2", 0, 3600,
        "seconds that a rank waits for a full batch"),
    ROW(hang_seconds, "hang-seconds", OPT_FLOAT, "300", 1, 1e6,
        "a rank that waits so long for others ends with exit code 75"),
    ROW(mpi, "mpi", OPT_BOOL, "false", 0, 0,
        "started together with actors and judges by one mpirun"),
    OPT_END,
};

/* ONI's tasks are NetHack's; everything else of ours is small and short. */
static const char *family_preset(const char *env)
{
    return strncmp(env, "nethack", 7) == 0 || strncmp(env, "nle", 3) == 0 ? "nethack"
                                                                          : "crypt";
}

static enum status read_preset(struct learner_options *o, const char *name)
{
    char relative[OPTION_TEXT_MAX + 16], path[1024];

    text_format(relative, sizeof(relative), "conf/%s.ini", name);
    if (strchr(name, '/') != NULL || !share_path(relative, path, sizeof(path))) {
        fprintf(
            stderr,
            "minos-learner: --preset: %s is not allowed; crypt, nethack or oni%s%s\n",
            name, strchr(name, '/') != NULL ? "" : ", looked for ",
            strchr(name, '/') != NULL ? "" : path);
        return ST_INVALID;
    }
    return option_read_file(learner_option_table, o, path, true);
}

/* Twice: the first reading finds out which preset is meant, the second lets everything
 * else win over it. */
enum status learner_options_read(struct learner_options *o, int argc, char **argv)
{
    static struct learner_options first; // large

    option_defaults(learner_option_table, &first);
    TRY(option_parse_run(learner_option_table, &first, argc, argv));
    option_defaults(learner_option_table, o);
    TRY(read_preset(o,
                    first.preset[0] != '\0' ? first.preset : family_preset(first.env)));
    return option_parse_run(learner_option_table, o, argc, argv);
}

/* The learner does not link environments; minos passes the goal that the environment
 * itself names (minos-actor describe). This is for ranks started by hand. */
const char *learner_goal_of(const char *env)
{
    static const char *const goals[][2] = {{"stairs", "stairs"},
                                           {"vault", "treasure"},
                                           {"bandit", "treasure"},
                                           {"chain", "exploration"},
                                           {"crypt-oracle", "exploration"}};

    for (size_t i = 0; i < sizeof(goals) / sizeof(goals[0]); i++) {
        if (strstr(env, goals[i][0]) != NULL) {
            return goals[i][1];
        }
    }
    return "defaultgoal";
}
