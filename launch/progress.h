#ifndef LAUNCH_PROGRESS_H
#define LAUNCH_PROGRESS_H
/* How far a run is, for people: read from RUN/progress.json, which rank 0 rewrites after
 * an update, each second at most. On a terminal one line that renews itself, elsewhere a
 * line every 10 s. Main thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One line out of RUN/progress.json; false when there is none yet. */
bool progress_line(const char *run_dir, char *out, size_t size);

/* Whether the learner says that it ends the run: actors and judges leave by themselves. */
bool progress_ends(const char *run_dir);

/* Whether it is a labelling, where actors have nothing to do. */
bool progress_labels(const char *run_dir);

/* Shows it on stdout when it is due; see progress_unread(). */
void progress_show(const char *run_dir, uint64_t now_ms);
/* Whether nobody reads stdout any more: the other end of its pipe is closed. */
bool progress_unread(void);
/* Takes the live line away, so that something else may be printed. */
void progress_clear(void);

/* One line where the learner found nothing left to do; false where it did something. */
bool progress_print_finished(const char *run_dir);

/* A few lines out of RUN/summary.json, with the commands to try next; false when there is
 * none. */
bool progress_print_summary(const char *run_dir);
/* A few more where judges were to be asked and no label ever came: why, as far as it shows. */
void progress_print_no_label(const char *run_dir);

#endif
