#ifndef LEARNER_INTAKE_ALLOWANCE_H
#define LEARNER_INTAKE_ALLOWANCE_H
/* How many labels judges may still be asked for: --label-budget in all, --label-budget-hour
 * within any hour. What is under way is reserved: it may become a label. The hour is kept
 * by the minute, and counted up to a minute too long rather than too short. One thread. */

#include <stdbool.h>
#include <stdint.h>

enum { ALLOWANCE_MINUTES = 61 };

struct allowance {
    uint64_t total, hour;                  // UINT64_MAX: no bound
    uint64_t given;                        // in all
    uint64_t in_hour;                      // of those
    uint64_t minute;                       // the newest that `of_minute` knows
    uint32_t of_minute[ALLOWANCE_MINUTES]; // minute m at m modulo their number
};

/* 0 = no bound. */
void allowance_init(struct allowance *a, uint64_t total, uint64_t hour);
/* A label was given `ago_ms` before now_ms (0: now). */
void allowance_add(struct allowance *a, uint64_t now_ms, uint64_t ago_ms);
/* Questions that may still be asked while `under_way` are. */
uint64_t allowance_left(struct allowance *a, uint64_t now_ms, uint64_t under_way);
bool allowance_is_spent(const struct allowance *a); // in all
bool allowance_hour_is_spent(const struct allowance *a);

#endif
