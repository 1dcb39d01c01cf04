#include "tests/cluster/cluster.h"

#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "judge/backends/rule.h"
#include "tests/support/ranks_twin.h"

enum {
    PORT = 7340,
    RUN_MOST_MS = 300000,
    DRAW_MS = 2000, // as --draw-timeout, in virtual time
    GOODBYE_MS = 3000,
    STORE_MB = 64
};
static const char endpoint[] = "tcp://127.0.0.1:7340";

/* ---- ranks ---- */

struct on_ranks {
    struct cluster *c;
    enum status (*body)(struct learner *l);
};

static void run_body(void *ctx, int rank)
{
    const struct on_ranks *o = ctx;
    const enum status st = o->body(&o->c->learner[rank]);

    if (st != ST_OK) {
        o->c->failed = st;
    }
}

/* What all ranks do together, each on its thread. */
static void on_all_ranks(struct cluster *c, enum status (*body)(struct learner *l))
{
    struct on_ranks o = {c, body};

    ranks_twin_run(c->twin, run_body, &o);
    assert_int_equal(c->failed, ST_OK);
}

static void plan_learner(struct cluster *c, int rank)
{
    const struct cluster_plan *p = &c->plan;
    struct learner *l = &c->learner[rank];
    struct learner_options *o = &l->options;

    memset(l, 0, sizeof(*l));
    option_defaults(learner_option_table, o);
    text_format(o->run_dir, sizeof(o->run_dir), "%s", c->dir);
    text_format(o->env, sizeof(o->env), "%s", p->env);
    o->seed = (int64_t)p->seed;
    o->segment_steps = p->segment_steps;
    o->batch = p->batch;
    o->port = PORT;
    o->store_mb = STORE_MB;
    o->draw_timeout = 0; // the clock stands while a step runs: cluster.c waits instead
    o->checkpoint_seconds = 1e6; // when the test says so
    if (p->tune != NULL) {
        p->tune(o);
    }
    l->clock = &c->clock;
    l->ranks = ranks_twin_rank(c->twin, rank);
    l->bus = c->bus;
}

void cluster_start_learner(struct cluster *c)
{
    for (int r = 0; r < c->plan.ranks; r++) {
        plan_learner(c, r);
    }
    on_all_ranks(c, start_open);
    c->learning = true;
    c->draw_ms = c->step_ms = clock_ms(&c->clock);
}

static void close_learner(struct cluster *c)
{
    for (int r = 0; r < c->plan.ranks; r++) {
        c->learner[r].bus = NULL; // it is everybody's
        start_close(&c->learner[r]);
    }
    c->learning = false;
}

void cluster_kill_learner(struct cluster *c)
{
    // What was on its way to it dies with its sockets.
    close_learner(c);
}

static enum status one_round(struct learner *l)
{
    TRY(train_step(&l->train));
    report_tick(&l->report, &l->train);
    return ST_OK;
}

static enum status one_checkpoint(struct learner *l)
{
    return train_checkpoint(&l->train);
}

void cluster_checkpoint(struct cluster *c)
{
    on_all_ranks(c, one_checkpoint);
}

/* As the ranks' threads would: each waits for a batch or the timeout, all go together. */
static void train(struct cluster *c)
{
    const uint64_t now = clock_ms(&c->clock);
    bool ready = true;

    for (int r = 0; r < c->plan.ranks; r++) {
        ready = train_ready(&c->learner[r].train) && ready;
    }
    if (now < c->step_ms || (!ready && now - c->draw_ms < DRAW_MS)) {
        return;
    }
    on_all_ranks(c, one_round);
    c->rounds++;
    c->draw_ms = now;
    c->step_ms = now + c->plan.update_ms;
}

/* ---- actors ---- */

void cluster_start_actor(struct cluster *c, int i)
{
    struct cluster_actor *a = &c->actor[i];
    const struct actor_plan plan = {.options = &a->options,
                                    .bus = c->bus,
                                    .clock = &c->clock,
                                    .host = "here",
                                    .pid = (uint64_t)i + 1,
                                    .nonce = ((uint64_t)i + 1) * 1000 + ++a->starts};

    assert_null(a->actor);
    option_defaults(actor_option_table, &a->options);
    text_format(a->options.env, sizeof(a->options.env), "%s", c->plan.env);
    if (c->plan.env_options != NULL) {
        text_format(a->options.env_options, sizeof(a->options.env_options), "%s",
                    c->plan.env_options);
    }
    text_format(a->options.run_dir, sizeof(a->options.run_dir), "%s", c->dir);
    text_format(a->options.learner, sizeof(a->options.learner), "%s", endpoint);
    a->options.envs = c->plan.envs;
    a->options.id = i;
    a->frozen = false;
    assert_int_equal(actor_open(&plan, &a->actor), ST_OK);
}

void cluster_kill_actor(struct cluster *c, int i)
{
    actor_close(c->actor[i].actor);
    c->actor[i].actor = NULL;
}

/* One step of all its games; or, once told to stop, what actor_drain() does over time. */
static void step_actor(struct cluster *c, int i)
{
    struct cluster_actor *a = &c->actor[i];
    const enum status st = actor_step(a->actor, 0);

    if (st == ST_CLOSED && actor_unacked(a->actor) == 0) {
        assert_true(actor_drain(a->actor, 0));
        cluster_kill_actor(c, i);
    } else if (st != ST_CLOSED) {
        assert_int_equal(st, ST_OK);
    }
}

/* ---- judges ---- */

void cluster_start_judge(struct cluster *c, int i)
{
    struct cluster_judge *j = &c->judge[i];

    assert_null(j->serve);
    option_defaults(judge_option_table, &j->options);
    text_format(j->options.run_dir, sizeof(j->options.run_dir), "%s", c->dir);
    text_format(j->options.learner, sizeof(j->options.learner), "%s", endpoint);
    j->options.deadline = c->plan.deadline;
    j->frozen = false;
    j->serve = serve_new(&j->options, c->plan.backend, c->bus, &c->clock);
}

void cluster_kill_judge(struct cluster *c, int i)
{
    serve_free(c->judge[i].serve);
    c->judge[i].serve = NULL;
}

static void step_judge(struct cluster *c, int i)
{
    enum status st;

    do {
        st = serve_step(c->judge[i].serve);
    } while (st == ST_OK);
    if (st == ST_CLOSED) {
        cluster_kill_judge(c, i);
    } else {
        assert_int_equal(st, ST_AGAIN);
    }
}

/* ---- time ---- */

static void turn(struct cluster *c, bool training)
{
    clock_turn_ms(&c->clock, CLUSTER_TURN_MS);
    for (int i = 0; i < CLUSTER_ACTORS; i++) {
        if (c->actor[i].actor != NULL && !c->actor[i].frozen) {
            step_actor(c, i);
        }
    }
    for (int i = 0; i < CLUSTER_JUDGES; i++) {
        if (c->judge[i].serve != NULL && !c->judge[i].frozen) {
            step_judge(c, i);
        }
    }
    if (c->learning && training) {
        train(c);
    }
    for (int r = 0; c->learning && r < c->plan.ranks; r++) {
        assert_int_equal(io_step(c->learner[r].io, 0), ST_OK);
    }
}

void cluster_run_ms(struct cluster *c, uint64_t ms)
{
    for (uint64_t spent = 0; spent < ms; spent += CLUSTER_TURN_MS) {
        turn(c, true);
    }
}

void cluster_run_until(struct cluster *c,
                       bool (*reached)(struct cluster *c, uint64_t n), uint64_t n)
{
    for (uint64_t spent = 0; !reached(c, n); spent += CLUSTER_TURN_MS) {
        assert_true(spent < RUN_MOST_MS);
        turn(c, true);
    }
}

bool updates_at_least(struct cluster *c, uint64_t n)
{
    return cluster_updates(c) >= n;
}

bool labels_at_least(struct cluster *c, uint64_t n)
{
    return cluster_counters(c, 0)->labels >= n;
}

bool nothing_is_asked(struct cluster *c, uint64_t unused)
{
    const struct io_counters *k = cluster_counters(c, 0);

    (void)unused;
    return k->questions_asked > 0 && k->questions_queued + k->questions_in_flight == 0;
}

/* ---- beginning and end ---- */

static void fill_plan(struct cluster_plan *p)
{
    p->ranks = p->ranks > 0 ? p->ranks : 1;
    p->actors = p->actors > 0 ? p->actors : 2;
    p->judges = p->judges > 0 ? p->judges : 1;
    p->envs = p->envs > 0 ? p->envs : 4;
    p->env = p->env != NULL ? p->env : "bandit";
    p->segment_steps = p->segment_steps > 0 ? p->segment_steps : 8;
    p->batch = p->batch > 0 ? p->batch : p->envs * p->segment_steps;
    p->seed = p->seed > 0 ? p->seed : 1;
    p->backend = p->backend != NULL ? p->backend : &rule_backend;
    p->deadline = p->deadline > 0 ? p->deadline : 1;
}

void cluster_init(struct cluster *c, const struct cluster_plan *plan)
{
    memset(c, 0, sizeof(*c));
    c->plan = *plan;
    fill_plan(&c->plan);
    log_open("cluster", -1, LOG_ERROR_);
    text_format(c->dir, sizeof(c->dir), "%s", harness_make_dir());
    clock_init_manual(&c->clock, 1000000000u);
    c->bus = bus_new_memory(&c->clock);
    c->twin = ranks_twin_new(c->plan.ranks);
    c->learner = mem_new((size_t)c->plan.ranks, sizeof(*c->learner));
    // The learner waits for the first actor's hello before it knows the environment.
    for (int i = 0; i < c->plan.actors; i++) {
        cluster_start_actor(c, i);
        step_actor(c, i);
    }
    cluster_start_learner(c);
    for (int i = 0; i < c->plan.judges; i++) {
        cluster_start_judge(c, i);
    }
}

static bool drained(struct cluster *c)
{
    bool all = true;

    for (int r = 0; r < c->plan.ranks; r++) {
        inbox_read(&c->learner[r].train.inbox);
        all = all && c->learner[r].train.inbox.drained;
    }
    return all;
}

void cluster_stop(struct cluster *c)
{
    enum status st = ST_OK;

    for (int r = 0; r < c->plan.ranks; r++) {
        start_drain_begin(&c->learner[r]);
    }
    for (uint64_t spent = 0; !drained(c); spent += CLUSTER_TURN_MS) {
        assert_true(spent < GOODBYE_MS);
        turn(c, false);
    }
    on_all_ranks(c, start_drain_end);
    for (int r = 0; r < c->plan.ranks; r++) {
        do {
            st = io_step(c->learner[r].io, 0);
        } while (st == ST_OK);
        assert_int_equal(st, ST_CLOSED);
    }
    on_all_ranks(c, start_finish);
    close_learner(c);
}

static void check_audit(const struct cluster *c)
{
    struct audit audit;

    assert_int_equal(audit_run(c->dir, "", &audit), ST_OK);
    if (!audit.balances) {
        struct text_buf text = {0};
        audit_print(&audit, &text);
        fprintf(stderr, "%s", text.data);
        text_buf_release(&text);
    }
    assert_true(audit.balances);
    assert_true(audit.total.produced > 0);
    audit_release(&audit);
}

void cluster_release(struct cluster *c)
{
    cluster_faults(c, (struct bus_faults){0});
    if (c->learning) {
        cluster_stop(c);
    }
    for (int i = 0; i < CLUSTER_JUDGES; i++) {
        cluster_kill_judge(c, i);
    }
    for (int i = 0; i < CLUSTER_ACTORS; i++) {
        cluster_kill_actor(c, i);
    }
    check_audit(c);
    ranks_twin_free(c->twin);
    bus_free(c->bus);
    mem_free(c->learner);
    harness_remove_dir(c->dir);
}

/* ---- looking ---- */

uint64_t cluster_updates(const struct cluster *c)
{
    return c->learner[0].train.update;
}

uint64_t cluster_digest(const struct cluster *c)
{
    const uint64_t digest = train_digest(&c->learner[0].train);

    for (int r = 1; r < c->plan.ranks; r++) {
        assert_true(train_digest(&c->learner[r].train) == digest);
    }
    return digest;
}

const struct io_counters *cluster_counters(struct cluster *c, int rank)
{
    io_report_get(c->learner[rank].io_report, &c->counters);
    return &c->counters;
}

uint64_t cluster_lag_most(const struct cluster *c)
{
    const double *lag = c->learner[0].train.totals.lag;
    uint64_t most = 0;

    for (uint64_t i = 0; i < TALLIES_LAGS; i++) {
        most = lag[i] > 0 ? i : most;
    }
    return most;
}

void cluster_faults(struct cluster *c, struct bus_faults faults)
{
    bus_memory_faults(c->bus, &faults);
}
