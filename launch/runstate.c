#include "launch/runstate.h"

#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "launch/jsonline.h"

enum { SILENT_MS = 6000, FILE_MOST = 1 << 20 };

#define ROW(field, name_, type, preset_, least_, most_, help_)                         \
    OPT(struct run_options, field, name_, type, preset_, least_, most_, help_)

static struct option table[] = {
    ROW(run_dir, "run-dir", OPT_TEXT, "", 0, 0, "the run"),
    ROW(json, "json", OPT_BOOL, "false", 0, 0, "status: print JSON"),
    ROW(timeout, "timeout", OPT_FLOAT, "90", 0, 86400,
        "stop: seconds to wait for the end; 0: do not wait"),
    OPT_END,
};

bool runstate_parse(int argc, char **argv, struct run_options *o, int *code)
{
    char usage[128], config[PATH_MAX_];

    option_defaults(table, o);
    if (option_is_given(argc, argv, "help")) {
        text_format(usage, sizeof(usage), "%s DIR | --run-dir=DIR [--NAME=VALUE ...]",
                    argv[0]);
        option_print_help(table, usage, NULL, stdout);
        *code = EXIT_DONE;
        return false;
    }
    *code = EXIT_USAGE;
    for (int i = 1, found = 0; i < argc && found == 0; i++) {
        if (argv[i][0] != '-' &&
            text_format(o->run_dir, sizeof(o->run_dir), "%s", argv[i])) {
            found = i; // minos status RUN --json
            memmove(argv + i, argv + i + 1, (size_t)(argc - i - 1) * sizeof(*argv));
            argc--;
        }
    }
    if (option_parse(table, o, argc, argv) != ST_OK) {
        return false;
    }
    if (o->run_dir[0] == '\0') {
        fprintf(stderr, "%s: --run-dir: which run?\n", argv[0]);
        return false;
    }
    if (!text_format(config, sizeof(config), "%s/config.ini", o->run_dir) ||
        !file_exists(config)) {
        fprintf(stderr, "%s: --run-dir: %s is not a run directory: no config.ini\n",
                argv[0], o->run_dir);
        return false;
    }
    return true;
}

static bool has(const char *run_dir, const char *name)
{
    char path[PATH_MAX_];

    return text_format(path, sizeof(path), "%s/%s", run_dir, name) && file_exists(path);
}

static bool is_locked(const char *run_dir, const char *name)
{
    char path[PATH_MAX_];

    return text_format(path, sizeof(path), "%s/%s", run_dir, name) &&
           file_is_locked(path);
}

bool runstate_is_held(const char *run_dir)
{
    return is_locked(run_dir, "minos.lock") || is_locked(run_dir, "learner.lock");
}

uint64_t runstate_silent_ms(const char *run_dir)
{
    char path[PATH_MAX_];
    struct stat st;

    if (!text_format(path, sizeof(path), "%s/progress.json", run_dir) ||
        stat(path, &st) != 0) {
        return UINT64_MAX;
    }
    const uint64_t written_ms =
        (uint64_t)st.st_mtim.tv_sec * 1000 + (uint64_t)st.st_mtim.tv_nsec / 1000000;
    const uint64_t now_ms = clock_wall_ms();
    return now_ms > written_ms ? now_ms - written_ms : 0;
}

/* A start that is refused takes an earlier one's progress.json with it. */
static enum run_state without_progress(const char *run_dir)
{
    return runstate_is_held(run_dir)      ? RUN_RUNNING
           : has(run_dir, "summary.json") ? RUN_DONE
           : has(run_dir, "run.json")     ? RUN_STOPPED
                                          : RUN_NEVER;
}

/* A learner is alive as long as its lock is held, however long its update takes, which
 * writes nothing meanwhile. Where locks do not reach us, the file's age must do. */
enum run_state runstate_of(const char *run_dir)
{
    char path[PATH_MAX_], state[32] = "", *json;
    size_t len;

    if (!has(run_dir, "progress.json") ||
        !text_format(path, sizeof(path), "%s/progress.json", run_dir) ||
        file_read(path, FILE_MOST, &json, &len) != ST_OK) {
        return without_progress(run_dir);
    }
    jsonline_text(json, "state", state, sizeof(state));
    mem_free(json);
    if (strcmp(state, "done") == 0) {
        return RUN_DONE;
    }
    return runstate_is_held(run_dir) || runstate_silent_ms(run_dir) <= SILENT_MS
               ? RUN_RUNNING
               : RUN_STOPPED;
}

const char *runstate_name(enum run_state s)
{
    static const char *const names[] = {"not started", "running", "done",
                                        "not running"};

    return names[s];
}
