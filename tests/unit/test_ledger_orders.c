/* Verdicts about several captions in the ledger: rows, copies, lines, and what is asked. */
#include "tests/support/harness.h"

#include <math.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/text.h"
#include "learner/store/ledger_copy.h"

static const struct hash128 goal = {1, 2};
static char dir[PATH_MAX_];

static int make_dir(void **state)
{
    (void)state;
    text_format(dir, sizeof(dir), "%s", harness_make_dir());
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    harness_remove_dir(dir);
    return 0;
}

static struct ledger *open_run(const char *name, uint64_t run)
{
    struct ledger *l = NULL;

    assert_int_equal(ledger_open(harness_path(dir, name), run, &l), ST_OK);
    assert_int_equal(ledger_put_environment(l, "crypt-vault"), ST_OK);
    assert_int_equal(ledger_commit(l), ST_OK);
    return l;
}

/* The first word stands before the others, which are equals; "" ends the words. */
static void add_order(struct ledger *l, const char *const *word, bool tie)
{
    struct ledger_entry e = {.goal_digest = goal,
                             .goal = bytes_text("treasure"),
                             .judge = bytes_text("rule"),
                             .question_kind = QUESTION_ORDER,
                             .verdict_kind = tie ? VERDICT_TIE : VERDICT_LABEL,
                             .trains = true,
                             .label = NAN,
                             .confidence = NAN,
                             .position = POSITION_UNKNOWN};

    for (; word[e.captions][0] != '\0'; e.captions++) {
        e.caption[e.captions] = bytes_text(word[e.captions]);
        e.order[e.captions] = !tie && e.captions > 0;
    }
    e.key = ledger_item_key(e.caption, e.captions);
    assert_int_equal(ledger_append(l, &e), ST_OK);
}

static void add_rating(struct ledger *l, const char *caption)
{
    struct ledger_entry e = {.goal_digest = goal,
                             .question_kind = QUESTION_RATE,
                             .verdict_kind = VERDICT_LABEL,
                             .trains = true,
                             .label = 1,
                             .confidence = NAN,
                             .captions = 1,
                             .caption = {bytes_text(caption)}};

    e.key = ledger_item_key(e.caption, 1);
    assert_int_equal(ledger_append(l, &e), ST_OK);
}

struct gathered {
    int entries, training, orders, captions;
    struct hash128 key;
};

static bool gather(void *ctx, const struct ledger_entry *e)
{
    struct gathered *g = ctx;

    g->entries++;
    g->training += e->trains;
    g->orders += e->question_kind == QUESTION_ORDER;
    g->captions += e->captions;
    g->key = e->key;
    for (int i = 0; i < e->captions; i++) {
        const bool first = e->verdict_kind != VERDICT_LABEL || i == 0;
        assert_int_equal(e->order[i],
                         e->question_kind == QUESTION_ORDER ? (first ? 0 : 1) : 0);
    }
    return true;
}

static struct gathered all_of(struct ledger *l)
{
    struct gathered g = {0};

    assert_int_equal(ledger_scan(l, 1, 0, gather, &g), ST_OK);
    return g;
}

static const char *const pair[] = {"gold", "wall", ""};
static const char *const turned[] = {"wall", "gold", ""};
static const char *const three[] = {"gold", "wall", "door", ""};

static void the_key_of_a_set_does_not_depend_on_who_stands_first(void **state)
{
    struct ledger *l = open_run("a", 1);

    (void)state;
    add_order(l, pair, false);
    const struct hash128 one = all_of(l).key;
    add_order(l, turned, false);
    assert_true(hash_equal(all_of(l).key, one));
    const struct hash128 keys[2] = {hash_128(bytes_text("wall")),
                                    hash_128(bytes_text("gold"))};
    assert_true(hash_equal(ledger_set_key(keys, 2), one));
    add_order(l, three, true);
    assert_false(hash_equal(all_of(l).key, one));
    ledger_close(l);
}

static void merged_orders_train_once_for_each_set(void **state)
{
    struct ledger *a = open_run("a", 0xa), *b = open_run("b", 0xb), *all;
    char one[PATH_MAX_], two[PATH_MAX_];
    const char *const names[2] = {one, two};
    struct ledger_copied c;

    (void)state;
    add_order(a, pair, false);
    add_rating(a, "gold");
    add_order(b, turned, false);
    add_order(b, three, true);
    ledger_close(a);
    ledger_close(b);
    text_format(one, sizeof(one), "%s", harness_path(dir, "a"));
    text_format(two, sizeof(two), "%s", harness_path(dir, "b"));
    all = open_run("all", 0xc);
    assert_int_equal(ledger_copy_all(all, names, 2, &c), ST_OK);
    const struct gathered g = all_of(all);
    assert_int_equal(g.entries, 4);
    assert_int_equal(g.training, 3);
    assert_int_equal(g.orders, 3);
    ledger_close(all);
}

static void exported_orders_are_imported_as_they_were(void **state)
{
    struct ledger *a = open_run("a", 0xa), *back;
    char file[PATH_MAX_];
    struct ledger_copied c;

    (void)state;
    add_order(a, three, false);
    add_order(a, pair, true);
    text_format(file, sizeof(file), "%s", harness_path(dir, "a.jsonl"));
    assert_int_equal(ledger_commit(a), ST_OK);
    assert_int_equal(ledger_export(a, file), ST_OK);
    const struct gathered was = all_of(a);
    ledger_close(a);
    back = open_run("back", 0xa);
    assert_int_equal(ledger_copy_exact(back, file, &c), ST_OK);
    const struct gathered is = all_of(back);
    assert_int_equal(is.entries, 2);
    assert_int_equal(is.training, 2);
    assert_int_equal(is.captions, 5);
    assert_true(hash_equal(is.key, was.key));
    ledger_close(back);
}

static void a_run_takes_labels_of_the_kind_that_it_reads(void **state)
{
    struct ledger *a = open_run("a", 0xa), *to = open_run("to", 0xb);
    const struct ledger_wanted rates = {goal, QUESTION_RATE},
                               orders = {goal, QUESTION_ORDER};
    char name[PATH_MAX_];
    struct ledger_copied c;

    (void)state;
    add_order(a, pair, false);
    add_order(a, three, true);
    add_rating(a, "gold");
    ledger_close(a);
    text_format(name, sizeof(name), "%s", harness_path(dir, "a"));
    assert_int_equal(ledger_copy_labels(to, name, &orders, &c), ST_OK);
    assert_int_equal(c.taken, 2);
    assert_int_equal(c.other_kind, 1);
    assert_int_equal(ledger_copy_labels(to, name, &orders, &c), ST_OK);
    assert_int_equal(c.read, 0); // the list was taken
    assert_int_equal(ledger_copy_labels(to, name, &rates, &c), ST_OK);
    assert_int_equal(c.taken, 1);
    assert_int_equal(all_of(to).training, 3);
    ledger_close(to);
    struct ledger *only = open_run("only", 0xc);
    add_order(only, pair, false);
    ledger_close(only);
    text_format(name, sizeof(name), "%s", harness_path(dir, "only"));
    harness_stderr_begin();
    assert_int_equal(ledger_copy_check(name, "crypt-stairs", &rates), ST_INVALID);
    assert_non_null(strstr(harness_stderr_end(),
                           "1 are orders where ratings are read or the other way"));
}

/* ---- what is asked ---- */

struct asked {
    int count;
    uint64_t question[8];
    int captions[8];
    struct hash128 last;
};

static void note(void *ctx, uint64_t question, const struct hash128 *caption,
                 int captions)
{
    struct asked *a = ctx;

    a->question[a->count] = question;
    a->captions[a->count++] = captions;
    a->last = caption[captions - 1];
}

static void questions_under_way_are_known_until_they_are_answered(void **state)
{
    const struct hash128 key[3] = {{1, 2}, {3, 4}, {5, 6}};
    struct ledger *l = open_run("a", 1);
    struct asked a = {0};

    (void)state;
    assert_int_equal(ledger_scan_asked(l, note, &a), ST_OK);
    assert_int_equal(a.count, 0);
    assert_int_equal(ledger_put_asked(l, 77, key, 2), ST_OK);
    assert_int_equal(ledger_put_asked(l, 78, key, 3), ST_OK);
    add_order(l, pair, false);
    assert_int_equal(ledger_commit(l), ST_OK);
    assert_int_equal(ledger_put_asked(l, 79, key, 2), ST_OK);
    ledger_abandon(l); // nothing of the open group was ever there
    ledger_close(l);
    l = open_run("a", 1);
    assert_int_equal(ledger_scan_asked(l, note, &a), ST_OK);
    assert_int_equal(a.count, 2);
    assert_int_equal(a.question[0] + a.question[1], 77 + 78);
    assert_int_equal(a.captions[0] + a.captions[1], 5);
    assert_int_equal(ledger_drop_asked(l, 77), ST_OK);
    assert_int_equal(ledger_drop_asked(l, 4711), ST_OK); // not there
    memset(&a, 0, sizeof(a));
    assert_int_equal(ledger_scan_asked(l, note, &a), ST_OK);
    assert_int_equal(a.count, 1);
    assert_int_equal(a.question[0], 78);
    assert_true(hash_equal(a.last, key[2]));
    assert_int_equal(all_of(l).entries, 1);
    ledger_close(l);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_key_of_a_set_does_not_depend_on_who_stands_first),
        TEST(merged_orders_train_once_for_each_set),
        TEST(exported_orders_are_imported_as_they_were),
        TEST(a_run_takes_labels_of_the_kind_that_it_reads),
        TEST(questions_under_way_are_known_until_they_are_answered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
