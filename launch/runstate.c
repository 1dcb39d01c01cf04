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

enum { SILENT_MS = 6000, FILE_MOST = 1 << 20 }; // progress comes each second

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
    if (argc == 2 && argv[1][0] != '-' &&
        text_format(o->run_dir, sizeof(o->run_dir), "%s", argv[1])) {
        argc = 1; // minos status RUN
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

enum run_state runstate_of(const char *run_dir)
{
    char path[PATH_MAX_], state[32] = "", *json;
    struct stat st;
    size_t len;

    if (!text_format(path, sizeof(path), "%s/progress.json", run_dir) ||
        stat(path, &st) != 0 || file_read(path, FILE_MOST, &json, &len) != ST_OK) {
        return RUN_NEVER;
    }
    jsonline_text(json, "state", state, sizeof(state));
    mem_free(json);
    if (strcmp(state, "done") == 0) {
        return RUN_DONE;
    }
    const uint64_t written_ms =
        (uint64_t)st.st_mtim.tv_sec * 1000 + (uint64_t)st.st_mtim.tv_nsec / 1000000;
    const uint64_t now_ms = clock_wall_ms();
    return now_ms > written_ms + SILENT_MS ? RUN_STOPPED : RUN_RUNNING;
}

const char *runstate_name(enum run_state s)
{
    static const char *const names[] = {"not started", "running", "done",
                                        "not running"};

    return names[s];
}
