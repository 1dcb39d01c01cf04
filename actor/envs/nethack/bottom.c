#include "actor/envs/nethack/bottom.h"

#include <string.h>

#include "actor/env.h"

enum { ROW_WHO = 22, ROW_HOW = 23, HUNGER_NORMAL = 1, STRENGTH_PERCENT = 100 };

/* A word of a row: [at, end), no blanks. */
struct word {
    const uint8_t *at, *end;
};

static bool next_word(const uint8_t **from, const uint8_t *row_end, struct word *w)
{
    const uint8_t *p = *from;

    while (p < row_end && *p == ' ') {
        p++;
    }
    w->at = p;
    while (p < row_end && *p != ' ') {
        p++;
    }
    w->end = p;
    *from = p;
    return w->at < w->end;
}

static bool is(const struct word *w, const char *text)
{
    const size_t len = strlen(text);

    return (size_t)(w->end - w->at) == len && memcmp(w->at, text, len) == 0;
}

/* Where the value of "NAME:value" begins; NULL when the word is another. */
static const uint8_t *value_of(const struct word *w, const char *name)
{
    const size_t len = strlen(name);

    if ((size_t)(w->end - w->at) > len && memcmp(w->at, name, len) == 0 &&
        w->at[len] == ':') {
        return w->at + len + 1;
    }
    return NULL;
}

/* A number at *p, which then stands behind it. Cut off at nine digits: all fit. */
static bool number(const uint8_t **p, const uint8_t *end, int32_t *out)
{
    const bool negative = *p < end && **p == '-';
    const uint8_t *at = *p + (negative ? 1 : 0);
    int32_t v = 0;
    int digits = 0;

    while (at < end && *at >= '0' && *at <= '9' && digits < 9) {
        v = v * 10 + (*at++ - '0');
        digits++;
    }
    if (digits == 0) {
        return false;
    }
    *out = negative ? -v : v;
    *p = at;
    return true;
}

static bool set(const struct word *w, const char *name, int32_t *stat)
{
    const uint8_t *p = value_of(w, name);

    return p != NULL && number(&p, w->end, stat);
}

/* "HP:14(14)", "Xp:1/0": two numbers and one byte between. The second may be missing. */
static bool set_two(const struct word *w, const char *name, int32_t *a, int32_t *b)
{
    const uint8_t *p = value_of(w, name);

    if (p == NULL || !number(&p, w->end, a)) {
        return false;
    }
    if (p < w->end) {
        p++;
        (void)number(&p, w->end, b);
    }
    return true;
}

/* NetHack holds 3..18 plain, 18/01..18/100 as 19..118, 19..25 as 119..125 (STR18, STR19);
 * strength of 25 as acurrstr() maps it: 19 + s/50 up to 121. */
static void set_strength(const struct word *w, int32_t *stats)
{
    const uint8_t *p = value_of(w, "St");
    int32_t whole = 0;
    int32_t percent = 0;

    if (p == NULL || !number(&p, w->end, &whole)) {
        return;
    }
    int32_t full = whole > 18 ? whole + STRENGTH_PERCENT : whole;
    if (whole == 18 && p < w->end && *p == '/') {
        p++;
        if (!number(&p, w->end, &percent)) {
            percent = STRENGTH_PERCENT; // 18/**
        }
        full = 18 + percent;
    }
    stats[STAT_STR125] = full;
    stats[STAT_STR25] = full <= 18 ? full : full <= 121 ? 19 + full / 50 : full - 100;
}

/* "Agent the Candidate  St:18/01 Dx:16 Co:18 In:7 Wi:8 Ch:7 Chaotic" */
static void read_who(const uint8_t *row, int32_t *stats)
{
    static const struct {
        const char *name;
        enum env_stat stat;
    } plain[] = {{"Dx", STAT_DEX},
                 {"Co", STAT_CON},
                 {"In", STAT_INT},
                 {"Wi", STAT_WIS},
                 {"Ch", STAT_CHA}};
    const uint8_t *const end = row + TERMINAL_COLS;
    struct word w;
    struct word last = {row, row};

    while (next_word(&row, end, &w)) {
        last = w;
        set_strength(&w, stats);
        for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
            (void)set(&w, plain[i].name, &stats[plain[i].stat]);
        }
    }
    // The last word: a title may hold any other.
    stats[STAT_ALIGN] = is(&last, "Lawful") ? 1 : is(&last, "Chaotic") ? -1 : 0;
}

/* One of the words behind the numbers. */
static void read_state(const struct word *w, int32_t *stats)
{
    static const struct {
        const char *word;
        enum env_stat stat;
        int32_t value;
    } states[] = {
        {"Satiated", STAT_HUNGER, 0}, {"Hungry", STAT_HUNGER, 2},
        {"Weak", STAT_HUNGER, 3},     {"Fainting", STAT_HUNGER, 4},
        {"Fainted", STAT_HUNGER, 5},  {"Starved", STAT_HUNGER, 6},
        {"Burdened", STAT_CAP, 1},    {"Stressed", STAT_CAP, 2},
        {"Strained", STAT_CAP, 3},    {"Overtaxed", STAT_CAP, 4},
        {"Overloaded", STAT_CAP, 5},
    };
    static const struct {
        const char *word;
        enum bottom_condition bit;
    } conditions[] = {
        {"Stone", CONDITION_STONE},
        {"Slime", CONDITION_SLIME},
        {"Strngl", CONDITION_STRANGLED},
        {"FoodPois", CONDITION_FOOD_POISONED},
        {"TermIll", CONDITION_TERMINALLY_ILL},
        {"Blind", CONDITION_BLIND},
        {"Deaf", CONDITION_DEAF},
        {"Stun", CONDITION_STUNNED},
        {"Conf", CONDITION_CONFUSED},
        {"Hallu", CONDITION_HALLUCINATING},
        {"Lev", CONDITION_LEVITATING},
        {"Fly", CONDITION_FLYING},
        {"Ride", CONDITION_RIDING},
    };

    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        if (is(w, states[i].word)) {
            stats[states[i].stat] = states[i].value;
            return;
        }
    }
    for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++) {
        if (is(w, conditions[i].word)) {
            stats[STAT_CONDITION] |= (int32_t)conditions[i].bit;
            return;
        }
    }
}

static void read_value(const struct word *w, int32_t *stats)
{
    if (set(w, "Dlvl", &stats[STAT_DEPTH])) {
        stats[STAT_DLEVEL] = stats[STAT_DEPTH];
    } else if (set_two(w, "Xp", &stats[STAT_XL], &stats[STAT_EXP])) {
        stats[STAT_HD] = 0;
    } else if (!set(w, "$", &stats[STAT_GOLD]) &&
               !set_two(w, "HP", &stats[STAT_HP], &stats[STAT_HPMAX]) &&
               !set_two(w, "Pw", &stats[STAT_ENE], &stats[STAT_ENEMAX]) &&
               !set(w, "AC", &stats[STAT_AC]) && !set(w, "HD", &stats[STAT_HD])) {
        (void)set(w, "T", &stats[STAT_TIME]);
    }
}

/* "Dlvl:1 $:0 HP:14(14) Pw:4(4) AC:4 Xp:1/0 T:288 Hungry Burdened Conf" */
static void read_how(const uint8_t *row, int32_t *stats)
{
    const uint8_t *const end = row + TERMINAL_COLS;
    struct word w;

    stats[STAT_HUNGER] = HUNGER_NORMAL;
    stats[STAT_CAP] = 0;
    stats[STAT_CONDITION] = 0;
    while (next_word(&row, end, &w)) {
        if (memchr(w.at, ':', (size_t)(w.end - w.at)) != NULL) {
            read_value(&w, stats);
        } else {
            read_state(&w, stats);
        }
    }
}

bool bottom_read(const struct terminal *t, int32_t *stats)
{
    if (memmem(t->chars[ROW_HOW], TERMINAL_COLS, " HP:", 4) == NULL ||
        memmem(t->chars[ROW_WHO], TERMINAL_COLS, " St:", 4) == NULL) {
        return false;
    }
    read_who(t->chars[ROW_WHO], stats);
    read_how(t->chars[ROW_HOW], stats);
    return true;
}
