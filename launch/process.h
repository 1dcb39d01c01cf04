#ifndef LAUNCH_PROCESS_H
#define LAUNCH_PROCESS_H
/* Child processes: started by posix_spawn in a session of their own, with a clean signal
 * mask, stdin from /dev/null and stderr in a log file, so that they outlive us and a
 * Ctrl-C of our terminal does not reach them. Main thread. */

#include <stdbool.h>
#include <sys/types.h>

#include "common/base/status.h"
#include "common/base/text.h"

enum { PROCESS_ARGS_MAX = 320 };

/* An argument list that owns its texts. Begin with {0}. */
struct process_args {
    char *arg[PROCESS_ARGS_MAX + 1]; // NULL-terminated
    int count;
    bool secrets; // it is given the variables of process_hide(), too
};
/* The variable of this name is kept from all children but those with `secrets`;
 * OPENAI_API_KEY always is. "" is none. */
void process_hide(const char *variable);
void process_arg(struct process_args *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void process_args_release(struct process_args *a);

/* Starts it; arg[0] is looked up in PATH. stdout and stderr are appended to
 * `log`. As root, the environment lets mpirun run as root. ST_IO (logged). */
MUST_USE enum status process_start(const struct process_args *a, const char *log,
                                   pid_t *pid);
/* Runs to its end and catches stdout in *out (NULL: passes it on); stderr is ours. *code
 * is the exit code, 128 + signal when killed. ST_IO (logged): cannot be started. */
MUST_USE enum status process_capture(const struct process_args *a, struct text_buf *out,
                                     int *code);
/* A child that has ended, 0 when there is none; *cpu_s: CPU seconds of it and of what it
 * had waited for itself. */
pid_t process_reap(int *wait_status, double *cpu_s);
/* "exit code 1", "signal 9 (Killed)". */
void process_describe_end(int wait_status, char *out, size_t size);
int process_exit_code(int wait_status); // 128 + signal when killed
/* Signals every process of a session (a child that we started and what it started, also
 * when the child itself is gone); returns how many there were. 0 only counts. */
int process_signal_session(pid_t session, int signal);
/* What is left of children's children becomes our child, so that nothing stays. */
void process_adopt_orphans(void);

#endif
