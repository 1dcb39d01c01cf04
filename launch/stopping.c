#include <stdio.h>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "launch/commands.h"
#include "launch/runstate.h"
#include "launch/scratch.h"

enum { LOOK_MS = 200 };

/* minos stop: works for every run whose directory can be seen, however it was started. */
int stopping_main(int argc, char **argv)
{
    const struct clock *clock = clock_system();
    struct run_options o;
    char path[PATH_MAX_];
    int code;

    log_open("minos", -1, LOG_INFO_);
    if (!runstate_parse(argc, argv, &o, &code)) {
        return code;
    }
    enum run_state state = runstate_of(o.run_dir);
    if (state != RUN_RUNNING) {
        printf("%s: %s%s\n", o.run_dir, runstate_name(state),
               state == RUN_NEVER ? "" : " already");
        return EXIT_DONE;
    }
    (void)text_format(path, sizeof(path), "%s/control", o.run_dir);
    if (file_make_dirs(path) != ST_OK) {
        return EXIT_FAILED;
    }
    (void)text_format(path, sizeof(path), "%s/control/stop", o.run_dir);
    if (file_write_atomic(path, bytes_text("stop\n")) != ST_OK) {
        return EXIT_FAILED;
    }
    const uint64_t end_ms = clock_ms(clock) + (uint64_t)(o.timeout * 1000);
    while (state == RUN_RUNNING && clock_ms(clock) < end_ms) {
        clock_sleep_ms(LOOK_MS);
        state = runstate_of(o.run_dir);
    }
    if (o.timeout > 0 && state != RUN_DONE) {
        fprintf(stderr,
                "minos stop: %s has not ended in order within %.0f s, it is %s\n",
                o.run_dir, o.timeout, runstate_name(state));
        return EXIT_FAILED;
    }
    if (o.timeout > 0) {
        (void)scratch_remove(o.run_dir); // of a minos that was killed
    }
    printf("%s: %s\n", o.run_dir, o.timeout > 0 ? "stopped" : "asked to stop");
    return EXIT_DONE;
}
