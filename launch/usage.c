#include "launch/usage.h"

#include <string.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/metrics.h"
#include "launch/jsonline.h"

enum { FILE_MOST = 1 << 20 };

static char *read_text(const char *run_dir, const char *name)
{
    char path[PATH_MAX_], *text;
    size_t len;

    if (!text_format(path, sizeof(path), "%s/%s", run_dir, name) ||
        file_read(path, FILE_MOST, &text, &len) != ST_OK) {
        return NULL;
    }
    return text;
}

static enum status write_text(const char *run_dir, const char *name, struct bytes text)
{
    char path[PATH_MAX_];

    return text_format(path, sizeof(path), "%s/%s", run_dir, name)
               ? file_write_atomic(path, text)
               : ST_IO;
}

/* CPU seconds of ranks for judging, over all starts of the learner. */
static double read_judging(const char *run_dir)
{
    char *text = read_text(run_dir, "judging");
    double seconds = 0;

    if (text != NULL) {
        (void)text_to_f64(text_trim(text), 0, 1e12, &seconds);
        mem_free(text);
    }
    return seconds;
}

void usage_begin(struct usage *u, const char *run_dir)
{
    *u = (struct usage){.judging_before = read_judging(run_dir)};
}

void usage_add(struct usage *u, const char *role, double cpu_s)
{
    double *sum = role == NULL                   ? &u->other
                  : strcmp(role, "learner") == 0 ? &u->learner
                  : strcmp(role, "actor") == 0   ? &u->actors
                                                 : &u->judges;

    *sum += cpu_s;
}

/* The sums of the run as fields of a row that was begun. */
static void add_sums(struct metrics_row *row, const char *earlier,
                     const struct usage *now, double judging)
{
    const double of_now[] = {now->learner, now->actors, now->judges, now->other,
                             judging};
    static const char *const keys[] = {"cpu_learner_s", "cpu_actors_s", "cpu_judges_s",
                                       "cpu_other_s", "cpu_judging_s"};
    enum { LEARNER, ACTORS, JUDGES, OTHER, JUDGING, SUMS };
    double sum[SUMS];

    for (int i = 0; i < SUMS; i++) {
        sum[i] = 0;
        if (earlier != NULL) {
            (void)jsonline_number(earlier, keys[i], &sum[i]);
        }
        sum[i] += of_now[i];
        metrics_num(row, keys[i], sum[i]);
    }
    const double all = sum[LEARNER] + sum[ACTORS] + sum[JUDGES] + sum[OTHER];
    metrics_num(row, "judge_cpu_share",
                all > 0 ? (sum[JUDGES] + sum[JUDGING]) / all : 0);
}

/* {a} and {b} as {a, b}. Only a summary that has no sums yet: the learner wrote it now. */
static enum status add_to_summary(const char *run_dir, const char *sums)
{
    char *summary = read_text(run_dir, "summary.json"), *end;
    struct text_buf b = {0};
    enum status st = ST_OK;
    double share;

    if (summary != NULL && !jsonline_number(summary, "judge_cpu_share", &share) &&
        (end = strrchr(summary, '}')) != NULL) {
        *end = '\0';
        text_buf_add(&b, "%s, %s\n", summary, sums + 1);
        st = write_text(run_dir, "summary.json", bytes_of(b.data, b.len));
        text_buf_release(&b);
    }
    mem_free(summary);
    return st;
}

enum status usage_end(const struct usage *u, const char *run_dir)
{
    char *earlier = read_text(run_dir, "usage.json");
    const double judging = read_judging(run_dir) - u->judging_before;
    struct metrics_row row = {0};

    metrics_begin(&row);
    add_sums(&row, earlier, u, judging);
    (void)metrics_end(&row);
    enum status st = add_to_summary(run_dir, row.buf.data);
    if (st == ST_OK) {
        text_buf_add(&row.buf, "\n");
        st = write_text(run_dir, "usage.json", bytes_of(row.buf.data, row.buf.len));
    }
    mem_free(earlier);
    metrics_release(&row);
    return st;
}
