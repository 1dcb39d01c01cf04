#include "actor/envs/crypt/captions.h"

#include <string.h>

#include "actor/envs/crypt/dungeon.h"
#include "actor/envs/screen.h"

/* Truth of an event, as strengths per task kind: 0 = not progress. Columns are
 * TASK_STAIRS, TASK_VAULT, TASK_ORACLE, TASK_SCORE, TASK_FREE. What is not listed is
 * not progress in any task. */
enum { TASK_KINDS = TASK_FREE + 1 };
static const uint8_t truths[EVENTS][TASK_KINDS] = {
    [EV_STAIRS_SEEN] = {1, 0, 1, 1, 1}, [EV_STAIRS_ON] = {2, 0, 2, 1, 1},
    [EV_DESCEND] = {3, 0, 3, 3, 3},     [EV_KEY_SEEN] = {0, 1, 0, 0, 1},
    [EV_KEY_ON] = {0, 1, 0, 0, 1},      [EV_KEY_TAKEN] = {0, 2, 0, 0, 2},
    [EV_LOCKED] = {0, 1, 0, 0, 1},      [EV_UNLOCK] = {0, 2, 0, 0, 2},
    [EV_CHEST_SEEN] = {0, 1, 0, 0, 1},  [EV_CHEST_OPEN] = {0, 3, 0, 0, 3},
    [EV_ORACLE_SEEN] = {0, 0, 2, 0, 1}, [EV_ORACLE_MET] = {0, 0, 3, 0, 3},
    [EV_KILL] = {0, 0, 0, 2, 1},        [EV_GOLD_TAKEN] = {0, 0, 0, 1, 1},
    [EV_EATEN] = {0, 0, 0, 0, 1},
};

/* Letters of inscriptions. Without c, k, l, s, t, w and y no word of a goal can be
 * spelt; consonant-vowel-consonant keeps the syllables apart, so that different numbers
 * are different texts. */
static const char consonants[9] = "bdgmnrvz";
static const char vowels[5] = "aeou";

int captions_truth(int task_kind, int event, int *strength)
{
    *strength = event >= 0 && event < EVENTS ? truths[event][task_kind] : 0;
    return *strength > 0;
}

void captions_draw_forms(struct crypt *g)
{
    for (int e = 0; e < EVENTS; e++) {
        uint32_t n = 0;

        while (n < (uint32_t)g->task.c.forms && n < FORMS_MAX &&
               words_events[e].forms[n] != NULL) {
            n++;
        }
        g->level.forms[e] = n > 1 ? (uint8_t)rng_below(&g->text, n) : 0;
    }
}

void captions_begin(struct crypt *g)
{
    g->said = (struct said){.event = ENV_EVENT_NONE, .rank = RANK_EMPTY};
}

static void note(struct crypt *g, int rank, struct said said)
{
    if (rank > g->said.rank) {
        g->said = said;
        g->said.rank = (uint8_t)rank;
    }
}

void captions_note(struct crypt *g, enum crypt_event event)
{
    note(g, words_events[event].rank, (struct said){.event = (int16_t)event});
}

void captions_note_number(struct crypt *g, enum crypt_event event, int number)
{
    note(g, words_events[event].rank,
         (struct said){.event = (int16_t)event, .number = number});
}

void captions_note_monster(struct crypt *g, enum crypt_event event, int kind,
                           int adjective)
{
    note(g, words_events[event].rank,
         (struct said){.event = (int16_t)event,
                       .kind = (uint8_t)kind,
                       .adjective = (uint8_t)adjective});
}

void captions_note_success(struct crypt *g, enum crypt_event event, int number)
{
    note(g, RANK_SUCCESS, (struct said){.event = (int16_t)event, .number = number});
}

void captions_ambient(struct crypt *g)
{
    // Drawn every step, heard or not: the text stream does not follow the game.
    bool now = rng_below(&g->text, (uint32_t)g->task.c.ambient) == 0;

    if (!now) {
        return;
    }
    int form = (int)rng_below(&g->text, AMBIENT_FORMS);
    captions_note_number(g,
                         form < 4   ? EV_AMBIENT_STAIRS
                         : form < 8 ? EV_AMBIENT_KEYS
                                    : EV_AMBIENT,
                         form);
}

struct writer {
    char text[ENV_CAPTION_MAX + 1];
    size_t len;
};

static void put_char(struct writer *w, char c)
{
    if (w->len < ENV_CAPTION_MAX) {
        w->text[w->len++] = c;
    }
}

static void put_text(struct writer *w, const char *text)
{
    while (*text != '\0') {
        put_char(w, *text++);
    }
}

static void put_article(struct writer *w, const char *word)
{
    put_text(w, strchr("aeiou", word[0]) != NULL ? "an " : "a ");
    put_text(w, word);
}

static void put_number(struct writer *w, int number)
{
    char digits[12];
    int n = 0;

    do {
        digits[n++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    while (n > 0) {
        put_char(w, digits[--n]);
    }
}

static void put_syllable(struct writer *w, uint32_t bits)
{
    put_char(w, consonants[bits & 7]);
    put_char(w, vowels[(bits >> 3) & 3]);
    put_char(w, consonants[(bits >> 5) & 7]);
}

/* Three to seven syllables. The first three count through all 2^24 in odd strides from a
 * start drawn per episode, so that no text comes twice in an episode. */
static void put_inscription(struct writer *w, struct crypt *g)
{
    uint32_t head = g->inscription + g->inscriptions++ * 0x9e3779b1u;
    uint64_t tail = rng_next(&g->text);
    int syllables = 3 + (int)(tail % 5);

    for (int i = 0; i < syllables; i++) {
        uint32_t bits = i < 3 ? head >> (8 * i) : (uint32_t)(tail >> (8 * i));
        if (i > 0 && ((tail >> (56 + i)) & 1) != 0) {
            put_char(w, ' ');
        }
        put_syllable(w, bits & 255);
    }
}

static void put_slot(struct writer *w, struct crypt *g, char slot)
{
    const struct said *s = &g->said;

    switch (slot) {
    case 'm':
        put_text(w, words_metals[g->level.metal]);
        break;
    case 'M':
        put_article(w, words_metals[g->level.metal]);
        break;
    case 'k':
        put_text(w, words_kinds[s->kind]);
        break;
    case 'j':
        put_text(w, words_adjectives[s->adjective]);
        break;
    case 'J':
        put_article(w, words_adjectives[s->adjective]);
        break;
    case 'n':
        put_number(w, s->number);
        break;
    case 'o':
        put_text(w, words_ordinals[s->number - 1]);
        break;
    default:
        put_inscription(w, g);
        break;
    }
}

void captions_write(struct crypt *g)
{
    struct writer w;
    const struct said *s = &g->said;

    w.len = 0;
    if (s->event != ENV_EVENT_NONE) {
        const char *form = s->rank == RANK_AMBIENT
                               ? words_ambient[s->number]
                               : words_events[s->event].forms[g->level.forms[s->event]];
        for (; *form != '\0'; form++) {
            if (*form == '%') {
                form++;
                put_slot(&w, g, *form);
            } else {
                put_char(&w, *form);
            }
        }
    }
    screen_caption(&g->obs, w.text, w.len, s->event);
}
