#include <math.h>
#include <stdio.h>
#include <string.h>

#include "actor/tools.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/metrics.h"
#include "common/nn/mat.h"
#include "common/nn/softmax.h"

/* Plays episodes 0..N-1 of the evaluation stream of --seed, each exactly once, whatever
 * the number of environments: two checkpoints evaluated with one seed meet the same
 * games and, where they act alike, the same luck. */

enum measure {
    EVAL_RETURN,
    EVAL_LENGTH,
    EVAL_DEPTH,
    EVAL_DEPTH_2, // reached level 2 at least
    EVAL_GOLD,
    EVAL_EXPERIENCE,
    EVAL_SCOUT,
    EVAL_SCORE,
    EVAL_ACHIEVEMENTS,
    EVAL_MEASURES
};

static const char *const names[EVAL_MEASURES] = {"return",  "length", "depth",
                                                 "depth_2", "gold",   "experience",
                                                 "scout",   "score",  "achievements"};

struct eval {
    struct show_options options;
    struct tools_player player;
    struct vecenv *games;
    int E;
    int64_t dealt, done, successes;
    int64_t *episode;   // (E) which episode environment e plays
    struct rng *chance; // (E)
    float *state, *logits, *values;
    uint8_t *actions;
    struct vecenv_step *steps;
    double sum[EVAL_MEASURES], squares[EVAL_MEASURES];
    uint64_t env_steps;
};

static void add(struct eval *v, enum measure m, double x)
{
    v->sum[m] += x;
    v->squares[m] += x * x;
}

static enum status deal(struct eval *v, int e)
{
    const struct rng_stream chance = {.seed = (uint64_t)v->options.seed,
                                      .role = RNG_ACTOR,
                                      .index = UINT32_MAX, // no actor of a run
                                      .episode = (uint64_t)v->dealt};

    v->episode[e] = v->dealt++;
    rng_init_stream(&v->chance[e], &chance);
    vecenv_set_episode(v->games, e, (uint64_t)v->episode[e]);
    memset(v->state + (size_t)e * (size_t)policy_state_floats(v->player.policy), 0,
           sizeof(float) * (size_t)policy_state_floats(v->player.policy));
    return vecenv_reset(v->games, e);
}

static enum status begin(struct eval *v)
{
    const struct vecenv_plan plan = {
        .kind = v->player.kind,
        .options = v->player.env_options,
        .envs = v->E,
        .stream = {.seed = (uint64_t)v->options.seed, .role = RNG_EVAL},
        .count_key = COUNT_EXACT,
    };
    const size_t E = (size_t)v->E;

    TRY(vecenv_open(&plan, &v->games));
    v->episode = mem_new(E, sizeof(*v->episode));
    v->chance = mem_new(E, sizeof(*v->chance));
    v->state =
        mem_new(E * (size_t)policy_state_floats(v->player.policy), sizeof(float));
    v->logits = mem_new(E * (size_t)policy_actions(v->player.policy), sizeof(float));
    v->values = mem_new(E * (size_t)policy_heads(v->player.policy), sizeof(float));
    v->actions = mem_new(E, 1);
    v->steps = mem_new(E, sizeof(*v->steps));
    for (int e = 0; e < v->E; e++) {
        TRY(deal(v, e));
    }
    return ST_OK;
}

static void end(struct eval *v)
{
    vecenv_close(v->games);
    policy_free(v->player.policy);
    mem_free(v->episode);
    mem_free(v->chance);
    mem_free(v->state);
    mem_free(v->logits);
    mem_free(v->values);
    mem_free(v->actions);
    mem_free(v->steps);
}

static void choose(struct eval *v)
{
    const int A = policy_actions(v->player.policy);
    const bool random = strcmp(v->options.player, "random") == 0;
    struct policy_input in;

    if (!random) {
        vecenv_input(v->games, &in);
        policy_act(v->player.policy, &in, v->E, v->state, v->logits, v->values);
        softmax_log(v->logits, v->logits, v->E, A);
    }
    for (int e = 0; e < v->E; e++) {
        const float *logp = v->logits + (size_t)e * (size_t)A;
        int a;
        if (random) {
            a = (int)rng_below(&v->chance[e], (uint32_t)A);
        } else if (v->options.greedy) {
            a = softmax_argmax(logp, A);
        } else {
            a = softmax_sample(logp, A, rng_float(&v->chance[e]));
        }
        v->actions[e] = (uint8_t)a;
    }
}

static void count_episode(struct eval *v, int e)
{
    struct env_summary s;

    if (v->episode[e] >= v->options.episodes) {
        return; // played only because the others were not done
    }
    vecenv_summary(v->games, e, &s);
    add(v, EVAL_RETURN, (double)vecenv_return(v->games, e));
    add(v, EVAL_LENGTH, s.length);
    add(v, EVAL_DEPTH, s.depth);
    add(v, EVAL_DEPTH_2, s.depth >= 2);
    add(v, EVAL_GOLD, s.gold);
    add(v, EVAL_EXPERIENCE, s.experience);
    add(v, EVAL_SCOUT, s.scout);
    add(v, EVAL_SCORE, (double)s.score);
    add(v, EVAL_ACHIEVEMENTS, __builtin_popcount(s.achievements));
    v->successes += s.success;
    v->done++;
}

static enum status play(struct eval *v)
{
    while (v->done < v->options.episodes) {
        choose(v);
        vecenv_step(v->games, v->actions, v->steps);
        v->env_steps += (uint64_t)v->E;
        for (int e = 0; e < v->E; e++) {
            if (v->steps[e].result.terminated || v->steps[e].result.truncated) {
                count_episode(v, e);
                TRY(deal(v, e));
            }
        }
    }
    return ST_OK;
}

/* Wilson's interval for a share (z = 1.96). */
static void wilson(double k, double n, double *low, double *high)
{
    const double z = 1.96, p = k / n, d = 1 + z * z / n;
    const double mid = (p + z * z / (2 * n)) / d;
    const double half = z / d * sqrt(p * (1 - p) / n + z * z / (4 * n * n));

    // At 0 and at all successes the ends are 0 and 1 exactly, but for rounding.
    *low = k > 0 ? fmax(0, mid - half) : 0;
    *high = k < n ? fmin(1, mid + half) : 1;
}

static void print(const struct eval *v, double seconds)
{
    struct metrics_row row = {0};
    const double n = (double)v->done;
    double low, high;
    char key[48];

    wilson((double)v->successes, n, &low, &high);
    metrics_begin(&row);
    metrics_text(&row, "env", v->options.env);
    metrics_text(&row, "run_dir", v->options.run_dir);
    metrics_text(&row, "player",
                 strcmp(v->options.player, "random") == 0 ? "random"
                 : v->options.untrained                   ? "untrained"
                                                          : "policy");
    metrics_text(&row, "actions_taken", v->options.greedy ? "greedy" : "sampled");
    metrics_int(&row, "episodes", v->done);
    metrics_int(&row, "seed", v->options.seed);
    metrics_int(&row, "checkpoint_update", (int64_t)v->player.update);
    metrics_int(&row, "checkpoint_env_steps", (int64_t)v->player.env_steps);
    metrics_num(&row, "success_rate", (double)v->successes / n);
    metrics_num(&row, "success_low95", low);
    metrics_num(&row, "success_high95", high);
    for (int m = 0; m < EVAL_MEASURES; m++) {
        const double mean = v->sum[m] / n;
        const double var = n > 1 ? (v->squares[m] - n * mean * mean) / (n - 1) : 0;
        (void)snprintf(key, sizeof(key), "%s_mean", names[m]);
        metrics_num(&row, key, mean);
        (void)snprintf(key, sizeof(key), m == EVAL_RETURN ? "ci95" : "%s_ci95",
                       names[m]);
        metrics_num(&row, key, 1.96 * sqrt(fmax(0, var) / n));
    }
    metrics_int(&row, "env_steps", (int64_t)v->env_steps);
    metrics_num(&row, "seconds", seconds);
    metrics_num(&row, "sps", (double)v->env_steps / seconds);
    metrics_text(&row, "blas_core", mat_core_name());
    puts(metrics_end(&row));
    metrics_release(&row);
}

int eval_main(int argc, char **argv)
{
    static struct eval v;
    int code;

    if (!tools_parse(eval_option_table, argc, argv,
                     "minos eval --run-dir=DIR [--episodes=N] [--seed=K] [--greedy]",
                     &v.options, &code)) {
        return code;
    }
    v.E = (int)(v.options.envs < v.options.episodes ? v.options.envs
                                                    : v.options.episodes);
    enum status st = tools_open_player(&v.options, v.E, &v.player);
    if (st != ST_OK) {
        return st == ST_IO || st == ST_CORRUPT ? EXIT_FAILED : EXIT_USAGE;
    }
    const double start = clock_s(clock_system());
    st = begin(&v);
    if (st == ST_OK) {
        st = play(&v);
    }
    if (st == ST_OK) {
        print(&v, clock_s(clock_system()) - start);
    }
    end(&v);
    return st == ST_OK ? EXIT_DONE : EXIT_FAILED;
}
