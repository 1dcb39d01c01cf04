#include "learner/intake/schedule.h"

#include <math.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/mem.h"
#include "learner/intake/forms.h"

enum { NONE = -1, FORM_SHARE = 8 };

/* A caption that comes often moves up in steps of this, in powers of two: each time would
 * be too much work for what it changes. */
static const double step_up = 0.125;

enum class { NEW_FORM, KNOWN_FORM, SETTLED_FORM };

/* A caption that waits. In a pairing heap of its form by (often, key, arrival), and in two
 * lists by arrival: its form's, and all or those put off. */
struct waiting {
    uint32_t number, form;
    bool often, put_off; // came more than once; asked last
    double key;          // log2 visits + last / recency
    uint64_t arrival;
    int child, next, prev; // prev: the left neighbour, of a first child its parent
    int older, newer;
    int form_older, form_newer;
};

struct list {
    int oldest, newest;
};

struct form {
    int root, heap; // of its captions; its place among the forms, NONE
    struct list list;
    uint32_t waiting, under_way, labels, yes;
    float sum; // of labels
    double key;
    uint8_t class;
};

struct schedule {
    struct forms *forms;
    struct form *form;    // (FORMS_MOST)
    struct waiting *item; // (most)
    int *spare;           // (most) free items
    int *heap;            // (FORMS_MOST) forms with captions that wait
    int *where;           // (numbers) item + 1 of a caption, 0 = does not wait
    uint32_t most, count, put_offs, heaped, numbers, form_most;
    struct list all, put_off;
    double recency;
    uint64_t arrivals, asked;
    bool newest_first;
};

struct schedule *schedule_new(uint32_t most, double recency)
{
    struct schedule *s = mem_new(1, sizeof(*s));

    s->forms = forms_new();
    s->form = mem_new(FORMS_MOST, sizeof(*s->form));
    s->item = mem_new(most, sizeof(*s->item));
    s->spare = mem_new(most, sizeof(*s->spare));
    s->heap = mem_new(FORMS_MOST, sizeof(*s->heap));
    s->most = most;
    s->form_most = most / FORM_SHARE + 1;
    s->recency = recency;
    for (uint32_t i = 0; i < most; i++) {
        s->spare[i] = (int)(most - 1 - i);
    }
    s->all = s->put_off = (struct list){NONE, NONE};
    for (int i = 0; i < FORMS_MOST; i++) {
        s->form[i] = (struct form){.root = NONE, .heap = NONE, .list = {NONE, NONE}};
    }
    return s;
}

void schedule_free(struct schedule *s)
{
    if (s != NULL) {
        forms_free(s->forms);
        mem_free(s->form);
        mem_free(s->item);
        mem_free(s->spare);
        mem_free(s->heap);
        mem_free(s->where);
        mem_free(s);
    }
}

void schedule_newest_first(struct schedule *s)
{
    s->newest_first = true;
}

uint32_t schedule_form(struct schedule *s, struct bytes caption)
{
    return forms_of(s->forms, caption);
}

uint32_t schedule_forms(const struct schedule *s)
{
    return forms_count(s->forms);
}

uint32_t schedule_count(const struct schedule *s)
{
    return s->count;
}

/* ---- a form's captions: a pairing heap ---- */

static bool before(const struct schedule *s, int a, int b)
{
    const struct waiting *x = &s->item[a], *y = &s->item[b];

    return x->often != y->often ? x->often
           : x->key != y->key   ? x->key > y->key
                                : x->arrival < y->arrival;
}

static int meld(struct schedule *s, int a, int b)
{
    if (a == NONE || b == NONE) {
        return a == NONE ? b : a;
    }
    const int top = before(s, a, b) ? a : b, low = top == a ? b : a;
    s->item[low].next = s->item[top].child;
    s->item[low].prev = top;
    if (s->item[top].child != NONE) {
        s->item[s->item[top].child].prev = low;
    }
    s->item[top].child = low;
    s->item[top].next = s->item[top].prev = NONE;
    return top;
}

/* One heap of the list of heaps from `first` on: pairs from the left, then from the right
 * (Fredman et al. 1986). */
static int meld_all(struct schedule *s, int first)
{
    int pairs = NONE, all = NONE;

    while (first != NONE) {
        const int a = first, b = s->item[a].next;
        first = b == NONE ? NONE : s->item[b].next;
        s->item[a].next = s->item[a].prev = NONE;
        if (b != NONE) {
            s->item[b].next = s->item[b].prev = NONE;
        }
        const int pair = meld(s, a, b);
        s->item[pair].next = pairs; // a stack of them
        pairs = pair;
    }
    while (pairs != NONE) {
        const int pair = pairs;
        pairs = s->item[pair].next;
        s->item[pair].next = NONE;
        all = meld(s, all, pair);
    }
    return all;
}

/* Takes the item and what hangs below it out of its form's heap. */
static void cut(struct schedule *s, int at)
{
    struct waiting *w = &s->item[at];

    if (s->item[w->prev].child == at) {
        s->item[w->prev].child = w->next;
    } else {
        s->item[w->prev].next = w->next;
    }
    if (w->next != NONE) {
        s->item[w->next].prev = w->prev;
    }
    w->next = w->prev = NONE;
}

static void rise_in_form(struct schedule *s, struct form *f, int at)
{
    if (at != f->root) {
        cut(s, at);
        f->root = meld(s, f->root, at);
    }
}

static void leave_form(struct schedule *s, struct form *f, int at)
{
    struct waiting *w = &s->item[at];

    if (at != f->root) {
        cut(s, at);
        f->root = meld(s, f->root, meld_all(s, w->child));
    } else {
        f->root = meld_all(s, w->child);
    }
    w->child = NONE;
}

/* ---- the forms: a binary heap ---- */

static bool form_before(const struct schedule *s, int a, int b)
{
    const struct form *x = &s->form[a], *y = &s->form[b];

    return x->class != y->class ? x->class < y->class
           : x->key != y->key   ? x->key > y->key
                                : a < b;
}

static void place(struct schedule *s, uint32_t at, int form)
{
    s->heap[at] = form;
    s->form[form].heap = (int)at;
}

static void rise(struct schedule *s, uint32_t at)
{
    const int form = s->heap[at];

    while (at > 0 && form_before(s, form, s->heap[(at - 1) / 2])) {
        place(s, at, s->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    place(s, at, form);
}

static void sink(struct schedule *s, uint32_t at)
{
    const int form = s->heap[at];

    for (uint32_t child = 2 * at + 1; child < s->heaped; child = 2 * at + 1) {
        if (child + 1 < s->heaped &&
            form_before(s, s->heap[child + 1], s->heap[child])) {
            child++;
        }
        if (!form_before(s, s->heap[child], form)) {
            break;
        }
        place(s, at, s->heap[child]);
        at = child;
    }
    place(s, at, form);
}

static bool is_settled(const struct form *f)
{
    return f->labels >= SCHEDULE_SETTLED && (f->yes == 0 || f->yes == f->labels);
}

/* Beta(1, 1) mean of its labels; each question under way may tell what the next would. */
static double log2_uncertainty(const struct form *f)
{
    const double p = (1.0 + (double)f->sum) / (2.0 + f->labels);

    return log2(4 * p * (1 - p) / (1.0 + f->under_way));
}

/* After anything of the form has changed: its place among the forms. */
static void move_form(struct schedule *s, struct form *f)
{
    if (f->root == NONE) {
        if (f->heap != NONE) {
            const uint32_t hole = (uint32_t)f->heap;
            f->heap = NONE;
            s->heaped--;
            if (hole < s->heaped) {
                const int moved = s->heap[s->heaped];
                place(s, hole, moved);
                rise(s, hole);
                sink(s, (uint32_t)s->form[moved].heap);
            }
        }
        return;
    }
    const struct waiting *top = &s->item[f->root];
    f->key = top->key + log2_uncertainty(f);
    f->class = f->labels == 0 && f->under_way == 0 ? NEW_FORM
               : is_settled(f) && !top->often      ? SETTLED_FORM
                                                   : KNOWN_FORM;
    if (f->heap == NONE) {
        place(s, s->heaped++, (int)(f - s->form));
    }
    rise(s, (uint32_t)f->heap);
    sink(s, (uint32_t)f->heap);
}

/* ---- lists by arrival ---- */

static void join_list(struct schedule *s, struct list *l, int at)
{
    s->item[at].older = l->newest;
    s->item[at].newer = NONE;
    *(l->newest != NONE ? &s->item[l->newest].newer : &l->oldest) = at;
    l->newest = at;
}

static void leave_list(struct schedule *s, struct list *l, int at)
{
    const struct waiting *w = &s->item[at];

    *(w->older != NONE ? &s->item[w->older].newer : &l->oldest) = w->newer;
    *(w->newer != NONE ? &s->item[w->newer].older : &l->newest) = w->older;
}

static struct list *list_of(struct schedule *s, const struct waiting *w)
{
    return w->put_off ? &s->put_off : &s->all;
}

static void join_form_list(struct schedule *s, struct list *l, int at)
{
    s->item[at].form_older = l->newest;
    s->item[at].form_newer = NONE;
    *(l->newest != NONE ? &s->item[l->newest].form_newer : &l->oldest) = at;
    l->newest = at;
}

static void leave_form_list(struct schedule *s, struct list *l, int at)
{
    const struct waiting *w = &s->item[at];

    *(w->form_older != NONE ? &s->item[w->form_older].form_newer : &l->oldest) =
        w->form_newer;
    *(w->form_newer != NONE ? &s->item[w->form_newer].form_older : &l->newest) =
        w->form_older;
}

/* ---- coming and going ---- */

/* Room to find `number` by; doubles, so it is rare. */
static void know_number(struct schedule *s, uint32_t number)
{
    uint32_t cap = s->numbers == 0 ? 1024 : s->numbers;

    while (cap <= number) {
        cap *= 2;
    }
    if (cap > s->numbers) {
        s->where = mem_grow(s->where, s->numbers, cap, sizeof(*s->where));
        s->numbers = cap;
    }
}

static uint32_t take_out(struct schedule *s, int at)
{
    const uint32_t number = s->item[at].number;
    struct form *f = &s->form[s->item[at].form];

    leave_list(s, list_of(s, &s->item[at]), at);
    s->put_offs -= s->item[at].put_off;
    leave_form_list(s, &f->list, at);
    leave_form(s, f, at);
    f->waiting--;
    move_form(s, f);
    s->where[number] = 0;
    s->count--;
    s->spare[s->most - 1 - s->count] = at;
    return number;
}

static void move_up(struct schedule *s, int at, const struct schedule_item *item,
                    double key)
{
    struct waiting *w = &s->item[at];
    struct form *f = &s->form[w->form];
    const bool often = item->visits > 1;

    if (s->newest_first) { // nobody is put off
        leave_list(s, &s->all, at);
        join_list(s, &s->all, at);
    }
    if (key < w->key + step_up && often == w->often) {
        return;
    }
    w->key = fmax(key, w->key);
    w->often = w->often || often;
    if (w->put_off) {
        leave_list(s, &s->put_off, at);
        w->put_off = false;
        s->put_offs--;
        join_list(s, &s->all, at);
    }
    rise_in_form(s, f, at);
    move_form(s, f);
}

uint32_t schedule_put(struct schedule *s, const struct schedule_item *item)
{
    const double visits = item->visits > 0 ? (double)item->visits : 1;
    const double key = log2(visits) + (double)item->last / s->recency;
    struct form *f = &s->form[item->form];
    uint32_t gone = SCHEDULE_NOBODY;

    CHECK(item->form < FORMS_MOST);
    know_number(s, item->number);
    if (s->where[item->number] != 0) {
        move_up(s, s->where[item->number] - 1, item, key);
        return gone;
    }
    if (f->waiting >= s->form_most || (s->count == s->most && f->waiting > 0)) {
        gone = take_out(s, f->list.oldest);
    } else if (s->count == s->most) {
        gone =
            take_out(s, s->put_off.oldest != NONE ? s->put_off.oldest : s->all.oldest);
    }
    const int at = s->spare[s->most - 1 - s->count++];
    s->item[at] = (struct waiting){.number = item->number,
                                   .form = item->form,
                                   .often = item->visits > 1,
                                   .key = key,
                                   .arrival = s->arrivals++,
                                   .child = NONE,
                                   .next = NONE,
                                   .prev = NONE};
    s->where[item->number] = at + 1;
    join_list(s, &s->all, at);
    join_form_list(s, &f->list, at);
    f->root = meld(s, f->root, at);
    f->waiting++;
    move_form(s, f);
    return gone;
}

bool schedule_remove(struct schedule *s, uint32_t number)
{
    if (number >= s->numbers || s->where[number] == 0) {
        return false;
    }
    (void)take_out(s, s->where[number] - 1);
    return true;
}

static void ask(struct schedule *s, int at, uint32_t *number)
{
    struct form *f = &s->form[s->item[at].form];

    f->under_way++;
    *number = take_out(s, at);
}

/* What is to be asked last is put off when its turn comes; each at most once between two
 * times that it comes. */
static int longest(struct schedule *s)
{
    while (s->all.oldest != NONE) {
        const int at = s->all.oldest;
        struct waiting *w = &s->item[at];
        if (w->often || !is_settled(&s->form[w->form])) {
            return at;
        }
        leave_list(s, &s->all, at);
        w->put_off = true;
        s->put_offs++;
        join_list(s, &s->put_off, at);
    }
    return NONE;
}

bool schedule_longest(struct schedule *s, uint32_t keep, uint32_t *number)
{
    if (s->newest_first) {
        return schedule_next(s, number);
    }
    int at = longest(s); // may put others off

    if (s->put_off.oldest != NONE && s->count - s->put_offs <= keep) {
        at = s->put_off.oldest;
    }
    at = at == NONE ? s->put_off.oldest : at;
    if (at != NONE) {
        ask(s, at, number);
    }
    return at != NONE;
}

bool schedule_next(struct schedule *s, uint32_t *number)
{
    if (s->heaped == 0) {
        return false;
    }
    if (s->newest_first) {
        ask(s, s->all.newest, number);
        return true;
    }
    const int at = ++s->asked % SCHEDULE_LONGEST_EVERY == 0 ? longest(s) : NONE;
    ask(s, at != NONE ? at : s->form[s->heap[0]].root, number);
    return true;
}

/* ---- what comes of it ---- */

bool schedule_is_settled(const struct schedule *s, uint32_t form)
{
    CHECK(form < FORMS_MOST);
    return is_settled(&s->form[form]);
}

void schedule_end(struct schedule *s, uint32_t form)
{
    struct form *f = &s->form[form];

    CHECK(form < FORMS_MOST);
    f->under_way -= f->under_way > 0;
    move_form(s, f);
}

void schedule_label(struct schedule *s, uint32_t form, float p)
{
    struct form *f = &s->form[form];

    CHECK(form < FORMS_MOST);
    f->labels++;
    f->yes += p > 0.5f;
    f->sum += p;
    move_form(s, f);
}
