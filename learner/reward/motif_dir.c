#include "learner/reward/motif_dir.h"

#include <jansson.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/metrics.h"
#include "common/base/text.h"
#include "common/nn/snapshot.h"

enum { FORMAT = 1, FILE_MOST = 1 << 20 };
static const char *const texts[] = {[CAPNET_NGRAM] = "ngram", [CAPNET_CNN] = "cnn"};

const char *motif_text_name(enum capnet_text t)
{
    return texts[t];
}

static enum status path_in(const char *dir, const char *name, char path[PATH_MAX_])
{
    if (!text_format(path, PATH_MAX_, "%s/%s", dir, name)) {
        LOG_ERROR("MOTIF-DIR", "the path of %.60s... is too long", dir);
        return ST_INVALID;
    }
    return ST_OK;
}

/* ---- what stands in model.json, one list for writing and reading ---- */

#define AT(member) offsetof(struct motif_about, member)
static const struct {
    const char *name;
    size_t at;
} whole[] = {{"labels", AT(labels)}, {"rates", AT(rates)},   {"helpful", AT(helpful)},
             {"orders", AT(orders)}, {"ties", AT(ties)},     {"held_out", AT(held)},
             {"steps", AT(steps)},   {"epochs", AT(epochs)}, {"seed", AT(seed)}},
  number[] = {{"lr", AT(lr)},
              {"held_out_loss", AT(loss)},
              {"held_out_accuracy", AT(accuracy)},
              {"held_out_pairs", AT(compared)},
              {"mean", AT(mean)},
              {"sigma", AT(sigma)}},
  digest[] = {{"goal_digest", AT(goal_digest)},
              {"ledger_digest", AT(ledger_digest)},
              {"weights_digest", AT(weights)}};
enum {
    WHOLE = sizeof(whole) / sizeof(whole[0]),
    NUMBER = sizeof(number) / sizeof(number[0]),
    DIGEST = sizeof(digest) / sizeof(digest[0])
};

/* Of all that a run goes by. A file that was edited would else pay something that no fit
 * ever found. */
static struct hash128 checksum(const struct motif_about *a)
{
    const struct hash128 identity = motif_dir_identity(a);
    struct hash_state *s = hash_begin();

    hash_add(s, bytes_text(a->environment));
    hash_add(s, bytes_of("", 1)); // the name's end
    hash_add(s, bytes_text(texts[a->text]));
    hash_add(s, bytes_of(&a->goal_digest, sizeof(a->goal_digest)));
    hash_add(s, bytes_of(&identity, sizeof(identity)));
    return hash_end(s);
}

static void add_about(struct metrics_row *m, const struct motif_about *a)
{
    const char *from = (const char *)a;
    struct text_buf table = {0};
    char text[TEXT_F64_MAX], hex[33];

    metrics_int(m, "format", FORMAT);
    metrics_text(m, "environment", a->environment);
    metrics_text(m, "goal", a->goal);
    metrics_text(m, "text_net", texts[a->text]);
    for (int i = 0; i < DIGEST; i++) {
        struct hash128 h;
        memcpy(&h, from + digest[i].at, sizeof(h));
        hash_hex(h, hex);
        metrics_text(m, digest[i].name, hex);
    }
    for (int i = 0; i < WHOLE; i++) {
        uint64_t n;
        memcpy(&n, from + whole[i].at, sizeof(n));
        metrics_int(m, whole[i].name, (int64_t)n);
    }
    for (int i = 0; i < NUMBER; i++) {
        double x;
        memcpy(&x, from + number[i].at, sizeof(x));
        metrics_num(m, number[i].name, x);
    }
    for (int i = 0; i < MOTIF_QUANTILES; i++) {
        text_from_f64(a->quantile[i], text);
        text_buf_add(&table, "%s%s", i == 0 ? "[" : ", ", text);
    }
    text_buf_add(&table, "]");
    metrics_raw(m, "quantiles", table.data);
    text_buf_release(&table);
    hash_hex(checksum(a), hex);
    metrics_text(m, "checksum", hex);
}

/* ---- writing ---- */

enum status motif_dir_check_free(const char *dir)
{
    char path[PATH_MAX_];

    TRY(path_in(dir, "model.json", path));
    if (file_exists(path)) {
        LOG_ERROR("MOTIF-DIR", "%s holds a model already; name another directory", dir);
        return ST_INVALID;
    }
    return ST_OK;
}

enum status motif_dir_try(const char *dir, enum capnet_text text)
{
    struct capnet *net = capnet_new(text, CAPNET_SCORE, 1, false);
    const bool there = file_exists(dir);
    char path[PATH_MAX_];
    struct hash128 of_weights;

    enum status st = path_in(dir, "weights.bin", path);
    st = st == ST_OK ? file_make_dirs(dir) : st;
    if (st == ST_OK) {
        st = snapshot_write(path, capnet_params(net), NULL, NULL, 0, &of_weights);
        (void)unlink(path);
        if (!there) {
            (void)rmdir(dir);
        }
    }
    capnet_free(net);
    return st == ST_OK ? ST_OK : ST_INVALID;
}

enum status motif_dir_write(const char *dir, struct motif_about *about,
                            struct capnet *net)
{
    char path[PATH_MAX_];
    struct metrics_row m = {0};

    TRY(motif_dir_check_free(dir));
    TRY(file_make_dirs(dir));
    TRY(path_in(dir, "weights.bin", path));
    TRY(snapshot_write(path, capnet_params(net), NULL, NULL, 0, &about->weights));
    metrics_begin(&m);
    add_about(&m, about);
    (void)metrics_end(&m);
    text_buf_add(&m.buf, "\n");
    enum status st = path_in(dir, "model.json", path);
    st = st == ST_OK ? file_write_atomic(path, bytes_of(m.buf.data, m.buf.len)) : st;
    metrics_release(&m);
    return st;
}

/* ---- reading ---- */

static enum status damaged(const char *dir, const char *what)
{
    LOG_ERROR("MOTIF-DIR",
              "%s is not a model that minos fit wrote: its model.json has %s", dir,
              what);
    return ST_CORRUPT;
}

static bool read_text(const json_t *root, const char *name, char *out, size_t size)
{
    const char *text = json_string_value(json_object_get(root, name));

    return text != NULL && text_format(out, size, "%s", text);
}

static bool read_net(const json_t *root, enum capnet_text *out)
{
    char name[16];

    if (read_text(root, "text_net", name, sizeof(name))) {
        for (int i = 0; i < (int)(sizeof(texts) / sizeof(texts[0])); i++) {
            if (strcmp(name, texts[i]) == 0) {
                *out = (enum capnet_text)i;
                return true;
            }
        }
    }
    return false;
}

/* Ascending, and none that is not finite. */
static bool read_quantiles(const json_t *root, double *out)
{
    const json_t *list = json_object_get(root, "quantiles");

    for (size_t i = 0; i < MOTIF_QUANTILES; i++) {
        const json_t *x = json_array_get(list, i);
        out[i] = json_number_value(x);
        if (!json_is_number(x) || (i > 0 && out[i] < out[i - 1])) {
            return false;
        }
    }
    return json_array_size(list) == MOTIF_QUANTILES;
}

static enum status read_about(const char *dir, const json_t *root,
                              struct motif_about *a)
{
    char *to = (char *)a, text[40];
    struct hash128 sum;

    if (json_integer_value(json_object_get(root, "format")) != FORMAT) {
        return damaged(dir, "another format");
    }
    if (!read_text(root, "environment", a->environment, sizeof(a->environment)) ||
        !read_text(root, "goal", a->goal, sizeof(a->goal)) ||
        !read_net(root, &a->text)) {
        return damaged(dir, "no environment, goal or text_net that is known");
    }
    for (int i = 0; i < DIGEST; i++) {
        struct hash128 h;
        if (!read_text(root, digest[i].name, text, sizeof(text)) ||
            !hash_parse(text, &h)) {
            return damaged(dir, "a digest that is none");
        }
        memcpy(to + digest[i].at, &h, sizeof(h));
    }
    for (int i = 0; i < WHOLE; i++) {
        const json_t *n = json_object_get(root, whole[i].name);
        const json_int_t count = json_is_integer(n) ? json_integer_value(n) : -1;
        const uint64_t v = (uint64_t)count;
        if (count < 0) {
            return damaged(dir, "a count that is none");
        }
        memcpy(to + whole[i].at, &v, sizeof(v));
    }
    for (int i = 0; i < NUMBER; i++) {
        const json_t *x = json_object_get(root, number[i].name);
        const double v = json_is_number(x) ? json_number_value(x) : (double)NAN;
        memcpy(to + number[i].at, &v, sizeof(v));
    }
    if (!isfinite(a->mean) || !(a->sigma > 0) || !read_quantiles(root, a->quantile)) {
        return damaged(dir, "a mean, sigma or quantile that is no number");
    }
    if (!read_text(root, "checksum", text, sizeof(text)) || !hash_parse(text, &sum)) {
        return damaged(dir, "no checksum");
    }
    if (!hash_equal(sum, checksum(a))) {
        LOG_ERROR("MOTIF-DIR",
                  "%s/model.json was changed since minos fit wrote it: its checksum is "
                  "not that of what stands there; fit the model again",
                  dir);
        return ST_CORRUPT;
    }
    return ST_OK;
}

/* A file that may not be read is a wrong --reward-model: starting again would not help. */
static enum status told(enum status st)
{
    return st == ST_IO ? ST_INVALID : st;
}

static enum status read_json(const char *dir, struct motif_about *about)
{
    char path[PATH_MAX_], *text;
    json_error_t error;
    size_t len;

    TRY(path_in(dir, "model.json", path));
    enum status st = file_read(path, FILE_MOST, &text, &len);
    if (st == ST_NOTFOUND) {
        LOG_ERROR("MOTIF-DIR",
                  "there is no model at %s, looked for %s; minos fit makes one", dir,
                  path);
        return ST_INVALID;
    }
    TRY(told(st));
    json_t *root = json_loadb(text, len, 0, &error);
    *about = (struct motif_about){0};
    st = root != NULL ? read_about(dir, root, about) : damaged(dir, "a broken line");
    json_decref(root);
    mem_free(text);
    return st;
}

static enum status check_weights(const char *dir, const struct motif_about *about,
                                 struct capnet *net)
{
    const struct params *p = capnet_params(net);

    for (size_t i = 0; i < p->floats; i++) {
        if (!isfinite(p->weights[i])) {
            LOG_ERROR("MOTIF-NAN", "weight %zu of the model in %s is not a number", i,
                      dir);
            return ST_CORRUPT;
        }
    }
    if (!hash_equal(snapshot_digest(p), about->weights)) {
        LOG_ERROR("MOTIF-DIR",
                  "the weights in %s are not those that its model.json tells of", dir);
        return ST_CORRUPT;
    }
    return ST_OK;
}

enum status motif_dir_read(const char *dir, int most, struct motif_about *about,
                           struct capnet **net)
{
    char path[PATH_MAX_];

    TRY(read_json(dir, about));
    TRY(path_in(dir, "weights.bin", path));
    struct capnet *made = capnet_new(about->text, CAPNET_SCORE, most, false);
    enum status st = snapshot_read(path, capnet_params(made), NULL, NULL, 0);
    if (st == ST_NOTFOUND) {
        LOG_ERROR("MOTIF-DIR", "there is no file %s", path);
        st = ST_CORRUPT;
    }
    st = st == ST_OK ? check_weights(dir, about, made) : st;
    if (st != ST_OK) {
        capnet_free(made);
        return told(st);
    }
    capnet_weights_changed(made);
    *net = made;
    return ST_OK;
}

struct hash128 motif_dir_identity(const struct motif_about *about)
{
    struct hash_state *s = hash_begin();

    hash_add(s, bytes_of(&about->weights, sizeof(about->weights)));
    hash_add(s, bytes_of(&about->mean, sizeof(about->mean)));
    hash_add(s, bytes_of(&about->sigma, sizeof(about->sigma)));
    hash_add(s, bytes_of(about->quantile, sizeof(about->quantile)));
    return hash_end(s);
}
