#ifndef TESTS_SUPPORT_FAKE_ROLES_H
#define TESTS_SUPPORT_FAKE_ROLES_H
/* A copy of minos beside role programs of a few lines of shell, which keep to what the
 * supervisor sees of the real ones: --print-config, describe, RUN/address,
 * RUN/progress.json, RUN/control/stop, exit codes. Files in the run directory steer them:
 * learner-done, learner-die, learner-deaf, actor-die, actor-usage, judge-die. */

#include "common/base/status.h"

/* Makes DIR/bin and DIR/share; returns DIR/bin/minos, in static memory. */
const char *fake_roles_make(const char *dir);

#endif
