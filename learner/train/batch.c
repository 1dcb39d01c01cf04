#include "learner/train/batch.h"

#include <string.h>

#include "common/base/check.h"
#include "common/base/mem.h"

enum { ENDS = SEGMENT_TERMINATED | SEGMENT_TRUNCATED, NONE = -1 };

/* Captions by their bytes, over one batch. Open addressing in a table that is at most half
 * full; a slot belongs to this batch when its stamp says so, so nothing is cleared. */
struct batch_index {
    uint32_t mask, stamp;
    uint32_t *stamps; // (mask + 1)
    uint32_t *slots;  // (mask + 1) index into text
    uint8_t *bytes;   // the texts' own, since the store's pages go away
    size_t used;
    uint32_t *in_piece;    // (texts) its number in the piece at work
    uint32_t *piece_stamp; // (texts) the piece that gave it
    uint32_t pieces_ever;
};

static void streams_alloc(struct batch *b, size_t rows)
{
    CHECK(b->shape.heads >= 1 && b->shape.heads <= POLICY_HEADS_MAX);
    for (int h = 0; h < b->shape.heads; h++) {
        struct batch_stream *s = &b->stream[h];
        s->reward = mem_new(rows, sizeof(float));
        s->old_value = mem_new(rows, sizeof(float));
        s->final_value = mem_new(rows, sizeof(float));
        s->last_value = mem_new((size_t)b->shape.sequences, sizeof(float));
    }
}

static void streams_release(struct batch *b)
{
    for (int h = 0; h < b->shape.heads; h++) {
        struct batch_stream *s = &b->stream[h];
        mem_free(s->reward);
        mem_free(s->old_value);
        mem_free(s->final_value);
        mem_free(s->last_value);
    }
}

void batch_init(struct batch *b, const struct batch_shape *shape)
{
    const size_t rows = (size_t)shape->T * (size_t)shape->sequences;
    // A row names at most two captions: the one seen and the one caused.
    const size_t texts = 2 * rows;
    const int pieces = (shape->sequences + shape->piece - 1) / shape->piece;
    uint32_t slots = 64;

    *b = (struct batch){.shape = *shape};
    b->chars = mem_new(rows, SEGMENT_CELLS);
    b->colors = mem_new(rows, SEGMENT_CELLS);
    b->stats = mem_new(rows * SEGMENT_STATS, sizeof(*b->stats));
    b->prev_action = mem_new(rows, 1);
    b->action = mem_new(rows, 1);
    b->flags = mem_new(rows, 1);
    b->starts = mem_new(rows, 1);
    b->count = mem_new(rows, sizeof(*b->count));
    b->seen = mem_new(rows, sizeof(*b->seen));
    b->paid_caption = mem_new(rows, sizeof(*b->paid_caption));
    b->behaviour = mem_new(rows, sizeof(float));
    b->env_reward = mem_new(rows, sizeof(float));
    streams_alloc(b, rows);
    b->part = shape->replayed > 0 ? mem_new(rows, 1) : NULL;
    b->state =
        mem_new((size_t)shape->sequences * (size_t)shape->state_floats, sizeof(float));
    b->text = mem_new(texts, sizeof(*b->text));
    b->key = mem_new(texts, sizeof(*b->key));
    b->emissions = mem_new(texts, sizeof(*b->emissions));
    b->piece_text = mem_new(rows + (size_t)pieces, sizeof(*b->piece_text));
    b->piece_begin = mem_new((size_t)pieces + 1, sizeof(*b->piece_begin));
    b->index = mem_new(1, sizeof(*b->index));
    while (slots < 2 * texts) {
        slots *= 2;
    }
    b->index->mask = slots - 1;
    b->index->stamps = mem_new(slots, sizeof(uint32_t));
    b->index->slots = mem_new(slots, sizeof(uint32_t));
    b->index->bytes = mem_new(texts, SEGMENT_TEXT_MAX);
    b->index->in_piece = mem_new(texts, sizeof(uint32_t));
    b->index->piece_stamp = mem_new(texts, sizeof(uint32_t));
}

void batch_release(struct batch *b)
{
    void *all[] = {b->chars,      b->colors,       b->stats,     b->prev_action,
                   b->action,     b->flags,        b->starts,    b->count,
                   b->seen,       b->paid_caption, b->behaviour, b->env_reward,
                   b->state,      b->text,         b->key,       b->emissions,
                   b->piece_text, b->piece_begin,  b->part};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        mem_free(all[i]);
    }
    streams_release(b);
    if (b->index != NULL) {
        mem_free(b->index->stamps);
        mem_free(b->index->slots);
        mem_free(b->index->bytes);
        mem_free(b->index->in_piece);
        mem_free(b->index->piece_stamp);
        mem_free(b->index);
    }
    *b = (struct batch){0};
}

size_t batch_piece_row(const struct batch *b, int p)
{
    return (size_t)p * (size_t)b->shape.piece * (size_t)b->shape.T;
}

int batch_piece_sequences(const struct batch *b, int p)
{
    const int left = b->B - p * b->shape.piece;
    return left < b->shape.piece ? left : b->shape.piece;
}

size_t batch_row(const struct batch *b, int i, int t)
{
    const int p = i / b->shape.piece;

    return batch_piece_row(b, p) + (size_t)(i - p * b->shape.piece) +
           (size_t)t * (size_t)batch_piece_sequences(b, p);
}

struct policy_input batch_piece_input(const struct batch *b, int p)
{
    const size_t row = batch_piece_row(b, p);

    return (struct policy_input){
        .chars = b->chars + row * SEGMENT_CELLS,
        .colors = b->colors + row * SEGMENT_CELLS,
        .stats = b->stats + row * SEGMENT_STATS,
        .prev_action = b->prev_action + row,
        .caption = b->seen + row,
        .captions = b->piece_text + b->piece_begin[p],
        .U = b->piece_begin[p + 1] - b->piece_begin[p],
    };
}

/* The number of a caption in this batch; its bytes are kept when it is new. */
static uint32_t intern(struct batch *b, struct bytes text)
{
    struct batch_index *x = b->index;
    const struct hash128 key = hash_128(text);
    uint32_t at = (uint32_t)key.lo & x->mask;

    for (; x->stamps[at] == x->stamp; at = (at + 1) & x->mask) {
        const uint32_t i = x->slots[at];
        if (hash_equal(b->key[i], key) && bytes_equal(b->text[i], text)) {
            return i;
        }
    }
    const uint32_t i = (uint32_t)b->texts++;
    x->stamps[at] = x->stamp;
    x->slots[at] = i;
    if (text.len > 0) {
        memcpy(x->bytes + x->used, text.data, text.len);
    }
    b->text[i] = bytes_of(x->bytes + x->used, text.len);
    x->used += text.len;
    b->key[i] = key;
    b->emissions[i] = 0;
    x->piece_stamp[i] = 0;
    return i;
}

/* The segment's string table in the batch's numbers, as far as rows use it. */
struct names {
    const struct segment_view *view;
    int64_t number[2 * SEGMENT_STEPS_MAX + 1];
};

static uint32_t name_of(struct batch *b, struct names *n, uint16_t text)
{
    if (n->number[text] == NONE) {
        n->number[text] = intern(b, segment_view_text(n->view, text).text);
    }
    return (uint32_t)n->number[text];
}

static void set_final(struct batch *b, size_t row, const struct segment_episode *e)
{
    b->stream[0].final_value[row] = e->final_value;
    if (b->shape.heads > 1) {
        b->stream[1].final_value[row] = e->intrinsic_final_value;
    }
}

/* N_ep of what row t saw. A segment tells it of what its actions caused. What a reset showed
 * is the first; what was caused before row 0 was one less than when it comes again in the
 * same episode, and where it does not, as if it were the first. */
static uint16_t count_seen(const struct segment_view *v, int t, bool starts)
{
    if (t > 0 || starts) {
        return starts ? 1 : v->count[t - 1];
    }
    for (int i = 0; i < v->T; i++) {
        if (v->caption[i] == v->first_caption) {
            return v->count[i] > 1 ? (uint16_t)(v->count[i] - 1) : 1;
        }
        if ((v->flags[i] & ENDS) != 0) {
            break;
        }
    }
    return 1;
}

/* What step t saw; *starts: a reset showed it. */
static uint16_t seen_at(const struct segment_view *v, int t, bool *starts)
{
    if (t == 0) {
        *starts = v->first_starts != 0;
        return v->first_caption;
    }
    *starts = (v->flags[t - 1] & ENDS) != 0;
    if (!*starts) {
        return v->caption[t - 1];
    }
    int episode = 0;
    for (int i = 0; i < t - 1; i++) {
        episode += (v->flags[i] & ENDS) != 0;
    }
    return segment_view_episode(v, episode).next_caption;
}

void batch_paid_caption(const struct segment_view *v, int t, bool pay_seen,
                        uint16_t *text, uint16_t *count)
{
    bool starts;

    *text = v->caption[t];
    *count = v->count[t];
    if (pay_seen) {
        *text = seen_at(v, t, &starts);
        *count = count_seen(v, t, starts);
    }
}

/* What each row saw and caused, and where episodes begin. Row t saw the caption that action
 * t - 1 caused, unless an episode ended there: then what the reset showed. */
static void gather_captions(struct batch *b, const struct segment_view *v, size_t row0,
                            size_t stride, bool fresh)
{
    struct names n = {.view = v};
    uint16_t seen = v->first_caption;
    uint8_t before = v->first_action;
    bool starts = v->first_starts != 0;
    int episode = 0;

    CHECK(v->texts <= 2 * SEGMENT_STEPS_MAX + 1);
    for (int i = 0; i < v->texts; i++) {
        n.number[i] = NONE;
    }
    for (int t = 0; t < v->T; t++) {
        const size_t row = row0 + (size_t)t * stride;
        b->seen[row] = name_of(b, &n, seen);
        if (b->shape.pay_seen) {
            b->paid_caption[row] = b->seen[row];
            b->count[row] = count_seen(v, t, starts);
        } else {
            b->paid_caption[row] = name_of(b, &n, v->caption[t]);
            b->count[row] = v->count[t];
        }
        b->emissions[b->paid_caption[row]] += fresh ? 1 : 0;
        b->starts[row] = starts;
        b->prev_action[row] = starts ? POLICY_NO_ACTION : before;
        set_final(b, row, &(struct segment_episode){0});
        starts = (v->flags[t] & ENDS) != 0;
        seen = v->caption[t];
        before = v->action[t];
        if (starts) {
            const struct segment_episode e = segment_view_episode(v, episode++);
            set_final(b, row, &e);
            seen = e.next_caption;
        }
    }
}

static void gather_rows(struct batch *b, const struct segment_view *v, size_t row0,
                        size_t stride)
{
    for (size_t t = 0; t < (size_t)v->T; t++) {
        const size_t row = row0 + t * stride;
        memcpy(b->chars + row * SEGMENT_CELLS, v->chars + t * SEGMENT_CELLS,
               SEGMENT_CELLS);
        memcpy(b->colors + row * SEGMENT_CELLS, v->colors + t * SEGMENT_CELLS,
               SEGMENT_CELLS);
        memcpy(b->stats + row * SEGMENT_STATS, v->stats + t * SEGMENT_STATS,
               sizeof(int32_t) * SEGMENT_STATS);
        b->action[row] = v->action[t];
        b->flags[row] = v->flags[t];
        b->behaviour[row] = v->logp[t];
        b->stream[0].old_value[row] = v->value[t];
        if (b->shape.heads > 1) {
            b->stream[1].old_value[row] = v->intrinsic_value[t];
        }
        b->env_reward[row] = v->reward[t];
    }
}

/* Turns `seen` into numbers of the piece's own list, which holds each caption once. */
static void gather_piece_texts(struct batch *b, int p)
{
    struct batch_index *x = b->index;
    const size_t begin = batch_piece_row(b, p);
    const size_t end = begin + (size_t)batch_piece_sequences(b, p) * (size_t)b->shape.T;
    int used = b->piece_begin[p];

    x->pieces_ever++;
    for (size_t row = begin; row < end; row++) {
        const uint32_t i = b->seen[row];
        if (x->piece_stamp[i] != x->pieces_ever) {
            x->piece_stamp[i] = x->pieces_ever;
            x->in_piece[i] = (uint32_t)(used - b->piece_begin[p]);
            b->piece_text[used++] = b->text[i];
        }
        b->seen[row] = x->in_piece[i];
    }
    b->piece_begin[p + 1] = used;
}

/* Its state was stored long ago, by other weights: the first steps let the present ones
 * find theirs (Kapturowski et al. 2019). */
static void gather_parts(struct batch *b, int i)
{
    for (int t = 0; t < b->shape.T; t++) {
        b->part[batch_row(b, i, t)] = i < b->fresh           ? LOSS_FRESH
                                      : t < b->shape.burn_in ? LOSS_NONE
                                                             : LOSS_REPLAYED;
    }
}

void batch_gather(struct batch *b, const struct segment_view *views, int fresh,
                  int replayed)
{
    const size_t H = (size_t)b->shape.state_floats;
    const int count = fresh + replayed;

    CHECK(count <= b->shape.sequences && replayed <= b->shape.replayed);
    b->B = count;
    b->fresh = fresh;
    b->rows = count * b->shape.T;
    b->pieces = (count + b->shape.piece - 1) / b->shape.piece;
    b->texts = 0;
    b->index->stamp++;
    b->index->used = 0;
    for (int i = 0; i < count; i++) {
        const struct segment_view *v = &views[i];
        const size_t row0 = batch_row(b, i, 0);
        const size_t stride = (size_t)batch_piece_sequences(b, i / b->shape.piece);
        CHECK(v->T == b->shape.T && v->state_floats == b->shape.state_floats);
        CHECK((v->intrinsic_value != NULL) == (b->shape.heads > 1));
        gather_rows(b, v, row0, stride);
        gather_captions(b, v, row0, stride, i < fresh);
        if (b->part != NULL) {
            gather_parts(b, i);
        }
        memcpy(b->state + (size_t)i * H, v->state, sizeof(float) * H);
        b->stream[0].last_value[i] = v->bootstrap;
        if (b->shape.heads > 1) {
            b->stream[1].last_value[i] = v->intrinsic_bootstrap;
        }
    }
    for (int p = 0; p < b->pieces; p++) {
        gather_piece_texts(b, p);
    }
}
