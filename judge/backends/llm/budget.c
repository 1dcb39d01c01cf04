#include "judge/backends/llm/budget.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/text.h"

enum {
    HOUR_MS = 3600000,
    LOOK_MS = 5000,      // between two looks into the file of a budget that is used up
    BLOCK_SHARE = 64,    // a block is at most so much of its limit,
    BLOCK_REQUESTS = 64, // and worth so many requests: it is what a crash may lose
    FILE_MOST = 4096
};

static const char *const names[BUDGET_KINDS] = {"requests", "tokens", "micro"};

/* As in the file: used, or reserved by somebody who may yet use it. */
struct used {
    struct budget_amount all, hour;
    uint64_t in_hour; // which hour, since 1970
};

struct budget {
    char path[PATH_MAX_], lock[PATH_MAX_];
    struct budget_limits limits;
    struct used memory; // the file's content when it was seen last
    // Reserved blocks less what was taken; below 0 where a request used more than was
    // reserved for it.
    int64_t left[BUDGET_KINDS], hour_left[BUDGET_KINDS];
    uint64_t hour;       // of hour_left
    uint64_t full_at_ms; // when the file last said no; 0 = it did not
    struct budget_reached reached;
};

static enum status refuse(const struct budget *b, const char *line)
{
    LOG_ERROR("LLM-BUDGET-FILE",
              "%s is not a count of what judges used (%.40s); remove it to begin at 0",
              b->path, line);
    return ST_CORRUPT;
}

/* name value; an unknown name is an error: it may hold what was paid for. */
static bool take_line(struct used *u, const char *line)
{
    char name[32];
    uint64_t value;
    int end = -1;

    if (sscanf(line, "%31s %" SCNu64 "%n", name, &value, &end) != 2 ||
        line[end] != '\0') {
        return false;
    }
    if (strcmp(name, "hour") == 0) {
        u->in_hour = value;
        return true;
    }
    const bool hourly = strncmp(name, "hour-", 5) == 0;
    for (int k = 0; k < BUDGET_KINDS; k++) {
        if (strcmp(hourly ? name + 5 : name, names[k]) == 0) {
            (hourly ? &u->hour : &u->all)->of[k] = value;
            return true;
        }
    }
    return false;
}

static enum status read_used(const struct budget *b, struct used *u)
{
    char *text, *rest;
    size_t len;

    *u = b->memory;
    if (b->path[0] == '\0') {
        return ST_OK;
    }
    *u = (struct used){.in_hour = 0};
    const enum status st = file_read(b->path, FILE_MOST, &text, &len);
    if (st != ST_OK) {
        return st == ST_NOTFOUND ? ST_OK : st;
    }
    enum status parsed = len == 0 ? refuse(b, "empty") : ST_OK;
    rest = text;
    while (parsed == ST_OK && rest != NULL && rest[0] != '\0') {
        char *line = rest;
        rest = strchr(line, '\n');
        if (rest != NULL) {
            *rest++ = '\0';
        }
        if (!take_line(u, line)) {
            parsed = refuse(b, line);
        }
    }
    mem_free(text);
    return parsed;
}

static enum status write_used(struct budget *b, const struct used *u)
{
    char text[1024];
    size_t len = 0;

    b->memory = *u;
    if (b->path[0] == '\0') {
        return ST_OK;
    }
    for (int k = 0; k < BUDGET_KINDS; k++) {
        text_format(text + len, sizeof(text) - len,
                    "%s %" PRIu64 "\nhour-%s %" PRIu64 "\n", names[k], u->all.of[k],
                    names[k], u->hour.of[k]);
        len += strlen(text + len);
    }
    text_format(text + len, sizeof(text) - len, "hour %" PRIu64 "\n", u->in_hour);
    return file_write_atomic(b->path, bytes_text(text));
}

/* ST_AGAIN: somebody else has it. */
static enum status lock(const struct budget *b, int *fd)
{
    *fd = -1;
    return b->path[0] == '\0' ? ST_OK : file_lock(b->lock, fd);
}

static void unlock(int fd)
{
    if (fd >= 0) {
        close(fd);
    }
}

enum status budget_open(const char *path, const struct budget_limits *limits,
                        struct budget **out)
{
    struct budget *b = mem_new(1, sizeof(*b));
    struct used used;
    char *slash;

    b->limits = *limits;
    if (!text_format(b->path, sizeof(b->path), "%s", path) ||
        !text_format(b->lock, sizeof(b->lock), "%s.lock", path)) {
        LOG_ERROR("LLM-BUDGET-FILE", "the run directory's path is too long");
        mem_free(b);
        return ST_INVALID;
    }
    enum status st = ST_OK;
    slash = strrchr(b->path, '/');
    if (slash != NULL && slash != b->path) {
        *slash = '\0';
        st = file_make_dirs(b->path);
        *slash = '/';
    }
    if (st == ST_OK) {
        st = read_used(b, &used);
    }
    b->memory = st == ST_OK ? used : b->memory;
    if (st != ST_OK) {
        mem_free(b);
        return st;
    }
    *out = b;
    return ST_OK;
}

static uint64_t add_signed(uint64_t a, int64_t b)
{
    if (b < 0 && (uint64_t)-b > a) {
        return 0;
    }
    return b < 0 ? a - (uint64_t)-b : a + (uint64_t)b;
}

static void move_hour(struct used *u, uint64_t hour)
{
    // A clock that is set back goes on in the hour that it knows.
    if (hour > u->in_hour) {
        u->in_hour = hour;
        u->hour = (struct budget_amount){.hour = 0};
    }
}

void budget_close(struct budget *b)
{
    struct used u;
    int fd;

    if (b == NULL) {
        return;
    }
    // Somebody who holds the lock holds it for one write.
    enum status st = lock(b, &fd);
    for (int tries = 0; st == ST_AGAIN && tries < 100; tries++) {
        clock_sleep_ms(2);
        st = lock(b, &fd);
    }
    if (st == ST_OK) {
        if (read_used(b, &u) == ST_OK) {
            for (int k = 0; k < BUDGET_KINDS; k++) {
                u.all.of[k] = add_signed(u.all.of[k], -b->left[k]);
                if (u.in_hour == b->hour) {
                    u.hour.of[k] = add_signed(u.hour.of[k], -b->hour_left[k]);
                }
            }
            st = write_used(b, &u); // what could not be given back counts as used
        }
        unlock(fd);
    }
    mem_free(b);
}

/* How much more a block takes so that `need` fits in what is left; false: over the limit. */
static bool block_of(int64_t left, uint64_t need, uint64_t used, uint64_t limit,
                     uint64_t *block)
{
    const uint64_t room = limit == UINT64_MAX ? UINT64_MAX
                          : limit > used      ? limit - used
                                              : 0;
    // As small where nothing is limited: the next start may set a limit.
    const uint64_t most = BLOCK_REQUESTS * need;
    const uint64_t share = limit / BLOCK_SHARE < most ? limit / BLOCK_SHARE : most;
    const uint64_t lacks = left >= 0 && (uint64_t)left >= need ? 0
                           : left < 0                          ? need + (uint64_t)-left
                                                               : need - (uint64_t)left;

    *block = 0;
    if (lacks == 0) {
        return true;
    }
    if (lacks > room) {
        return false;
    }
    *block = share > lacks ? share : lacks;
    *block = *block < room ? *block : room;
    return true;
}

/* All kinds at once, or none; the file is locked. */
static enum status take_blocks(struct budget *b, const struct budget_amount *need,
                               uint64_t hour, struct budget_reached *reached)
{
    uint64_t all[BUDGET_KINDS], hourly[BUDGET_KINDS];
    struct used u;

    TRY(read_used(b, &u));
    move_hour(&u, hour);
    b->memory = u;
    if (b->hour != u.in_hour) {
        b->hour = u.in_hour;
        memset(b->hour_left, 0, sizeof(b->hour_left));
    }
    for (int k = 0; k < BUDGET_KINDS; k++) {
        *reached = (struct budget_reached){.kind = (enum budget_kind)k,
                                           .limit = b->limits.all.of[k],
                                           .used = u.all.of[k]};
        if (!block_of(b->left[k], need->of[k], u.all.of[k], b->limits.all.of[k],
                      &all[k])) {
            return ST_FULL;
        }
        reached->hourly = true;
        reached->limit = b->limits.hour.of[k];
        reached->used = u.hour.of[k];
        if (!block_of(b->hour_left[k], need->of[k], u.hour.of[k], b->limits.hour.of[k],
                      &hourly[k])) {
            return ST_FULL;
        }
    }
    for (int k = 0; k < BUDGET_KINDS; k++) {
        u.all.of[k] += all[k];
        u.hour.of[k] += hourly[k];
    }
    TRY(write_used(b, &u));
    for (int k = 0; k < BUDGET_KINDS; k++) {
        b->left[k] += (int64_t)all[k];
        b->hour_left[k] += (int64_t)hourly[k];
    }
    return ST_OK;
}

static bool fits(const struct budget *b, const struct budget_amount *need,
                 uint64_t hour)
{
    for (int k = 0; k < BUDGET_KINDS; k++) {
        if (b->left[k] < (int64_t)need->of[k] ||
            b->hour_left[k] < (int64_t)need->of[k]) {
            return false;
        }
    }
    return b->hour >= hour;
}

/* `need` is there in the blocks afterwards. */
static enum status make_room(struct budget *b, const struct budget_amount *need,
                             uint64_t wall_ms, struct budget_reached *reached)
{
    const uint64_t hour = wall_ms / HOUR_MS;
    int fd;

    if (fits(b, need, hour)) {
        return ST_OK;
    }
    if (b->full_at_ms != 0 && wall_ms - b->full_at_ms < LOOK_MS && b->hour >= hour) {
        *reached = b->reached;
        return ST_FULL;
    }
    TRY(lock(b, &fd));
    const enum status st = take_blocks(b, need, hour, reached);
    unlock(fd);
    b->full_at_ms = st == ST_FULL ? wall_ms : 0;
    b->reached = *reached;
    return st;
}

enum status budget_reserve(struct budget *b, struct budget_amount *need,
                           uint64_t wall_ms, struct budget_reached *reached)
{
    TRY(make_room(b, need, wall_ms, reached));
    need->hour = b->hour;
    for (int k = 0; k < BUDGET_KINDS; k++) {
        b->left[k] -= (int64_t)need->of[k];
        b->hour_left[k] -= (int64_t)need->of[k];
    }
    return ST_OK;
}

void budget_settle(struct budget *b, const struct budget_amount *reserved,
                   const struct budget_amount *used)
{
    for (int k = 0; k < BUDGET_KINDS; k++) {
        const int64_t back = (int64_t)reserved->of[k] - (int64_t)used->of[k];
        b->left[k] += back;
        // What an hour did not use is not left to the next one.
        b->hour_left[k] += reserved->hour == b->hour || back < 0 ? back : 0;
    }
}

/* Of one limit: what is left of the block and of the file, in requests. */
static uint64_t room_of(int64_t left, uint64_t used, uint64_t limit, uint64_t need)
{
    if (limit == UINT64_MAX || need == 0) {
        return UINT64_MAX;
    }
    const int64_t room = left + (limit > used ? (int64_t)(limit - used) : 0);
    return room > 0 ? (uint64_t)room / need : 0;
}

uint64_t budget_room(const struct budget *b, const struct budget_amount *need)
{
    const struct used *u = &b->memory;
    uint64_t least = UINT64_MAX;

    for (int k = 0; k < BUDGET_KINDS; k++) {
        const uint64_t all =
            room_of(b->left[k], u->all.of[k], b->limits.all.of[k], need->of[k]);
        const uint64_t hour =
            room_of(b->hour_left[k], u->hour.of[k], b->limits.hour.of[k], need->of[k]);
        least = all < least ? all : least;
        least = hour < least ? hour : least;
    }
    return least;
}

bool budget_has_room(struct budget *b, const struct budget_amount *need,
                     uint64_t wall_ms, struct budget_reached *reached)
{
    // ST_AGAIN and a disk that refuses are told when something is to be sent.
    return make_room(b, need, wall_ms, reached) != ST_FULL;
}
