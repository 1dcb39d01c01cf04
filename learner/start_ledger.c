#include "learner/start_ledger.h"

#include <inttypes.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "learner/reward/reward.h"
#include "learner/start.h"
#include "learner/store/ledger_copy.h"

static const char mark[] = "relabel";

/* *restored: verdicts that came back from the run's own file. */
static enum status restore(struct ledger *l, const char *lines, uint64_t *restored)
{
    *restored = 0;
    if (lines == NULL) {
        return ST_OK;
    }
    TRY(ledger_restore(l, lines, restored));
    if (*restored > 0) {
        LOG_INFO("LEDGER-IMPORTED", "took %" PRIu64 " verdicts from %s", *restored,
                 lines);
    }
    return ST_OK;
}

static enum status take_labels(struct ledger *l, const struct start_ledger *plan,
                               uint64_t restored)
{
    struct ledger_copied copied;

    if (plan->labels_from[0] == '\0') {
        return ST_OK;
    }
    // The note of what was taken was lost with the ledger, the copies came back.
    if (restored > 0 && !ledger_copy_finds(plan->labels_from)) {
        LOG_WARN("LABELS-GONE",
                 "%s is not there any more; goes on with what was taken of it before",
                 plan->labels_from);
        return ST_OK;
    }
    const struct ledger_wanted wanted = {plan->goal_digest, plan->question_kind};
    const enum status st = ledger_copy_labels(l, plan->labels_from, &wanted, &copied);
    return st == ST_NOTFOUND ? ST_INVALID : st;
}

static enum status mark_relabel(struct ledger *l, bool relabel, uint64_t *serial)
{
    char text[32];
    int64_t at = 0;

    *serial = 0;
    TRY(ledger_get_note(l, mark, text, sizeof(text)));
    const bool marked = text_to_i64(text, 0, INT64_MAX, &at);
    if (!relabel) {
        return marked ? ledger_put_note(l, mark, "") : ST_OK;
    }
    if (!marked) {
        at = (int64_t)ledger_top(l);
        (void)text_format(text, sizeof(text), "%" PRId64, at);
        TRY(ledger_put_note(l, mark, text));
        LOG_INFO("LABELS-ANEW",
                 "what the ledger knows is asked anew; its labels train until new ones "
                 "come");
    }
    *serial = (uint64_t)at;
    return ST_OK;
}

static enum status prepare(struct ledger *l, const struct start_ledger *plan,
                           uint64_t *relabel_serial)
{
    uint64_t restored;

    TRY(ledger_put_environment(l, plan->environment));
    TRY(ledger_commit(l));
    TRY(restore(l, plan->lines, &restored));
    TRY(take_labels(l, plan, restored));
    TRY(mark_relabel(l, plan->relabel, relabel_serial));
    return ledger_commit(l);
}

enum status start_ledger_open(const struct start_ledger *plan, struct ledger **out,
                              uint64_t *relabel_serial)
{
    struct ledger *l = NULL;

    TRY(file_make_dirs(plan->path));
    TRY(ledger_open(plan->path, plan->run, &l));
    const enum status st = prepare(l, plan, relabel_serial);
    if (st != ST_OK) {
        ledger_abandon(l);
        ledger_close(l);
        return st;
    }
    *out = l;
    return ST_OK;
}

uint8_t start_ledger_kind_of(const char *reward)
{
    const enum reward_asks asks = reward_asks_of(reward);

    return asks == REWARD_ASKS_RATE    ? QUESTION_RATE
           : asks == REWARD_ASKS_ORDER ? QUESTION_ORDER
                                       : 0;
}

int start_ledger_check_main(int argc, char **argv)
{
    static struct learner_options o; // large
    struct start_goal goal = {0};

    if (learner_options_read(&o, argc, argv) != ST_OK) {
        return EXIT_USAGE;
    }
    enum status st = start_read_goal(&o, &goal);
    if (st == ST_OK) {
        const struct ledger_wanted wanted = {goal.digest,
                                             start_ledger_kind_of(o.reward)};
        st = ledger_copy_check(o.labels_from, o.env, &wanted);
        mem_free(goal.text);
    }
    return st == ST_OK ? EXIT_DONE : EXIT_USAGE;
}
