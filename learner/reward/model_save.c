/* A model in the checkpoint: all that a resumed run needs to go on as if nothing had been.
 * The scores that were kept are not: they are made again, equal to the bit. */

#include <math.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "learner/reward/model_impl.h"

struct head {
    char magic[8];
    uint64_t shape, floats; // digest of names and shapes; of each of the four arrays
    uint32_t fresh, probes, probe_of[2];
    struct rng draws[2];
    uint64_t adam_steps[2]; // of the fit, of its witness
    struct model_state state;
};
static const char magic_text[8] = "minomod3"; // the last is the version
enum { SHARED = 4, ARRAYS = 7 };              // those of the witness are rank 0's

static size_t chosen(const struct head *h)
{
    return (size_t)h->probe_of[0] + h->probe_of[1];
}

/* Bytes between the head and the labels. */
static size_t arrays_len(const struct head *h)
{
    return h->fresh * sizeof(uint32_t) + h->probes * sizeof(float) +
           chosen(h) * sizeof(uint32_t) + ARRAYS * h->floats * sizeof(float);
}

static void arrays_of(const struct model *m, float *out[ARRAYS])
{
    out[0] = capnet_params(m->fit.net)->weights;
    out[1] = capnet_params(m->paid)->weights;
    out[2] = m->fit.adam.first;
    out[3] = m->fit.adam.second;
    out[4] = capnet_params(m->witness.net)->weights;
    out[5] = m->witness.adam.first;
    out[6] = m->witness.adam.second;
}

static void fill_head(const struct model *m, struct head *h)
{
    memset(h, 0, sizeof(*h));
    memcpy(h->magic, magic_text, sizeof(h->magic));
    h->shape = params_digest(capnet_params(m->fit.net));
    h->floats = model_floats(m);
    h->fresh = m->fresh_count;
    h->probes = m->probes;
    memcpy(h->probe_of, m->probe_of, sizeof(h->probe_of));
    h->state = m->s;
    h->draws[0] = m->fit.rng;
    h->adam_steps[0] = m->fit.adam.steps;
    h->draws[1] = m->witness.rng;
    h->adam_steps[1] = m->witness.adam.steps;
}

uint64_t model_digest(const struct model *m)
{
    struct hash_state *s = hash_begin();
    float *array[ARRAYS];
    struct head h;

    fill_head(m, &h);
    h.draws[1] = (struct rng){0}; // all but the witness
    h.adam_steps[1] = 0;
    arrays_of(m, array);
    hash_add(s, bytes_of(&h, sizeof(h)));
    for (int i = 0; i < SHARED; i++) {
        hash_add(s, bytes_of(array[i], h.floats * sizeof(float)));
    }
    return hash_end(s).lo;
}

static char *put(char *at, const void *data, size_t len)
{
    if (len > 0) {
        memcpy(at, data, len);
    }
    return at + len;
}

void model_save(const struct model *m, char **data, size_t *len)
{
    float *array[ARRAYS];
    size_t labels_len;
    char *labels;
    struct head h;

    fill_head(m, &h);
    arrays_of(m, array);
    labels_write(m->labels, &labels, &labels_len);
    *len = sizeof(h) + arrays_len(&h) + labels_len;
    char *at = *data = mem_new(*len, 1);
    at = put(at, &h, sizeof(h));
    at = put(at, m->fresh, h.fresh * sizeof(*m->fresh));
    at = put(at, m->probe, h.probes * sizeof(*m->probe));
    at = put(at, m->probe_text, chosen(&h) * sizeof(*m->probe_text));
    for (int i = 0; i < ARRAYS; i++) {
        at = put(at, array[i], h.floats * sizeof(float));
    }
    put(at, labels, labels_len);
    mem_free(labels);
}

static enum status check_head(const struct model *m, const struct head *h, size_t len)
{
    const int last = sizeof(h->magic) - 1;

    if (memcmp(h->magic, magic_text, (size_t)last) == 0 && h->magic[last] >= '1' &&
        h->magic[last] < magic_text[last]) {
        LOG_ERROR(
            "REWARD-MODEL",
            "the checkpoint's reward model was written by an older minos-learner, "
            "go on with that one or begin another run directory");
        return ST_VERSION;
    }
    if (memcmp(h->magic, magic_text, sizeof(h->magic)) != 0) {
        LOG_ERROR("REWARD-MODEL", "%zu bytes are not a checkpoint's reward model", len);
        return ST_CORRUPT;
    }
    if (h->shape != params_digest(capnet_params(m->fit.net)) ||
        h->floats != model_floats(m)) {
        LOG_ERROR("REWARD-MODEL",
                  "the checkpoint's reward model is of another shape than --reward and "
                  "--text-net ask for");
        return ST_VERSION;
    }
    if (h->probe_of[0] > MODEL_PROBES / 2 || h->probe_of[1] > MODEL_PROBES / 2 ||
        h->probes > chosen(h) || sizeof(*h) + arrays_len(h) > len) {
        LOG_ERROR("REWARD-MODEL", "the checkpoint's reward model is cut off: %zu bytes",
                  len);
        return ST_CORRUPT;
    }
    return ST_OK;
}

static enum status check_numbers(const struct model *m)
{
    float *array[ARRAYS];
    const size_t floats = model_floats(m);

    arrays_of(m, array);
    for (int i = 0; i < ARRAYS; i++) {
        for (size_t k = 0; k < floats; k++) {
            if (!isfinite(array[i][k])) {
                LOG_ERROR("REWARD-NAN", "the checkpoint's reward model holds what is "
                                        "not a number");
                return ST_CORRUPT;
            }
        }
    }
    for (uint32_t i = 0; i < m->fresh_count; i++) {
        if (m->fresh[i] >= labels_count(m->labels)) {
            LOG_ERROR("REWARD-MODEL", "the checkpoint's reward model names a label "
                                      "that it lacks");
            return ST_CORRUPT;
        }
    }
    for (uint32_t i = 0; i < m->probe_of[0] + m->probe_of[1]; i++) {
        if (labels_text(m->labels, m->probe_text[i]).len == 0) {
            LOG_ERROR("REWARD-MODEL", "the checkpoint's reward model names a caption "
                                      "that it lacks");
            return ST_CORRUPT;
        }
    }
    return ST_OK;
}

enum status model_load(struct model *m, struct bytes b)
{
    const char *at = b.data, *end = at + b.len;
    struct head h = {0};
    float *array[ARRAYS];

    if (b.len >= sizeof(h)) {
        memcpy(&h, at, sizeof(h));
    }
    TRY(check_head(m, &h, b.len));
    at += sizeof(h);
    model_make_fresh_room(m, h.fresh);
    memcpy(m->fresh, at, h.fresh * sizeof(*m->fresh));
    at += h.fresh * sizeof(*m->fresh);
    memcpy(m->probe, at, h.probes * sizeof(*m->probe));
    at += h.probes * sizeof(*m->probe);
    memcpy(m->probe_text, at, chosen(&h) * sizeof(*m->probe_text));
    at += chosen(&h) * sizeof(*m->probe_text);
    arrays_of(m, array);
    for (int i = 0; i < ARRAYS; i++) {
        memcpy(array[i], at, h.floats * sizeof(float));
        at += h.floats * sizeof(float);
    }
    m->s = h.state;
    m->fit.rng = h.draws[0];
    m->fit.adam.steps = h.adam_steps[0];
    m->witness.rng = h.draws[1];
    m->witness.adam.steps = h.adam_steps[1];
    m->fresh_count = h.fresh;
    m->probes = h.probes;
    memcpy(m->probe_of, h.probe_of, sizeof(m->probe_of));
    TRY(labels_read(m->labels, bytes_of(at, (size_t)(end - at))));
    TRY(check_numbers(m));
    capnet_weights_changed(m->fit.net);
    capnet_weights_changed(m->witness.net);
    capnet_weights_changed(m->paid);
    memset(m->cache, 0, MODEL_CACHE * sizeof(*m->cache));
    m->figures->digest = 0;
    model_show(m);
    return ST_OK;
}
