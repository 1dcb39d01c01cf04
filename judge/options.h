#ifndef JUDGE_OPTIONS_H
#define JUDGE_OPTIONS_H
/* The judge's settings: one row each in options.c, nothing else. Main thread. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/option.h"
#include "judge/backends/sim/knobs.h"

struct judge_options {
    char learner[OPTION_TEXT_MAX]; // "" = RUN/address
    char run_dir[OPTION_TEXT_MAX];
    int64_t id;
    bool mpi;
    char judge[OPTION_TEXT_MAX];
    char goal[OPTION_TEXT_MAX];  // "" = the learner's
    char rules[OPTION_TEXT_MAX]; // "" = found by goal and family
    char sim[OPTION_TEXT_MAX];
    double sim_share;
    int64_t sim_seed;
    struct sim_knobs sim_knobs;
    char llm_url[OPTION_TEXT_MAX], llm_model[OPTION_TEXT_MAX];
    char llm_key_env[OPTION_TEXT_MAX];
    bool llm_allow_http;
    char llm_api[OPTION_TEXT_MAX], llm_structured[OPTION_TEXT_MAX];
    char style[OPTION_TEXT_MAX];
    bool reasoning;
    char prompt_file[OPTION_TEXT_MAX];
    int64_t llm_votes, llm_max_tokens, llm_inflight, llm_retries;
    double llm_temperature, llm_timeout; // seconds
    double llm_rpm, llm_tpm, llm_price_in, llm_price_out;
    int64_t request_budget, request_budget_hour, token_budget, token_budget_hour;
    double money_budget, money_budget_hour;
    int64_t cache, credits;
    double deadline; // seconds; 0 = the backend's own
    char log_level[OPTION_TEXT_MAX];
    char config[OPTION_TEXT_MAX];
    bool help, print_config;
};

extern struct option judge_option_table[];

#endif
