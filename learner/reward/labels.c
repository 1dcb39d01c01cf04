#include "learner/reward/labels.h"

#include <math.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "learner/store/keymap.h"

struct text {
    struct hash128 key;
    uint64_t at; // into bytes
    uint32_t len;
    uint32_t form; // its hash
};

struct item {
    struct hash128 key;
    uint32_t row, captions; // rows row .. row + captions
    float p;
    uint32_t at[2]; // in the lists of its class: of those to train on, of all
    uint32_t flags; // HELD, HELPFUL
};
enum { HELD = 1, HELPFUL = 2 };

struct row {
    uint32_t text, place;
};

struct list {
    uint32_t *number;
    uint32_t count, room;
};

struct labels {
    double held_out;
    struct keymap *text_of, *item_of;
    uint8_t *bytes;
    uint64_t used, room;
    struct text *text;
    struct item *item;
    struct row *row;
    uint32_t texts, text_room, items, item_room, rows, row_room;
    struct list part[2];      // in order of arrival: to train on, held out
    struct list class_[2][2]; // to train on, all; each not helpful, helpful
    bool told;
};

struct labels *labels_new(double held_out)
{
    struct labels *l = mem_new(1, sizeof(*l));

    l->held_out = held_out;
    l->text_of = keymap_new();
    l->item_of = keymap_new();
    return l;
}

static void release(struct labels *l)
{
    keymap_free(l->text_of);
    keymap_free(l->item_of);
    mem_free(l->bytes);
    mem_free(l->text);
    mem_free(l->item);
    mem_free(l->row);
    for (int i = 0; i < 2; i++) {
        mem_free(l->part[i].number);
        mem_free(l->class_[i][0].number);
        mem_free(l->class_[i][1].number);
    }
}

void labels_free(struct labels *l)
{
    if (l != NULL) {
        release(l);
        mem_free(l);
    }
}

/* *array has room for one more of `size` bytes. */
static void make_room(void *array, uint32_t count, uint32_t *room, size_t size)
{
    void *old;

    if (count < *room) {
        return;
    }
    const uint32_t more = *room == 0 ? 256 : 2 * *room;
    memcpy(&old, array, sizeof(old));
    old = mem_grow(old, *room, more, size);
    memcpy(array, &old, sizeof(old));
    *room = more;
}

static void push(struct list *l, uint32_t number)
{
    make_room(&l->number, l->count, &l->room, sizeof(*l->number));
    l->number[l->count++] = number;
}

/* ---- texts ---- */

size_t labels_form(struct bytes text, uint8_t *out)
{
    const uint8_t *s = text.data;
    const size_t len = text.len < LABELS_TEXT_MOST ? text.len : LABELS_TEXT_MOST;
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        if (s[i] >= '0' && s[i] <= '9') {
            if (n == 0 || out[n - 1] != '#') {
                out[n++] = '#';
            }
        } else if (s[i] == '"') {
            const uint8_t *end = memchr(s + i + 1, '"', len - i - 1);
            out[n++] = '"';
            i = end != NULL ? (size_t)(end - s) : len; // what is cut off is quoted, too
        } else {
            out[n++] = (uint8_t)(s[i] >= 'A' && s[i] <= 'Z' ? s[i] + 32 : s[i]);
        }
    }
    return n;
}

static uint32_t hash_of_form(struct bytes text)
{
    uint8_t form[LABELS_TEXT_MOST];
    const size_t len = labels_form(text, form);

    return (uint32_t)(hash_64(bytes_of(form, len)) >> 32);
}

static void add_text(struct labels *l, struct hash128 key, struct bytes text)
{
    const size_t len = text.len < LABELS_TEXT_MOST ? text.len : LABELS_TEXT_MOST;

    while (l->used + len > l->room) {
        const uint64_t more = l->room == 0 ? 1 << 14 : 2 * l->room;
        l->bytes = mem_grow(l->bytes, l->room, more, 1);
        l->room = more;
    }
    if (len > 0) {
        memcpy(l->bytes + l->used, text.data, len);
    }
    make_room(&l->text, l->texts, &l->text_room, sizeof(*l->text));
    l->text[l->texts++] = (struct text){
        .key = key, .at = l->used, .len = (uint32_t)len, .form = hash_of_form(text)};
    l->used += len;
}

void labels_take_text(struct labels *l, struct hash128 key, struct bytes text)
{
    bool fresh;
    uint64_t *number = keymap_at(l->text_of, key, &fresh);

    if (fresh) {
        *number = l->texts;
        add_text(l, key, text);
    }
}

struct bytes labels_text(const struct labels *l, uint32_t i)
{
    return i < l->texts ? bytes_of(l->bytes + l->text[i].at, l->text[i].len)
                        : bytes_of("", 0);
}

/* ---- labels ---- */

/* An item of K captions is held out when one of them is: the share of the forms is such
 * that K = 1 and K = 8 hold out about the same share of the labels. */
static bool held_out(const struct labels *l, const struct item *it)
{
    const double forms = 1 - pow(1 - l->held_out, 1.0 / (double)it->captions);
    const double bound = forms * 4294967296.0;

    for (uint32_t i = 0; i < it->captions; i++) {
        if ((double)l->text[l->row[it->row + i].text].form < bound) {
            return true;
        }
    }
    return false;
}

static bool is_helpful(const struct labels *l, const struct item *it)
{
    if (it->captions == 1) {
        return it->p > 0.5F;
    }
    for (uint32_t i = 1; i < it->captions; i++) {
        if (l->row[it->row + i].place != l->row[it->row].place) {
            return true;
        }
    }
    return false;
}

static void leave_class(struct labels *l, struct item *it, int all)
{
    struct list *from = &l->class_[all][(it->flags & HELPFUL) != 0];
    const uint32_t last = from->number[--from->count];

    from->number[it->at[all]] = last;
    l->item[last].at[all] = it->at[all];
}

/* With the present p and places. */
static void classify(struct labels *l, uint32_t number, bool known)
{
    struct item *it = &l->item[number];
    const bool helpful = is_helpful(l, it), was = (it->flags & HELPFUL) != 0;

    if (known && helpful == was) {
        return;
    }
    for (int all = (it->flags & HELD) != 0; all < 2; all++) {
        struct list *to = &l->class_[all][helpful];
        if (known) {
            leave_class(l, it, all);
        }
        it->at[all] = to->count;
        push(to, number);
    }
    it->flags = (it->flags & HELD) | (helpful ? HELPFUL : 0U);
}

static uint32_t new_item(struct labels *l, const struct reward_label *label,
                         const uint32_t *text)
{
    const uint32_t number = l->items;

    make_room(&l->item, l->items, &l->item_room, sizeof(*l->item));
    struct item *it = &l->item[l->items++];
    *it = (struct item){.key = label->key, .row = l->rows, .captions = label->captions};
    for (uint32_t i = 0; i < label->captions; i++) {
        make_room(&l->row, l->rows, &l->row_room, sizeof(*l->row));
        l->row[l->rows++] = (struct row){.text = text[i]};
    }
    it->flags = held_out(l, it) ? HELD : 0;
    push(&l->part[it->flags], number);
    return number;
}

/* The captions' texts; false: one is not known. */
static bool find_texts(struct labels *l, const struct reward_label *label,
                       uint32_t *text)
{
    for (uint32_t i = 0; i < label->captions; i++) {
        const struct hash128 key =
            label->captions == 1 ? label->key : label->caption[i];
        const uint64_t *number = keymap_find(l->text_of, key);
        if (number == NULL) {
            if (!l->told) {
                l->told = true;
                LOG_ERROR("REWARD-TEXT",
                          "the label of ledger row %llu speaks of a caption whose text "
                          "never came; it is left out",
                          (unsigned long long)label->serial);
            }
            return false;
        }
        text[i] = (uint32_t)*number;
    }
    return true;
}

uint32_t labels_take(struct labels *l, const struct reward_label *label)
{
    uint32_t text[ITEM_CAPTIONS_MAX];
    bool fresh;

    if (!find_texts(l, label, text)) {
        return LABELS_NONE;
    }
    uint64_t *at = keymap_at(l->item_of, label->key, &fresh);
    if (fresh) {
        *at = new_item(l, label, text);
    }
    const uint32_t number = (uint32_t)*at;
    struct item *it = &l->item[number];
    it->p = label->kind == VERDICT_LABEL ? label->p : 0.5F;
    for (uint32_t i = 0; i < it->captions; i++) {
        // An order may show its captions in another order when it is asked anew.
        l->row[it->row + i] =
            (struct row){.text = text[i],
                         .place = label->kind == VERDICT_LABEL ? label->place[i] : 0};
    }
    classify(l, number, !fresh);
    return number;
}

uint32_t labels_count(const struct labels *l)
{
    return l->items;
}

uint32_t labels_of_class(const struct labels *l, bool helpful)
{
    return l->class_[1][helpful].count;
}

uint32_t labels_to_train(const struct labels *l)
{
    return l->part[0].count;
}

uint32_t labels_held(const struct labels *l)
{
    return l->part[HELD].count;
}

void labels_get(const struct labels *l, uint32_t number, struct labels_item *out)
{
    const struct item *it = &l->item[number];

    *out = (struct labels_item){.captions = (int)it->captions,
                                .held = (it->flags & HELD) != 0,
                                .helpful = (it->flags & HELPFUL) != 0,
                                .p = it->p};
    for (uint32_t i = 0; i < it->captions; i++) {
        const struct row *r = &l->row[it->row + i];
        out->text[i] = labels_text(l, r->text);
        out->text_number[i] = r->text;
        out->place[i] = (uint8_t)r->place;
    }
}

uint32_t labels_draw(const struct labels *l, struct rng *rng, bool all, double helpful)
{
    const struct list *class_ = l->class_[all];
    const uint32_t count = class_[0].count + class_[1].count;
    // The same draws from the stream in every case.
    const bool chosen = (double)rng_float(rng) < helpful;

    if (chosen && class_[1].count > 0) {
        return class_[1].number[rng_below(rng, class_[1].count)];
    }
    const uint32_t i = rng_below(rng, count);
    return i < class_[0].count ? class_[0].number[i]
                               : class_[1].number[i - class_[0].count];
}

uint32_t labels_newest(const struct labels *l, bool held, uint32_t i)
{
    const struct list *from = &l->part[held ? HELD : 0];

    return i < from->count ? from->number[from->count - 1 - i] : LABELS_NONE;
}

/* ---- the checkpoint ---- */

enum { LISTS = 6 };
struct head {
    char magic[8];
    uint64_t used;
    uint32_t texts, items, rows, zero;
    uint32_t list[LISTS];
};
static const char magic_text[8] = "minolab1";

/* One after the other what the whole is made of. */
struct piece {
    void *data;
    size_t len;
};
enum { PIECES = 4 + LISTS };

static void lists_of(const struct labels *l, const struct list *out[LISTS])
{
    const struct list *const all[LISTS] = {&l->part[0],      &l->part[1],
                                           &l->class_[0][0], &l->class_[0][1],
                                           &l->class_[1][0], &l->class_[1][1]};

    memcpy(out, all, sizeof(all));
}

static void pieces_of(const struct labels *l, struct piece out[PIECES])
{
    const struct list *lists[LISTS];

    lists_of(l, lists);
    out[0] = (struct piece){l->bytes, l->used};
    out[1] = (struct piece){l->text, l->texts * sizeof(*l->text)};
    out[2] = (struct piece){l->item, l->items * sizeof(*l->item)};
    out[3] = (struct piece){l->row, l->rows * sizeof(*l->row)};
    for (int i = 0; i < LISTS; i++) {
        out[4 + i] =
            (struct piece){lists[i]->number, lists[i]->count * sizeof(uint32_t)};
    }
}

void labels_write(const struct labels *l, char **data, size_t *len)
{
    struct head h = {
        .used = l->used, .texts = l->texts, .items = l->items, .rows = l->rows};
    const struct list *lists[LISTS];
    struct piece piece[PIECES];

    lists_of(l, lists);
    for (int i = 0; i < LISTS; i++) {
        h.list[i] = lists[i]->count;
    }
    memcpy(h.magic, magic_text, sizeof(h.magic));
    pieces_of(l, piece);
    *len = sizeof(h);
    for (int i = 0; i < PIECES; i++) {
        *len += piece[i].len;
    }
    char *at = *data = mem_new(*len, 1);
    memcpy(at, &h, sizeof(h));
    at += sizeof(h);
    for (int i = 0; i < PIECES; i++) {
        if (piece[i].len > 0) {
            memcpy(at, piece[i].data, piece[i].len);
            at += piece[i].len;
        }
    }
}

static bool list_is_sound(const struct labels *l, const struct list *list)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (list->number[i] >= l->items) {
            return false;
        }
    }
    return true;
}

static bool item_is_sound(const struct labels *l, const struct item *it)
{
    const bool helpful = (it->flags & HELPFUL) != 0;

    for (int all = (it->flags & HELD) != 0; all < 2; all++) {
        if (it->at[all] >= l->class_[all][helpful].count) {
            return false;
        }
    }
    return it->captions >= 1 && it->captions <= ITEM_CAPTIONS_MAX &&
           it->row <= l->rows && it->captions <= l->rows - it->row &&
           it->flags <= (HELD | HELPFUL) && it->p >= 0 && it->p <= 1;
}

static bool is_sound(const struct labels *l)
{
    const struct list *lists[LISTS];

    for (uint32_t i = 0; i < l->texts; i++) {
        const struct text *t = &l->text[i];
        if (t->len > LABELS_TEXT_MOST || t->at > l->used || t->len > l->used - t->at) {
            return false;
        }
    }
    for (uint32_t i = 0; i < l->rows; i++) {
        if (l->row[i].text >= l->texts || l->row[i].place > UINT8_MAX) {
            return false;
        }
    }
    for (uint32_t i = 0; i < l->items; i++) {
        if (!item_is_sound(l, &l->item[i])) {
            return false;
        }
    }
    lists_of(l, lists);
    for (int i = 0; i < LISTS; i++) {
        if (!list_is_sound(l, lists[i])) {
            return false;
        }
    }
    return true;
}

static void index_all(struct labels *l)
{
    for (uint32_t i = 0; i < l->texts; i++) {
        *keymap_at(l->text_of, l->text[i].key, NULL) = i;
    }
    for (uint32_t i = 0; i < l->items; i++) {
        *keymap_at(l->item_of, l->item[i].key, NULL) = i;
    }
}

static void start_anew(struct labels *l)
{
    const double share = l->held_out;

    release(l);
    *l = (struct labels){
        .held_out = share, .text_of = keymap_new(), .item_of = keymap_new()};
}

/* Room as the head says; false: the bytes are not so many. */
static bool read_head(struct labels *l, struct bytes b)
{
    struct head h = {0};
    const struct list *lists[LISTS];

    if (b.len >= sizeof(h)) {
        memcpy(&h, b.data, sizeof(h));
    }
    uint64_t want = sizeof(h) + h.texts * sizeof(struct text) +
                    h.items * sizeof(struct item) + h.rows * sizeof(struct row);
    for (int i = 0; i < LISTS; i++) {
        want += h.list[i] * sizeof(uint32_t);
    }
    if (memcmp(h.magic, magic_text, sizeof(h.magic)) != 0 || h.used > b.len ||
        want + h.used != b.len || (uint64_t)h.list[0] + h.list[1] != h.items ||
        (uint64_t)h.list[2] + h.list[3] != h.list[0] ||
        (uint64_t)h.list[4] + h.list[5] != h.items) {
        return false;
    }
    l->room = l->used = h.used;
    l->bytes = mem_new(h.used, 1);
    l->text_room = l->texts = h.texts;
    l->text = mem_new(h.texts, sizeof(*l->text));
    l->item_room = l->items = h.items;
    l->item = mem_new(h.items, sizeof(*l->item));
    l->row_room = l->rows = h.rows;
    l->row = mem_new(h.rows, sizeof(*l->row));
    lists_of(l, lists);
    for (int i = 0; i < LISTS; i++) {
        struct list *to = (struct list *)lists[i]; // l's own
        *to = (struct list){.number = mem_new(h.list[i], sizeof(uint32_t)),
                            .count = h.list[i],
                            .room = h.list[i]};
    }
    return true;
}

enum status labels_read(struct labels *l, struct bytes b)
{
    struct piece piece[PIECES];

    start_anew(l);
    if (read_head(l, b)) {
        const char *at = (const char *)b.data + sizeof(struct head);
        pieces_of(l, piece);
        for (int i = 0; i < PIECES; i++) {
            memcpy(piece[i].data, at, piece[i].len);
            at += piece[i].len;
        }
        if (is_sound(l)) {
            index_all(l);
            return ST_OK;
        }
        start_anew(l);
    }
    LOG_ERROR("REWARD-LABELS", "%zu bytes are not a checkpoint's labels", b.len);
    return ST_CORRUPT;
}
