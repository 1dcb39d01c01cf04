#include "launch/child.h"

#include <signal.h>
#include <stdio.h>

#include "common/base/log.h"

enum {
    PAUSE_MS = 500, // before the first start again, doubled up to
    PAUSE_MOST_MS = 10000,
    LEFT_EARLY_MS = 3000, // it said goodbye while the run goes on
    SETTLED_MS = 5000,    // its settings have been taken
    HEALTHY_MS = 60000    // lived so long: the next pause is the first one again
};

void child_init(struct child *c, const char *role, int index, const char *run_dir)
{
    *c = (struct child){
        .role = role, .index = index, .state = CHILD_WAITING, .pause_ms = PAUSE_MS};
    text_format(c->log, sizeof(c->log), "%s/logs/%s-%d.log", run_dir, role, index);
    tail_open(&c->tail, c->log);
}

void child_release(struct child *c)
{
    process_args_release(&c->args);
}

bool child_is_due(const struct child *c, uint64_t now_ms)
{
    return c->state == CHILD_WAITING && now_ms >= c->start_at_ms;
}

enum status child_start_if_due(struct child *c, uint64_t now_ms)
{
    if (!child_is_due(c, now_ms)) {
        return ST_OK;
    }
    if (c->started_ms > 0 && c->exit_code == EXIT_DONE) {
        LOG_INFO("CHILD-LEFT", "%s.%d had left the run by itself, starting it again",
                 c->role, c->index);
    }
    tail_begin(&c->tail);
    TRY(process_start(&c->args, c->log, &c->pid));
    c->state = CHILD_RUNNING;
    c->started_ms = now_ms;
    LOG_DEBUG("CHILD-START", "started %s.%d as process %d", c->role, c->index,
              (int)c->pid);
    return ST_OK;
}

static bool dies_too_often(struct child *c, uint64_t now_ms)
{
    const uint64_t oldest = c->death_ms[c->deaths % CHILD_DEATHS];

    c->death_ms[c->deaths % CHILD_DEATHS] = now_ms;
    c->deaths++;
    return c->deaths >= CHILD_DEATHS &&
           (c->deaths == CHILD_DEATHS ? now_ms - c->death_ms[0] : now_ms - oldest) <
               CHILD_WINDOW_MS;
}

static void give_up(struct child *c, const char *why, const char *end)
{
    c->state = CHILD_GIVEN_UP;
    if (tail_has_told(&c->tail)) {
        LOG_ERROR("CHILD-GIVEN-UP",
                  "%s.%d ended %s, %s; what it said of it stands above", c->role,
                  c->index, end, why);
        return;
    }
    LOG_ERROR("CHILD-GIVEN-UP", "%s.%d ended %s, %s; its last lines, from %s", c->role,
              c->index, end, why, c->log);
    tail_print_last(&c->tail);
}

void child_finished(struct child *c, int wait_status)
{
    c->exit_code = process_exit_code(wait_status);
    c->state = CHILD_DONE;
    process_signal_session(c->pid, SIGKILL);
    c->pid = 0;
}

void child_ended(struct child *c, int wait_status, bool may_end, uint64_t now_ms)
{
    const bool usage_before = c->exit_code == EXIT_USAGE;
    char end[128];

    c->exit_code = process_exit_code(wait_status);
    process_describe_end(wait_status, end, sizeof(end));
    process_signal_session(c->pid, SIGKILL);
    c->pid = 0;
    if (may_end && c->exit_code == EXIT_DONE) {
        c->state = CHILD_DONE;
        return;
    }
    c->state = CHILD_WAITING;
    const bool at_once = now_ms - c->started_ms < SETTLED_MS;
    if (c->exit_code == EXIT_DONE && !(at_once && dies_too_often(c, now_ms))) {
        // Told to stop by a learner that is about to end; if it does not, come again.
        c->start_at_ms = now_ms + LEFT_EARLY_MS;
        return;
    }
    if (c->exit_code == EXIT_DONE) {
        give_up(c, "at once, the fifth time in two minutes", end);
        return;
    }
    // What ran well once is not configured wrongly; then it is a death like others. But who
    // says so again has looked again: a judge, at a server that takes its time.
    if (c->exit_code == EXIT_USAGE && (usage_before || at_once)) {
        give_up(c, "which starting again does not mend", end);
        return;
    }
    if (dies_too_often(c, now_ms)) {
        give_up(c, "the fifth time in two minutes", end);
        return;
    }
    if (now_ms - c->started_ms >= HEALTHY_MS) {
        c->pause_ms = PAUSE_MS;
    }
    c->start_at_ms = now_ms + (uint64_t)c->pause_ms;
    LOG_WARN("CHILD-DIED", "%s.%d ended %s, starting it again in %.1f s", c->role,
             c->index, end, c->pause_ms / 1000.0);
    c->pause_ms = c->pause_ms * 2 < PAUSE_MOST_MS ? c->pause_ms * 2 : PAUSE_MOST_MS;
}

void child_signal(const struct child *c, int signal)
{
    if (c->state != CHILD_RUNNING) {
        return;
    }
    if (signal == SIGKILL) {
        process_signal_session(c->pid, signal);
    } else {
        kill(c->pid, signal); // what to tell its own children is its business
    }
}
