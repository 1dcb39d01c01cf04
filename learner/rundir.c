#include "learner/rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/hash.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/text.h"

enum { FORMAT = 1, FILE_MOST = 1 << 20, VALUE_MAX = OPTION_TEXT_MAX + 32 };

static void path_in(const char *run_dir, const char *name, char path[PATH_MAX_])
{
    text_format(path, PATH_MAX_, "%s/%s", run_dir, name);
}

/* ---- what may never change ---- */

struct fixed {
    const char *name;
    const char *unwritten; // what it was where run.json does not tell; NULL: anything
    char value[VALUE_MAX];
};
enum { FIXED = 9, FIXED_GOAL = 4, FIXED_DIGEST = 8 };

static void fixed_of(const struct learner_options *o, const struct rundir_goal *goal,
                     int ranks, struct fixed f[FIXED])
{
    static const char *const names[FIXED] = {"env",    "net",         "segment-steps",
                                             "reward", "goal",        "seed",
                                             "ranks",  "value-heads", "goal-digest"};
    int i;

    for (i = 0; i < FIXED; i++) {
        f[i].name = names[i];
        f[i].unwritten = NULL;
    }
    text_format(f[0].value, VALUE_MAX, "%s", o->env);
    text_format(f[1].value, VALUE_MAX, "%s", o->net);
    text_format(f[2].value, VALUE_MAX, "%" PRId64, o->segment_steps);
    text_format(f[3].value, VALUE_MAX, "%s", o->reward);
    text_format(f[FIXED_GOAL].value, VALUE_MAX, "%s", goal->name);
    text_format(f[5].value, VALUE_MAX, "%" PRId64, o->seed);
    text_format(f[6].value, VALUE_MAX, "%d", ranks);
    text_format(f[7].value, VALUE_MAX, "%" PRId64, o->value_heads);
    f[7].unwritten = "1"; // runs from before there was a choice
    hash_hex(goal->digest, f[FIXED_DIGEST].value);
}

/* Labels hold for one text of a goal: with another every one is asked and paid for anew. */
static enum status check_goal(const char *was, const struct fixed f[FIXED],
                              const char *run_dir, bool relabel)
{
    const char *now = f[FIXED_DIGEST].value, *name = f[FIXED_GOAL].value;

    if (was == NULL || strcmp(was, now) == 0) {
        return ST_OK;
    }
    if (relabel) {
        LOG_WARN(
            "RUN-GOAL",
            "the text of goal %s was changed since %s was begun (digest %.12s, now "
            "%.12s): everything is asked anew, as --relabel says",
            name, run_dir, was, now);
        return ST_OK;
    }
    LOG_ERROR("RUN-GOAL",
              "the text of goal %s was changed since %s was begun (digest %.12s, now "
              "%.12s; comments count): all labels would be paid for anew. Put the text "
              "back, or give --relabel, or begin a new run directory",
              name, run_dir, was, now);
    return ST_INVALID;
}

static enum status check_fixed(const json_t *root, const struct fixed f[FIXED],
                               const char *run_dir, bool relabel)
{
    for (int i = 0; i < FIXED_DIGEST; i++) {
        const json_t *told = json_object_get(root, f[i].name);
        const char *was = told != NULL ? json_string_value(told) : f[i].unwritten;
        if (was != NULL && strcmp(was, f[i].value) != 0) {
            LOG_ERROR("RUN-DIFFERS",
                      "%s of %s was %s and is now %s; it cannot change in a run, take "
                      "another run directory",
                      f[i].name, run_dir, was, f[i].value);
            return ST_INVALID;
        }
    }
    return check_goal(json_string_value(json_object_get(root, f[FIXED_DIGEST].name)), f,
                      run_dir, relabel);
}

/* ---- run.json ---- */

static enum status write_json(const char *run_dir, const struct rundir *d,
                              const struct fixed f[FIXED])
{
    struct text_buf b = {0};
    char path[PATH_MAX_];

    path_in(run_dir, "run.json", path);
    text_buf_add(&b,
                 "{\"format\": %d, \"run\": \"%016" PRIx64 "\", \"start\": %" PRIu32
                 ", \"port\": %d",
                 FORMAT, d->run, d->start, d->port);
    for (int i = 0; i < FIXED; i++) {
        text_buf_add(&b, ", \"%s\": ", f[i].name);
        text_buf_add_json(&b, bytes_text(f[i].value));
    }
    text_buf_add(&b, "}\n");
    const enum status st = file_write_atomic(path, bytes_of(b.data, b.len));
    text_buf_release(&b);
    return st;
}

static enum status parse_json(const char *path, const char *text, size_t len,
                              const struct learner_options *o,
                              const struct fixed f[FIXED], struct rundir *d)
{
    json_error_t error;
    json_t *root = json_loadb(text, len, 0, &error);
    const char *run = json_string_value(json_object_get(root, "run"));
    const json_int_t start = json_integer_value(json_object_get(root, "start"));
    const json_int_t format = json_integer_value(json_object_get(root, "format"));
    enum status st = ST_CORRUPT;

    if (root != NULL && format != FORMAT) {
        LOG_ERROR("RUN-FILE", "%s has format %lld, this program reads and writes %d",
                  path, (long long)format, FORMAT);
        st = ST_VERSION;
    } else if (run != NULL && sscanf(run, "%16" SCNx64, &d->run) == 1 && start >= 1 &&
               start < UINT32_MAX) {
        d->start = (uint32_t)start;
        d->port = (int)json_integer_value(json_object_get(root, "port"));
        st = check_fixed(root, f, o->run_dir, o->relabel);
    } else {
        LOG_ERROR("RUN-FILE", "%s is not what a learner wrote", path);
    }
    json_decref(root);
    return st;
}

/* An id that no other run has: when and where it was begun, and by whom. */
static uint64_t draw_run(const char *run_dir)
{
    char text[PATH_MAX_ + 128], host[64] = "";

    (void)gethostname(host, sizeof(host) - 1);
    text_format(text, sizeof(text), "%s %s %ld %" PRIu64 " %" PRIu64, run_dir, host,
                (long)getpid(), clock_wall_ms(), clock_ns(clock_system()));
    const uint64_t run = hash_64(bytes_text(text));
    return run != 0 ? run : 1; // 0 on the wire means not welcomed yet
}

double rundir_get_number(const char *run_dir, const char *name)
{
    char path[PATH_MAX_], *text;
    double value = 0;
    size_t len;

    path_in(run_dir, name, path);
    if (file_read(path, 256, &text, &len) == ST_OK) {
        (void)text_to_f64(text_trim(text), 0, 1e12, &value);
        mem_free(text);
    }
    return value;
}

static enum status read_or_begin(const struct learner_options *o,
                                 const struct fixed f[FIXED], struct rundir *d)
{
    char path[PATH_MAX_], *text;
    size_t len;

    path_in(o->run_dir, "run.json", path);
    enum status st = file_read(path, FILE_MOST, &text, &len);
    if (st == ST_OK) {
        st = parse_json(path, text, len, o, f, d);
        mem_free(text);
    } else if (st == ST_NOTFOUND) {
        d->run = draw_run(o->run_dir);
        st = ST_OK;
    }
    return st;
}

/* Ranks started by hand leave the settings behind that minos else would have written:
 * eval, status and a later minos train read them. Rows of one process are left out. */
static enum status write_config(const struct learner_options *o, const char *goal,
                                int ranks)
{
    struct text_buf b = {0};
    char path[PATH_MAX_], value[OPTION_TEXT_MAX];

    path_in(o->run_dir, "config.ini", path);
    if (file_exists(path)) {
        return ST_OK;
    }
    text_buf_add(&b, "# Written by ranks that were started by hand.\nranks = %d\n",
                 ranks);
    for (const struct option *row = learner_option_table; row->name != NULL; row++) {
        option_value(row, o, value);
        if (strcmp(row->name, "run-dir") != 0 && strcmp(row->name, "mpi") != 0) {
            text_buf_add(&b, "%s = %s\n", row->name,
                         strcmp(row->name, "goal") == 0 ? goal : value);
        }
    }
    const enum status st = file_write_atomic(path, bytes_of(b.data, b.len));
    text_buf_release(&b);
    return st;
}

static void copy_field(const json_t *root, const char *name, char out[RUNDIR_NAME_MAX])
{
    const char *was = json_string_value(json_object_get(root, name));

    text_format(out, RUNDIR_NAME_MAX, "%s", was != NULL ? was : "");
}

enum status rundir_look(const char *run_dir, struct rundir_told *out)
{
    char path[PATH_MAX_], ranks[RUNDIR_NAME_MAX], *text;
    int64_t count = 0;
    json_error_t error;
    size_t len;

    path_in(run_dir, "run.json", path);
    TRY(file_read(path, FILE_MOST, &text, &len));
    json_t *root = json_loadb(text, len, 0, &error);
    mem_free(text);
    copy_field(root, "env", out->env);
    copy_field(root, "reward", out->reward);
    copy_field(root, "goal", out->goal);
    copy_field(root, "ranks", ranks);
    json_decref(root);
    if (!text_to_i64(ranks, 1, 1 << 16, &count) || out->reward[0] == '\0') {
        LOG_ERROR("RUN-FILE", "%s is not what a learner wrote", path);
        return ST_CORRUPT;
    }
    out->ranks = (int)count;
    return ST_OK;
}

enum status rundir_open(const struct learner_options *o, const struct rundir_goal *goal,
                        int ranks, struct rundir *out)
{
    struct rundir d = {.lock = -1};
    struct fixed f[FIXED];
    char path[PATH_MAX_];

    if (o->run_dir[0] == '\0') {
        LOG_ERROR("RUN-DIR", "--run-dir needs a directory, as in --run-dir=runs/first");
        return ST_INVALID;
    }
    fixed_of(o, goal, ranks, f);
    TRY(file_make_dirs(o->run_dir));
    path_in(o->run_dir, "learner.lock", path);
    enum status st = file_lock(path, &d.lock);
    if (st != ST_OK) {
        if (st == ST_AGAIN) {
            LOG_ERROR("RUN-LOCKED", "another learner is at work in %s", o->run_dir);
        }
        return st;
    }
    st = read_or_begin(o, f, &d);
    if (st == ST_OK) {
        d.start++;
        d.seconds = rundir_get_number(o->run_dir, "seconds");
        st = write_json(o->run_dir, &d, f);
        st = st == ST_OK ? write_config(o, goal->name, ranks) : st;
    }
    if (st != ST_OK) {
        close(d.lock);
        return st;
    }
    *out = d;
    return ST_OK;
}

void rundir_close(struct rundir *d)
{
    if (d->lock >= 0) {
        close(d->lock);
        d->lock = -1;
    }
}

enum status rundir_put_port(const struct learner_options *o,
                            const struct rundir_goal *goal, int ranks, struct rundir *d,
                            int port)
{
    struct fixed f[FIXED];

    fixed_of(o, goal, ranks, f);
    d->port = port;
    return write_json(o->run_dir, d, f);
}

void rundir_put_quick(const char *run_dir, const char *name, const char *text)
{
    static bool told;
    char path[PATH_MAX_], temp[PATH_MAX_];

    path_in(run_dir, name, path);
    text_format(temp, sizeof(temp), "%s/.%s.tmp", run_dir, name);
    const int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    const size_t len = strlen(text);
    const bool ok = fd >= 0 && write(fd, text, len) == (ssize_t)len;
    if (fd >= 0) {
        close(fd);
    }
    if ((!ok || rename(temp, path) != 0) && !told) {
        told = true;
        LOG_WARN("RUN-FILE", "cannot write %s, %s", path, strerror(errno));
    }
}

void rundir_put_number(const char *run_dir, const char *name, double value)
{
    char text[TEXT_F64_MAX + 2];

    text_format(text, sizeof(text), "%.3f\n", value);
    rundir_put_quick(run_dir, name, text);
}

void rundir_put_seconds(const char *run_dir, double seconds)
{
    rundir_put_number(run_dir, "seconds", seconds);
}
