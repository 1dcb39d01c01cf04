#ifndef LAUNCH_TAIL_H
#define LAUNCH_TAIL_H
/* Follows a log file that a child appends to: shows its new lines of level WARN and
 * above on our stderr, and remembers the last ones for the day the child is given up.
 * Lines that are not of our log (a library's, mpirun's) are kept but not shown, and what
 * Open MPI says of every end not even kept once the child itself has told why. Main
 * thread; nothing is allocated after tail_open(). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TAIL_LINES = 12, TAIL_LINE_MAX = 400 };

struct tail {
    char path[1024];
    int64_t offset; // read so far
    char line[TAIL_LINE_MAX];
    size_t len; // of the unfinished line
    char last[TAIL_LINES][TAIL_LINE_MAX];
    int next;     // in last, a ring
    bool in_help; // between two dashed lines of Open MPI's
};

/* From the file's present end on; it may not exist yet. */
void tail_open(struct tail *t, const char *path);
/* Shows what came; `before` is called once before the first line shown (may be NULL). */
void tail_follow(struct tail *t, void (*before)(void));
/* The child is started again: its last lines are yet to come. */
void tail_begin(struct tail *t);
/* Whether one of the last lines is an error of our log, which has been shown. */
bool tail_has_told(const struct tail *t);
void tail_print_last(const struct tail *t);

#endif
