/* Ledgers into ledgers: import, merge, and the labels of earlier runs. */
#include "tests/support/harness.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "learner/store/ledger_copy.h"
#include "learner/store/ledger_line.h"
#include "learner/store/ledger_source.h"
#include "learner/store/ledger_tools.h"

static const struct hash128 goal = {1, 2}, other_goal = {3, 4};
static char dir[512];

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

static const char *in(const char *name)
{
    return harness_path(dir, name);
}

static struct ledger *open_run(const char *name, uint64_t run, const char *environment)
{
    struct ledger *l = NULL;

    assert_int_equal(ledger_open(in(name), run, &l), ST_OK);
    assert_int_equal(ledger_put_environment(l, environment), ST_OK);
    assert_int_equal(ledger_commit(l), ST_OK);
    return l;
}

static void add(struct ledger *l, const char *caption, struct hash128 of, float p,
                bool trains)
{
    struct ledger_entry e = {.goal_digest = of,
                             .goal = bytes_text("treasure"),
                             .judge = bytes_text("rule"),
                             .question_kind = QUESTION_RATE,
                             .verdict_kind = VERDICT_LABEL,
                             .trains = trains,
                             .label = p,
                             .confidence = NAN,
                             .captions = 1,
                             .caption = {bytes_text(caption)},
                             .raw = bytes_text("\x01 raw \xff")};

    e.key = ledger_item_key(e.caption, 1);
    assert_int_equal(ledger_append(l, &e), ST_OK);
}

static struct ledger_copied merge(struct ledger *to, const char *a, const char *b)
{
    struct ledger_copied c = {0};
    char one[600], two[600];
    const char *names[2] = {one, two};

    text_format(one, sizeof(one), "%s", in(a));
    text_format(two, sizeof(two), "%s", in(b));
    assert_int_equal(ledger_copy_all(to, names, 2, &c), ST_OK);
    return c;
}

struct gathered {
    char text[4096];
    int entries, training;
};

static bool gather(void *ctx, const struct ledger_entry *e)
{
    struct gathered *g = ctx;
    const size_t len = strlen(g->text);

    g->entries++;
    g->training += e->trains;
    text_format(g->text + len, sizeof(g->text) - len, "%.*s %.2f%s %.*s\n",
                (int)e->caption[0].len, (const char *)e->caption[0].data,
                (double)e->label, e->trains ? "" : " no", (int)e->origin.len,
                (const char *)e->origin.data);
    return true;
}

static struct gathered all_of(struct ledger *l)
{
    struct gathered g = {0};

    assert_int_equal(ledger_scan(l, 1, 0, gather, &g), ST_OK);
    return g;
}

static void merging_keeps_origins_and_one_training_verdict_per_key(void **state)
{
    struct ledger *a = open_run("a", 0xa, "bandit");
    struct ledger *b = open_run("b", 0xb, "bandit"), *all;

    (void)state;
    add(a, "first", goal, 0.25f, true);
    add(a, "second", goal, 0.5f, true);
    add(a, "second", goal, 1, true); // asked anew: the newer one counts
    add(b, "first", goal, 0.75f, true);
    add(b, "first", other_goal, 0, true);
    add(b, "third", goal, 0, false);
    ledger_close(a);
    ledger_close(b);
    all = open_run("all", 0xc, "bandit");
    const struct ledger_copied c = merge(all, "a", "b");
    assert_int_equal(c.read, 6);
    assert_int_equal(c.taken, 6);
    assert_int_equal(c.labels, 3);
    struct gathered g = all_of(all);
    assert_string_equal(g.text, "first 0.25 000000000000000a/1\n"
                                "second 0.50 no 000000000000000a/2\n"
                                "second 1.00 000000000000000a/3\n"
                                "first 0.75 no 000000000000000b/1\n"
                                "first 0.00 000000000000000b/2\n"
                                "third 0.00 no 000000000000000b/3\n");
    // The same again, and by another way, adds nothing.
    assert_int_equal(merge(all, "a", "b").taken, 0);
    ledger_close(all);
    struct ledger *again = open_run("again", 0xd, "bandit");
    assert_int_equal(merge(again, "all", "a").taken, 6);
    g = all_of(again);
    assert_int_equal(g.training, 3);
    assert_non_null(strstr(g.text, "second 1.00 000000000000000a/3\n"));
    ledger_close(again);
}

static void another_environment_or_itself_is_refused_in_a_merge(void **state)
{
    struct ledger *a = open_run("a", 0xa, "bandit");
    struct ledger *b = open_run("b", 0xb, "crypt-vault");
    struct ledger_copied c;
    char name[600], self[600];
    const char *names[1] = {name};

    (void)state;
    add(a, "first", goal, 1, true);
    ledger_close(a);
    text_format(name, sizeof(name), "%s", in("a"));
    harness_stderr_begin();
    assert_int_equal(ledger_copy_all(b, names, 1, &c), ST_INVALID);
    text_format(self, sizeof(self), "%s", in("b"));
    names[0] = self;
    assert_int_equal(ledger_copy_all(b, names, 1, &c), ST_INVALID);
    const char *said = harness_stderr_end();
    assert_non_null(strstr(said, "crypt-vault"));
    assert_non_null(strstr(said, "LEDGER-SELF"));
    assert_int_equal(ledger_top(b), 0);
    assert_string_equal(ledger_environment(b), "crypt-vault");
    ledger_close(b);
}

/* ---- labels of earlier runs ---- */

static struct ledger_copied labels(struct ledger *to, const char *list,
                                   enum status want)
{
    const struct ledger_wanted wanted = {goal, QUESTION_RATE};
    struct ledger_copied c = {0};

    assert_int_equal(ledger_copy_labels(to, list, &wanted, &c), want);
    return c;
}

static void labels_of_one_goal_and_environment_are_taken_once(void **state)
{
    struct ledger *a = open_run("a", 0xa, "crypt-vault");
    struct ledger *b = open_run("b", 0xb, "bandit"), *to;
    char list[2048];

    (void)state;
    add(a, "first", goal, 1, true);
    add(a, "second", goal, 0, true);
    add(a, "third", goal, 0, false);
    add(a, "first", other_goal, 0, true);
    add(b, "fourth", goal, 0, true);
    ledger_close(a);
    ledger_close(b);
    to = open_run("to", 0xc, "crypt-stairs");
    text_format(list, sizeof(list), "%s,%s", in("a"), in("b"));
    const struct ledger_copied c = labels(to, list, ST_OK);
    assert_int_equal(c.read, 5);
    assert_int_equal(c.taken, 2);
    assert_int_equal(c.no_label, 1);
    assert_int_equal(c.other_goal, 1);
    assert_int_equal(c.other_environment, 1);
    assert_string_equal(all_of(to).text, "first 1.00 000000000000000a/1\n"
                                         "second 0.00 000000000000000a/2\n");
    ledger_close(to);
    // A resume reads nothing again: the sources may be gone.
    assert_int_equal(file_remove_tree(in("a")), ST_OK);
    to = open_run("to", 0xc, "crypt-stairs");
    assert_int_equal(labels(to, list, ST_OK).read, 0);
    assert_int_equal(ledger_top(to), 2);
    ledger_close(to);
}

static void none_usable_is_an_error_and_writes_nothing(void **state)
{
    struct ledger *a = open_run("a", 0xa, "bandit"), *to;

    (void)state;
    add(a, "first", other_goal, 1, true);
    ledger_close(a);
    to = open_run("to", 0xc, "bandit");
    harness_stderr_begin();
    labels(to, in("a"), ST_INVALID);
    labels(to, in("nowhere"), ST_NOTFOUND);
    const char *said = harness_stderr_end();
    assert_non_null(strstr(said, "none of the 1 verdicts"));
    assert_non_null(strstr(said, "1 are of another goal"));
    assert_non_null(strstr(said, "LEDGER-NONE"));
    assert_int_equal(ledger_top(to), 0);
    a = open_run("more", 0xa, "bandit");
    add(a, "first", goal, 1, true);
    ledger_close(a);
    assert_int_equal(labels(to, in("more"), ST_OK).taken, 1); // not noted as done
    ledger_close(to);
}

/* ---- files ---- */

static void export_to(const char *name, const char *path)
{
    struct ledger *l = NULL;
    struct ledger_source *s = NULL;

    assert_int_equal(ledger_source_open(in(name), &s), ST_OK);
    const uint64_t run = ledger_source_run(s);
    ledger_source_close(s);
    assert_int_equal(ledger_open(in(name), run, &l), ST_OK);
    assert_int_equal(ledger_export(l, in(path)), ST_OK);
    ledger_close(l);
}

static void read_text(const char *name, char **text)
{
    size_t len;

    assert_int_equal(file_read(in(name), 1 << 20, text, &len), ST_OK);
}

static void an_exported_ledger_is_imported_as_it_was(void **state)
{
    struct ledger *a = open_run("a", 0xa, "bandit");
    char source[600], out[600];

    (void)state;
    add(a, "first", goal, 0.25f, true);
    add(a, "first", goal, 0.75f, true); // asked anew: both keep what they are
    add(a, "second \xe9", other_goal, 0, false);
    ledger_close(a);
    export_to("a", "a.jsonl");
    text_format(source, sizeof(source), "%s", in("a.jsonl"));
    text_format(out, sizeof(out), "%s", in("copy"));
    assert_int_equal(ledger_tools_import(source, out), ST_OK);
    assert_int_equal(ledger_tools_import(source, out), ST_OK); // adds nothing
    export_to("copy", "copy.jsonl");
    char *was, *is;
    read_text("a.jsonl", &was);
    read_text("copy.jsonl", &is);
    assert_string_equal(is, was);
    mem_free(was);
    mem_free(is);
    assert_false(file_exists(in("copy.part")));
}

static void write_file(const char *name, const char *text)
{
    assert_int_equal(file_write_atomic(in(name), bytes_text(text)), ST_OK);
}

static void an_import_with_one_bad_line_writes_nothing_and_names_it(void **state)
{
    struct ledger *a = open_run("a", 0xa, "bandit");
    struct text_buf bad = {0};
    char source[600], out[600];

    (void)state;
    add(a, "first", goal, 1, true);
    add(a, "second", goal, 1, true);
    ledger_close(a);
    export_to("a", "a.jsonl");
    char *good;
    read_text("a.jsonl", &good);
    text_buf_add(&bad, "%s{\"serial\":3}\n", good);
    write_file("bad.jsonl", bad.data);
    text_format(source, sizeof(source), "%s", in("bad.jsonl"));
    text_format(out, sizeof(out), "%s", in("new"));
    harness_stderr_begin();
    assert_int_equal(ledger_tools_import(source, out), ST_CORRUPT);
    assert_non_null(strstr(harness_stderr_end(), "line 4: has no "));
    assert_false(file_exists(out));
    assert_false(file_exists(in("new.part")));
    // Nor into a ledger that is there.
    struct ledger *b = open_run("b", 0xb, "bandit");
    add(b, "third", goal, 1, true);
    ledger_close(b);
    text_format(out, sizeof(out), "%s", in("b"));
    harness_stderr_begin();
    assert_int_equal(ledger_tools_import(source, out), ST_CORRUPT);
    (void)harness_stderr_end();
    assert_int_equal(ledger_open(in("b"), 0xb, &b), ST_OK);
    assert_int_equal(ledger_top(b), 1);
    ledger_close(b);
    mem_free(good);
    text_buf_release(&bad);
}

static void import_fails(const char *text, enum status want, const char *why)
{
    char source[600], out[600];

    write_file("f.jsonl", text);
    text_format(source, sizeof(source), "%s", in("f.jsonl"));
    text_format(out, sizeof(out), "%s", in("new"));
    harness_stderr_begin();
    assert_int_equal(ledger_tools_import(source, out), want);
    const char *said = harness_stderr_end();
    if (strstr(said, why) == NULL) {
        fail_msg("not %s but %s", why, said);
    }
    assert_false(file_exists(out));
}

static void files_that_are_no_ledgers_are_refused(void **state)
{
    static const char head[] = "{\"ledger\":2,\"run\":\"000000000000000a\","
                               "\"environment\":\"bandit\"}\n";
    struct text_buf b = {0};

    (void)state;
    import_fails("", ST_CORRUPT, "empty");
    import_fails("\n", ST_CORRUPT, "line 1");
    import_fails("{\"serial\":1}\n", ST_CORRUPT, "not the head of a ledger");
    import_fails("{\"ledger\":1}\n", ST_VERSION, "schema 1, this program reads 2");
    import_fails("{\"ledger\":2,\"run\":\"a\"}\n", ST_CORRUPT, "run is not 16");
    text_buf_add(&b, "%s{\"serial\":1", head);
    import_fails(b.data, ST_CORRUPT, "line 2: it was cut off");
    text_buf_clear(&b);
    text_buf_add(&b, "%s%s", head, head);
    import_fails(b.data, ST_CORRUPT, "line 2: has a key of no meaning");
    text_buf_release(&b);
}

static void serials_that_do_not_ascend_are_refused(void **state)
{
    struct ledger *a = open_run("a", 0xa, "bandit");
    struct text_buf b = {0};

    (void)state;
    add(a, "first", goal, 1, true);
    add(a, "second", goal, 1, true);
    ledger_close(a);
    export_to("a", "a.jsonl");
    char *text;
    read_text("a.jsonl", &text);
    char *second = strstr(strchr(text, '\n') + 1, "\n") + 1;
    char *first = strchr(text, '\n') + 1;
    text_buf_add(&b, "%.*s%s%.*s", (int)(first - text), text, second,
                 (int)(second - first), first);
    import_fails(b.data, ST_CORRUPT, "serial 1 does not ascend");
    text_buf_release(&b);
    mem_free(text);
}

static void a_ledger_is_found_however_it_is_named(void **state)
{
    struct ledger *a;
    struct ledger_source *s = NULL;
    static const char *const names[] = {"run", "run/ledger", "byhand", "a.jsonl",
                                        "linesonly"};

    (void)state;
    assert_int_equal(file_make_dirs(in("run/ledger")), ST_OK);
    assert_int_equal(file_make_dirs(in("byhand")), ST_OK);
    assert_int_equal(file_make_dirs(in("linesonly/ledger")), ST_OK);
    a = open_run("run/ledger", 0xa, "bandit");
    add(a, "first", goal, 1, true);
    ledger_close(a);
    export_to("run/ledger", "a.jsonl");
    export_to("run/ledger", "linesonly/ledger/verdicts.jsonl");
    char config[700];
    text_format(config, sizeof(config), "store-dir = %s\nenv = bandit\n", in("run"));
    write_file("byhand/config.ini", config);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct gathered g = {0};
        assert_int_equal(ledger_source_open(in(names[i]), &s), ST_OK);
        assert_int_equal(ledger_source_run(s), 0xa);
        assert_string_equal(ledger_source_environment(s), "bandit");
        assert_int_equal(ledger_source_scan(s, 1, 0, gather, &g), ST_OK);
        assert_int_equal(g.entries, 1);
        ledger_source_close(s);
    }
    harness_stderr_begin();
    assert_int_equal(ledger_source_open(in("none"), &s), ST_NOTFOUND);
    assert_int_equal(ledger_source_open(in("."), &s), ST_NOTFOUND);
    assert_non_null(strstr(harness_stderr_end(), "there is no ledger at"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(merging_keeps_origins_and_one_training_verdict_per_key),
        TEST(another_environment_or_itself_is_refused_in_a_merge),
        TEST(labels_of_one_goal_and_environment_are_taken_once),
        TEST(none_usable_is_an_error_and_writes_nothing),
        TEST(an_exported_ledger_is_imported_as_it_was),
        TEST(an_import_with_one_bad_line_writes_nothing_and_names_it),
        TEST(files_that_are_no_ledgers_are_refused),
        TEST(serials_that_do_not_ascend_are_refused),
        TEST(a_ledger_is_found_however_it_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
