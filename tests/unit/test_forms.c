#include "tests/support/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/rng.h"
#include "learner/intake/forms.h"
#include "tests/support/cryptplay.h"

enum { EAST = 1, READS = 100000, SAID_MOST = 8192 };

static struct forms *f;

static int set_up(void **state)
{
    (void)state;
    f = forms_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    forms_free(f);
    return 0;
}

static uint32_t form(const char *caption)
{
    return forms_of(f, bytes_text(caption));
}

/* ---- what forms leave out ---- */

static void digits_and_quoted_text_are_left_out(void **state)
{
    (void)state;
    const uint32_t gold = form("You take 17 gold pieces.");
    assert_string_equal(forms_text(f), "You take # gold pieces.");
    assert_int_equal(form("You take 3 gold pieces."), gold);
    const uint32_t read = form("You read: \"ad aerarium\".");
    assert_string_equal(forms_text(f), "You read: \"…\".");
    assert_int_equal(form("You read: \"Vlad was here\"."), read);
    assert_true(form("You read: \"cut off by the edge") != gold);
    assert_string_equal(forms_text(f), "You read: \"…\"");
    form("");
    assert_string_equal(forms_text(f), "");
}

static void what_stands_in_a_slot_is_left_out_and_runs_are_one(void **state)
{
    static const char *const nouns[] = {"newt", "rat", "jackal", "gnome",  "kobold",
                                        "bat",  "imp", "lichen", "kitten", "dwarf"};
    char text[64];
    uint32_t hit = 0;

    (void)state;
    for (int i = 0; i < 10; i++) {
        snprintf(text, sizeof(text), "You hit the %s!", nouns[i]);
        hit = form(text);
    }
    assert_string_equal(forms_text(f), "You hit the *!");
    // A word is rare wherever it stands.
    form("You kill the newt!");
    assert_string_equal(forms_text(f), "You kill the *!");
    assert_true(form("You kill the rat!") != hit);
    form("The newt rat sleeps.");
    assert_string_equal(forms_text(f), "The * sleeps.");
    form("You kill the door!");
    assert_string_equal(forms_text(f), "You kill the door!");
    // What is done with them is not a slot, in however many ways.
    static const char *const verbs[] = {"see",  "feed", "miss",  "kick", "bite",
                                        "pass", "free", "smell", "hear", "wake"};
    for (int i = 0; i < 10; i++) {
        char want[64];
        snprintf(text, sizeof(text), "You %s the rat!", verbs[i]);
        snprintf(want, sizeof(want), "You %s the *!", verbs[i]);
        form(text);
        assert_string_equal(forms_text(f), want);
    }
}

/* ---- endless novelty ---- */

static void a_hundred_thousand_inscriptions_make_ten_forms_at_most(void **state)
{
    const char *const rows[] = {"-----", "|@~.|", "-----"};

    (void)state;
    for (uint64_t level = 0; level < 12; level++) { // other surface forms in each
        struct env *e = cryptplay_open("crypt-stairs", "limit=100000");
        cryptplay_draw(e, rows, 3);
        cryptplay_inside(e)->level.forms[EV_READ] = (uint8_t)(level % 3);
        (void)cryptplay_step(e, EAST);
        for (int i = 0; i < READS / 12 + 1; i++) {
            (void)cryptplay_step(e, ACT_SEARCH);
            assert_int_equal(env_crypt.obs(e)->event, EV_READ);
            form(cryptplay_caption(e));
        }
        env_crypt.close(e);
    }
    assert_int_equal(forms_count(f), 3);
    assert_true(forms_count(f) <= 10);
}

/* Words that nobody has met, in numbers that differ, and without quotes. */
static void endless_new_words_make_few_forms_too(void **state)
{
    struct rng rng;
    char text[200];

    (void)state;
    rng_init(&rng, 5);
    for (int i = 0; i < READS; i++) {
        size_t len = (size_t)snprintf(text, sizeof(text), "A voice says");
        for (uint32_t w = 0, n = 1 + rng_below(&rng, 4); w < n; w++) {
            text[len++] = ' ';
            for (int k = 0; k < 8; k++) {
                text[len++] = (char)('a' + rng_below(&rng, 26));
            }
            text[len] = '\0';
        }
        form(text);
    }
    assert_true(forms_count(f) <= 70);
}

/* ---- what the crypt says ---- */

struct said_text {
    char text[256];
    int event;
};

static struct said_text *said;
static int said_count;

static void say(const char *pattern, int event, const char *const fill[3])
{
    struct said_text *s = &said[said_count++];
    size_t len = 0;
    int used = 0;

    assert_true(said_count <= SAID_MOST);
    s->event = event;
    for (; *pattern != '\0'; pattern++) {
        const char one[2] = {*pattern, '\0'};
        const char *piece = one;
        if (*pattern == '%') {
            const bool article = pattern[1] == 'M' || pattern[1] == 'J';
            piece = fill[used++];
            len += (size_t)snprintf(s->text + len, sizeof(s->text) - len, "%s",
                                    !article                          ? ""
                                    : strchr("aeiou", *piece) != NULL ? "an "
                                                                      : "a ");
            pattern++;
        }
        len += (size_t)snprintf(s->text + len, sizeof(s->text) - len, "%s", piece);
    }
}

/* Every filling of one pattern; inscriptions are the business of others. */
static void say_all(const char *pattern, int event)
{
    const char *slot = strchr(pattern, '%');
    char number[16];

    if (slot == NULL) {
        say(pattern, event, (const char *const[3]){NULL});
    } else if (slot[1] == 'm' || slot[1] == 'M') {
        for (int i = 0; i < METALS; i++) {
            say(pattern, event, (const char *const[3]){words_metals[i]});
        }
    } else if (slot[1] == 'o') {
        for (int i = 1; i < 4; i++) {
            say(pattern, event, (const char *const[3]){words_ordinals[i]});
        }
    } else if (slot[1] == 'n') {
        for (int i = 1; i < 30; i++) {
            snprintf(number, sizeof(number), "%d", i);
            say(pattern, event, (const char *const[3]){number});
        }
    } else if (slot[1] != 'i') {
        for (int i = 0; i < KINDS * ADJECTIVES; i++) {
            say(pattern, event,
                (const char *const[3]){words_adjectives[i % ADJECTIVES],
                                       words_kinds[i / ADJECTIVES]});
        }
    }
}

static void all_that_the_crypt_says(void)
{
    said_count = 0;
    for (int v = 0; v < EVENTS; v++) {
        for (int k = 0; k < FORMS_MAX && words_events[v].forms[k] != NULL; k++) {
            say_all(words_events[v].forms[k], v);
        }
    }
    for (int i = 0; i < AMBIENT_FORMS; i++) {
        say(words_ambient[i], EV_AMBIENT, (const char *const[3]){NULL});
    }
}

static void shuffle(struct rng *rng)
{
    for (int i = said_count - 1; i > 0; i--) {
        const uint32_t other = rng_below(rng, (uint32_t)i + 1);
        const struct said_text kept = said[i];
        said[i] = said[other];
        said[other] = kept;
    }
}

/* In whatever order they come: two kinds of progress are never one form, and no progress
 * is of one form with what is none. Fights, which are most of what is said, end up as few. */
static void different_kinds_of_progress_stay_different_forms(void **state)
{
    static int event_of[FORMS_MOST];
    int strength;

    (void)state;
    said = mem_new(SAID_MOST, sizeof(*said));
    all_that_the_crypt_says();
    assert_true(said_count > 3000);
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct rng rng;
        rng_init(&rng, seed);
        forms_free(f);
        f = forms_new();
        memset(event_of, -1, sizeof(event_of));
        shuffle(&rng);
        for (int i = 0; i < said_count; i++) {
            const uint32_t n = form(said[i].text);
            const int was = event_of[n], is = said[i].event;
            if (was >= 0 && was != is &&
                (captions_truth(TASK_FREE, was, &strength) ||
                 captions_truth(TASK_FREE, is, &strength))) {
                print_message("seed %llu: \"%s\" of event %d is of form \"%s\", as "
                              "event %d is\n",
                              (unsigned long long)seed, said[i].text, is, forms_text(f),
                              was);
                assert_int_equal(was, is);
            }
            event_of[n] = is;
        }
        assert_in_range(forms_count(f), 120, 1200);
    }
    mem_free(said);
}

/* The same captions in the same order: the same forms. */
static void forms_repeat(void **state)
{
    struct forms *g = forms_new();
    struct rng rng;

    (void)state;
    rng_init(&rng, 3);
    said = mem_new(SAID_MOST, sizeof(*said));
    all_that_the_crypt_says();
    shuffle(&rng);
    for (int i = 0; i < said_count; i++) {
        assert_int_equal(form(said[i].text), forms_of(g, bytes_text(said[i].text)));
    }
    mem_free(said);
    forms_free(g);
}

/* More words and more forms than there is room for. */
static void the_tables_are_bounded_and_go_on(void **state)
{
    char text[128];

    (void)state;
    const uint64_t allocations = mem_allocations();
    for (int i = 0; i < 200000; i++) {
        snprintf(text, sizeof(text), "%c%c%c, %c%c%c: %c%c; %c", 'a' + i % 7,
                 'a' + i % 11, 'a' + i % 13, 'a' + i % 17, 'a' + i % 19, 'a' + i % 23,
                 'a' + i % 5, 'a' + i / 25 % 25, 'a' + i / 625 % 25);
        assert_true(form(text) < FORMS_MOST);
    }
    assert_true(forms_count(f) <= FORMS_MOST);
    assert_int_equal(mem_allocations(), allocations);
    const struct clock *c = clock_system();
    const uint64_t begin = clock_ns(c);
    for (int i = 0; i < 100000; i++) {
        snprintf(text, sizeof(text), "You see here %d things, and a %c%c%c%c.", i,
                 'a' + i % 26, 'a' + i / 26 % 26, 'a' + i / 676 % 26,
                 'a' + i / 17576 % 26);
        (void)form(text);
    }
    print_message("%.0f ns a caption\n", (double)(clock_ns(c) - begin) / 100000);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(digits_and_quoted_text_are_left_out),
        TEST(what_stands_in_a_slot_is_left_out_and_runs_are_one),
        TEST(a_hundred_thousand_inscriptions_make_ten_forms_at_most),
        TEST(endless_new_words_make_few_forms_too),
        TEST(different_kinds_of_progress_stay_different_forms),
        TEST(forms_repeat),
        TEST(the_tables_are_bounded_and_go_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
