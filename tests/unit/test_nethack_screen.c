/* The screen, the prompts, the captions, the status rows and the tasks of NetHack, from
 * bytes and screens alone: no game runs here. golden/nethack-play.ttyrec is 150 steps of
 * a real game; nethack-play.txt is what libvterm 0.1.4 shows at its end (24 rows of
 * characters, 24 of colours in base 32, the cursor). */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actor/env.h"
#include "actor/envs/nethack/bottom.h"
#include "actor/envs/nethack/demand.h"
#include "actor/envs/nethack/keys.h"
#include "actor/envs/nethack/nethack_tasks.h"
#include "actor/envs/nethack/terminal.h"
#include "actor/envs/nethack/xlog.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "tests/support/harness.h"

static struct terminal t;

static void show(const char *bytes)
{
    terminal_write(&t, bytes, strlen(bytes));
}

static void start(void)
{
    terminal_init(&t);
}

static char *golden(const char *name, size_t *len)
{
    char path[512];
    char *data = NULL;

    (void)snprintf(path, sizeof(path), "%s/tests/golden/%s", getenv("MINOS_SOURCE"),
                   name);
    assert_int_equal(file_read(path, 1 << 20, &data, len), ST_OK);
    return data;
}

/* Plays the frames of a ttyrec in pieces of at most `piece` bytes. */
static void play_record(size_t piece)
{
    size_t len = 0;
    char *data = golden("nethack-play.ttyrec", &len);

    start();
    for (size_t at = 0; at + 12 <= len;) {
        uint32_t size = 0;
        memcpy(&size, data + at + 8, sizeof(size));
        at += 12;
        for (size_t done = 0; done < size; done += piece) {
            const size_t n = size - done < piece ? size - done : piece;
            terminal_write(&t, data + at + done, n);
        }
        at += size;
    }
    mem_free(data);
}

static void expect_golden_screen(void)
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuv";
    size_t len = 0;
    char *text = golden("nethack-play.txt", &len);
    const char *line = text;
    int row = 0, col = 0;

    for (int r = 0; r < TERMINAL_ROWS; r++, line += TERMINAL_COLS + 1) {
        assert_memory_equal(t.chars[r], line, TERMINAL_COLS);
    }
    for (int r = 0; r < TERMINAL_ROWS; r++, line += TERMINAL_COLS + 1) {
        for (int c = 0; c < TERMINAL_COLS; c++) {
            if (t.chars[r][c] != ' ') {
                assert_int_equal(digits[t.colors[r][c]], line[c]);
            }
        }
    }
    assert_int_equal(sscanf(line, "cursor %d %d", &row, &col), 2);
    assert_int_equal(t.row, row);
    assert_int_equal(t.col, col);
    mem_free(text);
}

static void a_recorded_game_shows_what_libvterm_shows(void **state)
{
    (void)state;
    play_record(1 << 16);
    expect_golden_screen();
}

static void sequences_may_be_cut_anywhere(void **state)
{
    (void)state;
    play_record(1);
    expect_golden_screen();
    play_record(7);
    expect_golden_screen();
}

static void the_last_column_wraps_with_the_next_character(void **state)
{
    (void)state;
    start();
    for (int i = 0; i < TERMINAL_COLS; i++) {
        show("x");
    }
    assert_int_equal(t.row, 0);
    assert_int_equal(t.col, TERMINAL_COLS - 1);
    show("y");
    assert_int_equal(t.chars[1][0], 'y');
    assert_int_equal(t.row, 1);
}

static void colours_are_numbered_as_nle_does(void **state)
{
    (void)state;
    start();
    show("a\x1b[31mb\x1b[1mc\x1b[0m\x1b[7md \x1b[0m\x1b[1m\x1b[34me\x1b[39;49mf");
    const uint8_t want[] = {7, 1, 9, 7 + 16, 16, 12, 15};
    assert_memory_equal(t.colors[0], want, sizeof(want));
}

static void any_bytes_leave_the_cursor_on_the_screen(void **state)
{
    struct rng r;

    (void)state;
    start();
    rng_init(&r, 5);
    for (int i = 0; i < 200000; i++) {
        static const char some[] =
            "\x1b\x1b\x1b[[[;;;0123456789ABCDGHJKmdMfhl?\n\r\b\t x";
        char c = some[rng_below(&r, sizeof(some) - 1)];
        if (rng_below(&r, 8) == 0) {
            c = (char)rng_below(&r, 256);
        }
        terminal_write(&t, &c, 1);
        assert_in_range(t.row, 0, TERMINAL_ROWS - 1);
        assert_in_range(t.col, 0, TERMINAL_COLS - 1);
    }
}

static enum demand demand_of(const char *bytes, char text[DEMAND_TEXT_MAX])
{
    start();
    show(bytes);
    const enum demand p = demand_read(&t);
    (void)demand_message(&t, p, text);
    return p;
}

static void prompts_are_told_apart(void **state)
{
    char text[DEMAND_TEXT_MAX];

    (void)state;
    assert_int_equal(demand_of("You see here a dagger.\x1b[12;40H", text),
                     DEMAND_COMMAND);
    assert_string_equal(text, "You see here a dagger.");
    assert_int_equal(demand_of("The newt bites!  You die...--More--", text),
                     DEMAND_MORE);
    assert_string_equal(text, "The newt bites! You die...");
    assert_int_equal(demand_of("Really attack the kitten? [yn] (n) ", text),
                     DEMAND_CHOICE);
    assert_string_equal(text, "Really attack the kitten? [yn] (n)");
    assert_int_equal(demand_of("In what direction? ", text), DEMAND_CHOICE);
    assert_int_equal(demand_of("What do you want to name it? ", text), DEMAND_TEXT);
    assert_int_equal(demand_of("\x1b[5;21H(end) ", text), DEMAND_MENU);
    assert_string_equal(text, "");
    assert_int_equal(demand_of("\x1b[22;41H(1 of 12)", text), DEMAND_MENU);
    assert_int_equal(demand_of("\x1b[22;41H(of 12)\x1b[12;4H", text), DEMAND_COMMAND);
    assert_int_equal(
        demand_of("Where do you want to be? (For instructions type a ?)\x1b[9;9H",
                  text),
        DEMAND_POSITION);
}

static void a_window_over_the_map_is_read_from_its_first_column(void **state)
{
    char text[DEMAND_TEXT_MAX];

    (void)state;
    assert_int_equal(
        demand_of("\x1b[1;31H Things that are here:\x1b[2;1H------\x1b[2;31H "
                  "12 rocks\x1b[3;1H|....|\x1b[3;31H 2 yellow gems"
                  "\x1b[4;1H|....|\x1b[4;31H --More--",
                  text),
        DEMAND_MORE);
    assert_string_equal(text, "Things that are here: 12 rocks 2 yellow gems");
}

static void a_message_of_two_rows_is_one_message(void **state)
{
    char text[DEMAND_TEXT_MAX];

    (void)state;
    assert_int_equal(demand_of("The voice of Chih Sung-tzu booms:\r\n"
                               "\"Thou must relearn thy lessons!\"--More--",
                               text),
                     DEMAND_MORE);
    assert_string_equal(text,
                        "The voice of Chih Sung-tzu booms: \"Thou must relearn thy "
                        "lessons!\"");
}

static int key_at(struct keys *k, const char *bytes)
{
    enum demand p;

    start();
    show(bytes);
    return keys_next(k, &t, &p);
}

static void pages_are_turned_and_joined_into_one_caption(void **state)
{
    struct keys k;

    (void)state;
    keys_init(&k);
    assert_int_equal(keys_begin(&k, '>'), '>');
    assert_int_equal(key_at(&k, "You descend the stairs.--More--"), ' ');
    assert_int_equal(key_at(&k, "You see here a rock.\x1b[9;9H"), KEYS_STOP);
    assert_string_equal(k.caption, "You descend the stairs. You see here a rock.");
    assert_int_equal(keys_begin(&k, 's'), 's');
    assert_string_equal(k.caption, "");
}

static void questions_of_nle_and_oni_stay_the_agents(void **state)
{
    struct keys k;

    (void)state;
    keys_init(&k);
    (void)keys_begin(&k, 'e');
    assert_int_equal(key_at(&k, "What do you want to eat? [b or ?*] "), KEYS_STOP);
    assert_true(k.kept);
    assert_int_equal(key_at(&k, "What do you want to drink? [b or ?*] "), KEYS_STOP);
    assert_int_equal(key_at(&k, "In what direction? "), KEYS_STOP);
    assert_int_equal(key_at(&k, "Are you sure you want to pray? [yn] (n) "), KEYS_STOP);
    assert_int_equal(key_at(&k, "Really attack it? [yn] (n) "), KEYS_STOP);
    assert_int_equal(key_at(&k, "Still climb? [yn] (n) "), 27);
    assert_int_equal(key_at(&k, "Call a ruby potion: "), 27);
}

static void an_answered_question_is_not_said_twice(void **state)
{
    struct keys k;

    (void)state;
    keys_init(&k);
    (void)keys_begin(&k, '<');
    assert_int_equal(key_at(&k, "Still climb? [yn] (n) "), 27);
    assert_int_equal(key_at(&k, "Still climb? [yn] (n) n\x1b[9;9H"), KEYS_STOP);
    assert_string_equal(k.caption, "Still climb? [yn] (n)");
}

static void cast_takes_the_first_spell_and_only_from_the_menu(void **state)
{
    struct keys k;

    (void)state;
    keys_init(&k);
    (void)keys_begin(&k, 'Z');
    assert_int_equal(key_at(&k, "Choose which spell to cast\x1b[5;1H(end) "), 'a');
    assert_int_equal(key_at(&k, "In what direction? "), KEYS_STOP);
    (void)keys_begin(&k, 'Z');
    assert_int_equal(key_at(&k, "You don't know any spells right now.\x1b[9;9H"),
                     KEYS_STOP);
}

static void a_skill_that_can_grow_is_enhanced(void **state)
{
    struct keys k;

    (void)state;
    keys_init(&k);
    (void)keys_begin(&k, 'h');
    assert_int_equal(
        key_at(&k, "You feel more confident in your martial arts skills.--More--"),
        ' ');
    assert_int_equal(key_at(&k, "\x1b[9;9H"), 0xe5);
    assert_int_equal(key_at(&k, "Pick a skill to advance:\x1b[5;1H(end) "), 'a');
    assert_int_equal(key_at(&k, "\x1b[9;9H"), KEYS_STOP);
}

static void a_full_caption_keeps_the_stairs(void **state)
{
    struct keys k;
    char page[128];

    (void)state;
    keys_init(&k);
    (void)keys_begin(&k, '>');
    for (int i = 0; i < 6; i++) {
        (void)snprintf(page, sizeof(page),
                       "Message %d fills a good part of the row, as they do.--More--",
                       i);
        assert_int_equal(key_at(&k, page), ' ');
    }
    assert_int_equal(k.caption_len, KEYS_CAPTION_MAX);
    assert_int_equal(key_at(&k, "You descend the stairs.\x1b[9;9H"), KEYS_STOP);
    assert_string_equal(k.caption, "You descend the stairs.");
}

static void the_status_rows_become_blstats(void **state)
{
    int32_t s[ENV_STATS] = {0};

    (void)state;
    start();
    show("\x1b[23;1HAgent the St: Grasshopper  St:18/07 Dx:16 Co:18 In:7 Wi:8 Ch:9 "
         "Lawful"
         "\x1b[24;1HDlvl:12 $:345 HP:14(24) Pw:4(5) AC:-3 Xp:7/640 T:2881 Hungry "
         "Burdened "
         "Conf Hallu");
    assert_true(bottom_read(&t, s));
    const int32_t want[ENV_STATS] = {0, 0,   19,   25, 16,  18, 7,  8,     9,
                                     0, 14,  24,   12, 345, 4,  5,  -3,    0,
                                     7, 640, 2881, 2,  1,   0,  12, 0x300, 1};
    for (int i = 0; i < ENV_STATS; i++) {
        assert_int_equal(s[i], want[i]);
    }
    start();
    show("\x1b[24;1H(end) ");
    assert_false(bottom_read(&t, s));
    assert_int_equal(s[STAT_HP], 14);
}

static void strength_is_counted_as_nethack_does(void **state)
{
    static const struct {
        const char *text;
        int32_t of125, of25;
    } cases[] = {{"9", 9, 9},       {"18", 18, 18},     {"18/01", 19, 19},
                 {"18/50", 68, 20}, {"18/**", 118, 21}, {"19", 119, 21},
                 {"22", 122, 22},   {"25", 125, 25}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int32_t s[ENV_STATS] = {0};
        char row[128];

        start();
        (void)snprintf(
            row, sizeof(row),
            "\x1b[23;1HAgent  St:%s Dx:9 Chaotic\x1b[24;1HHome 2 $:0 HP:1(1)",
            cases[i].text);
        show(row);
        s[STAT_DEPTH] = 11;
        assert_true(bottom_read(&t, s));
        assert_int_equal(s[STAT_STR125], cases[i].of125);
        assert_int_equal(s[STAT_STR25], cases[i].of25);
        assert_int_equal(s[STAT_ALIGN], -1);
        assert_int_equal(s[STAT_DEPTH], 11);
    }
}

static void stairs_are_done_on_their_level_by_the_stairs(void **state)
{
    struct env_obs o = {.stats = {0}};
    const struct nethack_task *task = nethack_task_find("nethack-stairs3");

    (void)state;
    strcpy((char *)o.caption, "You descend the stairs. You hear a door open.");
    o.stats[STAT_DEPTH] = 2;
    assert_false(nethack_task_done(task, &o));
    o.stats[STAT_DEPTH] = 4; // past it through a hole
    assert_false(nethack_task_done(task, &o));
    o.stats[STAT_DEPTH] = 3;
    assert_true(nethack_task_done(task, &o));
    strcpy((char *)o.caption, "A trap door opens up under you!");
    assert_false(nethack_task_done(task, &o));
}

static void the_oracle_is_the_blue_human_in_the_middle(void **state)
{
    static struct env_obs o;
    const struct nethack_task *task = nethack_task_find("nethack-oracle");
    const struct nethack_task *sober = nethack_task_find("nethack-oracle-sober");

    (void)state;
    o.chars[12][39] = '@';
    o.colors[12][39] = 12;
    o.stats[STAT_DEPTH] = 7;
    o.hero_row = 13;
    o.hero_col = 38;
    assert_true(nethack_task_done(task, &o));
    assert_true(nethack_task_done(sober, &o));
    o.stats[STAT_CONDITION] = CONDITION_HALLUCINATING;
    assert_true(nethack_task_done(task, &o));
    assert_false(nethack_task_done(sober, &o));
    o.hero_row = 14;
    assert_false(nethack_task_done(task, &o));
    o.hero_row = 11;
    o.colors[12][39] = 15; // a human who is no Oracle
    assert_false(nethack_task_done(task, &o));
    o.colors[12][39] = 12;
    o.stats[STAT_DEPTH] = 4;
    assert_false(nethack_task_done(task, &o));
}

static void the_eat_action_takes_what_is_offered_first(void **state)
{
    (void)state;
    assert_int_equal(nethack_task_key(8, true, "What do you want to eat? [bd or ?*]"),
                     'b');
    assert_int_equal(nethack_task_key(3, true, "What do you want to drink? [f or ?*]"),
                     ' ');
    assert_int_equal(nethack_task_key(8, true, "What do you want to eat? [- or ?*]"),
                     ' ');
    assert_int_equal(
        nethack_task_key(8, true, "There is a newt here; eat it? [ynq] (n)"), 'y');
    assert_int_equal(nethack_task_key(8, false, "What do you want to eat? [bd or ?*]"),
                     'y');
    assert_int_equal(nethack_task_key(25, false, ""), 0xf0);
    assert_int_equal(nethack_task_key(22, false, ""), 's');
    assert_int_equal(nethack_task_key(0, false, ""), 13);
}

static void characters_that_the_game_does_not_know_are_refused(void **state)
{
    const char *out[4];

    (void)state;
    assert_int_equal(nethack_character_parse("mon-hum-neu-mal", out), ST_OK);
    assert_string_equal(out[0], "Monk");
    assert_string_equal(out[2], "male");
    assert_int_equal(nethack_character_parse("wiz", out), ST_OK);
    assert_string_equal(out[1], "random");
    assert_int_equal(nethack_character_parse("random", out), ST_OK);
    harness_stderr_begin();
    assert_int_equal(nethack_character_parse("sam-elf", out), ST_INVALID);
    assert_int_equal(nethack_character_parse("wiz-orc-neu", out), ST_INVALID);
    assert_int_equal(nethack_character_parse("val-mal", out), ST_INVALID);
    assert_int_equal(nethack_character_parse("smurf", out), ST_INVALID);
    assert_int_equal(nethack_character_parse("", out), ST_INVALID);
    assert_non_null(strstr(harness_stderr_end(), "smurf"));
}

static void the_score_is_what_botl_counts(void **state)
{
    (void)state;
    assert_int_equal(nethack_score(0, 1, -30), 0);
    assert_int_equal(nethack_score(7, 3, 12), 28 + 100 + 12);
    assert_int_equal(nethack_score(0, 25, 0), 1200 + 5000);
    assert_int_equal(nethack_score(0, 31, 0), 1500 + 10000);
}

static void the_last_words_are_read_from_xlogfile(void **state)
{
    struct xlog x;

    (void)state;
    xlog_parse("version=3.6.6\tpoints=1234\tdeathdnum=0\tmaxlvl=4\tname=Agent\tdeath="
               "killed by a jackal\tturns=512",
               &x);
    assert_int_equal(x.points, 1234);
    assert_int_equal(x.deepest, 4);
    assert_string_equal(x.death, "killed by a jackal");
    xlog_parse("points=x\tdeath", &x);
    assert_int_equal(x.points, 0);
    assert_string_equal(x.death, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_recorded_game_shows_what_libvterm_shows),
        cmocka_unit_test(sequences_may_be_cut_anywhere),
        cmocka_unit_test(the_last_column_wraps_with_the_next_character),
        cmocka_unit_test(colours_are_numbered_as_nle_does),
        cmocka_unit_test(any_bytes_leave_the_cursor_on_the_screen),
        cmocka_unit_test(prompts_are_told_apart),
        cmocka_unit_test(a_window_over_the_map_is_read_from_its_first_column),
        cmocka_unit_test(a_message_of_two_rows_is_one_message),
        cmocka_unit_test(pages_are_turned_and_joined_into_one_caption),
        cmocka_unit_test(questions_of_nle_and_oni_stay_the_agents),
        cmocka_unit_test(an_answered_question_is_not_said_twice),
        cmocka_unit_test(cast_takes_the_first_spell_and_only_from_the_menu),
        cmocka_unit_test(a_skill_that_can_grow_is_enhanced),
        cmocka_unit_test(a_full_caption_keeps_the_stairs),
        cmocka_unit_test(the_status_rows_become_blstats),
        cmocka_unit_test(strength_is_counted_as_nethack_does),
        cmocka_unit_test(stairs_are_done_on_their_level_by_the_stairs),
        cmocka_unit_test(the_oracle_is_the_blue_human_in_the_middle),
        cmocka_unit_test(the_eat_action_takes_what_is_offered_first),
        cmocka_unit_test(characters_that_the_game_does_not_know_are_refused),
        cmocka_unit_test(the_score_is_what_botl_counts),
        cmocka_unit_test(the_last_words_are_read_from_xlogfile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
