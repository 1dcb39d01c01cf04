#ifndef TESTS_SUPPORT_CRYPTPLAY_H
#define TESTS_SUPPORT_CRYPTPLAY_H
/* Playing the crypt from inside: a game whose level a test draws by hand. */

#include "actor/env.h"
#include "actor/envs/crypt/crypt.h"
#include "actor/envs/crypt/dungeon.h"

/* One game, reset with the given episode of seed 7. */
struct env *cryptplay_open(const char *task, const char *overrides);
struct crypt *cryptplay_inside(struct env *e);
struct env_result cryptplay_step(struct env *e, int action);
const char *cryptplay_caption(struct env *e);
/* Replaces the level by a drawing whose first row is map row 1, first column 1:
 * `.` floor, `#` corridor, `+` door, `X` vault door, `-` and `|` walls, `@` the hero on
 * floor, `a` on `#`, an object's own letter on floor, `m` a monster. All floor is room 1,
 * but for what `V` marks: the floor of the vault, room 2. */
void cryptplay_draw(struct env *e, const char *const *rows, int count);

#endif
