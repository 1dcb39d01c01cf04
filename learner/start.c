#include "learner/start.h"

#include <string.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/share.h"
#include "common/base/stop.h"
#include "common/base/text.h"
#include "common/nn/mat.h"
#include "learner/intake/io_report.h"
#include "learner/start_ledger.h"
#include "learner/start_net.h"
#include "learner/store/ledger.h"
#include "learner/store/replay.h"

enum { GOAL_MOST = 1 << 20, RING_SLOTS = 8192, DRAIN_MS = 8000, LOOK_MS = 50 };

/* ---- the goal ---- */

/* "runs/mine.goal" is "mine". */
static void name_goal(const char *path, char name[OPTION_TEXT_MAX])
{
    const char *slash = strrchr(path, '/');
    size_t len;

    text_format(name, OPTION_TEXT_MAX, "%s", slash != NULL ? slash + 1 : path);
    len = strlen(name);
    if (len > 5 && strcmp(name + len - 5, ".goal") == 0) {
        name[len - 5] = '\0';
    }
}

enum status start_read_goal(const struct learner_options *o, struct start_goal *g)
{
    const char *wanted = o->goal[0] != '\0' ? o->goal : learner_goal_of(o->env);
    char relative[OPTION_TEXT_MAX + 16], path[PATH_MAX_];

    text_format(path, sizeof(path), "%s", wanted);
    text_format(relative, sizeof(relative), "goals/%s.goal", wanted);
    if (strchr(wanted, '/') == NULL && !share_path(relative, path, sizeof(path))) {
        LOG_ERROR(
            "GOAL-MISSING",
            "there is no goal named %s, looked for %s; give a name or the path of "
            "a goal file",
            wanted, path);
        return ST_INVALID;
    }
    name_goal(path, g->name);
    const enum status st = file_read(path, GOAL_MOST, &g->text, &g->len);
    if (st == ST_NOTFOUND) {
        LOG_ERROR("GOAL-MISSING", "there is no goal file %s", path);
        return ST_INVALID;
    }
    TRY(st);
    g->digest = hash_128(bytes_of(g->text, g->len));
    return ST_OK;
}

/* ---- the run ---- */

static enum status same_number(const char *what, uint64_t was, uint64_t is)
{
    if (was == is) {
        return ST_OK;
    }
    LOG_ERROR(
        "RUN-DIFFERS",
        "the checkpoint was written with %llu %s, now there are %llu; it cannot be "
        "gone on with",
        (unsigned long long)was, what, (unsigned long long)is);
    return ST_INVALID;
}

static enum status check_manifest(const struct learner *l)
{
    const struct checkpoint_manifest *m = &l->plan.manifest;

    TRY(same_number("ranks", m->ranks, (uint64_t)ranks_count(l->ranks)));
    TRY(same_number("steps in a segment", (uint64_t)m->segment_steps,
                    (uint64_t)l->options.segment_steps));
    TRY(same_number("value heads", (uint64_t)m->value_heads,
                    (uint64_t)l->options.value_heads));
    if (strcmp(m->net, l->options.net) != 0 || strcmp(m->task, l->options.env) != 0) {
        LOG_ERROR("RUN-DIFFERS",
                  "the checkpoint is of network %s on %s, now asked for are %s on %s",
                  m->net, m->task, l->options.net, l->options.env);
        return ST_INVALID;
    }
    if (m->run != l->plan.dir.run) {
        LOG_ERROR("RUN-DIFFERS", "%s belongs to another run", l->plan.checkpoint);
        return ST_INVALID;
    }
    return ST_OK;
}

static bool is_finished(const struct learner *l)
{
    const struct learner_options *o = &l->options;
    const struct start_plan *p = &l->plan;

    return (o->steps > 0 && p->manifest.env_steps >= (uint64_t)o->steps) ||
           (o->seconds > 0 && p->dir.seconds >= o->seconds);
}

/* Who started us sees it there: minos says it on the terminal. */
static void tell_finished(const struct learner *l)
{
    const struct learner_options *o = &l->options;
    const struct start_plan *p = &l->plan;
    char json[256];

    LOG_INFO("RUN-FINISHED",
             "%s is finished after %llu env steps and %.0f s; ask for more --steps "
             "or --seconds to go on",
             o->run_dir, (unsigned long long)p->manifest.env_steps, p->dir.seconds);
    text_format(json, sizeof(json),
                "{\"state\": \"done\", \"finished\": 1, \"update\": %llu, "
                "\"env_steps\": %llu, \"steps\": %lld, \"seconds\": %.3f, "
                "\"seconds_given\": %.3f}",
                (unsigned long long)p->manifest.update,
                (unsigned long long)p->manifest.env_steps, (long long)o->steps,
                p->dir.seconds, o->seconds);
    rundir_put_quick(o->run_dir, "progress.json", json);
}

/* Rank 0: whose run this is and from where it goes on. */
static enum status find_run(struct learner *l)
{
    struct start_plan *p = &l->plan;

    const struct rundir_goal goal = {l->goal.name, l->goal.digest};
    TRY(rundir_open(&l->options, &goal, ranks_count(l->ranks), &p->dir));
    const enum status st = checkpoint_find(l->options.run_dir, true, &p->manifest,
                                           p->checkpoint, sizeof(p->checkpoint));
    if (st == ST_NOTFOUND) {
        return ST_OK;
    }
    TRY(st);
    p->resumed = true;
    TRY(check_manifest(l));
    p->finished = is_finished(l);
    if (p->finished) {
        tell_finished(l);
    }
    return ST_OK;
}

/* Rank 0 leads; a failure there ends all, so that nobody waits. */
static enum status agree_on_run(struct learner *l)
{
    size_t len = sizeof(l->plan);

    l->plan.dir.lock = -1;
    if (ranks_index(l->ranks) == 0) {
        TRY(find_run(l));
    }
    const int lock = l->plan.dir.lock;
    TRY(ranks_share(l->ranks, &l->plan, &len, sizeof(l->plan)));
    l->plan.dir.lock = ranks_index(l->ranks) == 0 ? lock : -1;
    if (l->plan.resumed && !l->plan.finished) {
        LOG_INFO("RUN-RESUMED", "start %u goes on from %s", l->plan.dir.start,
                 l->plan.checkpoint);
    }
    return ST_OK;
}

/* ---- stores ---- */

static enum status open_ledger(struct learner *l)
{
    char path[PATH_MAX_ + 64], lines[PATH_MAX_];
    const struct start_ledger plan = {.path = path,
                                      .lines = l->elsewhere ? lines : NULL,
                                      .run = l->plan.dir.run,
                                      .environment = l->options.env,
                                      .goal_digest = l->goal.digest,
                                      .question_kind =
                                          start_ledger_kind_of(l->options.reward),
                                      .labels_from = l->options.labels_from,
                                      .relabel = l->options.relabel};

    text_format(path, sizeof(path), "%s/ledger", l->store);
    text_format(lines, sizeof(lines), "%s/ledger/verdicts.jsonl", l->options.run_dir);
    return start_ledger_open(&plan, &l->ledger, &l->relabel_serial);
}

static enum status open_stores(struct learner *l)
{
    const struct learner_options *o = &l->options;
    const int rank = ranks_index(l->ranks);
    char path[PATH_MAX_ + 64];

    l->elsewhere = o->store_dir[0] != '\0' && strcmp(o->store_dir, o->run_dir) != 0;
    text_format(l->store, sizeof(l->store), "%s",
                l->elsewhere ? o->store_dir : o->run_dir);
    text_format(path, sizeof(path), "%s/store/rank-%d", l->store, rank);
    TRY(file_make_dirs(path));
    TRY(replay_open(path, l->plan.dir.run, (uint64_t)o->store_mb << 20, &l->replay));
    if (l->plan.resumed) {
        replay_start_after(l->replay, l->plan.manifest.cursor[rank]);
    } else if (replay_top(l->replay) > 0) {
        // Checkpoint 0 is older than any segment.
        LOG_ERROR("CHECKPOINT-NONE",
                  "%s holds segments of this run but %s no checkpoint; restore one, or "
                  "begin another run directory",
                  path, o->run_dir);
        return ST_CORRUPT;
    }
    if (rank != 0) {
        return ST_OK;
    }
    return open_ledger(l);
}

/* ---- the two halves ---- */

static enum status open_training(struct learner *l)
{
    const struct learner_options *o = &l->options;
    struct train_plan plan = {
        .options = o,
        .ranks = l->ranks,
        .rings = l->rings,
        .replay = l->replay,
        .clock = l->clock,
        .shape = {.actions = l->spec.actions, .value_heads = (int)o->value_heads},
        .goal = bytes_of(l->goal.text, l->goal.len),
        .goal_name = l->goal.name,
        .run = l->plan.dir.run,
        .spec_digest = l->spec.spec_digest,
        .start = l->plan.dir.start,
        .seconds_before = l->plan.dir.seconds,
        .outside = report_read_outside,
        .outside_ctx = l->io_report};

    text_format(plan.shape.net, sizeof(plan.shape.net), "%s", o->net);
    mat_set_threads((int)o->threads);
    TRY(train_init(&l->train, &plan));
    if (l->plan.resumed) {
        TRY(train_load(&l->train, &l->plan.manifest, l->plan.checkpoint));
    }
    l->train.inbox.top = replay_top(l->replay);
    if (!l->plan.resumed) {
        // Without it a learner killed before its first checkpoint would begin another
        // policy on the segments of the first.
        TRY(train_checkpoint(&l->train));
    }
    train_publish(&l->train);
    LOG_INFO("TRAIN-BEGIN", "%s on %s, %d actions, %zu weights, BLAS core %s", o->net,
             o->env, l->spec.actions, params_count(policy_params(l->train.policy)),
             mat_core_name());
    return report_open(&l->report, &l->train);
}

static enum status open_intake(struct learner *l)
{
    const int rank = ranks_index(l->ranks);
    const struct io_plan plan = {
        .listener = &l->listener,
        .clock = l->clock,
        .rings = l->rings,
        .report = l->io_report,
        .replay = l->replay,
        .ledger = l->ledger,
        .run_dir = l->options.run_dir,
        .ledger_elsewhere = l->elsewhere,
        .run = l->plan.dir.run,
        .start = l->plan.dir.start,
        .rank = (uint32_t)rank,
        .ranks = (uint32_t)ranks_count(l->ranks),
        .endpoints = (const char(*)[BUS_ENDPOINT_MAX])l->endpoints,
        .hosts = (const char(*)[64])l->hosts,
        .spec = l->spec,
        .net = l->options.net,
        .segment_steps = (int)l->options.segment_steps,
        .value_heads = (int)l->options.value_heads,
        .state_floats = policy_state_floats(l->train.policy),
        .seed = (uint64_t)l->options.seed,
        .count_key = strcmp(l->options.count_key, "exact") == 0 ? 0 : 1,
        .goal = l->goal.name,
        .goal_digest = l->goal.digest,
        .goal_text = bytes_of(l->goal.text, l->goal.len),
        .needs_labels = l->train.reward.kind->needs_labels,
        .needs_texts = l->train.reward.kind->needs_texts,
        .asks_order = l->train.reward.kind->asks == REWARD_ASKS_ORDER,
        .order_captions = (int)l->options.order_captions,
        .reward = l->options.reward,
        .label_budget = (uint64_t)l->options.label_budget,
        .label_budget_hour = (uint64_t)l->options.label_budget_hour,
        .consistency_share = l->options.consistency_share,
        .judge_alarm = l->options.judge_alarm,
        .newest_first = strcmp(l->options.ask_order, "newest") == 0,
        .resend = l->options.resend_in_flight,
        .failure_zero = strcmp(l->options.failure_label, "0") == 0,
        .relabel_serial = l->relabel_serial,
        .cursor = l->plan.resumed ? l->plan.manifest.cursor[rank] : 0,
        .ledger_serial = l->plan.resumed ? l->plan.manifest.ledger_serial : 0,
        .counts = l->plan.resumed ? &l->train.sampler.counts : NULL,
    };

    return io_open(&plan, &l->io);
}

enum status start_open(struct learner *l)
{
    TRY(train_check(&l->options, ranks_count(l->ranks)));
    TRY(start_read_goal(&l->options, &l->goal));
    TRY(agree_on_run(l));
    if (l->plan.finished) {
        return ST_OK;
    }
    if (l->bus == NULL) {
        l->bus = bus_new();
    }
    TRY(start_net_listen(l));
    TRY(start_net_spec(l));
    TRY(open_stores(l));
    l->rings.to_training = ring_new(sizeof(struct to_training), RING_SLOTS);
    l->rings.to_io = ring_new(sizeof(struct to_io), RING_SLOTS);
    l->io_report = io_report_new();
    TRY(open_training(l));
    return open_intake(l);
}

/* ---- the end ---- */

/* Actors have 2 s for what they hold; what comes now is stored and waits for the next
 * start. */
static void wait_for_goodbyes(struct learner *l)
{
    struct inbox *in = &l->train.inbox;
    const uint64_t deadline = clock_ms(l->clock) + DRAIN_MS;

    for (inbox_read(in); !in->drained && !stop_at_once(); inbox_read(in)) {
        const uint64_t now = clock_ms(l->clock);
        if (now >= deadline) {
            break;
        }
        inbox_wait(in, (int)(deadline - now < LOOK_MS ? deadline - now : LOOK_MS));
    }
}

void start_drain_begin(struct learner *l)
{
    const struct to_io stop = {.kind = TO_IO_STOP};

    train_end(&l->train);
    report_leaving(&l->report);
    report_tick(&l->report, &l->train);
    sampler_tell(l->rings.to_io, &stop);
}

enum status start_drain_end(struct learner *l)
{
    const struct to_io end = {.kind = TO_IO_END};

    TRY(train_checkpoint(&l->train));
    TRY(train_settle(&l->train));
    sampler_tell(l->rings.to_io, &end);
    return ST_OK;
}

enum status start_drain(struct learner *l)
{
    start_drain_begin(l);
    wait_for_goodbyes(l);
    return start_drain_end(l);
}

/* The stores are closed before rank 0 audits them: LMDB must not be opened twice in one
 * process, and no rank may still be writing. */
enum status start_finish(struct learner *l)
{
    double nothing = 0;

    io_close(l->io);
    l->io = NULL;
    TRY(io_sync_loop_step(l->replay));
    TRY(report_read_ledger(&l->report, l->ledger));
    train_leave_store(&l->train);
    replay_close(l->replay);
    ledger_close(l->ledger);
    l->replay = NULL;
    l->ledger = NULL;
    TRY(ranks_agree(l->ranks, &nothing, 1));
    return report_finish(&l->report, &l->train, l->elsewhere ? l->store : "");
}

void start_close(struct learner *l)
{
    io_close(l->io);
    report_close(&l->report);
    if (l->train.policy != NULL) {
        train_release(&l->train);
    }
    replay_close(l->replay);
    ledger_close(l->ledger);
    io_listener_close(&l->listener);
    bus_free(l->bus);
    io_report_free(l->io_report);
    ring_free(l->rings.to_training);
    ring_free(l->rings.to_io);
    mem_free(l->endpoints);
    mem_free(l->hosts);
    mem_free(l->goal.text);
    rundir_close(&l->plan.dir);
}
