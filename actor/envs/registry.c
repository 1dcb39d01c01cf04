#include <string.h>

#include "actor/env.h"
#include "actor/envs/bandit.h"
#include "actor/envs/chain.h"
#include "actor/envs/crypt/crypt.h"
#include "actor/envs/nethack/nethack.h"
#include "common/base/log.h"
#include "common/base/text.h"

enum { TASKS_MAX = 64 };

const struct env_kind *const env_kinds[] = {&env_bandit, &env_chain, &env_crypt,
                                            &env_nethack, NULL};

enum status env_find(const char *task, const struct env_kind **out)
{
    const char *names[TASKS_MAX] = {NULL};
    int count = 0;

    for (int k = 0; env_kinds[k] != NULL; k++) {
        for (const char *const *t = env_kinds[k]->tasks; *t != NULL; t++) {
            if (strcmp(*t, task) == 0) {
                *out = env_kinds[k];
                return ST_OK;
            }
            if (count < TASKS_MAX) {
                names[count++] = *t;
            }
        }
    }
    const char *near = text_nearest(task, names, count);
    if (near != NULL) {
        LOG_ERROR("ENV-UNKNOWN", "there is no task '%s', did you mean '%s'?", task,
                  near);
    } else {
        struct text_buf all = {0};
        for (int i = 0; i < count; i++) {
            text_buf_add(&all, "%s%s", i > 0 ? ", " : "", names[i]);
        }
        LOG_ERROR("ENV-UNKNOWN", "there is no task '%s', there are %s", task, all.data);
        text_buf_release(&all);
    }
    return ST_NOTFOUND;
}
