#ifndef LEARNER_INTAKE_ALARM_H
#define LEARNER_INTAKE_ALARM_H
/* Whether judges fail too often: the share of failures (unparseable, timeout, refused,
 * overload; an abstention is an answer) among the last 200 verdicts. It is raised when that
 * passes a limit, and ends when it is below half of it. One thread. */

#include <stdbool.h>
#include <stdint.h>

#include "common/wire/judgement.h"

enum { ALARM_WINDOW = 200, ALARM_LEAST = 20 }; // verdicts; fewer raise none

struct alarm {
    double limit;
    uint8_t kind[ALARM_WINDOW];
    uint32_t count, at, of_kind[VERDICT_KINDS];
    bool raised;
};

void alarm_init(struct alarm *a, double limit);
bool alarm_is_failure(enum verdict_kind kind);
/* True when it is raised by this one. */
bool alarm_add(struct alarm *a, enum verdict_kind kind);
double alarm_share(const struct alarm *a);            // 0 before ALARM_LEAST verdicts
enum verdict_kind alarm_worst(const struct alarm *a); // the most frequent failure

#endif
