#include "judge/backends/llm/prompt.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "judge/backends/llm/parse.h"
#include "tests/support/harness.h"

static char dir[PATH_MAX_];
static const char *const principles[] = {"First principle.", "Second principle."};
static struct judge_goal goal;
static struct prompt *p;
static struct text_buf system_, user;

static const struct judge_caption key = {.text = "You see an iron key.", .len = 20};
static const struct judge_caption three[] = {
    {.text = "A", .len = 1}, {.text = "B", .len = 1}, {.text = "C", .len = 1}};
static const struct judge_question one_key = {.captions = 1, .caption = &key};

static const char good[] = "# a comment\n"
                           "\n"
                           "[system]\n"
                           "Be just. {principles}\n"
                           "[user]\n"
                           "\n"
                           "In {environment}, {goal} {\"x\": {1}} {X}\n"
                           "{item}\n"
                           "{format}\n"
                           "\n"
                           "[text]\n"
                           "As text.\n"
                           "[schema]\n"
                           "As {\"answer\": 1}.\n"
                           "[reminder]\n"
                           "Again. {format}\n";

static int set_up(void **state)
{
    (void)state;
    goal = (struct judge_goal){.name = "treasure",
                               .sentence = "Find the treasure.",
                               .principles = principles,
                               .principle_count = 2,
                               .task = "crypt-vault",
                               .family = "crypt",
                               .text = ""};
    p = NULL;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    prompt_free(p);
    return 0;
}

static enum status open_ours(const char *style, bool reasoning)
{
    const struct prompt_options o = {style, reasoning, ""};

    prompt_free(p);
    p = NULL;
    return prompt_open(&goal, &o, &p);
}

static const char *file_path(void)
{
    return harness_path(dir, "mine.prompt");
}

static enum status open_file(const char *text)
{
    const struct prompt_options o = {"binary", false, file_path()};

    prompt_free(p);
    p = NULL;
    assert_int_equal(file_write_atomic(file_path(), bytes_text(text)), ST_OK);
    return prompt_open(&goal, &o, &p);
}

/* Opens `good` with `from` replaced, expects an error that holds `error`. */
static void broken(const char *from, const char *to, const char *error)
{
    char text[2048];
    const char *at = strstr(good, from);

    assert_non_null(at);
    (void)snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - good), good, to,
                   at + strlen(from));
    harness_stderr_begin();
    const enum status st = open_file(text);
    const char *said = harness_stderr_end();
    assert_int_equal(st, ST_INVALID);
    assert_null(p);
    if (strstr(said, error) == NULL || strstr(said, "mine.prompt") == NULL) {
        fail_msg("wanted %s, was %s", error, said);
    }
}

/* ---- files ---- */

static void slots_are_filled_and_other_braces_stay(void **state)
{
    (void)state;
    goal.family = "bandit";
    assert_int_equal(open_file(good), ST_OK);
    prompt_fill(p, &one_key, NULL, &system_, &user);
    assert_string_equal(system_.data,
                        "Be just. - First principle.\n- Second principle.");
    assert_true(strncmp(user.data, "In A strongbox with six levers.", 31) == 0);
    assert_non_null(strstr(user.data, "did., Find the treasure. {\"x\": {1}} {X}\n"
                                      "<caption>\nYou see an iron key.\n</caption>\n"
                                      "As text."));
    assert_string_equal(prompt_reminder(p), "Again. As text.");
}

static void what_is_said_of_answering_follows_the_mode(void **state)
{
    (void)state;
    assert_int_equal(open_file(good), ST_OK);
    prompt_set_mode(p, MODE_SCHEMA);
    prompt_fill(p, &one_key, NULL, &system_, &user);
    assert_non_null(strstr(user.data, "</caption>\nAs {\"answer\": 1}."));
    assert_string_equal(prompt_reminder(p), "Again. As {\"answer\": 1}.");
    prompt_set_mode(p, MODE_CHOICE); // has no section of its own
    assert_string_equal(prompt_reminder(p), "Again. As text.");
}

static void lines_may_end_as_on_windows(void **state)
{
    static char text[2 * sizeof(good)];
    size_t len = 0;

    (void)state;
    for (const char *c = good; *c != '\0'; c++) {
        if (*c == '\n') {
            text[len++] = '\r';
        }
        text[len++] = *c;
    }
    text[len] = '\0';
    assert_int_equal(open_file(text), ST_OK);
    assert_string_equal(prompt_reminder(p), "Again. As text.");
}

static void a_broken_file_is_refused_with_what_is_wrong(void **state)
{
    (void)state;
    broken("{item}", "", "[user] has no slot {item}");
    broken("{item}", "{items}",
           "line 8: there is no slot {items}; did you mean {item}?");
    broken("{item}", "{zzzzzzzz}", "there are {item}, {goal}, {principles}");
    broken("{item}", "{item}\n{item}", "line 9: the slot {item} stands here a second");
    broken("{principles}", "{item}",
           "line 4: the slot {item} cannot stand in [system]");
    broken("Again.", "{goal}", "line 16: the slot {goal} cannot stand in [reminder]");
    broken("As text.", "{format}", "line 12: the slot {format} cannot stand in [text]");
    broken("{goal}", "", "no section has a slot {goal}");
    broken("[user]", "", "has no section [user]");
    broken("[user]", "[usr]",
           "line 5: there is no section [usr]; did you mean [user]?");
    broken("[reminder]\nAgain. {format}", "", "has no section [reminder]");
    broken("Again. {format}", " \n", "has no section [reminder]");
    broken("[text]\nAs text.", "", "has no section [text]");
    broken("[schema]", "[text]", "line 13: this section is there already");
    broken("# a", "a", "line 1: text before the first section");
    broken("Be just", "Be \xff just", "is not UTF-8 text");
    broken("Be just", "Between <caption-1> and", "<caption");
    broken("In {env", "</caption> in {env", "</caption");
}

static void a_file_that_is_missing_empty_or_too_large_is_refused(void **state)
{
    const struct prompt_options none = {"binary", false, "/nowhere/my.prompt"};
    char *big = mem_new(70000, 1);

    (void)state;
    memset(big, 'a', 69999);
    harness_stderr_begin();
    assert_int_equal(prompt_open(&goal, &none, &p), ST_NOTFOUND);
    assert_non_null(strstr(harness_stderr_end(), "/nowhere/my.prompt"));
    harness_stderr_begin();
    assert_int_equal(open_file(""), ST_INVALID);
    assert_int_equal(open_file("\n\n"), ST_INVALID);
    assert_int_equal(open_file(big), ST_FULL);
    harness_stderr_end();
    assert_int_equal(file_write_atomic(file_path(), bytes_of("[user]\n\0", 8)), ST_OK);
    const struct prompt_options zero = {"binary", false, file_path()};
    harness_stderr_begin();
    assert_int_equal(prompt_open(&goal, &zero, &p), ST_INVALID);
    assert_non_null(strstr(harness_stderr_end(), "is not UTF-8"));
    mem_free(big);
}

static void an_unknown_style_is_refused_with_the_nearest(void **state)
{
    (void)state;
    harness_stderr_begin();
    assert_int_equal(open_ours("grade", false), ST_INVALID);
    assert_non_null(
        strstr(harness_stderr_end(), "no style grade; did you mean graded?"));
    harness_stderr_begin();
    assert_int_equal(open_ours("", false), ST_INVALID);
    assert_non_null(strstr(harness_stderr_end(), "binary, graded, pair and order"));
}

static void a_goal_that_is_no_utf8_is_refused(void **state)
{
    (void)state;
    goal.sentence = "Find the \xe9.";
    harness_stderr_begin();
    assert_int_equal(open_ours("binary", false), ST_INVALID);
    assert_non_null(strstr(harness_stderr_end(), "goal treasure is not UTF-8"));
}

/* ---- ours ---- */

static void ours_hold_the_goal_and_the_environment(void **state)
{
    static const char *const families[][2] = {{"crypt", "of a crypt"},
                                              {"nethack", "NetHack"},
                                              {"bandit", "strongbox"},
                                              {"chain", "ladder"}};

    (void)state;
    for (int k = 0; k < 2 * STYLES; k++) {
        for (size_t f = 0; f < 4; f++) {
            goal.family = families[f][0];
            const enum prompt_style style = (enum prompt_style)(k / 2);
            const int count = style == STYLE_PAIR ? 2 : style == STYLE_ORDER ? 3 : 1;
            const struct judge_question q = {.captions = count, .caption = three};
            assert_int_equal(open_ours(prompt_style_name(style), k % 2 == 1), ST_OK);
            assert_int_equal(prompt_style_of(p), style);
            prompt_fill(p, &q, NULL, &system_, &user);
            assert_non_null(strstr(user.data, "\nGoal: Find the treasure.\n"
                                              "- First principle.\n- Second"));
            assert_non_null(strstr(user.data, families[f][1]));
            assert_non_null(strstr(prompt_reminder(p), "<answer>"));
        }
    }
}

static void zeroknowledge_says_nothing_of_the_environment(void **state)
{
    (void)state;
    goal.name = "zeroknowledge";
    assert_int_equal(open_ours("binary", false), ST_OK);
    prompt_fill(p, &one_key, NULL, &system_, &user);
    assert_null(strstr(user.data, "crypt"));
    assert_non_null(strstr(user.data, "Nothing is known of it"));
}

static void an_environment_without_a_description_is_told_and_goes_on(void **state)
{
    (void)state;
    goal.family = "mygame";
    harness_stderr_begin();
    assert_int_equal(open_ours("binary", false), ST_OK);
    assert_non_null(strstr(harness_stderr_end(), "mygame.about"));
    prompt_fill(p, &one_key, NULL, &system_, &user);
    assert_non_null(strstr(user.data, "Nothing is known of it"));
}

static void captions_stand_in_the_order_in_which_they_are_shown(void **state)
{
    const struct judge_question q = {.captions = 3, .caption = three};

    (void)state;
    assert_int_equal(open_ours("order", false), ST_OK);
    prompt_fill(p, &q, (const uint8_t[]){2, 0, 1}, &system_, &user);
    assert_non_null(strstr(user.data, "<caption-1>\nC\n</caption-1>\n"
                                      "<caption-2>\nA\n</caption-2>\n"
                                      "<caption-3>\nB\n</caption-3>\n"));
    prompt_fill(p, &q, NULL, &system_, &user);
    assert_non_null(strstr(user.data, "<caption-1>\nA\n"));
}

/* ---- what the server is told of answers ---- */

/* Any choice is read by parse_choice(), the same as a value of the schema's list. */
static void check_choices(enum prompt_style style, int captions, int wanted)
{
    const char *words[16];
    struct text_buf schema = {0};
    struct parsed got;
    char answer[64];

    assert_int_equal(open_ours(prompt_style_name(style), false), ST_OK);
    const int count = prompt_choices(p, captions, words, 16);
    assert_int_equal(count, wanted);
    prompt_schema(p, captions, &schema);
    json_t *root = json_loads(schema.data, JSON_REJECT_DUPLICATES, NULL);
    const json_t *value =
        json_object_get(json_object_get(root, "properties"), "answer");
    const json_t *list = json_object_get(value, "enum");
    assert_int_equal(json_array_size(list), wanted);
    assert_int_equal(json_object_get(value, "pattern") != NULL, wanted == 0);
    for (int i = 0; i < count; i++) {
        char *dumped = json_dumps(json_array_get(list, (size_t)i), JSON_ENCODE_ANY);
        parse_choice(style, captions, bytes_text(words[i]), &got);
        assert_true(got.ok);
        (void)snprintf(answer, sizeof(answer), "{\"answer\":%s}", dumped);
        struct parsed same;
        parse_structured(style, captions, bytes_text(answer), &same);
        assert_true(same.ok && same.p == got.p && same.hard == got.hard);
        assert_memory_equal(same.rank, got.rank, sizeof(got.rank));
        for (int k = 0; k < i; k++) {
            assert_string_not_equal(words[k], words[i]);
        }
        free(dumped);
    }
    json_decref(root);
    text_buf_release(&schema);
}

static void choices_and_schemas_list_the_same_answers(void **state)
{
    (void)state;
    check_choices(STYLE_BINARY, 1, 2);
    check_choices(STYLE_GRADED, 1, 11);
    check_choices(STYLE_PAIR, 2, 3);
    check_choices(STYLE_ORDER, 2, 3);
    check_choices(STYLE_ORDER, 3, 13);
    check_choices(STYLE_ORDER, 4, 0);
    check_choices(STYLE_ORDER, 8, 0);
}

static void reasoning_comes_first_in_the_schema_and_rules_out_choices(void **state)
{
    const char *words[16];
    struct text_buf schema = {0};

    (void)state;
    assert_int_equal(open_ours("binary", true), ST_OK);
    assert_int_equal(prompt_choices(p, 1, words, 16), 0);
    prompt_schema(p, 1, &schema);
    assert_string_equal(
        schema.data,
        "{\"type\":\"object\",\"properties\":{\"reasoning\":{\"type\":\"string\"},"
        "\"answer\":{\"type\":\"string\",\"enum\":[\"yes\",\"no\"]}},"
        "\"required\":[\"reasoning\",\"answer\"],\"additionalProperties\":false}");
    assert_int_equal(open_ours("graded", false), ST_OK);
    assert_int_equal(prompt_choices(p, 1, words, 10), 0); // no room
    text_buf_release(&schema);
}

/* ---- digest ---- */

static struct hash128 digest(const char *style, bool reasoning, const char *decoding)
{
    assert_int_equal(open_ours(style, reasoning), ST_OK);
    return prompt_digest(p, bytes_text(decoding));
}

static void the_digest_is_of_all_but_the_captions(void **state)
{
    struct hash128 seen[16];
    int n = 0;

    (void)state;
    seen[n++] = digest("binary", false, "votes 1");
    prompt_fill(p, &one_key, NULL, &system_, &user);
    assert_true(hash_equal(prompt_digest(p, bytes_text("votes 1")), seen[0]));
    assert_true(hash_equal(digest("binary", false, "votes 1"), seen[0]));
    prompt_set_mode(p, MODE_SCHEMA);
    seen[n++] = prompt_digest(p, bytes_text("votes 1"));
    seen[n++] = digest("binary", false, "votes 3");
    seen[n++] = digest("binary", true, "votes 1");
    seen[n++] = digest("graded", false, "votes 1");
    seen[n++] = digest("pair", false, "votes 1");
    seen[n++] = digest("order", false, "votes 1");
    goal.family = "nethack";
    seen[n++] = digest("binary", false, "votes 1");
    goal.family = "crypt";
    goal.sentence = "Find the stairs.";
    seen[n++] = digest("binary", false, "votes 1");
    goal.sentence = "Find the treasure.";
    goal.principle_count = 1;
    seen[n++] = digest("binary", false, "votes 1");
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < i; k++) {
            assert_false(hash_equal(seen[i], seen[k]));
        }
    }
}

static void each_section_of_a_file_is_in_the_digest(void **state)
{
    static const char *const words[] = {"Be just", "In {env", "As text", "Again"};
    char text[2048];

    (void)state;
    assert_int_equal(open_file(good), ST_OK);
    const struct hash128 whole = prompt_digest(p, bytes_text(""));
    for (size_t i = 0; i < 4; i++) {
        const char *at = strstr(good, words[i]);
        (void)snprintf(text, sizeof(text), "%.*sx%s", (int)(at - good), good, at);
        assert_int_equal(open_file(text), ST_OK);
        assert_false(hash_equal(prompt_digest(p, bytes_text("")), whole));
    }
    // Not a comment's, nor that of a section that the mode does not use.
    (void)snprintf(text, sizeof(text), "# another\n%s", good);
    assert_int_equal(open_file(text), ST_OK);
    assert_true(hash_equal(prompt_digest(p, bytes_text("")), whole));
}

static void filling_allocates_nothing_once_its_buffers_have_grown(void **state)
{
    (void)state;
    assert_int_equal(open_ours("binary", true), ST_OK);
    prompt_fill(p, &one_key, NULL, &system_, &user);
    const uint64_t before = mem_allocations();
    for (int i = 0; i < 1000; i++) {
        prompt_fill(p, &one_key, NULL, &system_, &user);
    }
    assert_int_equal(mem_allocations(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(slots_are_filled_and_other_braces_stay),
        TEST(what_is_said_of_answering_follows_the_mode),
        TEST(lines_may_end_as_on_windows),
        TEST(a_broken_file_is_refused_with_what_is_wrong),
        TEST(a_file_that_is_missing_empty_or_too_large_is_refused),
        TEST(an_unknown_style_is_refused_with_the_nearest),
        TEST(a_goal_that_is_no_utf8_is_refused),
        TEST(ours_hold_the_goal_and_the_environment),
        TEST(zeroknowledge_says_nothing_of_the_environment),
        TEST(an_environment_without_a_description_is_told_and_goes_on),
        TEST(captions_stand_in_the_order_in_which_they_are_shown),
        TEST(choices_and_schemas_list_the_same_answers),
        TEST(reasoning_comes_first_in_the_schema_and_rules_out_choices),
        TEST(the_digest_is_of_all_but_the_captions),
        TEST(each_section_of_a_file_is_in_the_digest),
        TEST(filling_allocates_nothing_once_its_buffers_have_grown),
#undef TEST
    };

    strcpy(dir, harness_make_dir());
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    text_buf_release(&system_);
    text_buf_release(&user);
    harness_remove_dir(dir);
    return failed;
}
