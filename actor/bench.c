#include <stdio.h>
#include <string.h>

#include "actor/envs/crypt/calibrate.h"
#include "actor/tools.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/metrics.h"
#include "common/base/text.h"
#include "common/nn/mat.h"
#include "common/nn/nn_bench.h"

/* Benchmarks of what an actor does. Each prints one JSON object per line; figures of
 * shared machines are compared as ratios of one run. */

static void print_row(struct metrics_row *row)
{
    puts(metrics_end(row));
    fflush(stdout);
}

struct env_bench {
    struct env **env;
    const struct env_kind *kind;
    uint64_t *episode;
    struct rng chance;
    int E;
    int64_t steps, episodes;
    double step_s, reset_s, reset_worst_s;
};

static enum status timed_reset(struct env_bench *b, int e, uint64_t seed)
{
    const struct rng_stream stream = {
        .seed = seed, .role = RNG_ENV, .env = (uint32_t)e, .episode = b->episode[e]++};
    const double start = clock_s(clock_system());

    TRY(b->kind->reset(b->env[e], &stream));
    const double took = clock_s(clock_system()) - start;
    b->reset_s += took;
    b->reset_worst_s = took > b->reset_worst_s ? took : b->reset_worst_s;
    b->episodes++;
    return ST_OK;
}

static enum status run_env(struct env_bench *b, int actions,
                           const struct show_options *o)
{
    const double start = clock_s(clock_system());

    while (b->steps < o->steps) {
        for (int e = 0; e < b->E; e++) {
            b->kind->send(b->env[e], (int)rng_below(&b->chance, (uint32_t)actions));
        }
        for (int e = 0; e < b->E; e++) {
            struct env_result r;
            b->kind->receive(b->env[e], &r);
            if (r.terminated || r.truncated) {
                TRY(timed_reset(b, e, (uint64_t)o->seed));
            }
        }
        b->steps += b->E;
    }
    b->step_s = clock_s(clock_system()) - start;
    return ST_OK;
}

static void report_env(const struct env_bench *b, const struct show_options *o,
                       int actions, uint64_t allocations, double cpu_s)
{
    struct metrics_row row = {0};

    metrics_begin(&row);
    metrics_text(&row, "bench", "env");
    metrics_text(&row, "env", o->env);
    metrics_int(&row, "games", b->E);
    metrics_int(&row, "actions", actions);
    metrics_int(&row, "steps", b->steps);
    metrics_int(&row, "episodes", b->episodes - b->E);
    metrics_num(&row, "seconds", b->step_s);
    metrics_num(&row, "steps_per_s", (double)b->steps / b->step_s);
    metrics_num(&row, "process_cpu_us_per_step", cpu_s * 1e6 / (double)b->steps);
    metrics_num(&row, "reset_ms", b->reset_s * 1e3 / (double)b->episodes);
    metrics_num(&row, "reset_worst_ms", b->reset_worst_s * 1e3);
    metrics_int(&row, "allocations", (int64_t)allocations);
    metrics_num(&row, "anon_mb", mem_anon_mb());
    print_row(&row);
    metrics_release(&row);
}

static enum status open_games(struct env_bench *b, const struct show_options *o)
{
    const struct env_options options = {o->env, o->env_options, o->scratch, o->record};

    TRY(env_find(o->env, &b->kind));
    b->env = mem_new((size_t)b->E, sizeof(struct env *));
    b->episode = mem_new((size_t)b->E, sizeof(uint64_t));
    for (int e = 0; e < b->E; e++) {
        TRY(b->kind->open(&options, &b->env[e]));
        TRY(timed_reset(b, e, (uint64_t)o->seed));
    }
    return ST_OK;
}

static enum status bench_env(struct show_options *o)
{
    struct env_bench b = {.E = (int)o->envs};

    rng_init(&b.chance, (uint64_t)o->seed);
    enum status st = open_games(&b, o);
    if (st == ST_OK) {
        const int actions = b.kind->spec(b.env[0])->actions;
        const uint64_t before = mem_allocations(), cpu = clock_process_cpu_ns();
        st = run_env(&b, actions, o);
        if (st == ST_OK) {
            report_env(&b, o, actions, mem_allocations() - before,
                       (double)(clock_process_cpu_ns() - cpu) * 1e-9);
        }
    }
    for (int e = 0; b.env != NULL && e < b.E && b.env[e] != NULL; e++) {
        b.kind->close(b.env[e]);
    }
    mem_free(b.env);
    mem_free(b.episode);
    return st;
}

static enum status bench_infer(struct show_options *o)
{
    static const char *const nets[] = {"cells", "tiles"};
    struct metrics_row row = {0};

    for (int i = 0; i < 2; i++) {
        if (strcmp(o->net, "both") != 0 && strcmp(o->net, nets[i]) != 0) {
            continue;
        }
        metrics_begin(&row);
        metrics_text(&row, "bench", "infer");
        TRY(nn_bench_infer(nets[i], (int)o->actions, (int)o->envs, o->seconds, &row));
        print_row(&row);
    }
    metrics_release(&row);
    return ST_OK;
}

static enum status bench_calibrate(struct show_options *o)
{
    static const char *const tasks[] = {"crypt-stairs2", "crypt-stairs", "crypt-vault",
                                        "crypt-oracle",  "crypt-score",  "crypt-free"};
    enum { TASKS = sizeof(tasks) / sizeof(tasks[0]) };
    struct metrics_row row = {0};
    bool any = false;

    for (int i = 0; i < TASKS; i++) {
        if (o->env[0] != 0 && strcmp(o->env, tasks[i]) != 0) {
            continue;
        }
        any = true;
        metrics_begin(&row);
        metrics_text(&row, "bench", "crypt-calibrate");
        metrics_text(&row, "env", tasks[i]);
        TRY(crypt_calibrate(tasks[i], (int)o->episodes, (uint64_t)o->seed, &row));
        print_row(&row);
    }
    metrics_release(&row);
    if (!any) {
        const char *nearest = text_nearest(o->env, tasks, TASKS);
        LOG_ERROR("CRYPT-CALIBRATE", "'%s' is no task of crypt%s%s", o->env,
                  nearest != NULL ? ", did you mean "
                                  : ", whose names begin with crypt-",
                  nearest != NULL ? nearest : "");
        return ST_INVALID;
    }
    return ST_OK;
}

struct bench {
    const char *name, *usage;
    struct option *table;
    enum status (*run)(struct show_options *o);
};

static const struct bench benches[] = {
    {"env", "minos bench env [--env=NAME] [--envs=GAMES] [--steps=N]",
     bench_env_option_table, bench_env},
    {"infer", "minos bench infer [--net=NAME] [--envs=ROWS]", bench_infer_option_table,
     bench_infer},
    {"crypt-calibrate", "minos bench crypt-calibrate [--env=NAME] [--episodes=N]",
     bench_calibrate_option_table, bench_calibrate},
};

int bench_main(int argc, char **argv)
{
    static struct show_options o;
    const char *name = argc > 1 ? argv[1] : "";
    int code;

    for (size_t i = 0; i < sizeof(benches) / sizeof(benches[0]); i++) {
        const struct bench *b = &benches[i];
        if (strcmp(name, b->name) != 0) {
            continue;
        }
        if (!tools_parse(b->table, argc - 1, argv + 1, b->usage, &o, &code)) {
            return code;
        }
        const enum status st = b->run(&o);
        return st == ST_OK                             ? EXIT_DONE
               : st == ST_INVALID || st == ST_NOTFOUND ? EXIT_USAGE
                                                       : EXIT_FAILED;
    }
    fprintf(stderr,
            "minos-actor bench: %s: no such bench; env, infer or crypt-calibrate\n",
            name);
    return EXIT_USAGE;
}
