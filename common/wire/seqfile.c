#include "common/wire/seqfile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/text.h"

/* As it lies in the file; little-endian like everything of ours. */
struct record {
    char magic[8];
    uint64_t run;
    uint32_t actor, incarnation;
    uint64_t produced;
    uint32_t ended;
    uint8_t spare[28];
};
_Static_assert(sizeof(struct record) == 64, "the file has 64 bytes");

static const char magic_text[8] = "minoseq1";

struct seqfile {
    int fd;
    volatile struct record *map; // each store must reach the page at once
};

static enum status failed(const char *what, const char *path)
{
    LOG_ERROR("SEQFILE-FAILED", "cannot %s %s: %s", what, path, strerror(errno));
    return ST_IO;
}

static enum status map_record(int fd, const char *path, const struct record *first,
                              struct seqfile *f)
{
    // An open file description's lock: closed with the process, not inherited by exec.
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    if (fcntl(fd, F_OFD_SETLK, &lock) != 0) {
        return failed("lock", path);
    }
    if (pwrite(fd, first, sizeof(*first), 0) != (ssize_t)sizeof(*first)) {
        return failed("write", path);
    }
    void *map = mmap(NULL, sizeof(*first), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        return failed("map", path);
    }
    f->fd = fd;
    f->map = map;
    return ST_OK;
}

enum status seqfile_open(const char *dir, uint64_t run, uint32_t actor,
                         uint32_t incarnation, struct seqfile **out)
{
    struct record first = {.run = run, .actor = actor, .incarnation = incarnation};
    char path[PATH_MAX_];
    enum status st;

    memcpy(first.magic, magic_text, sizeof(first.magic));
    TRY(file_make_dirs(dir));
    if (!text_format(path, sizeof(path), "%s/%u-%u.seq", dir, actor, incarnation)) {
        errno = ENAMETOOLONG;
        return failed("make", dir);
    }
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) {
        return failed("make", path);
    }
    struct seqfile *f = mem_new(1, sizeof(*f));
    st = map_record(fd, path, &first, f);
    if (st != ST_OK) {
        close(fd);
        mem_free(f);
        return st;
    }
    *out = f;
    return ST_OK;
}

void seqfile_set(struct seqfile *f, uint64_t produced)
{
    f->map->produced = produced;
}

void seqfile_close(struct seqfile *f)
{
    if (f == NULL) {
        return;
    }
    f->map->ended = 1;
    munmap((void *)(uintptr_t)f->map, sizeof(struct record));
    close(f->fd);
    mem_free(f);
}

enum status seqfile_read(const char *path, struct seqfile_state *out)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    struct record r;
    const int fd = open(path, O_RDONLY | O_CLOEXEC); // an audit may only look

    if (fd < 0) {
        return errno == ENOENT ? ST_NOTFOUND : failed("open", path);
    }
    const ssize_t got = pread(fd, &r, sizeof(r), 0);
    // Asks without taking: the owner never finds its own file locked by a reader.
    const bool alive = fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    close(fd);
    if (got != (ssize_t)sizeof(r) ||
        memcmp(r.magic, magic_text, sizeof(r.magic)) != 0) {
        return ST_CORRUPT;
    }
    *out = (struct seqfile_state){.run = r.run,
                                  .produced = r.produced,
                                  .actor = r.actor,
                                  .incarnation = r.incarnation,
                                  .alive = alive,
                                  .ended = r.ended != 0};
    return ST_OK;
}

enum status seqfile_find(const char *dir, uint32_t actor, uint32_t incarnation,
                         struct seqfile_state *out)
{
    char path[PATH_MAX_];

    if (!text_format(path, sizeof(path), "%s/%u-%u.seq", dir, actor, incarnation)) {
        return ST_NOTFOUND;
    }
    return seqfile_read(path, out);
}

void seqfile_each(const char *dir,
                  void (*each)(void *ctx, const struct seqfile_state *), void *ctx)
{
    char path[PATH_MAX_];
    struct seqfile_state s;
    DIR *d = opendir(dir);

    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
        const size_t len = strlen(e->d_name);
        if (len > 4 && strcmp(e->d_name + len - 4, ".seq") == 0 &&
            text_format(path, sizeof(path), "%s/%s", dir, e->d_name) &&
            seqfile_read(path, &s) == ST_OK) {
            each(ctx, &s);
        }
    }
    if (d != NULL) {
        closedir(d);
    }
}
