#include "learner/intake/pairs.h"

#include <math.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/base/mem.h"
#include "common/base/rng.h"
#include "common/wire/messages.h"
#include "learner/intake/forms.h"

enum {
    NONE = -1,
    FORM_SHARE = 8,
    NEAR = 8,        // by score, looked at on each side
    NEAR_LOOKS = 64, // of which so many may be of no use
    DRAWS = 16,      // at random
    TRIES = 32,      // before a kind of choice is given up
    RANKED_LEAST = 16,
    STALE_SHARE = 16, // scores are put in order again when such a part is new
    STALE_LEAST = 64
};

struct member {
    struct pairs_caption c;
    int place; // in its form's list
    bool used;
};

/* The captions of one form. */
struct form {
    int *list; // members
    uint32_t count, cap;
    int place; // among the forms that have any, NONE
    uint32_t orders, ties;
};

/* A score as it was when they were put in order; the member may have changed since. */
struct ranked {
    float score;
    int member;
};

struct pairs {
    struct member *member; // (most)
    int *spare;            // (most) free members
    struct form *form;     // (FORMS_MOST)
    uint32_t *alive;       // (FORMS_MOST) forms with members
    struct ranked *ranked; // (most) ascending
    int *where;            // (numbers) member + 1, 0 = not in
    uint32_t most, form_most, count, forms, ranks, stale, scored, numbers;
    struct rng rng;
};

/* What a choice is made for. */
struct choice {
    const struct pairs_caption *first;
    pairs_fits *fits;
    void *ctx;
    uint32_t *chosen;
    int count;
    uint32_t form[ITEM_CAPTIONS_MAX]; // of those chosen
};

struct pairs *pairs_new(uint32_t most, uint64_t seed)
{
    struct pairs *p = mem_new(1, sizeof(*p));

    p->most = most;
    p->form_most = most / FORM_SHARE + 1;
    p->member = mem_new(most, sizeof(*p->member));
    p->spare = mem_new(most, sizeof(*p->spare));
    p->ranked = mem_new(most, sizeof(*p->ranked));
    p->form = mem_new(FORMS_MOST, sizeof(*p->form));
    p->alive = mem_new(FORMS_MOST, sizeof(*p->alive));
    for (uint32_t i = 0; i < most; i++) {
        p->spare[i] = (int)(most - 1 - i);
    }
    for (int i = 0; i < FORMS_MOST; i++) {
        p->form[i].place = NONE;
    }
    rng_init(&p->rng, seed);
    return p;
}

void pairs_free(struct pairs *p)
{
    if (p == NULL) {
        return;
    }
    for (int i = 0; i < FORMS_MOST; i++) {
        mem_free(p->form[i].list);
    }
    mem_free(p->member);
    mem_free(p->spare);
    mem_free(p->ranked);
    mem_free(p->form);
    mem_free(p->alive);
    mem_free(p->where);
    mem_free(p);
}

uint32_t pairs_count(const struct pairs *p)
{
    return p->count;
}

/* ---- coming and going ---- */

/* Room to find `number` by; doubles, so it is rare. */
static void know_number(struct pairs *p, uint32_t number)
{
    uint32_t cap = p->numbers == 0 ? 1024 : p->numbers;

    while (cap <= number) {
        cap *= 2;
    }
    if (cap > p->numbers) {
        p->where = mem_grow(p->where, p->numbers, cap, sizeof(*p->where));
        p->numbers = cap;
    }
}

static void join_form(struct pairs *p, int at)
{
    struct form *f = &p->form[p->member[at].c.form];

    if (f->count == f->cap) {
        const uint32_t cap = f->cap == 0 ? 8 : 2 * f->cap;
        f->list = mem_grow(f->list, f->cap, cap, sizeof(*f->list));
        f->cap = cap;
    }
    if (f->count == 0) {
        f->place = (int)p->forms;
        p->alive[p->forms++] = p->member[at].c.form;
    }
    p->member[at].place = (int)f->count;
    f->list[f->count++] = at;
}

static void leave_form(struct pairs *p, int at)
{
    struct form *f = &p->form[p->member[at].c.form];
    const int last = f->list[--f->count];

    f->list[p->member[at].place] = last;
    p->member[last].place = p->member[at].place;
    if (f->count == 0) {
        const uint32_t moved = p->alive[--p->forms];
        p->alive[f->place] = moved;
        p->form[moved].place = f->place;
        f->place = NONE;
    }
}

static bool is_scored(const struct pairs_caption *c)
{
    return isfinite(c->score);
}

static void take_out(struct pairs *p, int at)
{
    struct member *m = &p->member[at];

    leave_form(p, at);
    p->scored -= is_scored(&m->c);
    p->where[m->c.number] = 0;
    m->used = false;
    p->count--;
    p->spare[p->most - 1 - p->count] = at;
}

/* One of its own form goes, or where it has none, of any that has several. */
static void make_room(struct pairs *p, uint32_t form)
{
    const struct form *f = &p->form[form];

    while (f->count == 0) {
        f = &p->form[p->alive[rng_below(&p->rng, p->forms)]];
    }
    take_out(p, f->list[rng_below(&p->rng, f->count)]);
}

void pairs_put(struct pairs *p, const struct pairs_caption *c)
{
    CHECK(c->form < FORMS_MOST);
    know_number(p, c->number);
    if (p->where[c->number] != 0) {
        struct member *m = &p->member[p->where[c->number] - 1];
        if (is_scored(c) && !(c->score == m->c.score)) {
            p->stale++;
        }
        p->scored += is_scored(c);
        p->scored -= is_scored(&m->c);
        m->c.visits = c->visits;
        m->c.score = c->score;
        return;
    }
    if (p->form[c->form].count >= p->form_most || p->count == p->most) {
        make_room(p, c->form);
    }
    const int at = p->spare[p->most - 1 - p->count++];
    p->member[at] = (struct member){.c = *c, .used = true};
    p->where[c->number] = at + 1;
    p->stale += is_scored(c);
    p->scored += is_scored(c);
    join_form(p, at);
}

void pairs_remove(struct pairs *p, uint32_t number)
{
    if (number < p->numbers && p->where[number] != 0) {
        take_out(p, p->where[number] - 1);
    }
}

void pairs_outcome(struct pairs *p, uint32_t form, bool tie)
{
    CHECK(form < FORMS_MOST);
    p->form[form].orders++;
    p->form[form].ties += tie;
}

/* ---- by score ---- */

static int compare_ranked(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;

    return x->score != y->score ? (x->score < y->score ? -1 : 1)
                                : (x->member > y->member) - (x->member < y->member);
}

/* Puts scores in order where too many have changed. False: there are too few of them. */
static bool rank(struct pairs *p)
{
    if (p->ranks >= RANKED_LEAST && p->scored >= RANKED_LEAST &&
        p->stale <= p->ranks / STALE_SHARE + STALE_LEAST) {
        return true;
    }
    if (p->scored < RANKED_LEAST) {
        return false;
    }
    p->ranks = 0;
    for (uint32_t i = 0; i < p->most && p->ranks < p->scored; i++) {
        if (p->member[i].used && is_scored(&p->member[i].c)) {
            p->ranked[p->ranks++] = (struct ranked){p->member[i].c.score, (int)i};
        }
    }
    qsort(p->ranked, p->ranks, sizeof(*p->ranked), compare_ranked);
    p->stale = 0;
    return true;
}

/* The first that has at least this score. */
static uint32_t rank_of(const struct pairs *p, float score)
{
    uint32_t low = 0, high = p->ranks;

    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (p->ranked[middle].score < score) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* ---- choosing ---- */

static bool is_of_other_form(const struct choice *x, const struct member *m)
{
    for (int i = 0; i < x->count; i++) {
        if (x->form[i] == m->c.form) {
            return false;
        }
    }
    return m->used;
}

static bool may_stand(const struct choice *x, const struct member *m)
{
    return is_of_other_form(x, m) && x->fits(x->ctx, x->chosen, x->count, m->c.number);
}

/* A form at random, then of two of its captions the one that came more often. */
static int draw_by_form(struct pairs *p, const struct choice *x)
{
    for (int i = 0; i < TRIES && p->forms > 1; i++) {
        const struct form *f = &p->form[p->alive[rng_below(&p->rng, p->forms)]];
        const int a = f->list[rng_below(&p->rng, f->count)];
        const int b = f->list[rng_below(&p->rng, f->count)];
        const bool first = p->member[a].c.visits >= p->member[b].c.visits;
        if (may_stand(x, &p->member[first ? a : b])) {
            return first ? a : b;
        }
        if (may_stand(x, &p->member[first ? b : a])) {
            return first ? b : a;
        }
    }
    return NONE;
}

static double tie_share(const struct pairs *p, uint32_t form)
{
    return (1.0 + p->form[form].ties) / (2.0 + p->form[form].orders);
}

static double uncertainty(const struct pairs *p, const struct choice *x,
                          const struct pairs_caption *c)
{
    const double q = 1 / (1 + exp((double)c->score - (double)x->first->score));

    return 4 * q * (1 - q) * (1 - tie_share(p, x->first->form) * tie_share(p, c->form));
}

/* The better of `best` and the member, if that may stand there. */
static int more_uncertain(const struct pairs *p, const struct choice *x, int best,
                          int at)
{
    const struct member *m = &p->member[at];

    if (!m->used || !is_scored(&m->c) ||
        (best != NONE &&
         uncertainty(p, x, &m->c) <= uncertainty(p, x, &p->member[best].c))) {
        return best;
    }
    return may_stand(x, m) ? at : best;
}

/* Its neighbours by score, upwards or downwards. */
static int look_near(const struct pairs *p, const struct choice *x, int best,
                     int64_t from, int step)
{
    int64_t at = from;

    for (int seen = 0, looks = 0;
         seen < NEAR && looks < NEAR_LOOKS && at >= 0 && at < p->ranks;
         looks++, at += step) {
        const int member = p->ranked[at].member;
        seen += is_of_other_form(x, &p->member[member]);
        best = more_uncertain(p, x, best, member);
    }
    return best;
}

static int draw_by_uncertainty(struct pairs *p, const struct choice *x)
{
    const int64_t rank = rank_of(p, x->first->score);
    int best = look_near(p, x, NONE, rank - 1, -1);

    best = look_near(p, x, best, rank, 1);
    for (int i = 0; i < DRAWS; i++) {
        const int at = draw_by_form(p, x);
        best = at != NONE ? more_uncertain(p, x, best, at) : best;
    }
    return best;
}

/* Of some of the quartile the one whose form has the fewest captions. */
static int draw_by_quartile(struct pairs *p, const struct choice *x)
{
    const uint32_t rank = rank_of(p, x->first->score);
    const uint32_t own = 4 * (rank < p->ranks ? rank : p->ranks - 1) / p->ranks;
    const uint32_t quartile = (own + 1 + rng_below(&p->rng, 3)) % 4;
    const uint32_t from = (uint32_t)((uint64_t)quartile * p->ranks / 4);
    const uint32_t to = (uint32_t)((uint64_t)(quartile + 1) * p->ranks / 4);
    int best = NONE;

    for (int i = 0, seen = 0; i < TRIES && seen < NEAR; i++) {
        const int at = p->ranked[from + rng_below(&p->rng, to - from)].member;
        const struct member *m = &p->member[at];
        if (!is_scored(&m->c) || !may_stand(x, m)) {
            continue;
        }
        seen++;
        if (best == NONE ||
            p->form[m->c.form].count < p->form[p->member[best].c.form].count) {
            best = at;
        }
    }
    return best;
}

static int draw(struct pairs *p, const struct choice *x, enum pairs_how *how)
{
    int at = NONE;

    *how = PAIRS_BY_FORM;
    if (is_scored(x->first) && rank(p)) {
        *how = rng_below(&p->rng, 2) == 0 ? PAIRS_BY_UNCERTAINTY : PAIRS_BY_QUARTILE;
        at = *how == PAIRS_BY_QUARTILE ? draw_by_quartile(p, x)
                                       : draw_by_uncertainty(p, x);
    }
    if (at == NONE) {
        *how = PAIRS_BY_FORM;
        at = draw_by_form(p, x);
    }
    return at;
}

bool pairs_choose(struct pairs *p, const struct pairs_caption *first, int want,
                  pairs_fits *fits, void *ctx, uint32_t *chosen, enum pairs_how *how)
{
    struct choice x = {.first = first,
                       .fits = fits,
                       .ctx = ctx,
                       .chosen = chosen,
                       .count = 1,
                       .form = {first->form}};

    CHECK(want >= 2 && want <= ITEM_CAPTIONS_MAX);
    chosen[0] = first->number;
    while (x.count < want) {
        const int at = draw(p, &x, how);
        if (at == NONE) {
            return false;
        }
        chosen[x.count] = p->member[at].c.number;
        x.form[x.count++] = p->member[at].c.form;
    }
    return true;
}
