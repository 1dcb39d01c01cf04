#include "launch/owned.h"

#include <stdio.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "launch/jsonline.h"

enum { MODEL_MOST = 1 << 20 };

static const char fitted[] = "classify|rank", asking[] = "retrieval|classify|rank",
                  by_caption[] = "count|retrieval|classify|rank|bow|motif",
                  paying[] = "count|retrieval|classify|rank|rnd|bow|motif";
static const struct owned {
    const char *setting, *rewards; // as in "classify|rank"
} settings[] = {
    {"a-int", paying},
    {"beta", by_caption},
    {"count-key", by_caption},
    {"pay-caption", by_caption},
    {"rnd-lr", "rnd"},
    {"word-vectors", "bow"},
    {"bow-threshold", "bow"},
    {"reward-model", "motif"},
    {"motif-quantile", "motif"},
    {"rank-pay", "rank"},
    {"order-captions", "rank"},
    {"soft", "retrieval|classify"},
    {"hard", "retrieval|classify"},
    {"eta", "retrieval|classify"},
    {"label-budget", asking},
    {"label-budget-hour", asking},
    {"consistency-share", asking},
    {"judge-alarm", asking},
    {"labels-from", asking},
    {"relabel", asking},
    {"ask-order", asking},
    {"failure-label", asking},
    {"resend-in-flight", asking},
    {"text-net", "classify|rank|motif"},
    {"reward-model-lr", fitted},
    {"fit-steps", fitted},
    {"fit-schedule", fitted},
    {"fit-batch", fitted},
    {"class-balance", fitted},
    {"held-out", fitted},
    {"reward-version-updates", fitted},
    {"gate-labels", fitted},
    {"gate-class", fitted},
    {"gate-steps", fitted},
    {"ramp-updates", fitted},
};
enum { SETTINGS = sizeof(settings) / sizeof(settings[0]) };

/* "--NAME", "--NAME=VALUE". */
static bool names(const char *arg, const char *name)
{
    const size_t len = strlen(name);

    return strncmp(arg, "--", 2) == 0 && strncmp(arg + 2, name, len) == 0 &&
           (arg[2 + len] == '=' || arg[2 + len] == '\0');
}

static bool is_one_of(const char *reward, const char *rewards)
{
    const size_t len = strlen(reward);

    for (const char *at = rewards; at != NULL; at = strchr(at, '|')) {
        at += *at == '|';
        if (strncmp(at, reward, len) == 0 && (at[len] == '|' || at[len] == '\0')) {
            return true;
        }
    }
    return false;
}

/* The model of motif is finished: its network is what it is. */
static enum status check_net(const struct plan *p)
{
    const char *given = settings_get(&p->settings, "text-net");
    const char *dir = settings_get(&p->settings, "reward-model");
    char path[PATH_MAX_], net[16], *text;
    size_t len;

    if (strcmp(settings_get(&p->settings, "reward"), "motif") != 0 ||
        !text_format(path, sizeof(path), "%s/model.json", dir) ||
        file_read(path, MODEL_MOST, &text, &len) != ST_OK) {
        return ST_OK; // what is wrong with the model is said elsewhere
    }
    const bool other =
        jsonline_text(text, "text_net", net, sizeof(net)) && strcmp(net, given) != 0;
    mem_free(text);
    if (other) {
        fprintf(stderr,
                "minos %s: --text-net=%s, but the model in %s reads captions with %s; "
                "leave --text-net out, or minos fit another model\n",
                p->word, given, dir, net);
    }
    return other ? ST_INVALID : ST_OK;
}

/* The reference's schedule has its own numbers. */
static enum status check_schedule(const struct plan *p)
{
    const char *schedule = settings_get(&p->settings, "fit-schedule");

    if (strcmp(schedule, "budget") == 0) {
        return ST_OK;
    }
    fprintf(stderr,
            "minos %s: --fit-steps is for --fit-schedule=budget, but the schedule is "
            "%s\n",
            p->word, schedule);
    return ST_INVALID;
}

enum status owned_check(const struct plan *p, int argc, char **argv)
{
    const char *reward = settings_get(&p->settings, "reward");

    for (int i = 1; i < argc; i++) {
        for (int k = 0; k < SETTINGS; k++) {
            if (!names(argv[i], settings[k].setting)) {
                continue;
            }
            if (!is_one_of(reward, settings[k].rewards)) {
                fprintf(stderr,
                        "minos %s: --%s is for --reward=%s, but the reward is %s\n",
                        p->word, settings[k].setting, settings[k].rewards, reward);
                return ST_INVALID;
            }
            if (strcmp(settings[k].setting, "text-net") == 0) {
                TRY(check_net(p));
            }
            if (strcmp(settings[k].setting, "fit-steps") == 0) {
                TRY(check_schedule(p));
            }
        }
    }
    return ST_OK;
}
