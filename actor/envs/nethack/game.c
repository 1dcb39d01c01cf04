#include "actor/envs/nethack/game.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/text.h"

enum { LOOK_EVERY_MS = 20 }; // at a game that keeps us waiting: is it alive?

/* Noon of 17 May 2023 in UTC, a Wednesday; the moon was two days before new, which
 * NetHack takes for phase 7: no "New moon tonight", no luck of a full one, no night. */
static const int64_t GAME_TIME = 1684324800;

/* What a game finds in its folder at its start, all of it empty. Anything else there was
 * left by the game before: level files (a lock of it would cost one of ten places), a
 * saved game (it would be restored), bones, and names in `record` that statues take. */
static const char *const kept_files[] = {"perm", "record", "logfile", "xlogfile"};

/* NLE's options, and what keeps a game from asking. Each boolean once: a second one is an
 * error that waits for Return. No checkpoint: a level change need not write the whole
 * game for `recover`. After death nothing is shown, nobody would see it. */
static const char OPTIONS[] =
    "OPTIONS=windowtype:tty,name:Agent,role:%s,race:%s,gender:%s,align:%s\n"
    "OPTIONS=autopickup,pickup_types:$?!/,pickup_burden:unencumbered\n"
    "OPTIONS=color,showexp,time,verbose,mention_walls,runmode:teleport\n"
    "OPTIONS=!legacy,!news,!splash_screen,!cmdassist,!sparkle,!bones,!mail\n"
    "OPTIONS=!tombstone,!toptenwin,!checkpoint,!number_pad\n"
    "OPTIONS=disclose:-i -a -v -g -c -o\n";

static enum status failed(const char *what, const char *path)
{
    LOG_ERROR("NETHACK-GAME", "cannot %s %s: %s", what, path, strerror(errno));
    return ST_IO;
}

static enum status make_file(const struct game *g, const char *name,
                             const char *content)
{
    char path[2 * GAMEHOME_PATH_MAX];

    (void)text_format(path, sizeof(path), "%s/%s", g->dir, name);
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return failed("make", path);
    }
    const ssize_t len = (ssize_t)strlen(content);
    const bool good = write(fd, content, (size_t)len) == len;
    close(fd);
    return good ? ST_OK : failed("write", path);
}

static enum status make_page(struct game *g)
{
    char path[2 * GAMEHOME_PATH_MAX];

    (void)text_format(path, sizeof(path), "%s/page", g->dir);
    const int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return failed("make", path);
    }
    // posix_fallocate: a full tmpfs is an error here, not a SIGBUS later.
    errno = posix_fallocate(fd, 0, sizeof(struct page));
    void *map = MAP_FAILED;
    if (errno == 0) {
        map =
            mmap(NULL, sizeof(struct page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    }
    close(fd);
    if (map == MAP_FAILED) {
        return failed("map", path);
    }
    g->page = map;
    return ST_OK;
}

enum status game_open(struct game *g, const struct gamehome *home,
                      const char *const character[4])
{
    char text[sizeof(OPTIONS) + 128], save[2 * GAMEHOME_PATH_MAX];

    *g = (struct game){.home = home};
    TRY(gamehome_make_folder(g->dir));
    (void)text_format(text, sizeof(text), OPTIONS, character[0], character[1],
                      character[2], character[3]);
    TRY(make_file(g, "options", text));
    for (size_t i = 0; i < sizeof(kept_files) / sizeof(kept_files[0]); i++) {
        TRY(make_file(g, kept_files[i], ""));
    }
    (void)text_format(save, sizeof(save), "%s/save", g->dir);
    if (mkdir(save, 0700) != 0) {
        return failed("make directory", save);
    }
    (void)text_format(g->preload, sizeof(g->preload), "LD_PRELOAD=%s", home->shim);
    (void)text_format(g->options, sizeof(g->options), "NETHACKOPTIONS=%s/options",
                      g->dir);
    (void)text_format(g->page_path, sizeof(g->page_path), PAGE_VARIABLE "=%s/page",
                      g->dir);
    return make_page(g);
}

void game_close(struct game *g)
{
    if (g->page != NULL) {
        game_stop(g);
        munmap(g->page, sizeof(*g->page));
        g->page = NULL; // its folder goes with the home
    }
}

static bool is_kept(const char *name)
{
    for (size_t i = 0; i < sizeof(kept_files) / sizeof(kept_files[0]); i++) {
        if (strcmp(name, kept_files[i]) == 0) {
            return true;
        }
    }
    return strcmp(name, "options") == 0 || strcmp(name, "page") == 0 ||
           strcmp(name, "save") == 0 || name[0] == '.';
}

static void remove_others(const char *dir, bool all)
{
    char path[2 * GAMEHOME_PATH_MAX];
    const struct dirent *entry;
    DIR *d = opendir(dir);

    if (d == NULL) {
        return;
    }
    while ((entry = readdir(d)) != NULL) {
        if ((all ? entry->d_name[0] != '.' : !is_kept(entry->d_name)) &&
            text_format(path, sizeof(path), "%s/%s", dir, entry->d_name)) {
            unlink(path);
        }
    }
    closedir(d);
}

/* At the start, not at the end: the driver still reads xlogfile after the end. */
static enum status clean_folder(const struct game *g)
{
    char path[2 * GAMEHOME_PATH_MAX];

    remove_others(g->dir, false);
    (void)text_format(path, sizeof(path), "%s/save", g->dir);
    remove_others(path, true);
    for (size_t i = 0; i < sizeof(kept_files) / sizeof(kept_files[0]); i++) {
        (void)text_format(path, sizeof(path), "%s/%s", g->dir, kept_files[i]);
        if (truncate(path, 0) != 0) {
            return failed("empty", path);
        }
    }
    return ST_OK;
}

static int prepare(const struct game *g, posix_spawn_file_actions_t *files,
                   posix_spawnattr_t *attr)
{
    char errors[2 * GAMEHOME_PATH_MAX];
    sigset_t none, all;

    (void)text_format(errors, sizeof(errors), "%s/stderr", g->dir);
    sigemptyset(&none);
    sigfillset(&all);
    int rc = posix_spawn_file_actions_addopen(files, 0, "/dev/null", O_RDONLY, 0);
    rc |= posix_spawn_file_actions_addopen(files, 1, "/dev/null", O_WRONLY, 0);
    rc |= posix_spawn_file_actions_addopen(files, 2, errors,
                                           O_WRONLY | O_CREAT | O_TRUNC, 0600);
    rc |= posix_spawnattr_setsigmask(attr, &none);
    rc |= posix_spawnattr_setsigdefault(attr, &all);
    // A session of its own: Ctrl-C on the actor's terminal is not the game's.
    rc |= posix_spawnattr_setflags(
        attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
    return rc;
}

/* posix_spawn has no attribute for it, but a child inherits the personality: it is set
 * around the spawn. Games with the same addresses share what the processor has learnt of
 * the code: 16 in turn on one core cost 1.5 times less. A container may refuse; then the
 * games are only slower. */
static int spawn(const struct game *g, pid_t *pid,
                 const posix_spawn_file_actions_t *files, const posix_spawnattr_t *attr)
{
    char binary[32], name[] = "nethack", flag[] = "-u", agent[] = "Agent";
    char term[] = "TERM=xterm", zone[] = "TZ=UTC", user_home[] = "HOME=/tmp";
    char *const argv[] = {name, flag, agent, NULL};
    char *const envp[] = {(char *)g->preload,
                          (char *)g->options,
                          (char *)g->page_path,
                          term,
                          zone,
                          user_home,
                          NULL};
    const int before = personality(0xffffffff); // reads it

    // In the child /proc/self is the child, which has the descriptor until it executes.
    (void)text_format(binary, sizeof(binary), "/proc/self/fd/%d", g->home->binary);
    if (before != -1) {
        personality((unsigned long)before | ADDR_NO_RANDOMIZE);
    }
    const int rc = posix_spawn(pid, binary, files, attr, argv, envp);
    if (before != -1) {
        personality((unsigned long)before);
    }
    return rc;
}

static void fill_page(struct game *g, uint64_t seed, const char *record)
{
    struct page *p = g->page;

    memset(p, 0, sizeof(*p));
    p->version = PAGE_VERSION;
    p->parent = getpid();
    p->seed = seed;
    p->time = GAME_TIME;
    (void)text_format(p->dir, sizeof(p->dir), "%s/", g->dir);
    (void)text_format(p->record, sizeof(p->record), "%s", record);
    keys_init(&p->keys);
    terminal_init(&p->screen);
    atomic_store(&p->turn, PAGE_GAME);
}

enum status game_start(struct game *g, uint64_t seed, const char *record)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    pid_t pid = 0;

    game_stop(g);
    TRY(clean_folder(g));
    fill_page(g, seed, record);
    int rc = posix_spawn_file_actions_init(&files);
    if (rc == 0) {
        rc = posix_spawnattr_init(&attr);
        if (rc == 0) {
            rc = prepare(g, &files, &attr);
            rc = rc != 0 ? rc : spawn(g, &pid, &files, &attr);
            posix_spawnattr_destroy(&attr);
        }
        posix_spawn_file_actions_destroy(&files);
    }
    if (rc != 0) {
        errno = rc;
        return failed("start a game in", g->dir);
    }
    g->pid = pid;
    return ST_OK;
}

void game_send(struct game *g, uint8_t key)
{
    CHECK(g->pid > 0 && page_is_drivers(g->page));
    g->page->key = key;
    page_to_game(g->page);
}

static bool has_died(struct game *g)
{
    const pid_t got = waitpid(g->pid, NULL, WNOHANG);

    if (got == g->pid || (got < 0 && errno == ECHILD)) {
        g->pid = 0;
        return true;
    }
    return false;
}

enum game_state game_wait(struct game *g, uint32_t deadline_ms)
{
    uint64_t begin = 0;

    CHECK(g->pid > 0);
    while (!page_await_driver(g->page, LOOK_EVERY_MS)) {
        const uint64_t now = clock_ms(clock_system());

        begin = begin > 0 ? begin : now - LOOK_EVERY_MS;
        if (has_died(g)) {
            // It may have ended in order between the two looks.
            return atomic_load(&g->page->over) != 0 ? GAME_OVER : GAME_CRASHED;
        }
        if (now - begin >= deadline_ms) {
            game_stop(g);
            return GAME_HUNG;
        }
    }
    if (atomic_load(&g->page->over) == 0) {
        return GAME_READY;
    }
    // Its last files are closed by now; what is left of its exit is not waited for.
    game_stop(g);
    return GAME_OVER;
}

void game_stop(struct game *g)
{
    if (g->pid <= 0) {
        return;
    }
    kill(g->pid, SIGKILL);
    while (waitpid(g->pid, NULL, 0) < 0 && errno == EINTR) {
    }
    g->pid = 0;
}

void game_complaint(const struct game *g, char *out, size_t size)
{
    char path[2 * GAMEHOME_PATH_MAX];

    out[0] = '\0';
    (void)text_format(path, sizeof(path), "%s/stderr", g->dir);
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        return;
    }
    if (fgets(out, (int)size, f) == NULL) {
        out[0] = '\0';
    }
    fclose(f);
    out[strcspn(out, "\n")] = '\0';
}
