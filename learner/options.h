#ifndef LEARNER_OPTIONS_H
#define LEARNER_OPTIONS_H
/* The learner's settings: one row each in options.c, nothing else. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/option.h"
#include "common/base/status.h"

struct learner_options {
    char preset[OPTION_TEXT_MAX]; // "" = by env
    char run_dir[OPTION_TEXT_MAX];
    char store_dir[OPTION_TEXT_MAX]; // "" = run_dir
    int64_t store_mb;
    char env[OPTION_TEXT_MAX];
    char goal[OPTION_TEXT_MAX]; // a name in share/minos/goals or a path; "" = by task
    char reward[OPTION_TEXT_MAX];
    char judge[OPTION_TEXT_MAX]; // recorded only: judges dial in
    char labels_from[OPTION_TEXT_MAX];
    bool relabel;
    char net[OPTION_TEXT_MAX];
    char loss[OPTION_TEXT_MAX];
    int64_t segment_steps, batch, micro_batch, seed, max_lag, passes, value_heads;
    int64_t steps;  // env steps trained, total of the run directory; 0 = no bound
    double seconds; // likewise
    double lr, lr_end, entropy, grad_norm, gamma, value_coef, value_clip, ratio_clip;
    double adv_floor, adv_clip, value_rate;
    double replay_ratio;
    int64_t replay_age;
    char replay_mode[OPTION_TEXT_MAX];
    double a_ext, a_int, reward_scale, reward_clip, beta;
    double rnd_lr;
    bool value_norm;
    char word_vectors[OPTION_TEXT_MAX];
    double bow_threshold;
    char reward_model[OPTION_TEXT_MAX];
    double motif_quantile;
    char count_key[OPTION_TEXT_MAX];
    int64_t port; // 0 = 7340 or the next free one
    char bind[OPTION_TEXT_MAX];
    double checkpoint_seconds, draw_timeout, hang_seconds, metrics_seconds;
    int64_t threads; // of BLAS
    bool mpi;
    int64_t label_budget, label_budget_hour; // 0 = none
    int64_t order_captions;
    double consistency_share, judge_alarm;
    char soft[OPTION_TEXT_MAX], text_net[OPTION_TEXT_MAX];
    // accidents of the reference, each by itself
    char pay_caption[OPTION_TEXT_MAX], bootstrap[OPTION_TEXT_MAX];
    char time_limits[OPTION_TEXT_MAX], rank_pay[OPTION_TEXT_MAX];
    char fit_schedule[OPTION_TEXT_MAX], failure_label[OPTION_TEXT_MAX];
    char ask_order[OPTION_TEXT_MAX];
    bool resend_in_flight;
    bool hard;
    double eta, reward_model_lr, held_out, class_balance;
    int64_t fit_steps, fit_batch, reward_version_updates;
    int64_t gate_labels, gate_class, gate_steps, ramp_updates;
    char log_level[OPTION_TEXT_MAX];
};

extern struct option learner_option_table[];

/* Defaults, then the preset (--preset, or by the environment's family), then
 * RUN/config.ini where --run-dir holds one, then the command line. Errors are printed.
 * ST_INVALID: the command line or a file is wrong. */
MUST_USE enum status learner_options_read(struct learner_options *o, int argc,
                                          char **argv);
/* The goal that an environment's task is about when none was named. */
const char *learner_goal_of(const char *env);

#endif
