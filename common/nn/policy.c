#include "common/nn/policy.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/nn/gru.h"
#include "common/nn/init.h"
#include "common/nn/linear.h"
#include "common/nn/mat.h"
#include "common/nn/policy_cells.h"
#include "common/nn/policy_tiles.h"

/* An encoder turns what is seen into x (N,width), which the GRU reads, and with `skip`
 * the heads too. */
struct encoder_kind {
    const char *name;
    int width, hidden;
    bool skip;
    void *(*declare)(struct params *p, int actions);
    void (*alloc)(void *e, int max_rows, int max_captions, bool train);
    void (*release)(void *e);
    void (*init)(void *e, struct rng *rng);
    void (*changed)(void *e);
    void (*forward)(void *e, float *x, const struct policy_input *in, int N);
    void (*backward)(void *e, const float *dx, const struct policy_input *in, int N);
};

struct policy {
    const struct encoder_kind *kind;
    void *encoder;
    struct policy_shape shape;
    struct params params;
    struct gru gru;
    const struct param *policy_w, *policy_b, *value_w, *value_b;
    int max_rows, max_sequences, F; // F = what the heads read: H, or H + width
    bool train;
    bool stale; // what is derived from the weights is older than they
    uint64_t digest;
    float *x, *h, *feat, *logits, *values; // of all rows
    float *dx, *dh, *dfeat;                // NULL unless training
    // the last forward_seq, for backward
    struct policy_input in;
    const uint8_t *starts;
    int T, B;
};

static void *cells_declare(struct params *p, int actions)
{
    return policy_cells_new(p, actions);
}
static void cells_alloc(void *e, int max_rows, int max_captions, bool train)
{
    policy_cells_alloc(e, max_rows, max_captions, train);
}
static void cells_release(void *e)
{
    policy_cells_free(e);
}
static void cells_init(void *e, struct rng *rng)
{
    policy_cells_init(e, rng);
}
static void cells_changed(void *e)
{
    policy_cells_changed(e);
}
static void cells_forward(void *e, float *x, const struct policy_input *in, int N)
{
    policy_cells_forward(e, x, in, N);
}
static void cells_backward(void *e, const float *dx, const struct policy_input *in,
                           int N)
{
    policy_cells_backward(e, dx, in, N);
}

static void *tiles_declare(struct params *p, int actions)
{
    (void)actions; // it does not see the previous one
    return policy_tiles_new(p);
}
static void tiles_alloc(void *e, int max_rows, int max_captions, bool train)
{
    policy_tiles_alloc(e, max_rows, max_captions, train);
}
static void tiles_release(void *e)
{
    policy_tiles_free(e);
}
static void tiles_init(void *e, struct rng *rng)
{
    policy_tiles_init(e, rng);
}
static void tiles_changed(void *e)
{
    policy_tiles_changed(e);
}
static void tiles_forward(void *e, float *x, const struct policy_input *in, int N)
{
    policy_tiles_forward(e, x, in, N);
}
static void tiles_backward(void *e, const float *dx, const struct policy_input *in,
                           int N)
{
    policy_tiles_backward(e, dx, in, N);
}

static const struct encoder_kind KINDS[] = {
    {"cells", CELLS_WIDTH, 128, true, cells_declare, cells_alloc, cells_release,
     cells_init, cells_changed, cells_forward, cells_backward},
    {"tiles", TILES_WIDTH, 512, false, tiles_declare, tiles_alloc, tiles_release,
     tiles_init, tiles_changed, tiles_forward, tiles_backward},
};
enum { KIND_COUNT = sizeof KINDS / sizeof KINDS[0] };

static enum status check_shape(const struct policy_shape *s,
                               const struct encoder_kind **kind)
{
    *kind = NULL;
    for (int i = 0; i < KIND_COUNT; i++) {
        if (strncmp(KINDS[i].name, s->net, sizeof s->net) == 0) {
            *kind = &KINDS[i];
        }
    }
    if (*kind == NULL) {
        LOG_ERROR("POLICY-NET",
                  "no network is called '%.15s'; there are cells and tiles", s->net);
        return ST_INVALID;
    }
    if (s->actions < 2 || s->actions > 64) {
        LOG_ERROR("POLICY-ACTIONS", "a policy has 2 to 64 actions, not %d", s->actions);
        return ST_INVALID;
    }
    if (s->value_heads < 1 || s->value_heads > POLICY_HEADS_MAX) {
        LOG_ERROR("POLICY-HEADS", "a policy has 1 or 2 value heads, not %d",
                  s->value_heads);
        return ST_INVALID;
    }
    return ST_OK;
}

static float *floats(int rows, int width)
{
    return mem_new((size_t)rows * (size_t)width, sizeof(float));
}

static uint64_t digest_of(const struct policy *p)
{
    char text[96];
    (void)text_format(text, sizeof text, "%s %d %d %016llx", p->kind->name,
                      p->shape.actions, p->shape.value_heads,
                      (unsigned long long)params_digest(&p->params));
    return hash_64(bytes_text(text));
}

enum status policy_new(const struct policy_shape *shape, int max_rows,
                       int max_sequences, bool train, struct policy **out)
{
    const struct encoder_kind *kind;
    TRY(check_shape(shape, &kind));
    CHECK(max_rows > 0 && max_sequences > 0 && max_sequences <= max_rows);

    struct policy *p = mem_new(1, sizeof *p);
    const int A = shape->actions, H = kind->hidden, IN = kind->width;
    const int V = shape->value_heads;
    p->kind = kind;
    p->shape = *shape;
    p->max_rows = max_rows;
    p->max_sequences = max_sequences;
    p->train = train;
    p->F = kind->skip ? H + IN : H;
    p->encoder = kind->declare(&p->params, A);
    gru_declare(&p->gru, &p->params, IN, H);
    p->policy_w = params_declare(&p->params, "policy.w", A, p->F);
    p->policy_b = params_declare(&p->params, "policy.b", 1, A);
    p->value_w = params_declare(&p->params, "value.w", V, p->F);
    p->value_b = params_declare(&p->params, "value.b", 1, V);
    params_alloc(&p->params, train);
    p->digest = digest_of(p);

    kind->alloc(p->encoder, max_rows, POLICY_CAPTIONS_PER_ROW * max_rows, train);
    gru_alloc(&p->gru, max_rows, max_sequences, train);
    p->x = floats(max_rows, IN);
    p->h = floats(max_rows, H);
    p->feat = kind->skip ? floats(max_rows, p->F) : NULL;
    p->logits = floats(max_rows, A);
    p->values = floats(max_rows, V);
    if (train) {
        p->dx = floats(max_rows, IN);
        p->dh = floats(max_rows, H);
        p->dfeat = floats(max_rows, p->F);
    }
    policy_weights_changed(p);
    *out = p;
    return ST_OK;
}

void policy_free(struct policy *p)
{
    if (p == NULL) {
        return;
    }
    p->kind->release(p->encoder);
    gru_release(&p->gru);
    params_release(&p->params);
    float *all[] = {p->x, p->h, p->feat, p->logits, p->values, p->dx, p->dh, p->dfeat};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        mem_free(all[i]);
    }
    mem_free(p);
}

void policy_init_weights(struct policy *p, struct rng *rng)
{
    p->kind->init(p->encoder, rng);
    gru_init(&p->gru, rng);
    init_orthogonal(p->policy_w, 0.01, rng);
    init_orthogonal(p->value_w, 1.0, rng);
    init_zero(p->policy_b);
    init_zero(p->value_b);
    policy_weights_changed(p);
}

struct params *policy_params(struct policy *p)
{
    return &p->params;
}

int policy_state_floats(const struct policy *p)
{
    return p->gru.H;
}

int policy_actions(const struct policy *p)
{
    return p->shape.actions;
}

int policy_heads(const struct policy *p)
{
    return p->shape.value_heads;
}

uint64_t policy_digest(const struct policy *p)
{
    return p->digest;
}

void policy_weights_changed(struct policy *p)
{
    p->stale = true;
}

static void refresh(struct policy *p)
{
    if (p->stale) {
        p->kind->changed(p->encoder);
        gru_changed(&p->gru);
        p->stale = false;
    }
}

/* What the heads read: h, or [h | x]. */
static const float *features(struct policy *p, int N)
{
    const size_t H = (size_t)p->gru.H, IN = (size_t)p->gru.IN, F = (size_t)p->F;
    if (!p->kind->skip) {
        return p->h;
    }
    for (size_t n = 0; n < (size_t)N; n++) {
        memcpy(p->feat + n * F, p->h + n * H, H * sizeof(float));
        memcpy(p->feat + n * F + H, p->x + n * IN, IN * sizeof(float));
    }
    return p->feat;
}

/* Everything, for act and for sequences alike: T = 1 is a step. */
static void forward(struct policy *p, const struct policy_input *in, int T, int B,
                    const float *state0, const uint8_t *starts, float *logits,
                    float *values)
{
    const int N = T * B;
    CHECK(T > 0 && B > 0 && B <= p->max_sequences && N <= p->max_rows);
    refresh(p);
    p->kind->forward(p->encoder, p->x, in, N);
    gru_forward(&p->gru, p->h, p->x, state0, starts, T, B);
    const float *feat = features(p, N);
    linear_forward(logits, feat, p->policy_w, p->policy_b, N);
    linear_forward(values, feat, p->value_w, p->value_b, N);
}

void policy_act(struct policy *p, const struct policy_input *in, int N, float *state,
                float *logits, float *values)
{
    p->T = 0; // the activations of a forward_seq before are gone
    forward(p, in, 1, N, state, NULL, logits, values);
    memcpy(state, p->h, (size_t)N * (size_t)p->gru.H * sizeof(float));
}

void policy_forward_seq(struct policy *p, const struct policy_input *in, int T, int B,
                        const float *state0, const uint8_t *starts,
                        const float **logits, const float **values)
{
    forward(p, in, T, B, state0, starts, p->logits, p->values);
    p->in = *in;
    p->starts = starts;
    p->T = T;
    p->B = B;
    *logits = p->logits;
    *values = p->values;
}

void policy_backward_seq(struct policy *p, const float *dlogits, const float *dvalues)
{
    const int N = p->T * p->B, F = p->F, V = p->shape.value_heads;
    const size_t H = (size_t)p->gru.H, IN = (size_t)p->gru.IN;
    const float *feat = p->kind->skip ? p->feat : p->h;
    CHECK(p->train && N > 0); // after forward_seq, once each
    p->T = 0;

    linear_backward(p->dfeat, dlogits, feat, p->policy_w, p->policy_b, N);
    linear_backward(NULL, dvalues, feat, p->value_w, p->value_b, N);
    for (size_t i = 0; i < (size_t)N * (size_t)V;
         i++) { // dfeat += dv w: outer products
        float *restrict d = p->dfeat + i / (size_t)V * (size_t)F;
        const float *restrict w = p->value_w->w + i % (size_t)V * (size_t)F;
        const float dv = dvalues[i];
        for (int f = 0; f < F; f++) {
            d[f] += dv * w[f];
        }
    }
    const float *dh = p->dfeat;
    if (p->kind->skip) {
        for (size_t n = 0; n < (size_t)N; n++) {
            memcpy(p->dh + n * H, p->dfeat + n * (size_t)F, H * sizeof(float));
        }
        dh = p->dh;
    }
    gru_backward(&p->gru, p->dx, dh, p->x, p->starts, N / p->B, p->B);
    for (size_t n = 0; p->kind->skip && n < (size_t)N; n++) {
        float *restrict d = p->dx + n * IN;
        const float *restrict skip = p->dfeat + n * (size_t)F + H;
        for (size_t i = 0; i < IN; i++) {
            d[i] += skip[i];
        }
    }
    p->kind->backward(p->encoder, p->dx, &p->in, N);
}

void policy_rescale_values(struct policy *p, int head, double m_old, double s_old,
                           double m_new, double s_new)
{
    CHECK(head >= 0 && head < p->shape.value_heads && s_old > 0 && s_new > 0);
    const double ratio = s_old / s_new;
    float *w = p->value_w->w + (size_t)head * (size_t)p->F;
    for (int i = 0; i < p->F; i++) {
        w[i] = (float)((double)w[i] * ratio);
    }
    double b = (double)p->value_b->w[head];
    p->value_b->w[head] = (float)((b * s_old + m_old - m_new) / s_new);
    policy_weights_changed(p);
}
