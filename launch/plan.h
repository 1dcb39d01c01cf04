#ifndef LAUNCH_PLAN_H
#define LAUNCH_PLAN_H
/* From a command line to a run that can be started: settings, run directory, counts of
 * processes, port. Everything that can be wrong is found here, before anything is
 * started. Main thread. */

#include "launch/settings.h"
#include "launch/topology.h"

struct plan {
    const char *word; // of minos: "train" or "label"
    struct settings settings;
    struct topology topology;
    int64_t judges;
    char run_dir[512]; // absolute
    char goal[OPTION_TEXT_MAX], family[64];
    char captions[512];  // label: whose captions, absolute
    double idle_seconds; // label
    char ask[16];        // label: "rate" or "order"
    bool resumed, quiet;
    bool made_dir; // the run directory was not there before
    int lock_fd;   // of the run directory
    // Of a run that is gone on with, as an earlier start left them; NULL: none.
    char *config_before, *progress_before;
};

/* Checks everything, chooses what was left open, makes the run directory, takes its lock
 * and writes its config.ini. ST_INVALID, ST_NOTFOUND: the user's mistake, told on stderr;
 * ST_AGAIN: another minos train works in the directory (logged). */
MUST_USE enum status plan_make(struct plan *p, int argc, char **argv);
void plan_release(struct plan *p);

/* Parts of it, for minos label; told on stderr as above. */
void plan_find_family(struct plan *p);              // "crypt" of crypt-vault
bool plan_is_empty(const char *path);               // a directory
MUST_USE enum status plan_make_dir(struct plan *p); // of --run-dir, and its lock
/* Of a fresh run before plan_make_dir(), so that nothing is made when it is taken. */
MUST_USE enum status plan_check_port(const struct plan *p);
/* A start that was refused before training began leaves nothing that would hold its wrong
 * settings: a fresh run goes, one that was to go on is as it was. Said on stderr. */
void plan_unmake(const struct plan *p);
/* What was chosen, for people. */
void plan_print(const struct plan *p, FILE *to);

#endif
