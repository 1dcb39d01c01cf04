#include "learner/train/windows.h"

#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "learner/store/pack.h"

enum { WINDOWS_FORMAT = 1, SEGMENT_BYTES = 3 * 8 + 4 };

void windows_init(struct windows *w, const struct windows_options *o)
{
    *w = (struct windows){.options = *o};
    w->ring = mem_new(o->room, sizeof(*w->ring));
    w->fit = mem_new(o->room, sizeof(*w->fit));
    w->trained = mem_new(WINDOWS_HISTORY, sizeof(*w->trained));
    w->noted = mem_new(WINDOWS_HISTORY, sizeof(*w->noted));
}

void windows_release(struct windows *w)
{
    mem_free(w->ring);
    mem_free(w->fit);
    mem_free(w->trained);
    mem_free(w->noted);
    *w = (struct windows){0};
}

static struct window_segment *segment_at(const struct windows *w, size_t i)
{
    return &w->ring[(w->first + i) % w->options.room];
}

static bool too_old(const struct windows *w, const struct window_segment *s,
                    uint64_t update)
{
    return update - s->acted > w->options.age;
}

/* The oldest is forgotten; where it still waited, it is too late for it. */
static void forget_first(struct windows *w, struct tallies *t)
{
    t->replay.aged += segment_at(w, 0)->marked ? 1 : 0;
    w->first = (w->first + 1) % w->options.room;
    w->count--;
}

static void push(struct windows *w, const struct window_segment *s, struct tallies *t)
{
    if (w->count == w->options.room) {
        forget_first(w, t);
    }
    w->count++;
    *segment_at(w, w->count - 1) = *s;
}

/* The history's slots up to `update` are its own, and empty where nothing was trained. */
static void reach(struct windows *w, uint64_t update)
{
    if (update >= w->newest + WINDOWS_HISTORY) {
        memset(w->trained, 0, WINDOWS_HISTORY * sizeof(*w->trained));
        w->newest = update;
    }
    while (w->newest < update) {
        w->newest++;
        w->trained[w->newest % WINDOWS_HISTORY] = 0;
    }
}

void windows_add(struct windows *w, uint64_t serial, uint64_t acted, uint64_t update,
                 struct tallies *t)
{
    // Weights "ahead" of ours acted in a future that a restart rolled back.
    const struct window_segment s = {
        .serial = serial, .acted = acted < update ? acted : update, .update = update};

    push(w, &s, t);
    reach(w, update);
    w->trained[update % WINDOWS_HISTORY]++;
}

void windows_note(struct windows *w, int64_t delay)
{
    if (delay < 0 || w->options.uniform) {
        return;
    }
    w->noted[delay < WINDOWS_HISTORY ? delay : WINDOWS_HISTORY - 1]++;
    w->some_noted = true;
}

/* All windows end now, so those that reach back d updates are those noted at d or more:
 * one pass over the segments serves all labels. */
void windows_mark(struct windows *w, uint64_t update, struct tallies *t)
{
    const uint32_t *reaching = w->noted;
    double segments = 0, young = 0;

    if (!w->some_noted) {
        return;
    }
    reach(w, update);
    for (int d = WINDOWS_HISTORY - 2; d >= 0; d--) {
        w->noted[d] += w->noted[d + 1];
    }
    for (uint64_t d = 0; d < WINDOWS_HISTORY && d <= update; d++) {
        segments +=
            (double)w->trained[(update - d) % WINDOWS_HISTORY] * (double)reaching[d];
    }
    for (size_t i = w->count; i-- > 0;) {
        struct window_segment *s = segment_at(w, i);
        const uint64_t d = update - s->update;
        if (d >= WINDOWS_HISTORY || reaching[d] == 0) {
            break; // and none before it
        }
        if (!too_old(w, s, update)) {
            young += reaching[d];
            t->replay.marked += s->marked ? 0 : 1;
            s->marked = true;
        }
    }
    t->replay.windows += reaching[0];
    t->replay.window_segments += segments;
    t->replay.window_aged += segments - young;
    memset(w->noted, 0, WINDOWS_HISTORY * sizeof(*w->noted));
    w->some_noted = false;
}

int windows_draw(struct windows *w, int want, uint64_t update, struct rng *rng,
                 struct window_segment *out, struct tallies *t)
{
    uint32_t left = 0;
    int drawn = 0;

    // None that was trained so long ago can be young.
    while (w->count > 0 && update - segment_at(w, 0)->update > w->options.age) {
        forget_first(w, t);
    }
    for (size_t i = 0; i < w->count; i++) {
        struct window_segment *s = segment_at(w, i);
        if (too_old(w, s, update)) {
            t->replay.aged += s->marked ? 1 : 0;
            s->marked = false;
        } else if (s->marked || w->options.uniform) {
            w->fit[left++] = (uint32_t)((w->first + i) % w->options.room);
        }
    }
    for (; drawn < want && left > 0; drawn++) {
        const uint32_t k = rng_below(rng, left);
        struct window_segment *s = &w->ring[w->fit[k]];
        out[drawn] = *s;
        s->marked = false;
        w->fit[k] = w->fit[--left];
    }
    return drawn;
}

/* ---- the checkpoint ---- */

void windows_write(const struct windows *w, char **data, size_t *len)
{
    struct pack p = {.size = 2 * 4 + 8 + WINDOWS_HISTORY * sizeof(*w->trained) +
                             w->count * SEGMENT_BYTES};

    p.data = mem_new(p.size, 1);
    pack_u32(&p, WINDOWS_FORMAT);
    pack_u32(&p, (uint32_t)w->count);
    pack_u64(&p, w->newest);
    pack_put(&p, w->trained, WINDOWS_HISTORY * sizeof(*w->trained));
    for (size_t i = 0; i < w->count; i++) {
        const struct window_segment *s = segment_at(w, i);
        pack_u64(&p, s->serial);
        pack_u64(&p, s->acted);
        pack_u64(&p, s->update);
        pack_u32(&p, s->marked ? 1 : 0);
    }
    *data = (char *)p.data;
    *len = p.at;
}

enum status windows_read(struct windows *w, struct bytes b)
{
    struct unpack u = unpack_of(b);
    struct tallies ignored = {0};

    w->first = w->count = 0;
    const uint32_t format = unpack_u32(&u), count = unpack_u32(&u);
    w->newest = unpack_u64(&u);
    unpack_get(&u, w->trained, WINDOWS_HISTORY * sizeof(*w->trained));
    if (format != WINDOWS_FORMAT || u.bad ||
        u.size - u.at != (size_t)count * SEGMENT_BYTES) {
        LOG_ERROR("REPLAY-INDEX",
                  "%zu bytes are not a checkpoint's index of trained segments", b.len);
        return ST_CORRUPT;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct window_segment s = {0};
        s.serial = unpack_u64(&u);
        s.acted = unpack_u64(&u);
        s.update = unpack_u64(&u);
        s.marked = unpack_u32(&u) != 0;
        push(w, &s, &ignored);
    }
    return ST_OK;
}
