#include "launch/supervise.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/share.h"
#include "common/base/stop.h"
#include "common/base/text.h"
#include "launch/child.h"
#include "launch/progress.h"
#include "launch/scratch.h"
#include "launch/usage.h"

enum {
    TICK_MS = 100,
    ORDER_MS = 60000, // for a learner to write its last checkpoint
    HURRY_MS = 10000, // then it is told again, by USR1
    LEAVE_MS = 5000,  // for actors and judges, once the learner is done
    TERM_MS = 3000,   // between TERM and KILL
    ADDRESS_MOST = 4096
};

/* Phases of a run; each later one is about ending it. */
enum phase { PHASE_RUN, PHASE_ORDER, PHASE_LEAVE, PHASE_TERM, PHASE_END };

struct supervise {
    const struct plan *plan;
    struct child *children; // [0] is the learner
    int count;
    enum phase phase;
    uint64_t phase_ms;
    bool told_again;
    bool told_address;
    bool refused; // by the learner, whose settings are wrong
    int code;     // the exit code, once the end has begun
    struct usage usage;
};

/* ---- what to start ---- */

static void learner_args(const struct plan *p, struct process_args *a, const char *bin)
{
    const char *hostfile = settings_get(&p->settings, "hostfile");
    char scratch[SCRATCH_PATH_MAX];

    process_arg(a, "mpirun");
    process_arg(a, "-n");
    process_arg(a, "%lld", (long long)p->topology.ranks);
    // Bound ranks would share core 0; there may be more processes than cores; a rank
    // that waits must not take a core from an actor.
    process_arg(a, "--bind-to");
    process_arg(a, "none");
    process_arg(a, "--oversubscribe");
    process_arg(a, "--mca");
    process_arg(a, "mpi_yield_when_idle");
    process_arg(a, "1");
    // Ranks are stopped by RUN/control/stop, never by a signal to mpirun; what it still
    // kills has nothing to save. With its usual 1 s it takes 2 s to notice a dead rank.
    process_arg(a, "--mca");
    process_arg(a, "odls_base_sigkill_timeout");
    process_arg(a, "0");
    if (hostfile[0] != '\0') {
        process_arg(a, "--hostfile");
        process_arg(a, "%s", hostfile);
    } else if (scratch_make(p->run_dir, scratch)) {
        process_arg(a, "--mca");
        process_arg(a, "orte_tmpdir_base");
        process_arg(a, "%s", scratch);
        process_arg(a, "--mca");
        process_arg(a, "btl_vader_backing_directory");
        process_arg(a, "%s", scratch);
    }
    process_arg(a, "%s/minos-learner", bin);
    process_arg(a, "--run-dir=%s", p->run_dir);
}

/* minos label: no ranks that could wait for each other, so no mpirun. */
static void label_args(const struct plan *p, struct process_args *a, const char *bin)
{
    process_arg(a, "%s/minos-learner", bin);
    process_arg(a, "label");
    process_arg(a, "--run-dir=%s", p->run_dir);
    process_arg(a, "--captions=%s", p->captions);
    process_arg(a, "--idle-seconds=%.17g", p->idle_seconds);
    process_arg(a, "--ask=%s", p->ask);
}

static void judge_args(const struct plan *p, struct process_args *a, const char *bin,
                       int index)
{
    const char *judge = settings_get(&p->settings, "judge");

    if (strchr(judge, '/') != NULL) {
        process_arg(a, "%s", judge);
    } else {
        process_arg(a, "%s/minos-judge", bin);
    }
    process_arg(a, "--run-dir=%s", p->run_dir);
    process_arg(a, "--id=%d", index);
}

static void make_children(struct supervise *s)
{
    const struct plan *p = s->plan;
    const int judges = (int)p->judges, actors = (int)p->topology.actors;
    char bin[512];

    share_program_dir(bin, sizeof(bin));
    s->count = 1 + judges + actors;
    s->children = mem_new((size_t)s->count, sizeof(*s->children));
    child_init(&s->children[0], "learner", 0, p->run_dir);
    (p->captions[0] != '\0' ? label_args : learner_args)(p, &s->children[0].args, bin);
    for (int i = 0; i < judges; i++) {
        struct child *c = &s->children[1 + i];
        child_init(c, "judge", i, p->run_dir);
        judge_args(p, &c->args, bin, i);
        c->args.secrets = true; // the key of a language model's server
    }
    for (int i = 0; i < actors; i++) {
        struct child *c = &s->children[1 + judges + i];
        child_init(c, "actor", i, p->run_dir);
        process_arg(&c->args, "%s/minos-actor", bin);
        process_arg(&c->args, "--run-dir=%s", p->run_dir);
        process_arg(&c->args, "--id=%d", i);
    }
}

/* What an earlier start left: where it listened, and a wish to stop. */
static void remove_stale(const struct plan *p)
{
    static const char *const names[] = {"address", "control/stop", "progress.json"};
    char path[PATH_MAX_];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (text_format(path, sizeof(path), "%s/%s", p->run_dir, names[i])) {
            (void)unlink(path);
        }
    }
}

static bool has_address(const struct plan *p)
{
    char path[PATH_MAX_];

    return text_format(path, sizeof(path), "%s/address", p->run_dir) &&
           file_exists(path);
}

/* ---- the end ---- */

static void enter(struct supervise *s, enum phase phase)
{
    s->phase = phase;
    s->phase_ms = clock_ms(clock_system());
}

static void ask_learner(const struct supervise *s)
{
    char path[PATH_MAX_];

    if (text_format(path, sizeof(path), "%s/control/stop", s->plan->run_dir) &&
        file_write_atomic(path, bytes_text("stop\n")) != ST_OK) {
        child_signal(&s->children[0], SIGUSR1); // the disk is full, say
    }
}

static void signal_all(const struct supervise *s, int signal)
{
    for (int i = 0; i < s->count; i++) {
        child_signal(&s->children[i], signal);
    }
}

/* Begins to stop in order: the learner ends the run and tells actors and judges. One
 * that is not up yet has nothing to save. */
static void begin_order(struct supervise *s, int code)
{
    s->code = code;
    if (s->children[0].state != CHILD_RUNNING || !has_address(s->plan)) {
        signal_all(s, SIGTERM);
        enter(s, PHASE_TERM);
        return;
    }
    LOG_INFO("MINOS-STOP", "stopping in order: last segments, last checkpoint; once "
                           "more stops at once");
    ask_learner(s);
    enter(s, PHASE_ORDER);
}

static void end_at_once(struct supervise *s)
{
    LOG_WARN("MINOS-KILL", "stopped at once; what came after the last checkpoint is "
                           "trained again when the run goes on");
    signal_all(s, SIGKILL);
    s->code = EXIT_FAILED;
    enter(s, PHASE_END);
}

static bool any_running(const struct supervise *s)
{
    for (int i = 0; i < s->count; i++) {
        if (s->children[i].state == CHILD_RUNNING) {
            return true;
        }
    }
    return false;
}

/* Moves from phase to phase as time and deaths go. */
static void advance(struct supervise *s)
{
    const uint64_t spent = clock_ms(clock_system()) - s->phase_ms;

    if (s->phase == PHASE_ORDER) {
        if (spent >= HURRY_MS && !s->told_again) {
            s->told_again = true;
            child_signal(&s->children[0], SIGUSR1);
        }
        if (spent >= ORDER_MS) {
            LOG_ERROR("MINOS-STUCK", "the learner has not stopped within %d s",
                      ORDER_MS / 1000);
            s->code = EXIT_FAILED;
            signal_all(s, SIGTERM);
            enter(s, PHASE_TERM);
        }
    } else if (s->phase == PHASE_LEAVE && spent >= LEAVE_MS) {
        signal_all(s, SIGTERM);
        enter(s, PHASE_TERM);
    } else if (s->phase == PHASE_TERM && spent >= TERM_MS) {
        signal_all(s, SIGKILL);
        enter(s, PHASE_END);
    }
    if (s->phase != PHASE_RUN && !any_running(s)) {
        s->phase = PHASE_END;
    }
}

/* ---- while it goes ---- */

/* The learner ended while the run goes on: done, given up, or to be started again. */
static void after_learner(struct supervise *s)
{
    const struct child *c = &s->children[0];
    char scratch[SCRATCH_PATH_MAX];

    (void)scratch_make(s->plan->run_dir, scratch); // a killed mpirun sweeps nothing
    if (c->state == CHILD_DONE) {
        s->code = EXIT_DONE;
        enter(s, PHASE_LEAVE);
    } else if (c->state == CHILD_GIVEN_UP) {
        s->code = c->exit_code == EXIT_USAGE ? EXIT_USAGE : EXIT_FAILED;
        s->refused = c->exit_code == EXIT_USAGE;
        signal_all(s, SIGTERM);
        enter(s, PHASE_TERM);
    }
}

/* A child ended that was to end. */
static void after_order(struct supervise *s, struct child *c, int wait_status)
{
    char how[128];

    child_finished(c, wait_status);
    if (c != &s->children[0] || s->phase != PHASE_ORDER) {
        return;
    }
    if (c->exit_code != EXIT_DONE) {
        process_describe_end(wait_status, how, sizeof(how));
        LOG_ERROR(
            "MINOS-LOST",
            "the learner ended %s while stopping; the run can go on from its last "
            "checkpoint",
            how);
        s->code = EXIT_FAILED;
    }
    enter(s, PHASE_LEAVE);
}

static void after_end(struct supervise *s, struct child *c, int wait_status)
{
    progress_clear();
    tail_follow(&c->tail, NULL);
    if (s->phase != PHASE_RUN) {
        after_order(s, c, wait_status);
        return;
    }
    child_ended(c, wait_status, c == &s->children[0], clock_ms(clock_system()));
    if (c == &s->children[0]) {
        after_learner(s);
    } else if (c->state == CHILD_GIVEN_UP) {
        begin_order(s, c->exit_code == EXIT_USAGE ? EXIT_USAGE : EXIT_FAILED);
    }
}

static void reap(struct supervise *s)
{
    double cpu_s;
    int wait_status;
    pid_t pid;

    while ((pid = process_reap(&wait_status, &cpu_s)) > 0) {
        struct child *c = NULL; // NULL: an orphan of a child's
        for (int i = 0; i < s->count; i++) {
            if (s->children[i].pid == pid && s->children[i].state == CHILD_RUNNING) {
                c = &s->children[i];
            }
        }
        usage_add(&s->usage, c != NULL ? c->role : NULL, cpu_s);
        if (c != NULL) {
            after_end(s, c, wait_status);
        }
    }
}

/* Whoever joins by hand, or asks from elsewhere, wants to know. */
static void tell_address(struct supervise *s)
{
    char path[PATH_MAX_], *text;
    size_t len;

    if (s->told_address || s->plan->quiet || !has_address(s->plan)) {
        return;
    }
    s->told_address = true;
    if (text_format(path, sizeof(path), "%s/address", s->plan->run_dir) &&
        file_read(path, ADDRESS_MOST, &text, &len) == ST_OK) {
        progress_clear();
        printf("minos: listens at %s\n", text_trim(text));
        fflush(stdout);
        mem_free(text);
    }
}

/* The learner first; the others once it listens, and not while it ends the run: then
 * they have just been told to leave. */
static void start_due(struct supervise *s, uint64_t now_ms)
{
    const int count = has_address(s->plan) ? s->count : 1;

    for (int i = 0; i < count && s->phase == PHASE_RUN; i++) {
        if (i > 0 && child_is_due(&s->children[i], now_ms) &&
            progress_ends(s->plan->run_dir)) {
            return;
        }
        if (child_start_if_due(&s->children[i], now_ms) != ST_OK) {
            begin_order(s, EXIT_FAILED);
        }
    }
}

static void hear_signals(struct supervise *s)
{
    stop_poll();
    if (stop_at_once() && s->phase != PHASE_END) {
        progress_clear();
        end_at_once(s);
    } else if (stop_asked() && s->phase == PHASE_RUN) {
        progress_clear();
        begin_order(s, EXIT_DONE);
    }
}

static void tick(struct supervise *s)
{
    const uint64_t now_ms = clock_ms(clock_system());

    hear_signals(s);
    reap(s);
    start_due(s, now_ms);
    tell_address(s);
    for (int i = 0; i < s->count; i++) {
        tail_follow(&s->children[i].tail, progress_clear);
    }
    advance(s);
    if (!s->plan->quiet && s->phase < PHASE_LEAVE) {
        progress_show(s->plan->run_dir, now_ms);
    }
    if (progress_unread() && s->phase == PHASE_RUN) {
        LOG_WARN("MINOS-UNREAD", "nobody reads what it prints any more");
        begin_order(s, EXIT_FAILED);
    }
}

/* Kills what is still there and waits for it: nothing outlives us. */
static void sweep(struct supervise *s)
{
    while (any_running(s)) {
        signal_all(s, SIGKILL);
        reap(s);
        clock_sleep_ms(10);
    }
    reap(s);
}

int supervise_run(const struct plan *p)
{
    struct supervise s = {.plan = p, .phase = PHASE_RUN};

    process_adopt_orphans();
    (void)signal(SIGPIPE, SIG_IGN); // progress_unread(); children get their own again
    remove_stale(p);
    usage_begin(&s.usage, p->run_dir);
    make_children(&s);
    while (s.phase != PHASE_END) {
        tick(&s);
        if (s.phase != PHASE_END) {
            clock_sleep_ms(TICK_MS);
        }
    }
    sweep(&s);
    // Ranks on other hosts are nobody's children here.
    if (settings_get(&p->settings, "hostfile")[0] == '\0' &&
        usage_end(&s.usage, p->run_dir) != ST_OK) {
        LOG_WARN("MINOS-USAGE", "the run's CPU time could not be written down");
    }
    (void)scratch_remove(p->run_dir);
    progress_clear();
    for (int i = 0; i < s.count; i++) {
        tail_follow(&s.children[i].tail, NULL);
        child_release(&s.children[i]);
    }
    mem_free(s.children);
    if (s.refused) {
        plan_unmake(p);
    }
    return s.code;
}
