#ifndef COMMON_BASE_SHARE_H
#define COMMON_BASE_SHARE_H
/* Where the programs' own files lie, by one rule for the build tree and for an installed
 * prefix: beside the program's directory, ../share/minos (goals/, prompts/, conf/, …) and
 * ../lib/minos (the NetHack preload shim). Any thread. */

#include <stdbool.h>
#include <stddef.h>

/* Writes the absolute path of ../share/minos/`relative` (or ../lib/minos/…). False when
 * nothing lies there; `out` then holds the path that was looked at, for the error. */
bool share_path(const char *relative, char *out, size_t size);
bool share_lib_path(const char *relative, char *out, size_t size);
/* For the error that there is no `name` in ../share/minos/`folder` among the files that end
 * in `ending` (".goal"): "did you mean treasure?", or "there are combat, gold, …". */
void share_suggest(const char *folder, const char *ending, const char *name, char *out,
                   size_t size);
/* The directory of this program itself, to start its siblings. */
void share_program_dir(char *out, size_t size);

#endif
