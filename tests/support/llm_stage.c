#include "tests/support/llm_stage.h"

#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "tests/support/runner.h"

enum { STEPS = 32, STATE = 128, WAIT_MS = RUNNER_PATIENCE_MS, FILE_MOST = 64 << 20 };
enum { TELL_MS = 2, TELL_TRIES = 30000 };

static void program_path(char out[STAGE_PATH], const char *name)
{
    text_format(out, STAGE_PATH, "%s/%s", getenv("MINOS_BIN"), name);
}

/* A directory for what a process writes. */
static void make_out(const struct llm_stage *s, const char *name, char out[STAGE_PATH])
{
    text_format(out, STAGE_PATH, "%s/%s", s->dir, name);
    assert_int_equal(file_make_dirs(out), ST_OK);
}

static bool wait_path(const char *path)
{
    for (int ms = 0; ms < WAIT_MS; ms += 10) {
        if (file_exists(path)) {
            return true;
        }
        clock_sleep_ms(10);
    }
    return false;
}

static double number_in(const char *path, const char *key)
{
    return fmax(0, runner_json_number("", path, key));
}

static bool has_joined(struct llm_stage *s, void *arg)
{
    (void)arg;
    return feeder_counters(s->feeder)->joined;
}

void llm_stage_open(struct llm_stage *s, size_t (*caption)(uint64_t n, char *out))
{
    char program[STAGE_PATH], out[STAGE_PATH], port[32], path[STAGE_PATH],
        endpoint[BUS_ENDPOINT_MAX], *address;
    size_t len;

    *s = (struct llm_stage){.scheme = "http"};
    text_format(s->dir, sizeof(s->dir), "%s", harness_make_dir());
    text_format(s->run, sizeof(s->run), "%s/run", s->dir);
    text_format(s->run_flag, sizeof(s->run_flag), "--run-dir=%s/run", s->dir);
    text_format(s->state, sizeof(s->state), "%s/state", s->dir);
    program_path(program, "minos-learner");
    make_out(s, "learner", out);
    text_format(port, sizeof(port), "--port=%d", runner_free_port());
    s->learner = runner_start(out, program, s->run_flag, port, "--env=chain",
                              "--reward=retrieval", "--steps=1000000000",
                              "--consistency-share=0", "--judge-alarm=1", NULL);
    text_format(path, sizeof(path), "%s/address", s->run);
    assert_true(wait_path(path));
    assert_int_equal(file_read(path, 4096, &address, &len), ST_OK);
    text_format(endpoint, sizeof(endpoint), "%s", text_trim(address));
    mem_free(address);
    s->bus = bus_new();
    const struct feeder_plan plan = {.bus = s->bus,
                                     .clock = clock_system(),
                                     .endpoint = endpoint,
                                     .task = "chain",
                                     .actions = 2,
                                     .segment_steps = STEPS,
                                     .state_floats = STATE,
                                     .environments = 16,
                                     .new_in_segment = 1,
                                     .caption = caption,
                                     .nonce = (uint64_t)getpid()};
    assert_int_equal(feeder_new(&plan, &s->feeder), ST_OK);
    if (!llm_stage_until(s, has_joined, NULL, WAIT_MS)) {
        fail_msg("the learner does not answer: %s", runner_output(out));
    }
}

static void end_process(pid_t *pid)
{
    if (*pid > 0) {
        kill(*pid, SIGCONT);
        kill(*pid, SIGKILL);
        waitpid(*pid, NULL, 0);
    }
    *pid = 0;
}

void llm_stage_close(struct llm_stage *s)
{
    end_process(&s->judge);
    end_process(&s->server);
    feeder_free(s->feeder);
    bus_free(s->bus);
    end_process(&s->learner);
    harness_remove_dir(s->dir);
}

void llm_stage_end_server(struct llm_stage *s)
{
    end_process(&s->server);
}

void llm_stage_serve(struct llm_stage *s, const char *const options[])
{
    char python[] = "/usr/bin/python3", no_cache[] = "-B", script[STAGE_PATH],
         state[STAGE_PATH + 16], family[] = "--family=chain", out[STAGE_PATH];
    char *argv[STAGE_OPTIONS_MAX + 8] = {python, no_cache, script, state, family};
    int count = 5;

    text_format(script, sizeof(script), "%s/tests/support/standin/standin.py",
                getenv("MINOS_SOURCE"));
    text_format(state, sizeof(state), "--state=%s", s->state);
    s->scheme = "http";
    for (int i = 0; options[i] != NULL; i++) {
        assert_true(i < STAGE_OPTIONS_MAX);
        argv[count++] = (char *)(uintptr_t)options[i]; // read only, by exec's contract
        s->scheme = strncmp(options[i], "--tls=", 6) == 0 ? "https" : s->scheme;
    }
    make_out(s, "server", out);
    (void)remove(s->state);
    s->server = runner_spawn(out, argv);
    if (!wait_path(s->state)) {
        fail_msg("the stand-in does not listen: %s", runner_output(out));
    }
    s->port = (int)llm_stage_state(s, "port");
}

void llm_stage_judge(struct llm_stage *s, const char *key, const char *const options[])
{
    char program[STAGE_PATH], url[96], out[STAGE_PATH], name[32],
        kind[] = "--judge=llm", model[] = "--llm-model=stand-in";
    char *argv[STAGE_OPTIONS_MAX + 8] = {program, s->run_flag, kind, url, model};
    int count = 5;

    program_path(program, "minos-judge");
    text_format(url, sizeof(url), "--llm-url=%s://127.0.0.1:%d/v1", s->scheme, s->port);
    for (int i = 0; options[i] != NULL; i++) {
        assert_true(i < STAGE_OPTIONS_MAX);
        argv[count++] = (char *)(uintptr_t)options[i];
    }
    text_format(name, sizeof(name), "judge-%d", ++s->judges);
    make_out(s, name, out);
    if (key != NULL) {
        assert_int_equal(setenv("OPENAI_API_KEY", key, 1), 0);
    }
    s->judge = runner_spawn(out, argv);
    assert_int_equal(unsetenv("OPENAI_API_KEY"), 0);
}

void llm_stage_kill_judge(struct llm_stage *s)
{
    end_process(&s->judge);
}

const char *llm_stage_judge_says(const struct llm_stage *s)
{
    char out[STAGE_PATH];

    text_format(out, sizeof(out), "%s/judge-%d", s->dir, s->judges);
    return runner_output(out);
}

void llm_stage_tell(struct llm_stage *s, uint64_t captions)
{
    feeder_allow(s->feeder, captions);
}

bool llm_stage_until(struct llm_stage *s, bool (*cond)(struct llm_stage *s, void *arg),
                     void *arg, uint64_t most_ms)
{
    const uint64_t end = clock_ms(clock_system()) + most_ms;

    while (!cond(s, arg)) {
        if (clock_ms(clock_system()) >= end) {
            return false;
        }
        assert_int_equal(feeder_step(s->feeder, 64), ST_OK);
        feeder_wait(s->feeder, 10);
    }
    return true;
}

static bool never(struct llm_stage *s, void *arg)
{
    (void)s;
    (void)arg;
    return false;
}

void llm_stage_play(struct llm_stage *s, uint64_t ms)
{
    (void)llm_stage_until(s, never, NULL, ms);
}

/* The stand-in writes its file a little after the fact; asked by signal, at once. */
double llm_stage_state(const struct llm_stage *s, const char *key)
{
    const double told = number_in(s->state, "told");

    if (s->server > 0 && number_in(s->state, "port") > 0 &&
        kill(s->server, SIGUSR1) == 0) {
        for (int i = 0; i < TELL_TRIES && number_in(s->state, "told") == told; i++) {
            clock_sleep_ms(TELL_MS);
        }
    }
    return number_in(s->state, key);
}

double llm_stage_progress(const struct llm_stage *s, const char *key)
{
    char path[STAGE_PATH];

    text_format(path, sizeof(path), "%s/progress.json", s->run);
    return number_in(path, key);
}

uint64_t llm_stage_read(const struct llm_stage *s,
                        bool (*each)(void *ctx, const struct ledger_entry *e),
                        void *ctx)
{
    char path[STAGE_PATH];
    struct ledger *l = NULL;

    text_format(path, sizeof(path), "%s/ledger", s->run);
    assert_int_equal(ledger_open_read(path, &l), ST_OK);
    const uint64_t top = ledger_top(l);
    assert_int_equal(ledger_scan(l, 1, 0, each, ctx), ST_OK);
    ledger_close(l);
    return top;
}

/* ---- looking for a text ---- */

static bool holds(const char *path, const char *text)
{
    char *data;
    size_t len;

    if (file_read(path, FILE_MOST, &data, &len) != ST_OK) {
        return false;
    }
    const bool found = memmem(data, len, text, strlen(text)) != NULL;
    mem_free(data);
    return found;
}

static bool find_below(const char *dir, const char *text, char where[STAGE_PATH])
{
    DIR *d = opendir(dir);
    const struct dirent *e;
    bool found = false;

    while (d != NULL && !found && (e = readdir(d)) != NULL) {
        char path[2 * STAGE_PATH];
        struct stat st;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) {
            continue;
        }
        text_format(path, sizeof(path), "%s/%s", dir, e->d_name);
        if (lstat(path, &st) != 0) {
            continue;
        }
        if (S_ISDIR(st.st_mode)) {
            found = find_below(path, text, where);
        } else if (S_ISREG(st.st_mode) && holds(path, text)) {
            text_format(where, STAGE_PATH, "%s", path);
            found = true;
        }
    }
    if (d != NULL) {
        closedir(d);
    }
    return found;
}

bool llm_stage_finds(const struct llm_stage *s, const char *text,
                     char where[STAGE_PATH])
{
    return find_below(s->dir, text, where);
}
