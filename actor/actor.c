#include "actor/actor.h"

#include <string.h>

#include "actor/env.h"
#include "actor/link.h"
#include "actor/rollout.h"
#include "actor/vecenv.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/stop.h"
#include "common/base/text.h"
#include "common/nn/policy.h"

enum { FRAME_MAX = 512 << 20 }; // weights are the largest that an actor receives

struct actor {
    struct actor_options options;
    const struct clock *clock;
    const struct env_kind *kind;
    struct env_spec spec;
    struct link *link;
    // Made at the first welcome, when the run's net, T and seed are known.
    struct policy *policy;
    struct vecenv *games;
    struct rollout *rollout;
    bool running; // a segment is open
    uint64_t env_steps;
};

static struct env_options env_options_of(const struct actor_options *o)
{
    return (struct env_options){o->env, o->env_options, o->scratch, o->record};
}

/* The spec of a task, from one game that is closed again. The texts in it are static. */
static enum status probe(struct actor *a)
{
    const struct env_options options = env_options_of(&a->options);
    struct env *e = NULL;

    TRY(env_find(a->options.env, &a->kind));
    TRY(a->kind->open(&options, &e));
    a->spec = *a->kind->spec(e);
    a->kind->close(e);
    return ST_OK;
}

static void link_plan_of(const struct actor *a, const struct actor_plan *plan,
                         struct link_plan *out)
{
    const struct actor_options *o = &a->options;

    *out = (struct link_plan){
        .bus = plan->bus,
        .clock = plan->clock,
        .spec_digest = a->spec.digest,
        .nonce = plan->nonce,
        .pid = plan->pid,
        .environments = (uint32_t)o->envs,
        .actions = (uint32_t)a->spec.actions,
        .truth = a->spec.truth,
        .wanted_id = (int32_t)o->id,
        .max_frame = FRAME_MAX,
    };
    (void)text_format(out->endpoint, sizeof(out->endpoint), "%.255s", o->learner);
    (void)text_format(out->task, sizeof(out->task), "%.63s", o->env);
    (void)text_format(out->host, sizeof(out->host), "%.63s", plan->host);
    if (o->run_dir[0] != 0) {
        (void)text_format(out->run_dir, sizeof(out->run_dir), "%.480s", o->run_dir);
        (void)text_format(out->seq_dir, sizeof(out->seq_dir), "%.480s/actors",
                          o->run_dir);
        if (o->learner[0] == 0) {
            (void)text_format(out->address_file, sizeof(out->address_file),
                              "%.480s/address", o->run_dir);
        }
    }
}

enum status actor_open(const struct actor_plan *plan, struct actor **out)
{
    struct actor *a = mem_new(1, sizeof(*a));
    struct link_plan link;
    enum status st = ST_OK;

    a->options = *plan->options;
    a->clock = plan->clock;
    if (a->options.learner[0] == 0 && a->options.run_dir[0] == 0) {
        LOG_ERROR("ACTOR-USAGE", "--learner or --run-dir is needed: where is rank 0?");
        st = ST_INVALID;
        goto out;
    }
    if (a->options.learner[0] == 0 && a->options.mpi) {
        // The learner of the same job makes it too, at the same moment.
        st = file_make_dirs(a->options.run_dir);
        if (st != ST_OK) {
            goto out;
        }
    }
    if (a->options.learner[0] == 0 && !file_exists(a->options.run_dir)) {
        LOG_ERROR("ACTOR-USAGE", "--run-dir: there is no directory %s",
                  a->options.run_dir);
        st = ST_INVALID;
        goto out;
    }
    st = probe(a);
    if (st != ST_OK) {
        goto out;
    }
    link_plan_of(a, plan, &link);
    st = link_open(&link, &a->link);
    if (st != ST_OK) {
        goto out;
    }
    *out = a;
    return ST_OK;
out:
    actor_close(a);
    return st;
}

void actor_close(struct actor *a)
{
    if (a == NULL) {
        return;
    }
    rollout_free(a->rollout);
    vecenv_close(a->games);
    policy_free(a->policy);
    link_close(a->link);
    mem_free(a);
}

uint64_t actor_env_steps(const struct actor *a)
{
    return a->env_steps;
}

uint64_t actor_produced(const struct actor *a)
{
    return link_produced(a->link);
}

uint64_t actor_unacked(const struct actor *a)
{
    return link_unacked(a->link);
}

/* After the first welcome: everything that the run decides. */
static enum status build(struct actor *a)
{
    const struct link_run *run = link_run(a->link);
    struct policy_shape shape = {.actions = a->spec.actions,
                                 .value_heads = run->value_heads};
    const struct rng_stream stream = {.seed = run->seed,
                                      .role = RNG_ENV,
                                      .index = run->actor,
                                      .incarnation = run->incarnation};
    const struct vecenv_plan games = {
        .kind = a->kind,
        .options = env_options_of(&a->options),
        .envs = (int)a->options.envs,
        .stream = stream,
        .count_key = run->count_key == COUNT_EXACT ? COUNT_EXACT : COUNT_DIGITS_MASKED};

    (void)text_format(shape.net, sizeof(shape.net), "%s", run->net);
    TRY(policy_new(&shape, games.envs, games.envs, false, &a->policy));
    TRY(vecenv_open(&games, &a->games));
    const struct rollout_plan rollout = {a->games, a->policy, run->segment_steps,
                                         stream};
    a->rollout = rollout_new(&rollout);
    LOG_INFO("ACTOR-GAMES", "playing %d games of %s, %s network, segments of %d steps",
             games.envs, a->options.env, shape.net, run->segment_steps);
    return ST_OK;
}

static enum status take_weights(struct actor *a)
{
    struct msg_weights m;
    struct params *params = policy_params(a->policy);

    if (!link_weights(a->link, &m)) {
        return ST_OK;
    }
    if (m.policy_digest != policy_digest(a->policy) || m.floats != params->floats) {
        LOG_ERROR("ACTOR-WEIGHTS",
                  "the learner's weights are of another network than %s with %u value "
                  "heads",
                  link_run(a->link)->net, link_run(a->link)->value_heads);
        return ST_VERSION;
    }
    memcpy(params->weights, m.weights, sizeof(float) * params->floats);
    policy_weights_changed(a->policy);
    const struct rollout_moments moments[POLICY_HEADS_MAX] = {
        {m.mean, m.scale}, {m.intrinsic_mean, m.intrinsic_scale}};
    rollout_set_version(a->rollout, m.version, moments);
    link_drop_weights(a->link);
    return ST_OK;
}

static void send_segments(struct actor *a)
{
    const int E = vecenv_count(a->games);

    for (int e = 0; e < E; e++) {
        struct segment_fill s;
        rollout_segment(a->rollout, e, &s);
        s.env = (uint32_t)e;
        link_put_segment(a->link, &s);
    }
}

enum status actor_step(struct actor *a, int timeout_ms)
{
    TRY(link_step(a->link));
    if (!a->running) {
        if (!link_may_begin(a->link, (int)a->options.envs)) {
            link_wait(a->link, timeout_ms);
            return ST_OK;
        }
        if (a->policy == NULL) {
            TRY(build(a));
        }
        TRY(take_weights(a));
        rollout_begin(a->rollout);
        a->running = true;
    }
    const enum status st = rollout_step(a->rollout);
    a->env_steps += (uint64_t)vecenv_count(a->games);
    if (st == ST_FULL) {
        a->running = false;
        send_segments(a);
        return ST_OK;
    }
    return st;
}

bool actor_drain(struct actor *a, int timeout_ms)
{
    const uint64_t end = clock_ms(a->clock) + (uint64_t)timeout_ms;

    a->running = false;
    while (link_joined(a->link) && link_unacked(a->link) > 0 &&
           clock_ms(a->clock) < end && !stop_at_once()) {
        const enum status st = link_step(a->link);
        if (st != ST_OK && st != ST_CLOSED) {
            break;
        }
        link_wait(a->link, 20);
        stop_poll();
    }
    link_goodbye(a->link);
    return link_unacked(a->link) == 0;
}
