#include "common/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/text.h"

// Whoever looks at a lock, file_is_locked(), holds it for microseconds.
enum { LOCK_TRIES = 10, LOCK_PAUSE_MS = 10 };

static enum status failed(const char *what, const char *path)
{
    LOG_ERROR("FILE-FAILED", "cannot %s %s: %s", what, path, strerror(errno));
    return ST_IO;
}

/* A copy of `path` with `suffix`, refused when it would be cut. */
static enum status copy_path(char out[PATH_MAX_], const char *path, const char *suffix)
{
    if (path[0] == '\0' || !text_format(out, PATH_MAX_, "%s%s", path, suffix)) {
        LOG_ERROR("FILE-PATH", "path '%.40s...' is empty or longer than %d bytes", path,
                  PATH_MAX_ - 8);
        return ST_INVALID;
    }
    return ST_OK;
}

enum status file_make_dirs(const char *path)
{
    char part[PATH_MAX_];
    struct stat st;

    TRY(copy_path(part, path, ""));
    for (char *slash = strchr(part + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash != NULL) {
            *slash = '\0';
        }
        if (mkdir(part, 0777) != 0 && errno != EEXIST) {
            return failed("make directory", part);
        }
        if (slash == NULL) {
            break;
        }
        *slash = '/';
    }
    if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode)) {
        errno = ENOTDIR;
        return failed("make directory", path);
    }
    return ST_OK;
}

bool file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

enum status file_read(const char *path, size_t most, char **data, size_t *len)
{
    char *buf = NULL;
    enum status st = ST_OK;
    struct stat info;
    size_t got = 0;
    FILE *f = fopen(path, "re");

    if (f == NULL) {
        return errno == ENOENT ? ST_NOTFOUND : failed("open", path);
    }
    if (fstat(fileno(f), &info) != 0) {
        st = failed("read", path);
        goto out;
    }
    // Files of /proc say 0 and pipes say nothing; growing serves them too.
    size_t cap = info.st_size > 0 ? (size_t)info.st_size + 1 : 4096;
    if (info.st_size > 0 && (uint64_t)info.st_size > most) {
        got = (size_t)info.st_size;
    } else {
        buf = mem_new(cap + 1, 1);
        while (got <= most && (got += fread(buf + got, 1, cap - got, f)) == cap) {
            buf = mem_grow(buf, cap + 1, 2 * cap + 1, 1);
            cap *= 2;
        }
    }
    if (got > most) {
        LOG_ERROR("FILE-BIG", "%s is larger than the %zu bytes allowed", path, most);
        st = ST_FULL;
    } else if (ferror(f)) {
        st = failed("read", path);
    } else {
        buf[got] = '\0';
        *data = buf;
        *len = got;
        buf = NULL; // the caller's now
    }
out:
    mem_free(buf);
    fclose(f);
    return st;
}

static enum status write_all(int fd, struct bytes content, const char *path)
{
    const char *at = content.data;
    size_t left = content.len;

    while (left > 0) {
        const ssize_t n = write(fd, at, left);
        if (n < 0 && errno != EINTR) {
            return failed("write", path);
        }
        if (n > 0) {
            at += n;
            left -= (size_t)n;
        }
    }
    return fsync(fd) == 0 ? ST_OK : failed("sync", path);
}

enum status file_write_atomic(const char *path, struct bytes content)
{
    char tmp[PATH_MAX_], dir[PATH_MAX_];
    enum status st = copy_path(tmp, path, ".tmp");

    TRY(st);
    TRY(copy_path(dir, path, ""));
    const int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        return failed("write", tmp);
    }
    st = write_all(fd, content, tmp);
    if (close(fd) != 0 && st == ST_OK) {
        st = failed("close", tmp); // NFS reports a full disk only here
    }
    if (st == ST_OK && rename(tmp, path) != 0) {
        st = failed("rename to", path);
    }
    if (st != ST_OK) {
        unlink(tmp);
        return st;
    }
    return file_sync_dir(dirname(dir));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    if (remove(path) != 0 && errno != ENOENT) {
        failed("remove", path);
        return 1;
    }
    return 0;
}

enum status file_remove_tree(const char *path)
{
    struct stat st;

    if (lstat(path, &st) != 0 && errno == ENOENT) {
        return ST_OK;
    }
    const int rc = nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    if (rc < 0 && errno != ENOENT) {
        return failed("remove", path);
    }
    return rc > 0 ? ST_IO : ST_OK;
}

enum status file_sync_dir(const char *path)
{
    enum status st = ST_OK;
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0) {
        return failed("open directory", path);
    }
    // EINVAL: a file system that does not sync directories has nothing to lose here.
    if (fsync(fd) != 0 && errno != EINVAL) {
        st = failed("sync directory", path);
    }
    close(fd);
    return st;
}

/* Runs `ask` on path or, where that does not exist yet, on its nearest parent. */
static int on_nearest(const char *path, int (*ask)(const char *, void *), void *out)
{
    char at[PATH_MAX_];
    int rc;

    if (!text_format(at, sizeof(at), "%s", path)) {
        return -1;
    }
    while ((rc = ask(at, out)) != 0 && errno == ENOENT) {
        char *slash = strrchr(at, '/');
        if (slash == NULL) {
            return ask(".", out);
        }
        if (slash == at) {
            return ask("/", out);
        }
        *slash = '\0';
    }
    return rc;
}

static int ask_statfs(const char *path, void *out)
{
    return statfs(path, out);
}

static int ask_statvfs(const char *path, void *out)
{
    return statvfs(path, out);
}

bool file_on_network(const char *path, const char **kind)
{
    // From linux/magic.h and, for those outside the kernel, from their own sources.
    static const struct {
        uint32_t magic;
        const char *name;
    } kinds[] = {
        {0x00006969, "NFS"},    {0x0000517b, "SMB"},    {0xff534d42, "CIFS"},
        {0xfe534d42, "SMB2"},   {0x0bd00bd0, "Lustre"}, {0x47504653, "GPFS"},
        {0x65735546, "FUSE"},   {0x00c36400, "Ceph"},   {0x5346414f, "AFS"},
        {0x6b414653, "AFS"},    {0x01021997, "9P"},     {0x19830326, "BeeGFS"},
        {0x7461636f, "OCFS2"},  {0x01161970, "GFS2"},   {0xaad7aaea, "PanFS"},
        {0x73757245, "Coda"},   {0x20030528, "PVFS2"},  {0x7c7c6673, "PRL"},
        {0x786f4256, "VBoxSF"},
    };
    struct statfs fs;

    if (on_nearest(path, ask_statfs, &fs) != 0) {
        return false;
    }
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if ((uint32_t)fs.f_type == kinds[i].magic) {
            *kind = kinds[i].name;
            return true;
        }
    }
    return false;
}

enum status file_lock(const char *path, int *fd)
{
    const int made = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);

    if (made < 0) {
        return failed("open lock", path);
    }
    for (int i = 0; flock(made, LOCK_EX | LOCK_NB) != 0; i++) {
        if (errno != EWOULDBLOCK || i == LOCK_TRIES) {
            const enum status st =
                errno == EWOULDBLOCK ? ST_AGAIN : failed("lock", path);
            close(made);
            return st;
        }
        clock_sleep_ms(LOCK_PAUSE_MS);
    }
    *fd = made;
    return ST_OK;
}

bool file_is_locked(const char *path)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        return false;
    }
    const bool locked = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    close(fd);
    return locked;
}

int file_end_stdout(int code)
{
    errno = 0;
    if ((fflush(stdout) == 0 && ferror(stdout) == 0) || code != 0) {
        return code;
    }
    fprintf(stderr, "cannot write all of it to standard output, %s\n",
            errno != 0 ? strerror(errno) : "an earlier write failed");
    return EXIT_FAILED;
}

uint64_t file_free_bytes(const char *path)
{
    struct statvfs fs;

    if (on_nearest(path, ask_statvfs, &fs) != 0) {
        return 0;
    }
    return (uint64_t)fs.f_bavail * fs.f_frsize;
}
