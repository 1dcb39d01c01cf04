#include "learner/intake/alarm.h"

void alarm_init(struct alarm *a, double limit)
{
    *a = (struct alarm){.limit = limit};
}

bool alarm_is_failure(enum verdict_kind kind)
{
    return kind == VERDICT_UNPARSEABLE || kind == VERDICT_TIMEOUT ||
           kind == VERDICT_REFUSED || kind == VERDICT_OVERLOAD;
}

double alarm_share(const struct alarm *a)
{
    uint32_t failed = 0;

    for (int k = 0; k < VERDICT_KINDS; k++) {
        failed += alarm_is_failure((enum verdict_kind)k) ? a->of_kind[k] : 0;
    }
    return a->count < ALARM_LEAST ? 0 : (double)failed / a->count;
}

enum verdict_kind alarm_worst(const struct alarm *a)
{
    enum verdict_kind worst = VERDICT_UNPARSEABLE;

    for (int k = 0; k < VERDICT_KINDS; k++) {
        if (alarm_is_failure((enum verdict_kind)k) &&
            a->of_kind[k] > a->of_kind[worst]) {
            worst = (enum verdict_kind)k;
        }
    }
    return worst;
}

bool alarm_add(struct alarm *a, enum verdict_kind kind)
{
    const bool before = a->raised;

    if (a->count == ALARM_WINDOW) {
        a->of_kind[a->kind[a->at]]--;
    } else {
        a->count++;
    }
    a->kind[a->at] = (uint8_t)kind;
    a->at = (a->at + 1) % ALARM_WINDOW;
    a->of_kind[kind]++;
    const double share = alarm_share(a);
    a->raised = before ? share >= a->limit / 2 : share > a->limit;
    return a->raised && !before;
}
