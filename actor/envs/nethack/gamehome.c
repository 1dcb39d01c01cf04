#include "actor/envs/nethack/gamehome.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/share.h"
#include "common/base/text.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U // Linux 6.3; where sysctl vm.memfd_noexec asks for the word
#endif

static const char BINARY[] = "/usr/lib/games/nethack/nethack-console";
static const char DATA[] = "/usr/lib/games/nethack/nhdat";
static const char SHIM[] = "libminos-nethack-shim.so";
enum { SPACE_LEAST = 16 << 20, LOCK_WAIT_MS = 5000, LOCK_POLL_MS = 5 };

static struct gamehome home;
static int users;
static int folders;
static int lock_fd = -1;

static enum status failed(const char *what, const char *path)
{
    LOG_ERROR("NETHACK-HOME", "cannot %s %s: %s", what, path, strerror(errno));
    return ST_IO;
}

/* The installed file is setgid: the loader ignores LD_PRELOAD for it, even for root. A
 * copy drops the bit; in memory it can be executed where /dev/shm is mounted noexec (as
 * containers do), and it ends with this process. */
static enum status copy_binary(int *out)
{
    struct stat st;
    const int from = open(BINARY, O_RDONLY | O_CLOEXEC);

    if (from < 0 || access(DATA, R_OK) != 0) {
        LOG_ERROR("NETHACK-NONE",
                  "NetHack is not installed (no %s), install it with 'apt-get install "
                  "--no-install-recommends nethack-console'",
                  from < 0 ? BINARY : DATA);
        if (from >= 0) {
            close(from);
        }
        return ST_NOTFOUND;
    }
    int to = memfd_create("nethack", MFD_CLOEXEC | MFD_EXEC);
    if (to < 0 && errno == EINVAL) {
        to = memfd_create("nethack", MFD_CLOEXEC);
    }
    enum status result = ST_OK;
    if (to < 0 || fstat(from, &st) != 0) {
        result = failed("copy", BINARY);
    }
    off_t left = result == ST_OK ? st.st_size : 0;
    while (left > 0) {
        const ssize_t n = sendfile(to, from, NULL, (size_t)left);
        if (n <= 0) {
            result = failed("copy", BINARY);
            break;
        }
        left -= n;
    }
    close(from);
    if (result != ST_OK) {
        if (to >= 0) {
            close(to);
        }
        return result;
    }
    *out = to;
    return ST_OK;
}

/* The folder of this user that holds the homes of all of his processes; nobody else may
 * have made it, since what lies in it is executed and removed. */
static enum status choose_base(const char *scratch, char base[GAMEHOME_PATH_MAX])
{
    const char *parent = "/dev/shm";
    struct stat st;

    if (access(parent, W_OK | X_OK) != 0 || file_free_bytes(parent) < SPACE_LEAST) {
        parent = scratch[0] != '\0' ? scratch : "/tmp";
    }
    if (!text_format(base, GAMEHOME_PATH_MAX - 64, "%s/minos-nethack-%u", parent,
                     (unsigned)geteuid())) {
        LOG_ERROR("NETHACK-HOME", "the path %.60s... is too long for games", parent);
        return ST_INVALID;
    }
    if (mkdir(base, 0700) != 0 && errno != EEXIST) {
        return failed("make directory", base);
    }
    if (lstat(base, &st) != 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid()) {
        errno = EPERM;
        return failed("use a directory that is not ours", base);
    }
    return ST_OK;
}

/* One process at a time looks for homes of the dead and makes its own, so that a home
 * is never seen before it is locked. */
static enum status lock_base(const char *base, int *fd)
{
    char path[GAMEHOME_PATH_MAX];
    enum status st = ST_AGAIN;

    (void)text_format(path, sizeof(path), "%s/lock", base);
    for (int waited = 0; waited < LOCK_WAIT_MS; waited += LOCK_POLL_MS) {
        st = file_lock(path, fd);
        if (st != ST_AGAIN) {
            return st;
        }
        clock_sleep_ms(LOCK_POLL_MS);
    }
    LOG_ERROR("NETHACK-HOME", "another process holds %s for more than %d s", path,
              LOCK_WAIT_MS / 1000);
    return ST_IO;
}

/* A lock ends with its process, however that ends and whatever its id is called in
 * another container. */
static void remove_dead(const char *base)
{
    int removed = 0;
    const struct dirent *entry;
    DIR *d = opendir(base);

    if (d == NULL) {
        return;
    }
    while ((entry = readdir(d)) != NULL) {
        char dir[2 * GAMEHOME_PATH_MAX], path[2 * GAMEHOME_PATH_MAX];
        int fd = -1;

        if (strncmp(entry->d_name, "home-", 5) != 0 ||
            !text_format(dir, sizeof(dir), "%s/%s", base, entry->d_name) ||
            !text_format(path, sizeof(path), "%s/lock", dir) ||
            file_lock(path, &fd) != ST_OK) {
            continue;
        }
        if (file_remove_tree(dir) == ST_OK) {
            removed++;
        }
        close(fd);
    }
    closedir(d);
    if (removed > 0) {
        LOG_INFO("NETHACK-SWEPT", "removed the games of %d dead processes from %s",
                 removed, base);
    }
}

/* LD_PRELOAD splits at spaces and colons, which a prefix may hold: the game is given a
 * link in our own directory. */
static enum status link_shim(void)
{
    char path[2 * GAMEHOME_PATH_MAX];

    if (!share_lib_path(SHIM, path, sizeof(path))) {
        LOG_ERROR("NETHACK-SHIM", "the NetHack shim is missing, no %s", path);
        return ST_NOTFOUND;
    }
    if (!text_format(home.shim, sizeof(home.shim), "%s/shim.so", home.dir) ||
        strpbrk(home.shim, " :") != NULL) {
        LOG_ERROR("NETHACK-HOME",
                  "games cannot live in %s: the path holds a space or a "
                  "colon",
                  home.dir);
        return ST_INVALID;
    }
    return symlink(path, home.shim) == 0 ? ST_OK
                                         : failed("link the shim as", home.shim);
}

static enum status make_home(const char *base)
{
    char path[GAMEHOME_PATH_MAX];

    (void)text_format(home.dir, sizeof(home.dir), "%s/home-XXXXXX", base);
    if (mkdtemp(home.dir) == NULL) {
        home.dir[0] = '\0';
        return failed("make a directory in", base);
    }
    (void)text_format(path, sizeof(path), "%s/lock", home.dir);
    TRY(file_lock(path, &lock_fd));
    return link_shim();
}

static void remove_home(void)
{
    // A failure is logged there, and the next start sweeps what stays.
    if (home.dir[0] != '\0' && file_remove_tree(home.dir) == ST_OK) {
        home.dir[0] = '\0';
    }
    if (lock_fd >= 0) {
        close(lock_fd);
        lock_fd = -1;
    }
    if (home.binary >= 0) {
        close(home.binary);
        home.binary = -1;
    }
}

enum status gamehome_hold(const char *scratch, const struct gamehome **out)
{
    char base[GAMEHOME_PATH_MAX];
    int base_fd = -1;

    if (users == 0) {
        home = (struct gamehome){.binary = -1};
        folders = 0;
        TRY(copy_binary(&home.binary));
        enum status st = choose_base(scratch, base);
        if (st == ST_OK) {
            st = lock_base(base, &base_fd);
        }
        if (st == ST_OK) {
            remove_dead(base);
            st = make_home(base);
            close(base_fd);
        }
        if (st != ST_OK) {
            remove_home();
            return st;
        }
    }
    users++;
    *out = &home;
    return ST_OK;
}

void gamehome_release(void)
{
    if (--users == 0) {
        remove_home();
    }
}

enum status gamehome_make_folder(char out[GAMEHOME_PATH_MAX])
{
    if (!text_format(out, GAMEHOME_PATH_MAX, "%s/%d", home.dir, folders)) {
        errno = ENAMETOOLONG;
        return failed("make a folder in", home.dir);
    }
    if (mkdir(out, 0700) != 0) {
        return failed("make directory", out);
    }
    folders++;
    return ST_OK;
}
