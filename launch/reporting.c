#include <stdio.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "launch/commands.h"
#include "launch/progress.h"
#include "launch/runstate.h"

enum { FILE_MOST = 1 << 20, LINE_MOST = 512 };

/* progress.json as it is, with the state as seen from here in front. */
static void print_json(const char *run_dir, const char *state)
{
    char path[PATH_MAX_], *json;
    size_t len;

    if (text_format(path, sizeof(path), "%s/progress.json", run_dir) &&
        file_read(path, FILE_MOST, &json, &len) == ST_OK) {
        const char *body = strchr(json, '{');
        printf("{\"run_state\": \"%s\", %s\n", state,
               body != NULL ? text_trim((char *)(uintptr_t)body + 1) : "}");
        mem_free(json);
    } else {
        printf("{\"run_state\": \"%s\"}\n", state);
    }
}

static void print_address(const char *run_dir)
{
    char path[PATH_MAX_], *text;
    size_t len;

    if (text_format(path, sizeof(path), "%s/address", run_dir) &&
        file_read(path, 4096, &text, &len) == ST_OK) {
        const bool labels = progress_labels(run_dir);
        printf("address: %s; more %s may join: %s --learner=%s%s\n", text_trim(text),
               labels ? "judges" : "actors", labels ? "minos-judge" : "minos-actor",
               text_trim(text), labels ? "" : " --env=NAME");
        mem_free(text);
    }
}

int reporting_main(int argc, char **argv)
{
    struct run_options o;
    char line[LINE_MOST];
    int code;

    log_open("minos", -1, LOG_INFO_);
    if (!runstate_parse(argc, argv, &o, &code)) {
        return code;
    }
    const enum run_state state = runstate_of(o.run_dir);
    if (o.json) {
        print_json(o.run_dir, runstate_name(state));
        return file_end_stdout(EXIT_DONE);
    }
    printf("%s: %s\n", o.run_dir, runstate_name(state));
    if (progress_line(o.run_dir, line, sizeof(line))) {
        printf("%s\n", line);
    }
    if (state == RUN_RUNNING) {
        print_address(o.run_dir);
    }
    return file_end_stdout(EXIT_DONE);
}
