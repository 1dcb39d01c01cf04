#include "actor/envs/crypt/tasks.h"

#include <stddef.h>
#include <string.h>

#include "actor/envs/crypt/dungeon.h"
#include "actor/envs/overrides.h"
#include "common/base/log.h"

/* Common to all; each task changes what its row names. */
#define COMMON                                                                         \
    .columns = 2, .rows = 2, .width = 36, .limit = 300, .stages = 1, .levels = 10,     \
    .monsters = 3, .gold = 3, .food = 1, .inscriptions = 2, .traps = 1, .statues = 0,  \
    .hp = 12, .regen = 15, .hit = 67, .bite = 6, .chase = 67, .range = 6, .foe_hp = 2, \
    .extra = 15, .ambient = 60, .forms = 4, .kinds = 26, .adjectives = 8, .metals = 6, \
    .hunger = 0, .nutrition = 800, .whispers = 0, .prize = 50

static const struct task tasks[] = {
    {"crypt-stairs2", "stairs", TASK_STAIRS, {COMMON}},
    {"crypt-stairs", "stairs", TASK_STAIRS, {COMMON}},
    {"crypt-vault", "treasure", TASK_VAULT, {COMMON}},
    {"crypt-oracle", "exploration", TASK_ORACLE, {COMMON}},
    {"crypt-score", "defaultgoal", TASK_SCORE, {COMMON}},
    {"crypt-free", "defaultgoal", TASK_FREE, {COMMON}},
};
enum { TASKS = sizeof(tasks) / sizeof(tasks[0]) };

const char *const tasks_names[] = {
    "crypt-stairs2", "crypt-stairs", "crypt-vault", "crypt-oracle",
    "crypt-score",   "crypt-free",   NULL};

/* What differs from COMMON, set after the copy (a repeated designator would warn). */
static void specialise(struct task *t)
{
    struct task_constants *c = &t->c;

    if (strcmp(t->name, "crypt-stairs") == 0) {
        c->stages = 3;
    }
    switch (t->kind) {
    case TASK_VAULT:
        c->limit = 150;
        break;
    case TASK_ORACLE:
        c->limit = 350;
        c->stages = 2;
        break;
    case TASK_SCORE:
    case TASK_FREE:
        c->columns = 3;
        c->width = 56;
        c->limit = 1000;
        c->hunger = 1;
        c->stages = 2; // levels above the oracle's, in crypt-free
        break;
    case TASK_STAIRS:
        break;
    }
}

#define ROW(field_, least_, most_, help_)                                              \
    {                                                                                  \
        .name = #field_, .offset = offsetof(struct task_constants, field_),            \
        .least = (least_), .most = (most_), .help = (help_)                            \
    }
static const struct override_row constant_rows[] = {
    {.name = "rooms",
     .offset = offsetof(struct task_constants, columns),
     .least = 1,
     .most = 4,
     .pair = 1,
     .help = "rooms across and down"},
    ROW(width, 24, 78, "columns of the window that holds the level"),
    ROW(limit, 1, 100000, "steps until the episode is cut"),
    ROW(stages, 1, 9, "descents that the task asks for"),
    ROW(levels, 2, ORDINALS, "levels of crypt-score and crypt-free"),
    ROW(monsters, 0, MONSTERS_MAX, "monsters on a level"),
    ROW(gold, 0, 8, "heaps of gold on a level"),
    ROW(food, 0, 8, "rations on a level"),
    ROW(inscriptions, 0, 8, "inscriptions on a level"),
    ROW(traps, 0, 8, "traps on a level"),
    ROW(statues, 0, 8, "statues on an ordinary level"),
    ROW(hp, 1, 99, "hit points at the start"),
    ROW(regen, 1, 1000, "turns for one hit point"),
    ROW(hit, 0, 100, "per cent of the hero's blows that hit"),
    ROW(bite, 1, 1000, "turns for one bite of a monster beside the hero"),
    ROW(chase, 0, 100, "per cent of turns in which a monster near by comes nearer"),
    ROW(range, 0, 20, "cells within which monsters notice the hero"),
    ROW(foe_hp, 1, 99, "a monster's hit points"),
    ROW(extra, 0, 100, "per cent of further pairs of rooms that are joined"),
    ROW(ambient, 1, 100000, "steps for one sound from far away"),
    ROW(forms, 1, FORMS_MAX, "most surface forms of a caption"),
    ROW(kinds, 1, KINDS, "kinds of monsters"),
    ROW(adjectives, 1, ADJECTIVES, "adjectives of monsters"),
    ROW(metals, 1, METALS, "metals of keys"),
    ROW(hunger, 0, 1, "1: the hero must eat"),
    ROW(nutrition, 1, 10000, "turns that the hero lasts without food"),
    ROW(whispers, 0, 1, "1: statues flatter whoever searches beside them"),
    ROW(prize, 1, 1000, "reward of a success"),
};
#undef ROW
enum { CONSTANT_ROWS = sizeof(constant_rows) / sizeof(constant_rows[0]) };

/* A room is 3 x 2 inside, has walls, and leaves a column and a row to the corridors. */
enum { CELL_COLS_MIN = 6, CELL_ROWS_MIN = 5 };

static enum status check_fit(const struct task *t)
{
    const struct task_constants *c = &t->c;

    if (c->columns * CELL_COLS_MIN > c->width ||
        c->rows * CELL_ROWS_MIN > WINDOW_ROWS || c->columns * c->rows < 2 ||
        c->columns * c->rows > ROOMS_MAX) {
        LOG_ERROR(
            "ENV-OPTION",
            "%s: rooms=%dx%d does not fit width=%d, allowed are 2 to %d rooms, %d "
            "columns for each across and at most 3 down",
            t->name, (int)c->columns, (int)c->rows, (int)c->width, ROOMS_MAX,
            CELL_COLS_MIN);
        return ST_INVALID;
    }
    if ((t->kind == TASK_VAULT && c->columns * c->rows < 3) ||
        (t->kind == TASK_FREE && c->columns * c->rows < 4)) {
        LOG_ERROR("ENV-OPTION", "%s: rooms=%dx%d is too few, allowed are %d and more",
                  t->name, (int)c->columns, (int)c->rows, t->kind == TASK_FREE ? 4 : 3);
        return ST_INVALID;
    }
    // The oracle's level has three rooms side by side, the middle one 9 x 5.
    if ((t->kind == TASK_ORACLE || t->kind == TASK_FREE) && c->width < 36) {
        LOG_ERROR("ENV-OPTION",
                  "%s: width=%d is too small for the oracle's level, "
                  "allowed are 36 and more",
                  t->name, (int)c->width);
        return ST_INVALID;
    }
    return ST_OK;
}

const char *tasks_goal_of(const char *name)
{
    for (int i = 0; i < TASKS; i++) {
        if (strcmp(tasks[i].name, name) == 0) {
            return tasks[i].goal;
        }
    }
    return NULL;
}

enum status tasks_make(const struct env_options *options, struct task *out)
{
    struct task t = {0};

    for (int i = 0; i < TASKS; i++) {
        if (strcmp(tasks[i].name, options->task) == 0) {
            t = tasks[i];
        }
    }
    if (t.name == NULL) {
        LOG_ERROR("ENV-UNKNOWN", "crypt has no task '%s'", options->task);
        return ST_NOTFOUND;
    }
    specialise(&t);
    TRY(overrides_apply(t.name, options->overrides, constant_rows, CONSTANT_ROWS,
                        &t.c));
    TRY(check_fit(&t));
    if (t.c.whispers && t.c.statues == 0) {
        t.c.statues = 2;
    }
    *out = t;
    return ST_OK;
}
