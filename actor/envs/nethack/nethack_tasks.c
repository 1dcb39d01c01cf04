#include "actor/envs/nethack/nethack_tasks.h"

#include <string.h>

#include "actor/envs/nethack/bottom.h"
#include "common/base/log.h"
#include "common/base/text.h"

enum {
    KEY_MORE = 13,
    KEY_KICK = 4,    // ^D
    KEY_PRAY = 0xf0, // M-p
    ACTION_NORTHWEST = 8,
    // The Oracle's level: fifth to ninth; she sits in the middle of the map and never
    // moves (oracle.des).
    ORACLE_DEPTH_LEAST = 5,
    ORACLE_DEPTH_MOST = 9,
    ORACLE_ROW = 12,
    ORACLE_COL = 39,
    ORACLE_COLOR = 12 // bright blue
};

static const struct nethack_task tasks[] = {
    {"nethack-score", "defaultgoal", GOAL_SCORE, 0, false, NETHACK_ACTIONS},
    {"nethack-score23", "defaultgoal", GOAL_SCORE, 0, false, NETHACK_ACTIONS_NLE},
    {"nethack-stairs2", "stairs", GOAL_STAIRS, 2, false, NETHACK_ACTIONS},
    {"nethack-stairs3", "stairs", GOAL_STAIRS, 3, false, NETHACK_ACTIONS},
    {"nethack-stairs4", "stairs", GOAL_STAIRS, 4, false, NETHACK_ACTIONS},
    {"nethack-oracle", "defaultgoal", GOAL_ORACLE, 0, false, NETHACK_ACTIONS},
    {"nethack-oracle-sober", "defaultgoal", GOAL_ORACLE, 0, true, NETHACK_ACTIONS},
    {"nethack-free", "defaultgoal", GOAL_NONE, 0, false, NETHACK_ACTIONS},
};
enum { TASKS = sizeof(tasks) / sizeof(tasks[0]) };

const char *const nethack_task_names[] = {
    "nethack-score",        "nethack-score23", "nethack-stairs2",
    "nethack-stairs3",      "nethack-stairs4", "nethack-oracle",
    "nethack-oracle-sober", "nethack-free",    NULL};

const char *const nethack_action_names[NETHACK_ACTIONS] = {
    "more",          "north",         "east",      "south",         "west",
    "northeast",     "southeast",     "southwest", "northwest",     "far-north",
    "far-east",      "far-south",     "far-west",  "far-northeast", "far-southeast",
    "far-southwest", "far-northwest", "up",        "down",          "wait",
    "kick",          "eat",           "search",    "cast",          "quaff",
    "pray",          "pickup",        "pay"};

/* NLE's order of its 23 task actions, then ONI's five. */
static const uint8_t keys[NETHACK_ACTIONS] = {
    KEY_MORE, 'k', 'l', 'j', 'h', 'u',      'n', 'b', 'y', 'K',
    'L',      'J', 'H', 'U', 'N', 'B',      'Y', '<', '>', '.',
    KEY_KICK, 'e', 's', 'Z', 'q', KEY_PRAY, ',', 'p'};

const struct nethack_task *nethack_task_find(const char *name)
{
    for (int i = 0; i < TASKS; i++) {
        if (strcmp(tasks[i].name, name) == 0) {
            return &tasks[i];
        }
    }
    return NULL;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* "What do you want to eat? [bd or ?*] " offers b first; "[- or ?*]" nothing. */
static uint8_t first_offered(const char *question)
{
    const char *p = strchr(question, '[');

    for (p = p != NULL ? p + 1 : ""; *p != '\0' && *p != ']' && *p != ' '; p++) {
        if (is_letter(*p)) {
            return (uint8_t)*p;
        }
    }
    return ' ';
}

uint8_t nethack_task_key(int action, bool asks, const char *caption)
{
    const char *question = NULL;

    if (asks) {
        question = strstr(caption, "What do you want to eat");
        if (question == NULL) {
            question = strstr(caption, "What do you want to drink");
        }
    }
    if (question == NULL) {
        return keys[action];
    }
    return action == ACTION_NORTHWEST ? first_offered(question) : ' ';
}

/* Beside the Oracle: the map's middle within one step of the hero, and her sign there. */
static bool at_oracle(const struct env_obs *o)
{
    const int rows = o->hero_row - ORACLE_ROW;
    const int cols = o->hero_col - ORACLE_COL;

    return o->stats[STAT_DEPTH] >= ORACLE_DEPTH_LEAST &&
           o->stats[STAT_DEPTH] <= ORACLE_DEPTH_MOST && rows >= -1 && rows <= 1 &&
           cols >= -1 && cols <= 1 && (rows != 0 || cols != 0) &&
           o->chars[ORACLE_ROW][ORACLE_COL] == '@' &&
           o->colors[ORACLE_ROW][ORACLE_COL] == ORACLE_COLOR;
}

bool nethack_task_done(const struct nethack_task *t, const struct env_obs *o)
{
    switch (t->goal) {
    case GOAL_STAIRS:
        return o->stats[STAT_DEPTH] == t->level &&
               strstr((const char *)o->caption, "You descend the stairs") != NULL;
    case GOAL_ORACLE:
        return at_oracle(o) &&
               !(t->sober && (o->stats[STAT_CONDITION] & CONDITION_HALLUCINATING) != 0);
    default:
        return false;
    }
}

int32_t nethack_score(int32_t earned, int32_t deepest, int32_t gold_gained)
{
    const int32_t deep = deepest > 30   ? 10000
                         : deepest > 20 ? 1000 * (deepest - 20)
                                        : 0;

    return 4 * earned + 50 * (deepest > 1 ? deepest - 1 : 0) +
           (gold_gained > 0 ? gold_gained : 0) + deep;
}

/* What each role may be (role.c): letters of races, alignments and genders. */
static const struct {
    const char *name, *option, *races, *aligns, *genders;
} roles[] = {
    {"arc", "Archeologist", "hdg", "ln", "mf"}, {"bar", "Barbarian", "ho", "nc", "mf"},
    {"cav", "Caveman", "hdg", "ln", "mf"},      {"hea", "Healer", "hg", "n", "mf"},
    {"kni", "Knight", "h", "l", "mf"},          {"mon", "Monk", "h", "lnc", "mf"},
    {"pri", "Priest", "he", "lnc", "mf"},       {"rog", "Rogue", "ho", "c", "mf"},
    {"ran", "Ranger", "hego", "nc", "mf"},      {"sam", "Samurai", "h", "l", "mf"},
    {"tou", "Tourist", "h", "n", "mf"},         {"val", "Valkyrie", "hd", "ln", "f"},
    {"wiz", "Wizard", "hego", "nc", "mf"},
};
enum { ROLES = sizeof(roles) / sizeof(roles[0]) };

enum { PART_ROLE, PART_RACE, PART_GENDER, PART_ALIGN };

/* race: the alignments that the race itself allows. */
static const struct {
    const char *name, *option;
    int part;
    char letter;
    const char *aligns;
} traits[] = {
    {"hum", "human", PART_RACE, 'h', "lnc"},
    {"elf", "elf", PART_RACE, 'e', "c"},
    {"dwa", "dwarf", PART_RACE, 'd', "l"},
    {"gno", "gnome", PART_RACE, 'g', "n"},
    {"orc", "orc", PART_RACE, 'o', "c"},
    {"mal", "male", PART_GENDER, 'm', "lnc"},
    {"fem", "female", PART_GENDER, 'f', "lnc"},
    {"law", "lawful", PART_ALIGN, 'l', "lnc"},
    {"neu", "neutral", PART_ALIGN, 'n', "lnc"},
    {"cha", "chaotic", PART_ALIGN, 'c', "lnc"},
};
enum { TRAITS = sizeof(traits) / sizeof(traits[0]) };

static enum status no_character(const char *text, const char *why)
{
    LOG_ERROR("NETHACK-ROLE",
              "role wants random or ROLE[-RACE][-GENDER][-ALIGN] like mon-hum-mal-neu, "
              "got '%s': %s",
              text, why);
    return ST_INVALID;
}

static int trait_of(const char *word)
{
    for (int i = 0; i < TRAITS; i++) {
        if (strcmp(traits[i].name, word) == 0) {
            return i;
        }
    }
    return -1;
}

enum status nethack_character_parse(const char *text, const char *out[4])
{
    char copy[32];
    char *rest = copy;
    int role = 0;
    int chosen[4] = {-1, -1, -1, -1};

    for (int i = 0; i < 4; i++) {
        out[i] = "random";
    }
    if (strcmp(text, "random") == 0) {
        return ST_OK;
    }
    if (!text_format(copy, sizeof(copy), "%s", text)) {
        return no_character(text, "too long");
    }
    const char *word = strsep(&rest, "-");
    while (role < ROLES && strcmp(roles[role].name, word) != 0) {
        role++;
    }
    if (role == ROLES) {
        return no_character(text,
                            "the first word is one of arc bar cav hea kni mon pri "
                            "rog ran sam tou val wiz");
    }
    out[PART_ROLE] = roles[role].option;
    while ((word = strsep(&rest, "-")) != NULL) {
        const int i = trait_of(word);
        if (i < 0) {
            return no_character(text, "the other words are of hum elf dwa gno orc, mal "
                                      "fem, law neu cha");
        }
        chosen[traits[i].part] = i;
        out[traits[i].part] = traits[i].option;
    }
    const char *const allowed[4] = {"", roles[role].races, roles[role].genders,
                                    roles[role].aligns};
    for (int part = PART_RACE; part <= PART_ALIGN; part++) {
        if (chosen[part] >= 0 &&
            strchr(allowed[part], traits[chosen[part]].letter) == NULL) {
            return no_character(text, "the game has no such character");
        }
    }
    if (chosen[PART_RACE] >= 0 && chosen[PART_ALIGN] >= 0 &&
        strchr(traits[chosen[PART_RACE]].aligns, traits[chosen[PART_ALIGN]].letter) ==
            NULL) {
        return no_character(text, "the game has no such character");
    }
    return ST_OK;
}
