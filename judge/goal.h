#ifndef JUDGE_GOAL_H
#define JUDGE_GOAL_H
/* Reads the text of a .goal file (judge/goals/README.md) as it comes in the learner's
 * welcome. One thread. */

#include "common/base/bytes.h"
#include "judge/judge.h"

enum { GOAL_LINE_MAX = 500, GOAL_PRINCIPLES_MAX = 64, GOAL_NAME_MAX = 256 };

/* Owns what `view` points to. */
struct goal {
    struct judge_goal view;
    char name[GOAL_NAME_MAX], task[GOAL_NAME_MAX], family[GOAL_NAME_MAX];
    char *text;  // as it came, 0-terminated
    char *lines; // a copy cut into lines, which view points into
    const char *principles[GOAL_PRINCIPLES_MAX];
};

/* Zeroed or released before. ST_INVALID (logged with the line): a line that is neither
 * the sentence, a principle, a comment nor empty; no sentence; a line over 500 bytes; a
 * zero byte. */
MUST_USE enum status goal_init(struct goal *g, struct bytes name, struct bytes task,
                               struct bytes text);
void goal_release(struct goal *g);

#endif
