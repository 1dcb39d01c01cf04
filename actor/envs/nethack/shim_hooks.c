/* The functions of libc that the game calls and that must not reach the machine: paths
 * of its variable directory, the terminal, time, other processes. */

#include "actor/envs/nethack/shim.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>

// Where Debian's build keeps what it writes. No setting moves it (LOCKDIR and its like
// are accepted and ignored), and all games of a machine would share its ten slots.
static const char VAR_DIR[] = "/var/games/nethack/";
enum { VAR_DIR_LEN = sizeof(VAR_DIR) - 1 };

/* libc's own function of this name. */
#define REAL(name) ((__typeof__(&name))(uintptr_t)next_of(#name))

static void *next_of(const char *name)
{
    void *f = dlsym(RTLD_NEXT, name);

    if (f == NULL) {
        abort(); // a libc without it could not have linked the game
    }
    return f;
}

/* The path in the private directory that stands for `path`; `path` itself elsewhere. */
static const char *moved(const char *path, char out[2 * PAGE_PATH_MAX])
{
    if (shim_page == NULL || path == NULL ||
        strncmp(path, VAR_DIR, VAR_DIR_LEN - 1) != 0) {
        return path;
    }
    const char *rest = path + VAR_DIR_LEN - 1;
    if (*rest != '\0' && *rest != '/') {
        return path;
    }
    snprintf(out, 2 * PAGE_PATH_MAX, "%s%s", shim_page->dir,
             *rest == '/' ? rest + 1 : rest);
    return out;
}

SHIM_HOOK FILE *fopen(const char *path, const char *mode)
{
    char to[2 * PAGE_PATH_MAX];

    // The only source of the game's random numbers: drawn twice at the start and again
    // when a level is made.
    if (shim_page != NULL && path != NULL && strcmp(path, "/dev/urandom") == 0) {
        return shim_random_open();
    }
    return REAL(fopen)(moved(path, to), mode);
}

SHIM_HOOK FILE *freopen(const char *path, const char *mode, FILE *f)
{
    char to[2 * PAGE_PATH_MAX];

    return REAL(freopen)(moved(path, to), mode, f);
}

SHIM_HOOK int open(const char *path, int flags, ...)
{
    char to[2 * PAGE_PATH_MAX];
    va_list args;

    va_start(args, flags);
    const mode_t mode =
        (flags & (O_CREAT | __O_TMPFILE)) != 0 ? va_arg(args, mode_t) : 0;
    va_end(args);
    return REAL(open)(moved(path, to), flags, mode);
}

SHIM_HOOK int creat(const char *path, mode_t mode)
{
    char to[2 * PAGE_PATH_MAX];

    return REAL(creat)(moved(path, to), mode);
}

SHIM_HOOK int unlink(const char *path)
{
    char to[2 * PAGE_PATH_MAX];

    return REAL(unlink)(moved(path, to));
}

SHIM_HOOK int link(const char *from, const char *to)
{
    char from_to[2 * PAGE_PATH_MAX], to_to[2 * PAGE_PATH_MAX];

    return REAL(link)(moved(from, from_to), moved(to, to_to));
}

SHIM_HOOK int rename(const char *from, const char *to)
{
    char from_to[2 * PAGE_PATH_MAX], to_to[2 * PAGE_PATH_MAX];

    return REAL(rename)(moved(from, from_to), moved(to, to_to));
}

SHIM_HOOK int access(const char *path, int how)
{
    char to[2 * PAGE_PATH_MAX];

    return REAL(access)(moved(path, to), how);
}

SHIM_HOOK int chmod(const char *path, mode_t mode)
{
    char to[2 * PAGE_PATH_MAX];

    return REAL(chmod)(moved(path, to), mode);
}

SHIM_HOOK int chdir(const char *path)
{
    char to[2 * PAGE_PATH_MAX];

    return REAL(chdir)(moved(path, to));
}

SHIM_HOOK int stat(const char *path, struct stat *st)
{
    char to[2 * PAGE_PATH_MAX];

    return REAL(stat)(moved(path, to), st);
}

/* The calendar stands still: it decides moon phase, Friday the 13th and night. */
SHIM_HOOK time_t time(time_t *out)
{
    if (shim_page == NULL) {
        return REAL(time)(out);
    }
    const time_t now = (time_t)shim_page->time;
    if (out != NULL) {
        *out = now;
    }
    return now;
}

/* The game waits for the eye of a player, 50 ms an arrow's step. */
SHIM_HOOK int napms(int ms)
{
    (void)ms;
    return 0;
}

SHIM_HOOK int usleep(useconds_t us)
{
    (void)us;
    return 0;
}

SHIM_HOOK unsigned sleep(unsigned s)
{
    (void)s;
    return 0;
}

SHIM_HOOK int isatty(int fd)
{
    return shim_page != NULL && fd >= 0 && fd <= 2 ? 1 : REAL(isatty)(fd);
}

SHIM_HOOK int tcgetattr(int fd, struct termios *t)
{
    if (shim_page == NULL) {
        return REAL(tcgetattr)(fd, t);
    }
    memset(t, 0, sizeof(*t));
    t->c_iflag = ICRNL;
    t->c_oflag = OPOST | ONLCR;
    t->c_cflag = CS8 | CREAD;
    t->c_lflag = ICANON | ECHO | ISIG;
    t->c_cc[VERASE] = 0x7f;
    t->c_cc[VKILL] = 0x15;
    t->c_cc[VINTR] = 3;
    t->c_cc[VMIN] = 1;
    cfsetispeed(t, B38400);
    cfsetospeed(t, B38400);
    return 0;
}

SHIM_HOOK int tcsetattr(int fd, int when, const struct termios *t)
{
    return shim_page == NULL ? REAL(tcsetattr)(fd, when, t) : 0;
}

SHIM_HOOK int ioctl(int fd, unsigned long request, ...)
{
    va_list args;

    va_start(args, request);
    void *arg = va_arg(args, void *);
    va_end(args);
    if (shim_page == NULL || fd < 0 || fd > 2) {
        return REAL(ioctl)(fd, request, arg);
    }
    if (request == TIOCGWINSZ) {
        struct winsize *w = arg;
        memset(w, 0, sizeof(*w));
        w->ws_row = TERMINAL_ROWS;
        w->ws_col = TERMINAL_COLS;
        return 0;
    }
    errno = ENOTTY;
    return -1;
}

/* The game asks who plays, to know its wizards, and crashes where a user id has no entry
 * (3.6.6 in a container run as a bare number). This also spares each start the machine's
 * directory services. */
static struct passwd *player(void)
{
    static char name[] = "agent", word[] = "x", home[] = "/tmp", shell[] = "/bin/false";
    static struct passwd p;

    p = (struct passwd){.pw_name = name,
                        .pw_passwd = word,
                        .pw_uid = getuid(),
                        .pw_gid = getgid(),
                        .pw_gecos = name,
                        .pw_dir = home,
                        .pw_shell = shell};
    return &p;
}

SHIM_HOOK struct passwd *getpwuid(uid_t uid)
{
    return shim_page == NULL ? REAL(getpwuid)(uid) : player();
}

SHIM_HOOK struct passwd *getpwnam(const char *name)
{
    return shim_page == NULL ? REAL(getpwnam)(name) : player();
}

SHIM_HOOK char *getlogin(void)
{
    return shim_page == NULL ? REAL(getlogin)() : NULL;
}

/* ^Z would stop the whole group. */
SHIM_HOOK int kill(pid_t pid, int sig)
{
    return shim_page != NULL && pid <= 0 ? 0 : REAL(kill)(pid, sig);
}

/* No shell, mailer or compressor: "Fork failed.  Try again." */
SHIM_HOOK pid_t fork(void)
{
    if (shim_page == NULL) {
        return REAL(fork)();
    }
    errno = EAGAIN;
    return -1;
}

SHIM_HOOK int execv(const char *path, char *const argv[])
{
    if (shim_page == NULL) {
        return REAL(execv)(path, argv);
    }
    _exit(126);
}

SHIM_HOOK int execl(const char *path, const char *arg, ...)
{
    (void)path;
    (void)arg;
    _exit(126);
}
